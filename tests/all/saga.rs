//! What is taken back, gone without, tried again and done once, in the executable: over kills, with
//! every effect counted at the system.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::depot::{Depot, Moment};
use crate::support::runtime::{Runtime, parcel};
use crate::support::setup::Setup;
use crate::support::system::{Asked, Gate, Say, say};
use crate::support::wait_until;

fn head(name: &str, path: &str, more: &str) -> String {
    format!(
        "[route]\nname = \"{name}\"\nowner = \"yard\"\n{more}\n[from.http]\npath = \"{path}\"\naccept = \"acme:depot/parcels.parcel@1\"\n"
    )
}

/// A step that stores the parcel under the id with this ending.
fn store(name: &str, ending: &str, more: &str) -> String {
    format!(
        "[[step]]\nname = \"{name}\"\ncall = \"depot.store\"\nretry = \"none\"\nwith = {{ id = \"message.id + '{ending}'\", company = \"message.company\", references = [], weight = \"message.weight\" }}\n{more}\n"
    )
}

fn refuses(asked: &Asked, ending: &str) -> bool {
    asked.path == "/parcels" && asked.body.split(' ').next().unwrap().ends_with(ending)
}

fn keys(depot: &Depot, path: &str) -> Vec<String> {
    let asked = depot.system.asked();
    let of_path = asked.iter().filter(|asked| asked.path == path);
    of_path.map(|asked| asked.header("idempotency-key").unwrap_or_default().to_owned()).collect()
}

fn compensate(runtime: &Runtime, id: &str) -> u16 {
    let body = json!({ "by": "ada", "why": "the customer called" });
    runtime.decide(&format!("/v1/exceptions/{id}/compensate"), &body).status
}

fn offered(exception: &Value, action: &str) -> bool {
    exception["offers"].as_array().unwrap().iter().any(|offer| offer["action"] == action)
}

fn last_refused() -> String {
    head("saga", "/parcels", "saga = true")
        + &store("a", "-a", "")
        + &store("b", "-b", "")
        + &store("c", "-c", "")
}

#[test]
fn what_was_done_is_taken_back_over_a_kill() {
    for at in [Moment::Before, Moment::After] {
        let gate = Gate::default();
        let (held, backs) = (gate.clone(), AtomicUsize::new(0));
        let depot = Depot::with(move |asked, moment| {
            if moment == Moment::Before && refuses(asked, "-c") {
                return Some(say(400, "no room"));
            }
            let first = moment == at
                && asked.path == "/backs"
                && backs.fetch_add(1, Ordering::Relaxed) == 0;
            first.then(|| {
                held.pass();
                Say::Cut
            })
        });
        let mut runtime = Setup::with_depot(&depot.system).route("saga", &last_refused()).start();
        let id = runtime.parcel("/parcels", "P");
        wait_until("first undo", || depot.system.count("POST", "/backs") == 1);
        runtime.crash();
        assert_eq!(runtime.end_of(&id), "undone");
        gate.open();
        let expected = ["b", "b", "a"].map(|step| format!("{id}/undo:{step}/0"));
        assert_eq!(keys(&depot, "/backs"), expected, "newest first, repeated under its key");
        for ending in ["a", "b"] {
            assert_eq!(depot.effects("/parcels", &format!("P-{ending}")), 1);
            assert_eq!(depot.effects("/backs", &format!("P-{ending}")), 1, "{at:?}");
        }
        assert!(depot.changed().is_empty(), "{:?}", depot.changed());
        let trace = runtime.cli(&["trace", &id]).out;
        assert!(trace.contains("taken back from here") && trace.contains("undo:b"), "{trace}");
    }
}

