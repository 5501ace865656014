//! SIGKILL wherever it hurts: calls are repeated under their key with the same body, what cannot be
//! repeated is asked for or put before a person, and timers, tasks and versions are as they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::built::guest;
use crate::support::depot::{Depot, Moment};
use crate::support::setup::Setup;
use crate::support::system::{Asked, Gate, Say};
use crate::support::wait_until;

/// A route that makes one call.
fn calling(operation: &str) -> String {
    format!(
        r#"
[route]
name = "calling"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[[step]]
name = "called"
call = "depot.{operation}"
with = "message"
"#
    )
}

/// Holds the first request that changes something, before or after its effect, until the gate opens.
fn hold_first(
    gate: &Gate,
    at: Moment,
) -> impl Fn(&Asked, Moment) -> Option<Say> + Send + Sync + 'static {
    let (gate, posts) = (gate.clone(), AtomicUsize::new(0));
    move |asked, moment| {
        if moment == at && asked.method == "POST" && posts.fetch_add(1, Ordering::Relaxed) == 0 {
            gate.pass();
            // Whoever asked is dead; without an answer there was no effect yet.
            return Some(Say::Cut);
        }
        None
    }
}

fn kinds(exchange: &Value) -> Vec<String> {
    let outcomes = exchange["outcomes"].as_array().unwrap();
    outcomes
        .iter()
        .map(|outcome| match &outcome["outcome"] {
            Value::Object(kind) => kind.keys().next().unwrap().clone(),
            word => word.as_str().unwrap().to_owned(),
        })
        .collect()
}

#[test]
fn a_call_cut_by_a_kill_is_repeated_with_the_same_key_and_body() {
    for at in [Moment::Before, Moment::After] {
        let gate = Gate::default();
        let depot = Depot::with(hold_first(&gate, at));
        let mut runtime =
            Setup::with_depot(&depot.system).route("calling", &calling("store")).start();
        let id = runtime.parcel("/parcels", "P-1");
        wait_until("request at the depot", || depot.system.asked().len() == 1);
        runtime.crash();
        assert_eq!(runtime.end_of(&id), "done");
        gate.open();
        let asked = depot.system.asked();
        assert_eq!(asked.len(), 2, "{at:?}: once before the kill and once after");
        assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
        assert_eq!(asked[0].header("traceparent"), asked[1].header("traceparent"));
        assert_eq!(asked[0].body, asked[1].body, "time and luck come from the journal");
        assert_eq!(depot.effects("/parcels", "P-1"), 1);
        let ends = kinds(&runtime.exchange(&id));
        assert_eq!(ends.iter().filter(|kind| *kind == "ended").count(), 1, "{ends:?}");
    }
}

#[test]
fn a_call_with_neither_key_nor_probe_is_put_before_a_person() {
    let gate = Gate::default();
    let depot = Depot::with(hold_first(&gate, Moment::After));
    let mut runtime =
        Setup::with_depot(&depot.system).route("calling", &calling("drop-off")).start();
    let id = runtime.parcel("/parcels", "P-1");
    wait_until("request at the depot", || depot.system.asked().len() == 1);
    runtime.crash();
    let exception = runtime.exception(&id);
    assert_eq!(exception["class"], "in-doubt", "{exception:#}");
    assert_eq!(kinds(&exception["document"]), ["intent", "excepted"]);
    assert_eq!(depot.system.asked().len(), 1, "it is not repeated");
    gate.open();
    // A person looked: it is not there after all.
    let answer = runtime
        .decide(&format!("/v1/exceptions/{id}/retry"), &json!({ "by": "ada", "why": "looked" }));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(runtime.end_of(&id), "done");
    assert_eq!(depot.system.asked().len(), 2);
}

#[test]
fn a_probe_tells_whether_a_cut_call_took_effect() {
    for (at, posts) in [(Moment::Before, 2), (Moment::After, 1)] {
        let gate = Gate::default();
        let depot = Depot::with(hold_first(&gate, at));
        let mut runtime =
            Setup::with_depot(&depot.system).route("calling", &calling("ship-out")).start();
        let id = runtime.parcel("/parcels", "P-1");
        wait_until("request at the depot", || depot.system.count("POST", "/outs") == 1);
        runtime.crash();
        assert_eq!(runtime.end_of(&id), "done");
        gate.open();
        assert_eq!(depot.system.count("POST", "/outs"), posts, "{at:?}");
        assert_eq!(depot.system.count("GET", "/outs/P-1"), 1, "{at:?}");
        assert_eq!(depot.effects("/outs", "P-1"), 1);
        let shown = runtime.exchange(&id);
        assert_eq!(kinds(&shown)[0], "in_doubt", "{shown:#}");
    }
}

