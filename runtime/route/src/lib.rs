//! Routes: TOML as written becomes a checked [`Plan`]; a message that travels along one is an
//! [`Exchange`], a state machine that says what to do next and is told what came of it.
//! Pure: no file system, clock, randomness, tokio or wasmtime. Time and ids come in as arguments.

mod check;
pub mod duration;
mod envelope;
mod fault;
mod id;
mod links;
pub mod machine;
mod operation;
mod order;
mod plan;
mod priority;
mod replay;
pub mod report;
pub mod retry;
pub mod schedule;
mod scope;
pub mod source;
pub mod step;
mod with;
mod written;

#[cfg(test)]
mod tests;

pub use check::{Checked, Environment, File, check};
pub use envelope::Envelope;
pub use fault::{Fault, Retry};
pub use id::{ExchangeId, NotAnId};
pub use links::{Link, OWN_SYSTEM, links};
pub use machine::{
    Action, Advance, CallAction, Claim, ClaimAction, CompensateRefused, Decision, EditRefused, End,
    Event, Exception, Exchange, FindAction, Held, HeldBy, Item, Json, Linked, Outcome, OutcomeKind,
    ProbeAnswer, RestoreError, Settled, Task, Waited, without_payload,
};
pub use operation::{ConnectorTypes, Effect, Key, OperationInfo, SourceKind};
pub use order::{CONCURRENCY_MAX, LANE_KEY_BYTES_MAX, Lane, OrderedBy, Parked};
pub use plan::{Escalation, MessageType, Plan, Received};
pub use priority::Priority;
pub use replay::{Asked, Keys, Replay};
pub use report::{Report, Severity};
pub use retry::{Jitter, Policy};
pub use source::{
    EventSource, HttpSource, PollSource, Reply, ScheduleSource, Source, WebhookSource,
};
pub use step::{Kind, Step};
