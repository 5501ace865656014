//! What an exchange that repeats another one takes over from it. The stored format (JSON; fields are
//! only ever added). The message is the same, and so is what expressions read of its coming.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// `meta.source` and `meta.received_at`, as the original saw them.
    pub source: String,
    pub received_at: Timestamp,
    /// Set where its calls go under the keys of the original; else they are new effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
}

/// The keys of an original, and what is known of the calls that were made under them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// What they begin with.
    pub root: String,
    /// `meta.exchange`: a call under an old key has the old body.
    pub exchange: String,
    /// By path. These calls may have taken effect, however the original ended.
    pub calls: BTreeMap<String, Asked>,
    /// Events that subscribers have already: `{route} {topic} {SHA-256 of the message}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivered: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Of the last key of this path.
    pub generation: u32,
    /// When it was first asked for under that key: `started-at` of the repeated call, and where the
    /// lifetime of the key counts from.
    pub at: Timestamp,
}

impl Keys {
    /// What was asked for under these keys by one more exchange: the last generation counts, and in
    /// it the first time.
    pub fn add(&mut self, path: String, asked: Asked) {
        let known = self.calls.entry(path).or_insert(asked);
        if asked.generation > known.generation {
            *known = asked;
        } else if asked.generation == known.generation {
            known.at = known.at.min(asked.at);
        }
    }
}
