//! One HTTP/1 server for both listeners, with TLS or without: bounded heads, bodies, connections and
//! times, graceful stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::guard::{Guarded, Patience, Turn};
use super::problem::{Answer, Problem};
use crate::config::Listen;

/// Bytes of a request's head.
const HEAD_MAX_BYTES: usize = 32 * 1024;

/// A listener cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({what}): {reason}\n  help: {help}")]
pub struct ListenError {
    pub address: SocketAddr,
    pub what: &'static str,
    pub reason: String,
    pub help: &'static str,
}

pub async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another process has this port, perhaps a Crossdock that still runs; stop it, or change [listen] in the configuration"
            }
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher one in [listen]",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; use 127.0.0.1 or one of its own in [listen]",
            _ => "check [listen] in the configuration",
        };
        ListenError { address, what, reason: error.to_string(), help }
    })
}

/// One listener with what its connections may cost.
pub struct Door {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    patience: Patience,
    handshake: Duration,
    connections_max: usize,
    connections_per_address_max: usize,
}

impl Door {
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, listen: &Listen) -> Door {
        Door {
            listener,
            tls,
            patience: Patience {
                head: listen.read_timeout.0,
                idle: listen.idle_timeout.0,
                write: listen.write_timeout.0,
                rate_min_bytes: listen.rate_min_bytes.get(),
            },
            handshake: listen.handshake_timeout.0,
            connections_max: listen.connections_max.get(),
            connections_per_address_max: listen.connections_per_address_max.get(),
        }
    }
}

