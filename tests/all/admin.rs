//! What an admin sees and does: by the API, and by the command line with its exit codes.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::depot::{Depot, Moment};
use crate::support::http::send;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::say;
use crate::support::wait_until;

const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
summary = "Parcels onto shelves."
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[keys]
parcel = "message.id"
[[step]]
name = "review"
when = "message.note.orValue('') == 'fragile'"
park = { role = "foreman", within = "24h", ask = ["keep", "return"], show = { weight = "message.weight" } }
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

/// Milestones know the depot's number only; links lead to the parcel.
const MOVED: &str = r#"
[route]
name = "moving"
owner = "yard"
[from.http]
path = "/moves"
accept = "any"
[keys]
parcel = "known.id"
[[step]]
name = "known"
find = "parcel"
within = "1h"
with = { company = "'acme'", system = "'depot'", id = "string(message.number)" }
[[step]]
name = "weight"
call = "depot.weigh"
with = { id = "known.id" }
"#;

fn fragile(runtime: &Runtime, id: &str) -> String {
    let body = json!({ "id": id, "company": "acme", "references": [], "weight": "2.5", "note": "fragile" });
    runtime.post("/parcels", &body.to_string()).exchange()
}

#[test]
fn a_task_is_shown_answered_once_and_with_what_was_asked() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let id = fragile(&runtime, "P-1");
    runtime.in_state(&id, "parked");
    let task = runtime.get("/v1/tasks")["tasks"][0].clone();
    assert_eq!(task["exchange"], id.as_str(), "{task:#}");
    assert_eq!((&task["route"], &task["step"]), (&json!("storing"), &json!("review")));
    assert_eq!(task["ask"], json!(["keep", "return"]));
    assert_eq!(task["show"], json!({ "weight": "2.5" }));
    assert!(task["due_at"].is_string());
    assert_eq!(runtime.get("/v1/tasks?role=nobody")["tasks"], json!([]));
    let path = format!("/v1/tasks/{id}/answer");
    for (body, status, kind) in [
        (json!({ "answer": "burn", "by": "ada" }), 422, "not-asked"),
        (json!({ "answer": "keep" }), 400, "bad-request"),
        (json!({ "answer": "keep", "by": "ada", "x": 1 }), 400, "bad-request"),
    ] {
        let answer = runtime.decide(&path, &body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(answer.json()["type"], format!("urn:crossdock:problem:{kind}"));
    }
    let body = json!({ "answer": "keep", "by": "ada", "note": "well packed" });
    assert_eq!(runtime.decide(&path, &body).status, 200);
    assert_eq!(runtime.end_of(&id), "done");
    assert_eq!(runtime.decide(&path, &body).status, 404, "once");
    assert_eq!(runtime.get("/v1/tasks")["tasks"], json!([]));
    let decided = &runtime.exchange(&id)["outcomes"][1]["outcome"]["decided"];
    assert_eq!((&decided["by"], &decided["note"]), (&json!("ada"), &json!("well packed")));
}

#[test]
fn an_exception_is_listed_shown_and_retried() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    let depot = Depot::with(move |_, moment| {
        (moment == Moment::Before && state.load(Ordering::Relaxed))
            .then(|| say(400, "no such shelf"))
    });
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let id = runtime.parcel("/parcels", "P-1");
    let gone = runtime.parcel("/parcels", "P-2");
    let exception = runtime.exception(&id);
    runtime.exception(&gone);
    assert_eq!(exception["class"], "depot-4xx", "{exception:#}");
    assert_eq!(exception["message"], "no such shelf");
    assert_eq!(exception["document"]["message"]["id"], "P-1");
    for (filter, count) in
        [("", 2), ("?class=depot-4xx", 2), ("?owner=yard&route=storing", 2), ("?class=else", 0)]
    {
        let found = runtime.get(&format!("/v1/exceptions{filter}"));
        assert_eq!(found["exceptions"].as_array().unwrap().len(), count, "{filter}");
    }
    broken.store(false, Ordering::Relaxed);
    let body = json!({ "by": "ada", "why": "shelf built" });
    let retried = runtime.decide(&format!("/v1/exceptions/{id}/retry"), &body);
    assert_eq!(retried.status, 200, "{retried:?}");
    assert_eq!(runtime.end_of(&id), "done");
    let keys: Vec<Option<String>> = depot
        .system
        .asked()
        .iter()
        .map(|asked| asked.header("idempotency-key").map(str::to_owned))
        .filter(|key| key.as_ref().is_some_and(|key| key.starts_with(&id)))
        .collect();
    let expected = [0, 1].map(|generation| Some(format!("{id}/stored/{generation}")));
    assert_eq!(keys, expected, "a definite refusal and a person's word: a new key");
    let body = json!({ "by": "ada", "why": "lost" });
    let discarded = runtime.decide(&format!("/v1/exceptions/{gone}/discard"), &body);
    assert_eq!(discarded.status, 200, "{discarded:?}");
    assert_eq!(runtime.end_of(&gone), "discarded");
    assert_eq!(runtime.get("/v1/exceptions")["exceptions"], json!([]));
    assert_eq!(depot.effects_total(), 1);
}

