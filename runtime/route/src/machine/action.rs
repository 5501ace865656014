//! What the machine asks the host to do.

use contract::Value;
use jiff::Timestamp;

use super::{ClaimAction, End};
use crate::{Effect, Fault};

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask a connector; answer with `Answer` or `Fault`.
    Call(CallAction),
    /// Claim an effect for this exchange.
    Claim(ClaimAction),
    /// Look up links; answer with `Found`.
    Find(FindAction),
    /// Come back with `Fired`.
    Wait {
        until: Timestamp,
        why: String,
    },
    /// A person decides; answer with `Decided`.
    Task(Task),
    /// A person looks into it; `Retry` or `Discard` follows.
    Exception(Exception),
    End(End),
}

/// Before a mutation is called, everything journalled so far must be on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct CallAction {
    /// `tax`, `tax[3]`, or `source`.
    pub path: String,
    /// The alias.
    pub connector: String,
    pub operation: String,
    pub input: Value,
    /// `{exchange}/{path}/{generation}`: the same whenever this effect is asked for again.
    pub key: String,
    /// From 1, in this generation.
    pub attempt: u32,
    pub effect: Effect,
    /// The outcomes of this advance hold an `Intent`: nothing else can tell whether the call was
    /// made, so it must be on disk before.
    pub intent: bool,
    pub timeout_ms: u64,
    /// Set on a probe: the operation that it asks about.
    pub probe_of: Option<String>,
    /// When this effect was first asked for; the same on a repeat, also after a restart.
    pub started_at: Timestamp,
}

/// Follow the links from a node, the node itself included if a link names it: breadth first, nearest first, and not beyond a node of the wanted
/// object to other objects (from a shipment one would else reach every shipment of its order).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindAction {
    pub company: String,
    pub object: String,
    pub system: String,
    pub id: String,
    /// Answer with the nodes of this object.
    pub wanted_object: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The name of the step.
    pub step: String,
    pub role: String,
    /// The answers of which a decision must be one.
    pub ask: Vec<String>,
    /// What the person sees.
    pub show: Value,
    pub opened_at: Timestamp,
    /// It stays open after that.
    pub due_at: Option<Timestamp>,
}

impl Task {
    pub fn accepts(&self, answer: &str) -> bool {
        self.ask.iter().any(|offered| offered == answer)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// What the desk sorts by; see [`class`].
    pub class: String,
    /// The path of the step: `tax[3]`.
    pub step: String,
    pub code: String,
    /// For operators.
    pub message: String,
    /// The role that gets it.
    pub owner: String,
    pub fault: Option<Fault>,
}

/// Classes of exceptions that are not named after a fault (`tax-5xx`, `guest-trap`).
pub mod class {
    /// An expression gave no value.
    pub const MAPPING: &str = "mapping";
    /// Nobody can tell whether a call took effect.
    pub const IN_DOUBT: &str = "in-doubt";
    /// No link led to what a `find` wants, in its time.
    pub const NO_LINK: &str = "no-link";
    /// An undo that did not undo, or that does not exist.
    pub const UNDO_FAILED: &str = "undo-failed";
    /// A `fail` step, and an end that its saga cannot have.
    pub const FAILED: &str = "failed";
    /// A source operation answered with something that is not a list of items.
    pub const OUTSIDE_CONTRACT: &str = "outside-contract";
}
