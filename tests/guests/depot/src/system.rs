//! The depot's own protocol: plain text over HTTP, and what its statuses mean.

use crate::crossdock::core::types::{Fault, Retry};
use crate::http::request;

pub struct Said {
    pub status: u16,
    /// In milliseconds, from Retry-After.
    after_ms: Option<u64>,
    body: String,
}

pub fn get(path: &str) -> Result<Said, Fault> {
    let text = request(&format!("GET http://depot/{path}"), "");
    text.map(read).map_err(|error| fault(Retry::Later(None), "unreachable", &error, None))
}

/// The host knows better where nothing had left.
pub fn post(path: &str, key: &str, body: &str) -> Result<Said, Fault> {
    let header = if key.is_empty() { String::new() } else { format!(" idempotency-key:{key}") };
    let text = request(&format!("POST http://depot/{path}{header}"), body);
    text.map(read).map_err(|error| fault(Retry::OutcomeUnknown, "lost", &error, None))
}

pub fn done(said: Said, changes: bool) -> Result<String, Fault> {
    let (retry, code) = match said.status {
        200..=299 => return Ok(said.body),
        401 => (Retry::RefreshAuth, "bad-credentials"),
        429 | 503 => (Retry::Later(said.after_ms), "busy"),
        500.. if changes => (Retry::OutcomeUnknown, "broken"),
        500.. => (Retry::Later(None), "broken"),
        _ => (Retry::Never, "refused"),
    };
    Err(fault(retry, code, said.body.trim(), Some(said.status)))
}

pub fn refusal(code: &str, message: &str, status: Option<u16>) -> Fault {
    fault(Retry::Never, code, message, status)
}

fn fault(retry: Retry, code: &str, message: &str, status: Option<u16>) -> Fault {
    Fault { retry, code: code.into(), message: message.into(), status }
}

fn read(text: String) -> Said {
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    let after = lines.filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == "retry-after");
    let after_ms = after.and_then(|(_, value)| value.parse::<u64>().ok()).map(|s| s * 1_000);
    Said { status, after_ms, body: body.to_owned() }
}
