//! Replays of a range: a job that goes through the exchanges, oldest first, and can be asked how far
//! it is. A job is in memory only; asked for again under its name after a restart, it goes on, since
//! within one job each exchange is repeated once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use journal::ExchangeFilter;
use route::ExchangeId;
use route::machine::Verdict;
use serde::Serialize;
use serde_json::json;

use super::Dispatch;
use super::replay::{Again, KeysOf, MayRepeat, ReplayError, VersionOf};
use crate::{audit, clock};

/// Exchanges of one range.
pub const RANGE_MAX: usize = 10_000;
/// Jobs that are remembered; beyond, the oldest finished one is forgotten.
const JOBS_MAX: usize = 50;
/// Results of one job that are shown one by one; those that went as expected give way.
const RESULTS_MAX: usize = 200;
/// Exchanges that are looked at for what a range may repeat.
const LOOKED_AT_MAX: usize = 200;
const PAGE: usize = 1_000;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Default)]
pub struct Range {
    pub route: Option<String>,
    /// Of acceptance: from, and before.
    pub since_ms: Option<u64>,
    pub until_ms: Option<u64>,
    pub end: Option<String>,
    /// That stood at the exception desk with this class.
    pub class: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Mode {
    Rehearse(VersionOf),
    ForReal(KeysOf),
}

#[derive(Clone, Debug)]
pub struct Order {
    pub range: Range,
    pub mode: Mode,
    pub from: Option<String>,
    pub by: String,
    pub why: String,
    /// The name of the job; a new one where there is none.
    pub job: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Progress {
    pub job: String,
    pub total: usize,
    pub done: usize,
    pub same: usize,
    pub different: usize,
    pub unanswerable: usize,
    pub replayed: usize,
    /// Repeated before, so not again.
    pub left_out: usize,
    pub refused: usize,
    pub finished: bool,
    /// Why it ended before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    pub results: Vec<One>,
}

#[derive(Clone, Debug, Serialize)]
pub struct One {
    pub exchange: String,
    /// `same`, `different`, `unanswerable`, `replayed`, `left-out`, `refused`.
    pub went: &'static str,
    /// The new exchange, the other end, or the reason.
    pub told: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    #[error("a range needs a route, a class, an end or a time: all that ever was is no range")]
    Boundless,
    #[error(
        "the range has more than {RANGE_MAX} exchanges: narrow it by time, route, end or class"
    )]
    TooWide,
    #[error("the job `{0}` is at work")]
    AtWork(String),
    #[error("{JOBS_MAX} jobs are at work; wait for one to end")]
    TooMany,
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// By name, oldest first.
#[derive(Default)]
pub struct Jobs(Mutex<Vec<Arc<Mutex<Progress>>>>);

impl Jobs {
    pub fn get(&self, job: &str) -> Option<Progress> {
        lock(&self.0).iter().map(|known| lock(known).clone()).find(|known| known.job == job)
    }

    fn add(&self, progress: Progress) -> Result<Arc<Mutex<Progress>>, RangeError> {
        let mut jobs = lock(&self.0);
        if let Some(at) = jobs.iter().position(|known| lock(known).job == progress.job) {
            if !lock(&jobs[at]).finished {
                return Err(RangeError::AtWork(progress.job));
            }
            jobs.remove(at);
        }
        if jobs.len() >= JOBS_MAX {
            let over = jobs.iter().position(|known| lock(known).finished);
            jobs.remove(over.ok_or(RangeError::TooMany)?);
        }
        let job = Arc::new(Mutex::new(progress));
        jobs.push(job.clone());
        Ok(job)
    }
}

impl Dispatch {
    /// Begins a job and says how much it has before it.
    pub async fn replay_range(self: &Arc<Self>, order: Order) -> Result<Progress, RangeError> {
        let ids = self.of_range(&order.range).await?;
        let name = order.job.clone();
        let name =
            name.unwrap_or_else(|| ExchangeId(self.journal.next_id(clock::now_ms())).to_string());
        let begun = Progress { job: name.clone(), total: ids.len(), ..Progress::default() };
        let job = self.replays.add(begun.clone())?;
        if let Mode::Rehearse(_) = order.mode {
            let detail = json!({ "mode": "rehearse", "job": name, "exchanges": ids.len() });
            let entry = audit::record(&order.by, "replay", "range", &order.why, &detail);
            self.journal.commit(entry.into()).await?;
        }
        tokio::spawn(Arc::clone(self).run_job(job, name, ids, order));
        Ok(begun)
    }

