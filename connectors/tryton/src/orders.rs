//! Orders: created once for an id, confirmed, cancelled as far as nothing has left.

use crossdock_sdk::canonical::orders::{Order, OrderLine, PaymentArrangement};
use crossdock_sdk::{Call, Decimal, Fault, Refusal, config, decimal};
use serde_json::{Value, json};

use crate::client::{Answer, Refused, Tryton, gone};
use crate::exports::crossdock::erp::order_entry::{
    CancelOrderInput, CancelOrderOutcome, CancelOrderOutput, CancelledLine, CancelledLineOutcome,
    CreateOrderInput, CreateOrderOutcome, CreateOrderOutput, Guest,
};
use crate::exports::crossdock::erp::order_entry_probe::{self as probe, CreateOrderState};
use crate::exports::crossdock::erp::order_inquiry::{self, GetOrderInput, GetOrderOutput};
use crate::sale::{self, FIELDS, order_lines, shipped};
use crate::value::{self, Record};
use crate::{Config, Connector};

impl Guest for Connector {
    fn create_order(_call: Call, input: CreateOrderInput) -> Result<CreateOrderOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let order = input.order;
        let refuse = |order: Order, refusal| {
            Ok(CreateOrderOutput { outcome: CreateOrderOutcome::Refused(refusal), order })
        };
        let sale = match tryton.sale(&order.id)? {
            Some(sale) => sale,
            None => match create(&tryton, &order)? {
                Ok(sale) => sale,
                Err(refusal) => return refuse(order, refusal),
            },
        };
        match confirm(&tryton, sale, &order)? {
            Ok(sale) => Ok(created(&sale, &tryton.config, &order)),
            Err(refused) => refuse(order, refused.into()),
        }
    }

    fn cancel_order(_call: Call, input: CancelOrderInput) -> Result<CancelOrderOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let Some(sale) = tryton.sale_of(&input.order)? else {
            return Ok(CancelOrderOutput {
                outcome: CancelOrderOutcome::Unknown,
                order: input.order.id,
                lines: Vec::new(),
            });
        };
        let asked =
            |id: &str| input.lines.as_ref().is_none_or(|lines| lines.iter().any(|l| l == id));
        let all = order_lines(&sale).iter().all(|(id, _)| asked(id));
        let sale = match sale.state("state") {
            "cancelled" => sale,
            "draft" | "quotation" | "confirmed" if all => cancel_whole(&tryton, sale)?,
            "draft" | "quotation" | "confirmed" => cancel_lines(&tryton, sale, &asked)?,
            _ => call_off(&tryton, sale, &asked)?,
        };
        Ok(cancelled(&input.order.id, &sale, &asked))
    }
}

impl probe::Guest for Connector {
    fn probe_create_order(_call: Call, input: CreateOrderInput) -> Result<CreateOrderState, Fault> {
        let tryton = Tryton::new(config::get()?);
        Ok(match tryton.sale(&input.order.id)? {
            None => CreateOrderState::Absent,
            // Created, and not as far as it should be: asked again, it goes on from here.
            Some(sale) if input.order.holds.is_empty() && is_open(&sale) => {
                CreateOrderState::Absent
            }
            Some(sale) => CreateOrderState::Applied(created(&sale, &tryton.config, &input.order)),
        })
    }
}

impl order_inquiry::Guest for Connector {
    fn get_order(_call: Call, input: GetOrderInput) -> Result<GetOrderOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        Ok(match tryton.sale_of(&input.order)? {
            Some(sale) => GetOrderOutput::Found(sale::order(&sale, &tryton.config.company)),
            None => GetOrderOutput::Unknown,
        })
    }
}

fn is_open(sale: &Record) -> bool {
    matches!(sale.state("state"), "draft" | "quotation")
}

/// With the numbers in other systems that it came with; Tryton does not keep them.
fn created(sale: &Record, config: &Config, asked: &Order) -> CreateOrderOutput {
    let mut order = sale::order(sale, &config.company);
    for known in &asked.references {
        if !order.references.contains(known) {
            order.references.push(known.clone());
        }
    }
    CreateOrderOutput { outcome: CreateOrderOutcome::Created, order }
}

