//! Stripe's keys and refused cards on stripe-stateful-mock. It has no payment intents: the client of
//! Stripe's connector is tried on charges, by the connector in stripe-stateful-mock/charges.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use product_suite::{Connector, Http, Runtime, told, wait_for};
use serde_json::{Value, json};

const RETRIES: &str = "[retries.short]\nattempts = 3\nbackoff = \"100ms\"\n";
const ROUTE: &str = r#"
[route]
name = "charges"
owner = "cash-desk"
[from.http]
method = "POST"
path = "/charges"
accept = "acme:charges/charges.charge@1"
reply = { status = 202 }
[[step]]
name = "taken"
call = "charges.take"
with = "message"
retry = "short"
"#;

fn settings() -> String {
    format!(
        r#"
        [upstreams.stripe]
        base_url = {:?}
        auth = {{ kind = "bearer", token = {{ env = "STRIPE_MOCK_KEY" }} }}
        "#,
        told("STRIPE_MOCK_URL")
    )
}

fn charges() -> Connector {
    build();
    Connector::new("charges", "charges", &settings())
}

/// The connector of these tests, beside those of the repository.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = tests.join("../../target");
        let manifest = tests.join("stripe-stateful-mock/charges/Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2"])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the connector can be built");
        let component = target.join("wasm32-wasip2/release/charges.wasm");
        std::fs::copy(component, target.join("connectors/charges.wasm")).expect("it was built");
    });
}

fn mock() -> Http {
    Http::new(told("STRIPE_MOCK_URL"))
        .with("authorization", format!("Bearer {}", told("STRIPE_MOCK_KEY")))
}

/// Makes the amount, the key or the token of a test its own.
fn number() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_nanos()
}

/// An amount that no other charge has.
fn amount() -> u64 {
    u64::try_from(1000 + number() % 90_000_000).expect("it is small")
}

/// The charges of this amount that the mock has, refused ones too.
fn charged(amount: u64) -> Vec<Value> {
    let all = mock().get("/v1/charges").json();
    let all = all["data"].as_array().cloned().expect("a list");
    all.into_iter().filter(|charge| charge["amount"] == amount).collect()
}

#[test]
fn a_repeated_key_is_one_charge_and_another_body_under_it_is_refused() {
    let (amount, key) = (amount(), format!("0X/taken/{}", number()));
    let input = json!({"amount": amount, "source": "tok_visa"});
    let first = charges().call_keyed("take", &input, &key).expect("an answer");
    let again = charges().call_keyed("take", &input, &key).expect("an answer");
    assert_eq!(first, again);
    assert_eq!(charged(amount).len(), 1);
    assert_eq!(first["yes"], charged(amount)[0]["id"]);

    let other = json!({"amount": amount + 1, "source": "tok_visa"});
    let fault = charges().call_keyed("take", &other, &key).expect_err("another body");
    assert_eq!((fault.code.as_str(), fault.retry.as_str()), ("idempotency-error", "never"));
    assert_eq!(charged(amount + 1), Vec::<Value>::new());
    // Under a key of its own the same body is another charge.
    charges().call("take", &input).expect("an answer");
    assert_eq!(charged(amount).len(), 2);
}

#[test]
fn a_refused_card_is_an_answer_with_its_reason_however_often_it_is_asked() {
    let check = |token: &str, why: &str| {
        let (amount, key) = (amount(), format!("0X/refused/{}", number()));
        let input = json!({"amount": amount, "source": token});
        let first = charges().call_keyed("take", &input, &key).expect("an answer");
        assert_eq!(first["declined"], why, "{token}: {first}");
        assert_eq!(charges().call_keyed("take", &input, &key).expect("an answer"), first);
        let tried = charged(amount);
        assert_eq!((tried.len(), &tried[0]["status"]), (1, &json!("failed")), "{token}");
    };
    check("tok_chargeDeclined", "generic_decline");
    check("tok_chargeDeclinedInsufficientFunds", "insufficient_funds");
    check("tok_chargeDeclinedFraudulent", "fraudulent");
    check("tok_chargeDeclinedIncorrectCvc", "incorrect_cvc");
    check("tok_chargeDeclinedExpiredCard", "expired_card");
    check("tok_chargeDeclinedProcessingError", "processing_error");
}

#[test]
fn throttled_is_no_effect_and_a_server_error_is_in_doubt() {
    let check = |token: &str, code: &str, retry: &str, status: u64| {
        let input = json!({"amount": amount(), "source": token});
        let fault = charges().call("take", &input).expect_err("no answer");
        let told = (fault.code.as_str(), fault.retry.as_str(), fault.status);
        assert_eq!(told, (code, retry, Some(status)), "{fault:?}");
    };
    check("tok_429", "throttled", "later", 429);
    check("tok_500", "server-error", "outcome-unknown", 500);
}

