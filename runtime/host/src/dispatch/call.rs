//! One call of a step: through the connector's limit, into the connector, and its end as the machine
//! understands it.

use std::time::{Duration, Instant};

use connector::{CallContext, CallError, Connector};
use contract::Value;
use route::{CallAction, Fault, FindAction, Linked, OWN_SYSTEM, Retry};

use super::{Begun, Dispatch, Hold};
use crate::clock;
use crate::limits::{Permit, TENANT};

pub(super) enum CallEnd {
    Answer(Value),
    Fault(Fault),
    /// For longer than it pays to wait in memory. Nothing was called.
    Held {
        hold: Hold,
        after: Duration,
    },
}

impl Dispatch {
    /// A place in the connector's budget; none where it has no limit.
    pub(super) async fn enter_limit(
        &self,
        alias: &str,
        route: &str,
        patience: Duration,
    ) -> Result<Option<Permit>, (Hold, Duration)> {
        let limit = self.options.connector_limits.get(alias);
        let Some(budget) = limit.and_then(|limit| self.limits.get(limit)) else { return Ok(None) };
        match budget.enter(route, patience).await {
            Ok(permit) => Ok(Some(permit)),
            Err(refused) => Err((Hold::Limit { name: budget.name.clone() }, refused.after)),
        }
    }

    /// The call itself, on the route's behalf at the doors further out, and counted.
    pub(super) async fn call_measured(
        &self,
        connector: &Connector,
        route: &str,
        operation: &str,
        context: CallContext,
        input: &Value,
    ) -> Result<Value, CallError> {
        let started = Instant::now();
        let answered =
            TENANT.scope(route.to_owned(), connector.call(operation, context, input)).await;
        let outcome = answered.as_ref().map_or_else(CallError::code, |_| "ok");
        self.metrics.called(&connector.alias, operation, outcome, started.elapsed());
        answered
    }

    pub(super) async fn call(&self, begun: &Begun, call: &CallAction) -> CallEnd {
        let route = &begun.version.plan.name;
        let patience = self.options.limit_patience;
        let permit = match self.enter_limit(&call.connector, route, patience).await {
            Ok(permit) => permit,
            Err((hold, after)) => return CallEnd::Held { hold, after },
        };
        if let Some(waited) = begun.exchange.waited() {
            self.metrics.held_seconds(&waited.last, clock::now().duration_since(waited.since));
        }
        let Some(connector) = begun.version.connectors.get(&call.connector) else {
            return CallEnd::Fault(Fault {
                retry: Retry::Never,
                code: "no-connector".to_owned(),
                message: format!("[connectors.{}] is not loaded", call.connector),
                status: None,
            });
        };
        let timeout = Duration::from_millis(call.timeout_ms);
        let context = CallContext {
            exchange: begun.exchange.id().to_string(),
            key: call.key.clone(),
            attempt: call.attempt,
            started_at: call.started_at,
            deadline: clock::now() + timeout,
            timeout,
            traceparent: crate::trace::parent(&begun.exchange),
        };
        let answered =
            self.call_measured(connector, route, &call.operation, context, &call.input).await;
        drop(permit);
        match answered {
            Ok(value) => CallEnd::Answer(value),
            Err(error) => {
                let fault = error.to_fault();
                tracing::info!(
                    exchange = %begun.exchange.id(), step = call.path, attempt = call.attempt,
                    code = fault.code, status = fault.status, "{}.{} gave no answer",
                    call.connector, call.operation
                );
                CallEnd::Fault(machine_fault(fault))
            }
        }
    }

    /// Ids linked to a known one, nearest first.
    pub(super) async fn find(&self, find: &FindAction) -> Result<Vec<Linked>, journal::Error> {
        let start = journal::Node::new(&find.company, &find.object, &find.system, &find.id);
        let linked = self.journal.linked(start).await?;
        let wanted = |linked: &&journal::Linked| linked.node.object == find.wanted_object;
        // The nearest one and its own numbers elsewhere; what lies beyond belongs to others.
        let own = linked.iter().filter(wanted).find(|linked| linked.node.system == OWN_SYSTEM);
        let Some(nearest) = own.or_else(|| linked.iter().find(wanted)) else {
            return Ok(Vec::new());
        };
        let steps_max = nearest.steps + 1;
        Ok(linked
            .into_iter()
            .filter(|linked| wanted(&linked) && linked.steps <= steps_max)
            .map(|linked| Linked {
                object: linked.node.object,
                system: linked.node.system,
                id: linked.node.id,
            })
            .collect())
    }
}

fn machine_fault(fault: connector::Fault) -> Fault {
    Fault {
        retry: match fault.retry {
            connector::Retry::Never => Retry::Never,
            connector::Retry::Later { after_ms } => Retry::Later { after_ms },
            connector::Retry::RefreshAuth => Retry::RefreshAuth,
            connector::Retry::OutcomeUnknown => Retry::OutcomeUnknown,
        },
        code: fault.code,
        message: connector::redact(&fault.message),
        status: fault.status,
    }
}
