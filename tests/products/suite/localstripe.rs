//! Stripe's connector against localstripe.

use product_suite::{Connector, Http, told};
use serde_json::json;

fn stripe() -> Connector {
    let url = told("LOCALSTRIPE_URL");
    let settings = format!(
        r#"
        config = {{ company = "crossdock" }}
        [upstreams.stripe]
        base_url = {url:?}
        auth = {{ kind = "bearer", token = {{ env = "LOCALSTRIPE_KEY" }} }}
        "#
    );
    Connector::new("payment", "stripe", &settings)
}

fn localstripe() -> Http {
    Http::new(told("LOCALSTRIPE_URL"))
        .with("authorization", format!("Bearer {}", told("LOCALSTRIPE_KEY")))
}

#[test]
fn a_payment_that_is_not_there_is_an_answer() {
    let input = json!({"payment": {"id": "P-404", "references": []}, "company": "crossdock"});
    let found = stripe().call("get-payment", &input).expect("an answer");
    assert_eq!(found, json!("unknown"), "{found:#}");
    assert_eq!(localstripe().get("/v1/payment_intents").json()["data"], json!([]));
}