/// Serves until `stop` turns true, then lets requests under way finish.
pub async fn serve<H, F>(door: Door, mut stop: watch::Receiver<bool>, handler: Arc<H>)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let open = Arc::new(Open::default());
    let graceful = GracefulShutdown::new();
    let mut server = hyper::server::conn::http1::Builder::new();
    // The guard of the connection knows the times: hyper's own counts the pause between requests
    // as part of the next head.
    server
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_MAX_BYTES)
        .half_close(false);
    loop {
        let (stream, peer) = tokio::select! {
            () = told(&mut stop) => break,
            connection = door.listener.accept() => match connection {
                Ok(connection) => connection,
                Err(error) => {
                    // Out of descriptors, mostly; the listener itself is still good.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let place = match Open::take(&open, peer.ip(), &door) {
            Ok(place) => place,
            Err(limit) => {
                tracing::warn!(%peer, limit, "a connection was closed at once: too many are open");
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let handler = Arc::clone(&handler);
        let turn = Turn::new();
        let own = turn.clone();
        let service = service_fn(move |request| {
            turn.begin();
            let (answer, turn) = (handler(request, peer), turn.clone());
            async move {
                let answer = answer.await;
                turn.end();
                Ok::<_, Infallible>(answer)
            }
        });
        let (server, watcher) = (server.clone(), graceful.watcher());
        let (patience, tls, handshake) = (door.patience, door.tls.clone(), door.handshake);
        let mut stop = stop.clone();
        tokio::spawn(async move {
            let Some(tls) = tls else {
                let guarded = TokioIo::new(Guarded::new(stream, own, patience));
                ended(watcher.watch(server.serve_connection(guarded, service)).await, peer);
                drop(place);
                return;
            };
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(handshake, tls.accept(stream)) => shaken,
                () = told(&mut stop) => return,
            };
            match shaken {
                Ok(Ok(stream)) => {
                    // The first head has its time from here on.
                    let own = own.anew();
                    let guarded = TokioIo::new(Guarded::new(stream, own, patience));
                    ended(watcher.watch(server.serve_connection(guarded, service)).await, peer);
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS was agreed on"),
                Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
            }
            drop(place);
        });
    }
    drop(door);
    graceful.shutdown().await;
}

fn ended(end: Result<(), hyper::Error>, peer: SocketAddr) {
    if let Err(error) = end {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Connections open now, in all and by address.
#[derive(Default)]
struct Open {
    all: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
}

/// A connection's place among those.
struct Place {
    open: Arc<Open>,
    address: IpAddr,
}

impl Open {
    /// The error names the limit.
    fn take(open: &Arc<Open>, address: IpAddr, door: &Door) -> Result<Place, &'static str> {
        if open.all.load(Ordering::Relaxed) >= door.connections_max {
            return Err("connections_max");
        }
        let mut own = open.by_address.entry(address).or_insert(0);
        if *own >= door.connections_per_address_max {
            return Err("connections_per_address_max");
        }
        *own += 1;
        open.all.fetch_add(1, Ordering::Relaxed);
        Ok(Place { open: Arc::clone(open), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.all.fetch_sub(1, Ordering::Relaxed);
        if let dashmap::Entry::Occupied(mut own) = self.open.by_address.entry(self.address) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// Returns when the process is told to stop.
pub async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the same.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

/// How fast a body must come.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub timeout: Duration,
    /// A second, over any `PACE_WINDOW`.
    pub rate_min_bytes: u32,
}

/// Who pauses for less may go on.
const PACE_WINDOW: Duration = Duration::from_secs(5);

impl Pace {
    pub fn of(listen: &Listen) -> Pace {
        Pace { timeout: listen.read_timeout.0, rate_min_bytes: listen.rate_min_bytes.get() }
    }

    fn due_bytes(self) -> u64 {
        u64::from(self.rate_min_bytes) * PACE_WINDOW.as_secs()
    }
}

/// The whole body, within its limits of size, time and pace.
pub async fn read_body<B>(body: B, max_bytes: usize, pace: Pace) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            format!("A body may have {max_bytes} bytes."),
        )
    };
    // Said before it is sent, where the length is known.
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(too_large());
    }
    let mut body = body;
    let mut read = BytesMut::new();
    let ends = Instant::now() + pace.timeout;
    let mut window = Instant::now() + PACE_WINDOW;
    let mut in_window = 0;
    loop {
        let frame = match tokio::time::timeout_at(ends.min(window), body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(read.freeze()),
            Ok(Some(Err(_))) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "body-cut",
                    "The body ended early",
                    "The connection was cut before the whole body had arrived; send it again.",
                ));
            }
            Err(_) if Instant::now() < ends && in_window >= pace.due_bytes() => {
                (window, in_window) = (Instant::now() + PACE_WINDOW, 0);
                continue;
            }
            Err(_) => {
                let (timeout, rate) = (pace.timeout.as_secs_f64(), pace.rate_min_bytes);
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "body-slow",
                    "The body took too long",
                    format!(
                        "A body must arrive within {timeout} s, with at least {rate} bytes a second."
                    ),
                ));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        in_window += data.len() as u64;
        if read.len() + data.len() > max_bytes {
            return Err(too_large());
        }
        read.extend_from_slice(&data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Frame;

    /// A body of chunks, each after a pause.
    fn body(chunks: usize, bytes: usize, pause: Duration) -> Chunks {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        tokio::spawn(async move {
            for _ in 0..chunks {
                tokio::time::sleep(pause).await;
                if sender.send(Bytes::from(vec![b'x'; bytes])).await.is_err() {
                    return;
                }
            }
        });
        Chunks(receiver)
    }

    struct Chunks(tokio::sync::mpsc::Receiver<Bytes>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(context).map(|chunk| chunk.map(|data| Ok(Frame::data(data))))
        }
    }

    const PACE: Pace = Pace { timeout: Duration::from_secs(60), rate_min_bytes: 100 };

    async fn status(chunks: usize, bytes: usize, pause_s: u64) -> u16 {
        let body = body(chunks, bytes, Duration::from_secs(pause_s));
        match read_body(body, 10_000, PACE).await {
            Ok(read) => {
                assert_eq!(read.len(), chunks * bytes);
                200
            }
            Err(problem) => problem.into_answer().status().as_u16(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_pace_and_an_end() {
        assert_eq!(status(20, 200, 1).await, 200);
        assert_eq!(status(4, 1, 1).await, 200, "short enough to need no pace");
        assert_eq!(status(20, 20, 1).await, 408, "20 bytes a second");
        assert_eq!(status(3, 1000, 6).await, 408, "nothing for longer than a window");
        assert_eq!(status(100, 1, 0).await, 200);
        assert_eq!(status(70, 120, 1).await, 408, "fast enough, and longer than it may take");
        assert_eq!(status(11, 1000, 1).await, 413);
    }
}
