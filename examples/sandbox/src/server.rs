//! Sockets, HTTP and faults. A handler answers whole requests under the lock; here the answer is
//! delayed, replaced or cut off, as the fault rules say.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::faults::{self, Outcome, PRODUCTS};
use crate::state::{State, now_ms};
use crate::wire::{self, Reply, Request};
use crate::{control, lock};

const BODY_MAX: usize = 4 << 20;
const CONNECTIONS_MAX: usize = 1024;

/// Accepts until stopped. Open connections end with it.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Mutex<State>>,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors: wait until some connection has ended.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (shared, mut stopped) = (shared.clone(), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, shared) => {}
                _ = stopped.changed() => {}
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, shared: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, shared.clone()));
    // An error is the cut that a rule asked for, or a client that went away.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Ends the connection without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut, as a fault rule says")
    }
}

impl std::error::Error for Cut {}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Mutex<State>>,
) -> Result<hyper::Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else {
        let reply = Reply::html(413, "Request Entity Too Large", "The body is too large.");
        return Ok(respond(reply));
    };
    let full_path = parts.uri.path();
    let (product, path) = match full_path[1.min(full_path.len())..].split_once('/') {
        Some((product, rest)) => (product.to_owned(), format!("/{rest}")),
        None => (full_path.trim_start_matches('/').to_owned(), "/".into()),
    };
    let host = parts.headers.get("host").and_then(|h| h.to_str().ok());
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: wire::decode(&path),
        query: wire::pairs(parts.uri.query().unwrap_or("")),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: body.to_bytes().to_vec(),
        base: format!("http://{}/{product}", host.unwrap_or("127.0.0.1")),
    };
    if product == "sandbox" {
        return Ok(respond(control::handle(&mut lock(&shared), &request)));
    }
    if !PRODUCTS.contains(&product.as_str()) {
        let reply = Reply::html(404, "Not Found", "The sandbox plays no such product.");
        return Ok(respond(reply));
    }
    let verdict = lock(&shared).faults.judge(&product, &request, now_ms());
    if verdict.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(verdict.latency_ms)).await;
    }
    if verdict.outcome == Outcome::CutBefore {
        return Err(Cut);
    }
    if let Some(reply) = faults::reply(&product, &verdict.outcome) {
        return Ok(respond(reply));
    }
    let reply = lock(&shared)
        .read_or_handle(&product, &request, verdict.stale_ms)
        .unwrap_or_else(|| Reply::html(404, "Not Found", "This product only sends."));
    match verdict.outcome {
        Outcome::CutAfter => Err(Cut),
        Outcome::Silence { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Err(Cut)
        }
        Outcome::Garbage => Ok(respond(faults::garble(reply))),
        _ => Ok(respond(reply)),
    }
}

fn respond(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(reply.body))).unwrap_or_else(|_: http::Error| {
        let mut broken = hyper::Response::new(Full::new(Bytes::new()));
        *broken.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
