//! Named budgets at the three doors: clients coming in, connector operations, upstreams going out; and
//! the breakers of connectors. `governor` computes who may pass (GCRA); the fair queue here decides
//! who is next.

mod breaker;
mod budget;
mod client;
mod door;
mod horizon;
mod pace;
mod queue;
mod quota;
mod rate;
mod rooms;
mod tenant;
mod zone;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Arc, Mutex};

use serde::Deserialize;

pub use breaker::{Breaker, Change, Config as BreakerConfig, Pass};
pub use budget::{Ask, Budget, Permit};
pub use client::{Caller, ClientBudgets, Passed, Standing};
pub use door::UpstreamDoor;
pub use quota::Reservations;
pub use rate::Rate;
pub use rooms::{Room, Rooms};
pub use tenant::{TENANT, Tenant};
pub use zone::Zone;

/// `[limits.NAME]` as written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Grants over time, e.g. `"10/s"`, `"600/min"`, `"5000/h"`.
    pub rate: Option<Rate>,
    /// Grants that may come at once after a pause; 1 when absent.
    pub burst: Option<NonZeroU32>,
    /// Grants held at the same time.
    pub concurrency: Option<NonZeroU32>,
    /// Grants from midnight to midnight in `zone`.
    pub daily: Option<NonZeroU64>,
    /// Grants of a calendar month in `zone`.
    pub monthly: Option<NonZeroU64>,
    /// `"Europe/Berlin"`; UTC when absent.
    pub zone: Option<Zone>,
}

impl Config {
    /// It has a budget of a day or a month.
    pub fn has_quota(&self) -> bool {
        self.daily.is_some() || self.monthly.is_some()
    }
}

/// All budgets of a configuration, by name.
#[derive(Default)]
pub struct Limits {
    config: BTreeMap<String, Config>,
    budgets: BTreeMap<String, Arc<Budget>>,
    clients: BTreeMap<String, ClientBudgets>,
    /// Of upstreams without a limit: what was learnt of them.
    learning: Mutex<BTreeMap<String, Arc<Budget>>>,
}

impl Limits {
    pub fn build(config: &BTreeMap<String, Config>) -> Limits {
        let budgets = config
            .iter()
            .map(|(name, limit)| (name.clone(), Arc::new(Budget::new(name, limit))))
            .collect();
        let clients = config
            .iter()
            .map(|(name, limit)| (name.clone(), ClientBudgets::new(name, limit)))
            .collect();
        Limits { config: config.clone(), budgets, clients, learning: Mutex::default() }
    }

    /// From here on quotas hold, counted there.
    pub fn count_in(&self, reservations: &Arc<dyn Reservations>) {
        for (name, config) in self.config.iter().filter(|(_, config)| config.has_quota()) {
            if let Some(budget) = self.budgets.get(name) {
                budget.count_in(config, reservations);
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<Arc<Budget>> {
        self.budgets.get(name).cloned()
    }

    /// The budget of an upstream that has no limit: it learns from what its system refuses.
    pub fn of_upstream(&self, upstream: &str) -> Arc<Budget> {
        let name = format!("upstream {upstream}");
        let mut learning = self.learning.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        learning
            .entry(upstream.to_owned())
            .or_insert_with(|| Arc::new(Budget::learning(&name)))
            .clone()
    }

    /// The shares of callers at the inbound door.
    pub fn of_callers(&self, name: &str) -> Option<&ClientBudgets> {
        self.clients.get(name)
    }

    /// Every budget at the doors further out, the named ones first.
    pub fn all(&self) -> Vec<Arc<Budget>> {
        let learning = self.learning.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.budgets.values().chain(learning.values()).cloned().collect()
    }
}
