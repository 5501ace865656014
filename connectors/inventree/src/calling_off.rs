//! One of several shipments of an order, called off: its lines shrink by what it was to carry, or
//! the warehouse would pick that anew, and it is deleted. The last one takes the sales order along.

use std::collections::BTreeMap;

use crossdock_sdk::{Decimal, Fault, decimal};
use serde_json::{Value, json};

use crate::client::{delete, expect, get, patch};
use crate::objects::{Line, Shipment};
use crate::order::{self, Whole};

/// The longest notes of a line that InvenTree takes.
const NOTES_MAX: usize = 500;

/// Whether it is out of its order; if not, it has left.
///
/// A line's new quantity and the mark in its notes go in one request: so a repeated call sees which
/// lines are done.
pub fn take_out(found: &Shipment, whole: &Whole) -> Result<bool, Fault> {
    let mark = format!("[{} called off]", found.reference);
    let mut carried: BTreeMap<i64, Decimal> = BTreeMap::new();
    for allocation in whole.in_shipment(found.pk) {
        *carried.entry(allocation.line).or_default() += allocation.quantity;
    }
    let lines: Vec<(&Line, Decimal)> =
        whole.lines.iter().filter_map(|line| Some((line, *carried.get(&line.pk)?))).collect();
    for (line, gone) in &lines {
        if line.notes.contains(&mark) {
            continue;
        }
        let left = line.quantity - gone;
        match left > Decimal::ZERO {
            true => set(line, left, noted(&line.notes, &mark))?,
            false => remove(line)?,
        }
    }
    // InvenTree deletes one that has left as well.
    if !has_left(found)? && delete(&path(found))?.is_ok() {
        return Ok(true);
    }
    // It left in the meantime. A line that was removed was in no other shipment, and is not in it.
    for (line, gone) in lines {
        let marked = line.notes.contains(&mark);
        let quantity = if marked { line.quantity + gone } else { line.quantity };
        if marked || line.quantity > gone {
            set(line, quantity, line.notes.replace(&mark, "").trim().to_owned())?;
        }
    }
    Ok(false)
}

/// Whether it has left by now; one that is gone has not.
pub fn has_left(found: &Shipment) -> Result<bool, Fault> {
    let now: Option<Shipment> = get(&path(found))?;
    Ok(now.is_some_and(|now| now.shipment_date.is_some()))
}

fn path(found: &Shipment) -> String {
    format!("/api/order/so/shipment/{}/", found.pk)
}

/// Under `cancel-rest` nothing is to come later: each line shrinks to what is allocated.
pub fn give_up_rest(whole: &Whole) -> Result<(), Fault> {
    for line in &whole.lines {
        let allocated = whole.allocated(line.pk);
        if allocated == Decimal::ZERO {
            remove(line)?;
        } else if allocated < line.quantity {
            set(line, allocated, line.notes.clone())?;
        }
    }
    Ok(())
}

fn remove(line: &Line) -> Result<(), Fault> {
    expect(delete(&format!("/api/order/so-line/{}/", line.pk))?)
}

/// The mark is kept whole: it says that the line is done.
fn noted(notes: &str, mark: &str) -> String {
    let room = NOTES_MAX.saturating_sub(mark.chars().count() + 1);
    let kept: String = notes.chars().take(room).collect();
    format!("{kept} {mark}").trim().to_owned()
}

fn set(line: &Line, quantity: Decimal, notes: String) -> Result<(), Fault> {
    let path = format!("/api/order/so-line/{}/", line.pk);
    let quantity = order::number(&decimal::text(quantity))?;
    expect(patch::<Value>(&path, &json!({"quantity": quantity, "notes": notes}))?).map(|_| ())
}
