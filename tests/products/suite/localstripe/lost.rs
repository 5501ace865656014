//! A lost answer, at a running crossdock. localstripe ignores keys: a request that is repeated there
//! is a second charge, so what keeps it single is the probe alone.

use product_suite::{Cut, Cutting, Http, Runtime, told, wait_for};
use serde_json::{Value, json};

use super::{
    GOOD, authorisation, authorised, capture_of, captured, card, fresh, identity, intent,
    intents_of, localstripe, number, settings_at, usd,
};

/// A route that asks for one operation, with what it is sent.
fn route(operation: &str, accept: &str) -> String {
    format!(
        r#"
[route]
name = "{operation}"
owner = "cash-desk"
[from.http]
method = "POST"
path = "/asked"
accept = "crossdock:payment/{accept}@1"
reply = {{ status = 202 }}
[[step]]
name = "done"
call = "payment.{operation}"
with = "message"
"#
    )
}

/// Asks for an operation while its request is cut once, and waits for its end. Says how often the
/// product was asked for the effect.
fn asked(operation: &str, accept: &str, request: &'static str, cut: Cut, input: &Value) -> usize {
    let cutting = Cutting::start(&told("LOCALSTRIPE_URL"), request, cut);
    let route = route(operation, accept);
    let routes = [("asked", route.as_str())];
    let runtime = Runtime::start("payment", "stripe", &settings_at(&cutting.url), &routes);
    let accepted = Http::new(runtime.http.clone()).post("/asked", input);
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let ended = wait_for("the end", || {
        runtime.exchanges(operation).into_iter().find(|exchange| !exchange["end"].is_null())
    });
    assert_eq!(ended["end"], "done", "{ended:#}");
    cutting.met()
}

#[test]
fn a_lost_authorisation_is_found_and_not_made_again() {
    let check = |cut: Cut, times: usize| {
        let id = fresh("O");
        let input = authorisation(&id, &usd("447"), &card(GOOD));
        let request = "POST /v1/payment_intents ";
        let met = asked("authorise", "authorisation.authorise-input", request, cut, &input);
        assert_eq!(met, times);
        assert_eq!(intents_of(&format!("{id}-P")).len(), 1);
    };
    check(Cut::After, 1);
    check(Cut::Before, 2);
}

#[test]
fn a_lost_capture_is_found_and_not_made_again() {
    let check = |cut: Cut, times: usize| {
        let payment = authorised(&fresh("O"), &usd("447"));
        let input = capture_of(&payment, &usd("147"), &fresh("INV"));
        let path = format!("POST /v1/payment_intents/{}/capture ", number(&payment));
        let met = asked("capture", "capturing.capture-input", path.leak(), cut, &input);
        assert_eq!(met, times);
        assert_eq!(intent(&payment)["amount_received"], 14700);
    };
    check(Cut::After, 1);
    check(Cut::Before, 2);
}

#[test]
fn a_lost_refund_is_found_and_not_made_again() {
    let check = |cut: Cut, times: usize| {
        let payment = authorised(&fresh("O"), &usd("447"));
        let payment = captured(&payment, &usd("447"), &fresh("INV"));
        let input = json!({"payment": identity(&payment), "amount": usd("100"), "id": fresh("R")});
        let met = asked("refund", "capturing.refund-input", "POST /v1/refunds ", cut, &input);
        assert_eq!(met, times);
        let path = format!("/v1/refunds?payment_intent={}", number(&payment));
        let refunds = localstripe().get(&path).json();
        assert_eq!(refunds["data"].as_array().map(Vec::len), Some(1), "{refunds:#}");
    };
    check(Cut::After, 1);
    check(Cut::Before, 2);
}
