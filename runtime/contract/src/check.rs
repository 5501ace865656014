//! Checks a value against a type, as it came from a guest or an expression: its shape, its ranges
//! and its scalars.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::scalar::{check_scalar, in_range};
use crate::violation::{Path, VIOLATIONS_MAX, Violation};
use crate::{Record, Scalar, Type, Value, Variant, snake};

/// Case names told in a message; a longer list is cut.
const NAMES_MAX: usize = 12;

/// Says everything that is wrong, up to a limit.
pub fn check(ty: &Type, value: &Value) -> Result<(), Vec<Violation>> {
    let mut violations = Vec::new();
    walk(ty, value, &Path::Root, &mut violations);
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn walk(ty: &Type, value: &Value, path: &Path, violations: &mut Vec<Violation>) {
    if violations.len() >= VIOLATIONS_MAX {
        return;
    }
    let fits = match (ty, value) {
        (Type::Option(_), Value::Null) => true,
        (Type::Option(inner), value) => return walk(inner, value, path, violations),
        (Type::Bool, Value::Bool(_))
        | (Type::String, Value::String(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::F64, Value::Double(_))
        | (Type::U64, Value::Uint(_))
        | (Type::Scalar(Scalar::Decimal), Value::Decimal(_))
        | (Type::Scalar(Scalar::Duration), Value::Duration(_)) => true,
        (Type::F32, Value::Double(number)) => float_fits(*number),
        (Type::Char, Value::String(text)) => text.chars().take(2).count() == 1,
        (Type::Scalar(Scalar::Timestamp), Value::Timestamp(timestamp)) => in_range(*timestamp),
        (Type::Scalar(scalar), Value::String(text)) => match check_scalar(*scalar, text) {
            // Those with a value of their own must come as it.
            Ok(value) => matches!(value, Value::String(_)),
            Err(reason) => {
                violations.push(Violation { pointer: path.pointer(), reason });
                return;
            }
        },
        (Type::U64, _) => false,
        (ty, Value::Int(number)) => {
            integer_range(ty).is_some_and(|range| range.contains(&i128::from(*number)))
        }
        (Type::List(element), Value::List(items)) => {
            for (at, item) in items.iter().enumerate() {
                walk(element, item, &Path::Index(path, at), violations);
            }
            return;
        }
        (Type::Tuple(elements), Value::List(items)) if elements.len() == items.len() => {
            for (at, (element, item)) in elements.iter().zip(items.iter()).enumerate() {
                walk(element, item, &Path::Index(path, at), violations);
            }
            return;
        }
        (Type::Record(ty), Value::Record(record))
            if same_record(ty, &record.ty) && record.fields.len() == ty.fields.len() =>
        {
            for (field, value) in ty.fields.iter().zip(&record.fields) {
                walk(&field.ty, value, &Path::Field(path, &field.json), violations);
            }
            return;
        }
        (Type::Variant(ty), Value::Variant(variant)) if same_variant(ty, &variant.ty) => {
            match ty.cases.get(variant.case).map(|case| (case, &case.payload)) {
                Some((case, Some(payload))) => match &variant.payload {
                    Some(value) => {
                        walk(payload, value, &Path::Field(path, &case.json), violations);
                        return;
                    }
                    None => false,
                },
                Some((_, None)) => variant.payload.is_none(),
                None => false,
            }
        }
        (Type::Flags(ty), Value::Flags(flags, bits)) => {
            let known = 1u64.checked_shl(ty.flags.len() as u32).map_or(u64::MAX, |bit| bit - 1);
            (Arc::ptr_eq(ty, flags) || ty.flags == flags.flags) && bits & !known == 0
        }
        (Type::Result { ok, err }, Value::Result(result)) => {
            let (side, value, name) = match result {
                Ok(value) => (ok, value, "ok"),
                Err(value) => (err, value, "err"),
            };
            match side {
                Some(ty) => return walk(ty, value, &Path::Field(path, name), violations),
                None => **value == Value::Null,
            }
        }
        _ => false,
    };
    if !fits {
        let reason = format!("expected {}, found {}", expected(ty), found(value));
        violations.push(Violation { pointer: path.pointer(), reason });
    }
}

/// A type in words, for whoever wrote the JSON.
pub(crate) fn expected(ty: &Type) -> String {
    match ty {
        Type::Bool => "a boolean".into(),
        Type::F32 => "a number (32-bit float)".into(),
        Type::F64 => "a number".into(),
        Type::Char => "a string of one character".into(),
        Type::String => "a string".into(),
        Type::Bytes => "a base64 string".into(),
        Type::Scalar(Scalar::Decimal) => "a decimal in a string, such as \"10.50\"".into(),
        Type::Scalar(scalar) => format!("a string with a {}", scalar.name()),
        Type::List(_) => "an array".into(),
        Type::Option(inner) => format!("{} or null", expected(inner)),
        Type::Tuple(elements) => format!("an array of {} elements", elements.len()),
        Type::Result { .. } => "an object with the one key `ok` or `err`".into(),
        Type::Record(record) => format!("an object ({})", record.name.name),
        Type::Variant(variant) => one_of(variant),
        Type::Flags(flags) => {
            format!("an array of {}", names(flags.flags.iter().map(|flag| snake(flag))))
        }
        Type::S64 | Type::U64 => "a whole number of 64 bits (a string beyond 2^53)".into(),
        other => match integer_range(other) {
            Some(range) => format!("a whole number from {} to {}", range.start(), range.end()),
            None => other.to_string(),
        },
    }
}

pub(crate) fn one_of(variant: &Variant) -> String {
    format!("one of {}", names(variant.cases.iter().map(|case| case.json.clone())))
}

fn names(names: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if all.len() > NAMES_MAX {
        all.truncate(NAMES_MAX);
        all.push("...".into());
    }
    all.join(", ")
}

/// Never the value itself: what is in a message stays out of logs.
fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Uint(_) => "a whole number of another range",
        Value::Double(_) => "a float",
        Value::String(_) => "a string",
        Value::Bytes(_) => "bytes",
        Value::Decimal(_) => "a decimal",
        Value::Timestamp(_) => "a timestamp",
        Value::Duration(_) => "a duration",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Record(_) => "another record",
        Value::Variant(_) => "another case",
        Value::Result(_) => "a result",
        Value::Flags(..) => "other flags",
        Value::Optional(_) => "an optional",
        Value::Type(_) => "a type",
    }
}