    /// What a range under new keys does once more: steps with their operations, and topics.
    pub async fn range_may_repeat(
        &self,
        range: &Range,
        from: Option<&str>,
    ) -> Result<(usize, MayRepeat), RangeError> {
        let ids = self.of_range(range).await?;
        let (mut mutations, mut events) = (BTreeSet::new(), BTreeSet::new());
        for id in ids.iter().take(LOOKED_AT_MAX) {
            // What cannot be read is refused one by one later.
            let Ok(repeat) = self.may_repeat(ExchangeId(*id), from).await else { continue };
            for mutation in repeat.mutations {
                let (path, operation) = mutation.split_once(' ').unwrap_or((&mutation, ""));
                let step = path.split('[').next().unwrap_or_default();
                mutations.insert(format!("{step} {operation}"));
            }
            events.extend(repeat.events);
        }
        let repeat = MayRepeat {
            mutations: mutations.into_iter().collect(),
            events: events.into_iter().collect(),
        };
        Ok((ids.len(), repeat))
    }

    /// Ids, oldest first. Exchanges that repeat others are left out: their originals count.
    async fn of_range(&self, range: &Range) -> Result<Vec<u64>, RangeError> {
        let Range { route, since_ms, until_ms, end, class } = range.clone();
        if route.is_none() && class.is_none() && end.is_none() && since_ms.is_none() {
            return Err(RangeError::Boundless);
        }
        let mut ids = Vec::new();
        let mut filter = ExchangeFilter {
            route,
            since_ms,
            until_ms,
            end,
            class,
            limit: PAGE,
            ..ExchangeFilter::default()
        };
        loop {
            let page = self.journal.exchanges(filter.clone()).await?;
            let originals = page.exchanges.iter().filter(|one| !one.source.starts_with("replay:"));
            ids.extend(originals.map(|one| one.id));
            if ids.len() > RANGE_MAX {
                return Err(RangeError::TooWide);
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => break,
            }
        }
        ids.reverse();
        Ok(ids)
    }

    async fn run_job(
        self: Arc<Self>,
        job: Arc<Mutex<Progress>>,
        name: String,
        ids: Vec<u64>,
        order: Order,
    ) {
        for id in ids {
            if self.stopping() {
                lock(&job).stopped = Some("the runtime stops".to_owned());
                break;
            }
            let id = ExchangeId(id);
            let (went, told) = match self.replay_one(id, &name, &order).await {
                Ok(one) => one,
                Err(ReplayError::Journal(error)) => {
                    lock(&job).stopped = Some(error.to_string());
                    break;
                }
                Err(error) => ("refused", error.to_string()),
            };
            lock(&job).take(One { exchange: id.to_string(), went, told });
        }
        lock(&job).finished = true;
    }

    async fn replay_one(
        self: &Arc<Self>,
        id: ExchangeId,
        job: &str,
        order: &Order,
    ) -> Result<(&'static str, String), ReplayError> {
        let again = Again { id, from: order.from.as_deref(), by: &order.by, why: &order.why };
        let keys = match &order.mode {
            Mode::Rehearse(version) => {
                let rehearsed = self.rehearse_quietly(&again, *version).await?;
                let went = match rehearsed.verdict {
                    Verdict::Same => "same",
                    Verdict::Different => "different",
                    Verdict::Unanswerable => "unanswerable",
                };
                return Ok((went, rehearsed.is));
            }
            Mode::ForReal(keys) => *keys,
        };
        // Also what another job, or a person, repeated: twice is never meant by a range.
        if let Some(replay) = self.journal.replays(id.0, 1).await?.first() {
            return Ok(("left-out", format!("{} repeats it", ExchangeId(replay.id))));
        }
        loop {
            match self.replay(&again, keys, Some(job)).await {
                // What was accepted goes first.
                Err(ReplayError::Busy) if !self.stopping() => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                replayed => return replayed.map(|new| ("replayed", new.to_string())),
            }
        }
    }
}

impl Progress {
    fn take(&mut self, one: One) {
        self.done += 1;
        let count = match one.went {
            "same" => &mut self.same,
            "different" => &mut self.different,
            "unanswerable" => &mut self.unanswerable,
            "replayed" => &mut self.replayed,
            "left-out" => &mut self.left_out,
            _ => &mut self.refused,
        };
        *count += 1;
        if self.results.len() >= RESULTS_MAX {
            let dull = |one: &One| matches!(one.went, "same" | "replayed" | "left-out");
            match self.results.iter().position(dull) {
                Some(at) if !dull(&one) => drop(self.results.remove(at)),
                _ => return,
            }
        }
        self.results.push(one);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
