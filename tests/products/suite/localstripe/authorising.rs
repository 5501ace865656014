//! Authorising, its probe, giving up, and asking for a payment.

use serde_json::{Value, json};

use super::{
    GOOD, REFUSED_WHEN_CHARGED, authorisation, authorised, captured, card, fresh, identity, intent,
    intents_of, localstripe, money, number, stripe, usd,
};
use crate::recorded;

fn get(payment: &Value) -> Value {
    let input = json!({"payment": payment, "company": "crossdock"});
    stripe().call("get-payment", &input).expect("an answer")
}

fn void(payment: &Value) -> Value {
    let input = json!({"payment": identity(payment), "reason": "customer_request"});
    stripe().call("void-authorisation", &input).expect("an answer")
}

#[test]
fn a_payment_that_is_not_there_is_an_answer() {
    assert_eq!(get(&json!({"id": fresh("P"), "references": []})), "unknown");
    let reference = json!({"system": "stripe", "object": "payment", "id": "pi_none"});
    assert_eq!(get(&json!({"id": fresh("P"), "references": [reference]})), "unknown");
}

#[test]
fn a_card_is_authorised_and_the_probe_finds_it() {
    let id = fresh("O");
    let input = authorisation(&id, &usd("447.00"), &card(GOOD));
    assert_eq!(stripe().call("probe-authorise", &input).expect("an answer"), "absent");
    let answer = stripe().call("authorise", &input).expect("an answer");
    assert_eq!(answer["outcome"], "authorised", "{answer:#}");
    let payment = &answer["payment"];
    assert_eq!(payment["remaining"], usd("447"));

    let intent = intent(payment);
    assert_eq!(intent["status"], "requires_capture");
    assert_eq!((&intent["amount"], &intent["currency"]), (&json!(44700), &json!("usd")));
    assert_eq!(intent["metadata"]["order_id"], id);

    let probed = stripe().call("probe-authorise", &input).expect("an answer");
    assert_eq!(probed["applied"], answer);
    assert_eq!(get(&identity(payment))["found"], *payment);
    // Without Stripe's number, by our id.
    assert_eq!(get(&json!({"id": payment["id"], "references": []}))["found"], *payment);
    assert_eq!(intents_of(&format!("{id}-P")).len(), 1);
}

#[test]
fn a_refused_card_is_an_answer_and_moves_nothing() {
    let id = fresh("O");
    let input = authorisation(&id, &usd("20"), &card(REFUSED_WHEN_CHARGED));
    let answer = stripe().call("authorise", &input).expect("an answer");
    assert_eq!(answer["outcome"]["declined"]["code"], "card-declined", "{answer:#}");
    assert_eq!(answer["payment"]["status"], "declined");
    let intent = intent(&answer["payment"]);
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["amount_capturable"], 0);
    let probed = stripe().call("probe-authorise", &input).expect("an answer");
    assert_eq!(probed["applied"]["outcome"]["declined"]["code"], "card-declined", "{probed:#}");
    // The route gives it up then; nothing can be taken by it any more.
    assert_eq!(void(&answer["payment"])["outcome"], "voided");
}

#[test]
fn a_customer_who_must_confirm_does_so() {
    let input = authorisation(&fresh("O"), &usd("20"), &card("4000002500003155"));
    let answer = stripe().call("authorise", &input).expect("an answer");
    assert_eq!(answer["outcome"]["requires_action"]["kind"], "use_stripe_sdk", "{answer:#}");
    let payment = &answer["payment"];
    let confirmed = json!({"client_secret": intent(payment)["client_secret"], "success": true});
    let path = format!("/v1/payment_intents/{}/_authenticate", number(payment));
    localstripe().post(&path, &confirmed).json();
    assert_eq!(get(&identity(payment))["found"]["status"], "authorised");
    let probed = stripe().call("probe-authorise", &input).expect("an answer");
    assert_eq!(probed["applied"]["outcome"], "authorised");
}

#[test]
fn a_debit_is_taken_at_once_and_not_captured_again() {
    let euros = money("20", "EUR");
    let account = json!({"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}});
    let method = localstripe().post("/v1/payment_methods", &account).json();
    let mut input = authorisation(&fresh("O"), &euros, method["id"].as_str().expect("an id"));
    input["token"]["method"] = json!("direct_debit");
    let answer = stripe().call("authorise", &input).expect("an answer");
    assert_eq!(answer["outcome"], "authorised", "{answer:#}");
    let payment = &answer["payment"];
    let taken = (&payment["method"], &payment["status"], &payment["captured"]);
    assert_eq!(taken, (&json!("direct_debit"), &json!("captured"), &euros));
    assert_eq!(captured(payment, &euros, &fresh("INV"))["captured"], euros);
    assert_eq!(intent(payment)["amount_received"], 2000);
}

#[test]
fn what_is_given_up_stays_so_and_what_was_captured_is_too_late() {
    let payment = authorised(&fresh("O"), &usd("20"));
    assert_eq!(void(&payment)["outcome"], "voided");
    let given_up = intent(&payment);
    assert_eq!(given_up["status"], "canceled");
    assert_eq!(given_up["cancellation_reason"], "requested_by_customer");
    assert_eq!(void(&payment)["outcome"], "voided");
    assert_eq!(get(&identity(&payment))["found"]["status"], "voided");

    let payment = authorised(&fresh("O"), &usd("20"));
    captured(&payment, &usd("20"), &fresh("INV"));
    assert_eq!(void(&payment)["outcome"], "too_late");
    let unknown = json!({"id": fresh("P"), "references": []});
    let answer = stripe().call("void-authorisation", &json!({"payment": unknown}));
    assert_eq!(answer.expect("an answer")["outcome"], "unknown");
}

#[test]
fn a_payment_is_found_beyond_the_first_page_and_by_any_script() {
    let id = format!("Bestellung {} Größe №7 東京 🚚 O'Neill \\ \"x\"", fresh("O"));
    let payment = authorised(&id, &usd("20"));
    let other = json!({"amount": 100, "currency": "usd"});
    for _ in 0..205 {
        localstripe().post("/v1/payment_intents", &other).json();
    }
    let found = get(&json!({"id": format!("{id}-P"), "references": []}));
    assert_eq!(found["found"], payment);
    assert_eq!(intent(&payment)["metadata"]["order_id"], id);
    let input = authorisation(&id, &usd("20"), "pm_card_visa");
    let probed = stripe().call("probe-authorise", &input).expect("an answer");
    assert_eq!(probed["applied"]["payment"], payment);
}

/// What the connector's table of statuses stands on is what localstripe says today.
#[test]
fn the_recorded_bodies_are_those_of_localstripe() {
    let intent = |more: Value| {
        let mut all = json!({"amount": 500, "currency": "usd"});
        for (name, value) in more.as_object().expect("fields") {
            all[name] = value.clone();
        }
        localstripe().post("/v1/payment_intents", &all)
    };
    let refused = json!({"payment_method": card(REFUSED_WHEN_CHARGED), "confirm": true});
    recorded::check("localstripe-400", &intent(json!({"shipping": "x"})));
    recorded::check("localstripe-402-with-charge", &intent(refused));
}
