//! Somebody between the connector and Tryton: requests go on as they are, and before one of them
//! something happens. So a colleague changes a record after it was read and before it is written.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use product_suite::{Http, told};

/// `before` sees every request (its first line and its body) before Tryton does. Answers the address.
pub fn between(before: impl Fn(&str, &str) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A caller that goes away is no failure of ours.
            let _ = pass_on(stream, &before);
        }
    });
    format!("http://{address}")
}

fn pass_on(mut stream: TcpStream, before: &impl Fn(&str, &str)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let Some((first, headers)) = lines.split_first() else { return Ok(()) };
    let headers: Vec<(&str, &str)> =
        headers.iter().filter_map(|line| line.split_once(": ")).collect();
    let named = |name: &str| {
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    let length = named("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    before(first, &body);

    let mut parts = first.split(' ');
    let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut tryton = Http::new(told("TRYTON_URL"));
    for name in ["authorization", "x-tryton-context"] {
        if let Some(value) = named(name) {
            tryton = tryton.with(name, value);
        }
    }
    let answer = tryton.send(method, path, &body, named("content-type"));
    // Tryton's own headers say nothing that the connector reads.
    let media = if answer.body.starts_with(['{', '[']) { "application/json" } else { "text/html" };
    write!(
        stream,
        "HTTP/1.1 {} Tryton\r\ncontent-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
        answer.status,
        answer.body.len(),
        answer.body
    )
}
