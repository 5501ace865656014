//! Orders: entered once and as they were, held, cancelled, followed.

use serde_json::{Value, json};

use super::world::{erp, held, identity, in_currency, money, order, shipped, tryton};

#[test]
fn an_order_becomes_one_sale() {
    let (erp, tryton) = (erp(), tryton());
    let order = order("one-sale", "C-1001", json!([["DRILL-18V", 3, "149.00"]]));
    let input = json!({"order": order});
    assert_eq!(erp.call("probe-create-order", &input), Ok(json!("absent")));
    for _ in 0..2 {
        let created = erp.call("create-order", &input).expect("an answer");
        assert_eq!(created["outcome"], "created", "{created:#}");
    }
    let found = erp.call("probe-create-order", &input).expect("an answer");
    assert_eq!(found["applied"]["order"]["id"], order["id"], "{found:#}");

    let fields = ["state", "party.code", "warehouse.code", "untaxed_amount", "shipments"];
    let sale = tryton.find("sale.sale", json!([["reference", "=", order["id"]]]), &fields);
    let codes = (&sale["party"]["code"], &sale["warehouse"]["code"]);
    assert_eq!(codes, (&json!("C-1001"), &json!("EAST")));
    assert_eq!(sale["untaxed_amount"]["decimal"], "447.00");
    assert_eq!(sale["state"], "processing", "Tryton goes on by itself with what is confirmed");
    assert_eq!(sale["shipments"].as_array().map(Vec::len), Some(1), "{sale:#}");
}

#[test]
fn every_word_and_amount_of_an_order_comes_back() {
    let erp = erp();
    let cases = [("USD", "0.0775", "12.34"), ("JPY", "1490", "1200"), ("KWD", "0.3875", "1.275")];
    for (currency, price, freight) in cases {
        let name = format!("words-{currency}");
        let lines = json!([["DRILL-18V", 3, price], ["GLOVE-L", 2, "0"]]);
        let mut order = in_currency(order(&name, "C-2001", lines), currency);
        order["customer_order_number"] = "Bestellung №7 — Größe „XL“ 鉄 🛠".into();
        order["lines"][0]["description"] = "Ärmel ".repeat(60).trim().into();
        order["lines"][0]["tax_code"] = "P0000000".into();
        order["lines"][0]["discounts"] =
            json!([{"description": "Spring", "amount": money("0.05", currency)}]);
        if currency == "JPY" {
            order["lines"][0]["discounts"][0]["amount"] = money("5", currency);
        }
        order["charges"] = json!([
            {"id": "f", "kind": "freight", "description": "Fracht", "amount": money(freight, currency)},
            {"id": "c", "kind": {"other": "coupon"}, "amount": money("-1", currency)},
            {"id": "n", "kind": "handling", "amount": money("0", currency)},
        ]);
        let created = erp.call("create-order", &json!({"order": order})).expect("an answer");
        assert_eq!(created["outcome"], "created", "{created:#}");
        let found = erp
            .call("get-order", &json!({"order": identity(&order), "company": "crossdock"}))
            .expect("an answer");
        let found = &found["found"];
        for field in ["customer_order_number", "currency", "ship_to", "payment"] {
            assert_eq!(found[field], order[field], "{currency} {field}");
        }
        for field in ["id", "item", "quantity", "description", "tax_code", "discounts"] {
            assert_eq!(found["lines"][0][field], order["lines"][0][field], "{currency} {field}");
        }
        assert_eq!(found["lines"][0]["price"]["amount"], money(price, currency));
        assert_eq!(found["lines"][1]["amount"], money("0", currency));
        let amounts: Vec<&Value> =
            found["charges"].as_array().expect("charges").iter().map(|c| &c["amount"]).collect();
        let asked = [money(freight, currency), money("-1", currency), money("0", currency)];
        assert_eq!(amounts, asked.iter().collect::<Vec<_>>());
        assert_eq!(found["charges"][1]["kind"], json!({"other": "coupon"}));
    }
}

#[test]
fn what_tryton_does_not_know_is_refused() {
    let erp = erp();
    let refused = |order: Value| {
        let answer = erp.call("create-order", &json!({"order": order})).expect("an answer");
        answer["outcome"]["refused"]["code"].as_str().map(str::to_owned)
    };
    let lines = || json!([["DRILL-18V", 1, "149.00"]]);
    assert_eq!(refused(order("nobody", "C-404", lines())).as_deref(), Some("customer-unknown"));
    let order_of = |item: &str| order("nothing", "C-1001", json!([[item, 1, "1.00"]]));
    assert_eq!(refused(order_of("NO-SUCH")).as_deref(), Some("item-unknown"));
    let mut terms = order("terms", "C-1001", lines());
    terms["payment"]["terms"]["code"] = "NET7".into();
    assert_eq!(refused(terms).as_deref(), Some("terms-unknown"));
}

