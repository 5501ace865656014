//! InvenTree's connector against the sandbox's InvenTree, with prism between them: a request that
//! the published description does not allow is answered 422 and never gets through, an answer that
//! it does not allow becomes a 500. Whatever prism noticed fails the test in which it did.

mod besides;
mod calling_off;
mod description;
mod journey;
mod names;
mod paging;
mod quantities;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use product_suite::{Connector, Http, told};
use serde_json::{Value, json};

/// One warehouse, moved by hand: two tests at once would move each other's shipments.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A test in a warehouse as it is at the beginning. In the end everything that was asked must have
/// been as InvenTree's description says, parameters of queries too, which prism does not look at.
fn described(test: impl FnOnce(&Connector)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    world().post("/sandbox/reset", &json!({})).json();
    let before = log().len();
    test(&wms("INVENTREE_URL"));
    // Prism writes its log a moment after its answer.
    std::thread::sleep(Duration::from_millis(300));
    let log = log();
    let noticed: Vec<&str> = log[before..]
        .lines()
        // InvenTree describes no answer but the good one.
        .filter(|line| !line.contains("Unable to match the returned status code"))
        .filter(|line| line.contains("Violation") || line.contains("terminated with error"))
        .collect();
    assert_eq!(noticed, [""; 0], "against InvenTree's description");
    assert_eq!(description::unknown_parameters(&log[before..]), [""; 0]);
}

fn log() -> String {
    let bytes = std::fs::read(told("INVENTREE_LOG")).expect("prism's log");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wms(url: &str) -> Connector {
    let url = told(url);
    let settings = format!(
        r#"
        config = {{ company = "crossdock", guest = "C-2001", sites = ["East", "West"] }}
        [upstreams.inventree]
        base_url = {url:?}
        auth = {{ kind = "header", name = "Authorization", prefix = "Token ", value = {{ env = "INVENTREE_TOKEN" }} }}
        "#
    );
    Connector::new("wms", "inventree", &settings)
}

/// InvenTree asked by its own API, through prism too.
fn inventree() -> Http {
    let token = format!("Token {}", told("INVENTREE_TOKEN"));
    Http::new(told("INVENTREE_URL")).with("authorization", token)
}

/// Who works in the warehouse.
fn world() -> Http {
    Http::new(told("INVENTREE_CONTROL"))
}

fn order(id: &str, lines: &[(&str, &str)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(at, (item, quantity))| {
            json!({
                "id": (at + 1).to_string(), "item": item,
                "quantity": {"value": quantity, "unit": "C62"},
                "price": {
                    "amount": {"amount": "129.00", "currency": "USD"},
                    "per": {"value": "1", "unit": "C62"},
                },
                "discounts": [], "attributes": [],
            })
        })
        .collect();
    json!({
        "id": id, "company": "crossdock", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-04-02T10:00:00Z", "channel": "api", "documents": [],
        "customer_order_number": "PO-9", "status": "received",
        "sold_to": {
            "customer": "C-1001", "name": "Harbour Hardware Ltd", "tax_ids": [], "references": [],
        },
        "ship_to": {
            "customer": "C-1001", "name": "Dock 2",
            "address": {
                "lines": ["1 Pier"], "city": "New York", "region": "NY", "postal_code": "10004",
                "country": "US",
            },
        },
        "currency": "USD", "delivery_policy": "ship_complete", "invoice_trigger": "shipment",
        "payment": {"terms": {"code": "NET30", "net_days": 30}},
        "holds": [], "charges": [], "discounts": [], "lines": lines,
    })
}

fn request(order: &Value) -> Value {
    let id = order["id"].as_str().expect("an id");
    let lines = order["lines"].as_array().expect("lines").iter().map(|line| {
        json!({"order_line": line["id"], "item": line["item"], "quantity": line["quantity"]})
    });
    json!({"id": format!("{id}-S"), "lines": lines.collect::<Vec<_>>(), "order": order})
}

fn shipment(order: &str) -> Value {
    let references = json!([{"system": "crossdock", "object": "order", "id": order}]);
    json!({"id": format!("{order}-S"), "references": references})
}

fn promise(wms: &Connector, order: &Value) -> Value {
    wms.call("promise-order", &json!({"order": order})).expect("an answer")
}

/// Promised, asked for and released.
fn release(wms: &Connector, order: &Value) {
    assert_eq!(promise(wms, order)["outcome"], "promised");
    let asked = wms.call("request-shipment", &request(order)).expect("an answer");
    assert_eq!(asked["outcome"], "accepted", "{asked:#}");
    let id = order["id"].as_str().expect("an id");
    let released = wms.call("release-shipment", &json!({"shipment": shipment(id)}));
    assert_eq!(released.expect("an answer")["outcome"], "released");
}

fn get_shipment(wms: &Connector, shipment: Value) -> Value {
    let input = json!({"company": "crossdock", "shipment": shipment});
    wms.call("get-shipment", &input).expect("an answer")
}

/// The people in the warehouse do all that there is to do.
fn work() {
    world().post("/sandbox/advance", &json!({"all": true})).json();
}

/// The only sales order there is.
fn sales_order() -> Value {
    inventree().get("/api/order/so/?limit=2").json()["results"][0].clone()
}

/// A list of what belongs to the sales order.
fn of_order(path: &str) -> Vec<Value> {
    let path = format!("/api/order/{path}/?limit=100&order={}", sales_order()["pk"]);
    inventree().get(&path).json()["results"].as_array().expect("a list").clone()
}
