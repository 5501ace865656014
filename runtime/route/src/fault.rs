//! A fault says that a call got no answer, and whether a retry can help. Stored in outcomes as JSON.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub retry: Retry,
    /// Short and stable, for classes and filters: `unavailable`, `guest-trap`, `host-not-allowed`.
    pub code: String,
    /// For operators; never shown to a caller.
    pub message: String,
    /// HTTP status of the system, if it got that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Whether calling again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Definitely refused: nothing took effect, and the same call would be refused again.
    Never,
    /// Nothing took effect; later it may.
    Later {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
    /// Nothing took effect; with fresh credentials it may.
    RefreshAuth,
    /// It may have taken effect.
    OutcomeUnknown,
}

impl Fault {
    /// What the exception desk sorts by: `tax-5xx` when a system answered with a status, else the code.
    pub fn class(&self, connector: &str) -> String {
        match self.status {
            Some(status) => format!("{connector}-{}xx", status / 100),
            None => self.code.clone(),
        }
    }
}