#[test]
fn a_held_order_waits_as_a_quotation() {
    let (erp, tryton) = (erp(), tryton());
    let order = order("held", "C-1002", json!([["DRILL-18V", 3, "149.00"]]));
    let state = || {
        let sale = tryton.find("sale.sale", json!([["reference", "=", order["id"]]]), &["state"]);
        sale["state"].as_str().unwrap_or_default().to_owned()
    };
    erp.call("create-order", &json!({"order": held(order.clone())})).expect("an answer");
    assert_eq!(state(), "quotation");
    // Approved: past Tryton's own limit, too, which warns of it.
    let created = erp.call("create-order", &json!({"order": order})).expect("an answer");
    assert_eq!(created["outcome"], "created", "{created:#}");
    assert_eq!(state(), "processing");
}

#[test]
fn what_has_not_left_is_cancelled_and_leaves_no_exception() {
    let (erp, tryton) = (erp(), tryton());
    let two = json!([["DRILL-18V", 3, "149.00"], ["GLOVE-L", 5, "9.90"]]);
    let sale = |order: &Value| {
        let fields = ["state", "shipment_state", "lines.quantity", "moves.state"];
        tryton.find("sale.sale", json!([["reference", "=", order["id"]]]), &fields)
    };
    let cancel = |order: &Value, lines: Value| {
        let input = json!({"order": identity(order), "lines": lines});
        erp.call("cancel-order", &input).expect("an answer")
    };
    let status = |order: &Value| {
        let found = erp
            .call("get-order", &json!({"order": identity(order), "company": "crossdock"}))
            .expect("an answer");
        found["found"]["status"].clone()
    };

    let whole = order("cancel-whole", "C-1001", two.clone());
    erp.call("create-order", &json!({"order": whole})).expect("an answer");
    for _ in 0..2 {
        let answer = cancel(&whole, Value::Null);
        assert_eq!(answer["outcome"], "cancelled", "{answer:#}");
        assert_eq!(answer["lines"][1]["quantity"], "5");
    }
    let after = sale(&whole);
    assert_eq!((&after["state"], &after["shipment_state"]), (&json!("processing"), &json!("none")));
    assert!(
        after["moves"]
            .as_array()
            .is_some_and(|moves| moves.iter().all(|m| m["state"] == "cancelled"))
    );
    assert_eq!(status(&whole), "cancelled");

    let quotation = held(order("cancel-held", "C-1001", two.clone()));
    erp.call("create-order", &json!({"order": quotation})).expect("an answer");
    assert_eq!(cancel(&quotation, Value::Null)["outcome"], "cancelled");
    assert_eq!(sale(&quotation)["state"], "cancelled");

    let line = held(order("cancel-line", "C-1001", two.clone()));
    erp.call("create-order", &json!({"order": line})).expect("an answer");
    assert_eq!(cancel(&line, json!(["2"]))["outcome"], "cancelled");
    assert_eq!(sale(&line)["lines"][1]["quantity"], 0.0);

    let late = order("cancel-late", "C-1001", two);
    erp.call("create-order", &json!({"order": late})).expect("an answer");
    erp.call("record-milestone", &shipped(&late, "S-late", json!([]))).expect("an answer");
    assert_eq!(cancel(&late, Value::Null)["outcome"], "too_late");
    let unknown = json!({"id": "no-such-order"});
    assert_eq!(cancel(&unknown, Value::Null)["outcome"], "unknown");
}

#[test]
fn changed_orders_come_page_by_page() {
    let erp = erp();
    let orders: Vec<Value> = (0..3)
        .map(|at| order(&format!("feed-{at}"), "C-1001", json!([["GLOVE-L", 1, "9.90"]])))
        .collect();
    for order in &orders {
        erp.call("create-order", &json!({"order": order})).expect("an answer");
    }
    let mut ids = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let request = json!({"cursor": cursor, "limit": 2});
        let page = erp.call("list-changed-orders", &request).expect("an answer");
        let items = page["items"].as_array().expect("items");
        ids.extend(items.iter().map(|item| item["value"]["id"].clone()));
        cursor = page["next_cursor"].clone();
        if page["more"] != true {
            break;
        }
    }
    for order in &orders {
        assert!(ids.contains(&order["id"]), "{} is missing in {ids:?}", order["id"]);
    }
}