fn create(tryton: &Tryton, order: &Order) -> Result<Result<Record, Refusal>, Fault> {
    let Some(party) = tryton.party_of(&order.sold_to)? else {
        return Ok(Err(refusal("customer-unknown", "Tryton knows no such customer", vec![])));
    };
    let codes: Vec<&str> = order.lines.iter().map(|line| line.item.as_str()).collect();
    let products = tryton.products(&codes, &["code"])?;
    let units = tryton.units()?;
    let lines_where = |missing: &dyn Fn(&OrderLine) -> bool| -> Vec<String> {
        order.lines.iter().filter(|line| missing(line)).map(|line| line.id.clone()).collect()
    };
    let unknown = lines_where(&|line| !products.contains_key(&line.item));
    if !unknown.is_empty() {
        return Ok(Err(refusal("item-unknown", "Tryton knows no such item", unknown)));
    }
    let unknown = lines_where(&|line| !units.contains_key(&line.quantity.unit));
    if !unknown.is_empty() {
        return Ok(Err(refusal("unit-unknown", "Tryton knows no such unit", unknown)));
    }
    let bill_to = order.bill_to.as_ref().unwrap_or(&order.sold_to);
    let invoice_party = match &order.bill_to {
        Some(bill_to) => tryton.party_of(bill_to)?,
        None => None,
    };
    let billed = invoice_party.as_ref().unwrap_or(&party);
    let invoice_address = match &bill_to.address {
        Some(address) => tryton.address(billed, address)?,
        None => tryton.default_address(billed, "invoice")?,
    };
    let payment_term = match &order.payment {
        PaymentArrangement::Terms(terms) => match tryton.payment_term(&terms.code)? {
            Some(term) => Some(term),
            None => {
                let message = format!("Tryton knows no terms of payment `{}`", terms.code);
                return Ok(Err(refusal("terms-unknown", &message, vec![])));
            }
        },
        _ => None,
    };
    let lines = sale::lines(
        order,
        |line| products.get(&line.item).map_or(0, Record::id),
        |line| units.get(&line.quantity.unit).copied().unwrap_or_default(),
    )?;
    let mut values = json!({
        "company": tryton.config.company_id,
        "reference": order.id,
        "description": order.customer_order_number,
        "party": party.id(),
        "invoice_address": invoice_address,
        "shipment_address": tryton.address(&party, &order.ship_to.address)?,
        "currency": tryton.currency(&order.currency)?,
        "payment_term": payment_term,
        "sale_date": value::date(&order.occurred_at),
        "invoice_method": "manual",
        "shipment_method": "order",
        "lines": [["create", lines]],
    });
    if let Some(invoice_party) = &invoice_party {
        values["invoice_party"] = invoice_party.id().into();
    }
    if let Some(day) = &order.requested_on {
        values["shipping_date"] = value::date(day);
    }
    if let Some(warehouse) = &tryton.config.warehouse {
        values["warehouse"] = tryton.warehouse(warehouse)?.into();
    }
    Ok(tryton.create("sale.sale", &values, &FIELDS)?.map_err(Refusal::from))
}

/// From where it is to `confirmed`; an order with holds waits as a quotation. Credit was checked
/// before, so Tryton's warnings of it are passed over.
fn confirm(tryton: &Tryton, mut sale: Record, order: &Order) -> Answer<Record> {
    let decided = tryton.with_context("_skip_warnings", true.into());
    for (from, action) in [("draft", "quote"), ("quotation", "confirm")] {
        if sale.state("state") != from || (action == "confirm" && !order.holds.is_empty()) {
            continue;
        }
        sale = match decided.act_from("sale.sale", &sale, action, &FIELDS)? {
            Ok(sale) => sale,
            Err(refused) => return Ok(Err(refused)),
        };
    }
    Ok(Ok(sale))
}

/// Nothing is under way in Tryton: the sale itself is cancelled.
fn cancel_whole(tryton: &Tryton, mut sale: Record) -> Result<Record, Fault> {
    let actions: &[&str] = match sale.state("state") {
        "confirmed" => &["draft", "cancel"],
        _ => &["cancel"],
    };
    for action in actions {
        sale = match tryton.act_as_read("sale.sale", &sale, action, &FIELDS)? {
            Ok(sale) => sale,
            // It went on meanwhile: the state says how far.
            Err(_) => return reread(tryton, &sale),
        };
    }
    Ok(sale)
}

/// Some lines of a sale of which nothing is under way: they are set to nothing.
fn cancel_lines(
    tryton: &Tryton,
    mut sale: Record,
    asked: &dyn Fn(&str) -> bool,
) -> Result<Record, Fault> {
    if sale.state("state") != "draft" {
        sale = match tryton.act_as_read("sale.sale", &sale, "draft", &FIELDS)? {
            Ok(sale) => sale,
            Err(_) => return reread(tryton, &sale),
        };
    }
    let changes: Vec<Value> = order_lines(&sale)
        .iter()
        .filter(|(line, _)| asked(line))
        .map(|(_, line)| json!(["write", [line.id()], {"quantity": 0}]))
        .collect();
    tryton
        .write_as_read("sale.sale", &sale, json!({"lines": changes}))?
        .map_err(|refused| Fault::never("not-changed", refused.message))?;
    let decided = tryton.with_context("_skip_warnings", true.into());
    for action in ["quote", "confirm"] {
        let next = decided.act("sale.sale", sale.id(), action, &FIELDS)?;
        sale = next.map_err(|refused| Fault::never("not-confirmed", refused.message))?;
    }
    Ok(sale)
}

