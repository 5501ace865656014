//! One request by wasi:http, spelt out.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

/// `METHOD URL [NAME:VALUE ..]`; a POST or PUT sends `body` (or as many bytes as `x-bytes` says). The
/// answer is status, headers and body, a line each.
pub fn request(line: &str, body: &str) -> Result<String, String> {
    let mut words = line.split(' ');
    let method = match words.next() {
        Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some("PUT") => Method::Put,
        other => return Err(format!("{other:?} is no method")),
    };
    let url = words.next().ok_or("no url")?;
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let headers = Fields::new();
    let mut body = body.as_bytes().to_vec();
    for word in words {
        let (name, value) = word.split_once(':').ok_or("no header")?;
        if name == "x-bytes" {
            body = vec![b'x'; value.parse().map_err(|_| "no number")?];
        }
        headers.append(name, value.as_bytes()).map_err(|error| format!("{error:?}"))?;
    }
    let sends = matches!(method, Method::Post | Method::Put);
    let request = OutgoingRequest::new(headers);
    let _ = request.set_method(&method);
    let _ =
        request.set_scheme(Some(if scheme == "https" { &Scheme::Https } else { &Scheme::Http }));
    request.set_authority(Some(authority)).map_err(|()| "bad authority")?;
    request.set_path_with_query(Some(&format!("/{path}"))).map_err(|()| "bad path")?;
    let outgoing = request.body().map_err(|()| "no body")?;
    let answer = handle(request, None).map_err(|error| format!("{error:?}"))?;
    if sends {
        let stream = outgoing.write().map_err(|()| "no stream")?;
        for chunk in body.chunks(4096) {
            stream.blocking_write_and_flush(chunk).map_err(|error| format!("{error:?}"))?;
        }
    }
    OutgoingBody::finish(outgoing, None).map_err(|error| format!("{error:?}"))?;
    answer.subscribe().block();
    let response = answer.get().ok_or("no answer")?.map_err(|()| "taken twice")?;
    let response = response.map_err(|error| format!("{error:?}"))?;
    let mut text = format!("{}\n", response.status());
    for (name, value) in response.headers().entries() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    text.push('\n');
    let incoming = response.consume().map_err(|()| "no body")?;
    let stream = incoming.stream().map_err(|()| "no stream")?;
    let mut bytes = Vec::new();
    while let Ok(chunk) = stream.blocking_read(65_536) {
        bytes.extend(chunk);
    }
    text.push_str(&String::from_utf8_lossy(&bytes));
    Ok(text)
}
