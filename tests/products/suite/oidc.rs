//! Tokens of oidc-provider under load: the host gets them, renews them once for all messages, and no
//! connector sees one. AvaTax's connector speaks to a resource that takes nothing without a token.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use product_suite::{Http, Runtime, told, wait_for};
use serde_json::{Value, json};

const ROUTE: &str = r#"
[route]
name = "recording"
owner = "tax"
[from.http]
path = "/documents"
accept = "crossdock:canonical/tax.taxable-document@1"
[[step]]
name = "recorded"
call = "tax.record-tax"
with = { document = "message" }
"#;

/// One provider serves all tests, and counts.
static ALONE: Mutex<()> = Mutex::new(());

fn start(secret_from: &str) -> Runtime {
    let settings = format!(
        r#"
        config = {{ companies = {{ acme = "ACME" }} }}
        [upstreams.avatax]
        base_url = "{}"
        auth = {{ kind = "oauth2-client-credentials", token_url = "{}/token", client_id = "{}", client_secret = {{ env = "{secret_from}" }} }}
        "#,
        told("OIDC_RESOURCE_URL"),
        told("OIDC_URL"),
        told("OIDC_CLIENT"),
    );
    Runtime::start("tax", "avatax", &settings, &[("recording", ROUTE)])
}

fn control(action: &str) -> Value {
    Http::new(told("OIDC_RESOURCE_URL")).post(&format!("/control{action}"), &json!({})).json()
}

fn count(state: &Value, name: &str) -> u64 {
    state[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {state:#}"))
}

fn document(id: &str) -> Value {
    let address = json!({"lines": ["1 Pier"], "city": "New York", "region": "NY", "postal_code": "10004", "country": "US"});
    json!({
        "id": id, "company": "acme", "references": [], "customer": "C-1001",
        "issued_on": "2026-04-02", "currency": "USD", "rounding": "line",
        "lines": [{"id": "1", "amount": {"amount": "10.00", "currency": "USD"}, "ship_to": address}],
    })
}

/// Many at once.
fn post(runtime: &Runtime, prefix: &str, count: usize) {
    std::thread::scope(|scope| {
        for part in 0..8 {
            scope.spawn(move || {
                let http = Http::new(&runtime.http);
                for number in (part..count).step_by(8) {
                    let answer = http.post("/documents", &document(&format!("{prefix}-{number}")));
                    assert_eq!(answer.status, 202, "{}", answer.body);
                }
            });
        }
    });
}

fn wait_for_ends(runtime: &Runtime, state: &str, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} exchanges {state}"), || {
        let found = runtime.get("/v1/exchanges?route=recording&limit=1000");
        let found = found["exchanges"].as_array().expect("a list");
        (found.iter().filter(|row| row["state"] == state).count() == count).then_some(())
    });
    runtime.exchanges("recording")
}

/// Each document of this test was taken once.
fn each_once(state: &Value, prefix: &str, expected: usize) {
    let taken = state["taken"].as_object().expect("a table");
    let of_this = || taken.iter().filter(|(code, _)| code.starts_with(&format!("{prefix}-")));
    assert_eq!(of_this().count(), expected);
    assert!(of_this().all(|(_, times)| *times == 1), "{taken:?}");
}

#[test]
fn tokens_that_run_out_or_are_revoked_are_renewed_once_and_seen_by_nobody() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let lifetime = Duration::from_secs(told("OIDC_LIFETIME_S").parse().expect("seconds"));
    let (runtime, before) = (start("OIDC_SECRET"), control(""));
    let begun = Instant::now();
    post(&runtime, "E1", 64);
    wait_for_ends(&runtime, "ended", 64);
    control("/revoke");
    post(&runtime, "E2", 64);
    wait_for_ends(&runtime, "ended", 128);
    // The provider finds none of them active any more.
    std::thread::sleep(lifetime + Duration::from_secs(1));
    post(&runtime, "E3", 64);
    let exchanges = wait_for_ends(&runtime, "ended", 192);
    let (after, took) = (control(""), begun.elapsed());

    (1..=3).for_each(|burst| each_once(&after, &format!("E{burst}"), 64));
    let issued = count(&after, "issued") - count(&before, "issued");
    // A token is used for half its life; one more was revoked.
    let allowed = 2 + (took.as_secs_f64() / (lifetime / 2).as_secs_f64()) as u64;
    assert!((3..=allowed).contains(&issued), "{issued} tokens in {took:?}, at most {allowed}");
    let refused = count(&after, "refused") - count(&before, "refused");
    assert!(refused > 0, "the revoked token was noticed");
    println!("192 documents, {issued} tokens and {refused} refusals in {took:?}");
    let tokens: Vec<&str> =
        after["tokens"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(tokens.len() >= 3);
    for exchange in exchanges {
        let text = exchange.to_string();
        // The resource answers with the header that it was sent.
        assert!(text.contains("Bearer ***"), "{text}");
        assert!(tokens.iter().all(|token| !text.contains(token)), "{text}");
        assert!(!text.contains("refresh-auth"), "the connector noticed: {text}");
    }
}

#[test]
fn a_refused_client_is_told_to_the_admin_and_not_tried_by_each_message() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // The client's name is not its secret.
    let (runtime, before) = (start("OIDC_CLIENT"), control(""));
    let begun = Instant::now();
    post(&runtime, "R", 40);
    wait_for_ends(&runtime, "excepted", 40);
    let refused = count(&control(""), "refused_clients") - count(&before, "refused_clients");
    let allowed = 1 + begun.elapsed().as_secs() / 5;
    assert!((1..=allowed).contains(&refused), "{refused} logins, at most {allowed}");
    let exceptions = runtime.get("/v1/exceptions").to_string();
    for words in ["upstream-credentials", "invalid_client: client authentication failed"] {
        assert!(exceptions.contains(words), "{words} is missing in {exceptions}");
    }
}

#[test]
fn messages_wait_while_the_provider_is_down_and_go_on() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = start("OIDC_SECRET");
    control("/down");
    post(&runtime, "D", 40);
    std::thread::sleep(Duration::from_secs(3));
    let meanwhile = runtime.get("/v1/exchanges?route=recording&limit=1000").to_string();
    control("/up");
    assert!(!meanwhile.contains("\"ended\""), "{meanwhile}");
    wait_for_ends(&runtime, "ended", 40);
    each_once(&control(""), "D", 40);
}
