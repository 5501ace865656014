//! Giving back, and its probe.

use serde_json::{Value, json};

use super::{authorised, captured, fresh, identity, localstripe, number, stripe, usd};

fn refund_of(payment: &Value, amount: &str, id: &str) -> Value {
    json!({
        "payment": identity(payment), "amount": usd(amount), "id": id,
        "credit_note": format!("{id}-CN"), "reason": "returned",
    })
}

fn refund(payment: &Value, amount: &str, id: &str) -> Value {
    stripe().call("refund", &refund_of(payment, amount, id)).expect("an answer")
}

/// What we gave back of a payment, as localstripe has it; the release of what was not captured is
/// there too, without metadata.
fn refunds(payment: &Value) -> Vec<Value> {
    let path = format!("/v1/refunds?limit=1000&payment_intent={}", number(payment));
    let all = localstripe().get(&path).json()["data"].as_array().cloned().expect("a list");
    all.into_iter().filter(|refund| refund["metadata"]["refund_id"].is_string()).collect()
}

#[test]
fn money_is_given_back_once_for_an_id_and_never_more_than_was_captured() {
    let payment = authorised(&fresh("O"), &usd("447"));
    let id = fresh("R");
    // Nothing is captured yet.
    assert_eq!(refund(&payment, "20", &id)["outcome"], "too_much");
    assert_eq!(probed(&payment, "20", &id), "absent");
    let payment = captured(&payment, &usd("147"), &fresh("INV"));

    let answer = refund(&payment, "100", &id);
    assert_eq!(answer["outcome"], "refunded", "{answer:#}");
    assert_eq!(answer["refund"]["credit_note"], format!("{id}-CN"));
    assert_eq!(answer["payment"]["status"], "partly_refunded");
    assert_eq!(answer["payment"]["refunded"], usd("100"));
    assert_eq!(refund(&payment, "100", &id)["refund"], answer["refund"]);
    assert_eq!(probed(&payment, "100", &id)["applied"]["refund"], answer["refund"]);
    let made = refunds(&payment);
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!((&made[0]["amount"], &made[0]["status"]), (&json!(10000), &json!("succeeded")));
    assert_eq!(made[0]["reason"], "requested_by_customer");

    assert_eq!(refund(&payment, "47.01", &fresh("R"))["outcome"], "too_much");
    let rest = refund(&payment, "47", &fresh("R"));
    assert_eq!(rest["payment"]["status"], "refunded", "{rest:#}");
    assert_eq!(refund(&payment, "0.01", &fresh("R"))["outcome"], "too_much");
    assert_eq!(refunds(&payment).len(), 2);
}

#[test]
fn a_refund_is_found_beyond_the_first_page() {
    let payment = authorised(&fresh("O"), &usd("447"));
    let payment = captured(&payment, &usd("447"), &fresh("INV"));
    let id = fresh("R");
    assert_eq!(refund(&payment, "1", &id)["outcome"], "refunded");
    // By others, and in a later second, since localstripe orders refunds by that.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let small = json!({"payment_intent": number(&payment), "amount": 10});
    for _ in 0..130 {
        localstripe().post("/v1/refunds", &small).json();
    }
    let probed = probed(&payment, "1", &id);
    assert_eq!(probed["applied"]["refund"]["id"], id, "{probed:#}");
    assert_eq!(probed["applied"]["payment"]["refunded"], usd("14"));
    assert_eq!(refund(&payment, "1", &id)["refund"]["id"], id);
    assert_eq!(refunds(&payment).len(), 1);
}

fn probed(payment: &Value, amount: &str, id: &str) -> Value {
    stripe().call("probe-refund", &refund_of(payment, amount, id)).expect("an answer")
}