#[test]
fn many_exchanges_in_flight_each_end_once() {
    const COUNT: usize = 60;
    let depot = Depot::with(|_, moment| {
        // Every answer takes a while, so that a kill finds many calls under way.
        if moment == Moment::After {
            std::thread::sleep(Duration::from_millis(60));
        }
        None
    });
    let first = r#"
[route]
name = "first"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[[step]]
name = "weight"
call = "depot.weigh"
with = { id = "message.id" }
[[step]]
name = "stored"
call = "depot.store"
with = { id = "message.id", company = "message.company", references = [], weight = "weight.weight" }
[[step]]
name = "told"
publish = "acme:depot/parcels.parcel@1"
with = "message"
"#;
    let second = r#"
[route]
name = "second"
owner = "yard"
[from.event]
topic = "acme:depot/parcels.parcel@1"
[[step]]
name = "out"
call = "depot.ship-out"
with = "message"
[[step]]
name = "stored"
call = "depot.store"
with = { id = "message.id + '-second'", company = "message.company", references = [], weight = "1" }
"#;
    let mut runtime = Setup::with_depot(&depot.system)
        .tables("[work]\nconcurrency = 16")
        .route("first", first)
        .route("second", second)
        .start();
    for number in 0..COUNT {
        runtime.parcel("/parcels", &format!("P-{number}"));
    }
    for killed_at in [COUNT / 2, COUNT, 2 * COUNT] {
        wait_until("progress", || depot.effects_total() >= killed_at);
        runtime.crash();
    }
    runtime.ended("first", "done", COUNT);
    runtime.ended("second", "done", COUNT);
    assert_eq!(runtime.of_route("first").len(), COUNT);
    assert_eq!(runtime.of_route("second").len(), COUNT, "each was published once");
    for number in 0..COUNT {
        assert_eq!(depot.effects("/parcels", &format!("P-{number}")), 1, "P-{number}");
        assert_eq!(depot.effects("/parcels", &format!("P-{number}-second")), 1, "P-{number}");
        assert_eq!(depot.effects("/outs", &format!("P-{number}")), 1, "P-{number}");
    }
    assert_eq!(depot.changed(), Vec::<String>::new(), "a repeated call has the same body");
}

#[test]
fn a_retry_waits_through_a_kill_and_no_shorter() {
    let times = Arc::new(AtomicUsize::new(0));
    let seen = times.clone();
    let depot = Depot::with(move |asked, moment| {
        let first = moment == Moment::Before
            && asked.method == "POST"
            && seen.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| Say::This(503, vec![("retry-after", "10".to_owned())], "later".to_owned()))
    });
    let mut runtime = Setup::with_depot(&depot.system).route("calling", &calling("store")).start();
    let id = runtime.parcel("/parcels", "P-1");
    let waiting = runtime.in_state(&id, "waiting");
    assert!(waiting["why"].as_str().unwrap().contains("attempt 2 of 8"), "{waiting:#}");
    runtime.crash();
    let still = runtime.exchange(&id);
    assert_eq!(still["due_at"], waiting["due_at"], "the timer is the journal's");
    assert_eq!(runtime.end_of(&id), "done");
    let asked = depot.system.asked();
    assert_eq!(asked.len(), 2);
    let pause = asked[1].at - asked[0].at;
    assert!(pause >= Duration::from_millis(9_900), "asked again after {pause:?}");
    assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
    assert_eq!(asked[0].body, asked[1].body);
}

const REVIEWED: &str = r#"
[route]
name = "reviewed"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[[step]]
name = "weight"
call = "depot.weigh"
with = { id = "message.id" }
[[step]]
name = "review"
park = { role = "foreman", within = "24h", ask = ["keep", "return"], show = "weight.weight" }
[[step]]
name = "returned"
when = "review.answer == 'return'"
end = { refused = "returned" }
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

#[test]
fn a_task_is_open_after_a_kill_and_its_answer_counts() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("reviewed", REVIEWED).start();
    let kept = runtime.parcel("/parcels", "P-1");
    let returned = runtime.parcel("/parcels", "P-2");
    runtime.in_state(&kept, "parked");
    runtime.in_state(&returned, "parked");
    runtime.crash();
    let tasks = runtime.get("/v1/tasks?role=foreman");
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 2, "{tasks:#}");
    runtime.answer_task(&returned, "return");
    // The answer was acknowledged: it is on disk.
    runtime.crash();
    assert_eq!(runtime.end_of(&returned), "refused(returned)");
    runtime.answer_task(&kept, "keep");
    assert_eq!(runtime.end_of(&kept), "done");
    assert_eq!(depot.effects_total(), 1);
    // What was asked before the kill is not asked again.
    assert_eq!(depot.system.count("GET", "/weights/"), 2);
}

#[test]
fn an_exchange_finishes_on_the_version_that_it_began_with() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("reviewed", REVIEWED).start();
    let old = runtime.parcel("/parcels", "old");
    let before = runtime.in_state(&old, "parked");
    runtime.kill();
    // Another order of steps, another operation, other names: nothing that an old outcome fits.
    let new = r#"
