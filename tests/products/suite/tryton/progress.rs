//! What left the warehouse, in Tryton's stock.

use serde_json::{Value, json};

use super::world::{erp, identity, order, shipped, tryton};

#[test]
fn what_left_is_noted_once_and_the_rest_waits() {
    let (erp, tryton) = (erp(), tryton());
    let order =
        order("split", "C-1001", json!([["DRILL-18V", 3, "149.00"], ["GLOVE-L", 5, "9.90"]]));
    erp.call("create-order", &json!({"order": order})).expect("an answer");
    let note = |shipment: &str, lines: Value| {
        let answer = erp.call("record-milestone", &shipped(&order, shipment, lines));
        answer.expect("an answer")["outcome"].clone()
    };
    // Quantities are what has left of the line so far.
    assert_eq!(note("S-1", json!([["1", "DRILL-18V", 2]])), "recorded");
    assert_eq!(note("S-1", json!([["1", "DRILL-18V", 2]])), "stale");
    let all = json!([["1", "DRILL-18V", 3], ["2", "GLOVE-L", 5]]);
    assert_eq!(note("S-2", all), "recorded");

    let sale = tryton.find(
        "sale.sale",
        json!([["reference", "=", order["id"]]]),
        &[
            "shipment_state",
            "shipments.reference",
            "shipments.state",
            "moves.quantity",
            "moves.state",
            "moves.product.code",
        ],
    );
    assert_eq!(sale["shipment_state"], "sent", "{sale:#}");
    let left = |sku: &str| -> f64 {
        let moves = sale["moves"].as_array().into_iter().flatten();
        let moves = moves.filter(|m| m["product"]["code"] == sku && m["state"] == "done");
        moves.filter_map(|m| m["quantity"].as_f64()).sum()
    };
    assert_eq!((left("DRILL-18V"), left("GLOVE-L")), (3.0, 5.0), "{sale:#}");
    let mut named: Vec<&str> = sale["shipments"]
        .as_array()
        .expect("shipments")
        .iter()
        .filter(|shipment| shipment["state"] == "done")
        .filter_map(|shipment| shipment["reference"].as_str())
        .collect();
    named.sort_unstable();
    assert_eq!(named, ["S-1", "S-2"]);
    let found = erp.call("get-order", &json!({"order": identity(&order), "company": "crossdock"}));
    assert_eq!(found.expect("an answer")["found"]["status"], "shipped");
}

#[test]
fn of_an_order_that_is_not_there_nothing_is_noted() {
    let nothing = json!({"id": "no-such-order"});
    let answer = erp().call("record-milestone", &shipped(&nothing, "S-9", json!([])));
    assert_eq!(answer.expect("an answer")["outcome"], "unknown");
}
