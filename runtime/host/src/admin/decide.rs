//! What persons send to the admin API: answers to tasks, retries and discards. Who decides and why is
//! part of the request and of the journal.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use super::show::exchange_id;
use crate::dispatch::ResumeError;
use crate::ingress::problem::{Answer, Problem, json_answer};
use crate::ingress::serve::{Pace, read_body};

/// A decision is a few words.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// A message that is set right.
const EDIT_MAX_BYTES: usize = 8 << 20;
const PACE: Pace = Pace { timeout: std::time::Duration::from_secs(10), rate_min_bytes: 256 };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskAnswer {
    answer: String,
    by: String,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hands {
    /// A person; absent: back on the pile.
    to: Option<String>,
    by: String,
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    message: serde_json::Value,
    /// As `GET /v1/exceptions/ID` said it.
    revision: u32,
    by: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settlement {
    took_effect: bool,
    /// What the operation would have answered, if it took effect.
    result: Option<serde_json::Value>,
    by: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    by: String,
    #[serde(default)]
    why: String,
}

impl Admin {
    pub(super) async fn answer_task(
        &self,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let TaskAnswer { answer, by, note } = body(request).await?;
        self.dispatch.answer_task(id, &answer, &by, note).await.map_err(|error| refused(&error))?;
        Ok(done(&id.to_string()))
    }

    /// Of an exception or a task.
    pub(super) async fn assign(
        &self,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let Hands { to, by, why } = body(request).await?;
        let assigned = self.dispatch.assign(id, to.as_deref(), &by, &why).await;
        assigned.map_err(|error| refused(&error))?;
        let body = json!({ "exchange": id.to_string(), "status": "assigned", "to": to });
        Ok(json_answer(StatusCode::OK, &body))
    }

    /// Another message.
    pub(super) async fn edit(
        &self,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let bytes = read_body(request.into_body(), EDIT_MAX_BYTES, PACE).await?;
        let Edit { message, revision, by, why } =
            serde_json::from_slice(&bytes).map_err(|error| {
                let detail = format!("The body is not as expected: {error}.");
                Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The body is wrong", detail)
            })?;
        let edited = self.dispatch.edit_exception(id, message, revision, &by, &why).await;
        edited.map_err(|error| refused(&error))?;
        Ok(done(&id.to_string()))
    }

    /// What became of an effect in doubt.
    pub(super) async fn settle(
        &self,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let Settlement { took_effect, result, by, why } = body(request).await?;
        let wrong = |detail: &str| {
            Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The body is wrong", detail)
        };
        if why.trim().is_empty() {
            return Err(wrong(
                "`why` is empty: say how you know; it is all that anybody will have.",
            ));
        }
        if took_effect != result.is_some() {
            return Err(wrong(
                "With `took_effect` comes the `result` that the operation would have answered; without, there is none.",
            ));
        }
        let settled = self.dispatch.settle_exception(id, result, &by, &why).await;
        settled.map_err(|error| refused(&error))?;
        Ok(done(&id.to_string()))
    }

    pub(super) async fn close_exception(
        &self,
        id: &str,
        action: &str,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let Decision { by, why } = body(request).await?;
        match action {
            "retry" => self.dispatch.retry_exception(id, &by, &why).await,
            "compensate" => self.dispatch.compensate_exception(id, &by, &why).await,
            _ => self.dispatch.discard_exception(id, &by, &why).await,
        }
        .map_err(|error| refused(&error))?;
        Ok(done(&id.to_string()))
    }
}

pub(super) async fn body<T: serde::de::DeserializeOwned>(
    request: Request<Incoming>,
) -> Result<T, Problem> {
    let bytes = read_body(request.into_body(), BODY_MAX_BYTES, PACE).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let detail = format!("The body is not as expected: {error}.");
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The body is wrong", detail)
    })
}

fn done(id: &str) -> Answer {
    json_answer(StatusCode::OK, &json!({ "exchange": id, "status": "resumed" }))
}

pub(super) fn refused(error: &ResumeError) -> Problem {
    if let ResumeError::Violations { what, violations } = error {
        return Problem::violations(violations, what);
    }
    let (status, kind, title) = match error {
        ResumeError::Gone(_) | ResumeError::NotOpen { .. } => {
            (StatusCode::NOT_FOUND, "not-open", "Nothing to decide")
        }
        ResumeError::Busy(_) => (StatusCode::CONFLICT, "at-work", "At work"),
        ResumeError::NotAsked { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "not-asked", "Not an answer to this task")
        }
        ResumeError::NotAllowed { .. } => (StatusCode::CONFLICT, "not-allowed", "Not as it stands"),
        ResumeError::Unavailable { .. } => {
            (StatusCode::CONFLICT, "unavailable", "The exchange cannot be taken up")
        }
        ResumeError::Changed(_) => (StatusCode::CONFLICT, "changed", "It has changed meanwhile"),
        ResumeError::Masked { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "masked", "A mask hides nothing")
        }
        ResumeError::NotInDoubt(_) => (StatusCode::CONFLICT, "not-in-doubt", "Nothing is in doubt"),
        ResumeError::Violations { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "contract", "It breaks its contract")
        }
        ResumeError::Journal(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "not-durable", "The decision could not be stored")
        }
    };
    Problem::new(status, kind, title, format!("{error}."))
}