/// The integers of a type; none for what is no integer.
pub(crate) fn integer_range(ty: &Type) -> Option<RangeInclusive<i128>> {
    Some(match ty {
        Type::S8 => i8::MIN.into()..=i8::MAX.into(),
        Type::S16 => i16::MIN.into()..=i16::MAX.into(),
        Type::S32 => i32::MIN.into()..=i32::MAX.into(),
        Type::S64 => i64::MIN.into()..=i64::MAX.into(),
        Type::U8 => 0..=u8::MAX.into(),
        Type::U16 => 0..=u16::MAX.into(),
        Type::U32 => 0..=u32::MAX.into(),
        Type::U64 => 0..=u64::MAX.into(),
        _ => return None,
    })
}

/// Whether a float keeps its magnitude in 32 bits; digits may be rounded.
pub(crate) fn float_fits(number: f64) -> bool {
    !number.is_finite() || (number as f32).is_finite()
}

/// The same shape at this level: its fields are then checked one by one.
fn same_record(a: &Arc<Record>, b: &Arc<Record>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.name == b.name
            && a.fields.len() == b.fields.len()
            && a.fields.iter().zip(&b.fields).all(|(a, b)| a.json == b.json))
}

fn same_variant(a: &Arc<Variant>, b: &Arc<Variant>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.name == b.name
            && a.cases.len() == b.cases.len()
            && a.cases.iter().zip(&b.cases).all(|(a, b)| a.json == b.json))
}
