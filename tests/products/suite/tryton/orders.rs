//! Orders: entered once, asked for, cancelled.

use serde_json::{Value, json};

use super::world::{erp, order, tryton};

#[test]
fn an_order_becomes_one_sale() {
    let (erp, tryton) = (erp(), tryton());
    let order = order("one-sale", "C-1001", json!([["DRILL-18V", 3, "149.00"]]));
    let id = order["id"].as_str().expect("an id");
    for _ in 0..2 {
        let created = erp.call("create-order", &json!({"order": order})).expect("an answer");
        assert_eq!(created["outcome"], "created", "{created:#}");
    }
    let sale = tryton.find(
        "sale.sale",
        json!([["reference", "=", id]]),
        &["state", "party.code", "warehouse.code", "untaxed_amount", "lines.quantity"],
    );
    assert_eq!(
        (&sale["party"]["code"], &sale["warehouse"]["code"]),
        (&json!("C-1001"), &json!("EAST"))
    );
    assert_eq!(sale["untaxed_amount"]["decimal"], "447.00");
    let found = erp
        .call("get-order", &json!({"order": {"id": id, "references": []}, "company": "crossdock"}));
    let found = found.expect("an answer");
    let lines: &Value = &found["found"]["lines"];
    assert_eq!(lines[0]["quantity"], json!({"value": "3", "unit": "C62"}), "{found:#}");
}
