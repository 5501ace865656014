//! The doors in: HTTP requests, signed webhooks, polls and schedules. Each message is checked against
//! its contract and on disk before anyone is told that it was accepted.

pub mod access;
mod guard;
mod http;
mod lag;
mod poll;
pub mod problem;
mod schedule;
pub mod serve;
pub mod signature;
pub mod signed;
mod webhook;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use ::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use route::Source;
use tokio::sync::watch;

use crate::config::Listen;
use crate::dispatch::Dispatch;
use crate::running::{RouteVersion, RunningSet};
use access::Access;
use problem::{Answer, Problem};
use signature::Verifier;

pub struct Ingress {
    dispatch: Arc<Dispatch>,
    table: HashMap<String, Vec<(Method, Entry)>>,
    verifiers: BTreeMap<String, Verifier>,
    access: Access,
    listen: Listen,
}

/// What serves a method and path.
#[derive(Clone)]
enum Entry {
    Http(Arc<RouteVersion>),
    /// Several routes may take one webhook, each with an operation of its own.
    Webhook(Vec<Arc<RouteVersion>>),
}

impl Ingress {
    pub fn new(
        dispatch: Arc<Dispatch>,
        verifiers: BTreeMap<String, Verifier>,
        access: Access,
        listen: Listen,
    ) -> Arc<Ingress> {
        let table = table(&dispatch.running());
        Arc::new(Ingress { dispatch, table, verifiers, access, listen })
    }

    /// Starts polls and schedules; they end when `stop` turns true.
    pub fn start_sources(self: &Arc<Self>, stop: &watch::Receiver<bool>) {
        for version in &self.dispatch.running().routes {
            match &version.plan.source {
                Source::Poll(_) => {
                    let (dispatch, version) = (self.dispatch.clone(), version.clone());
                    tokio::spawn(poll::run(dispatch, version, stop.clone()));
                }
                Source::Schedule(_) => {
                    let (dispatch, version) = (self.dispatch.clone(), version.clone());
                    tokio::spawn(schedule::run(dispatch, version, stop.clone()));
                }
                Source::Http(_) | Source::Webhook(_) | Source::Event(_) => {}
            }
        }
    }

    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let path = request.uri().path().to_owned();
        let Some(methods) = self.table.get(&path) else {
            return Problem::new(
                StatusCode::NOT_FOUND,
                "no-route",
                "No route",
                format!("No route takes messages at {path}."),
            )
            .into_answer();
        };
        let found = methods.iter().find(|(method, _)| method == request.method());
        let Some((_, entry)) = found else {
            let allowed: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
            return Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "Method not allowed",
                format!("{path} takes {}.", allowed.join(", ")),
            )
            .header(header::ALLOW, allowed.join(", "))
            .into_answer();
        };
        match entry.clone() {
            Entry::Http(version) => self.take_http(&version, request, peer).await,
            Entry::Webhook(versions) => {
                let answered = self.take_webhook(&versions, request).await;
                answered.unwrap_or_else(Problem::into_answer)
            }
        }
    }
}

impl Ingress {
    /// A route may allow less than the listener.
    async fn read_body(&self, body: Incoming, max: Option<u64>) -> Result<bytes::Bytes, Problem> {
        let pace = serve::Pace::of(&self.listen);
        let max = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        serve::read_body(body, self.listen.body_max_bytes.min(max), pace).await
    }
}

fn table(set: &RunningSet) -> HashMap<String, Vec<(Method, Entry)>> {
    let mut table: HashMap<String, Vec<(Method, Entry)>> = HashMap::new();
    for version in &set.routes {
        match &version.plan.source {
            Source::Http(http) => {
                let method = Method::from_bytes(http.method.as_bytes()).unwrap_or(Method::POST);
                let entries = table.entry(http.path.clone()).or_default();
                entries.push((method, Entry::Http(version.clone())));
            }
            Source::Webhook(webhook) => {
                let entries = table.entry(webhook.path.clone()).or_default();
                match entries.iter_mut().find(|(method, _)| *method == Method::POST) {
                    Some((_, Entry::Webhook(versions))) => versions.push(version.clone()),
                    _ => entries.push((Method::POST, Entry::Webhook(vec![version.clone()]))),
                }
            }
            Source::Poll(_) | Source::Event(_) | Source::Schedule(_) => {}
        }
    }
    table
}

/// Headers as routes see them: lower-case names, text values, credentials left out.
fn plain_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];
    headers
        .iter()
        .filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect()
}

/// The caller's trace, if it is well-formed (W3C trace context, version 00).
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()));
    (lengths == [2, 32, 16, 2] && hex).then(|| text.to_owned())
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "Too much at once",
        "The backlog is full; nothing was accepted. Send the message again after the time in Retry-After.",
    )
    .retry_after(std::time::Duration::from_secs(1))
}

/// For failures of ours that the caller can do nothing about; the log has the reason.
fn not_accepted(error: &crate::dispatch::AcceptError) -> Problem {
    match error {
        crate::dispatch::AcceptError::Busy => busy(),
        crate::dispatch::AcceptError::Journal(error) => {
            tracing::error!(%error, "a message could not be journalled");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not-durable",
                "The message could not be stored",
                "Take it as not accepted, and send it again later with the same key: it counts once.",
            )
            .retry_after(std::time::Duration::from_secs(5))
        }
    }
}
