//! What persons decide: answers to tasks, retries and discards of exceptions. On disk before they are
//! acknowledged.

use std::sync::Arc;

use journal::Record;
use route::{Decision, Event, ExchangeId};
use serde_json::json;

use super::recover::TakeUpError;
use super::run::Drive;
use super::{Begun, Dispatch};
use crate::{audit, clock};

/// Why a decision was not taken; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("there is no open exchange {0}: it has ended or never was")]
    Gone(ExchangeId),
    #[error("exchange {0} is at work right now; try again in a moment")]
    Busy(ExchangeId),
    #[error("exchange {id} has no open {what}")]
    NotOpen { id: ExchangeId, what: &'static str },
    #[error("`{answer}` is not an answer here: the task asks for {}", .asked.join(", "))]
    NotAsked { answer: String, asked: Vec<String> },
    #[error("exchange {id}: {reason}")]
    NotAllowed { id: ExchangeId, reason: String },
    #[error("exchange {id} cannot be taken up: {reason}")]
    Unavailable { id: ExchangeId, reason: String },
    #[error("nothing is in doubt in exchange {0}: retry it or discard it")]
    NotInDoubt(ExchangeId),
    #[error("exchange {0} has changed since you looked: look again, and edit what is there now")]
    Changed(ExchangeId),
    #[error("nothing stands behind the mask at {}: write the value out, the list around it is another one", .pointers.join(", "))]
    Masked { pointers: Vec<String> },
    #[error("it is not a valid {what}")]
    Violations { what: &'static str, violations: Vec<contract::json::Violation> },
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl Dispatch {
    pub async fn answer_task(
        self: &Arc<Self>,
        id: ExchangeId,
        answer: &str,
        by: &str,
        note: Option<String>,
    ) -> Result<(), ResumeError> {
        let filter = journal::TaskFilter { exchange: Some(id.0), limit: 1, ..Default::default() };
        let task = self.journal.tasks(filter).await?.into_iter().next();
        let task = task.ok_or(ResumeError::NotOpen { id, what: "task" })?;
        if !task.ask.iter().any(|asked| asked == answer) {
            return Err(ResumeError::NotAsked { answer: answer.to_owned(), asked: task.ask });
        }
        let at = clock::now();
        let detail = json!({ "route": task.route, "step": task.step, "answer": answer });
        let why = note.as_deref().unwrap_or_default();
        let audit = audit::record(by, "task.answer", id, why, &detail);
        let record = Record::TaskAnswered {
            exchange: id.0,
            step: task.step,
            answer: answer.to_owned(),
            by: by.to_owned(),
            note: note.clone(),
            at_ms: clock::to_ms(at),
        };
        let decision = Decision { answer: answer.to_owned(), by: by.to_owned(), note, at };
        self.resume(id, |_| Ok(Event::Decided(decision)), vec![record, audit]).await
    }

    /// Tries the failed step again.
    pub async fn retry_exception(
        self: &Arc<Self>,
        id: ExchangeId,
        by: &str,
        why: &str,
    ) -> Result<(), ResumeError> {
        let event = Event::Retry { by: by.to_owned(), why: why.to_owned() };
        self.close_exception(id, by, why, "retry", |_| Ok(event)).await
    }

    /// Has taken back what the exchange did. While that is under way: the undo that failed is settled
    /// by hand, and the rest goes on.
    pub async fn compensate_exception(
        self: &Arc<Self>,
        id: ExchangeId,
        by: &str,
        why: &str,
    ) -> Result<(), ResumeError> {
        let event = Event::Compensate { by: by.to_owned(), why: why.to_owned() };
        self.close_exception(id, by, why, "compensate", |_| Ok(event)).await
    }

    /// Gives the exchange up.
    pub async fn discard_exception(
        self: &Arc<Self>,
        id: ExchangeId,
        by: &str,
        why: &str,
    ) -> Result<(), ResumeError> {
        let event = Event::Discard { by: by.to_owned(), why: why.to_owned() };
        self.close_exception(id, by, why, "discard", |_| Ok(event)).await
    }

    pub(super) async fn close_exception(
        self: &Arc<Self>,
        id: ExchangeId,
        by: &str,
        why: &str,
        action: &str,
        decide: impl FnOnce(&Begun) -> Result<Event, ResumeError> + Send,
    ) -> Result<(), ResumeError> {
        let filter =
            journal::ExceptionFilter { exchange: Some(id.0), limit: 1, ..Default::default() };
        let found = self.journal.exceptions(filter).await?.into_iter().next();
        let open = found.ok_or(ResumeError::NotOpen { id, what: "exception" })?;
        let detail = json!({
            "route": open.route, "step": open.step, "class": open.class, "code": open.code,
        });
        let audit = audit::record(by, &format!("exception.{action}"), id, why, &detail);
        let record = Record::ExceptionClosed {
            exchange: id.0,
            by: by.to_owned(),
            action: action.to_owned(),
            at_ms: clock::now_ms(),
        };
        self.resume(id, decide, vec![record, audit]).await
    }

    async fn resume(
        self: &Arc<Self>,
        id: ExchangeId,
        decide: impl FnOnce(&Begun) -> Result<Event, ResumeError> + Send,
        records: Vec<Record>,
    ) -> Result<(), ResumeError> {
        if !self.enter(id.0) {
            return Err(ResumeError::Busy(id));
        }
        let resumed = self.resume_alone(id, decide, records).await;
        if resumed.is_err() {
            self.leave(id.0);
        }
        resumed
    }

    async fn resume_alone(
        self: &Arc<Self>,
        id: ExchangeId,
        decide: impl FnOnce(&Begun) -> Result<Event, ResumeError> + Send,
        records: Vec<Record>,
    ) -> Result<(), ResumeError> {
        let begun = self.load(id.0).await.map_err(|error| match error {
            TakeUpError::Gone => ResumeError::Gone(id),
            TakeUpError::Journal(error) => ResumeError::Journal(error),
            other => ResumeError::Unavailable { id, reason: other.to_string() },
        })?;
        let event = decide(&begun)?;
        allowed(&begun.exchange, &event)
            .map_err(|reason| ResumeError::NotAllowed { id, reason })?;
        let (mut drive, advance) = Drive::begin(begun, event);
        // Order matters: only the decision goes to disk now. While it stood aside, others may have
        // entered its lane: what follows from the decision waits for its turn, and is decided again
        // then. An end needs no turn.
        let held = drive.hold_back();
        let committed = self.flush_now(&mut drive, records).await?;
        if committed.is_queued(id.0) && drive.exchange().end().is_none() {
            self.leave(id.0);
            return Ok(());
        }
        drive.put_back(held);
        tokio::spawn(Arc::clone(self).drive_on(drive, advance));
        Ok(())
    }
}

impl Dispatch {
    /// Whether a person may have it taken back now; no, where that cannot be told.
    pub async fn may_compensate(&self, id: ExchangeId) -> bool {
        let begun = self.load_any(id.0).await;
        begun.is_ok_and(|begun| begun.exchange.may_compensate().is_ok())
    }
}

/// The machine would leave as it is what it does not heed; a person is told why.
fn allowed(exchange: &route::Exchange, event: &Event) -> Result<(), String> {
    match event {
        Event::Compensate { .. } => {
            exchange.may_compensate().map_err(|refused| refused.to_string())
        }
        Event::Edit { message, .. } => {
            exchange.may_become(message).map_err(|refused| refused.to_string())
        }
        _ => Ok(()),
    }
}
