//! `ordered_by` and `concurrency`: one exchange of a key at a time, in the order of their coming,
//! over routes, retries, persons and kills; and no other key waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::depot::{Depot, Moment};
use crate::support::http::Answer;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::{Asked, Gate, Say};
use crate::support::wait_until;

/// A route at `/NAME` for parcels, with more keys of `[route]` and these steps.
fn route(name: &str, keys: &str, steps: &str) -> String {
    format!(
        "[route]\nname = \"{name}\"\nowner = \"yard\"\n{keys}\n[from.http]\npath = \"/{name}\"\naccept = \"acme:depot/parcels.parcel@1\"\n{steps}"
    )
}

/// A parcel's note is the order that it belongs to.
const ORDERED: &str = "ordered_by = { scope = \"order\", key = \"message.note\" }";
const PASSING: &str =
    "ordered_by = { scope = \"order\", key = \"message.note\", parked = \"pass\" }";

fn call(operation: &str) -> String {
    let name = operation.replace('-', "_");
    format!("[[step]]\nname = \"{name}\"\ncall = \"depot.{operation}\"\nwith = \"message\"\n")
}

const REVIEW: &str = "[[step]]\nname = \"review\"\npark = { role = \"foreman\", ask = [\"go\"] }\n";

fn post(runtime: &Runtime, path: &str, id: &str, order: &str) -> Answer {
    let parcel =
        json!({ "id": id, "company": "acme", "references": [], "weight": "2.5", "note": order });
    runtime.post(path, &parcel.to_string())
}

fn send(runtime: &Runtime, path: &str, id: &str, order: &str) -> String {
    post(runtime, path, id, order).exchange()
}

/// Whether this request would have an effect on the parcel.
fn changes(asked: &Asked, id: &str) -> bool {
    asked.method == "POST" && asked.body.starts_with(&format!("id={id} "))
}

/// Holds what would change this parcel until the gate opens.
fn hold(
    gate: &Gate,
    id: &'static str,
) -> impl Fn(&Asked, Moment) -> Option<Say> + Send + Sync + 'static {
    let gate = gate.clone();
    move |asked, moment| {
        if moment == Moment::Before && changes(asked, id) {
            gate.pass();
        }
        None
    }
}

#[test]
fn cancel_and_ship_of_one_order_never_race_over_kills() {
    const ORDERS: usize = 6;
    const EACH: usize = 5;
    let depot = Depot::with(|asked, moment| {
        // Long enough that a kill finds calls under way, and that two at once would show.
        if moment == Moment::After && asked.method == "POST" {
            std::thread::sleep(Duration::from_millis(40));
        }
        None
    });
    let steps = call("store") + &call("ship-out");
    let mut runtime = Setup::with_depot(&depot.system)
        .route("ship", &route("ship", ORDERED, &steps))
        .route("cancel", &route("cancel", ORDERED, &steps))
        .start();
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut sent = Vec::new();
    for number in 0..EACH {
        for order in 0..ORDERS {
            let (order, path) = (format!("O{order}"), ["ship", "cancel"][number % 2]);
            let id = format!("{order}-{number}-{path}");
            sent.push(send(&runtime, &format!("/{path}"), &id, &order));
            let effects = ["/parcels", "/outs"].map(|path| format!("{path} {id}"));
            expected.entry(order).or_default().extend(effects);
        }
    }
    for killed_at in [ORDERS, 3 * ORDERS, 7 * ORDERS] {
        wait_until("progress", || depot.effects_total() >= killed_at);
        runtime.crash();
    }
    for id in &sent {
        assert_eq!(runtime.end_of(id), "done");
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for effect in depot.history() {
        let order = effect.split([' ', '-']).nth(1).unwrap().to_owned();
        found.entry(order).or_default().push(effect);
    }
    assert_eq!(found, expected, "each of an order has all its effects before the next begins");
}

#[test]
fn a_retry_keeps_its_key_and_others_flow() {
    let tries = Arc::new(AtomicUsize::new(0));
    let seen = tries.clone();
    let depot = Depot::with(move |asked, moment| {
        let first = moment == Moment::Before
            && changes(asked, "A1")
            && seen.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| Say::This(500, Vec::new(), "later".to_owned()))
    });
    let patient = call("store") + "retry = { backoff = \"6s\", jitter = \"none\" }\n";
    let mut runtime = Setup::with_depot(&depot.system)
        .route("ship", &route("ship", ORDERED, &patient))
        .route("cancel", &route("cancel", ORDERED, &call("store")))
        .route("free", &route("free", "", &call("store")))
        .start();
    let first = send(&runtime, "/ship", "A1", "A");
    runtime.in_state(&first, "waiting");
    let second = send(&runtime, "/cancel", "A2", "A");
    let third = send(&runtime, "/ship", "A3", "A");
    for (path, id, order) in [("/ship", "B1", "B"), ("/cancel", "C1", "C"), ("/free", "A4", "A")] {
        assert_eq!(runtime.end_of(&send(&runtime, path, id, order)), "done");
    }
    // An absent optional is no key: such a one waits for nobody.
    assert_eq!(runtime.end_of(&runtime.parcel("/ship", "none")), "done");
    let behind = runtime.exchange(&second);
    assert_eq!(behind["state"], "queued", "{behind:#}");
    assert_eq!(behind["why"], format!("behind {first}"));
    assert_eq!(behind["lane"], json!({ "scope": "order", "key": "A", "parked": "wait" }));
    let listed = runtime.get("/v1/exchanges?state=queued");
    let listed: Vec<&Value> =
        listed["exchanges"].as_array().unwrap().iter().map(|found| &found["exchange"]).collect();
    assert_eq!(listed, [third.as_str(), second.as_str()]);
    let told = runtime.cli(&["trace", &second]).out;
    assert!(told.contains(&format!("queued (behind {first})")), "{told}");
    let metrics = runtime.ask("/metrics").body;
    assert!(metrics.contains("crossdock_exchanges{state=\"queued\"} 2"), "{metrics}");
    runtime.crash();
    for id in [&first, &second, &third] {
        assert_eq!(runtime.end_of(id), "done");
    }
    let of_a: Vec<String> =
        depot.history().into_iter().filter(|effect| effect.contains(" A")).collect();
    assert_eq!(of_a, ["/parcels A4", "/parcels A1", "/parcels A2", "/parcels A3"]);
}

