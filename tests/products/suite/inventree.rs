//! InvenTree's connector against the sandbox's InvenTree, with prism between them: a request that
//! the published description does not allow is answered 422 and never gets through, an answer that
//! it does not allow becomes a 500.

use std::sync::Mutex;

use product_suite::{Connector, Http, told};
use serde_json::{Value, json};

/// The sandbox is moved by hand: two tests at once would move each other's shipments.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

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

/// InvenTree asked by its own API, through prism as well.
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

#[test]
fn an_order_goes_from_its_promise_to_its_delivery() {
    let _alone = ONE_AT_A_TIME.lock();
    let wms = wms("INVENTREE_URL");
    let order = order("P-1", &[("DRILL-18V", "3"), ("LADDER-6M", "12")]);
    let promised = wms.call("promise-order", &json!({"order": order})).expect("an answer");
    assert_eq!(promised["outcome"], "promised", "{promised:#}");
    let sites: Vec<&Value> = promised["promise"]["splits"]
        .as_array()
        .expect("splits")
        .iter()
        .map(|s| &s["site"])
        .collect();
    assert_eq!(sites, ["East", "East", "West"]);
    let probed = wms.call("probe-promise-order", &json!({"order": order})).expect("an answer");
    assert_eq!(probed["applied"]["outcome"], "promised", "{probed:#}");
    let asked = wms.call("request-shipment", &request(&order)).expect("an answer");
    assert_eq!(asked["outcome"], "accepted", "{asked:#}");
    assert_eq!(asked["shipment"]["status"], "on_hold");
    let probed = wms.call("probe-request-shipment", &request(&order)).expect("an answer");
    assert_eq!(probed["applied"]["shipment"]["id"], "P-1-S", "{probed:#}");
    let by_id = json!({"shipment": shipment("P-1")});
    let released = wms.call("release-shipment", &by_id).expect("an answer");
    assert_eq!(released["outcome"], "released", "{released:#}");
    let held = wms.call("hold-shipment", &by_id).expect("an answer");
    assert_eq!(held["outcome"], "held", "{held:#}");
    wms.call("release-shipment", &by_id).expect("an answer");
    world().post("/sandbox/advance", &json!({"all": true})).json();
    let found = wms
        .call("get-shipment", &json!({"company": "crossdock", "shipment": shipment("P-1")}))
        .expect("an answer");
    assert_eq!(found["found"]["status"], "delivered", "{found:#}");
    let held = wms.call("hold-shipment", &by_id).expect("an answer");
    assert_eq!(held["outcome"], "too_late", "{held:#}");
    let told = wms.call("poll-shipment-milestones", &json!({"limit": 50})).expect("an answer");
    let kinds: Vec<&Value> = told["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|item| item["value"]["shipment"] == "P-1-S")
        .map(|item| &item["value"]["kind"])
        .collect();
    assert_eq!(kinds, ["allocated", "picked", "packed", "shipped", "delivered"]);
    let orders = inventree().get("/api/order/so/?limit=10&search=P-1").json();
    assert_eq!(orders["results"][0]["status"], 30, "{orders:#}");
}
