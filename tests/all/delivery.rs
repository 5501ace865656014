//! A message in, through a domain that the host has never heard of, and out again: what is accepted
//! is on disk, what is refused left nothing, and a key is one exchange.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::depot::{Depot, Moment};
use crate::support::runtime::parcel;
use crate::support::setup::{PARCEL, Setup};
use crate::support::system::{Gate, say};

const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[keys]
parcel = "message.id"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
[[step]]
name = "no_room"
when = "stored == 'full'"
end = { refused = "no-room" }
"#;

/// `STORE` with more under `[from.http]`.
fn store_with(keys: &str) -> String {
    STORE.replace("[keys]", &format!("{keys}\n[keys]"))
}

#[test]
fn a_message_of_an_unknown_domain_is_carried_to_its_end() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let answer = runtime.post("/parcels", &parcel("P-1"));
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["status"], "accepted");
    let id = answer.exchange();
    assert_eq!(runtime.end_of(&id), "done");
    assert_eq!(depot.effects("/parcels", "P-1"), 1);
    let asked = &depot.system.asked()[0];
    assert_eq!(asked.header("idempotency-key"), Some(format!("{id}/stored/0").as_str()));
    assert_eq!(asked.header("traceparent").map(str::len), Some(55));
    let shown = runtime.exchange(&id);
    assert_eq!(shown["message"]["id"], "P-1");
    assert_eq!(shown["keys"]["parcel"], "P-1");
    let answered = &shown["outcomes"][0]["outcome"]["answered"]["value"];
    assert_eq!(answered["shelved"]["references"][0]["id"], "D-1", "{shown:#}");
}

#[test]
fn the_callers_trace_goes_on_to_the_system() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    for (traceparent, goes_on) in [(parent.as_str(), true), ("00-nonsense", false)] {
        let headers = [("traceparent", traceparent)];
        let id = runtime.send("POST", "/parcels", &headers, &parcel("P-1")).exchange();
        assert_eq!(runtime.end_of(&id), "done");
        let asked = depot.system.asked();
        let sent = asked.last().unwrap().header("traceparent").unwrap().to_owned();
        assert_eq!(sent.contains(TRACE), goes_on, "{sent}");
        assert_ne!(sent, traceparent, "our span, not the caller's");
    }
}

#[test]
fn a_business_no_is_an_end_with_a_name() {
    let depot = Depot::with(|_, moment| (moment == Moment::Before).then(|| say(409, "full")));
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "refused(no-room)");
}

#[test]
fn every_kind_of_value_survives_the_way_there_and_back() {
    let route = r#"
[route]
name = "mirror"
owner = "lab"
[from.http]
path = "/readings"
accept = "acme:telemetry/readings.reading@1"
reply = { step = "same", timeout = "60s" }
[[step]]
name = "same"
call = "sensor.mirror"
with = "message"
"#;
    let runtime = Setup::new().connector("sensor", "echo", "").route("mirror", route).start();
    let leg = json!({ "start": "2026-03-31T08:15:00Z", "took": "PT90M", "stops": ["ä", ""] });
    let reading = json!({
        "id": "\u{1F4E6} \"quoted\"", "sensor_no": 4_294_967_295_u32,
        "at": "2026-03-31T08:15:00Z", "amount": "123456789.000000001",
        "price": { "amount": "-0.10", "currency": "EUR" },
        "quality": "suspect", "alarms": ["low", "battery_low"],
        "position": { "moving": leg }, "raw": "AAEC/w==", "samples": [0.1, -1e300],
        "history": [leg, leg], "small": [-128, 255, -32768, 65535],
        "wide": [-2_147_483_648, "-9223372036854775808", "18446744073709551615", 0.5],
        "grade": "ß", "live": true, "checked": { "err": "no" }, "seen": { "ok": null },
        "note": "n", "currency": "USD", "country": "DE", "uom": "KGM", "day": "2024-02-29",
        "zone": "Europe/Berlin",
    });
    let answer = runtime.post("/readings", &reading.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("crossdock-exchange").is_some(), "{answer:?}");
    let same = answer.json();
    for (name, value) in reading.as_object().unwrap() {
        let normalised = if name == "history" || name == "position" { continue } else { value };
        assert_eq!(&same[name], normalised, "{name}");
    }
    assert_eq!(same["history"][0]["stops"], leg["stops"]);
    assert_eq!(same["position"]["moving"]["start"], leg["start"]);
}

