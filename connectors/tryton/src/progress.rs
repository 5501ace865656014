//! What left the warehouse, noted in Tryton: its shipment is done with the quantities that left, so
//! that stock and sale are right there. Other milestones concern Tryton not.

use crossdock_sdk::canonical::shipments::{Milestone, MilestoneKind};
use crossdock_sdk::{Call, Decimal, Fault, config, decimal};
use serde_json::json;

use crate::Connector;
use crate::client::Tryton;
use crate::exports::crossdock::erp::fulfilment_progress::{
    Guest, RecordMilestoneInput, RecordMilestoneOutcome, RecordMilestoneOutput,
};
use crate::sale::{FIELDS, number, order_lines, shipped};
use crate::value::Record;

const MODEL: &str = "stock.shipment.out";
const SHIPMENT_FIELDS: [&str; 7] = [
    "state",
    "reference",
    "outgoing_moves._timestamp",
    "outgoing_moves.origin",
    "outgoing_moves.quantity",
    "outgoing_moves.state",
    "create_date",
];

impl Guest for Connector {
    fn record_milestone(
        _call: Call,
        input: RecordMilestoneInput,
    ) -> Result<RecordMilestoneOutput, Fault> {
        // It has left, whatever Tryton would warn of.
        let tryton = Tryton::new(config::get()?).with_context("_skip_warnings", true.into());
        let outcome = match input.milestone.kind {
            MilestoneKind::Shipped => record_shipped(&tryton, &input.milestone)?,
            _ => RecordMilestoneOutcome::Ignored,
        };
        Ok(RecordMilestoneOutput { outcome })
    }
}

fn record_shipped(tryton: &Tryton, milestone: &Milestone) -> Result<RecordMilestoneOutcome, Fault> {
    let Some(mut sale) = tryton.sale(&milestone.order)? else {
        return Ok(RecordMilestoneOutcome::Unknown);
    };
    // Tryton makes its shipments when a sale is processed; by itself, or now.
    if sale.state("state") == "confirmed" {
        sale = accepted(tryton.act_from("sale.sale", &sale, "process", &FIELDS)?)?;
    }
    let known = shipment_named(tryton, &sale, milestone)?;
    if let Some(shipment) = known {
        // Begun by an earlier attempt: its quantities stand, it only goes on.
        return finish(tryton, shipment);
    }
    let left = still_to_note(&sale, milestone)?;
    if left.is_empty() {
        return Ok(RecordMilestoneOutcome::Stale);
    }
    let Some(shipment) = open_shipment(tryton, &sale, &milestone.order)? else {
        let message = format!("Tryton has no open shipment for order {}", milestone.order);
        return Err(Fault::never("no-shipment", message));
    };
    let begun = begin(tryton, shipment, &left, milestone)?;
    finish(tryton, begun)
}

/// By sale line (`sale.line,4`): what the milestone says less what is noted.
fn still_to_note(sale: &Record, milestone: &Milestone) -> Result<Vec<(String, Decimal)>, Fault> {
    let mut left = Vec::new();
    for (id, line) in order_lines(sale) {
        let told = milestone.lines.iter().find(|told| told.order_line == id);
        let total = match told {
            Some(told) => decimal::parse(&told.quantity.value)?,
            // No lines at all: the whole of what is open left.
            None if milestone.lines.is_empty() => line.decimal_or_zero("quantity"),
            None => continue,
        };
        let more = total - shipped(&line);
        if more > Decimal::ZERO {
            left.push((format!("sale.line,{}", line.id()), more));
        }
    }
    Ok(left)
}

fn shipments(tryton: &Tryton, sale: &Record) -> Result<Vec<Record>, Fault> {
    let domain = json!([["id", "in", sale.ids("shipments")]]);
    tryton.search(MODEL, domain, json!([["id", "ASC"]]), 1000, &SHIPMENT_FIELDS)
}

fn name(milestone: &Milestone) -> &str {
    milestone.shipment.as_deref().unwrap_or(&milestone.id)
}

fn shipment_named(
    tryton: &Tryton,
    sale: &Record,
    milestone: &Milestone,
) -> Result<Option<Record>, Fault> {
    let ours = |shipment: &Record| shipment.state("reference") == name(milestone);
    Ok(shipments(tryton, sale)?.into_iter().find(ours))
}

/// One that nobody has claimed: without a reference, or with that of the order.
fn open_shipment(tryton: &Tryton, sale: &Record, order: &str) -> Result<Option<Record>, Fault> {
    let open = |shipment: &Record| {
        shipment.text("reference").is_none_or(|reference| reference == order)
            && matches!(shipment.state("state"), "draft" | "waiting" | "assigned")
    };
    Ok(shipments(tryton, sale)?.into_iter().find(open))
}

/// Writes the quantities that left, and last our reference, which says that they stand.
fn begin(
    tryton: &Tryton,
    mut shipment: Record,
    left: &[(String, Decimal)],
    milestone: &Milestone,
) -> Result<Record, Fault> {
    let back: &[&str] = match shipment.state("state") {
        "assigned" => &["wait", "draft"],
        "waiting" => &["draft"],
        _ => &[],
    };
    for action in back {
        shipment = accepted(tryton.act_from(MODEL, &shipment, action, &SHIPMENT_FIELDS)?)?;
    }
    for stock_move in shipment.records("outgoing_moves") {
        let line = left.iter().find(|(line, _)| stock_move.state("origin") == line);
        let quantity = line.map_or(Decimal::ZERO, |(_, quantity)| *quantity);
        if stock_move.decimal("quantity") != Some(quantity) {
            let values = json!({"quantity": number(&decimal::text(quantity))?});
            accepted(tryton.write_as_read("stock.move", &stock_move, values)?)?;
        }
    }
    let values = json!({"reference": name(milestone)});
    accepted(tryton.update(MODEL, shipment.id(), &values, &SHIPMENT_FIELDS)?)
}

/// From any state to `done`.
fn finish(tryton: &Tryton, mut shipment: Record) -> Result<RecordMilestoneOutcome, Fault> {
    const WAY: [(&str, &str); 6] = [
        ("draft", "wait"),
        ("waiting", "assign_force"),
        ("assigned", "pick"),
        ("picked", "pack"),
        ("packed", "ship"),
        ("shipped", "do"),
    ];
    if shipment.state("state") == "done" {
        return Ok(RecordMilestoneOutcome::Stale);
    }
    for (from, action) in WAY {
        if shipment.state("state") == from {
            shipment = accepted(tryton.act_from(MODEL, &shipment, action, &SHIPMENT_FIELDS)?)?;
        }
    }
    match shipment.state("state") {
        "done" => Ok(RecordMilestoneOutcome::Recorded),
        state => {
            let message = format!("Tryton's shipment {} stays `{state}`", shipment.id());
            Err(Fault::never("shipment-not-done", message))
        }
    }
}

/// Tryton's refusal is no answer of this operation: somebody must look at it.
fn accepted<T>(answer: Result<T, crate::client::Refused>) -> Result<T, Fault> {
    answer.map_err(|refused| Fault::never("refused-by-tryton", refused.message))
}
