//! The other ways in: events, polls, webhooks and schedules. Each item is one exchange, however
//! often it is told and whatever is killed in between.

use std::collections::BTreeSet;

use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::support::depot::{COUNT, Depot};
use crate::support::http::Answer;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::{wait_for, wait_until};

const ANNOUNCE: &str = r#"
[route]
name = "announcing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[keys]
parcel = "message.id"
[[step]]
name = "told"
publish = "acme:depot/parcels.parcel@1"
with = "message"
"#;

/// A route that subscribes and stores under an id of its own.
fn subscriber(name: &str) -> String {
    format!(
        r#"
[route]
name = "{name}"
owner = "yard"
[from.event]
topic = "acme:depot/parcels.parcel@1"
[[step]]
name = "stored"
call = "depot.store"
[step.with]
id = "message.id + '-{name}'"
company = "message.company"
references = "message.references"
weight = "message.weight"
"#
    )
}

#[test]
fn an_event_is_an_exchange_for_every_subscriber_once() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system)
        .route("announcing", ANNOUNCE)
        .route("east", &subscriber("east"))
        .route("west", &subscriber("west"))
        .start();
    let id = runtime.parcel("/parcels", "P-1");
    // Wherever this falls, publication and subscribers' exchanges are one commit.
    runtime.crash();
    assert_eq!(runtime.end_of(&id), "done");
    runtime.ended("east", "done", 1);
    runtime.ended("west", "done", 1);
    for name in ["east", "west"] {
        assert_eq!(depot.effects("/parcels", &format!("P-1-{name}")), 1);
        let found = runtime.of_route(name);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["parent"], id.as_str());
        assert_eq!(found[0]["source"], "event:acme:depot/parcels.parcel@1");
    }
}

#[test]
fn a_poll_takes_each_item_once_over_a_crash() {
    let depot = Depot::start();
    let route = r#"
[route]
name = "arrivals"
owner = "yard"
[from.poll]
connector = "depot"
operation = "list-arrivals"
every = "100ms"
limit = 50
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;
    let mut runtime = Setup::with_depot(&depot.system).route("arrivals", route).start();
    depot.arrive(&["A-1", "A-2", "A-3"]);
    runtime.ended("arrivals", "done", 3);
    depot.arrive(&["A-4", "A-5"]);
    runtime.crash();
    runtime.ended("arrivals", "done", 5);
    depot.arrive(&["A-6"]);
    runtime.ended("arrivals", "done", 6);
    for id in ["A-1", "A-2", "A-3", "A-4", "A-5", "A-6"] {
        assert_eq!(depot.effects("/parcels", id), 1, "{id}");
    }
    assert_eq!(runtime.of_route("arrivals").len(), 6);
    // Each question goes on where the last answer ended.
    for asked in ["/arrivals?after=0&limit=50", "/arrivals?after=3&limit=50"] {
        assert!(depot.system.count("GET", asked) > 0, "{asked}");
    }
    wait_until("question after the last item", || {
        depot.system.count("GET", "/arrivals?after=6&limit=50") > 0
    });
}

const NOTICES: &str = r#"
[route]
name = "notices"
owner = "yard"
[from.webhook]
connector = "depot"
operation = "take-notice"
path = "/webhooks/depot"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;
const KEY: &str = "whsec-of-the-notices";

fn notify(runtime: &Runtime, body: &str, signed_by: &str) -> Answer {
    let mut mac = Hmac::<Sha256>::new_from_slice(signed_by.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    runtime.send("POST", "/webhooks/depot", &[("X-Depot-Signature", &signature)], body)
}

fn with_notices(depot: &Depot) -> Setup {
    let webhook = "webhook = { verify = \"hmac-sha256\", header = \"x-depot-signature\", secret = { env = \"NOTICES\" } }";
    Setup::new()
        .connector("depot", "depot", webhook)
        .upstream("depot", &depot.system, "")
        .route("notices", NOTICES)
        .env("NOTICES", KEY)
}

#[test]
fn a_signed_webhook_is_an_exchange_for_each_item_once() {
    let depot = Depot::start();
    let mut runtime = with_notices(&depot).start();
    let answer = notify(&runtime, "N-1\nN-2", KEY);
    assert_eq!((answer.status, &answer.json()), (200, &json!({ "status": "accepted" })));
    runtime.crash();
    // The same delivery, and another that repeats an item.
    assert_eq!(notify(&runtime, "N-1\nN-2", KEY).status, 200);
    assert_eq!(notify(&runtime, "N-2\nN-3", KEY).status, 200);
    wait_until("effect of every item", || {
        ["N-1", "N-2", "N-3"].iter().all(|id| depot.effects("/parcels", id) > 0)
    });
    // Three items and two deliveries, the third known by its body.
    runtime.ended("notices", "done", 5);
    assert_eq!(runtime.of_route("notices").len(), 5);
    assert_eq!(depot.effects_total(), 3);
}

#[test]
fn an_unsigned_or_forged_webhook_reaches_nobody() {
    let depot = Depot::start();
    let runtime = with_notices(&depot).start();
    let unsigned = runtime.post("/webhooks/depot", "N-1");
    let forged = notify(&runtime, "N-1", "another key");
    for answer in [unsigned, forged] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["type"], "urn:crossdock:problem:signature");
    }
    assert!(runtime.of_route("notices").is_empty());
    assert!(runtime.log().contains("a webhook was turned away"), "the operator is told why");
}

#[test]
fn a_webhook_that_cannot_be_translated_stands_before_its_owner() {
    let depot = Depot::start();
    let runtime = with_notices(&depot).start();
    assert_eq!(notify(&runtime, "nonsense", KEY).status, 200, "it is on disk, and ours by now");
    let exception = wait_for("exception", || {
        runtime.get("/v1/exceptions")["exceptions"].as_array()?.first().cloned()
    });
    assert_eq!(exception["code"], "not-a-notice", "{exception:#}");
    assert_eq!(exception["owner"], "yard");
    assert_eq!(exception["step"], "source");
}

#[test]
fn a_schedule_fires_once_a_time_over_a_crash() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("count", COUNT).start();
    let before = runtime.of_route("count").len();
    assert_eq!(before, 0, "it begins with the next minute");
    runtime.ended("count", "done", 1);
    runtime.crash();
    let bodies: Vec<String> = depot.system.asked().into_iter().map(|asked| asked.body).collect();
    assert!(bodies[0].contains(":00Z "), "{bodies:?}");
    let found = runtime.of_route("count").len();
    // A minute may have turned in the meantime; none may have come twice.
    assert!((1..=2).contains(&found), "{found}");
    assert_eq!(
        depot.effects_total(),
        depot.system.asked().iter().map(|a| &a.body).collect::<BTreeSet<_>>().len()
    );
}