/// Tryton has made shipments: those that have not left are cancelled, when every line of them is
/// asked for.
fn call_off(tryton: &Tryton, sale: Record, asked: &dyn Fn(&str) -> bool) -> Result<Record, Fault> {
    let wanted: Vec<String> = order_lines(&sale)
        .iter()
        .filter(|(id, _)| asked(id))
        .map(|(_, line)| format!("sale.line,{}", line.id()))
        .collect();
    for shipment in sale.ids("shipments") {
        let fields = ["state", "outgoing_moves.origin"];
        let Some(found) = tryton.read("stock.shipment.out", shipment, &fields)? else { continue };
        let open = matches!(found.state("state"), "draft" | "waiting" | "assigned");
        let moves = found.records("outgoing_moves");
        let ours = moves.iter().all(|m| wanted.iter().any(|line| m.state("origin") == line));
        if open && ours {
            // A refusal means that it went on meanwhile; what was cancelled is read afterwards.
            let _ = tryton.act("stock.shipment.out", shipment, "cancel", &["state"])?;
        }
    }
    leave_cancelled(tryton, reread(tryton, &sale)?)
}

/// Tryton asks whether cancelled moves shall be made again; until somebody says no, it shows the sale
/// as an exception.
fn leave_cancelled(tryton: &Tryton, sale: Record) -> Result<Record, Fault> {
    if sale.state("shipment_state") != "exception" {
        return Ok(sale);
    }
    let mut changes = Vec::new();
    for line in sale.records("lines") {
        let moves = line.records("moves").into_iter();
        let cancelled = moves.filter(|stock_move| stock_move.state("state") == "cancelled");
        let cancelled: Vec<i64> = cancelled.map(|stock_move| stock_move.id()).collect();
        if !cancelled.is_empty() {
            let ignored = json!({"moves_ignored": [["add", cancelled]]});
            changes.push(json!(["write", [line.id()], ignored]));
        }
    }
    let refused = |refused: Refused| Fault::never("refused-by-tryton", refused.message);
    tryton.update("sale.sale", sale.id(), &json!({"lines": changes}), &["id"])?.map_err(refused)?;
    tryton.act("sale.sale", sale.id(), "process", &FIELDS)?.map_err(refused)
}

fn reread(tryton: &Tryton, sale: &Record) -> Result<Record, Fault> {
    let now = tryton.read("sale.sale", sale.id(), &FIELDS)?;
    now.ok_or_else(|| gone("sale.sale", sale.id()))
}

fn cancelled(order: &str, sale: &Record, asked: &dyn Fn(&str) -> bool) -> CancelOrderOutput {
    let whole = sale.state("state") == "cancelled";
    let mut lines = Vec::new();
    for (id, line) in order_lines(sale).into_iter().filter(|(id, _)| asked(id)) {
        let ordered = line.decimal_or_zero("quantity");
        let called_off: Decimal = match whole {
            true => ordered,
            false => line
                .records("moves")
                .iter()
                .filter(|stock_move| stock_move.state("state") == "cancelled")
                .map(|stock_move| stock_move.decimal_or_zero("quantity"))
                .sum(),
        };
        let nothing_left = ordered.is_zero() || called_off + shipped(&line) >= ordered;
        let outcome = match nothing_left && (ordered.is_zero() || !called_off.is_zero()) {
            true => CancelledLineOutcome::Cancelled,
            false => CancelledLineOutcome::TooLate,
        };
        lines.push(CancelledLine { line: id, outcome, quantity: decimal::text(called_off) });
    }
    let cancelled = |line: &CancelledLine| line.outcome == CancelledLineOutcome::Cancelled;
    let outcome = match (lines.iter().all(cancelled), lines.iter().any(cancelled)) {
        (true, _) => CancelOrderOutcome::Cancelled,
        (false, true) => CancelOrderOutcome::PartlyCancelled,
        (false, false) => CancelOrderOutcome::TooLate,
    };
    CancelOrderOutput { outcome, order: order.to_owned(), lines }
}

pub fn refusal(code: &str, message: &str, lines: Vec<String>) -> Refusal {
    Refusal { code: code.into(), message: message.into(), lines }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        refusal("refused-by-tryton", &refused.message, Vec::new())
    }
}
