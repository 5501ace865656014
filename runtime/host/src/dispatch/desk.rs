//! The exception desk behind the scenes: notices without marked fields, hands, and what has stood for
//! too long, which goes to another role once.

use std::sync::Arc;
use std::time::Duration;

use journal::{ExceptionFilter, Overdue, Record, TaskFilter};
use route::{ExchangeId, Kind, Task};
use serde_json::json;

use super::resume::ResumeError;
use super::{Begun, Dispatch};
use crate::mask::{Hidden, MASKED};
use crate::notice::Notice;
use crate::{audit, clock};

/// Handed on at once; the rest follows without a pause.
const OVERDUE_MAX: usize = 200;
const CROSSDOCK: &str = "crossdock";

impl Dispatch {
    /// The notice of an exception; told in its commit.
    pub(super) fn raised(
        &self,
        begun: &Begun,
        exception: &journal::Exception,
        status: Option<u16>,
    ) -> Notice {
        let message = contract::json::write(&begun.exchange.envelope().message);
        let hidden = self.hidden_in(message.as_bytes());
        Notice::ExceptionRaised {
            exchange: begun.exchange.id(),
            route: begun.version.plan.name.clone(),
            class: exception.class.clone(),
            owner: exception.owner.clone(),
            step: exception.step.clone(),
            code: exception.code.clone(),
            message: hidden.clean(&exception.message),
            status,
            keys: self.shown_keys(begun.exchange.keys(), &hidden),
            at_ms: exception.at_ms,
        }
    }

    /// An exception of an exchange that is not in memory, with its notice.
    pub(super) async fn raise(
        self: &Arc<Self>,
        exception: journal::Exception,
    ) -> Result<(), journal::Error> {
        let stored = self.journal.exchange(exception.exchange).await?;
        let message = stored.as_ref().map(|stored| stored.message.as_slice()).unwrap_or_default();
        let hidden = self.hidden_in(message);
        let notice = Notice::ExceptionRaised {
            exchange: ExchangeId(exception.exchange),
            route: stored.as_ref().map(|stored| stored.summary.route.clone()).unwrap_or_default(),
            class: exception.class.clone(),
            owner: exception.owner.clone(),
            step: exception.step.clone(),
            code: exception.code.clone(),
            message: hidden.clean(&exception.message),
            status: None,
            keys: self.shown_keys(stored.map(|stored| stored.keys).unwrap_or_default(), &hidden),
            at_ms: exception.at_ms,
        };
        self.commit_telling(vec![Record::Exception(exception)], &[notice]).await.map(drop)
    }

    /// What is marked in a stored document.
    pub fn hidden_in(&self, document: &[u8]) -> Hidden {
        let mut document = serde_json::from_slice(document).unwrap_or_default();
        self.mask().apply(&mut document)
    }

    /// Business keys as people see them.
    pub fn shown_keys(
        &self,
        keys: Vec<(String, String)>,
        hidden: &Hidden,
    ) -> Vec<(String, String)> {
        keys.into_iter()
            .map(|(name, value)| {
                let shown = match self.mask().name(&name) {
                    true => MASKED.to_owned(),
                    false => hidden.clean(&value),
                };
                (name, shown)
            })
            .collect()
    }

    /// Puts an open task or exception into somebody's hands; `None`: back on the pile.
    pub async fn assign(
        self: &Arc<Self>,
        id: ExchangeId,
        assignee: Option<&str>,
        by: &str,
        why: &str,
    ) -> Result<(), ResumeError> {
        let detail = json!({ "assignee": assignee });
        let audit = audit::record(by, "exception.assign", id, why, &detail);
        let assign = Record::Assign { exchange: id.0, assignee: assignee.map(str::to_owned) };
        match self.commit_telling(vec![assign, audit], &[]).await {
            Err(journal::Error::Conflict { .. }) => {
                Err(ResumeError::NotOpen { id, what: "exception or task" })
            }
            other => Ok(other.map(drop)?),
        }
    }

