//! What has happened to an exchange, one entry after the other: the stored format. JSON, one object
//! an outcome; `kind` is an object with one key, or a word. Fields are only ever added.

use std::collections::BTreeMap;
use std::fmt;

use contract::Value;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Decision, Held};
use crate::Fault;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// From 0, without gaps.
    pub sequence: u32,
    pub at: Timestamp,
    /// Index into the steps of the route version.
    pub step: u32,
    /// `tax`, `tax[3]`, or `source`.
    pub path: String,
    pub kind: OutcomeKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// A call was answered; `probed` if its probe told; `of` if the effect is another exchange's
    /// (`once`).
    Answered {
        value: Json,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        probed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
    },
    /// No answer came, and the step goes without: with the value, if it names one.
    SkippedFault {
        fault: Fault,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Json>,
    },
    /// What was done is taken back from here on; then it has this end.
    Compensating {
        end: End,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A person says that the effect of this undo is settled by hand.
    UndoneByHand {
        by: String,
        why: String,
    },
    /// The step's `when` was false.
    Skipped,
    /// A `set` has its value: it follows from what came before and is not stored.
    Set,
    /// Events for the subscribers of the topic.
    Published {
        topic: String,
        events: Vec<Json>,
    },
    /// A person is asked.
    Parked {
        role: String,
        ask: Vec<String>,
        show: Json,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
    },
    Decided(Decision),
    /// Our own id, and ids by system.
    Found {
        id: String,
        ids: BTreeMap<String, String>,
    },
    /// A call is about to be made that neither key nor probe could tell of.
    Intent,
    /// An attempt at a call got no answer.
    Attempt {
        attempt: u32,
        fault: Fault,
    },
    /// A call was held back; nothing was called.
    Throttled(Held),
    /// It stopped while a call may have been under way: the call is repeated under its key, or its
    /// probe is asked after the settling time.
    InDoubt,
    /// What the probe said, where that is not the answer itself.
    Probed {
        answer: ProbeAnswer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    /// It waits for the exception desk.
    Excepted {
        class: String,
        code: String,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    /// A person runs the step again; the generation is that of the keys from here on.
    Retried {
        by: String,
        why: String,
        generation: u32,
    },
    /// A person set the message right and runs the step again. What was done before stays as it is.
    Edited {
        message: Json,
        by: String,
        why: String,
        generation: u32,
    },
    /// A person says that the effect in doubt happened, with this value, or that it did not.
    Settled {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Json>,
        by: String,
        why: String,
    },
    /// A source operation took these items in: an exchange for each.
    Received {
        items: Vec<Item>,
    },
    Ended {
        end: End,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeAnswer {
    /// It did not take effect.
    Absent,
    /// It may still.
    Pending,
    /// The system cannot tell.
    Unknown,
    /// The probe itself got no answer.
    Failed,
}

/// How an exchange is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Done,
    /// For a named business reason.
    Refused(String),
    /// Its effects were taken back.
    Undone,
    /// By a person.
    Discarded,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Done => f.write_str("done"),
            End::Refused(code) => write!(f, "refused({code})"),
            End::Undone => f.write_str("undone"),
            End::Discarded => f.write_str("discarded"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// As the source calls it.
    pub id: String,
    pub value: Json,
}

/// A value in its JSON form, kept as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    pub fn of(value: &Value) -> Json {
        let text = contract::json::write(value);
        Json(RawValue::from_string(text).expect("contract::json writes JSON"))
    }

    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
