//! Named budgets as those outside see them: clients are told when to come back, a system is never
//! asked more than its budget, and what must wait long waits in the journal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::depot::{Depot, Moment};
use crate::support::runtime::parcel;
use crate::support::setup::Setup;
use crate::support::system::{Gate, Say};
use crate::support::{wait_for, wait_until};

const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
limit = "clients"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

/// A limit that no test meets, where it is not the subject.
const MANY: &str = "[limits.clients]\nrate = \"100000/s\"\nburst = 100000";

#[test]
fn a_client_over_its_budget_is_told_when_to_come_back() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system)
        .tables("[limits.clients]\nrate = \"1/min\"\nburst = 3")
        .route("storing", STORE)
        .start();
    for number in 0..3 {
        assert_eq!(runtime.post("/parcels", &parcel(&format!("P-{number}"))).status, 202);
    }
    let over = runtime.post("/parcels", &parcel("P-3"));
    assert_eq!(over.status, 429, "{over:?}");
    assert_eq!(over.json()["type"], "urn:crossdock:problem:rate-limit");
    let after: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{over:?}");
    assert_eq!(over.header("ratelimit-policy"), Some("\"clients\";q=1;w=60"));
    assert!(over.header("ratelimit").unwrap().starts_with("\"clients\";r=0;t="), "{over:?}");
    runtime.ended("storing", "done", 3);
    assert_eq!(runtime.of_route("storing").len(), 3, "what was refused was not accepted");
}

#[test]
fn a_system_is_never_asked_more_than_burst_plus_rate_times_time() {
    const RATE: f64 = 25.0;
    const BURST: f64 = 5.0;
    const COUNT: usize = 75;
    // A grant becomes a request a moment later, on a busy machine much later, and not all of them the
    // same moment. Without a limit all of them would come within this time; the exact bound is
    // shown on paused time, beside the budget.
    const JITTER_S: f64 = 1.0;
    let depot = Depot::start();
    let runtime = Setup::new()
        .connector("depot", "depot", "")
        .upstream("depot", &depot.system, "limit = \"depot\"")
        .tables(MANY)
        .tables("[limits.depot]\nrate = \"25/s\"\nburst = 5\n[work]\nlimit_patience = \"60s\"")
        .route("storing", STORE)
        .start();
    for number in 0..COUNT {
        runtime.parcel("/parcels", &format!("P-{number}"));
    }
    runtime.ended("storing", "done", COUNT);
    let asked = depot.system.asked();
    assert_eq!(asked.len(), COUNT);
    for (first, from) in asked.iter().enumerate() {
        for (last, to) in asked.iter().enumerate().skip(first) {
            let window = (to.at - from.at).as_secs_f64();
            let allowed = BURST + RATE * (window + JITTER_S);
            let count = last - first + 1;
            assert!(count as f64 <= allowed, "{count} requests in {window:.3} s");
        }
    }
    let took = (asked[COUNT - 1].at - asked[0].at).as_secs_f64();
    assert!(took >= (COUNT as f64 - BURST) / RATE - JITTER_S, "{COUNT} requests in {took:.3} s");
}

