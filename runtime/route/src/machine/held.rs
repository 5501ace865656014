//! Why a call is not made now: nothing was called, and what a retry policy counts stands still until
//! it goes on.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A call that is held back, as it is journalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What holds it: the budget, the connector behind the breaker, or what is paused.
    pub limit: String,
    pub until: Timestamp,
    #[serde(default)]
    pub reason: HeldBy,
    /// More for people: `5 of 6 calls gave no answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// The budget is spent, or its system asked for a pause.
    #[default]
    Limit,
    /// The budget of the day or of the month is spent.
    Quota,
    /// The connector's system is ill.
    Breaker,
    /// A person paused it.
    Paused,
    Maintenance,
}

impl HeldBy {
    pub fn as_str(self) -> &'static str {
        match self {
            HeldBy::Limit => "limit",
            HeldBy::Quota => "quota",
            HeldBy::Breaker => "breaker",
            HeldBy::Paused => "paused",
            HeldBy::Maintenance => "maintenance",
        }
    }

    /// What the journal says of everything that waits for the same: it is hastened by these words.
    pub fn why(self, limit: &str) -> String {
        format!("{self} {limit}")
    }
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long the call that comes next was held back, over all holds since its last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    pub since: Timestamp,
    /// The last of them.
    pub last: Held,
}
