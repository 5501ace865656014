//! `GET /v1/limits`: what every budget allows now and who waits, and the state of every breaker.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Admin;
use crate::clock;
use crate::ingress::problem::{Answer, json_answer};

impl Admin {
    pub(super) fn limits(&self) -> Answer {
        let now = Instant::now();
        let later = |at: Instant| clock::now() + at.saturating_duration_since(now);
        let ago = |at: Instant| clock::now() - now.saturating_duration_since(at);
        let budgets: Vec<Value> = self
            .dispatch
            .limits()
            .all()
            .iter()
            .map(|budget| {
                let shown = budget.shown();
                let quotas: Vec<Value> = shown
                    .quotas
                    .iter()
                    .map(|quota| {
                        json!({
                            "every": quota.every, "period": quota.period, "max": quota.max,
                            "granted": quota.granted, "ends_at": quota.ends,
                        })
                    })
                    .collect();
                json!({
                    "name": budget.name,
                    "configured": budget.configured,
                    "rate": shown.rate,
                    "learnt_rate": shown.learnt,
                    "waiting": shown.queue.values().sum::<usize>(),
                    "waiting_by_route": shown.queue,
                    "held": shown.returning,
                    "paused_until": shown.paused_for.map(|left| later(now + left)),
                    "granted": shown.granted_total,
                    "in_use": shown.in_use.map(|(used, _)| used),
                    "concurrency": shown.in_use.map(|(_, max)| max),
                    "quotas": quotas,
                })
            })
            .collect();
        let breakers: Vec<Value> = self
            .dispatch
            .breakers()
            .map(|breaker| {
                let shown = breaker.shown(now);
                json!({
                    "connector": breaker.connector,
                    "state": shown.state,
                    "why": shown.incident.as_ref().map(|incident| incident.why.clone()),
                    "since": shown.incident.as_ref().map(|incident| ago(incident.since)),
                    "tries": shown.incident.as_ref().map(|incident| incident.times),
                    "next_try_at": shown.until.map(later),
                    "failures": shown.failures,
                    "calls": shown.calls,
                    "incidents": shown.opened_total,
                })
            })
            .collect();
        json_answer(StatusCode::OK, &json!({ "limits": budgets, "breakers": breakers }))
    }
}