#[test]
fn what_must_wait_longer_waits_in_the_journal_and_says_why() {
    let depot = Depot::start();
    let mut runtime = Setup::new()
        .connector("depot", "depot", "limit = \"slow\"")
        .upstream("depot", &depot.system, "")
        .tables(MANY)
        .tables("[limits.slow]\nrate = \"2/s\"\n[work]\nlimit_patience = \"10ms\"")
        .route("storing", STORE)
        .start();
    let ids: Vec<String> =
        (0..8).map(|number| runtime.parcel("/parcels", &format!("P-{number}"))).collect();
    let waiting = wait_for("waiting exchange", || {
        runtime.get("/v1/exchanges?state=waiting")["exchanges"].as_array()?.first().cloned()
    });
    assert_eq!(waiting["why"], "limit slow", "{waiting:#}");
    assert!(waiting["due_at"].is_string(), "{waiting:#}");
    let told = runtime.cli(&["trace", waiting["exchange"].as_str().unwrap()]);
    assert!(told.out.contains("held by limit slow until "), "{told:?}");
    let metrics = runtime.ask("/metrics").body;
    let held = metrics.lines().find(|line| line.starts_with("crossdock_held_total"));
    assert!(held.is_some_and(|line| line.contains("reason=\"limit\"")), "{metrics}");
    runtime.crash();
    for id in &ids {
        assert_eq!(runtime.end_of(id), "done");
    }
    let metrics = runtime.ask("/metrics").body;
    assert!(metrics.contains("crossdock_held_seconds_count{"), "{metrics}");
    // A wait for a limit is no attempt; only the call that the crash cut may have been made again,
    // under its key.
    let keys: BTreeSet<String> = depot
        .system
        .asked()
        .iter()
        .filter_map(|asked| asked.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys.len(), 8, "{keys:?}");
    assert_eq!(depot.effects_total(), 8);
    assert!(depot.changed().is_empty());
}

#[test]
fn a_system_that_asks_for_a_pause_is_left_alone_by_everyone() {
    let posts = AtomicUsize::new(0);
    let depot = Depot::with(move |asked, moment| {
        let first = moment == Moment::Before
            && asked.method == "POST"
            && posts.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| Say::This(429, vec![("retry-after", "3".to_owned())], "slow".to_owned()))
    });
    let runtime = Setup::new()
        .connector("depot", "depot", "")
        .upstream("depot", &depot.system, "limit = \"depot\"")
        .tables(MANY)
        .tables("[limits.depot]\nrate = \"1000/s\"\nburst = 100")
        .route("storing", STORE)
        .start();
    let first = runtime.parcel("/parcels", "P-0");
    wait_until("pause noticed", || {
        let waiting = runtime.get("/v1/exchanges?state=waiting");
        waiting["exchanges"].as_array().is_some_and(|waiting| !waiting.is_empty())
    });
    let told = depot.system.asked()[0].at;
    let others: Vec<String> =
        (1..6).map(|number| runtime.parcel("/parcels", &format!("P-{number}"))).collect();
    for id in others.iter().chain([&first]) {
        assert_eq!(runtime.end_of(id), "done");
    }
    for asked in &depot.system.asked()[1..] {
        // What had passed the door before the answer came is not held against it.
        let after = asked.at - told;
        assert!(after >= Duration::from_millis(2_900), "asked again after {after:?}");
    }
}

