//! Parts of values: fields by position, map entries, payloads, elements. Never clones what it can
//! lend.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{MapKey, Type, Value};

use super::{Failure, Frame, Outcome, eval, fail};
use crate::convert::{contract_snake, kind};
use crate::node::{Node, Selector};
use crate::problem::Span;

/// The part, or an error where there is none.
pub fn strict<'a>(of: &'a Node, by: &'a Selector, span: Span, frame: &Frame<'a>) -> Outcome<'a> {
    let value = eval(of, frame)?;
    // Only under dyn: a part of an optional is an optional.
    let optional = matches!(*value, Value::Optional(_));
    let found = part(value, by, span, frame)?;
    if optional {
        return Ok(Cow::Owned(match found {
            Some(value) if matches!(*value, Value::Optional(_)) => value.into_owned(),
            found => Value::Optional(found.map(|value| Arc::new(value.into_owned()))),
        }));
    }
    found.ok_or_else(|| {
        fail(
            span,
            match by {
                Selector::Key(MapKey::String(name)) | Selector::Name(name) => {
                    format!("no such key: `{name}`")
                }
                Selector::Key(_) => "no such key".to_owned(),
                Selector::Index(_) => "no such key, or the index is out of range".to_owned(),
                Selector::Case(_) | Selector::Side { .. } => "the value is another case".to_owned(),
                Selector::Field { .. } | Selector::Flag(_) => "the field is absent".to_owned(),
            },
        )
    })
}

/// The part, none where it is absent; an error where such a value has no such parts.
pub fn part<'a>(
    value: Cow<'a, Value>,
    by: &'a Selector,
    span: Span,
    frame: &Frame<'a>,
) -> Result<Option<Cow<'a, Value>>, Failure> {
    let index = match by {
        Selector::Index(index) => Some(eval(index, frame)?),
        _ => None,
    };
    let found = match value {
        Cow::Borrowed(value) => lend(value, by, index.as_deref()),
        Cow::Owned(value) => lend(&value, by, index.as_deref())
            .map(|part| part.map(|part| Cow::Owned(part.into_owned()))),
    };
    found.map_err(|message| fail(span, message))
}

fn lend<'v>(
    value: &'v Value,
    by: &Selector,
    index: Option<&Value>,
) -> Result<Option<Cow<'v, Value>>, String> {
    let unlike = |wanted: &str| Err(format!("the value is not {wanted} but {}", kind(value)));
    match (by, value) {
        (_, Value::Optional(inner)) => match inner {
            Some(inner) => lend(inner, by, index),
            None => Ok(None),
        },
        (Selector::Field { at, option }, Value::Record(record)) => {
            let Some(field) = record.fields.get(*at) else {
                return unlike("the record it was declared as");
            };
            Ok((!*option || *field != Value::Null).then_some(Cow::Borrowed(field)))
        }
        (Selector::Field { .. }, _) => unlike("the record it was declared as"),
        (Selector::Key(key), Value::Map(map)) => Ok(find_key(map, key).map(Cow::Borrowed)),
        (Selector::Key(_), _) => unlike("a map"),
        (Selector::Case(case), Value::Variant(variant)) => {
            Ok((variant.case == *case).then(|| payload(&variant.payload)).flatten())
        }
        (Selector::Case(_), _) => unlike("a variant"),
        (Selector::Side { ok }, Value::Result(result)) => Ok(match result {
            Ok(value) if *ok => Some(Cow::Borrowed(value)),
            Err(value) if !*ok => Some(Cow::Borrowed(value)),
            _ => None,
        }),
        (Selector::Side { .. }, _) => unlike("a result"),
        (Selector::Flag(at), Value::Flags(_, bits)) => {
            Ok(Some(Cow::Owned(Value::Bool(bits >> at & 1 == 1))))
        }
        (Selector::Flag(_), _) => unlike("flags"),
        (Selector::Name(name), value) => named(value, name),
        (Selector::Index(_), value) => element(value, index.unwrap_or(&Value::Null)),
    }
}

fn payload(payload: &Option<Value>) -> Option<Cow<'_, Value>> {
    match payload {
        Some(value) => Some(Cow::Borrowed(value)),
        None => Some(Cow::Owned(Value::Null)),
    }
}