#[test]
fn one_that_waits_for_a_person_keeps_its_key() {
    let depot = Depot::with(|asked, moment| {
        (moment == Moment::Before && changes(asked, "B1"))
            .then(|| Say::This(422, Vec::new(), "no".to_owned()))
    });
    let mut runtime = Setup::with_depot(&depot.system)
        .route("review", &route("review", ORDERED, &(REVIEW.to_owned() + &call("store"))))
        .route("ship", &route("ship", ORDERED, &call("store")))
        .start();
    let parked = send(&runtime, "/review", "A1", "A");
    runtime.in_state(&parked, "parked");
    let failed = send(&runtime, "/ship", "B1", "B");
    runtime.in_state(&failed, "excepted");
    let behind = [
        send(&runtime, "/ship", "A2", "A"),
        send(&runtime, "/ship", "B2", "B"),
        send(&runtime, "/ship", "B3", "B"),
    ];
    runtime.crash();
    for id in &behind {
        runtime.in_state(id, "queued");
    }
    let shown = runtime.cli(&["exceptions", "show", &failed]).out;
    assert!(shown.contains("2 exchanges wait behind it: order B"), "{shown}");
    assert_eq!(depot.effects_total(), 0);
    runtime.answer_task(&parked, "go");
    assert_eq!(runtime.end_of(&parked), "done");
    assert_eq!(runtime.end_of(&behind[0]), "done");
    assert_eq!(depot.history(), ["/parcels A1", "/parcels A2"]);
    let given_up = runtime.decide(
        &format!("/v1/exceptions/{failed}/discard"),
        &json!({ "by": "ada", "why": "not wanted" }),
    );
    assert_eq!(given_up.status, 200, "{given_up:?}");
    assert_eq!(runtime.end_of(&failed), "discarded");
    for id in &behind[1..] {
        assert_eq!(runtime.end_of(id), "done");
    }
}

#[test]
fn one_that_let_others_pass_goes_on_when_its_turn_comes() {
    let gate = Gate::default();
    let depot = Depot::with(hold(&gate, "A2"));
    // What follows from the answer is told to others: it must not be told before its turn.
    let steps = REVIEW.to_owned()
        + "[[step]]\nname = \"told\"\npublish = \"acme:depot/parcels.parcel@1\"\nwith = \"message\"\n"
        + &call("drop-off");
    let told = "[route]\nname = \"told\"\nowner = \"yard\"\n[from.event]\ntopic = \"acme:depot/parcels.parcel@1\"\n"
        .to_owned()
        + "[[step]]\nname = \"out\"\ncall = \"depot.ship-out\"\nwith = \"message\"\n";
    let mut runtime = Setup::with_depot(&depot.system)
        .route("review", &route("review", PASSING, &steps))
        .route("ship", &route("ship", ORDERED, &call("store")))
        .route("told", &told)
        .start();
    let parked = send(&runtime, "/review", "A1", "A");
    runtime.in_state(&parked, "parked");
    let passing = send(&runtime, "/ship", "A2", "A");
    wait_until("request of the one that passed", || depot.system.count("POST", "/parcels") == 1);
    let third = send(&runtime, "/ship", "A3", "A");
    runtime.answer_task(&parked, "go");
    let queued = runtime.in_state(&parked, "queued");
    assert_eq!(queued["why"], format!("behind {passing}"), "the answer is taken: {queued:#}");
    // The answer was acknowledged; the turn is the journal's. And a person who gives one up waits
    // for no turn.
    runtime.crash();
    runtime.in_state(&parked, "queued");
    assert!(runtime.of_route("told").is_empty(), "told before its turn");
    gate.open();
    for id in [&parked, &passing, &third] {
        assert_eq!(runtime.end_of(id), "done");
    }
    runtime.ended("told", "done", 1);
    let mut history = depot.history();
    history.retain(|effect| !effect.starts_with("/outs"));
    assert_eq!(history, ["/parcels A2", "/drops A1", "/parcels A3"]);
    let kinds = runtime.exchange(&parked)["outcomes"].to_string();
    assert!(!kinds.contains("in_doubt") && !kinds.contains("in-doubt"), "{kinds}");
}