[route]
name = "reviewed"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[[step]]
name = "dropped"
call = "depot.drop-off"
with = "message"
"#;
    runtime.setup.write_route("reviewed", new);
    runtime.start_again();
    let fresh = runtime.parcel("/parcels", "new");
    assert_eq!(runtime.end_of(&fresh), "done");
    runtime.answer_task(&old, "keep");
    assert_eq!(runtime.end_of(&old), "done");
    assert_eq!((depot.effects("/drops", "new"), depot.effects("/parcels", "new")), (1, 0));
    assert_eq!((depot.effects("/drops", "old"), depot.effects("/parcels", "old")), (0, 1));
    let after = runtime.exchange(&old);
    assert_eq!(after["version"], before["version"]);
    assert_ne!(after["version"], runtime.exchange(&fresh)["version"]);
}

#[test]
fn an_exchange_finishes_on_the_component_that_it_began_with() {
    let depot = Depot::start();
    let setup = Setup::new()
        .tables("[connectors.depot]\ncomponent = \"depot.wasm\"")
        .upstream("depot", &depot.system, "")
        .route("reviewed", REVIEWED);
    let component = setup.path().join("depot.wasm");
    std::fs::copy(guest("depot"), &component).unwrap();
    let mut runtime = setup.start();
    let old = runtime.parcel("/parcels", "old");
    runtime.in_state(&old, "parked");
    runtime.kill();
    // Another product behind the same alias, which knows nothing of parcels; and no route at all.
    std::fs::copy(guest("echo"), &component).unwrap();
    std::fs::remove_file(runtime.setup.path().join("routes/reviewed.toml")).unwrap();
    runtime.start_again();
    assert_eq!(runtime.get("/v1/connectors")["connectors"][0]["name"], "echo");
    assert_eq!(runtime.get("/v1/routes")["routes"], json!([]));
    runtime.answer_task(&old, "keep");
    assert_eq!(runtime.end_of(&old), "done");
    assert_eq!(depot.effects("/parcels", "old"), 1);
}

#[test]
fn a_kill_between_the_elements_of_a_list_repeats_only_the_one_under_way() {
    let gate = Gate::default();
    let (held, posts) = (gate.clone(), AtomicUsize::new(0));
    let depot = Depot::with(move |asked, moment| {
        if moment == Moment::After
            && asked.method == "POST"
            && posts.fetch_add(1, Ordering::Relaxed) == 2
        {
            held.pass();
        }
        None
    });
    let route = r#"
[route]
name = "several"
owner = "yard"
[from.http]
path = "/several"
accept = "any"
[[step]]
name = "stored"
each = "message.ids"
call = "depot.store"
with = { id = "string(each)", company = "'acme'", references = [], weight = "decimal('1')" }
"#;
    let mut runtime = Setup::with_depot(&depot.system).route("several", route).start();
    let ids = ["E-0", "E-1", "E-2", "E-3"];
    let id = runtime.post("/several", &json!({ "ids": ids }).to_string()).exchange();
    wait_until("third request", || depot.system.asked().len() == 3);
    runtime.crash();
    assert_eq!(runtime.end_of(&id), "done");
    gate.open();
    let keys: Vec<String> = depot
        .system
        .asked()
        .iter()
        .map(|asked| asked.header("idempotency-key").unwrap().to_owned())
        .collect();
    let expected = [0, 1, 2, 2, 3].map(|element| format!("{id}/stored[{element}]/0"));
    assert_eq!(keys, expected);
    assert!(ids.iter().all(|id| depot.effects("/parcels", id) == 1));
}

#[test]
fn told_to_stop_it_drains_and_a_second_on_the_same_data_is_refused() {
    let gate = Gate::default();
    let held = gate.clone();
    let depot = Depot::with(move |asked, moment| {
        if moment == Moment::Before && asked.method == "POST" {
            held.pass();
        }
        None
    });
    let mut runtime = Setup::with_depot(&depot.system).route("calling", &calling("store")).start();
    let second: crate::support::setup::Said = runtime.setup.command(&["run"]).into();
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.err.contains("data"), "{second:?}");
    let id = runtime.parcel("/parcels", "P-1");
    wait_until("request at the depot", || depot.system.asked().len() == 1);
    let opening = gate.clone();
    let opener = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        opening.open();
    });
    let told = Instant::now();
    assert_eq!(runtime.stop(), Some(0));
    assert!(told.elapsed() >= Duration::from_millis(250), "the call under way was waited for");
    opener.join().unwrap();
    runtime.start_again();
    assert_eq!(runtime.end_of(&id), "done");
    assert_eq!(depot.system.asked().len(), 1, "its answer was not lost");
}