#[test]
fn what_breaks_its_contract_is_refused_with_every_pointer() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let body = json!({ "id": 5, "wieght": "2.5", "weight": "a lot", "references": [{}] });
    let answer = runtime.post("/parcels", &body.to_string());
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:crossdock:problem:contract");
    assert!(problem["detail"].as_str().unwrap().contains(PARCEL), "{problem}");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: BTreeSet<&str> =
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for pointer in ["/id", "/wieght", "/weight", "/company", "/references/0/system"] {
        assert!(pointers.contains(pointer), "{pointer} is missing in {errors:?}");
    }
    let cut = runtime.post("/parcels", "{\"id\": ");
    assert_eq!(cut.status, 422, "{cut:?}");
    assert_eq!(runtime.of_route("storing"), Vec::<Value>::new(), "nothing was accepted");
    assert_eq!(depot.system.asked().len(), 0);
}

#[test]
fn what_has_no_route_method_or_bounds_is_told_so() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system)
        .listen("body_max_bytes = 1000")
        .route("storing", STORE)
        .start();
    let answer = runtime.post("/parcel", &parcel("P-1"));
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["type"], "urn:crossdock:problem:no-route");
    let answer = runtime.send("PUT", "/parcels", &[], &parcel("P-1"));
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let answer = runtime.post("/parcels", &parcel(&"P".repeat(1000)));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().unwrap().contains("1000"));
    assert_eq!(runtime.of_route("storing"), Vec::<Value>::new());
    // The bound is the bound: what fits is taken.
    let room = 1000 - parcel("").len();
    let id = runtime.parcel("/parcels", &"P".repeat(room));
    assert_eq!(runtime.end_of(&id), "done");
}

#[test]
fn a_route_may_take_less_than_its_listener_and_never_more() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system)
        .listen("body_max_bytes = 1000")
        .route("storing", &store_with("body_max_bytes = 500"))
        .route(
            "large",
            &store_with("body_max_bytes = 5000")
                .replace("storing", "large")
                .replace("\"/parcels\"", "\"/large\""),
        )
        .start();
    let size = |bytes: usize| parcel(&"P".repeat(bytes - parcel("").len()));
    assert_eq!(runtime.post("/parcels", &size(500)).status, 202);
    let over = runtime.post("/parcels", &size(501));
    assert_eq!(over.status, 413);
    assert!(over.json()["detail"].as_str().unwrap().contains("500"), "{over:?}");
    assert_eq!(runtime.post("/large", &size(1000)).status, 202);
    assert_eq!(runtime.post("/large", &size(1001)).status, 413);
}

#[test]
fn a_key_is_one_exchange_and_one_message() {
    let depot = Depot::start();
    let route = store_with("key = \"headers['idempotency-key']\"");
    let mut runtime = Setup::with_depot(&depot.system).route("storing", &route).start();
    let send = |runtime: &crate::support::runtime::Runtime, key: &str, id: &str| {
        runtime.send("POST", "/parcels", &[("Idempotency-Key", key)], &parcel(id))
    };
    let first = send(&runtime, "k-1", "P-1").exchange();
    assert_eq!(send(&runtime, "k-1", "P-1").exchange(), first);
    let other = send(&runtime, "k-1", "P-2");
    assert_eq!(other.status, 422);
    assert_eq!(other.json()["type"], "urn:crossdock:problem:key-reused");
    assert_eq!(other.json()["exchange"], first.as_str());
    assert_ne!(send(&runtime, "k-2", "P-1").exchange(), first);
    let none = runtime.post("/parcels", &parcel("P-3"));
    assert_eq!(none.status, 400, "{none:?}");
    assert_eq!(none.json()["type"], "urn:crossdock:problem:key");
    assert_eq!(runtime.end_of(&first), "done");
    runtime.crash();
    assert_eq!(send(&runtime, "k-1", "P-1").exchange(), first, "also after a crash");
    assert_eq!(runtime.of_route("storing").len(), 2);
    runtime.ended("storing", "done", 2);
    assert_eq!(depot.effects_total(), 2);
}

