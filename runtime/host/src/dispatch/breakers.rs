//! Breakers and budgets over time: a breaker that opens holds what is behind it in the journal, one
//! that tries calls a few of them in, one that closes lets all come, at the pace of the budget. A
//! budget that has room calls in those that wait for it.

use std::sync::Arc;
use std::time::Duration;

use connector::Health;
use journal::Record;
use tokio::time::Instant;

use super::reservations::InJournal;
use super::{Dispatch, Hold};
use crate::clock;
use crate::limits::{Breaker, Change, Pass, Reservations};
use crate::notice::Notice;

/// How often it is looked whether a breaker is to be tried and a budget has room.
const LOOK: Duration = Duration::from_millis(250);
/// After a commit that failed; the journal has said why.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// Without a budget, what waited for a breaker comes back so far apart.
const EVERY_US: u64 = 2_000;

impl Dispatch {
    /// Before anything is called: quotas are counted in the journal, and breakers whose calls wait
    /// since before this start are tried first.
    pub(super) async fn begin_limits(self: &Arc<Self>) -> Result<(), journal::Error> {
        let reservations: Arc<dyn Reservations> = Arc::new(InJournal(self.journal.clone()));
        self.limits.count_in(&reservations);
        for budget in self.limits.all() {
            // A quota may be larger now.
            let hold = Hold::Quota { name: budget.name.clone() };
            let every_us = micros(budget.interval());
            if budget.configured && budget.has_quota() {
                self.journal.commit(hasten(&hold, every_us, None).into()).await?;
            }
        }
        for breaker in self.breakers.values() {
            let hold = held_by(breaker);
            let probes = Some(breaker.probes());
            let committed = self.journal.commit(hasten(&hold, 0, probes).into()).await?;
            if committed.hastened > 0 {
                breaker.start_doubtful(Instant::now());
            }
        }
        Ok(())
    }

    pub(super) async fn run_limits(self: Arc<Self>) {
        while !self.stopping() {
            let pause = match self.call_in().await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::error!(%error, "calls that are held could not be called in");
                    FAILED_PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn call_in(self: &Arc<Self>) -> Result<(), journal::Error> {
        for breaker in self.breakers.values() {
            let probes = breaker.probes_wanted(Instant::now());
            if probes > 0 {
                let record = hasten(&held_by(breaker), 0, Some(probes));
                self.journal.commit(record.into()).await?;
                self.timers_changed.notify_one();
            }
        }
        for budget in self.limits.all() {
            let count = budget.called_in();
            if count == 0 {
                continue;
            }
            let hold = Hold::Limit { name: budget.name.clone() };
            let record = hasten(&hold, micros(budget.interval()), Some(count));
            match self.journal.commit(record.into()).await?.hastened {
                0 => budget.all_back(),
                _ => self.timers_changed.notify_one(),
            }
        }
        Ok(())
    }

    pub fn breakers(&self) -> impl Iterator<Item = &Breaker> {
        self.breakers.values()
    }

    pub(super) fn look_at_breaker(&self, alias: &str) -> Result<(), (Hold, Duration)> {
        let Some(breaker) = self.breakers.get(alias) else { return Ok(()) };
        let now = Instant::now();
        breaker.look(now).map_err(|closed| {
            let hold = Hold::Breaker { connector: alias.to_owned(), why: closed.why };
            (hold, closed.until.saturating_duration_since(now))
        })
    }

    /// Right before the call: where the breaker tries, the call is one of the few that do.
    pub(super) fn pass_breaker(&self, alias: &str) -> Result<Option<Pass>, (Hold, Duration)> {
        let Some(breaker) = self.breakers.get(alias) else { return Ok(None) };
        let now = Instant::now();
        breaker.pass(now).map(Some).map_err(|closed| {
            let hold = Hold::Breaker { connector: alias.to_owned(), why: closed.why };
            (hold, closed.until.saturating_duration_since(now))
        })
    }

    /// Right after the call.
    pub(super) async fn tell_breaker(
        self: &Arc<Self>,
        alias: &str,
        pass: Option<Pass>,
        answered: bool,
        health: Health,
    ) {
        let (Some(breaker), Some(pass)) = (self.breakers.get(alias), pass) else { return };
        let now = Instant::now();
        let change = breaker.ended(pass, answered, health, now);
        let now_ms = clock::now_ms();
        let ago = |at: Instant| now_ms.saturating_sub(millis(now.saturating_duration_since(at)));
        match change {
            Change::None => {}
            Change::Opened { incident, until } => {
                let open_ms = millis(until - now);
                self.metrics.breaker_opened(alias);
                tracing::warn!(connector = alias, why = incident.why, open_ms, "breaker opened");
                // Told once an incident, however often it is tried in vain.
                if incident.times == 1 {
                    self.notify(Notice::BreakerOpened {
                        connector: alias.to_owned(),
                        reason: incident.why,
                        opened_at_ms: ago(incident.since),
                        retry_at_ms: now_ms + open_ms,
                    })
                    .await;
                }
            }
            Change::Closed { incident } => {
                tracing::info!(connector = alias, "breaker closed: its system is well again");
                let notice = Notice::BreakerClosed {
                    connector: alias.to_owned(),
                    opened_at_ms: ago(incident.since),
                    closed_at_ms: now_ms,
                };
                let every_us = self.options.connector_limits.get(alias);
                let budget = every_us.and_then(|limit| self.limits.get(limit));
                let every_us = budget.map_or(EVERY_US, |budget| micros(budget.interval()));
                let records = vec![hasten(&held_by(breaker), every_us, None)];
                if let Err(error) = self.commit_telling(records, &[notice]).await {
                    tracing::error!(%error, "calls that the breaker held could not be called in");
                }
                self.timers_changed.notify_one();
            }
        }
    }
}

fn held_by(breaker: &Breaker) -> Hold {
    Hold::Breaker { connector: breaker.connector.clone(), why: String::new() }
}

fn hasten(hold: &Hold, every_us: u64, count: Option<u32>) -> Record {
    Record::Hasten { why: hold.why(), at_ms: clock::now_ms(), every_us, count }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
