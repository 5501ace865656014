//! Dispatch: takes messages in, drives each exchange's machine, journals what it decides and performs
//! what it asks for. Decisions are the machine's; nothing here knows what a step is.

mod admit;
mod ask;
mod breakers;
mod call;
mod claim;
mod correct;
mod desk;
mod hold;
mod lanes;
mod notify;
mod pausing;
mod publish;
mod recover;
pub mod replay;
pub mod replays;
mod reply;
mod reservations;
mod resume;
mod run;
mod timers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use dashmap::DashMap;
use journal::{Commit, Committed, Digest, Journal, Record, SourceKey};
use route::{Envelope, Event, Exchange, ExchangeId, PollSource};
use tokio::sync::{Notify, Semaphore, watch};

use crate::clock;
use crate::config::Window;
use crate::limits::{Breaker, BreakerConfig, Limits, Rooms};
use crate::mask::Mask;
use crate::metrics::Metrics;
use crate::pause::{Kind, Pauses};
use crate::running::{RouteVersion, RunningSet, Versions};
use crate::sources::Sources;

pub use hold::Hold;
use lanes::Active;
pub use pausing::PauseError;

pub use reply::{Reply, ReplyTo};
pub use resume::ResumeError;

pub struct Dispatch {
    pub journal: Journal,
    pub metrics: Arc<Metrics>,
    running: RwLock<Arc<RunningSet>>,
    versions: Versions,
    limits: Arc<Limits>,
    pauses: Pauses,
    sources: Sources,
    options: Options,
    /// Exchanges in memory: running, or waiting for room to run or for a budget.
    active: DashMap<u64, Active>,
    rooms: Arc<Rooms>,
    /// By route and its `concurrency`.
    route_places: DashMap<(String, usize), Arc<Semaphore>>,
    breakers: BTreeMap<String, Breaker>,
    replies: DashMap<u64, ReplyTo>,
    timers_changed: Notify,
    /// Held while a replay is begun.
    replaying: tokio::sync::Mutex<()>,
    pub replays: replays::Jobs,
    /// Ready exchanges were left in the journal because memory was full.
    overflowed: AtomicBool,
    stopping: AtomicBool,
    /// Told when it stops, to those that wait for a budget.
    stopped: watch::Sender<bool>,
    /// The journal failed: the process must stop and say so.
    fatal: watch::Sender<Option<String>>,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Exchanges running at the same time.
    pub concurrency: usize,
    /// Exchanges in memory.
    pub backlog_max: usize,
    pub limit_patience: Duration,
    /// A poll without an answer for so long is late, unless its route says otherwise.
    pub late_after: Duration,
    /// Budget of each connector alias that has one.
    pub connector_limits: BTreeMap<String, String>,
    /// Breakers by alias.
    pub breakers: BTreeMap<String, BreakerConfig>,
    /// Budgets of the upstreams behind each connector alias.
    pub upstream_limits: BTreeMap<String, Vec<String>>,
    /// What people do not see of documents.
    pub mask: Mask,
    pub maintenance: BTreeMap<String, Window>,
}

/// A message at the door, checked against its contract.
pub struct Arrival {
    pub version: Arc<RouteVersion>,
    pub envelope: Envelope,
    /// The same key in the same scope is one exchange, however often it comes.
    pub source_key: Option<SourceKey>,
    /// Where the same key was kept before its scope became narrower; see `journal::Accept`.
    pub earlier_scope: Option<String>,
    pub body_digest: Option<Digest>,
    pub parent: Option<u64>,
    /// Set where it runs again what another exchange ran.
    pub repeats: Option<Repeats>,
}

