//! Equality, order and membership. Numbers compare by value across their types, except that decimals
//! and doubles never meet; values of different kinds are unequal and have no order.

use std::cmp::Ordering;

use contract::{Decimal, Value};

use super::budget::Budget;
use super::select;
use crate::convert::{contract_snake, kind};

/// Deep; each value compared costs a step.
pub fn equal(left: &Value, right: &Value, budget: &Budget) -> Result<bool, String> {
    budget.spend(1)?;
    let both = |a: &Value, b: &Value| equal(a, b, budget);
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => {
            a.len() == b.len() && {
                budget.text(a.len())?;
                a == b
            }
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            a.len() == b.len() && {
                budget.text(a.len())?;
                a == b
            }
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && all(a.iter().zip(b.iter()), both)?
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in a.iter() {
                match select::find_key(b, key) {
                    Some(other) if both(value, other)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Record(a), Value::Record(b)) => {
            a.ty.name == b.ty.name
                && a.fields.len() == b.fields.len()
                && all(a.fields.iter().zip(&b.fields), both)?
        }
        (Value::Variant(a), Value::Variant(b)) => {
            let same = a.ty.name == b.ty.name
                && a.ty.cases.get(a.case).map(|case| &case.json)
                    == b.ty.cases.get(b.case).map(|case| &case.json);
            same && match (&a.payload, &b.payload) {
                (Some(a), Some(b)) => both(a, b)?,
                (a, b) => a.is_none() == b.is_none(),
            }
        }
        // A variant is its case, as in JSON.
        (Value::Variant(variant), Value::String(name))
        | (Value::String(name), Value::Variant(variant)) => {
            variant.ty.cases.get(variant.case).is_some_and(|case| *case.json == **name)
        }
        (Value::Result(Ok(a)), Value::Result(Ok(b)))
        | (Value::Result(Err(a)), Value::Result(Err(b))) => both(a, b)?,
        (Value::Flags(a, a_bits), Value::Flags(b, b_bits)) => a.name == b.name && a_bits == b_bits,
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => both(a, b)?,
            (a, b) => a.is_none() && b.is_none(),
        },
        (Value::Optional(None), Value::Null) | (Value::Null, Value::Optional(None)) => true,
        (a, b) => numbers(a, b) == Some(Some(Ordering::Equal)),
    })
}

fn all<'v>(
    mut pairs: impl Iterator<Item = (&'v Value, &'v Value)>,
    both: impl Fn(&Value, &Value) -> Result<bool, String>,
) -> Result<bool, String> {
    pairs.try_fold(true, |so_far, (a, b)| Ok(so_far && both(a, b)?))
}

/// None where NaN takes part.
pub fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    Ok(match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (a, b) => match numbers(a, b) {
            Some(order) => order,
            None => return Err(format!("{} and {} have no order", kind(a), kind(b))),
        },
    })
}

/// The outer option is none unless both are numbers that may meet. Beside a double an integer is
/// compared as the nearest double, as CEL's conformance data has it.
fn numbers(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Uint(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Uint(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Decimal(a), Value::Int(b)) => Some(a.cmp(&Decimal::from(*b))),
        (Value::Int(a), Value::Decimal(b)) => Some(Decimal::from(*a).cmp(b)),
        (Value::Decimal(a), Value::Uint(b)) => Some(a.cmp(&Decimal::from(*b))),
        (Value::Uint(a), Value::Decimal(b)) => Some(Decimal::from(*a).cmp(b)),
        _ => return None,
    })
}

/// `item in container`.
pub fn contains(container: &Value, item: &Value, budget: &Budget) -> Result<bool, String> {
    match container {
        Value::List(items) => {
            for candidate in items.iter() {
                if equal(candidate, item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(map) => Ok(select::find(map, item).is_some()),
        Value::Flags(flags, bits) => Ok(item.as_str().is_some_and(|name| {
            flags
                .flags
                .iter()
                .position(|flag| contract_snake(flag) == name)
                .is_some_and(|at| bits >> at & 1 == 1)
        })),
        other => Err(format!("`in` takes a list or a map on its right, not {}", kind(other))),
    }
}
