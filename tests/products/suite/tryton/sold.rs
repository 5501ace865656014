//! Orders as routes hand them to the ERP, with what the tests of invoices and cash vary.

use std::time::{SystemTime, UNIX_EPOCH};

use product_suite::Connector;
use serde_json::{Value, json};

/// An id that no earlier run on this database has used.
pub fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    format!("{name}-{}", now.as_nanos())
}

pub fn money(amount: &str, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

/// A line of so many pieces at a price.
pub fn line(id: &str, item: &str, count: &str, price: &str) -> Value {
    json!({
        "id": id, "item": item, "quantity": {"value": count, "unit": "C62"}, "price": price,
        "discounts": [], "attributes": [],
    })
}

/// An order on account of these lines; `price` of a line is in the order's currency.
pub fn order(id: &str, customer: &str, currency: &str, lines: Vec<Value>) -> Value {
    let lines: Vec<Value> = lines
        .into_iter()
        .map(|mut line| {
            let price = line["price"].as_str().expect("a price").to_owned();
            line["price"] = json!({
                "amount": money(&price, currency), "per": {"value": "1", "unit": "C62"},
            });
            line
        })
        .collect();
    json!({
        "id": id, "company": "crossdock", "references": [], "attributes": [], "version": 0,
        "occurred_at": "2026-11-02T10:00:00Z", "channel": "api", "customer_order_number": "PO-9",
        "documents": [], "status": "received",
        "sold_to": party(customer),
        "ship_to": {
            "customer": customer, "name": "Dock 2",
            "address": {
                "lines": ["1 Pier"], "city": "New York", "region": "NY", "postal_code": "10004",
                "country": "US",
            },
        },
        "currency": currency, "delivery_policy": "backorder", "invoice_trigger": "shipment",
        "payment": {"terms": {"code": "NET30", "net_days": 30}},
        "holds": [], "charges": [], "discounts": [], "lines": lines,
    })
}

pub fn party(customer: &str) -> Value {
    json!({"customer": customer, "name": customer, "tax_ids": [], "references": []})
}

/// The order in Tryton, confirmed; as Tryton has it.
#[track_caller]
pub fn place(erp: &Connector, order: &Value) -> Value {
    let placed = erp.call("create-order", &json!({"order": order})).expect("an answer");
    assert_eq!(placed["outcome"], "created", "{placed:#}");
    placed["order"].clone()
}

/// Notes in Tryton that so much of each line has left in all.
#[track_caller]
pub fn ship(erp: &Connector, order: &str, shipment: &str, lines: &[(&str, &str, &str)]) {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(line, item, total)| {
            json!({"order_line": line, "item": item, "quantity": {"value": total, "unit": "C62"}, "lots": []})
        })
        .collect();
    let milestone = json!({
        "id": format!("{shipment}-shipped"), "company": "crossdock", "references": [],
        "attributes": [], "version": 1, "occurred_at": "2026-11-02T12:00:00Z", "kind": "shipped",
        "order": order, "shipment": shipment, "lines": lines,
    });
    let noted = erp.call("record-milestone", &json!({"milestone": milestone})).expect("an answer");
    assert_eq!(noted["outcome"], "recorded", "{noted:#}");
}

/// What left, as the warehouse tells it.
pub fn shipment(id: &str, order: &Value, lines: &[(&str, &str, &str)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(line, item, count)| {
            json!({
                "id": line, "order_line": line, "item": item,
                "quantity": {"value": count, "unit": "C62"}, "lots": [],
            })
        })
        .collect();
    json!({
        "id": id, "company": "crossdock", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-11-02T12:00:00Z", "order": order["id"], "status": "shipped",
        "site": "EAST", "ship_to": order["ship_to"], "lines": lines, "packages": [],
        "documents": [],
    })
}