#[test]
fn given_up_while_others_pass_it_ends_at_once() {
    let gate = Gate::default();
    let held = hold(&gate, "A2");
    let depot = Depot::with(move |asked, moment| {
        if moment == Moment::Before && changes(asked, "A1") {
            return Some(Say::This(422, Vec::new(), "no".to_owned()));
        }
        held(asked, moment)
    });
    let runtime = Setup::with_depot(&depot.system)
        .route("ship", &route("ship", PASSING, &call("store")))
        .start();
    let failed = send(&runtime, "/ship", "A1", "A");
    runtime.in_state(&failed, "excepted");
    let passing = send(&runtime, "/ship", "A2", "A");
    wait_until("request", || depot.system.asked().iter().any(|asked| changes(asked, "A2")));
    let path = format!("/v1/exceptions/{failed}/discard");
    let decision = json!({ "by": "ada", "why": "not wanted" });
    wait_until("discard", || runtime.decide(&path, &decision).status == 200);
    runtime.in_state(&failed, "ended");
    assert_eq!(runtime.exchange(&passing)["state"], "ready");
    gate.open();
    assert_eq!(runtime.end_of(&passing), "done");
}

#[test]
fn a_route_has_no_more_at_work_than_its_concurrency() {
    const COUNT: usize = 12;
    let now = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let most = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (counted, highest) = (now.clone(), most.clone());
    let depot = Depot::with(move |asked, moment| {
        if asked.method == "POST" {
            let at = usize::from(asked.path == "/drops");
            match moment {
                Moment::Before => {
                    let here = counted[at].fetch_add(1, Ordering::SeqCst) + 1;
                    highest[at].fetch_max(here, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(60));
                }
                Moment::After => drop(counted[at].fetch_sub(1, Ordering::SeqCst)),
            }
        }
        None
    });
    let parked = REVIEW.to_owned() + &call("store");
    let runtime = Setup::with_depot(&depot.system)
        .tables("[work]\nconcurrency = 16")
        .route("few", &route("few", "concurrency = 2", &parked))
        .route("many", &route("many", "", &call("drop-off")))
        .start();
    // The parked ones are not at work: all of them park.
    let few: Vec<String> =
        (0..COUNT).map(|number| runtime.parcel("/few", &format!("F{number}"))).collect();
    few.iter().for_each(|id| drop(runtime.in_state(id, "parked")));
    few.iter().for_each(|id| runtime.answer_task(id, "go"));
    let many: Vec<String> =
        (0..COUNT).map(|number| runtime.parcel("/many", &format!("M{number}"))).collect();
    for id in few.iter().chain(&many) {
        assert_eq!(runtime.end_of(id), "done");
    }
    let most = [0, 1].map(|at| most[at].load(Ordering::SeqCst));
    assert_eq!(most[0], 2, "as many as allowed, and no more");
    assert!(most[1] > 2, "the others are not bound: {most:?}");
}

#[test]
fn a_caller_who_waits_for_a_step_waits_for_the_turn_too() {
    let gate = Gate::default();
    let depot = Depot::with(hold(&gate, "A1"));
    let asking = |name: &str, timeout: &str| {
        route(name, ORDERED, &call("store")).replace(
            "accept =",
            &format!("reply = {{ step = \"store\", timeout = \"{timeout}\" }}\naccept ="),
        )
    };
    let runtime = Setup::with_depot(&depot.system)
        .route("ship", &route("ship", ORDERED, &call("store")))
        .route("soon", &asking("soon", "300ms"))
        .route("late", &asking("late", "60s"))
        .start();
    let first = send(&runtime, "/ship", "A1", "A");
    wait_until("request", || depot.system.count("POST", "/parcels") == 1);
    let soon = post(&runtime, "/soon", "A2", "A");
    assert_eq!(soon.status, 202, "{soon:?}");
    std::thread::scope(|scope| {
        let late = scope.spawn(|| post(&runtime, "/late", "A3", "A"));
        wait_until("queue of two", || {
            runtime.get("/v1/exchanges?state=queued")["exchanges"].as_array().unwrap().len() == 2
        });
        gate.open();
        let late = late.join().unwrap();
        assert_eq!(late.status, 200, "{late:?}");
        assert!(late.body.contains("shelved"), "{late:?}");
    });
    for id in [first, soon.exchange()] {
        assert_eq!(runtime.end_of(&id), "done");
    }
    assert_eq!(depot.history(), ["/parcels A1", "/parcels A2", "/parcels A3"]);
}

