//! The exception desk as an admin meets it at two in the morning: what is shown, what is hidden, what
//! can be done, one by one and for many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::depot::{Depot, Moment, STORE};
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::{Say, say};
use crate::support::{wait_for, wait_until};

/// No key, no probe: a lost answer stays in doubt.
const DROP: &str = r#"
[route]
name = "dropping"
owner = "yard"
[from.http]
path = "/drops"
accept = "acme:depot/parcels.parcel@1"
[keys]
parcel = "message.id"
[[step]]
name = "dropped"
call = "depot.drop-off"
with = "message"
"#;

/// Refuses everything while the flag is up.
fn broken() -> (Depot, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(true));
    let own = flag.clone();
    let depot = Depot::with(move |asked, moment| {
        let id = asked.body.split(' ').next().unwrap_or_default().to_owned();
        (moment == Moment::Before && own.load(Ordering::Relaxed))
            .then(|| say(400, format!("no shelf for {id}")))
    });
    (depot, flag)
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in\n{text}");
    }
}

fn audited(runtime: &Runtime, action: &str) -> Vec<Value> {
    let said = runtime.cli(&["audit", "list", "--action", action, "--json"]);
    let read: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    read["entries"].as_array().or(read.as_array()).cloned().unwrap_or_default()
}

#[test]
fn an_exception_shows_all_that_a_person_needs_and_no_marked_field() {
    let (depot, _) = broken();
    let runtime = Setup::with_depot(&depot.system)
        .tables("[mask]\nfields = [\"note\", \"/references/*/id\"]")
        .route("storing", STORE)
        .start();
    let body = json!({
        "id": "P-1", "company": "acme", "weight": "2.5", "note": "ada@example.com",
        "references": [{ "system": "shop", "object": "parcel", "id": "SECRET-77" }],
    });
    let id = runtime.post("/parcels", &body.to_string()).exchange();
    let shown = runtime.exception(&id);
    assert_eq!((&shown["class"], &shown["owner"]), (&json!("depot-4xx"), &json!("yard")));
    assert_eq!(shown["file"], "routes/storing.toml");
    assert_eq!(shown["line"], 10, "the line of the step");
    assert_eq!(shown["keys"], json!({ "parcel": "P-1" }));
    assert_eq!(shown["assignee"], Value::Null);
    assert_eq!(shown["fault"]["status"], 400);
    assert_eq!(shown["fault"]["attempts"], 1);
    assert_eq!(shown["waiting_behind"], 0);
    let message = &shown["document"]["message"];
    assert_eq!((&message["note"], &message["id"]), (&json!("[masked]"), &json!("P-1")));
    assert_eq!(message["references"][0]["id"], "[masked]");
    let offered: Vec<&str> = shown["offers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|offer| offer["action"].as_str().unwrap())
        .collect();
    assert!(
        ["retry", "assign", "discard"].iter().all(|action| offered.contains(action)),
        "{offered:?}"
    );
    assert!(!offered.contains(&"settle-applied"), "nothing is in doubt");
    // Nowhere: not in a list, a trace, a timeline.
    for path in [
        "/v1/exceptions".to_owned(),
        format!("/v1/exceptions/{id}"),
        format!("/v1/exchanges/{id}"),
        "/v1/timeline/parcel/P-1".to_owned(),
    ] {
        let answer = runtime.ask(&path);
        assert!(!answer.body.contains("ada@example.com"), "{path}: {}", answer.body);
    }
    let said = runtime.cli(&["exceptions", "show", &id]);
    says(
        &said.out,
        &[
            &format!("{id}  depot-4xx in storing.stored (routes/storing.toml:10)"),
            "parcel P-1",
            "status 400",
            "asked once",
            "owner yard, nobody has it in hand",
            "what you can do:",
            &format!("crossdock exceptions retry {id} --why"),
            "[masked]",
        ],
    );
    assert!(!said.out.contains("ada@example.com"), "{}", said.out);
}

#[test]
fn hands_are_taken_and_given_back() {
    let (depot, _) = broken();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let id = runtime.parcel("/parcels", "P-1");
    runtime.exception(&id);
    let said = runtime.cli(&["exceptions", "assign", &id, "--to", "ada", "--why", "mine"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    says(&said.out, &["ada has it in hand"]);
    let list = |filter: &str| runtime.get(&format!("/v1/exceptions{filter}"))["exceptions"].clone();
    assert_eq!(list("?assignee=ada").as_array().unwrap().len(), 1);
    assert_eq!(list("?assignee=bob").as_array().unwrap().len(), 0);
    says(&runtime.cli(&["exceptions", "list"]).out, &["ada has it"]);
    assert_eq!(runtime.cli(&["exceptions", "assign", &id]).code, Some(0));
    assert_eq!(list("")[0]["assignee"], Value::Null);
    let entries = audited(&runtime, "exception.assign");
    assert_eq!(entries.len(), 2, "{entries:#?}");
    let gone = runtime.cli(&["exceptions", "assign", "0000000000000", "--to", "ada"]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    says(&gone.err, &["no open exception or task"]);
}

#[test]
fn what_is_in_doubt_is_settled_by_a_persons_word_checked() {
    let depot = Depot::with(|asked, moment| {
        (moment == Moment::After && asked.path == "/drops").then_some(Say::Cut)
    });
    let runtime = Setup::with_depot(&depot.system).route("dropping", DROP).start();
    let [applied, absent] = ["P-1", "P-2"].map(|id| runtime.parcel("/drops", id));
    let shown = runtime.exception(&applied);
    runtime.exception(&absent);
    assert_eq!(shown["class"], "in-doubt", "{shown:#}");
    let said = runtime.cli(&["exceptions", "show", &applied]);
    says(
        &said.out,
        &[
            "it took effect: go on with the result that the system has",
            "it did not take effect: call again, under the same key",
            "--absent",
        ],
    );
    let settle =
        |id: &str, body: Value| runtime.decide(&format!("/v1/exceptions/{id}/settle"), &body);
    let wrong =
        json!({ "took_effect": true, "result": { "nummer": 1 }, "by": "ada", "why": "I called" });
    let refused = settle(&applied, wrong);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.json()["errors"][0]["pointer"].is_string(), "{refused:?}");
    let half = json!({ "took_effect": true, "by": "ada", "why": "I called" });
    assert_eq!(settle(&applied, half).status, 400);
    runtime.setup.write("result.json", &drop_result("D-9"));
    let said = runtime.cli(&[
        "exceptions",
        "settle",
        &applied,
        "--applied",
        "result.json",
        "--why",
        "I called",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(runtime.end_of(&applied), "done");
    assert_eq!(depot.effects("/drops", "P-1"), 1, "nothing was called again");
    let trace = runtime.cli(&["trace", &applied]).out;
    says(&trace, &["tester says that it took effect: I called"]);
    // The answer of the second call is cut again: it was asked, under the same key.
    let said = runtime.cli(&["exceptions", "settle", &absent, "--absent", "--why", "not there"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_until("the second call", || depot.effects("/drops", "P-2") == 2);
    assert_eq!(audited(&runtime, "exception.settle-absent").len(), 1);
    let none = runtime.cli(&["exceptions", "settle", &applied, "--absent", "--why", "x"]);
    assert_eq!(none.code, Some(1), "{none:?}");
}

/// What `drop-off` answers.
fn drop_result(number: &str) -> String {
    let reference = json!({ "system": "depot", "object": "parcel", "id": number });
    json!({ "id": "P-1", "company": "acme", "weight": "2.5", "references": [reference] })
        .to_string()
}

#[test]
fn many_are_counted_agreed_to_and_taken_past_single_failures() {
    let (depot, broken) = broken();
    let runtime =
        Setup::with_depot(&depot.system).route("storing", STORE).route("dropping", DROP).start();
    let ids: Vec<String> = (1..=5).map(|n| runtime.parcel("/parcels", &format!("P-{n}"))).collect();
    let other = runtime.parcel("/drops", "Q-1");
    ids.iter().chain([&other]).for_each(|id| drop(runtime.exception(id)));
    let summary = runtime.cli(&["exceptions", "list", "--by", "route"]);
    says(&summary.out, &["5 storing since ", ", owner yard, oldest "]);
    let found = runtime.get("/v1/exceptions?by=class");
    assert_eq!(found["groups"][0]["count"], 6, "{found:#}");

    let retry = ["exceptions", "retry", "--route", "storing", "--since", "1h", "--why", "shelves"];
    let asked = runtime.cli(&retry);
    assert_eq!(asked.code, Some(1), "nobody said yes: {asked:?}");
    says(&asked.err, &["this would retry 5 exceptions; say --yes"]);
    let would = runtime.cli(&[&retry[..], &["--dry-run"]].concat());
    says(&would.out, &["would retry 5 exceptions", &ids[0]]);
    assert_eq!(runtime.get("/v1/exceptions")["exceptions"].as_array().unwrap().len(), 6);

    broken.store(false, Ordering::Relaxed);
    let taken = runtime.cli(&[&retry[..], &["--yes"]].concat());
    assert_eq!(taken.code, Some(0), "{taken:?}");
    says(&taken.out, &["done: 5 of 5 taken, 0 failed"]);
    ids.iter().for_each(|id| assert_eq!(runtime.end_of(id), "done"));
    assert_eq!(runtime.exchange(&other)["state"], "excepted", "it was not meant");
    assert_eq!(audited(&runtime, "exception.retry").len(), 5, "each has its entry");
    let entries = audited(&runtime, "exceptions.retry");
    assert_eq!(entries.len(), 1, "and the action has one");
    let none = runtime.cli(&[&retry[..], &["--yes"]].concat());
    says(&none.out, &["no open exception fits"]);
    assert_eq!(
        runtime.cli(&["exceptions", "retry", "--why", "x"]).code,
        Some(1),
        "all only by --all"
    );
}

#[test]
fn an_action_on_many_is_paced_shown_and_stopped() {
    let (depot, _) = broken();
    let runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let ids: Vec<String> =
        (1..=12).map(|n| runtime.parcel("/parcels", &format!("P-{n}"))).collect();
    ids.iter().for_each(|id| drop(runtime.exception(id)));
    let body = json!({
        "action": "discard", "filter": { "class": "depot-4xx" }, "by": "ada", "why": "test data",
        "rate": 2, "expect": 12,
    });
    let started = runtime.decide("/v1/exceptions/actions", &body);
    assert_eq!(started.status, 202, "{started:?}");
    let job = started.json()["job"].as_str().unwrap().to_owned();
    let shown = || runtime.get(&format!("/v1/exceptions/actions/{job}"));
    wait_until("some progress", || shown()["done"].as_u64() >= Some(1));
    let stopped = runtime.cli(&["exceptions", "jobs", &job, "--cancel"]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let over =
        wait_for("end of the job", || Some(shown()).filter(|job| job["state"] == "cancelled"));
    let done = over["done"].as_u64().unwrap();
    assert!((1..12).contains(&done), "{over:#}");
    let left = runtime.get("/v1/exceptions")["exceptions"].as_array().unwrap().len() as u64;
    assert_eq!(left, 12 - done);
    // More than were agreed to: nothing is done.
    let body = json!({
        "action": "discard", "filter": { "all": "true" }, "by": "ada", "why": "x", "expect": 1,
    });
    assert_eq!(runtime.decide("/v1/exceptions/actions", &body).status, 409);
    let empty = json!({ "action": "discard", "filter": {}, "by": "ada", "why": "x" });
    assert_eq!(runtime.decide("/v1/exceptions/actions", &empty).status, 400);
    let unknown = json!({ "action": "retry", "filter": { "klass": "x" }, "by": "ada", "why": "x" });
    let unknown = runtime.decide("/v1/exceptions/actions", &unknown);
    assert!(unknown.status == 400 && unknown.body.contains("klass"), "{unknown:?}");
}

#[test]
fn what_nobody_acts_on_is_handed_on_once_also_over_a_restart() {
    let (depot, _) = broken();
    let slow = STORE.replace(
        "owner = \"yard\"",
        "owner = \"yard\"\nescalate = { after = \"4s\", to = \"operations\" }",
    );
    let asking = "[route]\nname = \"asking\"\nowner = \"yard\"\n[from.http]\npath = \"/asked\"\naccept = \"any\"\n[[step]]\nname = \"asked\"\npark = { role = \"foreman\", within = \"3s\", escalate = \"boss\", ask = [\"yes\"] }\n";
    let alert = "[route]\nname = \"alerting\"\nowner = \"operations\"\n[from.event]\ntopic = \"crossdock:operations/notices.exception-escalated@1\"\n[keys]\nfrom = \"message.owner\"\nto = \"message.to\"\n[[step]]\nname = \"done\"\nend = \"done\"\n";
    let mut runtime = Setup::with_depot(&depot.system)
        .route("storing", &slow)
        .route("asking", asking)
        .route("alerting", alert)
        .start();
    let id = runtime.parcel("/parcels", "P-1");
    let task = runtime.post("/asked", "{}").exchange();
    let shown = runtime.exception(&id);
    assert_eq!(shown["escalates"]["to"], "operations", "{shown:#}");
    runtime.crash();
    let owner = |runtime: &Runtime| runtime.get("/v1/exceptions")["exceptions"][0]["owner"].clone();
    wait_until("another owner", || owner(&runtime) == "operations");
    wait_until("another role", || {
        runtime.get("/v1/tasks?role=boss")["tasks"].as_array().unwrap().len() == 1
    });
    runtime.ended("alerting", "done", 1);
    runtime.crash();
    let shown = runtime.cli(&["exceptions", "show", &id]).out;
    says(&shown, &["owner operations", "was handed on at"]);
    let entries = audited(&runtime, "escalate");
    assert_eq!(entries.len(), 2, "once each: {entries:#?}");
    assert_eq!(runtime.of_route("alerting").len(), 1);
    // A late answer counts.
    runtime.answer_task(&task, "yes");
    assert_eq!(runtime.end_of(&task), "done");
}

#[test]
fn a_message_is_set_right_checked_and_never_by_two_at_once() {
    let (depot, broken) = broken();
    let runtime = Setup::with_depot(&depot.system)
        .tables("[mask]\nfields = [\"note\"]")
        .route("storing", STORE)
        .start();
    let body = json!({ "id": "P-1", "company": "acme", "references": [], "weight": "2.5", "note": "for Ada" });
    let id = runtime.post("/parcels", &body.to_string()).exchange();
    let shown = runtime.exception(&id);
    let (mut message, revision) = (shown["document"]["message"].clone(), shown["revision"].clone());
    assert_eq!(message["note"], "[masked]");
    let edit = |message: &Value, revision: &Value| {
        let body =
            json!({ "message": message, "revision": revision, "by": "ada", "why": "scales" });
        runtime.decide(&format!("/v1/exceptions/{id}/edit"), &body)
    };
    message["weight"] = "heavy".into();
    let refused = edit(&message, &revision);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/weight");
    message["weight"] = "3.5".into();
    // It fails again, and has moved on: who looked before is refused.
    assert_eq!(edit(&message, &revision).status, 200);
    wait_until("the second failure", || {
        let open = runtime.ask(&format!("/v1/exceptions/{id}"));
        open.status == 200 && open.json()["revision"] != revision
    });
    assert_eq!(edit(&message, &revision).status, 409);
    broken.store(false, Ordering::Relaxed);
    runtime.setup.write("right.json", &message.to_string().replace("3.5", "4.5"));
    let said = runtime.cli(&["exceptions", "edit", &id, "--file", "right.json", "--why", "scales"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(runtime.end_of(&id), "done");
    let asked = depot.system.asked();
    let last = asked.last().unwrap();
    assert!(last.body.contains("4.5"), "{last:?}");
    assert_eq!(runtime.exchange(&id)["message"]["note"], "[masked]");
}

#[test]
fn what_is_paused_waits_says_why_and_goes_on_at_once() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("storing", STORE).start();
    let wrong = runtime.cli(&["pause", "route", "storring", "--why", "x"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    says(&wrong.err, &["did you mean `storing`?"]);
    let said =
        runtime.cli(&["pause", "route", "storing", "--until", "2h", "--why", "erp migration"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let id = runtime.parcel("/parcels", "P-1");
    runtime.crash();
    let waiting = runtime.exchange(&id);
    assert_eq!(waiting["state"], "ready", "{waiting:#}");
    assert!(
        waiting["why"].as_str().unwrap().starts_with("paused: erp migration, until "),
        "{waiting:#}"
    );
    assert_eq!(depot.effects_total(), 0);
    says(&runtime.cli(&["pauses"]).out, &["route storing", "erp migration", "by tester"]);
    assert_eq!(runtime.cli(&["resume", "route", "storing", "--why", "done"]).code, Some(0));
    assert_eq!(runtime.end_of(&id), "done");
    let pause = ["pause", "connector", "depot", "--until", "2h", "--why", "new shelves"];
    assert_eq!(runtime.cli(&pause).code, Some(0));
    let held = runtime.parcel("/parcels", "P-2");
    let waiting = runtime.in_state(&held, "waiting");
    assert!(waiting["why"].as_str().unwrap().contains("paused: new shelves, until"), "{waiting:#}");
    says(&runtime.cli(&["trace", &held]).out, &["paused", "new shelves"]);
    assert_eq!(runtime.cli(&["resume", "connector", "depot", "--why", "done"]).code, Some(0));
    assert_eq!(runtime.end_of(&held), "done");
    let pause = ["pause", "route", "storing", "--until", "1s", "--why", "short"];
    assert_eq!(runtime.cli(&pause).code, Some(0));
    let short = runtime.parcel("/parcels", "P-3");
    assert_eq!(runtime.end_of(&short), "done", "it ends by itself");
    assert_eq!(audited(&runtime, "route.resume").len(), 2);
}

/// The chapter of the README, tried: its route runs, its commands do what they are there for.
#[test]
fn what_the_readme_says_of_the_desk_is_true() {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, chapter) = readme.split_once("\n## The exception desk\n").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let blocks: Vec<&str> = chapter.split("```").skip(1).step_by(2).collect();
    let alerts = blocks.iter().find(|block| block.contains("[route]")).unwrap();
    let depot = Depot::with(|asked, moment| match (moment, asked.path.as_str()) {
        (Moment::Before, "/parcels") => Some(say(400, "no shelf")),
        (Moment::After, "/drops") => Some(Say::Cut),
        _ => None,
    });
    let runtime = Setup::with_depot(&depot.system)
        .env("EDITOR", "true")
        .route("storing", STORE)
        .route("dropping", DROP)
        .route("alerts", alerts)
        .start();
    runtime.setup.write("result.json", &drop_result("D-1"));
    let mut tried = 0;
    let commands = blocks.iter().flat_map(|block| block.lines());
    for command in commands.filter_map(|line| line.strip_prefix("crossdock ")) {
        let local = command.replace("erp-5xx", "depot-4xx").replace(" erp ", " depot ");
        let local = local.replace("order-intake", "storing");
        let path = if local.contains("IN-DOUBT") { "/drops" } else { "/parcels" };
        let id = runtime.parcel(path, "P-1");
        if !local.starts_with("pause") && !local.starts_with("resume") {
            runtime.exception(&id);
        }
        // Words in quotes are one.
        let mut words: Vec<String> = Vec::new();
        for (index, part) in local.split('"').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        for word in &mut words {
            *word = word.replace("IN-DOUBT", &id).replace("EXCHANGE", &id);
        }
        let said = runtime.cli(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
    assert!(!runtime.of_route("alerts").is_empty());
}
