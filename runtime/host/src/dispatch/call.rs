//! One call of a step: into the connector, and its end as the machine understands it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use connector::{CallContext, CallError, Connector};
use contract::Value;
use route::{CallAction, Fault, FindAction, Linked, OWN_SYSTEM, Retry};

use super::{Begun, Dispatch, Hold};
use crate::clock;
use crate::limits::{TENANT, Tenant};

pub(super) enum CallEnd {
    Answer(Value),
    Fault(Fault),
    /// For longer than it pays to wait in memory. Nothing was called.
    Held {
        hold: Hold,
        after: Duration,
    },
}

/// Why there is no answer.
pub(super) enum Unanswered {
    Held(Hold, Duration),
    Error(CallError),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unanswered::Held(hold, _) => write!(f, "held by {hold}"),
            Unanswered::Error(error) => write!(f, "{error}"),
        }
    }
}

impl Dispatch {
    /// The call itself, on the route's behalf at the doors further out, and counted.
    pub(super) async fn call_measured(
        self: &Arc<Self>,
        connector: &Connector,
        plan: &route::Plan,
        operation: &str,
        context: CallContext,
        input: &Value,
    ) -> Result<Value, Unanswered> {
        let alias = &connector.alias;
        let pass =
            self.pass_breaker(alias).map_err(|(hold, after)| Unanswered::Held(hold, after))?;
        let started = Instant::now();
        let (answered, health) =
            TENANT.scope(Tenant::of(plan), connector.call_heard(operation, context, input)).await;
        self.tell_breaker(alias, pass, answered.is_ok(), health).await;
        answered
            .inspect(|_| self.metrics.called(alias, operation, "ok", started.elapsed()))
            .map_err(|error| match error {
                // Nothing has left: it is no call, and no slow one.
                CallError::Held(held) if held.quota => {
                    Unanswered::Held(Hold::Quota { name: held.limit }, held.after)
                }
                CallError::Held(held) => {
                    Unanswered::Held(Hold::Limit { name: held.limit }, held.after)
                }
                error => {
                    self.metrics.called(alias, operation, error.code(), started.elapsed());
                    Unanswered::Error(error)
                }
            })
    }

    /// Makes a call that was admitted.
    pub(super) async fn call(self: &Arc<Self>, begun: &Begun, call: &CallAction) -> CallEnd {
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
        let plan = &begun.version.plan;
        let answered =
            self.call_measured(connector, plan, &call.operation, context, &call.input).await;
        match answered {
            Ok(value) => CallEnd::Answer(value),
            Err(Unanswered::Held(hold, after)) => CallEnd::Held { hold, after },
            Err(Unanswered::Error(error)) => {
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
