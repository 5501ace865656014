//! A connection whose other side may be slow, silent or hostile: how long it may take for a head, keep
//! quiet between requests, or leave its answer unread. Bodies have their pace in `serve.rs`.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of a request, from its first byte; and for the first byte of the first one.
    pub head: Duration,
    /// For the first byte of the next request.
    pub idle: Duration,
    /// For the other side to read at least `rate_min_bytes` a second of what it was sent.
    pub write: Duration,
    pub rate_min_bytes: u32,
}

/// Whose turn it is on a connection; the server says when a request is under way.
#[derive(Clone)]
pub struct Turn(Arc<Mutex<Whose>>);

#[derive(Clone, Copy)]
enum Whose {
    /// Nothing was heard since then.
    Idle(Instant),
    /// A head has been coming in since then.
    Head(Instant),
    /// A request is being read or answered.
    Ours,
}

impl Turn {
    pub fn new() -> Turn {
        Turn(Arc::new(Mutex::new(Whose::Head(Instant::now()))))
    }

    /// The same turn, with the time of the first head beginning now.
    pub fn anew(self) -> Turn {
        self.set(Whose::Head(Instant::now()));
        self
    }

    /// The head of a request is there.
    pub fn begin(&self) {
        self.set(Whose::Ours);
    }

    /// Its answer is known.
    pub fn end(&self) {
        self.set(Whose::Idle(Instant::now()));
    }

    fn heard(&self) {
        let mut whose = self.lock();
        if let Whose::Idle(_) = *whose {
            *whose = Whose::Head(Instant::now());
        }
    }

    /// When the other side must have said more.
    fn deadline(&self, patience: &Patience) -> Option<Instant> {
        match *self.lock() {
            Whose::Idle(since) => Some(since + patience.idle),
            Whose::Head(since) => Some(since + patience.head),
            Whose::Ours => None,
        }
    }

    fn set(&self, whose: Whose) {
        *self.lock() = whose;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Whose> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub struct Guarded<S> {
    stream: S,
    turn: Turn,
    patience: Patience,
    read_alarm: Pin<Box<Sleep>>,
    write_alarm: Pin<Box<Sleep>>,
    /// Bytes taken by the other side since the write alarm was set; none while nothing is stuck.
    stuck: Option<u64>,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, turn: Turn, patience: Patience) -> Guarded<S> {
        let alarm = || Box::pin(tokio::time::sleep(Duration::ZERO));
        let (read_alarm, write_alarm) = (alarm(), alarm());
        Guarded { stream, turn, patience, read_alarm, write_alarm, stuck: None }
    }

    /// Nothing is there to be read now: ready when that has lasted too long.
    fn wait_to_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.turn.deadline(&self.patience) else { return Poll::Pending };
        if self.read_alarm.deadline() != deadline {
            self.read_alarm.as_mut().reset(deadline);
        }
        self.read_alarm.as_mut().poll(context)
    }

    /// Nothing can be written now: has that lasted too long?
    fn wait_to_write<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.stuck.is_none() {
            self.stuck = Some(0);
            self.write_alarm.as_mut().reset(Instant::now() + self.patience.write);
        }
        while self.write_alarm.as_mut().poll(context).is_ready() {
            let due = u64::from(self.patience.rate_min_bytes) * self.patience.write.as_secs();
            if self.stuck.unwrap_or(0) < due.max(1) {
                return Poll::Ready(Err(slow("the answer was not read in time")));
            }
            self.stuck = Some(0);
            self.write_alarm.as_mut().reset(Instant::now() + self.patience.write);
        }
        Poll::Pending
    }

    fn wrote(&mut self, count: usize) {
        self.stuck = self.stuck.map(|taken| taken + count as u64);
    }
}

fn slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.turn.heard();
            }
            return Poll::Ready(read);
        }
        ready!(this.wait_to_read(context));
        Poll::Ready(Err(slow("the head of a request did not come in time")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                this.wrote(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => this.wait_to_write(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_write_vectored(context, slices) {
            Poll::Ready(written) => {
                this.wrote(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => this.wait_to_write(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_flush(context) {
            Poll::Ready(flushed) => {
                this.stuck = None;
                // Hyper tried to read while the answer was made and does not try again before it is
                // woken: the pause after the answer is timed from here.
                let _ = this.wait_to_read(context);
                Poll::Ready(flushed)
            }
            Poll::Pending => this.wait_to_write(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_shutdown(context) {
            Poll::Ready(closed) => Poll::Ready(closed),
            Poll::Pending => this.wait_to_write(context),
        }
    }
}