#[test]
fn a_full_backlog_is_said_and_not_queued() {
    let gate = Gate::default();
    let held = gate.clone();
    let depot = Depot::with(move |_, moment| {
        if moment == Moment::Before {
            held.pass();
        }
        None
    });
    let runtime = Setup::with_depot(&depot.system)
        .tables(MANY)
        .tables("[work]\nconcurrency = 2\nbacklog_max = 4")
        .route("storing", STORE)
        .start();
    for number in 0..4 {
        assert_eq!(runtime.post("/parcels", &parcel(&format!("P-{number}"))).status, 202);
    }
    let over = runtime.post("/parcels", &parcel("P-4"));
    assert_eq!(over.status, 503, "{over:?}");
    assert_eq!(over.json()["type"], "urn:crossdock:problem:busy");
    assert!(over.header("retry-after").is_some(), "{over:?}");
    assert!(depot.system.asked().len() <= 2, "no more at work than `concurrency` allows");
    gate.open();
    runtime.ended("storing", "done", 4);
    assert_eq!(runtime.of_route("storing").len(), 4);
    let begun = Instant::now();
    wait_until("room again", || runtime.post("/parcels", &parcel("P-5")).status == 202);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// The state of the breaker of `depot`.
fn breaker(runtime: &crate::support::runtime::Runtime) -> String {
    let limits = runtime.get("/v1/limits");
    let breakers = limits["breakers"].as_array().expect("a list");
    let found = breakers.iter().find(|breaker| breaker["connector"] == "depot");
    found.expect("it is on by default")["state"].as_str().expect("a word").to_owned()
}

#[test]
fn an_ill_system_is_one_incident_and_everything_behind_it_goes_on_by_itself() {
    let ill = Arc::new(AtomicBool::new(true));
    let is_ill = ill.clone();
    let depot = Depot::with(move |_, moment| {
        let ill = moment == Moment::Before && is_ill.load(Ordering::SeqCst);
        ill.then(|| Say::This(500, Vec::new(), "ill".to_owned()))
    });
    let mut runtime = Setup::with_depot(&depot.system)
        .tables(MANY)
        .tables("[connectors.depot.breaker]\nfailures = 5\nopen = \"2s\"")
        .tables("[work]\nconcurrency = 4")
        .route("storing", STORE)
        .start();
    let ids: Vec<String> =
        (0..60).map(|number| runtime.parcel("/parcels", &format!("P-{number}"))).collect();
    wait_until("open breaker", || breaker(&runtime) == "open");
    let held = wait_for("held exchange", || {
        let waiting = runtime.get("/v1/exchanges?state=waiting&limit=1000");
        let waiting = waiting["exchanges"].as_array()?;
        waiting.iter().find(|exchange| exchange["why"] == "breaker depot").cloned()
    });
    let trace = runtime.cli(&["trace", held["exchange"].as_str().unwrap()]).out;
    assert!(trace.contains("held by breaker depot ("), "{trace}");
    assert!(trace.contains("calls gave no answer"), "{trace}");
    let told = runtime.cli(&["limits"]).out;
    assert!(told.contains("breaker depot: open since "), "{told}");
    // It is tried in vain, by a few, and over a restart.
    let asked = depot.system.asked().len();
    wait_until("try in vain", || depot.system.asked().len() > asked);
    runtime.crash();
    let asked = depot.system.asked().len();
    wait_until("try in vain after a start", || depot.system.asked().len() > asked);
    assert!(depot.system.asked().len() < 30, "{} requests", depot.system.asked().len());
    ill.store(false, Ordering::SeqCst);
    for id in &ids {
        assert_eq!(runtime.end_of(id), "done");
    }
    assert_eq!(breaker(&runtime), "closed");
    assert_eq!(depot.effects_total(), 60);
    assert_eq!(runtime.get("/v1/exceptions")["exceptions"].as_array().map(Vec::len), Some(0));
    // What was held is in the journal as held, not as an attempt, and was written once or twice.
    let outcomes = |id: &String, kind: &str| {
        let exchange = runtime.exchange(id);
        let outcomes = exchange["outcomes"].as_array().cloned().expect("a list");
        outcomes.iter().filter(|outcome| outcome["outcome"][kind].is_object()).count()
    };
    let attempts: usize = ids.iter().map(|id| outcomes(id, "attempt")).sum();
    let holds: usize = ids.iter().map(|id| outcomes(id, "throttled")).sum();
    assert!(attempts < 30, "{attempts} attempts of 60 exchanges");
    assert!(holds <= 2 * 60, "{holds} holds of 60 exchanges");
    assert!(
        runtime.ask("/metrics").body.contains("crossdock_held_seconds_count{reason=\"breaker\"")
    );
}

#[test]
fn the_quota_of_a_day_holds_over_a_crash() {
    let depot = Depot::start();
    let mut runtime = Setup::new()
        .connector("depot", "depot", "limit = \"plan\"")
        .upstream("depot", &depot.system, "")
        .tables(MANY)
        .tables("[limits.plan]\ndaily = 3\nzone = \"Europe/Berlin\"")
        .route("storing", STORE)
        .start();
    for number in 0..5 {
        runtime.parcel("/parcels", &format!("P-{number}"));
    }
    let held = || {
        let waiting = runtime.get("/v1/exchanges?state=waiting");
        let waiting = waiting["exchanges"].as_array().cloned().unwrap_or_default();
        waiting.iter().filter(|exchange| exchange["why"] == "quota plan").count()
    };
    wait_until("quota spent", || held() == 2);
    runtime.ended("storing", "done", 3);
    let told = runtime.cli(&["limits"]).out;
    assert!(told.contains("limit plan: 3 of 3 daily"), "{told}");
    runtime.crash();
    runtime.parcel("/parcels", "P-5");
    wait_until("quota spent still", || {
        let waiting = runtime.get("/v1/exchanges?state=waiting");
        waiting["exchanges"].as_array().is_some_and(|waiting| waiting.len() == 3)
    });
    assert_eq!(depot.effects_total(), 3);
}

#[test]
fn a_system_without_a_limit_is_left_alone_when_it_asks_for_that() {
    let posts = AtomicUsize::new(0);
    let depot = Depot::with(move |asked, moment| {
        let first = moment == Moment::Before
            && asked.method == "POST"
            && posts.fetch_add(1, Ordering::Relaxed) == 0;
        let fields = vec![("ratelimit", "\"default\";r=0;t=3".to_owned())];
        first.then(|| Say::This(429, fields, "slow".to_owned()))
    });
    let runtime = Setup::with_depot(&depot.system).tables(MANY).route("storing", STORE).start();
    let first = runtime.parcel("/parcels", "P-0");
    wait_until("pause noticed", || !depot.system.asked().is_empty());
    let told = depot.system.asked()[0].at;
    let paused = wait_for("pause", || {
        let limits = runtime.get("/v1/limits")["limits"].as_array()?.clone();
        limits.into_iter().find(|limit| limit["paused_until"].is_string())
    });
    assert_eq!(paused["name"], "upstream depot", "{paused:#}");
    // A lone refusal teaches no lower rate.
    assert!(paused["learnt_rate"].is_null(), "{paused:#}");
    for id in [&runtime.parcel("/parcels", "P-1"), &first] {
        assert_eq!(runtime.end_of(id), "done");
    }
    for asked in &depot.system.asked()[1..] {
        let after = asked.at - told;
        assert!(after >= Duration::from_millis(2_900), "asked again after {after:?}");
    }
}

#[test]
fn who_waits_for_a_budget_keeps_nobody_else_from_running() {
    let depot = Depot::start();
    let quick = STORE
        .replace("storing", "quick")
        .replace("/parcels\"", "/quick\"")
        .replace("depot.store", "free.store");
    let runtime = Setup::new()
        .connector("depot", "depot", "limit = \"slow\"")
        .connector("free", "depot", "")
        .upstream("depot", &depot.system, "")
        .tables(MANY)
        .tables("[limits.slow]\nrate = \"1/min\"\n[work]\nconcurrency = 2\nlimit_patience = \"1h\"")
        .route("storing", &STORE.replace("owner", "priority = \"low\"\nowner"))
        .route("quick", &quick)
        .start();
    for number in 0..6 {
        runtime.parcel("/parcels", &format!("P-{number}"));
    }
    wait_until("queue", || {
        runtime.get("/v1/limits")["limits"][1]["waiting_by_route"]["storing"] == 6
    });
    let quick = runtime.parcel("/quick", "Q-1");
    assert_eq!(runtime.end_of(&quick), "done");
}

#[test]
fn a_wrong_priority_is_told_with_the_right_ones() {
    let depot = Depot::start();
    let setup = Setup::with_depot(&depot.system)
        .tables(MANY)
        .route("storing", &STORE.replace("owner", "priority = \"hihg\"\nowner"));
    let said = setup.crossdock(&["check"], "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("`hihg` is not a priority"), "{said:?}");
    assert!(said.err.contains("did you mean `high`?"), "{said:?}");
}
