//! A colleague changes a sale between our read and our write.

use std::sync::atomic::{AtomicU32, Ordering};

use product_suite::{Connector, Http, Runtime, wait_for};
use serde_json::{Value, json};

use super::between::between;
use super::world::{erp, held, order, settings, tryton};

/// A held order, and Tryton with a colleague who writes into its sale, once, right before the first
/// write of it.
fn held_and_changed(name: &str) -> (Value, String) {
    let order =
        held(order(name, "C-1001", json!([["DRILL-18V", 3, "149.00"], ["GLOVE-L", 5, "9.90"]])));
    erp().call("create-order", &json!({"order": order})).expect("an answer");
    let sale = json!([["reference", "=", order["id"]]]);
    let sale = tryton().find("sale.sale", sale, &["id"])["id"].as_i64().expect("an id");
    let writes = AtomicU32::new(0);
    let url = between(move |request, body| {
        let writing = request.starts_with("POST") && body.contains("model.sale.sale.");
        if writing && writes.fetch_add(1, Ordering::Relaxed) == 0 {
            tryton().write("sale.sale", sale, &json!({"comment": "Call before delivery"}));
        }
    });
    (order, url)
}

#[test]
fn what_somebody_changed_meanwhile_is_read_again() {
    let (order, url) = held_and_changed("locked");
    let erp = Connector::new("erp", "tryton", &settings(&url));
    let input = json!({"order": {"id": order["id"], "references": []}});
    let fault = erp.call("cancel-order", &input).expect_err("a fault");
    assert_eq!(
        (fault.code.as_str(), fault.retry.as_str()),
        ("changed-meanwhile", "later"),
        "{fault:?}"
    );
    let sale = json!([["reference", "=", order["id"]]]);
    let state = tryton().find("sale.sale", sale.clone(), &["state"])["state"].clone();
    assert_eq!(state, "quotation", "nothing was done");

    let answer = erp.call("cancel-order", &input).expect("an answer");
    assert_eq!(answer["outcome"], "cancelled", "{answer:#}");
    let after = tryton().find("sale.sale", sale, &["state", "comment"]);
    assert_eq!(after["state"], "cancelled");
    assert_eq!(after["comment"], "Call before delivery");
}

#[test]
fn a_route_tries_again_and_cancels_what_it_then_reads() {
    let (order, url) = held_and_changed("locked-route");
    let runtime = Runtime::start("erp", "tryton", &settings(&url), &[("cancel", ROUTE)]);
    let input = json!({"id": order["id"], "references": []});
    let accepted = Http::new(runtime.http.as_str()).post("/cancellations", &input);
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let sale = json!([["reference", "=", order["id"]]]);
    let exchange = wait_for("the end of the exchange", || {
        let exchange = runtime.exchanges("cancel").pop()?;
        (exchange["state"] == "ended").then_some(exchange)
    });
    assert_eq!(tryton().find("sale.sale", sale, &["state"])["state"], "cancelled");
    let told = exchange.to_string();
    assert!(told.contains("changed-meanwhile"), "the timeline tells of it: {exchange:#}");
}

const ROUTE: &str = r#"
[route]
name = "cancel"
owner = "order-desk"

[from.http]
method = "POST"
path = "/cancellations"
accept = "crossdock:core/types.identity@1"

[keys]
order = "message.id"

[[step]]
name = "cancelled"
call = "erp.cancel-order"
with = { order = "message" }
retry = "standard"
"#;
