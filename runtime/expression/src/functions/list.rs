//! Functions on lists and maps.

use std::cmp::Ordering;

use contract::Value;

use super::P::{A, Int, List, Map, Optional};
use super::Style::{Both, Function, Method};
use super::{Overload, Result, int, items, row, wrong};
use crate::evaluate::{Budget, equal, order};
use crate::limits::ELEMENTS_MAX;

pub const ROWS: &[Overload] = &[
    row("size", Both, &[List(&super::P::Any)], Int, |args, _| {
        Ok(Value::Int(items(args, 0)?.len() as i64))
    }),
    row("size", Both, &[Map], Int, |args, _| match &*args[0] {
        Value::Map(map) => Ok(Value::Int(map.len() as i64)),
        other => Err(wrong("a map", Some(other))),
    }),
    row("reverse", Method, &[List(&A)], List(&A), |args, budget| {
        made(items(args, 0)?.iter().rev().cloned().collect(), budget)
    }),
    row("first", Method, &[List(&A)], Optional(&A), |args, _| Ok(end(items(args, 0)?.first()))),
    row("last", Method, &[List(&A)], Optional(&A), |args, _| Ok(end(items(args, 0)?.last()))),
    row("distinct", Method, &[List(&A)], List(&A), |args, budget| {
        let mut distinct: Vec<Value> = Vec::new();
        for item in items(args, 0)? {
            let mut known = false;
            for other in &distinct {
                known = known || equal(other, item, budget)?;
            }
            if !known {
                distinct.push(item.clone());
            }
        }
        made(distinct, budget)
    }),
    row("sort", Method, &[List(&A)], List(&A), |args, budget| sort(items(args, 0)?, budget)),
    row("slice", Method, &[List(&A), Int, Int], List(&A), |args, budget| {
        let items = items(args, 0)?;
        let at = |number: i64| usize::try_from(number).ok().filter(|at| *at <= items.len());
        match (at(int(args, 1)?), at(int(args, 2)?)) {
            (Some(from), Some(to)) if from <= to => made(items[from..to].to_vec(), budget),
            _ => Err("the slice is outside the list".to_owned()),
        }
    }),
    row("flatten", Method, &[List(&List(&A))], List(&A), |args, budget| {
        let mut flat = Vec::new();
        for item in items(args, 0)? {
            match item {
                Value::List(inner) if flat.len() + inner.len() <= ELEMENTS_MAX => {
                    flat.extend(inner.iter().cloned());
                }
                Value::List(_) => {
                    return Err(format!("the list has more than {ELEMENTS_MAX} elements"));
                }
                other => flat.push(other.clone()),
            }
        }
        made(flat, budget)
    }),
    row("lists.range", Function, &[Int], List(&Int), |args, budget| {
        let end = int(args, 0)?;
        if end > ELEMENTS_MAX as i64 {
            return Err(format!("the list has more than {ELEMENTS_MAX} elements"));
        }
        made((0..end).map(Value::Int).collect(), budget)
    }),
];

fn made(items: Vec<Value>, budget: &Budget) -> Result {
    budget.spend(items.len())?;
    Ok(Value::list(items))
}

fn end(item: Option<&Value>) -> Value {
    Value::Optional(item.map(|item| std::sync::Arc::new(item.clone())))
}

fn sort(items: &[Value], budget: &Budget) -> Result {
    let steps = items.len().checked_ilog2().unwrap_or(0) as usize + 1;
    budget.spend(items.len().saturating_mul(steps))?;
    let mut failure = None;
    let mut sorted = items.to_vec();
    sorted.sort_by(|a, b| match order(a, b) {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(message) => {
            failure = Some(message);
            Ordering::Equal
        }
    });
    match failure {
        Some(message) => Err(message),
        None => made(sorted, budget),
    }
}
