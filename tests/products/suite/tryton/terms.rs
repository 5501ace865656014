//! Prices and credit: what Tryton would ask for, and how far it trusts.

use serde_json::{Value, json};

use super::world::{erp, in_currency, money, order, rpc};

#[test]
fn the_customers_price_list_counts() {
    let erp = erp();
    let price = |customer: &str, sku: &str, count: u32, currency: &str| {
        let mut order = in_currency(order("price", customer, json!([[sku, count, "1"]])), currency);
        order["lines"][0]["price"] = Value::Null;
        let input = json!({"order": order, "keep_prices": false, "on": "2026-11-02"});
        let answer = erp.call("price-order", &input).expect("an answer");
        assert_eq!(answer["outcome"], "priced", "{answer:#}");
        (answer["lines"][0]["price"]["amount"].clone(), answer["net"].clone())
    };
    let usd = |amount: &str| money(amount, "USD");
    assert_eq!(price("C-1001", "DRILL-18V", 99, "USD"), (usd("149"), usd("14751")));
    assert_eq!(price("C-1001", "DRILL-18V", 100, "USD"), (usd("134.1"), usd("13410")));
    assert_eq!(price("C-1002", "DRILL-18V", 100, "USD"), (usd("149"), usd("14900")));
    // Unit prices have four digits in any currency, totals those of the currency.
    let (each, net) = price("C-1004", "GLOVE-L", 3, "EUR");
    assert_eq!((each, net), (money("9.108", "EUR"), money("27.32", "EUR")));
    let (each, net) = price("C-2001", "BOLT-M8", 3, "JPY");
    assert_eq!((each, net), (money("37.5", "JPY"), money("112", "JPY")));
    let (each, net) = price("C-2001", "BOLT-M8", 3, "KWD");
    assert_eq!((each, net), (money("0.0775", "KWD"), money("0.232", "KWD")));
}

#[test]
fn prices_that_stand_are_kept_and_unknown_items_refused() {
    let erp = erp();
    let kept = order("kept", "C-1001", json!([["DRILL-18V", 100, "1.23"]]));
    let answer = erp.call("price-order", &json!({"order": kept, "keep_prices": true}));
    assert_eq!(answer.expect("an answer")["net"], money("123", "USD"));
    let unknown = order("unknown", "C-1001", json!([["NO-SUCH", 1, "1"]]));
    let answer = erp.call("price-order", &json!({"order": unknown, "keep_prices": false}));
    let outcome = answer.expect("an answer")["outcome"].clone();
    assert_eq!(outcome["refused"]["code"], "item-unknown", "{outcome:#}");
}

#[test]
fn credit_is_what_tryton_knows_of_the_customer() {
    let erp = erp();
    let check = |customer: &str, amount: Value, order: Value| {
        let input =
            json!({"company": "crossdock", "customer": customer, "amount": amount, "order": order});
        erp.call("check-credit", &input).expect("an answer")
    };
    let decision =
        |customer: &str, amount: Value| check(customer, amount, Value::Null)["decision"].clone();
    let limit = check("C-1001", money("1", "USD"), Value::Null);
    assert_eq!(limit["limit"], money("100000", "USD"), "{limit:#}");
    assert_eq!(decision("C-1001", money("100", "USD")), "approved");
    assert_eq!(decision("C-1002", money("10001", "USD")), "hold");
    assert_eq!(decision("C-1003", money("1", "USD")), "refused");
    assert_eq!(decision("C-2001", money("1000000", "USD")), "approved");
    assert_eq!(decision("C-1004", money("30000", "EUR")), "approved");
    assert_eq!(decision("C-1004", money("7600000", "JPY")), "hold");
    assert_eq!(decision("C-404", money("1", "USD")), "refused");

    // What the order itself takes does not count against it; of a customer that nobody else uses.
    let code = format!("K-{}", std::process::id());
    let address = json!({"street": "1 Main Street", "city": "New York"});
    let party = json!({"name": code, "code": code, "addresses": [["create", [address]]]});
    rpc("model.party.party.create", json!([[party]]));
    let order = order("credit", &code, json!([["DRILL-18V", 10, "149.00"]]));
    erp.call("create-order", &json!({"order": order})).expect("an answer");
    let exposure = |order: Value| check(&code, money("1", "USD"), order)["exposure"].clone();
    assert_eq!(exposure(Value::Null), money("1490", "USD"));
    assert_eq!(exposure(order["id"].clone()), money("0", "USD"));
}