/// An exchange to repeat.
pub struct Repeats {
    pub of: u64,
    /// The outcomes that it takes over, as they fit the version that it runs on.
    pub carried: Vec<route::Outcome>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// On disk, and under way.
    New(ExchangeId),
    /// The source key is known: this exchange has it.
    Known { id: ExchangeId, same_body: bool },
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The backlog is full; nothing was taken.
    #[error("the backlog is full")]
    Busy,
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl Dispatch {
    pub fn new(
        journal: Journal,
        set: Arc<RunningSet>,
        versions: Versions,
        limits: Arc<Limits>,
        metrics: Arc<Metrics>,
        options: Options,
    ) -> Arc<Dispatch> {
        versions.add_all(&set);
        Arc::new(Dispatch {
            journal,
            metrics,
            running: RwLock::new(set),
            versions,
            limits,
            pauses: Pauses::default(),
            sources: Sources::default(),
            active: DashMap::new(),
            rooms: Rooms::new(options.concurrency),
            breakers: options
                .breakers
                .iter()
                .map(|(alias, config)| (alias.clone(), Breaker::new(alias, *config)))
                .collect(),
            options,
            route_places: DashMap::new(),
            replies: DashMap::new(),
            timers_changed: Notify::new(),
            replaying: tokio::sync::Mutex::new(()),
            replays: replays::Jobs::default(),
            overflowed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            stopped: watch::Sender::new(false),
            fatal: watch::Sender::new(None),
        })
    }

    /// Stores the set's artifacts, takes up what the last process left, and starts the timers.
    pub async fn start(self: &Arc<Self>) -> Result<(), journal::Error> {
        let set = self.running();
        let at_ms = clock::now_ms();
        for record in &set.stored {
            // One at a time: a component is large, and a commit is bounded.
            self.journal.commit(Commit::from(record.clone())).await?;
        }
        tracing::debug!(took_ms = clock::now_ms() - at_ms, "artifacts stored");
        // Order matters: what is held back is known before anything is taken up.
        self.pauses.set(self.journal.pauses().await?);
        self.keep_pauses().await?;
        self.begin_limits().await?;
        self.recover().await?;
        tokio::spawn(Arc::clone(self).run_timers());
        tokio::spawn(Arc::clone(self).run_limits());
        Ok(())
    }

    pub fn running(&self) -> Arc<RunningSet> {
        self.running.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is held back on purpose.
    pub fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// When the sources of routes were last heard of.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The one rule for polls: the route's own `late_after`, else that of `[work]`, which never is
    /// less than two polls.
    pub fn late_after(&self, source: &PollSource) -> Duration {
        let two_polls = Duration::from_millis(source.every_ms.saturating_mul(2));
        let own = source.late_after_ms.map(Duration::from_millis);
        own.unwrap_or_else(|| self.options.late_after.max(two_polls))
    }

    pub fn maintenance(&self) -> &BTreeMap<String, Window> {
        &self.options.maintenance
    }

    pub fn mask(&self) -> &Mask {
        &self.options.mask
    }

    /// Takes one message: journalled (fsync) before this returns, then on its way.
    pub async fn accept(self: &Arc<Self>, arrival: Arrival) -> Result<Accepted, AcceptError> {
        self.accept_with(arrival, None).await
    }

    /// As `accept`, and `reply_to` hears the result of a step.
    pub async fn accept_with(
        self: &Arc<Self>,
        arrival: Arrival,
        reply_to: Option<ReplyTo>,
    ) -> Result<Accepted, AcceptError> {
        let body_digest = arrival.body_digest;
        let mut accepted = self.accept_all(vec![arrival], Vec::new(), reply_to).await?;
        Ok(match accepted.pop() {
            Some(Taken::New(id)) => Accepted::New(id),
            Some(Taken::Known { id, digest }) => {
                Accepted::Known { id, same_body: digest.is_none() || digest == body_digest }
            }
            None => return Err(AcceptError::Busy),
        })
    }

    /// As `accept`, in one commit with `also`, which is written even where the message is known.
    async fn accept_told(
        self: &Arc<Self>,
        arrival: Arrival,
        also: Record,
    ) -> Result<Accepted, AcceptError> {
        let mut accepted = self.accept_all(vec![arrival], vec![also], None).await?;
        Ok(match accepted.pop() {
            Some(Taken::New(id)) => Accepted::New(id),
            Some(Taken::Known { id, .. }) => Accepted::Known { id, same_body: true },
            None => return Err(AcceptError::Busy),
        })
    }

    /// Takes a batch in one commit together with `also` (a cursor, for one).
    pub async fn accept_batch(
        self: &Arc<Self>,
        arrivals: Vec<Arrival>,
        also: Vec<Record>,
    ) -> Result<(), AcceptError> {
        self.accept_all(arrivals, also, None).await.map(drop)
    }

    async fn accept_all(
        self: &Arc<Self>,
        arrivals: Vec<Arrival>,
        also: Vec<Record>,
        reply_to: Option<ReplyTo>,
    ) -> Result<Vec<Taken>, AcceptError> {
        // A batch goes in as a whole, however large: what memory cannot hold waits in the journal.
        if self.stopping() || self.active.len() >= self.options.backlog_max {
            return Err(AcceptError::Busy);
        }
        let now_ms = clock::now_ms();
        let mut records = also;
        let mut begun = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let id = ExchangeId(self.journal.next_id(now_ms));
            begun.push(self.begin(id, arrival, &mut records));
        }
        if let (Some(reply_to), [begun]) = (reply_to, begun.as_slice()) {
            self.replies.insert(begun.exchange.id().0, reply_to);
        }
        let committed = match self.commit(Commit::new(records)).await {
            Ok(committed) => committed,
            Err(error) => {
                begun.iter().for_each(|begun| self.forget_reply(begun.exchange.id()));
                return Err(error.into());
            }
        };
        let mut taken = Vec::with_capacity(begun.len());
        for begun in begun {
            let id = begun.exchange.id();
            match committed.duplicates.iter().find(|duplicate| duplicate.dropped == id.0) {
                Some(duplicate) => {
                    self.forget_reply(id);
                    taken.push(Taken::Known {
                        id: ExchangeId(duplicate.exchange),
                        digest: duplicate.body_digest,
                    });
                }
                None => {
                    self.count_accepted(&begun);
                    if !committed.is_queued(id.0) {
                        self.spawn(begun);
                    }
                    taken.push(Taken::New(id));
                }
            }
        }
        Ok(taken)
    }

    /// Makes an exchange and the records that make it durable.
    fn begin(&self, id: ExchangeId, arrival: Arrival, records: &mut Vec<Record>) -> Begun {
        let Arrival { version, envelope, source_key, earlier_scope, body_digest, parent, repeats } =
            arrival;
        let mut exchange = Exchange::start(id, version.plan.clone(), envelope);
        let envelope = exchange.envelope();
        let replay = envelope.replay.as_ref().zip(repeats.as_ref());
        records.push(Record::Accept(journal::Accept {
            exchange: id.0,
            route_version: version.digest,
            parent,
            source: envelope.source.clone(),
            client: envelope.client.clone(),
            source_key,
            earlier_scope,
            body_digest,
            headers: serde_json::to_string(&envelope.headers).unwrap_or_default(),
            message: contract::json::write(&envelope.message).into_bytes(),
            received_at_ms: clock::to_ms(envelope.received_at),
            traceparent: envelope.traceparent.clone(),
            raw: envelope.raw,
            replay: replay.map(|(replay, repeats)| journal::Replay {
                of: repeats.of,
                key_root: replay.keys.as_ref().map(|keys| keys.root.clone()),
                body: serde_json::to_string(&**replay).unwrap_or_default(),
            }),
            lane: lanes::lane(&exchange),
        }));
        if !envelope.raw {
            records.extend(publish::link_records(&route::links(&envelope.message)));
        }
        for outcome in repeats.map(|repeats| repeats.carried).unwrap_or_default() {
            // Whoever repeats an exchange has tried whether they fit.
            if let Err(error) = exchange.carry_over(&outcome) {
                tracing::error!(exchange = %id, %error, "an outcome could not be carried over");
                break;
            }
            records.push(publish::outcome_record(id, &outcome));
        }
        let keys = exchange.keys();
        records.extend(publish::key_records(id, &keys));
        Begun { exchange, version, keys }
    }

    /// As `begin`, with an id of now.
    fn begin_new(&self, arrival: Arrival, records: &mut Vec<Record>) -> Begun {
        let id = ExchangeId(self.journal.next_id(clock::now_ms()));
        self.begin(id, arrival, records)
    }

    fn count_accepted(&self, begun: &Begun) {
        let route = &begun.version.plan.name;
        self.metrics.accepted(route);
        self.sources.message(route, clock::now_ms());
    }

    /// Puts what a commit accepted on its way, but for what was known before or is queued.
    fn spawn_all(self: &Arc<Self>, begun: Vec<Begun>, committed: &Committed) {
        for begun in begun {
            let id = begun.exchange.id().0;
            if !committed.duplicates.iter().any(|duplicate| duplicate.dropped == id) {
                self.count_accepted(&begun);
                if !committed.is_queued(id) {
                    self.spawn(begun);
                }
            }
        }
    }

    /// Puts a new exchange, already on disk, on its way.
    fn spawn(self: &Arc<Self>, begun: Begun) {
        let id = begun.exchange.id().0;
        if self.pauses.on(Kind::Route, &begun.version.plan.name).is_some() {
            // On disk, and ready; it is taken up when the pause ends.
            self.reply_later(begun.exchange.id());
            return;
        }
        if self.stopping() || self.active.len() >= self.options.backlog_max {
            // It is safe in the journal; the timers' loop takes it up when there is room.
            self.overflowed.store(true, Ordering::Relaxed);
            return;
        }
        if self.enter(id) {
            tokio::spawn(Arc::clone(self).drive(begun, Event::Start));
        }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells the process if the journal can take nothing more.
    pub fn fail(&self, error: journal::Error) -> journal::Error {
        if matches!(error, journal::Error::Poisoned { .. } | journal::Error::Closed) {
            self.fatal.send_replace(Some(error.to_string()));
        }
        error
    }

    /// Turns to the reason when the process must stop.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// Exchanges in memory.
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// Starts nothing new and waits until the steps under way are on disk, at most for `patience`.
    /// True if all are.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        self.stopped.send_replace(true);
        self.timers_changed.notify_waiters();
        let ends = tokio::time::Instant::now() + patience;
        while !self.active.is_empty() && tokio::time::Instant::now() < ends {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for budget in self.limits.all() {
            budget.give_back().await;
        }
        self.active.is_empty()
    }
}

/// An exchange in memory with the version it runs on.
struct Begun {
    exchange: Exchange,
    version: Arc<RouteVersion>,
    /// Business keys that the journal already has.
    keys: Vec<(String, String)>,
}

enum Taken {
    New(ExchangeId),
    Known { id: ExchangeId, digest: Option<Digest> },
}
