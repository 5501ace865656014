//! The admin API: what is running, what happened, what waits for a person; and the decisions that
//! persons send back. JSON under `/v1`, health and metrics beside it.

mod actions;
mod audit;
mod decide;
mod desk;
mod limits;
mod pausing;
mod replay;
mod show;
mod sources;

use std::net::SocketAddr;
use std::sync::Arc;

use connector::Secret;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::watch;

use crate::dispatch::Dispatch;
use crate::ingress::problem::{Answer, Problem, json_answer};

pub use audit::{entry as audit_entry, verdict as audit_verdict};

pub struct Admin {
    dispatch: Arc<Dispatch>,
    runtime: Arc<connector::Runtime>,
    token: Option<Secret>,
    jobs: actions::Jobs,
    ready: watch::Sender<bool>,
}

impl Admin {
    pub fn new(
        dispatch: Arc<Dispatch>,
        runtime: Arc<connector::Runtime>,
        token: Option<Secret>,
    ) -> Arc<Admin> {
        let jobs = actions::Jobs::default();
        Arc::new(Admin { dispatch, runtime, token, jobs, ready: watch::Sender::new(false) })
    }

    /// Says whether messages are taken; `/readyz` answers by it.
    pub fn ready(&self) -> watch::Sender<bool> {
        self.ready.clone()
    }

    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, _: SocketAddr) -> Answer {
        let answered = self.answer(request).await;
        answered.unwrap_or_else(Problem::into_answer)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let path = request.uri().path().to_owned();
        let segments: Vec<String> = path.trim_matches('/').split('/').map(unescape).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let query = Query::of(request.uri().query());
        if !matches!(segments.as_slice(), ["healthz" | "readyz"]) {
            self.authorize(&request)?;
        }
        match (request.method().clone(), segments.as_slice()) {
            (Method::GET, ["healthz"]) => {
                Ok(json_answer(StatusCode::OK, &json!({ "status": "ok" })))
            }
            (Method::GET, ["readyz"]) => Ok(self.readiness()),
            (Method::GET, ["metrics"]) => self.metrics().await,
            (Method::GET, ["v1", "exchanges"]) => self.exchanges(&query).await,
            (Method::GET, ["v1", "exchanges", id]) => self.exchange(id).await,
            (Method::GET, ["v1", "tasks"]) => self.tasks(&query).await,
            (Method::POST, ["v1", "tasks", id, "answer"]) => self.answer_task(id, request).await,
            (Method::GET, ["v1", "exceptions"]) => self.exceptions(&query).await,
            (Method::POST, ["v1", "tasks" | "exceptions", id, "assign"]) => {
                self.assign(id, request).await
            }
            (Method::POST, ["v1", "exceptions", id, "edit"]) => self.edit(id, request).await,
            (Method::POST, ["v1", "exceptions", id, "settle"]) => self.settle(id, request).await,
            (Method::GET, ["v1", "exceptions", "actions"]) => Ok(self.jobs()),
            (Method::POST, ["v1", "exceptions", "actions"]) => self.act(request).await,
            (Method::GET, ["v1", "exceptions", "actions", job]) => self.job(job),
            (Method::POST, ["v1", "exceptions", "actions", job, "cancel"]) => self.cancel_job(job),
            (Method::GET, ["v1", "pauses"]) => Ok(self.pauses()),
            (Method::POST, ["v1", "pauses", kind, name]) => {
                self.pause(kind, name, false, request).await
            }
            (Method::POST, ["v1", "pauses", kind, name, "resume"]) => {
                self.pause(kind, name, true, request).await
            }
            (Method::GET, ["v1", "exceptions", id]) => self.exception(id).await,
            (
                Method::POST,
                ["v1", "exceptions", id, action @ ("retry" | "compensate" | "discard")],
            ) => self.close_exception(id, action, request).await,
            (Method::GET, ["v1", "audit"]) => self.audit(&query).await,
            (Method::GET, ["v1", "audit", "verify"]) => self.verify_audit(&query).await,
            (Method::POST, ["v1", "replays"]) => self.replay(request).await,
            (Method::GET, ["v1", "replays", job]) => self.replay_job(job),
            (Method::GET, ["v1", "connectors"]) => Ok(self.connectors()),
            (Method::GET, ["v1", "limits"]) => Ok(self.limits()),
            (Method::GET, ["v1", "routes"]) => Ok(self.routes()),
            (Method::GET, ["v1", "sources"]) => self.sources().await,
            (Method::GET, ["v1", "timeline", key, value]) => self.timeline(key, value).await,
            _ => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "Not found",
                format!("The admin API has no {} {path}.", request.method()),
            )),
        }
    }

    fn authorize(&self, request: &Request<Incoming>) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        if connector::constant_time_eq(given.as_bytes(), token.expose().as_bytes()) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "token",
            "A token is needed",
            "Send the admin token of [listen] as `Authorization: Bearer TOKEN`.",
        )
        .header(header::WWW_AUTHENTICATE, "Bearer"))
    }

    fn readiness(&self) -> Answer {
        let ready = *self.ready.borrow();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json_answer(status, &json!({ "ready": ready }))
    }
}

/// Parameters of a query string.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(query: Option<&str>) -> Query {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (unescape(name), unescape(&value.replace('+', " ")))
                })
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn limit(&self) -> usize {
        const DEFAULT: usize = 100;
        const MAX: usize = 1_000;
        self.get("limit").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT).min(MAX)
    }
}

/// Percent-decoding; what is not valid stays as it is.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 3;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// A failure to read the journal.
fn unreadable(error: &journal::Error) -> Problem {
    tracing::error!(%error, "the journal could not be read");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "journal",
        "The journal could not be read",
        error.to_string(),
    )
}