fn started() -> Runtime {
    build();
    let settings = format!("{}{RETRIES}", settings());
    Runtime::start("charges", "charges", &settings, &[("charges", ROUTE)])
}

/// Sends a charge through the route, and waits until its exchange is in this state.
fn sent(runtime: &Runtime, amount: u64, source: &str, state: &str) -> Value {
    let input = json!({"amount": amount, "source": source});
    let accepted = Http::new(runtime.http.clone()).post("/charges", &input);
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let of = |exchange: &Value| exchange["message"]["amount"] == amount;
    wait_for("the exchange", || {
        runtime.exchanges("charges").into_iter().find(|e| of(e) && e["state"] == state)
    })
}

#[test]
fn a_throttled_charge_is_repeated_under_its_key() {
    let (runtime, amount) = (started(), amount());
    let chain = format!("tok_429|tok_429|tok_visa|{amount}");
    let exchange = sent(&runtime, amount, &chain, "ended");
    assert_eq!(exchange["end"], "done", "{exchange:#}");
    assert_eq!(charged(amount).len(), 1);
}

/// Stripe keeps a 500 under the key as it keeps an answer: repeating it helps nobody, and whether it
/// took effect is not for the runtime to guess.
#[test]
fn a_server_error_stays_under_its_key_until_a_person_decides() {
    let (runtime, amount) = (started(), amount());
    let chain = format!("tok_500|tok_visa|{amount}");
    let exchange = sent(&runtime, amount, &chain, "excepted");
    let exception =
        &exchange["outcomes"].as_array().and_then(|all| all.last()).expect("an outcome")["outcome"]
            ["excepted"];
    let told = (&exception["class"], &exception["code"]);
    assert_eq!(told, (&json!("in-doubt"), &json!("error-kept")), "{exchange:#}");
    // The chain would have charged a second request with a key of its own.
    assert_eq!(charged(amount), Vec::<Value>::new());
}

/// A path that is not there is no payment that is not there.
#[test]
fn a_server_without_payment_intents_knows_nothing_of_a_payment() {
    let settings = format!("config = {{ company = \"crossdock\" }}{}", settings());
    let stripe = Connector::new("payment", "stripe", &settings);
    let reference = json!({"system": "stripe", "object": "payment", "id": "pi_1"});
    let payment = json!({"id": "P-1", "references": [reference]});
    let check = |operation: &str, input: Value| {
        let fault = stripe.call(operation, &input).expect_err("no such path");
        let told = (fault.code.as_str(), fault.retry.as_str(), fault.status);
        assert_eq!(told, ("invalid-request-error", "never", Some(404)), "{operation}: {fault:?}");
    };
    let amount = json!({"amount": "1", "currency": "USD"});
    check("get-payment", json!({"payment": payment, "company": "crossdock"}));
    check("void-authorisation", json!({"payment": payment}));
    check("capture", json!({"payment": payment, "amount": amount, "last": true}));
    check("probe-refund", json!({"payment": payment, "amount": amount, "id": "R-1"}));
}

/// What the connector's table of statuses stands on is what the mock says today.
#[test]
fn the_recorded_bodies_are_those_of_the_mock() {
    let form = "application/x-www-form-urlencoded";
    let post = |http: &Http, path: &str, body: &str| http.send("POST", path, body, Some(form));
    let charge = |more: &str| {
        post(&mock(), "/v1/charges", &format!("amount=500&currency=usd&source={more}"))
    };
    let keyed = || mock().with("idempotency-key", "0X/pay/0");
    post(&keyed(), "/v1/charges", "amount=500&currency=usd&source=tok_visa");
    let taken = charge("tok_visa").json();
    let whole = format!("charge={}", taken["id"].as_str().expect("an id"));
    post(&mock(), "/v1/refunds", &whole).json();
    let stranger = Http::new(told("STRIPE_MOCK_URL")).with("authorization", "Bearer pk_nobody");
    let answers = BTreeMap::from([
        ("400-parameter-missing", post(&mock(), "/v1/charges", "currency=usd&source=tok_visa")),
        ("400-idempotency-error", post(&keyed(), "/v1/charges", "amount=600&currency=usd")),
        ("400-already-refunded", post(&mock(), "/v1/refunds", &whole)),
        ("401", stranger.get("/v1/charges/ch_1")),
        ("402-insufficient-funds", charge("tok_chargeDeclinedInsufficientFunds")),
        ("404-resource-missing", mock().get("/v1/charges/ch_none")),
        ("404-path", mock().get("/v1/payment_intents/pi_none")),
        ("429-rate-limit", charge("tok_429")),
        ("500", charge("tok_500")),
    ]);
    for (name, answer) in answers {
        super::recorded::check(&format!("mock-{name}"), &answer);
    }
}
