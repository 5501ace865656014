//! An exchange once more: rehearsed, which touches nothing, and for real, under the old keys or new
//! ones. What counts is what the other system counted.

use serde_json::{Value, json};

use crate::support::depot::Depot;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::{wait_for, wait_until};

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
name = "review"
when = "message.note.orValue('') == 'fragile'"
park = { role = "foreman", ask = ["keep", "return"] }
[[step]]
name = "weighed"
call = "depot.weigh"
with = { id = "message.id" }
[[step]]
name = "stored"
call = "depot.store"
with = "message"
[[step]]
name = "told"
publish = "acme:depot/parcels.parcel@1"
with = "message"
"#;

/// Hears of what was stored.
const HEARD: &str = r#"
[route]
name = "hearing"
owner = "yard"
[from.event]
topic = "acme:depot/parcels.parcel@1"
[[step]]
name = "stored"
call = "depot.ship-out"
with = "message"
"#;

fn changed() -> String {
    let with = "{ id = \"message.id\", company = \"message.company\", references = \"message.references\", weight = \"message.weight * 2\" }";
    STORE.replace(
        "call = \"depot.store\"\nwith = \"message\"",
        &format!("call = \"depot.store\"\nwith = {with}"),
    )
}

fn start(depot: &Depot) -> Runtime {
    Setup::with_depot(&depot.system).route("storing", STORE).start()
}

fn replay(runtime: &Runtime, arguments: &[&str]) -> (Option<i32>, String) {
    let all: Vec<&str> = ["replay"].iter().chain(arguments).copied().collect();
    let said = runtime.cli(&all);
    (said.code, format!("{}{}", said.out, said.err))
}

/// The exchange that repeats this one, as the admin API has it.
fn repeats(runtime: &Runtime, id: &str) -> Vec<Value> {
    runtime.exchange(id)["replays"].as_array().cloned().unwrap()
}

#[test]
fn a_rehearsal_shows_what_a_changed_route_would_do_and_does_none_of_it() {
    let depot = Depot::start();
    let mut runtime = start(&depot);
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "done");
    let asked = depot.system.asked().len();
    let (code, told) = replay(&runtime, &[&id]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("a rehearsal, since neither"), "{told}");
    assert!(told.contains("THE SAME  was done, is done"), "{told}");
    runtime.kill();
    runtime.setup.write_route("storing", &changed());
    runtime.start_again();
    let (code, told) = replay(&runtime, &[&id, "--rehearse"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("DIFFERENT  was done, is done"), "{told}");
    assert!(told.contains("/weight  \"2.5\" -> \"5.0\""), "{told}");
    let (_, told) = replay(&runtime, &[&id, "--rehearse", "--version", "original"]);
    assert!(told.contains("THE SAME"), "{told}");
    assert_eq!(depot.system.asked().len(), asked, "nothing was called");
    assert_eq!(runtime.of_route("storing").len(), 1, "nothing was accepted");
    let trail = runtime.get("/v1/audit?action=replay");
    assert_eq!(trail["entries"].as_array().map(Vec::len), Some(3), "{trail:#}");
}

#[test]
fn a_rehearsal_tells_that_a_marked_field_differs_and_not_what_it_says() {
    let depot = Depot::start();
    let setup = Setup::with_depot(&depot.system).route("storing", STORE);
    let mut runtime = setup.tables("[mask]\nfields = [\"note\"]").start();
    let body = json!({ "id": "P-1", "company": "acme", "references": [], "weight": "2.5", "note": "for Ada only" });
    let id = runtime.post("/parcels", &body.to_string()).exchange();
    assert_eq!(runtime.end_of(&id), "done");
    runtime.kill();
    let with = "{ id = \"message.id + message.note.orValue('')\", company = \"message.company\", references = \"message.references\", weight = \"message.weight\", note = \"message.note.orValue('') + '!'\" }";
    let changed = STORE.replace(
        "call = \"depot.store\"\nwith = \"message\"",
        &format!("call = \"depot.store\"\nwith = {with}"),
    );
    let gone = "[[step]]\nname = \"told\"";
    runtime.setup.write_route("storing", changed.split(gone).next().unwrap());
    runtime.start_again();
    let order = json!({ "exchange": id, "mode": "rehearse", "by": "ada" });
    let rehearsed = runtime.decide("/v1/replays", &order);
    assert_eq!(rehearsed.status, 200, "{rehearsed:?}");
    let told = rehearsed.json()["differences"].clone();
    let find = |pointer: &str| {
        let all = told.as_array().unwrap();
        all.iter().find(|found| found["pointer"] == pointer).cloned().unwrap_or_default()
    };
    assert_eq!(find("/note")["is"], "\"[masked]\"", "{told:#}");
    assert_eq!(find("/id")["is"], "\"P-1[masked]\"", "nor where it is quoted: {told:#}");
    assert!(!rehearsed.body.contains("Ada"), "{rehearsed:?}");
    let said = replay(&runtime, &[&id]).1;
    assert!(said.contains("[masked]") && !said.contains("Ada"), "{said}");
}

