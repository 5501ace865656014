//! Sources as an admin sees them: when each was last heard of, which are late, and which rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::depot::{Depot, Moment};
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::say;
use crate::support::wait_until;

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

const ARRIVALS: &str = r#"
[route]
name = "arrivals"
owner = "yard"
[from.poll]
connector = "depot"
operation = "list-arrivals"
every = "100ms"
late_after = "1s"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

const NIGHTLY: &str = r#"
[route]
name = "nightly"
owner = "yard"
[from.schedule]
cron = "0 3 1 1 *"
[[step]]
name = "over"
end = "done"
"#;

fn source(runtime: &Runtime, route: &str) -> Value {
    let found = runtime.get("/v1/sources");
    let sources = found["sources"].as_array().unwrap();
    sources.iter().find(|source| source["route"] == route).unwrap().clone()
}

fn lag_measured(runtime: &Runtime, route: &str) -> Option<u64> {
    let metrics = runtime.ask("/metrics").body;
    let name = format!("crossdock_source_lag_seconds{{route=\"{route}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
}

#[test]
fn sources_say_when_they_were_heard_of_and_which_are_late() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    let depot = Depot::with(move |asked, moment| {
        let asked = moment == Moment::Before && asked.path.starts_with("/arrivals");
        (asked && state.load(Ordering::Relaxed)).then(|| say(503, "not now"))
    });
    // The route's own `late_after` holds, not that of the environment.
    let mut runtime = Setup::with_depot(&depot.system)
        .tables("[work]\nlate_after = \"2h\"")
        .route("storing", STORE)
        .route("arrivals", ARRIVALS)
        .route(
            "patient",
            &ARRIVALS.replace("\"arrivals\"", "\"patient\"").replace("late_after = \"1s\"\n", ""),
        )
        .route("nightly", NIGHTLY)
        .start();
    wait_until("a late source", || source(&runtime, "arrivals")["late"] == true);
    wait_until("its lag in the metrics", || lag_measured(&runtime, "arrivals") >= Some(1));
    let late = source(&runtime, "arrivals");
    assert_eq!(late["last_success"], Value::Null, "{late:#}");
    assert_eq!(late["late_after_s"], 1.0, "{late:#}");
    let patient = source(&runtime, "patient");
    assert_eq!((&patient["late"], &patient["late_after_s"]), (&false.into(), &7200.0.into()));
    let said = runtime.cli(&["sources"]).out;
    let line = said.lines().find(|line| line.starts_with("arrivals  ")).unwrap();
    assert!(line.contains("no message yet") && line.ends_with("LATE"), "{line}");
    depot.arrive(&["A-1"]);
    broken.store(false, Ordering::Relaxed);
    runtime.ended("arrivals", "done", 1);
    wait_until("a source that is well", || source(&runtime, "arrivals")["late"] == false);
    let well = source(&runtime, "arrivals");
    assert!(well["last_success"].is_string() && well["last_message"].is_string(), "{well:#}");
    // Who sends by himself has no lag; a schedule none before its time.
    assert_eq!(source(&runtime, "storing")["last_message"], Value::Null);
    runtime.end_of(&runtime.parcel("/parcels", "P-1"));
    let before = source(&runtime, "storing");
    assert!(before["last_message"].is_string(), "{before:#}");
    assert_eq!((&before["lag_s"], &before["late"]), (&Value::Null, &Value::Null));
    assert_eq!(lag_measured(&runtime, "storing"), None);
    let nightly = source(&runtime, "nightly");
    assert_eq!(nightly["lag_s"], 0, "{nightly:#}");
    assert!(nightly["next"].as_str().unwrap().ends_with("-01-01T03:00:00Z"), "{nightly:#}");
    runtime.crash();
    assert!(source(&runtime, "storing")["last_message"].is_string(), "the journal knows it");
    let json: Value = serde_json::from_str(&runtime.cli(&["sources", "--json"]).out).unwrap();
    assert_eq!(json["sources"].as_array().unwrap().len(), 4, "{json:#}");
}

#[test]
fn a_paused_poll_asks_nothing_and_misses_nothing() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("arrivals", ARRIVALS).start();
    depot.arrive(&["A-1"]);
    runtime.ended("arrivals", "done", 1);
    let pause = ["pause", "route", "arrivals", "--why", "stocktaking"];
    assert_eq!(runtime.cli(&pause).code, Some(0));
    // One question may have been under way.
    std::thread::sleep(Duration::from_millis(300));
    let asked = || depot.system.count("GET", "/arrivals");
    let before = asked();
    depot.arrive(&["A-2", "A-3"]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(asked(), before);
    assert_eq!(source(&runtime, "arrivals")["paused"], true);
    runtime.crash();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(asked(), before, "over a restart, too");
    let resume = ["resume", "route", "arrivals", "--why", "counted"];
    assert_eq!(runtime.cli(&resume).code, Some(0));
    runtime.ended("arrivals", "done", 3);
    assert_eq!(depot.effects_total(), 3);
}

#[test]
fn a_maintenance_window_holds_calls_and_may_be_ended_early() {
    let depot = Depot::start();
    // Open at any time: it begins each day and lasts longer.
    let window = "[maintenance.shelves]\nconnectors = [\"depot\"]\ncron = \"0 0 * * *\"\nlasts = \"25h\"\nwhy = \"new shelves\"";
    let mut runtime =
        Setup::with_depot(&depot.system).tables(window).route("storing", STORE).start();
    let id = runtime.parcel("/parcels", "P-1");
    let waiting = runtime.in_state(&id, "waiting");
    assert!(waiting["why"].as_str().unwrap().contains("new shelves"), "{waiting:#}");
    let said = runtime.cli(&["pauses"]).out;
    assert!(said.contains("connector depot") && said.contains("maintenance `shelves`"), "{said}");
    assert_eq!(depot.effects_total(), 0);
    // A person may end it early; what waits goes on at once.
    let resume = ["resume", "connector", "depot", "--why", "done early"];
    assert_eq!(runtime.cli(&resume).code, Some(0));
    assert_eq!(runtime.end_of(&id), "done");
    // Ended early it stays ended: the same window does not open again at a restart.
    runtime.crash();
    assert_eq!(runtime.end_of(&runtime.parcel("/parcels", "P-2")), "done");
    assert_eq!(depot.effects_total(), 2);
}