#[test]
fn a_timeline_follows_links_from_another_systems_number() {
    let depot = Depot::start();
    let runtime =
        Setup::with_depot(&depot.system).route("storing", STORE).route("moving", MOVED).start();
    // Here before its link: it waits, and goes on when the parcel has its number.
    let early = runtime.post("/moves", "{\"number\": \"D-1\"}").exchange();
    let waiting = runtime.in_state(&early, "waiting");
    assert!(waiting["why"].as_str().unwrap().contains("no parcel is linked to `D-1`"));
    let stored = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&stored), "done");
    let late = runtime.post("/moves", "{\"number\": \"D-1\"}").exchange();
    assert_eq!(runtime.end_of(&late), "done");
    assert_eq!(runtime.end_of(&early), "done");
    let timeline = runtime.get("/v1/timeline/parcel/P-1");
    let found: Vec<&str> = timeline["exchanges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exchange| exchange["exchange"].as_str().unwrap())
        .collect();
    assert_eq!(found.len(), 3, "{timeline:#}");
    for id in [&early, &stored, &late] {
        assert!(found.contains(&id.as_str()), "{timeline:#}");
    }
    let node = json!({ "company": "acme", "object": "parcel", "system": "depot", "id": "D-1" });
    assert!(timeline["ids"].as_array().unwrap().contains(&node), "{timeline:#}");
    let by_number = runtime.get("/v1/timeline/parcel/D-1");
    assert_eq!(by_number["exchanges"].as_array().unwrap().len(), 3, "{by_number:#}");
    assert_eq!(runtime.get("/v1/timeline/parcel/none")["exchanges"], json!([]));
}

#[test]
fn what_runs_is_shown() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    assert_eq!(runtime.get("/healthz"), json!({ "status": "ok" }));
    wait_until("readiness", || runtime.ask("/readyz").status == 200);
    assert_eq!(runtime.get("/readyz"), json!({ "ready": true }));
    let route = runtime.get("/v1/routes")["routes"][0].clone();
    assert_eq!(route["name"], "storing");
    assert_eq!(route["source"], "http POST /parcels");
    assert_eq!(route["file"], "routes/storing.toml");
    assert_eq!(route["steps"][1], json!({ "name": "stored", "kind": "call", "line": 15 }));
    let connector = runtime.get("/v1/connectors")["connectors"][0].clone();
    assert_eq!((&connector["alias"], &connector["version"]), (&json!("depot"), &json!("1.0.0")));
    assert!(connector["offers"].to_string().contains("acme:depot/parcels@1.0.0"), "{connector:#}");
    assert_eq!(connector["upstreams"], json!(["depot"]));
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "done");
    let metrics = runtime.ask("/metrics");
    for line in [
        "crossdock_accepted_total{route=\"storing\"} 1",
        "crossdock_ended_total{route=\"storing\",end=\"done\"} 1",
        "crossdock_calls_total{connector=\"depot\",operation=\"store\",outcome=\"ok\"} 1",
        "crossdock_exchanges{state=\"parked\"} 0",
    ] {
        assert!(metrics.body.contains(line), "{line} is missing in\n{}", metrics.body);
    }
    for (path, status) in [
        ("/v1/exchanges?state=lost", 400),
        ("/v1/exchanges/0000000000000", 404),
        ("/v1/exchanges/nonsense!", 400),
        ("/v1/nothing", 404),
    ] {
        assert_eq!(runtime.ask(path).status, status, "{path}");
    }
}