#[test]
fn for_real_under_the_same_keys_there_is_one_effect_and_under_new_ones_two() {
    let depot = Depot::start();
    let runtime =
        Setup::with_depot(&depot.system).route("storing", STORE).route("hearing", HEARD).start();
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "done");
    runtime.ended("hearing", "done", 1);
    let same = [&id, "--for-real", "--keys", "same", "--why", "the yard burnt down"];
    let (code, told) = replay(&runtime, &same);
    assert_eq!(code, Some(0), "{told}");
    let first = repeats(&runtime, &id)[0]["exchange"].as_str().unwrap().to_owned();
    assert_eq!(runtime.end_of(&first), "done");
    assert_eq!(depot.effects("/parcels", "P-1"), 1, "the key is known");
    assert_eq!(depot.changed(), Vec::<String>::new(), "and comes with the same body");
    let repeated = runtime.exchange(&first);
    assert_eq!(repeated["source"], format!("replay:{id}"));
    assert_eq!(repeated["parent"], id.as_str());
    let trace = runtime.cli(&["trace", &id]).out;
    assert!(trace.contains(&format!("repeated by {first} -> done")), "{trace}");
    let (code, told) = replay(&runtime, &[&id, "--for-real", "--keys", "new", "--why", "again"]);
    assert_eq!(code, Some(1), "nobody confirmed it: {told}");
    assert!(told.contains("MAY REPEAT  stored depot.store"), "{told}");
    assert!(told.contains("PUBLISHES AGAIN  acme:depot/parcels.parcel@1"), "{told}");
    assert_eq!(repeats(&runtime, &id).len(), 1);
    assert_eq!(runtime.of_route("hearing").len(), 1, "who heard it once did not hear it again");
    let (code, told) =
        replay(&runtime, &[&id, "--for-real", "--keys", "new", "--why", "again", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    let second = repeats(&runtime, &id)[1]["exchange"].as_str().unwrap().to_owned();
    assert_eq!(runtime.end_of(&second), "done");
    assert_eq!(depot.effects("/parcels", "P-1"), 2);
    runtime.ended("hearing", "done", 2);
    // The keys of a replay under the same keys are those of the first.
    let (code, told) = replay(&runtime, &[&first, "--for-real", "--keys", "same", "--why", "w"]);
    assert_eq!(code, Some(0), "{told}");
    let third = repeats(&runtime, &first)[0]["exchange"].as_str().unwrap().to_owned();
    assert_eq!(runtime.end_of(&third), "done");
    assert_eq!(depot.effects("/parcels", "P-1"), 2);
}

#[test]
fn from_a_step_what_came_before_is_not_asked_again() {
    let depot = Depot::start();
    let mut runtime = start(&depot);
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "done");
    let weighed = |depot: &Depot| {
        depot.system.asked().iter().filter(|asked| asked.path.starts_with("/weights")).count()
    };
    let asked = weighed(&depot);
    let from = [&id, "--for-real", "--keys", "new", "--yes", "--why", "lost", "--from", "stored"];
    let (code, told) = replay(&runtime, &from);
    assert_eq!(code, Some(0), "{told}");
    let new = repeats(&runtime, &id)[0]["exchange"].as_str().unwrap().to_owned();
    // What is on disk goes on, whatever becomes of the process.
    runtime.crash();
    assert_eq!(runtime.end_of(&new), "done");
    assert_eq!(weighed(&depot), asked, "the weight was carried over");
    assert_eq!(depot.effects("/parcels", "P-1"), 2);
    let outcomes = runtime.exchange(&new)["outcomes"].clone();
    assert_eq!(outcomes[1]["step"], "weighed", "{outcomes:#}");
    // A step that is new before it has no outcome.
    runtime.kill();
    let step = "[[step]]\nname = \"more\"\nset = { a = \"1\" }\n[[step]]\nname = \"stored\"";
    runtime.setup.write_route("storing", &STORE.replace("[[step]]\nname = \"stored\"", step));
    runtime.start_again();
    let (code, told) = replay(&runtime, &from);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`more` stands before it in this version"), "{told}");
    assert_eq!(repeats(&runtime, &id).len(), 1);
}

