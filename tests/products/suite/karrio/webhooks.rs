//! Webhooks as Karrio's worker posts them to a running crossdock.

use product_suite::{Http, Runtime, wait_for};
use serde_json::{Value, json};

use super::{booked, fresh, happens, karrio, settings, shipment, tms};

const MILESTONES: &str = r#"
[route]
name = "milestones"
owner = "transport"
[from.webhook]
connector = "tms"
operation = "receive-tracking"
path = "/webhooks/karrio"
[[step]]
name = "kept"
set = "message.kind"
"#;

/// Karrio makes the secret when an address is registered, and sends it as it is in `X-Event-Id`.
/// One address that does not answer would have Karrio tell everything to all others once more.
fn registered() -> (String, String) {
    let nobody = json!({"url": "http://127.0.0.1:9/", "enabled_events": ["tracker_updated"], "disabled": true});
    let made = karrio().post("/v1/webhooks", &nobody).json();
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    (text("id"), text("secret"))
}

fn runtime(secret: &str) -> Runtime {
    let file = std::env::temp_dir().join(fresh("karrio-secret"));
    std::fs::write(&file, secret).expect("the secret can be written");
    let webhook = format!(
        "webhook = {{ verify = \"token\", header = \"X-Event-Id\", secret = {{ file = {file:?} }} }}\n"
    );
    let runtime =
        Runtime::start("tms", "karrio", &(webhook + &settings()), &[("milestones", MILESTONES)]);
    std::fs::remove_file(file).expect("the secret is not needed any more");
    runtime
}

/// From now on Karrio tells this runtime.
fn listen(id: &str, runtime: &Runtime) {
    let url = json!({"url": format!("{}/webhooks/karrio", runtime.http), "disabled": false});
    let media = Some("application/json");
    karrio().send("PATCH", &format!("/v1/webhooks/{id}"), &url.to_string(), media).json();
}

fn forget(id: &str) {
    karrio().send("DELETE", &format!("/v1/webhooks/{id}"), "", None).json();
}

/// The exchanges that tell of a shipment; a delivery itself is one without a message of that type.
fn of(runtime: &Runtime, shipment: &str) -> Vec<Value> {
    let mut all = runtime.exchanges("milestones");
    all.retain(|exchange| exchange["message"]["shipment"] == shipment);
    all
}

#[test]
fn what_karrio_posts_is_what_the_poll_tells() {
    let (hook, secret) = registered();
    let runtime = runtime(&secret);
    listen(&hook, &runtime);
    let id = fresh("S");
    let booking = booked(&shipment(&id));
    happens(&booking["tracking_number"], "2026-04-02 11:00", "in_transit", "Departed 出発");
    let told = wait_for("the milestone", || of(&runtime, &id).pop());
    assert_eq!(told["message"]["note"], "Departed 出発");
    // Karrio posts the whole tracker each time: what was told before is known by its id.
    happens(&booking["tracking_number"], "2026-04-03 09:00", "delivered", "Ada took it");
    wait_for("the delivery", || {
        of(&runtime, &id).into_iter().find(|told| told["message"]["kind"] == "delivered")
    });
    let mut ids: Vec<Value> =
        of(&runtime, &id).iter().map(|told| told["message"]["id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    let polled = tms().call("poll-tracking", &json!({"limit": 200})).expect("an answer");
    let items = polled["items"].as_array().expect("items").iter();
    let polled = items.filter(|item| item["value"]["shipment"] == id.as_str());
    let mut polled: Vec<Value> = polled.map(|item| item["id"].clone()).collect();
    polled.sort_by_key(Value::to_string);
    assert_eq!(ids, polled);
    forget(&hook);
}

#[test]
fn who_does_not_know_the_secret_is_turned_away() {
    let (hook, secret) = registered();
    let runtime = runtime(&secret);
    let post = |http: Http| http.post("/webhooks/karrio", &json!({"event": "x", "data": {}}));
    let http = || Http::new(runtime.http.clone());
    assert_eq!(post(http()).status, 401);
    assert_eq!(post(http().with("x-event-id", format!("{secret}x"))).status, 401);
    assert_eq!(post(http().with("x-event-id", secret)).status, 200);
    forget(&hook);
}
