//! Webhooks that localstripe signs, delivered to a running crossdock.

use product_suite::{Http, Runtime, told, wait_for};
use serde_json::{Value, json};

use super::{authorised, captured, fresh, localstripe, settings, usd};

const EVENTS: &str = r#"
[route]
name = "payment-events"
owner = "cash-desk"
[from.webhook]
connector = "payment"
operation = "receive-payment-events"
path = "/webhooks/stripe"
[[step]]
name = "kept"
set = "message.kind"
"#;

/// localstripe tells an event after a second, once to each address that is registered.
fn listen(name: &str, runtime: &Runtime, secret: &str) {
    let address = json!({
        "url": format!("{}/webhooks/stripe", runtime.http), "secret": secret,
        "events": ["payment_intent.succeeded", "payment_intent.payment_failed"],
    });
    let answer = localstripe().post(&format!("/_config/webhooks/{name}"), &address);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The exchanges that tell of a payment; a delivery itself is one without a message of that type.
fn of(runtime: &Runtime, payment: &Value) -> Vec<Value> {
    let mut all = runtime.exchanges("payment-events");
    all.retain(|exchange| exchange["message"]["payment"]["id"] == payment["id"]);
    all
}

#[test]
fn a_signed_event_is_taken_once_though_it_comes_twice() {
    let runtime = Runtime::start("payment", "stripe", &settings(), &[("events", EVENTS)]);
    let secret = told("LOCALSTRIPE_WEBHOOK_SECRET");
    // Two addresses: each event comes twice, as Stripe repeats one that it got no answer for.
    let names = [fresh("once"), fresh("again")];
    names.iter().for_each(|name| listen(name, &runtime, &secret));
    let payment = authorised(&fresh("O"), &usd("447"));
    let payment = captured(&payment, &usd("147"), &fresh("INV"));
    let told = wait_for("the event", || {
        of(&runtime, &payment).into_iter().find(|exchange| exchange["end"] == "done")
    });
    let message = &told["message"];
    assert_eq!(message["kind"], "captured", "{told:#}");
    assert_eq!(message["payment"]["captured"], usd("147"));
    assert_eq!(message["payment"]["refunded"], usd("0"));
    // The next event comes after the repetition of the first.
    let next = captured(&authorised(&fresh("O"), &usd("1")), &usd("1"), &fresh("INV"));
    wait_for("the next event", || of(&runtime, &next).pop());
    assert_eq!(of(&runtime, &payment).len(), 1);
    names.iter().for_each(|name| forget(name));
}

#[test]
fn an_event_under_another_secret_is_turned_away() {
    let runtime = Runtime::start("payment", "stripe", &settings(), &[("events", EVENTS)]);
    let name = fresh("forged");
    listen(&name, &runtime, "whsec_of_somebody_else");
    let payment = captured(&authorised(&fresh("O"), &usd("1")), &usd("1"), &fresh("INV"));
    let unsigned =
        Http::new(runtime.http.clone()).post("/webhooks/stripe", &json!({"id": "evt_1"}));
    assert_eq!(unsigned.status, 401, "{}", unsigned.body);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(of(&runtime, &payment), Vec::<Value>::new());
    forget(&name);
}

/// localstripe forgets no address; one where nobody listens stands in its place.
fn forget(name: &str) {
    let nobody = json!({"url": "http://127.0.0.1:9/", "secret": "none", "events": ["none"]});
    localstripe().post(&format!("/_config/webhooks/{name}"), &nobody);
}
