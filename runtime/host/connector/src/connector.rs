//! One loaded connector: calls one operation in an instance of its own, within its bounds, and judges
//! how the call ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::{Value, Violation};
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre, Val};

use crate::convert::{lift, lower};
use crate::description::{Description, Effect, Fields, KeyHandling, OperationDescription};
use crate::error::{CallError, Fault, Retry};
use crate::guest::{Circumstances, Grants, Guest, Traces};
use crate::meter::Meter;
use crate::plan::Plan;
use crate::runtime::{Examined, Machine};
use crate::secret::redact;

/// The circumstances of one call, from the exchange that it serves.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub exchange: String,
    /// Idempotency key; also seeds the guest's randomness.
    pub key: String,
    /// From 1.
    pub attempt: u32,
    /// From the journal, the same on a repeat.
    pub started_at: Timestamp,
    /// What the guest is told. What binds is `timeout`.
    pub deadline: Timestamp,
    /// Wall-clock time for the whole call, the wait for an instance included.
    pub timeout: Duration,
    pub traceparent: String,
}

/// How the system did in a call, by its last request that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing left.
    Unheard,
    /// It answered, if only to refuse.
    Well,
    /// It could not be reached, gave no answer in time, hung up, or answered with a 5xx.
    Ill,
}

pub struct Connector {
    pub alias: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    pub component: contract::Component,
    pub description: Description,
    machine: Arc<Machine>,
    pre: InstancePre<Guest>,
    plans: HashMap<String, Plan>,
    grants: Arc<Grants>,
    /// Linear memories of one instance: its share of the pool.
    memories: u32,
    reuse: u32,
    idle: Mutex<Vec<Kept>>,
}

/// An instance between two calls, with its share of the idle slots.
struct Kept {
    running: Running,
    _slot: OwnedSemaphorePermit,
}

struct Running {
    store: Store<Guest>,
    instance: Instance,
    calls: u32,
}

/// How a guest ended, if in time.
enum Ended {
    Answered(Val),
    Trapped { message: String },
    OutOfMemory,
}

impl Connector {
    pub(crate) fn new(
        machine: Arc<Machine>,
        digest: String,
        examined: Examined,
        plans: HashMap<String, Plan>,
        grants: Arc<Grants>,
        memories: u32,
        reuse: u32,
    ) -> Connector {
        Connector {
            alias: grants.alias.clone(),
            digest,
            component: examined.component,
            description: examined.description,
            machine,
            pre: examined.pre,
            plans,
            grants,
            memories,
            reuse,
            idle: Mutex::default(),
        }
    }

    /// What an operation takes, answers and promises; none if the connector does not have it.
    pub fn operation(&self, name: &str) -> Option<(&contract::Operation, &OperationDescription)> {
        self.plans.get(name).map(|plan| (&plan.operation, &plan.described))
    }

    /// Calls an operation. Dropping the future ends the guest; what had left has left.
    pub async fn call(
        &self,
        operation: &str,
        context: CallContext,
        input: &Value,
    ) -> Result<Value, CallError> {
        self.call_heard(operation, context, input).await.0
    }

    /// As `call`, and how the system did, whatever the guest makes of it.
    pub async fn call_heard(
        &self,
        operation: &str,
        context: CallContext,
        input: &Value,
    ) -> (Result<Value, CallError>, Health) {
        let traces = Arc::new(Traces::default());
        let answered = self.call_traced(operation, context, input, traces.clone()).await;
        (answered, traces.health())
    }

