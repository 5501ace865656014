//! The inbound door: one budget for each client of a named limit, so that one caller cannot spend
//! another's share.

use std::sync::Arc;

use dashmap::DashMap;

use super::{Budget, Config};

/// Clients remembered for one limit; when there are more, the idle are forgotten.
const CLIENTS_MAX: usize = 10_000;

pub struct ClientBudgets {
    name: String,
    config: Config,
    budgets: DashMap<String, Arc<Budget>>,
}

impl ClientBudgets {
    pub fn new(name: &str, config: &Config) -> ClientBudgets {
        ClientBudgets { name: name.to_owned(), config: config.clone(), budgets: DashMap::new() }
    }

    pub fn of(&self, client: &str) -> Arc<Budget> {
        if let Some(budget) = self.budgets.get(client) {
            return budget.clone();
        }
        if self.budgets.len() >= CLIENTS_MAX {
            self.budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_full());
        }
        let budget = Arc::new(Budget::full(&self.name, &self.config));
        self.budgets.entry(client.to_owned()).or_insert(budget).clone()
    }
}
