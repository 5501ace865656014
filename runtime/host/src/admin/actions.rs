//! One action on many exceptions: chosen by filter when it is asked for, run on the server at a named
//! pace, past single failures, until it is done or told to stop. Each exception has its own entry in
//! the audit trail, and the action as a whole has one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use journal::ExceptionFilter;
use route::ExchangeId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::decide::{body, refused};
use super::desk::filter_of;
use super::{Admin, unreadable};
use crate::clock;
use crate::dispatch::Dispatch;
use crate::ingress::problem::{Answer, Problem, json_answer};

/// Exceptions of one action.
const CHOSEN_MAX: usize = 100_000;
/// Actions that are remembered, the latest ones.
const JOBS_MAX: usize = 100;
/// Actions that run at the same time.
const RUNNING_MAX: usize = 4;
/// Failures that are listed; all are counted.
const FAILURES_MAX: usize = 200;
/// Exceptions a second, unless the request says otherwise.
const RATE: u32 = 50;
const RATE_MAX: u32 = 1_000;
const PAGE: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    action: Action,
    /// As in a listing. All open exceptions only by `{ "all": "true" }`.
    filter: BTreeMap<String, String>,
    by: String,
    why: String,
    /// Of `assign`: to whom.
    to: Option<String>,
    /// How many it was said to be: if there are more by now, nothing is done.
    expect: Option<usize>,
    /// A second.
    rate: Option<u32>,
    /// Say what would be done.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    Retry,
    Discard,
    Assign,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Action::Retry => "retry",
            Action::Discard => "discard",
            Action::Assign => "assign",
        }
    }
}

/// The actions of this process. What they did is in the journal; that they ran is in its audit trail.
#[derive(Default)]
pub(super) struct Jobs {
    known: Mutex<BTreeMap<u64, Arc<Job>>>,
}

struct Job {
    id: u64,
    action: Action,
    by: String,
    why: String,
    filter: BTreeMap<String, String>,
    to: Option<String>,
    total: usize,
    started_ms: u64,
    cancelled: AtomicBool,
    progress: Mutex<Progress>,
}

#[derive(Clone, Default)]
struct Progress {
    done: usize,
    failed: usize,
    /// Exchange and reason of the first ones.
    failures: Vec<(ExchangeId, String)>,
    ended_ms: Option<u64>,
}

impl Jobs {
    fn all(&self) -> Vec<Arc<Job>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().rev().cloned().collect()
    }

    fn get(&self, id: &str) -> Result<Arc<Job>, Problem> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = id.parse().ok().and_then(|id: u64| known.get(&id).cloned());
        found.ok_or_else(|| {
            let detail = format!("There is no action {id}; a restart forgets them. `crossdock audit list --action exceptions.retry` says what was done.");
            Problem::new(StatusCode::NOT_FOUND, "not-found", "No such action", detail)
        })
    }

    fn add(&self, make: impl FnOnce(u64) -> Job) -> Result<Arc<Job>, Problem> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.values().filter(|job| !job.over()).count() >= RUNNING_MAX {
            let detail = format!("{RUNNING_MAX} actions run already; wait for one, or cancel it.");
            return Err(Problem::new(StatusCode::CONFLICT, "busy", "Too much at once", detail));
        }
        let id = known.keys().next_back().map_or(1, |last| last + 1);
        let job = Arc::new(make(id));
        known.insert(id, job.clone());
        while known.len() > JOBS_MAX {
            let Some(oldest) = known.values().find(|job| job.over()).map(|job| job.id) else {
                break;
            };
            known.remove(&oldest);
        }
        Ok(job)
    }
}

impl Job {
    fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn over(&self) -> bool {
        self.progress().ended_ms.is_some()
    }

    fn shown(&self) -> Value {
        let progress = self.progress();
        let state = match (progress.ended_ms, self.cancelled.load(Ordering::Relaxed)) {
            (None, false) => "running",
            (None, true) => "stopping",
            (Some(_), true) => "cancelled",
            (Some(_), false) => "done",
        };
        let failures: Vec<Value> = progress
            .failures
            .iter()
            .map(|(exchange, reason)| json!({ "exchange": exchange.to_string(), "reason": reason }))
            .collect();
        json!({
            "job": self.id.to_string(), "action": self.action.as_str(), "state": state,
            "filter": self.filter, "to": self.to, "by": self.by, "why": self.why,
            "total": self.total, "done": progress.done, "failed": progress.failed,
            "failures": failures,
            "started_at": clock::from_ms(self.started_ms).to_string(),
            "ended_at": progress.ended_ms.map(|at_ms| clock::from_ms(at_ms).to_string()),
        })
    }
}

