//! A small blocking HTTP/1.1 client for loopback: one request on one connection, no TLS, bounded
//! times and sizes. Enough for the sandbox's control API, the runtime's doors and its admin API.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A caller that waits for a step's result waits this long at most.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_MAX_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// Null where the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// No answer: nobody listens, or the connection broke.
#[derive(Debug)]
pub struct NoAnswer {
    pub to: String,
    pub reason: String,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from {}: {}", self.to, self.reason)
    }
}

impl std::error::Error for NoAnswer {}

pub fn get(address: SocketAddr, path: &str) -> Result<Answer, NoAnswer> {
    send(address, "GET", path, "")
}

pub fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Answer, NoAnswer> {
    post_text(address, path, &body.to_string())
}

/// The bytes as they are: a receiver may know a message again by them.
pub fn post_text(address: SocketAddr, path: &str, body: &str) -> Result<Answer, NoAnswer> {
    send(address, "POST", path, body)
}

fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Answer, NoAnswer> {
    exchange(address, method, path, body).map_err(|error| NoAnswer {
        to: format!("{method} http://{address}{path}"),
        reason: error.to_string(),
    })
}

fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(READ_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\naccept: application/json\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| {
        std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer was cut short")
    })
}

/// None when the answer is not whole.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?;
    let body = &bytes[split + 4..];
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Some(Answer { status, body: unchunk(body)? });
    }
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(body.len());
    Some(Answer { status, body: body.get(..length)?.to_vec() })
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..line]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(line + 2..line + 2 + size)?);
        body = body.get(line + 2 + size + 2..)?;
    }
}

/// For one segment of a path.
pub fn escape(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_read_and_a_cut_one_is_not() {
        let check = |bytes: &str, expect: Option<(u16, &str)>| {
            let found = parse(bytes.as_bytes()).map(|a| (a.status, a.text()));
            assert_eq!(found, expect.map(|(status, text)| (status, text.to_owned())), "{bytes:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some((200, "{}")));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, "")));
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", None);
        check("HTTP/1.1 200 OK\r\ncont", None);
        let chunked =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        check(chunked, Some((200, "abcd")));
        check(&chunked[..chunked.len() - 8], None);
    }
}
