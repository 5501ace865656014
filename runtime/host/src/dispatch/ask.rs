//! Questions outside of an exchange's own steps: polls ask their source, and a repeated request asks
//! for the result of a step that was answered before.

use std::sync::Arc;
use std::time::Duration;

use connector::CallContext;
use contract::Value;
use route::ExchangeId;

use super::{Dispatch, Reply};
use crate::clock;
use crate::running::RouteVersion;

impl Dispatch {
    /// Asks the operation that the route's poll names. The reason of a failure is for the log.
    pub async fn ask_source(
        self: &Arc<Self>,
        version: &Arc<RouteVersion>,
        name: &str,
        input: &Value,
        timeout: Duration,
    ) -> Result<Value, String> {
        let (alias, operation) =
            version.source_operation().ok_or("the route has no such source")?;
        let connector = version.connectors.get(alias).ok_or("the connector is not loaded")?;
        let plan = &version.plan;
        let permit = self
            .admit_source(plan, alias, timeout)
            .await
            .map_err(|hold| format!("held by {hold}"))?;
        let now = clock::now();
        let context = CallContext {
            exchange: name.to_owned(),
            key: format!("{name}/{now}"),
            attempt: 1,
            started_at: now,
            deadline: now + timeout,
            timeout,
            traceparent: String::new(),
        };
        let answered = self.call_measured(connector, plan, operation, context, input).await;
        drop(permit);
        answered.map_err(|error| connector::redact(&error.to_string()))
    }

    /// What a step of an accepted exchange has come to; none if it cannot be told now.
    pub async fn result(&self, id: ExchangeId, step: usize) -> Option<Reply> {
        let begun = self.load_any(id.0).await.ok()?;
        if let Some(value) = begun.exchange.result_of(step) {
            return Some(Reply::Result(id, value.clone()));
        }
        Some(match begun.exchange.end() {
            Some(end) => Reply::Ended(id, end.clone()),
            None => Reply::Pending(id),
        })
    }
}
