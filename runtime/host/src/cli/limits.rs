//! `crossdock limits`: what budgets allow now, who waits for them, and which breakers are open.

use std::path::Path;

use serde_json::Value;

use super::client::Admin;
use super::{Failure, block_on};

pub(super) fn run(config: &Path, json: bool) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    let found = block_on(admin.get("/v1/limits"))??;
    if json {
        say!("{found}");
        return Ok(());
    }
    for limit in list(&found["limits"]) {
        say!("{}", budget(limit));
    }
    for breaker in list(&found["breakers"]) {
        say!("{}", of_breaker(breaker));
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `limit netsuite: 4.8/s (learnt, configured 10/s), 3 waiting, paused until 12:03:09Z`
fn budget(limit: &Value) -> String {
    let mut parts = Vec::new();
    match (limit["learnt_rate"].as_f64(), limit["rate"].as_f64()) {
        (Some(learnt), Some(rate)) => {
            parts.push(format!("{learnt:.1}/s (learnt, configured {rate:.1}/s)"))
        }
        (Some(learnt), None) => parts.push(format!("{learnt:.1}/s (learnt)")),
        (None, Some(rate)) => parts.push(format!("{rate:.1}/s")),
        (None, None) => {}
    }
    if let (Some(used), Some(max)) = (limit["in_use"].as_u64(), limit["concurrency"].as_u64()) {
        parts.push(format!("{used} of {max} in use"));
    }
    for quota in list(&limit["quotas"]) {
        let (granted, max) = (&quota["granted"], &quota["max"]);
        parts.push(format!("{granted} of {max} {}", text(quota, "every")));
    }
    parts.push(format!("{} granted", limit["granted"]));
    parts.push(format!("{} waiting", limit["waiting"]));
    if limit["held"] == true {
        parts.push("more held in the journal".to_owned());
    }
    if let Some(until) = limit["paused_until"].as_str() {
        parts.push(format!("paused until {until}"));
    }
    format!("limit {}: {}", text(limit, "name"), parts.join(", "))
}

fn of_breaker(breaker: &Value) -> String {
    let name = text(breaker, "connector");
    let state = text(breaker, "state");
    let next = breaker["next_try_at"].as_str();
    let next = next.map(|at| format!(", tried again at {at}")).unwrap_or_default();
    match breaker["why"].as_str() {
        Some(why) => {
            format!("breaker {name}: {state} since {} ({why}){next}", text(breaker, "since"))
        }
        None => format!("breaker {name}: {state}"),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
