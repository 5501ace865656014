//! What expressions of a route may name: `message`, `headers`, `meta`, `each` inside a repeated step,
//! and every earlier step by its name. Here are the positions, types and values of what is not a
//! contract's.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use contract::{Field, Record, Scalar, Type, TypeName, Value};

use crate::Envelope;
use crate::plan::string_map;

pub(crate) const MESSAGE: usize = 0;
pub(crate) const HEADERS: usize = 1;
pub(crate) const META: usize = 2;
/// The first slot of a step's result.
pub(crate) const FIRST: usize = 3;

/// Names in scope everywhere, by slot.
pub(crate) const NAMES: [&str; FIRST] = ["message", "headers", "meta"];
/// The element, inside a step with `each`.
pub(crate) const ELEMENT: &str = "each";
/// Further names that no step may have, beside CEL's reserved words: its literals and operator, and
/// names that it or the runtime gives a meaning.
const WORDS: [&str; 11] =
    [ELEMENT, "true", "false", "null", "in", "optional", "has", "math", "strings", "source", "end"];

/// Whether a name means something else in expressions, so that no step can have it.
pub(crate) fn is_taken(name: &str) -> bool {
    NAMES.contains(&name) || WORDS.contains(&name) || expression::RESERVED.contains(&name)
}

static META_RECORD: LazyLock<Arc<Record>> = LazyLock::new(|| {
    record(
        "meta",
        vec![
            ("exchange", Type::String),
            ("route", Type::String),
            ("source", Type::String),
            ("received-at", Type::Scalar(Scalar::Timestamp)),
            ("client", Type::Option(Arc::new(Type::String))),
        ],
    )
});

static DECISION_RECORD: LazyLock<Arc<Record>> = LazyLock::new(|| {
    record(
        "decision",
        vec![
            ("answer", Type::String),
            ("by", Type::String),
            ("at", Type::Scalar(Scalar::Timestamp)),
            ("note", Type::Option(Arc::new(Type::String))),
        ],
    )
});

static TICK_RECORD: LazyLock<Arc<Record>> =
    LazyLock::new(|| record("tick", vec![("at", Type::Scalar(Scalar::Timestamp))]));

/// exchange, route, source, received_at, client.
pub(crate) fn meta_record() -> Arc<Record> {
    META_RECORD.clone()
}

/// The result of a park step: answer, by, at, note.
pub(crate) fn decision_record() -> Arc<Record> {
    DECISION_RECORD.clone()
}

/// The message of a scheduled route: at, the instant it was due.
pub(crate) fn tick_record() -> Arc<Record> {
    TICK_RECORD.clone()
}

pub(crate) fn headers(headers: &BTreeMap<String, String>) -> Value {
    string_map(headers.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

pub(crate) fn meta(exchange: &str, route: &str, envelope: &Envelope) -> Value {
    let replay = envelope.replay.as_deref();
    let received_at = replay.map_or(envelope.received_at, |replay| replay.received_at);
    Value::record(
        meta_record(),
        vec![
            Value::string(exchange),
            Value::string(route),
            Value::string(envelope.origin()),
            Value::Timestamp(received_at),
            envelope.client.as_deref().map_or(Value::Null, Value::string),
        ],
    )
}

/// A record of the runtime's own, so that expressions see it as they see a contract's.
fn record(name: &str, fields: Vec<(&str, Type)>) -> Arc<Record> {
    Arc::new(Record {
        name: TypeName {
            package: "crossdock:runtime".to_owned(),
            interface: "scope".to_owned(),
            name: name.to_owned(),
            major: 1,
        },
        docs: String::new(),
        fields: fields
            .into_iter()
            .map(|(name, ty)| Field {
                name: name.to_owned(),
                json: name.replace('-', "_"),
                docs: String::new(),
                ty,
            })
            .collect(),
    })
}