#[test]
fn what_it_publishes_into_its_own_key_goes_on_after_it() {
    let depot = Depot::start();
    let steps = "[[step]]\nname = \"told\"\neach = \"['x', 'y']\"\npublish = \"acme:depot/parcels.parcel@1\"\n".to_owned()
        + "with = { id = \"message.id + each\", company = \"message.company\", references = [], weight = \"message.weight\", note = \"message.note\" }\n"
        + &call("store");
    let child = "[route]\nname = \"child\"\nowner = \"yard\"\n".to_owned()
        + ORDERED
        + "\n[from.event]\ntopic = \"acme:depot/parcels.parcel@1\"\n"
        + &call("store");
    let runtime = Setup::with_depot(&depot.system)
        .route("parent", &route("parent", ORDERED, &steps))
        .route("child", &child)
        .start();
    assert_eq!(runtime.end_of(&send(&runtime, "/parent", "A1", "A")), "done");
    runtime.ended("child", "done", 2);
    assert_eq!(depot.history(), ["/parcels A1", "/parcels A1x", "/parcels A1y"]);
}

#[test]
fn a_batch_of_one_key_keeps_its_order_over_a_kill() {
    let depot = Depot::with(|asked, moment| {
        if moment == Moment::After && asked.method == "POST" {
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    });
    let arrivals = "[route]\nname = \"arrivals\"\nowner = \"yard\"\nordered_by = { scope = \"yard\", key = \"message.company\" }\n\
        [from.poll]\nconnector = \"depot\"\noperation = \"list-arrivals\"\nevery = \"100ms\"\nlimit = 50\n"
        .to_owned()
        + &call("store");
    let ids: Vec<String> = (10..40).map(|number| format!("A-{number}")).collect();
    depot.arrive(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut runtime = Setup::with_depot(&depot.system).route("arrivals", &arrivals).start();
    wait_until("progress", || depot.effects_total() >= 10);
    runtime.crash();
    runtime.ended("arrivals", "done", ids.len());
    let expected: Vec<String> = ids.iter().map(|id| format!("/parcels {id}")).collect();
    assert_eq!(depot.history(), expected);
}

#[test]
fn a_message_whose_key_cannot_be_had_stands_before_its_owner() {
    let depot = Depot::start();
    let any = "[route]\nname = \"any\"\nowner = \"yard\"\nordered_by = { scope = \"order\", key = \"string(message.order)\" }\n\
        [from.http]\npath = \"/any\"\naccept = \"any\"\n[[step]]\nname = \"stored\"\ncall = \"depot.store\"\n\
        with = { id = \"string(message.id)\", company = \"'acme'\", references = [], weight = \"decimal('1')\" }\n";
    let mut runtime = Setup::with_depot(&depot.system).route("any", any).start();
    let answer = runtime.post("/any", r#"{"id": "A1"}"#);
    assert_eq!(answer.status, 202, "it is not lost: {answer:?}");
    let exception = runtime.exception(&answer.exchange());
    assert_eq!((&exception["class"], &exception["owner"]), (&json!("mapping"), &json!("yard")));
    assert!(exception["message"].as_str().unwrap().contains("line 4"), "{exception:#}");
    runtime.crash();
    let good = runtime.post("/any", r#"{"id": "A2", "order": "O"}"#).exchange();
    assert_eq!(runtime.end_of(&good), "done");
    assert_eq!(depot.history(), ["/parcels A2"]);
}

#[test]
fn a_long_queue_takes_no_memory_and_runs_dry() {
    const COUNT: usize = 40;
    let gate = Gate::default();
    let depot = Depot::with(hold(&gate, "A0"));
    let mut runtime = Setup::with_depot(&depot.system)
        .tables("[work]\nbacklog_max = 3\nconcurrency = 2")
        .route("ship", &route("ship", ORDERED, &call("store")))
        .start();
    let sent: Vec<String> =
        (0..COUNT).map(|number| send(&runtime, "/ship", &format!("A{number}"), "A")).collect();
    runtime.crash();
    gate.open();
    for id in &sent {
        assert_eq!(runtime.end_of(id), "done");
    }
    let expected: Vec<String> = (0..COUNT).map(|number| format!("/parcels A{number}")).collect();
    assert_eq!(depot.history(), expected);
}
