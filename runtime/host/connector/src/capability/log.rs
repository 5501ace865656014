//! Lines from a guest to the operators' log (target `guest`): bounded in number and length, known
//! secrets taken out, control characters made harmless. Standard output and error end up here too.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tracing::Level;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Val};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use super::CORE_VERSION;
use crate::guest::{Circumstances, Guest};
use crate::secret::redact;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut log = linker.instance(&format!("crossdock:core/log@{CORE_VERSION}"))?;
    log.func_new("log", |store: StoreContextMut<'_, Guest>, _, params, _| {
        let [Val::Enum(level), Val::String(message)] = params else {
            return Err(wasmtime::Error::msg("log takes a level and a message"));
        };
        let level = match level.as_str() {
            "error" => Level::ERROR,
            "warn" => Level::WARN,
            "info" => Level::INFO,
            "debug" => Level::DEBUG,
            _ => Level::TRACE,
        };
        store.data().log.line(level, message);
        Ok(())
    })
}

/// The log of one call.
#[derive(Clone)]
pub(crate) struct GuestLog {
    circumstances: Arc<Circumstances>,
    lines: Arc<AtomicU32>,
}

impl GuestLog {
    pub(crate) fn new(circumstances: Arc<Circumstances>) -> GuestLog {
        GuestLog { circumstances, lines: Arc::default() }
    }

    pub(crate) fn line(&self, level: Level, message: &str) {
        let limits = &self.circumstances.grants.limits;
        let line = self.lines.fetch_add(1, Ordering::Relaxed);
        match line.cmp(&limits.log_lines_max) {
            std::cmp::Ordering::Less => {
                self.emit(level, &clean(message, limits.log_line_bytes_max))
            }
            std::cmp::Ordering::Equal => {
                self.emit(Level::WARN, "(further lines of this call are left out)");
            }
            std::cmp::Ordering::Greater => {}
        }
    }

    fn emit(&self, level: Level, message: &str) {
        let Circumstances { grants, operation, exchange, .. } = &*self.circumstances;
        let connector = &grants.alias;
        macro_rules! emit {
            ($level:expr) => {
                tracing::event!(target: "guest", $level, connector, operation, exchange, "{message}")
            };
        }
        match level {
            Level::ERROR => emit!(Level::ERROR),
            Level::WARN => emit!(Level::WARN),
            Level::INFO => emit!(Level::INFO),
            Level::DEBUG => emit!(Level::DEBUG),
            _ => emit!(Level::TRACE),
        }
    }
}

/// Secrets out first: a cut must not leave half of one.
fn clean(message: &str, bytes_max: usize) -> String {
    let mut text = redact(message);
    if text.len() > bytes_max {
        let mut end = bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    if text.contains(char::is_control) {
        text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
    text
}

/// Standard output or error of a guest.
pub(crate) struct Output {
    log: GuestLog,
    level: Level,
}

impl Output {
    pub(crate) fn new(log: GuestLog, level: Level) -> Output {
        Output { log, level }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    /// Only preview 1 and 3 would ask for this one; neither is linked.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Lines { log: self.log.clone(), level: self.level, partial: Vec::new() })
    }
}

/// Cuts what a guest writes into lines.
struct Lines {
    log: GuestLog,
    level: Level,
    partial: Vec<u8>,
}

const PARTIAL_BYTES_MAX: usize = 16 << 10;

impl Lines {
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            self.log.line(self.level, text.trim_end());
        }
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        for byte in bytes {
            if byte == b'\n' || self.partial.len() >= PARTIAL_BYTES_MAX {
                self.end_line();
            }
            if byte != b'\n' {
                self.partial.push(byte);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(PARTIAL_BYTES_MAX)
    }
}

impl Pollable for Lines {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_line_loses_secrets_control_characters_and_its_tail() {
        let _secret = Secret::new("hunter2-hunter2");
        assert_eq!(clean("key hunter2-hunter2\n2nd", 100), "key [secret] 2nd");
        assert_eq!(clean("0123456789", 4), "0123…");
        assert_eq!(clean("aé", 2), "a…", "never in the middle of a character");
        // The cut falls inside the secret: no half of it is left.
        assert_eq!(clean("key hunter2-hunter2", 9), "key [secr…");
    }
}
