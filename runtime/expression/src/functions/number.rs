//! Exact division and rounding, each with its rounding named, and sums. Also `min` and `max`.

use contract::decimal::Rounding;
use contract::{Decimal, Value};
use jiff::SignedDuration;

use super::P::{A, Any, Decimal as Dec, Double, Duration, Exact, Int, List, String as Str, Uint};
use super::Style::{Both, Function, Method};
use super::{Args, Overload, Result, int, items, row, string, wrong};
use crate::evaluate::{Budget, add, order};

pub const ROWS: &[Overload] = &[
    row("div", Method, &[Exact, Exact, Int, Str], Dec, |args, _| {
        let (scale, rounding) = (places(args, 2)?, rounding(&string(args, 3)?)?);
        let quotient = exact(args, 0)?.checked_div(exact(args, 1)?, scale, rounding);
        quotient.map(Value::Decimal).map_err(|error| error.to_string())
    }),
    row("round", Method, &[Exact, Int, Str], Dec, |args, _| {
        let (scale, rounding) = (places(args, 1)?, rounding(&string(args, 2)?)?);
        Ok(Value::Decimal(exact(args, 0)?.round(scale, rounding)))
    }),
    row("abs", Method, &[Dec], Dec, |args, _| {
        let number = exact(args, 0)?;
        Ok(Value::Decimal(if number.is_negative() { -number } else { number }))
    }),
    row("sum", Both, &[List(&Int)], Int, |args, budget| sum(args, Value::Int(0), budget)),
    row("sum", Both, &[List(&Uint)], Uint, |args, budget| sum(args, Value::Uint(0), budget)),
    row("sum", Both, &[List(&Double)], Double, |args, budget| {
        sum(args, Value::Double(0.0), budget)
    }),
    row("sum", Both, &[List(&Dec)], Dec, |args, budget| {
        sum(args, Value::Decimal(Decimal::ZERO), budget)
    }),
    row("sum", Both, &[List(&Duration)], Duration, |args, budget| {
        sum(args, Value::Duration(SignedDuration::ZERO), budget)
    }),
    // Decimals and integers mixed, known only at run time.
    row("sum", Both, &[List(&Exact)], Dec, |args, budget| {
        sum(args, Value::Decimal(Decimal::ZERO), budget)
    }),
    row("min", Both, &[List(&A)], A, |args, budget| extreme(items(args, 0)?.iter(), true, budget)),
    row("max", Both, &[List(&A)], A, |args, budget| extreme(items(args, 0)?.iter(), false, budget)),
    row("min", Function, &[A, A], A, |args, budget| {
        extreme(args.iter().map(|arg| &**arg), true, budget)
    }),
    row("max", Function, &[A, A], A, |args, budget| {
        extreme(args.iter().map(|arg| &**arg), false, budget)
    }),
    row("min", Function, &[Exact, Exact], Dec, |args, budget| {
        extreme(
            [&Value::Decimal(exact(args, 0)?), &Value::Decimal(exact(args, 1)?)].into_iter(),
            true,
            budget,
        )
    }),
    row("max", Function, &[Exact, Exact], Dec, |args, budget| {
        extreme(
            [&Value::Decimal(exact(args, 0)?), &Value::Decimal(exact(args, 1)?)].into_iter(),
            false,
            budget,
        )
    }),
    // What the checker makes of `math.least(a, b, ...)`.
    row("math.least", Function, &[List(&Any)], Any, |args, budget| {
        extreme(items(args, 0)?.iter(), true, budget)
    }),
    row("math.greatest", Function, &[List(&Any)], Any, |args, budget| {
        extreme(items(args, 0)?.iter(), false, budget)
    }),
];

/// The names of roundings, for help.
pub const ROUNDINGS: &[&str] =
    &["half_up", "half_even", "half_down", "up", "down", "floor", "ceiling"];

pub fn rounding(name: &str) -> Result<Rounding> {
    Ok(match name {
        "half_up" => Rounding::HalfUp,
        "half_even" => Rounding::HalfEven,
        "half_down" => Rounding::HalfDown,
        "up" => Rounding::Up,
        "down" => Rounding::Down,
        "floor" => Rounding::Floor,
        "ceiling" => Rounding::Ceiling,
        _ => return Err(format!("no such rounding; there are {}", ROUNDINGS.join(", "))),
    })
}

pub fn exact(args: Args, at: usize) -> Result<Decimal> {
    match args.get(at).map(|arg| &**arg) {
        Some(Value::Decimal(number)) => Ok(*number),
        Some(Value::Int(number)) => Ok(Decimal::from(*number)),
        Some(Value::Uint(number)) => Ok(Decimal::from(*number)),
        other => Err(wrong("a decimal or an integer", other)),
    }
}

fn places(args: Args, at: usize) -> Result<u32> {
    u32::try_from(int(args, at)?)
        .ok()
        .filter(|places| *places <= 28)
        .ok_or_else(|| "places after the point are 0 to 28".to_owned())
}

fn sum(args: Args, zero: Value, budget: &Budget) -> Result {
    let mut total = zero;
    for item in items(args, 0)? {
        budget.spend(1)?;
        total = add(&total, item, budget)?;
    }
    Ok(total)
}

fn extreme<'v>(items: impl Iterator<Item = &'v Value>, least: bool, budget: &Budget) -> Result {
    let mut best: Option<&Value> = None;
    for item in items {
        budget.spend(1)?;
        let better = match best {
            None => true,
            Some(best) => {
                let order = order(item, best)?;
                order
                    == Some(if least {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    })
            }
        };
        if better {
            best = Some(item);
        }
    }
    best.cloned().ok_or_else(|| "the list is empty; test `size() > 0` first".to_owned())
}