impl Admin {
    pub(super) async fn act(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let wanted: Wanted = body(request).await?;
        let filter = checked(&wanted)?;
        let chosen = self.chosen(filter).await?;
        let said = json!({ "action": wanted.action.as_str(), "total": chosen.len() });
        if wanted.dry_run {
            let mut said = said;
            said["exchanges"] = chosen
                .iter()
                .take(PAGE)
                .map(|id| Value::from(ExchangeId(*id).to_string()))
                .collect();
            return Ok(json_answer(StatusCode::OK, &said));
        }
        if let Some(expect) = wanted.expect.filter(|expect| chosen.len() > *expect) {
            let detail = format!(
                "There are {} by now, and {expect} were agreed to. Look again, and say yes again.",
                chosen.len()
            );
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "more",
                "There are more by now",
                detail,
            ));
        }
        let rate = wanted.rate.unwrap_or(RATE).clamp(1, RATE_MAX);
        let job = self.jobs.add(|id| Job {
            id,
            action: wanted.action,
            by: wanted.by,
            why: wanted.why,
            filter: wanted.filter,
            to: wanted.to,
            total: chosen.len(),
            started_ms: clock::now_ms(),
            cancelled: AtomicBool::new(false),
            progress: Mutex::default(),
        })?;
        let detail = json!({ "filter": job.filter, "total": job.total, "to": job.to });
        let action = format!("exceptions.{}", job.action.as_str());
        let audit =
            crate::audit::record(&job.by, &action, format!("job {}", job.id), &job.why, &detail);
        if let Err(error) = self.dispatch.journal.commit(audit.into()).await {
            job.finish();
            return Err(unreadable(&error));
        }
        tokio::spawn(run(self.dispatch.clone(), job.clone(), chosen, rate));
        Ok(json_answer(StatusCode::ACCEPTED, &job.shown()))
    }

    /// Those that are open now, by rising number.
    async fn chosen(&self, filter: ExceptionFilter) -> Result<Vec<u64>, Problem> {
        let mut chosen = Vec::new();
        let mut filter = ExceptionFilter { limit: PAGE, ..filter };
        loop {
            let page = self.dispatch.journal.exceptions(filter.clone()).await;
            let page = page.map_err(|error| unreadable(&error))?;
            let Some(last) = page.last() else { return Ok(chosen) };
            filter.after = last.number;
            chosen.extend(page.iter().map(|found| found.exchange));
            if chosen.len() > CHOSEN_MAX {
                let detail = format!("These are more than {CHOSEN_MAX}; narrow the filter.");
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return Err(Problem::new(status, "too-many", "Too many at once", detail));
            }
        }
    }

    pub(super) fn jobs(&self) -> Answer {
        let jobs: Vec<Value> = self.jobs.all().iter().map(|job| job.shown()).collect();
        json_answer(StatusCode::OK, &json!({ "jobs": jobs }))
    }

    pub(super) fn job(&self, id: &str) -> Result<Answer, Problem> {
        Ok(json_answer(StatusCode::OK, &self.jobs.get(id)?.shown()))
    }

    pub(super) fn cancel_job(&self, id: &str) -> Result<Answer, Problem> {
        let job = self.jobs.get(id)?;
        job.cancelled
            .store(!job.over() || job.cancelled.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(json_answer(StatusCode::OK, &job.shown()))
    }
}

impl Job {
    fn finish(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.ended_ms = Some(clock::now_ms());
    }
}

fn checked(wanted: &Wanted) -> Result<ExceptionFilter, Problem> {
    const KNOWN: [&str; 9] =
        ["class", "owner", "assignee", "route", "code", "since", "until", "key", "all"];
    let wrong = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The action is wrong", detail)
    };
    if let Some(unknown) = wanted.filter.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(wrong(format!(
            "`filter` knows no `{unknown}`; it takes {}.",
            KNOWN.join(", ")
        )));
    }
    if wanted.filter.is_empty() {
        return Err(wrong(
            "`filter` names nothing; all of them are { \"all\": \"true\" }.".to_owned(),
        ));
    }
    if wanted.action == Action::Assign && wanted.to.is_none() {
        return Err(wrong("`assign` needs `to`: the person who takes them.".to_owned()));
    }
    if wanted.why.trim().is_empty() {
        return Err(wrong("`why` is empty; it is what the audit trail will say.".to_owned()));
    }
    filter_of(|name| wanted.filter.get(name).map(String::as_str))
}

async fn run(dispatch: Arc<Dispatch>, job: Arc<Job>, chosen: Vec<u64>, rate: u32) {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
    for exchange in chosen {
        pace.tick().await;
        if job.cancelled.load(Ordering::Relaxed) {
            break;
        }
        let id = ExchangeId(exchange);
        let acted = match job.action {
            Action::Retry => dispatch.retry_exception(id, &job.by, &job.why).await,
            Action::Discard => dispatch.discard_exception(id, &job.by, &job.why).await,
            Action::Assign => dispatch.assign(id, job.to.as_deref(), &job.by, &job.why).await,
        };
        let mut progress = job.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match acted {
            Ok(()) => progress.done += 1,
            Err(error) => {
                progress.failed += 1;
                if progress.failures.len() < FAILURES_MAX {
                    progress.failures.push((id, refused(&error).detail().to_owned()));
                }
            }
        }
    }
    job.finish();
    let progress = job.progress();
    tracing::info!(
        job = job.id,
        action = job.action.as_str(),
        done = progress.done,
        failed = progress.failed,
        "an action on many exceptions is over"
    );
}
