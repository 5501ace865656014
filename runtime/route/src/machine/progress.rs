//! Where an exchange stands within its step: what follows from the outcomes, and nothing else.

use std::sync::Arc;

use contract::Value;
use jiff::Timestamp;

use super::{End, Exception, Held, Task, Waited};
use crate::Fault;

/// Of the step under way, or of the element under way in an `each`.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// What `each` goes through. Computed when needed: it follows from the slots.
    pub elements: Option<Arc<Vec<Value>>>,
    /// Of the elements that are done.
    pub results: Vec<Value>,
    /// The time of the outcome before the first attempt under this key.
    pub started_at: Timestamp,
    /// The same, or when a person last said to try again: what lifetimes and patience count from.
    pub since: Timestamp,
    pub generation: u32,
    /// Under this key.
    pub attempts: u32,
    /// Since it began or a person said to try again: what the policy counts.
    pub spent: u32,
    /// Moved on by the time that calls were held back since: a policy's total counts none of it.
    pub first_fault_at: Option<Timestamp>,
    pub last_fault: Option<Fault>,
    /// An attempt under this key may have taken effect.
    pub in_doubt: bool,
    /// The doubt about calls made before this exchange, or before a restart, was written.
    pub noted: bool,
    /// A person said to try again, knowing what came before.
    pub vouched: bool,
    /// An intent was journalled, and nothing came of it yet.
    pub intended: bool,
    /// The journal has the claim of its `once` for this exchange, so far as is known.
    pub claimed: bool,
    /// A person said that another's doubtful claim does not count.
    pub sets_aside: bool,
    /// The undo was answered with a no.
    pub declined: bool,
    /// How often the probe was asked without learning anything.
    pub probes: u32,
    /// The call is held back, from then until at most then.
    held: Option<(Timestamp, Timestamp)>,
    pub waited: Option<Waited>,
}

impl Progress {
    pub fn new(at: Timestamp) -> Progress {
        Progress {
            elements: None,
            results: Vec::new(),
            started_at: at,
            since: at,
            generation: 0,
            attempts: 0,
            spent: 0,
            first_fault_at: None,
            last_fault: None,
            in_doubt: false,
            noted: false,
            vouched: false,
            intended: false,
            claimed: false,
            sets_aside: false,
            declined: false,
            probes: 0,
            held: None,
            waited: None,
        }
    }

    pub fn hold(&mut self, held: &Held, at: Timestamp) {
        self.held = Some((at, held.until));
        let since = self.waited.as_ref().map_or(at, |waited| waited.since);
        self.waited = Some(Waited { since, last: held.clone() });
    }

    /// The first outcome after a hold: the clock of the retry policy stood still until then.
    pub fn release(&mut self, at: Timestamp) {
        let Some((from, until)) = self.held.take() else { return };
        let stood = until.min(at).duration_since(from).max(jiff::SignedDuration::ZERO);
        if let Some(first) = &mut self.first_fault_at {
            *first = first.checked_add(stood).unwrap_or(Timestamp::MAX);
        }
    }

    /// The next element of the same step.
    pub fn next_element(&mut self, result: Value, at: Timestamp) {
        let elements = self.elements.take();
        let mut results = std::mem::take(&mut self.results);
        results.push(result);
        *self = Progress { elements, results, ..Progress::new(at) };
    }
}

#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// The step is to be run, for the first time or again.
    Ready,
    /// The last attempt got no answer.
    Attempted {
        at: Timestamp,
    },
    /// The call is held back; then it stands as before.
    Throttled {
        held: Held,
        after: Box<Standing>,
    },
    /// The probe is to be asked: it settles from `at` on.
    Doubtful {
        at: Timestamp,
    },
    /// The probe says that nothing took effect.
    Absent,
    /// The probe cannot tell.
    Undecidable,
    /// The undo was answered with a no.
    NotUndone {
        case: String,
    },
    /// A source operation's items are taken in: nothing is left to do.
    Received,
    Parked(Task),
    Excepted(Exception),
    Ended(End),
}
