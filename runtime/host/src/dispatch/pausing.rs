//! Pause and resume: on disk with their entry in the audit trail before anybody is told, ended by
//! themselves at their time. What is held back spends no attempt, and goes on at once afterwards.

use std::sync::Arc;
use std::time::Duration;

use journal::{Pause, Record};
use serde_json::json;

use super::{Begun, Dispatch, Hold};
use crate::notice::Notice;
use crate::pause::{Kind, words};
use crate::{audit, clock, suggest};

/// What a pause without an end, or a far one, holds is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// Between two of those that go on when a pause ends; their limits hold besides.
const GOES_ON_EVERY_US: u64 = 1_000;
/// Who acts when a time is over.
const CROSSDOCK: &str = "crossdock";

/// Why nothing was paused or resumed.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    #[error("there is no {kind} `{name}`: {help}")]
    Unknown { kind: Kind, name: String, help: String },
    #[error("{kind} {name} is not paused")]
    NotPaused { kind: Kind, name: String },
    #[error("`until` has passed already")]
    Past,
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl Dispatch {
    /// Holds something back. A pause of the same by a person is replaced.
    pub async fn pause(
        self: &Arc<Self>,
        kind: Kind,
        name: &str,
        until_ms: Option<u64>,
        by: &str,
        why: &str,
    ) -> Result<Pause, PauseError> {
        self.known(kind, name)?;
        let since_ms = clock::now_ms();
        if until_ms.is_some_and(|until_ms| until_ms <= since_ms) {
            return Err(PauseError::Past);
        }
        let [kind_text, by, why] = [kind.as_str(), by, why].map(str::to_owned);
        let window = String::new();
        let pause =
            Pause { kind: kind_text, name: name.to_owned(), window, by, why, since_ms, until_ms };
        self.hold(kind, pause.clone()).await?;
        Ok(pause)
    }

    /// Lets go on what a person or a window held back.
    pub async fn resume_paused(
        self: &Arc<Self>,
        kind: Kind,
        name: &str,
        by: &str,
        why: &str,
    ) -> Result<(), PauseError> {
        let held = self.pauses.all();
        let of = held.into_iter().filter(|pause| pause.kind == kind.as_str() && pause.name == name);
        let ended: Vec<Pause> = of.collect();
        if ended.is_empty() {
            return Err(PauseError::NotPaused { kind, name: name.to_owned() });
        }
        self.let_go(kind, &ended, by, why).await?;
        Ok(())
    }

    async fn hold(self: &Arc<Self>, kind: Kind, pause: Pause) -> Result<(), journal::Error> {
        let until = pause.until_ms.map(clock::from_ms).map(|until| until.to_string());
        let target = format!("{kind} {}", pause.name);
        let detail = json!({ "until": until, "window": pause.window });
        let action = format!("{kind}.pause");
        let audit = audit::record(&pause.by, &action, target, &pause.why, &detail);
        let notice = Notice::Paused {
            kind: kind.as_str(),
            name: pause.name.clone(),
            by: pause.by.clone(),
            why: pause.why.clone(),
            since_ms: pause.since_ms,
            until_ms: pause.until_ms,
        };
        tracing::info!(what = %kind, name = pause.name, "paused: {}", words(&pause));
        self.commit_telling(vec![Record::Pause(pause), audit], &[notice]).await?;
        self.pauses.set(self.journal.pauses().await?);
        self.timers_changed.notify_one();
        Ok(())
    }

    /// Ends pauses of one thing, all of them or those whose time is over.
    async fn let_go(
        self: &Arc<Self>,
        kind: Kind,
        ended: &[Pause],
        by: &str,
        why: &str,
    ) -> Result<(), journal::Error> {
        let Some(first) = ended.first() else { return Ok(()) };
        let name = first.name.clone();
        let still = self.pauses.all().into_iter().any(|pause| {
            pause.kind == kind.as_str() && pause.name == name && !ended.contains(&pause)
        });
        let mut records: Vec<Record> = ended
            .iter()
            .map(|pause| Record::Resume {
                kind: pause.kind.clone(),
                name: pause.name.clone(),
                window: pause.window.clone(),
            })
            .collect();
        let action = format!("{kind}.resume");
        let target = format!("{kind} {name}");
        let since = clock::from_ms(first.since_ms).to_string();
        let detail = json!({ "since": since, "paused_by": first.by, "still_paused": still });
        records.push(audit::record(by, &action, target, why, &detail));
        let mut notices = Vec::new();
        if !still {
            let at_ms = clock::now_ms();
            // Of people and of windows: who is held sees the one that held it.
            for hold in [hold_of(kind, &name, "", ""), hold_of(kind, &name, "window", "")] {
                let (why, every_us) = (hold.why(), GOES_ON_EVERY_US);
                records.push(Record::Hasten { why, at_ms, every_us, count: None });
            }
            notices.push(Notice::Resumed {
                kind: kind.as_str(),
                name: name.clone(),
                by: by.to_owned(),
                why: why.to_owned(),
                at_ms,
            });
        }
        self.commit_telling(records, &notices).await?;
        tracing::info!(what = %kind, name, by, why, "resumed");
        self.pauses.set(self.journal.pauses().await?);
        // What stayed ready in the journal meanwhile is taken up.
        self.overflowed.store(true, std::sync::atomic::Ordering::Relaxed);
        self.timers_changed.notify_one();
        Ok(())
    }

    /// Ends what is over and opens the windows that are due; answers how long nothing changes.
    pub(super) async fn keep_pauses(self: &Arc<Self>) -> Result<Duration, journal::Error> {
        let now = clock::now();
        let now_ms = clock::to_ms(now);
        for (name, window) in &self.options.maintenance {
            let Some((began, ends)) = window.open_at(now) else { continue };
            // Once for each opening: what a person resumed early stays resumed.
            let mark = format!("maintenance:{name}");
            if self.journal.cursor(&mark).await?.as_deref() == Some(&began.to_string()) {
                continue;
            }
            let value = began.to_string();
            for (kind, target) in window.targets() {
                let pause = Pause {
                    kind: kind.as_str().to_owned(),
                    name: target.to_owned(),
                    window: name.clone(),
                    by: CROSSDOCK.to_owned(),
                    why: window.why.clone(),
                    since_ms: now_ms,
                    until_ms: Some(clock::to_ms(ends)),
                };
                self.hold(kind, pause).await?;
            }
            self.journal.commit(Record::Cursor { source: mark, value }.into()).await?;
        }
        let over = |pause: &Pause| pause.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        let all = self.pauses.all();
        for pause in all.iter().filter(|pause| over(pause)) {
            let Some(kind) = Kind::of(&pause.kind) else { continue };
            let ended = std::slice::from_ref(pause);
            self.let_go(kind, ended, CROSSDOCK, "its time is over").await?;
        }
        let ends = self.pauses.all().into_iter().filter_map(|pause| pause.until_ms);
        let opens = self.options.maintenance.values();
        let opens = opens.filter_map(|window| window.next(now)).map(clock::to_ms);
        let next = ends.chain(opens).min();
        Ok(next.map_or(Duration::MAX, |at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms))))
    }

    /// What holds a call of this connector for this route back on purpose, and for how long.
    pub(super) fn held_by_pause(&self, alias: &str, route: &str) -> Option<(Hold, Duration)> {
        let own = self.options.connector_limits.get(alias);
        let behind = self.options.upstream_limits.get(alias).into_iter().flatten();
        let limits = own.into_iter().chain(behind).map(|limit| (Kind::Limit, limit.as_str()));
        let places = [(Kind::Route, route), (Kind::Connector, alias)].into_iter().chain(limits);
        for (kind, name) in places {
            if let Some(pause) = self.pauses.on(kind, name) {
                let hold = hold_of(kind, name, &pause.window, &words(&pause));
                return Some((hold, left(&pause)));
            }
        }
        None
    }

    pub(super) fn route_paused(&self, begun: &Begun) -> bool {
        self.pauses.on(Kind::Route, &begun.version.plan.name).is_some()
    }

    /// A wait of a paused route came due: it waits on, for the end of the pause.
    pub(super) async fn wait_for_resume(&self, begun: Begun) {
        let route = &begun.version.plan.name;
        let Some(pause) = self.pauses.on(Kind::Route, route) else { return };
        let exchange = begun.exchange.id().0;
        let due_at_ms = clock::now_ms() + left(&pause).as_millis() as u64;
        let why = hold_of(Kind::Route, route, &pause.window, "").why();
        let wait = Record::Wait { exchange, due_at_ms, why };
        if let Err(error) = self.journal.commit(wait.into()).await {
            tracing::error!(%error, "the wait of a paused route could not be journalled");
            self.fail(error);
        }
    }

    fn known(&self, kind: Kind, name: &str) -> Result<(), PauseError> {
        let running = self.running();
        let known: Vec<String> = match kind {
            Kind::Route => running.routes.iter().map(|route| route.plan.name.clone()).collect(),
            Kind::Connector => running.connectors.keys().cloned().collect(),
            Kind::Limit => self.limits.all().iter().map(|budget| budget.name.clone()).collect(),
        };
        if known.iter().any(|known| known == name) {
            return Ok(());
        }
        let names = known.iter().map(String::as_str);
        let all = match known.is_empty() {
            true => "there is none at all".to_owned(),
            false => format!("there are {}", known.join(", ")),
        };
        let help = suggest::help(name, names, &all);
        Err(PauseError::Unknown { kind, name: name.to_owned(), help })
    }
}

fn hold_of(kind: Kind, name: &str, window: &str, why: &str) -> Hold {
    let (what, why) = (format!("{kind} {name}"), why.to_owned());
    match window {
        "" => Hold::Paused { what, why },
        _ => Hold::Maintenance { what, why },
    }
}

/// A hold is looked at again when the pause ends, or before.
fn left(pause: &Pause) -> Duration {
    let left = pause.until_ms.map(|until_ms| until_ms.saturating_sub(clock::now_ms()));
    left.map_or(LOOK_AGAIN, Duration::from_millis).min(LOOK_AGAIN)
}
