//! Stripe's connector against localstripe. What happened is read from localstripe by its own API.
//! Tests share one account, so each has ids of its own.

mod amounts;
mod authorising;
mod capturing;
mod feed;
mod lost;
mod refunding;
mod webhooks;

use std::time::{SystemTime, UNIX_EPOCH};

use product_suite::{Connector, Http, told};
use serde_json::{Value, json};

fn settings() -> String {
    settings_at(&told("LOCALSTRIPE_URL"))
}

fn settings_at(url: &str) -> String {
    format!(
        r#"
        config = {{ company = "crossdock" }}
        webhook = {{ verify = "stripe", secret = {{ env = "LOCALSTRIPE_WEBHOOK_SECRET" }} }}
        [upstreams.stripe]
        base_url = {url:?}
        auth = {{ kind = "bearer", token = {{ env = "LOCALSTRIPE_KEY" }} }}
        "#
    )
}

fn stripe() -> Connector {
    Connector::new("payment", "stripe", &settings())
}

fn localstripe() -> Http {
    Http::new(told("LOCALSTRIPE_URL"))
        .with("authorization", format!("Bearer {}", told("LOCALSTRIPE_KEY")))
}

/// An id that no test before has used.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
    format!("{name}-{:x}", now.as_nanos())
}

/// A card by its number: what it does is in https://docs.stripe.com/testing.
fn card(number: &str) -> String {
    let card = json!({"number": number, "exp_month": "12", "exp_year": "2032", "cvc": "123"});
    let made = localstripe().post("/v1/payment_methods", &json!({"type": "card", "card": card}));
    made.json()["id"].as_str().expect("an id").to_owned()
}

const GOOD: &str = "4242424242424242";
const REFUSED_WHEN_CHARGED: &str = "4000000000000341";

fn money(amount: &str, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

fn usd(amount: &str) -> Value {
    money(amount, "USD")
}

/// What `authorise` is given: payment `ID` of order `ID`, by this payment method.
fn authorisation(id: &str, amount: &Value, method: &str) -> Value {
    json!({
        "id": format!("{id}-P"), "company": "crossdock", "order": id, "amount": amount,
        "token": {"method": "card", "value": method}, "several_captures": true,
    })
}

/// An authorised payment of this amount, as the connector answers it.
fn authorised(id: &str, amount: &Value) -> Value {
    let input = authorisation(id, amount, &card(GOOD));
    let answer = stripe().call("authorise", &input).expect("an answer");
    assert_eq!(answer["outcome"], "authorised", "{answer:#}");
    answer["payment"].clone()
}

/// The payment as later operations name it.
fn identity(payment: &Value) -> Value {
    json!({"id": payment["id"], "references": payment["references"]})
}

fn number(payment: &Value) -> &str {
    let references = payment["references"].as_array().expect("references");
    let stripes = references.iter().find(|reference| reference["system"] == "stripe");
    stripes.and_then(|reference| reference["id"].as_str()).expect("Stripe's number")
}

/// The intent of a payment, as localstripe has it.
fn intent(payment: &Value) -> Value {
    localstripe().get(&format!("/v1/payment_intents/{}", number(payment))).json()
}

/// Every intent of localstripe with this payment id: more than one is a second charge.
fn intents_of(payment_id: &str) -> Vec<Value> {
    let all = localstripe().get("/v1/payment_intents?limit=100000").json();
    let all = all["data"].as_array().cloned().expect("a list");
    all.into_iter().filter(|intent| intent["metadata"]["payment_id"] == payment_id).collect()
}

fn capture_of(payment: &Value, amount: &Value, invoice: &str) -> Value {
    json!({"payment": identity(payment), "amount": amount, "last": false, "invoice": invoice})
}

fn captured(payment: &Value, amount: &Value, invoice: &str) -> Value {
    let answer = stripe().call("capture", &capture_of(payment, amount, invoice));
    let answer = answer.expect("an answer");
    assert_eq!(answer["outcome"], "captured", "{answer:#}");
    answer["payment"].clone()
}
