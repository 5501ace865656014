//! A connector that traps, spins, eats memory, calls a host not allowed or answers outside its
//! contract becomes an exception that says so, and hurts no other message.

use serde_json::{Value, json};

use crate::support::depot::Depot;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::{System, say};

const CALLING: &str = r#"
[route]
name = "rogue"
owner = "security"
[from.http]
path = "/rogue"
accept = "acme:hostile/acts.order@1"
[[step]]
name = "act"
call = "rogue.attack-keyed"
with = "message"
timeout = "20s"
retry = "none"
"#;

const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

fn start(depot: &Depot, victim: &System) -> Runtime {
    Setup::with_depot(&depot.system)
        .connector("rogue", "hostile", "cpu_max = \"400ms\"\nmemory_max_bytes = 33554432")
        .upstream("victim", victim, "")
        .route("rogue", CALLING)
        .route("storing", STORE)
        .start()
}

fn order(runtime: &Runtime, what: &str, arg: &str) -> String {
    runtime.post("/rogue", &json!({ "what": what, "arg": arg }).to_string()).exchange()
}

#[test]
fn each_misbehaviour_is_named_and_hurts_no_other_message() {
    let depot = Depot::start();
    let victim = System::start(|_| say(200, "hit"));
    let runtime = start(&depot, &victim);
    let acts = [
        ("trap", "now", "guest-trap"),
        ("exit", "", "guest-trap"),
        ("spin", "", "guest-cpu"),
        ("eat-memory", "", "guest-memory"),
        ("http", "GET http://evil.example/", "host-not-allowed"),
        ("http", "GET http://127.0.0.1:80/", "host-not-allowed"),
        ("http-swallow", "POST http://169.254.169.254/", "host-not-allowed"),
        ("decimal-abc", "", "outside-contract"),
        ("fault", "never", "on-demand"),
    ];
    let mut rogues = Vec::new();
    let mut parcels = Vec::new();
    for (number, (what, arg, class)) in acts.into_iter().enumerate() {
        rogues.push((order(&runtime, what, arg), what, class));
        parcels.push(runtime.parcel("/parcels", &format!("P-{number}a")));
        parcels.push(runtime.parcel("/parcels", &format!("P-{number}b")));
    }
    for id in &parcels {
        assert_eq!(runtime.end_of(id), "done");
    }
    for (id, what, class) in &rogues {
        let exception = runtime.exception(id);
        assert_eq!(exception["class"], *class, "{what}: {exception:#}");
        assert_eq!(exception["owner"], "security");
        assert_eq!(exception["step"], "act");
    }
    let denied = runtime.exception(&rogues[4].0);
    assert!(denied["message"].as_str().unwrap().contains("evil.example"), "{denied:#}");
    let outside = runtime.exception(&rogues[7].0);
    assert!(outside["message"].as_str().unwrap().contains("/amount"), "{outside:#}");
    assert_eq!(depot.effects_total(), parcels.len());
    assert!(victim.asked().is_empty());
    let by_class = runtime.get("/v1/exceptions?class=host-not-allowed");
    assert_eq!(by_class["exceptions"].as_array().unwrap().len(), 3);
    // And the same connector serves the next message as if nothing had been.
    let good = order(&runtime, "http", "POST http://victim/x");
    assert_eq!(runtime.end_of(&good), "done");
    let spoils = runtime.exchange(&good)["outcomes"][0]["outcome"]["answered"]["value"].clone();
    assert!(spoils["text"].as_str().unwrap().starts_with("200"), "{spoils}");
}

#[test]
fn spinning_and_dawdling_calls_leave_room_for_others() {
    let depot = Depot::start();
    let victim = System::start(|_| say(200, "hit"));
    let runtime = start(&depot, &victim);
    let rogues: Vec<String> = (0..6)
        .map(|number| match number % 2 {
            0 => order(&runtime, "spin", ""),
            _ => order(&runtime, "sleep", "15000"),
        })
        .collect();
    let parcels: Vec<String> =
        (0..10).map(|number| runtime.parcel("/parcels", &format!("P-{number}"))).collect();
    for id in &parcels {
        assert_eq!(runtime.end_of(id), "done");
    }
    let sleeping: Vec<Value> =
        rogues.iter().skip(1).step_by(2).map(|id| runtime.exchange(id)).collect();
    assert!(sleeping.iter().all(|found| found["end"].is_null()), "they ended before: {sleeping:?}");
}

#[test]
fn an_effect_before_a_trap_is_in_doubt_and_not_forgotten() {
    let depot = Depot::start();
    let victim = System::start(|_| say(200, "hit"));
    let keyless = CALLING.replace("attack-keyed", "attack");
    let runtime = Setup::new()
        .connector("rogue", "hostile", "")
        .upstream("victim", &victim, "")
        .connector("depot", "depot", "")
        .upstream("depot", &depot.system, "")
        .route("rogue", &keyless)
        .start();
    // Answered requests are told apart from cut ones by the guest alone, and this one cannot say.
    let id = order(&runtime, "http-then-trap", "POST http://victim/x");
    let exception = runtime.exception(&id);
    assert_eq!(exception["class"], "in-doubt", "{exception:#}");
    assert_eq!(exception["code"], "guest-trap", "{exception:#}");
    assert_eq!(victim.asked().len(), 1, "and it is not done again");
    let clean = order(&runtime, "trap", "");
    assert_eq!(runtime.exception(&clean)["class"], "guest-trap", "nothing had left");
}
