//! `[retention]`: what is kept for how long. A round looks for what is older and drops it by
//! ordinary commits, each small, with a rest after each, so that messages hardly notice. Nothing is
//! dropped that the configuration does not name; an exchange that has not ended never is.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{Audit, Digest, EndedAt, KeptVersion, Record, Retention};
use serde::Deserialize;
use tokio::sync::watch;

use crate::clock;
use crate::config::Span;
use crate::dispatch::Dispatch;
use crate::ingress::serve;
use crate::running::artifacts_of;

/// Exchanges named in one batch; the journal may take fewer.
const BATCH: usize = 50;
/// Nodes looked at in one read, and entries of the audit trail dropped in one batch.
const SCAN: usize = 500;
/// After a batch the sweep rests this many times as long as the batch took.
const REST: u32 = 4;
const REST_MIN: Duration = Duration::from_millis(2);
const REST_MAX: Duration = Duration::from_secs(5);
/// An artifact that nothing needs is dropped in the next round but one: a set that is being stored
/// just now has its artifacts before its versions.
const CHECK_EVERY_MIN: Duration = Duration::from_millis(200);
/// Between the note that a version is idle and the last end of an exchange on it.
const IDLE_MARGIN_MS: u64 = 60_000;

/// Each span counts from the end of an exchange (audit: from the action). Absent: kept for ever.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Ended exchanges with all that belongs to them.
    pub finished: Option<Span>,
    /// Their messages and values; the course of events stays.
    pub payloads: Option<Span>,
    /// Source keys, which make a repeat the same exchange. At least as long as `finished`.
    pub keys: Option<Span>,
    pub audit: Option<Span>,
    pub check_every: Span,
}

impl Default for Config {
    fn default() -> Config {
        let check_every = Span(Duration::from_secs(3600));
        Config { finished: None, payloads: None, keys: None, audit: None, check_every }
    }
}

impl Config {
    /// What contradicts itself: place and fix.
    pub fn problem(&self) -> Option<String> {
        let longer = |name: &str, span: Option<Span>, than: &str| {
            let (span, finished) = (span?, self.finished?);
            (match than {
                "at most" => span > finished,
                _ => span < finished,
            })
            .then(|| format!("{name} must be {than} as long as `finished`"))
        };
        longer("`payloads`", self.payloads, "at most")
            .or_else(|| longer("`keys`", self.keys, "at least"))
    }

    fn keeps_everything(&self) -> bool {
        [self.finished, self.payloads, self.keys, self.audit].iter().all(Option::is_none)
    }
}