    /// The file and the line of a step, as its version was written.
    pub async fn place_of(&self, version: journal::Digest, path: &str) -> Option<(String, u32)> {
        let version = self.versions.get(version).await.ok()?;
        let name = path.strip_prefix("undo:").unwrap_or(path);
        let name = name.split('[').next().unwrap_or(name);
        let line = version.plan.step(name).map_or(1, |(_, step)| step.line);
        Some((version.plan.file.clone(), line))
    }

    /// Pauses that end, and what has stood for too long; answers how long there is nothing to do.
    pub(super) async fn keep_desk(self: &Arc<Self>) -> Result<Duration, journal::Error> {
        let pauses = self.keep_pauses().await?;
        let now_ms = clock::now_ms();
        let overdue = self.journal.overdue(now_ms, OVERDUE_MAX).await?;
        for found in &overdue {
            match self.escalate(*found, now_ms).await {
                // A person acted meanwhile.
                Ok(()) | Err(journal::Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if overdue.len() == OVERDUE_MAX {
            return Ok(Duration::ZERO);
        }
        let next = self.journal.next_overdue().await?;
        let left =
            next.map_or(Duration::MAX, |at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms)));
        Ok(left.min(pauses))
    }

    async fn escalate(self: &Arc<Self>, found: Overdue, at_ms: u64) -> Result<(), journal::Error> {
        let id = ExchangeId(found.exchange);
        let stored = self.journal.exchange(found.exchange).await?;
        let Some(stored) = stored else { return Ok(()) };
        let hidden = self.hidden_in(&stored.message);
        let keys = self.shown_keys(stored.keys, &hidden);
        let route = stored.summary.route;
        let (notice, from, to) = if found.task {
            let filter = TaskFilter { exchange: Some(id.0), limit: 1, ..TaskFilter::default() };
            let Some(task) = self.journal.tasks(filter).await?.pop() else { return Ok(()) };
            let Some((_, to)) = task.hands.escalate else { return Ok(()) };
            let notice = Notice::TaskEscalated {
                exchange: id,
                route,
                step: task.step,
                ask: task.ask,
                role: task.role.clone(),
                to: to.clone(),
                keys,
                opened_at_ms: task.opened_at_ms,
                at_ms,
            };
            (notice, task.role, to)
        } else {
            let filter =
                ExceptionFilter { exchange: Some(id.0), limit: 1, ..ExceptionFilter::default() };
            let Some(open) = self.journal.exceptions(filter).await?.pop() else { return Ok(()) };
            let Some((_, to)) = open.hands.escalate else { return Ok(()) };
            let notice = Notice::ExceptionEscalated {
                exchange: id,
                route,
                class: open.class,
                step: open.step,
                message: hidden.clean(&open.message),
                owner: open.owner.clone(),
                to: to.clone(),
                keys,
                raised_at_ms: open.at_ms,
                at_ms,
            };
            (notice, open.owner, to)
        };
        let what = if found.task { "task" } else { "exception" };
        let why = format!("nobody acted on the {what} in its time");
        let detail = json!({ "what": what, "from": from, "to": to });
        let audit = audit::record(CROSSDOCK, "escalate", id, &why, &detail);
        tracing::warn!(exchange = %id, from, to, "a {what} is handed on: {why}");
        let escalated = Record::Escalated { exchange: id.0, at_ms };
        self.commit_telling(vec![escalated, audit], &[notice]).await.map(drop)
    }
}

/// When and to whom a task goes that is not answered in its time.
pub(super) fn task_escalation(begun: &Begun, task: &Task) -> Option<Record> {
    let plan = &begun.version.plan;
    let (_, step) = plan.step(&task.step)?;
    let Kind::Park(park) = &step.kind else { return None };
    let to = park.escalate.clone().or_else(|| Some(plan.escalate.as_ref()?.to.clone()))?;
    let at_ms = clock::to_ms(task.due_at?);
    Some(Record::Escalate { exchange: begun.exchange.id().0, at_ms, to })
}

/// The same of an exception that nobody acts on.
pub(super) fn exception_escalation(begun: &Begun, raised_at_ms: u64) -> Option<Record> {
    let escalation = begun.version.plan.escalate.as_ref()?;
    let at_ms = raised_at_ms.saturating_add(escalation.after_ms);
    let to = escalation.to.clone();
    Some(Record::Escalate { exchange: begun.exchange.id().0, at_ms, to })
}
