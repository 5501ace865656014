//! Pause and resume by the admin API.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use journal::Pause;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::decide::body;
use super::show::time;
use crate::clock;
use crate::dispatch::PauseError;
use crate::ingress::problem::{Answer, Problem, json_answer};
use crate::pause::{Kind, words};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    by: String,
    why: String,
    /// RFC 3339; of a pause. Without it somebody must resume it.
    until: Option<jiff::Timestamp>,
}

impl Admin {
    pub(super) fn pauses(&self) -> Answer {
        let pauses: Vec<Value> = self.dispatch.pauses().all().iter().map(shown).collect();
        let now = clock::now();
        let windows: Vec<Value> = self
            .dispatch
            .maintenance()
            .iter()
            .map(|(name, window)| {
                let targets: Vec<String> =
                    window.targets().map(|(kind, name)| format!("{kind} {name}")).collect();
                json!({
                    "window": name, "holds": targets, "why": window.why,
                    "opens_at": window.next(now).map(|at| at.to_string()),
                    "lasts_s": window.lasts.0.as_secs(),
                })
            })
            .collect();
        json_answer(StatusCode::OK, &json!({ "pauses": pauses, "maintenance": windows }))
    }

    pub(super) async fn pause(
        &self,
        kind: &str,
        name: &str,
        resume: bool,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let Some(kind) = Kind::of(kind) else {
            let detail = format!("`{kind}` cannot be paused: route, connector and limit can.");
            return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail));
        };
        let Wanted { by, why, until } = body(request).await?;
        if why.trim().is_empty() {
            let detail = "`why` is empty; it is what everybody who waits will read.";
            let status = StatusCode::BAD_REQUEST;
            return Err(Problem::new(status, "bad-request", "Say why", detail));
        }
        if resume {
            let resumed = self.dispatch.resume_paused(kind, name, &by, &why).await;
            resumed.map_err(|error| refused(&error))?;
            let body = json!({ "kind": kind.as_str(), "name": name, "status": "resumed" });
            return Ok(json_answer(StatusCode::OK, &body));
        }
        let until_ms = until.map(clock::to_ms);
        let paused = self.dispatch.pause(kind, name, until_ms, &by, &why).await;
        Ok(json_answer(StatusCode::OK, &shown(&paused.map_err(|error| refused(&error))?)))
    }
}

fn shown(pause: &Pause) -> Value {
    json!({
        "kind": pause.kind,
        "name": pause.name,
        "by": pause.by,
        "why": pause.why,
        "since": time(pause.since_ms),
        "until": pause.until_ms.map(time),
        "maintenance": Some(&pause.window).filter(|window| !window.is_empty()),
        "words": words(pause),
    })
}

fn refused(error: &PauseError) -> Problem {
    let (status, kind, title) = match error {
        PauseError::Unknown { .. } => (StatusCode::NOT_FOUND, "unknown", "No such thing"),
        PauseError::NotPaused { .. } => (StatusCode::CONFLICT, "not-paused", "Not paused"),
        PauseError::Past => (StatusCode::UNPROCESSABLE_ENTITY, "past", "That time is over"),
        PauseError::Journal(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "not-durable", "It could not be stored")
        }
    };
    Problem::new(status, kind, title, format!("{error}."))
}