    async fn call_traced(
        &self,
        operation: &str,
        context: CallContext,
        input: &Value,
        traces: Arc<Traces>,
    ) -> Result<Value, CallError> {
        let Some(plan) = self.plans.get(operation) else {
            return Err(CallError::UnknownOperation { operation: operation.to_owned() });
        };
        let input = lower(&plan.operation.input, input)
            .map_err(|violation| CallError::Input { violations: vec![violation] })?;
        let after_ms = u64::try_from(context.timeout.as_millis()).unwrap_or(u64::MAX);
        let until = Instant::now() + context.timeout;
        let instances_max = self.machine.options.instances_max;
        let unavailable = || CallError::Unavailable { after_ms, instances_max };
        let share = self.memories.min(instances_max);
        let permits = self.machine.at_work.clone().acquire_many_owned(share);
        let _permits = tokio::time::timeout_at(until.into(), permits)
            .await
            .map_err(|_| unavailable())?
            .map_err(|_| unavailable())?;

        let meter = Arc::new(Meter::new(self.grants.limits.cpu));
        let params = [plan.call(&context), input];
        let circumstances = Arc::new(Circumstances {
            grants: self.grants.clone(),
            operation: operation.to_owned(),
            exchange: context.exchange,
            key: context.key,
            traceparent: context.traceparent,
            until,
            traces,
        });
        let run = meter.run(self.run(plan, &params, circumstances.clone(), meter.clone()));
        let ended = tokio::time::timeout_at(until.into(), run).await.ok();
        let spun = meter.exhausted.load(std::sync::atomic::Ordering::Relaxed);
        let judge = Judge {
            plan,
            traces: &circumstances.traces,
            sent: plan.described.effect == Effect::Mutation && circumstances.traces.sent(),
        };
        let judged = match ended {
            _ if circumstances.traces.denied_host().is_some() => Err(judge.denied()),
            None => Err(CallError::Timeout { after_ms, sent: judge.sent }),
            Some(Ended::OutOfMemory) => Err(CallError::Memory {
                limit_bytes: self.grants.limits.memory_bytes_max,
                sent: judge.sent,
            }),
            Some(Ended::Trapped { .. }) if spun => {
                let budget_ms = self.grants.limits.cpu.as_millis() as u64;
                Err(CallError::Spin { budget_ms, sent: judge.sent })
            }
            Some(Ended::Trapped { message }) => Err(judge.trapped(message)),
            Some(Ended::Answered(answer)) => judge.answer(answer),
        };
        let judged = match (judged, circumstances.traces.held()) {
            (Err(error), Some(held)) if !matches!(error, CallError::HostNotAllowed { .. }) => {
                Err(CallError::Held(held))
            }
            (judged, _) => judged,
        };
        if let Err(CallError::Fault(Fault { retry: Retry::RefreshAuth, .. })) = &judged {
            circumstances.traces.forget_tokens();
        }
        judged
    }

    async fn run(
        &self,
        plan: &Plan,
        params: &[Val],
        circumstances: Arc<Circumstances>,
        meter: Arc<Meter>,
    ) -> Ended {
        let mut running = match self.instance(circumstances, meter).await {
            Ok(running) => running,
            Err(ended) => return ended,
        };
        let Running { store, instance, .. } = &mut running;
        let Some(function) = instance.get_func(&mut *store, plan.export) else {
            return Ended::Trapped { message: "the export is not a function".to_owned() };
        };
        let mut results = [Val::Bool(false)];
        match function.call_async(&mut *store, params, &mut results).await {
            Ok(()) => {
                self.keep(running);
                let [answer] = results;
                Ended::Answered(answer)
            }
            Err(error) => ended(&running.store, &error),
        }
    }

    /// A kept instance where the connector reuses them, else a fresh one.
    async fn instance(
        &self,
        circumstances: Arc<Circumstances>,
        meter: Arc<Meter>,
    ) -> Result<Running, Ended> {
        if let Some(kept) = self.kept().pop() {
            let mut running = kept.running;
            running.store.data_mut().renew(circumstances, meter);
            running.store.set_epoch_deadline(1);
            return Ok(running);
        }
        let mut store = self.machine.store(Guest::new(circumstances, meter));
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Running { store, instance, calls: 0 }),
            Err(error) => Err(ended(&store, &error)),
        }
    }

    /// Keeps an instance for the next call, where it is wanted and there is room.
    fn keep(&self, mut running: Running) {
        running.calls += 1;
        if running.calls >= self.reuse {
            return;
        }
        if let Ok(slot) = self.machine.idle.clone().try_acquire_many_owned(self.memories) {
            self.kept().push(Kept { running, _slot: slot });
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("alias", &self.alias)
            .field("digest", &self.digest)
            .field("name", &self.description.name)
            .field("version", &self.description.version)
            .finish_non_exhaustive()
    }
}

