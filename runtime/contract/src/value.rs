//! One value for messages and for expressions. A record knows its type, so a value can be written
//! as JSON, linked and shown without its schema at hand. Cloning is cheap (`Arc` inside).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{Decimal, Record, Variant};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `none` of an option, and JSON/CEL null.
    Null,
    Bool(bool),
    /// Every signed integer and every unsigned one up to 32 bits.
    Int(i64),
    /// `u64`, and CEL uint.
    Uint(u64),
    Double(f64),
    /// Strings, chars, and the scalars that stay text: currency, country, unit, date, time zone.
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Decimal(Decimal),
    Timestamp(Timestamp),
    Duration(SignedDuration),
    /// Lists, and tuples by position.
    List(Arc<Vec<Value>>),
    /// CEL maps, and JSON objects that have no contract. Keys are Bool, Int, Uint or String.
    Map(Arc<BTreeMap<MapKey, Value>>),
    Record(Arc<RecordValue>),
    Variant(Arc<VariantValue>),
    /// WIT `result`.
    Result(Result<Arc<Value>, Arc<Value>>),
    /// Bits by position in the flags type; written through it.
    Flags(Arc<crate::Flags>, u64),
    /// CEL optional; never part of a message (there, none is `Null` and some is the value itself).
    Optional(Option<Arc<Value>>),
    /// CEL type value, by its name.
    Type(Arc<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapKey {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Arc<str>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordValue {
    pub ty: Arc<Record>,
    /// One for each field of `ty`, in its order.
    pub fields: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VariantValue {
    pub ty: Arc<Variant>,
    /// Index into `ty.cases`.
    pub case: usize,
    pub payload: Option<Value>,
}

impl Value {
    pub fn string(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }

    pub fn record(ty: Arc<Record>, fields: Vec<Value>) -> Value {
        debug_assert_eq!(ty.fields.len(), fields.len());
        Value::Record(Arc::new(RecordValue { ty, fields }))
    }

    pub fn variant(ty: Arc<Variant>, case: usize, payload: Option<Value>) -> Value {
        Value::Variant(Arc::new(VariantValue { ty, case, payload }))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A field by JSON name; for tools and tests. Programs resolve positions at load.
    pub fn get(&self, json: &str) -> Option<&Value> {
        match self {
            Value::Record(record) => record.ty.field(json).map(|at| &record.fields[at]),
            Value::Map(map) => map.get(&MapKey::String(json.into())),
            Value::Variant(variant) if variant.ty.cases[variant.case].json == json => {
                variant.payload.as_ref()
            }
            _ => None,
        }
    }
}

impl From<&str> for MapKey {
    fn from(text: &str) -> Self {
        MapKey::String(text.into())
    }
}
