//! Named budgets at the three doors: clients coming in, connector operations, upstreams going out.
//! `governor` computes who may pass (GCRA); the fair queue here decides who is next.

mod budget;
mod client;
mod door;
mod rate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

pub use budget::{Budget, Permit};
pub use client::{Caller, ClientBudgets, Passed, Standing};
pub use door::{TENANT, UpstreamDoor};
pub use rate::Rate;

/// `[limits.NAME]` as written.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Grants over time, e.g. `"10/s"`, `"600/min"`, `"5000/h"`.
    pub rate: Option<Rate>,
    /// Grants that may come at once after a pause; 1 when absent.
    pub burst: Option<std::num::NonZeroU32>,
    /// Grants held at the same time.
    pub concurrency: Option<std::num::NonZeroU32>,
}

/// All budgets of a configuration, by name.
#[derive(Default)]
pub struct Limits {
    budgets: BTreeMap<String, Arc<Budget>>,
    clients: BTreeMap<String, ClientBudgets>,
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
        Limits { budgets, clients }
    }

    pub fn get(&self, name: &str) -> Option<Arc<Budget>> {
        self.budgets.get(name).cloned()
    }

    /// The shares of callers at the inbound door.
    pub fn of_callers(&self, name: &str) -> Option<&ClientBudgets> {
        self.clients.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Budget>> {
        self.budgets.values()
    }
}