/// Runs until told to stop; returns at once if nothing is ever dropped.
pub async fn run(dispatch: Arc<Dispatch>, config: Config, mut stop: watch::Receiver<bool>) {
    if config.keeps_everything() {
        return;
    }
    let every = config.check_every.0.max(CHECK_EVERY_MIN);
    let mut sweep = Sweep {
        dispatch,
        config,
        stop: stop.clone(),
        payloads_after: EndedAt::default(),
        unneeded: HashSet::new(),
    };
    loop {
        match sweep.round().await {
            Ok(()) | Err(Halt::Stopping) => {}
            Err(Halt::Journal(error)) => {
                tracing::error!(%error, "retention stopped in the middle; it goes on at the next check");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = serve::told(&mut stop) => return,
        }
    }
}

struct Sweep {
    dispatch: Arc<Dispatch>,
    config: Config,
    stop: watch::Receiver<bool>,
    /// How far payloads were dropped; from the beginning after a start.
    payloads_after: EndedAt,
    /// Artifacts that nothing needed in the last round.
    unneeded: HashSet<Digest>,
}

enum Halt {
    Stopping,
    Journal(journal::Error),
}

impl From<journal::Error> for Halt {
    fn from(error: journal::Error) -> Halt {
        Halt::Journal(error)
    }
}

impl Sweep {
    async fn round(&mut self) -> Result<(), Halt> {
        let now_ms = clock::now_ms();
        let before = |span: Option<Span>| {
            span.map(|span| {
                now_ms.saturating_sub(u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX))
            })
        };
        if let Some(before_ms) = before(self.config.payloads) {
            self.drop_payloads(before_ms, now_ms).await?;
        }
        let keys_before_ms = before(self.config.keys);
        if let Some(before_ms) = before(self.config.finished) {
            self.drop_exchanges(before_ms, keys_before_ms).await?;
            self.drop_nodes(before_ms).await?;
            self.drop_versions(before_ms, now_ms).await?;
        }
        if let Some(before_ms) = keys_before_ms {
            while self.commit(Retention::Keys { ended_before_ms: before_ms }).await? > 0 {}
        }
        if let Some(before_ms) = before(self.config.audit) {
            while let Some(through) = self.dispatch.journal.audit_before(before_ms, SCAN).await? {
                if self.commit(Retention::Audit { through }).await? == 0 {
                    tracing::error!(
                        through,
                        "the audit trail is broken and therefore kept: run `crossdock audit verify`"
                    );
                    break;
                }
            }
        }
        let summed = Audit {
            at_ms: clock::now_ms(),
            by: "retention".to_owned(),
            action: "retention.drop".to_owned(),
            target: "journal".to_owned(),
            why: "older than [retention] keeps".to_owned(),
            detail: String::new(),
        };
        self.commit(Retention::Summed(summed)).await.map(drop)
    }

    async fn drop_payloads(&mut self, before_ms: u64, now_ms: u64) -> Result<(), Halt> {
        loop {
            let journal = &self.dispatch.journal;
            let found = journal.payloads_before(before_ms, self.payloads_after, BATCH).await?;
            let Some(last) = found.last().copied() else { return Ok(()) };
            for EndedAt { exchange, .. } in found {
                let Some(stored) = self.dispatch.journal.exchange(exchange).await? else {
                    continue;
                };
                let outcomes = stored.outcomes.iter();
                let outcomes = outcomes
                    .map(|outcome| (outcome.sequence, route::without_payload(&outcome.body)))
                    .collect();
                self.commit(Retention::Payload { exchange, at_ms: now_ms, outcomes }).await?;
            }
            self.payloads_after = last;
        }
    }

    async fn drop_exchanges(
        &self,
        before_ms: u64,
        keys_before_ms: Option<u64>,
    ) -> Result<(), Halt> {
        loop {
            let exchanges = self.dispatch.journal.ended_before(before_ms, BATCH).await?;
            if exchanges.is_empty() {
                return Ok(());
            }
            let batch =
                Retention::Exchanges { exchanges, ended_before_ms: before_ms, keys_before_ms };
            if self.commit(batch).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn drop_nodes(&self, linked_before_ms: u64) -> Result<(), Halt> {
        let mut after = Some(0);
        while let Some(at) = after {
            let unused = self.dispatch.journal.unused_nodes(at, SCAN, linked_before_ms).await?;
            for nodes in unused.nodes.chunks(BATCH) {
                self.commit(Retention::Nodes { nodes: nodes.to_vec(), linked_before_ms }).await?;
            }
            self.unless_stopping()?;
            after = unused.next;
        }
        Ok(())
    }

    /// Versions that have been idle for so long that no kept exchange began on them; then what only
    /// they needed.
    async fn drop_versions(&mut self, before_ms: u64, now_ms: u64) -> Result<(), Halt> {
        let running = self.dispatch.running();
        let runs = |version: &KeptVersion| {
            running.routes.iter().any(|route| route.digest == version.digest)
        };
        let kept = self.dispatch.journal.kept_versions().await?;
        let resting = || kept.iter().filter(|version| !version.open && !runs(version));
        let idle: Vec<Digest> = resting()
            .filter(|version| version.idle_since_ms.is_none())
            .map(|version| version.digest)
            .collect();
        let idle_before_ms = before_ms.saturating_sub(IDLE_MARGIN_MS);
        let over: Vec<Digest> = resting()
            .filter(|version| version.idle_since_ms.is_some_and(|since| since < idle_before_ms))
            .map(|version| version.digest)
            .collect();
        if !idle.is_empty() {
            self.commit(Retention::Idle { versions: idle, at_ms: now_ms }).await?;
        }
        if !over.is_empty() {
            self.commit(Retention::Versions { versions: over, idle_before_ms }).await?;
        }
        self.drop_artifacts().await
    }

    async fn drop_artifacts(&mut self) -> Result<(), Halt> {
        let journal = &self.dispatch.journal;
        let mut needed: HashSet<Digest> = HashSet::new();
        for record in &self.dispatch.running().stored {
            if let Record::Artifact { digest, .. } = record {
                needed.insert(*digest);
            }
        }
        for version in journal.kept_versions().await? {
            if !needed.insert(version.artifact) {
                continue;
            }
            let stored = journal.artifact(version.artifact).await?;
            // One that cannot be read needs nobody knows what.
            let Some(parts) = stored.and_then(|stored| artifacts_of(&stored.bytes)) else {
                return Ok(());
            };
            needed.extend(parts);
        }
        // A running version's parts stand among `stored`; its document is `version.artifact`.
        let unneeded: HashSet<Digest> = journal
            .artifacts()
            .await?
            .into_iter()
            .filter(|found| !needed.contains(found))
            .collect();
        let artifacts: Vec<Digest> = unneeded.intersection(&self.unneeded).copied().collect();
        self.unneeded = unneeded;
        // One at a time: a component is large.
        for artifact in artifacts {
            self.commit(Retention::Artifacts { artifacts: vec![artifact] }).await?;
        }
        Ok(())
    }

    /// Answers how many rows the batch took. Rests afterwards.
    async fn commit(&self, batch: Retention) -> Result<u64, Halt> {
        self.unless_stopping()?;
        let begun = Instant::now();
        let committed = self.dispatch.journal.commit(Record::Retention(batch).into()).await;
        let committed = committed.map_err(|error| self.dispatch.fail(error))?;
        tokio::time::sleep((begun.elapsed() * REST).clamp(REST_MIN, REST_MAX)).await;
        Ok(committed.dropped)
    }

    fn unless_stopping(&self) -> Result<(), Halt> {
        if *self.stop.borrow() { Err(Halt::Stopping) } else { Ok(()) }
    }
}
