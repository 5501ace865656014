//! What is held back on purpose: routes, connectors and limits that a person paused, or that a
//! maintenance window closes. The journal is the truth; this is its picture in memory.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use journal::Pause;
use tokio::sync::watch;

use crate::clock;

/// What can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Route,
    Connector,
    Limit,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Route, Kind::Connector, Kind::Limit];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Route => "route",
            Kind::Connector => "connector",
            Kind::Limit => "limit",
        }
    }

    pub fn of(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub struct Pauses {
    held: RwLock<Vec<Pause>>,
    /// Counts changes; who waits for an end listens.
    changed: watch::Sender<u64>,
}

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses { held: RwLock::default(), changed: watch::Sender::new(0) }
    }
}

impl Pauses {
    pub fn set(&self, pauses: Vec<Pause>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = pauses;
        self.changed.send_modify(|count| *count += 1);
    }

    pub fn all(&self) -> Vec<Pause> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What holds this back, if anything does: of several, the one that ends last.
    pub fn on(&self, kind: Kind, name: &str) -> Option<Pause> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let of = held.iter().filter(|pause| pause.kind == kind.as_str() && pause.name == name);
        of.max_by_key(|pause| pause.until_ms.unwrap_or(u64::MAX)).cloned()
    }

    /// Returns when this is not held back any more.
    pub async fn wait_for_end(&self, kind: Kind, name: &str) {
        let mut changed = self.changed.subscribe();
        while self.on(kind, name).is_some() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// `erp migration, until 2026-11-22T18:00:00Z, by ada`
pub fn words(pause: &Pause) -> String {
    let until = match pause.until_ms {
        Some(until_ms) => format!("until {}", clock::from_ms(until_ms)),
        None => "until somebody resumes it".to_owned(),
    };
    let by = match pause.window.as_str() {
        "" => pause.by.clone(),
        window => format!("maintenance `{window}`"),
    };
    format!("{}, {until}, by {by}", pause.why)
}