#[test]
fn pages_of_exchanges_follow_each_other() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let mut sent: Vec<String> =
        (0..7).map(|number| runtime.parcel("/parcels", &format!("P-{number}"))).collect();
    runtime.ended("storing", "done", 7);
    let mut seen = Vec::new();
    let mut path = "/v1/exchanges?end=done&limit=3".to_owned();
    loop {
        let page = runtime.get(&path);
        let exchanges = page["exchanges"].as_array().unwrap();
        seen.extend(exchanges.iter().map(|found| found["exchange"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/exchanges?end=done&limit=3&before={next}");
    }
    sent.sort();
    seen.sort();
    assert_eq!(seen, sent);
}

#[test]
fn a_token_opens_all_but_health() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system)
        .listen("admin_token = { file = \"admin.token\" }")
        .with_file("admin.token", "open sesame\n")
        .route("storing", STORE)
        .start();
    let ask = |path: &str, token: Option<&str>| {
        let header = token.map(|token| ("authorization", token));
        send(runtime.admin, "GET", path, header.as_slice(), "").unwrap()
    };
    assert_eq!(ask("/healthz", None).status, 200);
    for token in [None, Some("Bearer "), Some("Bearer open sesam"), Some("open sesame")] {
        for path in ["/v1/routes", "/v1/exchanges", "/metrics", "/v1/nothing"] {
            let answer = ask(path, token);
            assert_eq!(answer.status, 401, "{path} {token:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let post = send(runtime.admin, "POST", "/v1/tasks/0000000000000/answer", &[], "{}").unwrap();
    assert_eq!(post.status, 401);
    assert_eq!(ask("/v1/routes", Some("Bearer open sesame")).status, 200);
    // The command line has it from the configuration.
    assert_eq!(runtime.cli(&["tasks", "list"]).code, Some(0));
}

#[test]
fn the_command_line_shows_and_decides() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    let depot = Depot::with(move |asked, moment| {
        (moment == Moment::Before
            && asked.body.starts_with("id=P-2 ")
            && state.load(Ordering::Relaxed))
        .then(|| say(400, "no such shelf"))
    });
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let parked = fragile(&runtime, "P-1");
    runtime.in_state(&parked, "parked");
    let list = runtime.cli(&["tasks", "list"]);
    assert_eq!(list.code, Some(0), "{list:?}");
    assert!(list.out.contains(&format!("{parked}  storing.review  for foreman")), "{list:?}");
    assert!(list.out.contains("asks: keep | return"), "{list:?}");
    let wrong = runtime.cli(&["tasks", "answer", &parked, "burn"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("keep, return"), "{wrong:?}");
    let right = runtime.cli(&["tasks", "answer", &parked, "keep", "--note", "well packed"]);
    assert_eq!(right.code, Some(0), "{right:?}");
    assert_eq!(runtime.end_of(&parked), "done");
    let trace = runtime.cli(&["trace", "parcel=P-1"]);
    assert_eq!(trace.code, Some(0), "{trace:?}");
    for words in
        ["parcel P-1", "parcel D-1 in depot", "tester decided `keep`: well packed", "-> done"]
    {
        assert!(trace.out.contains(words), "{words} is missing in\n{}", trace.out);
    }
    let by_id = runtime.cli(&["trace", &parked, "--json"]);
    let read: Value = serde_json::from_str(&by_id.out).unwrap();
    assert_eq!(read["exchange"], parked.as_str());
    let unknown = runtime.cli(&["trace", "0000000000000"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");

    let failed = runtime.parcel("/parcels", "P-2");
    runtime.exception(&failed);
    let list = runtime.cli(&["exceptions", "list", "--class", "depot-4xx"]);
    assert!(list.out.contains(&failed) && list.out.contains("no such shelf"), "{list:?}");
    let none = runtime.cli(&["exceptions", "list", "--class", "else"]);
    assert!(none.out.contains("no open exceptions"), "{none:?}");
    let shown = runtime.cli(&["exceptions", "show", &failed]);
    assert!(shown.out.contains("\"id\":\"P-2\""), "{shown:?}");
    broken.store(false, Ordering::Relaxed);
    let retried = runtime.cli(&["exceptions", "retry", &failed, "--why", "shelf built"]);
    assert_eq!(retried.code, Some(0), "{retried:?}");
    assert_eq!(runtime.end_of(&failed), "done");
    assert_eq!(runtime.cli(&["exceptions", "retry", &failed]).code, Some(1));
}

#[test]
fn an_operation_can_be_tried_without_a_route() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).start();
    let good = runtime.cli(&["connector", "call", "depot", "weigh", r#"{"id":"P-1"}"#]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert_eq!(good.out.trim(), r#"{"id":"P-1","weight":"2.50"}"#);
    let input = runtime.cli(&["connector", "call", "depot", "weigh", r#"{"idd":"P-1"}"#]);
    assert_eq!(input.code, Some(2), "{input:?}");
    assert!(input.err.contains("/idd"), "{input:?}");
    let unknown = runtime.cli(&["connector", "call", "depot", "weihg", "{}"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("did you mean `weigh`?"), "{unknown:?}");
    let alias = runtime.cli(&["connector", "call", "depott", "weigh", "{}"]);
    assert!(alias.err.contains("did you mean `depot`?"), "{alias:?}");
    let component = crate::support::built::guest("depot");
    let inspected = runtime.cli(&["connector", "inspect", &component.display().to_string()]);
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    for words in [
        "depot 1.0.0 - Keeps parcels.",
        "acme:depot/parcels@1.0.0",
        "mutation, key honoured for 24 h",
        "mutation, no key, probe probe-ship-out",
        "where the parcels are",
    ] {
        assert!(inspected.out.contains(words), "{words} is missing in\n{}", inspected.out);
    }
}

#[test]
fn exit_codes_tell_failure_files_and_surroundings_apart() {
    const ANY: &str = "127.0.0.1:0";
    let depot = Depot::start();
    let setup = Setup::with_depot(&depot.system).route("storing", STORE);
    let checked = setup.crossdock(&["check"], ANY, ANY);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.out.contains("checked: 1 routes, 1 connectors, 0 warnings"), "{checked:?}");
    // Nothing runs here: 3, with what to do.
    let closed = setup.crossdock(&["tasks", "list"], ANY, "127.0.0.1:1");
    assert_eq!(closed.code, Some(3), "{closed:?}");
    assert!(closed.err.contains("crossdock run"), "{closed:?}");
    let holder = TcpListener::bind(ANY).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for (http, admin) in [(taken.as_str(), ANY), (ANY, taken.as_str())] {
        let said = setup.crossdock(&["run"], http, admin);
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains(&taken) && said.err.contains("help:"), "{said:?}");
    }
    drop(holder);
    for command in ["run", "check"] {
        let said: crate::support::setup::Said =
            setup.command(&["--config", "nowhere.toml", command]).into();
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(
            said.err.contains("nowhere.toml") && said.err.contains("--config FILE"),
            "{said:?}"
        );
        setup.write("typo.toml", "enviroment = \"test\"\n");
        let said: crate::support::setup::Said =
            setup.command(&["--config", "typo.toml", command]).into();
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(
            said.err.contains("`enviroment`") && said.err.contains("typo.toml:1:1"),
            "{said:?}"
        );
        assert!(said.err.contains("environment"), "the right key is suggested: {said:?}");
    }
    let said: crate::support::setup::Said =
        setup.command(&["--json", "--config", "x", "check"]).into();
    let read: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(read["exit"], 2);
    setup.write_route("storing", &STORE.replace("message.id", "message.idd"));
    let said = setup.crossdock(&["run"], ANY, ANY);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("routes/storing.toml:10:"), "{said:?}");
    assert!(said.err.contains("did you mean `id`?"), "{said:?}");
    let beyond = Setup::new().crossdock(&["run"], ANY, "0.0.0.0:0");
    assert_eq!(beyond.code, Some(2), "an admin API for everyone wants a token: {beyond:?}");
    assert!(beyond.err.contains("admin_token"), "{beyond:?}");
}