#[test]
fn what_is_not_over_or_not_clear_is_refused() {
    let depot = Depot::start();
    let runtime = start(&depot);
    let body = json!({ "id": "P-1", "company": "acme", "references": [], "weight": "2.5", "note": "fragile" });
    let id = runtime.post("/parcels", &body.to_string()).exchange();
    runtime.in_state(&id, "parked");
    let ask = |keys: Option<&str>, why: &str| {
        let mut body =
            json!({ "exchange": id, "mode": "for-real", "by": "ada", "why": why, "confirm": true });
        if let Some(keys) = keys {
            body["keys"] = keys.into();
        }
        runtime.decide("/v1/replays", &body)
    };
    for keys in ["same", "new"] {
        let answer = ask(Some(keys), "x");
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.body.contains("has not ended (parked)"), "{answer:?}");
    }
    assert_eq!(ask(None, "x").status, 400, "keys are named");
    assert_eq!(ask(Some("same"), " ").status, 400, "a reason is given");
    let rehearsed = replay(&runtime, &[&id]).1;
    assert!(rehearsed.contains("THE SAME  was waits for a person at review"), "{rehearsed}");
    runtime.answer_task(&id, "keep");
    assert_eq!(runtime.end_of(&id), "done");
    // While a replay is open there is no other.
    assert_eq!(ask(Some("same"), "x").status, 200);
    let first = repeats(&runtime, &id)[0]["exchange"].as_str().unwrap().to_owned();
    runtime.in_state(&first, "parked");
    let answer = ask(Some("new"), "x");
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.body.contains("repeats"), "{answer:?}");
    let unknown = json!({ "exchange": "0000000000000", "mode": "rehearse", "by": "ada" });
    assert_eq!(runtime.decide("/v1/replays", &unknown).status, 404);
    let all = json!({ "range": {}, "mode": "rehearse", "by": "ada" });
    assert_eq!(runtime.decide("/v1/replays", &all).status, 400);
}

#[test]
fn a_range_goes_with_progress_and_each_of_it_once() {
    let depot = Depot::start();
    let mut runtime = start(&depot);
    for parcel in 0..6 {
        let id = runtime.parcel("/parcels", &format!("P-{parcel}"));
        assert_eq!(runtime.end_of(&id), "done");
    }
    let (code, told) = replay(&runtime, &["--route", "storing", "--rehearse"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("6 exchanges") && told.contains("6 same"), "{told}");
    let order = json!({
        "range": { "route": "storing", "end": "done" }, "mode": "for-real", "keys": "new",
        "by": "ada", "why": "the yard burnt down", "job": "burnt", "confirm": true,
    });
    let begun = runtime.decide("/v1/replays", &order);
    assert_eq!((begun.status, begun.json()["total"].clone()), (202, json!(6)), "{begun:?}");
    wait_until("replay under way", || !depot_repeats(&runtime).is_empty());
    // Cut short, and asked for again under its name: none is repeated twice.
    runtime.crash();
    let again = runtime.decide("/v1/replays", &order);
    assert_eq!(again.status, 202, "{again:?}");
    let done = wait_for("end of the job", || {
        Some(runtime.get("/v1/replays/burnt")).filter(|job| job["finished"] == true)
    });
    assert_eq!(done["done"], 6, "{done:#}");
    assert_eq!(done["refused"], 0, "{done:#}");
    wait_until("replays that ended", || {
        let found = depot_repeats(&runtime);
        found.len() == 6 && found.iter().all(|one| one["end"] == "done")
    });
    for parcel in 0..6 {
        assert_eq!(depot.effects("/parcels", &format!("P-{parcel}")), 2, "P-{parcel}");
    }
    let class = replay(&runtime, &["--class", "depot-5xx"]).1;
    assert!(class.contains("0 exchanges"), "{class}");
}

fn depot_repeats(runtime: &Runtime) -> Vec<Value> {
    let all = runtime.of_route("storing");
    all.into_iter()
        .filter(|one| one["source"].as_str().is_some_and(|source| source.starts_with("replay:")))
        .collect()
}