fn ended(store: &Store<Guest>, error: &wasmtime::Error) -> Ended {
    match store.data().memory.exceeded {
        true => Ended::OutOfMemory,
        false => Ended::Trapped { message: redact(&error.root_cause().to_string()) },
    }
}

/// What the end of a call means.
struct Judge<'a> {
    plan: &'a Plan,
    traces: &'a Traces,
    /// The operation changes something, and a request that may have done so had left.
    sent: bool,
}

impl Judge<'_> {
    /// A connector that tried a host not granted to it is not believed, whatever it answers.
    fn denied(&self) -> CallError {
        let host = self.traces.denied_host().unwrap_or_default();
        CallError::HostNotAllowed { host: redact(&host), sent: self.sent }
    }

    fn trapped(&self, message: String) -> CallError {
        match self.traces.withheld() {
            Some(withheld) => CallError::Fault(self.withheld(withheld)),
            None => CallError::Trap { message, sent: self.sent },
        }
    }

    fn answer(&self, answer: Val) -> Result<Value, CallError> {
        let outside =
            |violations: Vec<Violation>| CallError::OutsideContract { violations, sent: self.sent };
        let shape = |reason: String| outside(vec![Violation { pointer: String::new(), reason }]);
        match answer {
            Val::Result(Ok(Some(output))) => {
                lift(&self.plan.operation.output, *output).map_err(|violations| {
                    let clean = violations.into_iter().map(|violation| Violation {
                        pointer: redact(&violation.pointer),
                        reason: redact(&violation.reason),
                    });
                    outside(clean.collect())
                })
            }
            Val::Result(Err(Some(fault))) => {
                let fault = read_fault(*fault).map_err(shape)?;
                Err(CallError::Fault(match self.traces.withheld() {
                    Some(withheld) => self.withheld(withheld),
                    None => self.fault(fault),
                }))
            }
            _ => Err(shape("is not a result of an output or a fault".to_owned())),
        }
    }

    /// The host kept a request from leaving. Others may have left before: those converge when the
    /// call is repeated under the same key; without a key the outcome is unknown.
    fn withheld(&self, fault: Fault) -> Fault {
        let later = matches!(fault.retry, Retry::Later { .. });
        let converges = later && self.plan.described.key != KeyHandling::None;
        match self.sent && !converges || self.mutation() && self.traces.unanswered() {
            true => Fault { retry: Retry::OutcomeUnknown, ..fault },
            false => fault,
        }
    }

    /// The guest's own fault, corrected by what the host knows of its requests.
    fn fault(&self, fault: Fault) -> Fault {
        let lost = self.mutation() && self.traces.unanswered();
        let retry = match fault.retry {
            Retry::OutcomeUnknown if !self.sent => Retry::Later { after_ms: None },
            Retry::Later { .. } if lost && fault.status.is_none() => Retry::OutcomeUnknown,
            retry => retry,
        };
        Fault {
            retry,
            code: redact(&fault.code),
            message: redact(&fault.message),
            status: fault.status,
        }
    }

    fn mutation(&self) -> bool {
        self.plan.described.effect == Effect::Mutation
    }
}

fn read_fault(val: Val) -> Result<Fault, String> {
    let mut fields = Fields::of(val, "fault")?;
    let retry = match fields.take("retry")? {
        Val::Variant(case, payload) => match (case.as_str(), payload.map(|val| *val)) {
            ("never", None) => Retry::Never,
            ("later", Some(Val::Option(None))) => Retry::Later { after_ms: None },
            ("later", Some(Val::Option(Some(after)))) => match *after {
                Val::U64(after_ms) => Retry::Later { after_ms: Some(after_ms) },
                _ => return Err("`fault.retry.later` is not a number".to_owned()),
            },
            ("refresh-auth", None) => Retry::RefreshAuth,
            ("outcome-unknown", None) => Retry::OutcomeUnknown,
            _ => return Err(format!("`fault.retry` has an unknown case `{case}`")),
        },
        _ => return Err("`fault.retry` is not a variant".to_owned()),
    };
    Ok(Fault {
        retry,
        code: fields.string("code")?,
        message: fields.string("message")?,
        status: match fields.take("status")? {
            Val::Option(Some(status)) => match *status {
                Val::U16(status) => Some(status),
                _ => None,
            },
            _ => None,
        },
    })
}
