//! What the host tells the machine, and what it gets back.

use contract::Value;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, Claim, Held, Outcome, Settled};
use crate::{Fault, Link};

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first event of a new exchange.
    Start,
    /// After a restart, when the exchange was not waiting: a call may have been under way.
    Resume,
    /// Of a call.
    Answer(Value),
    /// Of a call.
    Fault(Fault),
    /// Of a call: it is held back until then, and nothing was called.
    Throttled(Held),
    /// The time of a wait has come. Order matters: the host says this only while the journal has the
    /// exchange as waiting, and takes that back in the commit before it calls a mutation. So nothing
    /// was under way, and a restored exchange is not in doubt.
    Fired,
    /// A person answered a task. An answer that was not offered changes nothing.
    Decided(Decision),
    /// Of a claim.
    Claimed(Claim),
    /// Every node found, nearest first; empty if there is none yet.
    Found(Vec<Linked>),
    /// A person runs the failed step again: under the same key, unless the system refused it.
    Retry { by: String, why: String },
    /// A person sets the message right, and the failed step runs again under a new key. Heeded
    /// where [`super::Exchange::may_edit`] says so. The message is of the route's type.
    Edit { message: Value, by: String, why: String },
    /// A person has taken back what it did. Heeded where [`super::Exchange::may_compensate`] says so.
    Compensate { by: String, why: String },
    /// A person says what became of an effect in doubt: it took effect, with this result of the
    /// operation's type, or (none) it did not, and the call is made again under its key.
    Settle { value: Option<Value>, by: String, why: String },
    /// A person gives it up. Heeded while it waits, not while a call is under way.
    Discard { by: String, why: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub answer: String,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub at: Timestamp,
}

/// A node of the graph of links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    pub object: String,
    pub system: String,
    pub id: String,
}

/// What came of an event: outcomes to journal in this order, in one commit; then the action.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    pub outcomes: Vec<Outcome>,
    /// What the outcomes tie together, for the same commit.
    pub links: Vec<Link>,
    /// What became of its claims, for the same commit.
    pub claims: Vec<Settled>,
    pub action: Action,
}
