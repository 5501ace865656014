//! Why a call is not made now. It is held, not failed: nothing was called, no attempt is spent, and
//! the journal says what it waits for.

use std::fmt;

use jiff::Timestamp;
use route::{Held, HeldBy};

#[allow(dead_code, reason = "pauses plug in here")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A budget is spent, or its system asked for a pause.
    Limit {
        name: String,
    },
    /// The budget of the day or of the month is spent.
    Quota {
        name: String,
    },
    /// The connector's breaker is open, for that reason.
    Breaker {
        connector: String,
        why: String,
    },
    /// `what` as in `route order-intake`, `connector erp`, `limit netsuite`.
    Paused {
        what: String,
        why: String,
    },
    Maintenance {
        what: String,
        why: String,
    },
}

impl Hold {
    pub fn reason(&self) -> HeldBy {
        match self {
            Hold::Limit { .. } => HeldBy::Limit,
            Hold::Quota { .. } => HeldBy::Quota,
            Hold::Breaker { .. } => HeldBy::Breaker,
            Hold::Paused { .. } => HeldBy::Paused,
            Hold::Maintenance { .. } => HeldBy::Maintenance,
        }
    }

    /// What holds it.
    pub fn name(&self) -> &str {
        match self {
            Hold::Limit { name } | Hold::Quota { name } => name,
            Hold::Breaker { connector, .. } => connector,
            Hold::Paused { what, .. } | Hold::Maintenance { what, .. } => what,
        }
    }

    /// What the journal says of all that it holds; `Record::Hasten` with this ends their waits.
    pub fn why(&self) -> String {
        self.reason().why(self.name())
    }

    pub(super) fn until(self, until: Timestamp) -> Held {
        let (reason, limit) = (self.reason(), self.name().to_owned());
        let detail = match self {
            Hold::Limit { .. } | Hold::Quota { .. } => None,
            Hold::Breaker { why, .. }
            | Hold::Paused { why, .. }
            | Hold::Maintenance { why, .. } => Some(why),
        };
        Held { limit, until, reason, detail }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why())
    }
}
