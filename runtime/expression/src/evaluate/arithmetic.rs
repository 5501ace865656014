//! Operators on numbers, text, lists and times. Every integer operation is checked, decimals are
//! exact, nothing mixes floats with decimals.

use std::sync::Arc;

use contract::{Decimal, Value};
use jiff::{SignedDuration, Timestamp};

use super::budget::Budget;
use crate::convert::kind;
use crate::limits::ELEMENTS_MAX;

type Result<T = Value> = std::result::Result<T, String>;

const OVERFLOW: &str = "the number overflows 64 bits";
const BY_ZERO: &str = "division by zero";

/// Year 1 to 9999, as CEL defines it.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// About 10,000 years either way.
const DURATION_SECONDS_MAX: i64 = 315_576_000_000;

pub fn add(left: &Value, right: &Value, budget: &Budget) -> Result {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_add(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_add(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => {
            budget.text(a.len() + b.len())?;
            Ok(Value::String([&**a, &**b].concat().into()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.text(a.len() + b.len())?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) => {
            let length = a.len() + b.len();
            if length > ELEMENTS_MAX {
                return Err(format!("the list has more than {ELEMENTS_MAX} elements"));
            }
            budget.spend(length)?;
            let mut items = Vec::with_capacity(length);
            items.extend_from_slice(a);
            items.extend_from_slice(b);
            Ok(Value::List(Arc::new(items)))
        }
        (Value::Timestamp(at), Value::Duration(by))
        | (Value::Duration(by), Value::Timestamp(at)) => {
            at.checked_add(*by).ok().and_then(timestamp_in_range).ok_or_else(out_of_range)
        }
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_add(*b)),
        _ => match decimals(left, right) {
            Some((a, b)) => decimal(a.checked_add(b)),
            None => mismatch("+", left, right),
        },
    }
}

pub fn subtract(left: &Value, right: &Value) -> Result {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_sub(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_sub(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Timestamp(at), Value::Duration(by)) => {
            at.checked_sub(*by).ok().and_then(timestamp_in_range).ok_or_else(out_of_range)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => duration(Some(a.duration_since(*b))),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_sub(*b)),
        _ => match decimals(left, right) {
            Some((a, b)) => decimal(a.checked_sub(b)),
            None => mismatch("-", left, right),
        },
    }
}

pub fn multiply(left: &Value, right: &Value) -> Result {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_mul(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_mul(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        _ => match decimals(left, right) {
            Some((a, b)) => decimal(a.checked_mul(b)),
            None => mismatch("*", left, right),
        },
    }
}

pub fn divide(left: &Value, right: &Value) -> Result {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(BY_ZERO.to_owned())
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_div(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_div(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        _ if decimals(left, right).is_some() => {
            Err("decimals are divided by `.div(by, places, 'half_up')`, which names its rounding"
                .to_owned())
        }
        _ => mismatch("/", left, right),
    }
}

pub fn remainder(left: &Value, right: &Value) -> Result {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err("remainder of a division by zero".to_owned())
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_rem(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_rem(*b)),
        _ => mismatch("%", left, right),
    }
}

pub fn negate(value: &Value) -> Result {
    match value {
        Value::Int(number) => int(number.checked_neg()),
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Decimal(number) => Ok(Value::Decimal(-*number)),
        Value::Duration(length) => duration(length.checked_neg()),
        other => Err(format!("`-` does not take {}", kind(other))),
    }
}

/// Both as decimals, if one is a decimal and the other exact.
fn decimals(left: &Value, right: &Value) -> Option<(Decimal, Decimal)> {
    let exact = |value: &Value| match value {
        Value::Decimal(number) => Some(*number),
        Value::Int(number) => Some(Decimal::from(*number)),
        Value::Uint(number) => Some(Decimal::from(*number)),
        _ => None,
    };
    let one = matches!(left, Value::Decimal(_)) || matches!(right, Value::Decimal(_));
    one.then(|| Some((exact(left)?, exact(right)?)))?
}

fn int(number: Option<i64>) -> Result {
    number.map(Value::Int).ok_or_else(|| OVERFLOW.to_owned())
}

fn uint(number: Option<u64>) -> Result {
    number.map(Value::Uint).ok_or_else(|| OVERFLOW.to_owned())
}

fn decimal(number: std::result::Result<Decimal, contract::decimal::Error>) -> Result {
    number.map(Value::Decimal).map_err(|error| error.to_string())
}

fn duration(length: Option<SignedDuration>) -> Result {
    length
        .filter(|length| length.as_secs().abs() <= DURATION_SECONDS_MAX)
        .map(Value::Duration)
        .ok_or_else(|| "the duration is longer than 10,000 years".to_owned())
}

pub fn timestamp_in_range(at: Timestamp) -> Option<Value> {
    // `as_second` drops the fraction towards zero, which before 1970 is upwards.
    let seconds = at.as_second() - i64::from(at.subsec_nanosecond() < 0);
    TIMESTAMP_SECONDS.contains(&seconds).then_some(Value::Timestamp(at))
}

fn out_of_range() -> String {
    "the timestamp is outside the years 1 to 9999".to_owned()
}

fn mismatch(op: &str, left: &Value, right: &Value) -> Result {
    Err(format!("`{op}` does not take {} and {}", kind(left), kind(right)))
}