/// By name, on a value whose type was not known before.
fn named<'v>(value: &'v Value, name: &Arc<str>) -> Result<Option<Cow<'v, Value>>, String> {
    let missing = || Err(format!("no such key: {} has no field `{name}`", kind(value)));
    match value {
        Value::Record(record) => {
            let Some(at) = record.ty.field(name) else { return missing() };
            let Some(field) = record.fields.get(at) else { return missing() };
            if matches!(record.ty.fields[at].ty, Type::Option(_)) {
                return Ok(Some(Cow::Owned(match field {
                    Value::Null => Value::Optional(None),
                    field => Value::Optional(Some(Arc::new(field.clone()))),
                })));
            }
            Ok(Some(Cow::Borrowed(field)))
        }
        Value::Map(map) => Ok(map.get(&MapKey::String(name.clone())).map(Cow::Borrowed)),
        Value::Variant(variant) => match variant.ty.case(name) {
            Some(at) => Ok((variant.case == at).then(|| payload(&variant.payload)).flatten()),
            None => missing(),
        },
        Value::Result(result) => match (&**name, result) {
            ("ok", Ok(value)) | ("err", Err(value)) => Ok(Some(Cow::Borrowed(value))),
            ("ok" | "err", _) => Ok(None),
            _ => missing(),
        },
        Value::Flags(flags, bits) => {
            match flags.flags.iter().position(|flag| contract_snake(flag) == **name) {
                Some(at) => Ok(Some(Cow::Owned(Value::Bool(bits >> at & 1 == 1)))),
                None => missing(),
            }
        }
        _ => missing(),
    }
}

fn element<'v>(value: &'v Value, index: &Value) -> Result<Option<Cow<'v, Value>>, String> {
    match value {
        Value::List(items) => {
            let at = match *index {
                Value::Int(at) => usize::try_from(at).ok(),
                Value::Uint(at) => usize::try_from(at).ok(),
                Value::Double(at) if at.fract() == 0.0 => {
                    (0.0..1e15).contains(&at).then_some(at as usize)
                }
                _ => {
                    return Err(format!(
                        "invalid argument: a list index is an int, not {}",
                        kind(index)
                    ));
                }
            };
            Ok(at.and_then(|at| items.get(at)).map(Cow::Borrowed))
        }
        Value::Map(map) => match index {
            Value::String(_)
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_) => Ok(find(map, index).map(Cow::Borrowed)),
            _ => Err(format!("unsupported key type: {}", kind(index))),
        },
        Value::Record(_) => match index {
            Value::String(name) => named(value, name),
            _ => Err("a record is indexed by a field name".to_owned()),
        },
        other => Err(format!("{} has no elements", kind(other))),
    }
}

pub fn key(value: &Value) -> Result<MapKey, String> {
    match value {
        Value::Bool(value) => Ok(MapKey::Bool(*value)),
        Value::Int(number) => Ok(MapKey::Int(*number)),
        Value::Uint(number) => Ok(MapKey::Uint(*number)),
        Value::String(text) => Ok(MapKey::String(text.clone())),
        other => Err(format!("unsupported key type: {}", kind(other))),
    }
}

pub fn key_value(key: &MapKey) -> Value {
    match key {
        MapKey::Bool(value) => Value::Bool(*value),
        MapKey::Int(number) => Value::Int(*number),
        MapKey::Uint(number) => Value::Uint(*number),
        MapKey::String(text) => Value::String(text.clone()),
    }
}

/// By key; whole numbers are one key whatever their type.
pub fn find<'v>(map: &'v BTreeMap<MapKey, Value>, index: &Value) -> Option<&'v Value> {
    match index {
        Value::Double(number) if number.fract() == 0.0 => {
            let signed = (-9.3e18..9_223_372_036_854_775_808.0)
                .contains(number)
                .then_some(MapKey::Int(*number as i64));
            let unsigned = (0.0..18_446_744_073_709_551_616.0)
                .contains(number)
                .then_some(MapKey::Uint(*number as u64));
            [signed, unsigned].into_iter().flatten().find_map(|key| map.get(&key))
        }
        other => find_key(map, &key(other).ok()?),
    }
}

pub fn find_key<'v>(map: &'v BTreeMap<MapKey, Value>, key: &MapKey) -> Option<&'v Value> {
    map.get(key).or_else(|| match key {
        MapKey::Int(number) => map.get(&MapKey::Uint(u64::try_from(*number).ok()?)),
        MapKey::Uint(number) => map.get(&MapKey::Int(i64::try_from(*number).ok()?)),
        _ => None,
    })
}

/// CEL's zero values: what `ofNonZeroValue` treats as absent.
pub fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Optional(None) => true,
        Value::Bool(value) => !value,
        Value::Int(number) => *number == 0,
        Value::Uint(number) => *number == 0,
        Value::Double(number) => *number == 0.0,
        Value::Decimal(number) => number.is_zero(),
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Duration(length) => length.is_zero(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}