#[test]
fn an_undo_that_failed_goes_on_with_a_person() {
    let depot = Depot::with(|asked, moment| {
        let before = moment == Moment::Before;
        if before && refuses(asked, "-c") {
            return Some(say(400, "no room"));
        }
        (before && asked.path == "/backs" && asked.body.starts_with("id=P-b"))
            .then(|| say(409, "it has left"))
    });
    let mut runtime = Setup::with_depot(&depot.system).route("saga", &last_refused()).start();
    let id = runtime.parcel("/parcels", "P");
    let exception = runtime.exception(&id);
    assert_eq!(exception["class"], "undo-failed", "{exception:#}");
    assert_eq!((&exception["step"], &exception["code"]), (&json!("undo:b"), &json!("too-late")));
    assert!(offered(&exception, "compensate"), "{exception:#}");
    runtime.crash();
    // Settled by hand; what is left is taken back.
    let said = runtime.cli(&["exceptions", "compensate", &id, "--why", "fetched it"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(runtime.end_of(&id), "undone");
    assert_eq!(depot.effects("/backs", "P-a"), 1);
    let audit = runtime.cli(&["audit", "list"]).out;
    assert!(audit.contains("exception.compensate"), "{audit}");
}

#[test]
fn nothing_is_taken_back_after_the_pivot() {
    let depot = Depot::with(|asked, moment| {
        (moment == Moment::Before && refuses(asked, "-c")).then(|| say(400, "no room"))
    });
    let route = head("saga", "/parcels", "saga = true")
        + &store("a", "-a", "")
        + "[[step]]\nname = \"sent\"\ncall = \"depot.drop-off\"\nwith = \"message\"\npivot = true\n"
        + &store("c", "-c", "");
    let runtime = Setup::with_depot(&depot.system).route("saga", &route).start();
    let id = runtime.parcel("/parcels", "P");
    let exception = runtime.exception(&id);
    assert_eq!(exception["class"], "depot-4xx", "{exception:#}");
    assert_eq!(compensate(&runtime, &id), 409);
    assert!(!offered(&exception, "compensate"), "{exception:#}");
    assert_eq!(depot.system.count("POST", "/backs"), 0);
}

#[test]
fn a_step_goes_without_its_answer() {
    let depot = Depot::with(|asked, moment| {
        (moment == Moment::Before && asked.path.starts_with("/weights"))
            .then(|| say(503, "no scales"))
    });
    let route = head("scales", "/parcels", "")
        + "[[step]]\nname = \"weight\"\ncall = \"depot.weigh\"\nretry = { attempts = 2, backoff = \"20ms\" }\nwith = { id = \"message.id\" }\non_fault = { skip = { id = \"message.id\", weight = \"message.weight * 2\" } }\n[[step]]\nname = \"stored\"\ncall = \"depot.store\"\nwith = { id = \"message.id\", company = \"message.company\", references = [], weight = \"weight.weight\" }\n";
    let mut runtime = Setup::with_depot(&depot.system).route("scales", &route).start();
    let id = runtime.parcel("/parcels", "P");
    assert_eq!(runtime.end_of(&id), "done");
    runtime.crash();
    let shown = runtime.exchange(&id);
    assert_eq!(depot.system.count("GET", "/weights"), 2, "{shown:#}");
    let stored = depot.system.asked().into_iter().find(|asked| asked.path == "/parcels").unwrap();
    assert!(stored.body.contains("weight=5.0 "), "{}", stored.body);
}

#[test]
fn a_retry_waits_through_a_restart_on_the_policy_that_it_began_with() {
    let depot = Depot::with(|asked, moment| {
        (moment == Moment::Before && asked.path == "/parcels").then(|| say(503, "later"))
    });
    let route = head("patient", "/parcels", "")
        + "[[step]]\nname = \"stored\"\ncall = \"depot.store\"\nretry = \"gentle\"\nwith = \"message\"\n";
    let gentle = |attempts: u32| {
        format!(
            "[retries.gentle]\nattempts = {attempts}\nbackoff = \"2s\"\njitter = \"none\"\non = [\"503\"]"
        )
    };
    let setup = Setup::with_depot(&depot.system).tables(&gentle(2));
    let mut runtime = setup.route("patient", &route).start();
    let id = runtime.parcel("/parcels", "P");
    let waiting = runtime.in_state(&id, "waiting");
    assert!(waiting["why"].as_str().unwrap().contains("attempt 2 of 2"), "{waiting:#}");
    runtime.kill();
    // The same folder under another configuration: the policy of that name means more now.
    let setup = std::mem::replace(&mut runtime.setup, Setup::new());
    runtime.setup = setup
        .without_tables()
        .connector("depot", "depot", "")
        .upstream("depot", &depot.system, "")
        .tables(&gentle(9));
    runtime.start_again();
    let exception = runtime.exception(&id);
    assert_eq!((&exception["class"], &exception["code"]), (&json!("depot-5xx"), &json!("busy")));
    assert_eq!(depot.system.count("POST", "/parcels"), 2);
    let fresh = runtime.parcel("/parcels", "Q");
    let waiting = runtime.in_state(&fresh, "waiting");
    assert!(waiting["why"].as_str().unwrap().contains("attempt 2 of 9"), "{waiting:#}");
}

#[test]
fn two_routes_at_the_same_time_have_one_effect() {
    let gate = Gate::default();
    let (held, posts) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let depot = Depot::with(move |asked, moment| {
        if moment == Moment::After
            && asked.path == "/parcels"
            && posts.fetch_add(1, Ordering::Relaxed) == 0
        {
            held.pass();
            return Some(Say::Cut);
        }
        None
    });
    let once = "once = \"message.id\"";
    let number = "[[step]]\nname = \"told\"\ncall = \"depot.drop-off\"\nwith = { id = \"stored.shelved.references[0].id\", company = \"message.company\", references = [], weight = \"message.weight\" }\n";
    let checked =
        "[[step]]\nname = \"full\"\nwhen = \"stored != 'shelved'\"\nend = { refused = \"full\" }\n";
    let route = |name: &str, path: &str| {
        head(name, path, "") + &store("stored", "", once) + checked + number
    };
    let mut runtime = Setup::with_depot(&depot.system)
        .route("one", &route("one", "/one"))
        .route("two", &route("two", "/two"))
        .start();
    let first = runtime.post("/one", &parcel("P")).exchange();
    wait_until("first call", || depot.system.count("POST", "/parcels") == 1);
    let second = runtime.post("/two", &parcel("P")).exchange();
    let waiting = runtime.in_state(&second, "waiting");
    assert_eq!(waiting["why"], format!("once: exchange {first} is at it"), "{waiting:#}");
    // Nothing of another key waits.
    let other = runtime.post("/two", &parcel("Q")).exchange();
    assert_eq!(runtime.end_of(&other), "done");
    runtime.crash();
    assert_eq!(runtime.end_of(&first), "done");
    assert_eq!(runtime.end_of(&second), "done");
    gate.open();
    assert_eq!(depot.effects("/parcels", "P"), 1);
    let keys = keys(&depot, "/parcels");
    assert!(!keys.iter().any(|key| key.starts_with(&second)), "{keys:?}");
    // Both go on with the one answer.
    assert_eq!(depot.effects("/drops", "D-1"), 2);
    let trace = runtime.cli(&["trace", &second]).out;
    assert!(trace.contains(&format!("done by {first}")), "{trace}");
    let check = runtime.cli(&["journal", "check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
}

#[test]
fn what_was_done_once_stays_done_when_its_exchange_is_dropped() {
    let depot = Depot::start();
    let route = head("noted", "/parcels", "") + &store("stored", "", "once = \"message.id\"");
    let runtime = Setup::with_depot(&depot.system)
        .route("noted", &route)
        .tables("[retention]\nfinished = \"4s\"\ncheck_every = \"200ms\"")
        .start();
    let first = runtime.post("/parcels", &parcel("P")).exchange();
    assert_eq!(runtime.end_of(&first), "done");
    let gone = || runtime.ask(&format!("/v1/exchanges/{first}")).status == 404;
    wait_until("dropped exchange", gone);
    let second = runtime.post("/parcels", &parcel("P")).exchange();
    assert_ne!(second, first);
    assert_eq!(runtime.end_of(&second), "done");
    assert_eq!(depot.effects("/parcels", "P"), 1);
    assert_eq!(keys(&depot, "/parcels").len(), 1);
    let check = runtime.cli(&["journal", "check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
}
