//! `[retries.NAME]`: how often and how long calls are repeated in this environment. Routes name it;
//! what it means here is stored with each version of a route that uses it.

use std::collections::BTreeMap;

use route::retry::{ATTEMPTS_MAX, INLINE, ON_HELP, ON_MAX, check_on};
use route::{Jitter, Policy};
use serde::Deserialize;

use super::Span;

/// What is left out is as in the built-in `standard`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryEntry {
    attempts: Option<u32>,
    backoff: Option<Span>,
    max_backoff: Option<Span>,
    total: Option<Span>,
    jitter: Option<Jitter>,
    on: Option<Vec<String>>,
}

/// What is wrong with an entry, and what to do about it.
pub struct Problem {
    pub reason: String,
    pub help: String,
}

pub fn policies(
    entries: &BTreeMap<String, RetryEntry>,
) -> Result<BTreeMap<String, Policy>, Vec<(String, Problem)>> {
    let mut made = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, entry) in entries {
        match entry.policy(name) {
            Ok(policy) => drop(made.insert(name.clone(), policy)),
            Err(problem) => problems.push((name.clone(), problem)),
        }
    }
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

impl RetryEntry {
    fn policy(&self, name: &str) -> Result<Policy, Problem> {
        let refuse = |reason: String, help: &str| Err(Problem { reason, help: help.to_owned() });
        if name == "none" || name == INLINE {
            let help = "give it another name; `none` always means a single attempt";
            return refuse(format!("`{name}` has a meaning of its own"), help);
        }
        let standard = Policy::standard();
        let attempts = self.attempts.unwrap_or(standard.attempts);
        if !(1..=ATTEMPTS_MAX).contains(&attempts) {
            let reason = format!("`attempts` takes 1 to {ATTEMPTS_MAX}, not {attempts}");
            return refuse(reason, "the first call counts as one");
        }
        let on = self.on.as_deref().unwrap_or_default();
        if self.on.is_some() && on.is_empty() {
            let help = "let the route say retry = \"none\" if no fault is worth another attempt";
            return refuse("`on` names no fault".to_owned(), help);
        }
        if on.len() > ON_MAX {
            return refuse(format!("`on` names more than {ON_MAX} faults"), "name classes");
        }
        if let Some(reason) = on.iter().find_map(|text| check_on(text).err()) {
            return refuse(format!("`on`: {reason}"), ON_HELP);
        }
        let ms = |span: Span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
        let backoff_ms = self.backoff.map_or(standard.backoff_ms, ms);
        Ok(Policy {
            name: name.to_owned(),
            attempts,
            backoff_ms,
            backoff_ms_max: self.max_backoff.map_or(standard.backoff_ms_max.max(backoff_ms), ms),
            total_ms: self.total.map(ms),
            jitter: self.jitter.unwrap_or_default(),
            on: self.on.clone(),
        })
    }
}