#[test]
fn a_key_sent_by_many_at_once_is_one_exchange() {
    let depot = Depot::start();
    let route = store_with("key = \"headers['idempotency-key']\"");
    let runtime = Setup::with_depot(&depot.system).route("storing", &route).start();
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let send = || {
            let key = [("idempotency-key", "k")];
            runtime.send("POST", "/parcels", &key, &parcel("P-1")).exchange()
        };
        let callers: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1, "{ids:?}");
    runtime.ended("storing", "done", 1);
    assert_eq!(depot.effects("/parcels", "P-1"), 1);
}

#[test]
fn what_was_acknowledged_survives_a_kill_that_follows_at_once() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    for round in 0..3 {
        let ids = ["a", "b", "c"].map(|name| format!("P-{round}{name}"));
        let exchanges: Vec<String> = ids.iter().map(|id| runtime.parcel("/parcels", id)).collect();
        runtime.crash();
        for (exchange, id) in exchanges.iter().zip(&ids) {
            assert_eq!(runtime.end_of(exchange), "done");
            assert_eq!(depot.effects("/parcels", id), 1);
        }
    }
}

#[test]
fn a_caller_may_wait_for_a_step() {
    let gate = Gate::default();
    let held = gate.clone();
    let depot = Depot::with(move |asked, moment| {
        if moment == Moment::Before && asked.body.starts_with("id=full ") {
            return Some(say(409, "full"));
        }
        if moment == Moment::Before && asked.body.starts_with("id=slow ") {
            held.pass();
        }
        None
    });
    let replying = |name: &str, path: &str, timeout: &str| {
        format!(
            "[route]\nname = \"{name}\"\nowner = \"yard\"\n[from.http]\npath = \"{path}\"\naccept = \"{PARCEL}\"\nkey = \"message.id\"\nreply = {{ step = \"shelf\", timeout = \"{timeout}\" }}\n[[step]]\nname = \"stored\"\ncall = \"depot.store\"\nwith = \"message\"\n[[step]]\nname = \"no_room\"\nwhen = \"stored != 'shelved'\"\nend = {{ refused = \"no-room\" }}\n[[step]]\nname = \"shelf\"\nset = \"stored.shelved.references[0].id\"\n"
        )
    };
    let runtime = Setup::with_depot(&depot.system)
        .route("patient", &replying("patient", "/patient", "60s"))
        .route("hasty", &replying("hasty", "/hasty", "100ms"))
        .start();
    let answer = runtime.post("/patient", &parcel("P-1"));
    assert_eq!((answer.status, answer.body.as_str()), (200, "\"D-1\""), "{answer:?}");
    let again = runtime.post("/patient", &parcel("P-1"));
    assert_eq!(
        (again.status, again.body.as_str()),
        (200, "\"D-1\""),
        "the same key, the same answer"
    );
    let refused = runtime.post("/patient", &parcel("full"));
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(refused.json()["end"], "refused(no-room)");
    let slow = runtime.post("/hasty", &parcel("slow"));
    assert_eq!(slow.status, 202, "{slow:?}");
    gate.open();
    assert_eq!(runtime.end_of(&slow.exchange()), "done");
    let later = runtime.post("/hasty", &parcel("slow"));
    assert_eq!((later.status, later.body.as_str()), (200, "\"D-2\""), "it is there by now");
}

#[test]
fn json_without_a_contract_is_typed_where_it_leaves() {
    let depot = Depot::start();
    let route = r#"
[route]
name = "loose"
owner = "yard"
[from.http]
path = "/loose"
accept = "any"
[[step]]
name = "stored"
call = "depot.store"
with = { id = "message.number", company = "'acme'", references = [], weight = "decimal(message.kg)" }
"#;
    let runtime = Setup::with_depot(&depot.system).route("loose", route).start();
    let good = runtime.post("/loose", "{\"number\": \"P-1\", \"kg\": \"7.5\", \"more\": [1]}");
    assert_eq!(runtime.end_of(&good.exchange()), "done");
    assert!(depot.system.asked()[0].body.starts_with("id=P-1 weight=7.5 "));
    let bad = runtime.post("/loose", "{\"number\": 17, \"kg\": \"7.5\"}").exchange();
    let exception = runtime.exception(&bad);
    assert_eq!(exception["class"], "mapping", "{exception:#}");
    assert_eq!(exception["owner"], "yard");
    assert!(exception["message"].as_str().unwrap().contains("loose.toml"), "{exception:#}");
    assert_eq!(depot.system.asked().len(), 1);
}
