//! One HTTP/1 server for both listeners: bounded heads, bodies and reading times, graceful stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::problem::{Answer, Problem};

/// Connections open at once on one listener.
const CONNECTIONS_MAX: usize = 10_000;
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

/// Serves until `stop` turns true, then lets requests under way finish.
pub async fn serve<H, F>(
    listener: TcpListener,
    read_timeout: Duration,
    mut stop: watch::Receiver<bool>,
    handler: Arc<H>,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut server = hyper::server::conn::http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .max_buf_size(HEAD_MAX_BYTES)
        .half_close(false);
    loop {
        let (stream, peer) = tokio::select! {
            () = told(&mut stop) => break,
            connection = listener.accept() => match connection {
                Ok(connection) => connection,
                Err(error) => {
                    // Out of descriptors, mostly; the listener itself is still good.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, "connection refused: {CONNECTIONS_MAX} are open");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request| {
            let answer = handler(request, peer);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Returns when the process is told to stop.
pub async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the same.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

/// The whole body, within its limits of size and time.
pub async fn read_body(
    body: Incoming,
    max_bytes: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let limited = Limited::new(body, max_bytes);
    match tokio::time::timeout(timeout, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            format!("A body may have {max_bytes} bytes."),
        )),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "body-cut",
            "The body ended early",
            "The connection was cut before the whole body had arrived; send it again.",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-slow",
            "The body took too long",
            format!("A body must arrive within {} s.", timeout.as_secs()),
        )),
    }
}
