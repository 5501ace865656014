//! The journal as its admin sees it: kept and dropped by policy, backed up, checked and measured while
//! messages flow, with a record of who did what.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::depot::Depot;
use crate::support::http::send;
use crate::support::runtime::{Runtime, parcel};
use crate::support::setup::Setup;
use crate::support::{wait_for, wait_until};

/// A caller's key makes a message one exchange; a person decides on the heavy ones.
const STORED: &str = r#"
[route]
name = "stored"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
key = "headers['idempotency-key']"
[keys]
parcel = "message.id"
[[step]]
name = "review"
when = "message.id.startsWith('HEAVY')"
park = { role = "yard-chief", ask = ["approve", "refuse"], within = "24h", show = "message.id" }
[[step]]
name = "called"
call = "depot.store"
with = "message"
"#;

fn post(runtime: &Runtime, key: &str, id: &str) -> crate::support::http::Answer {
    runtime.send("POST", "/parcels", &[("idempotency-key", key)], &parcel(id))
}

#[test]
fn what_is_older_than_the_policy_goes_and_a_repeat_is_still_known() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system)
        .route("stored", STORED)
        .tables("[retention]\nfinished = \"4s\"\npayloads = \"1s\"\ncheck_every = \"300ms\"")
        .start();
    let open = post(&runtime, "K-open", "HEAVY-1").exchange();
    let id = post(&runtime, "K-1", "P-1").exchange();
    assert_eq!(runtime.end_of(&id), "done");

    let emptied = wait_for("dropped payload", || {
        Some(runtime.exchange(&id)).filter(|shown| shown["payload_dropped_at"].is_string())
    });
    assert_eq!(emptied["message"], Value::Null);
    assert!(!emptied.to_string().contains("2.5"), "the weight is still there: {emptied:#}");
    let steps: Vec<&str> = emptied["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| outcome["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["review", "called", "end"], "{emptied:#}");
    let trace = runtime.cli(&["trace", &id]);
    for part in ["payload dropped by retention", "answered", "ended: done"] {
        assert!(trace.out.contains(part), "{trace:?}");
    }

    wait_until("dropped exchange", || runtime.ask(&format!("/v1/exchanges/{id}")).status == 404);
    let timeline = runtime.get("/v1/timeline/parcel/P-1");
    assert_eq!(timeline["exchanges"].as_array().map(Vec::len), Some(0));
    // The caller's key outlives its exchange: nothing takes effect twice.
    assert_eq!(post(&runtime, "K-1", "P-1").exchange(), id);
    assert_eq!(post(&runtime, "K-1", "P-other").status, 422);
    assert_eq!(depot.effects("/parcels", "P-1"), 1);
    // What has not ended stays whole, however old.
    let waiting = runtime.in_state(&open, "parked");
    assert_eq!(waiting["message"]["id"], "HEAVY-1");
    runtime.answer_task(&open, "approve");
    assert_eq!(runtime.end_of(&open), "done");

    wait_until("sum of what was dropped", || {
        let found = runtime.get("/v1/audit?action=retention.drop");
        let entries = found["entries"].as_array().unwrap();
        let sum = |what: &str| {
            entries.iter().filter_map(|entry| entry["detail"][what].as_u64()).sum::<u64>()
        };
        sum("exchanges") == 2 && sum("payloads") == 2
    });
    let answered = runtime.get(&format!("/v1/audit?target={open}"));
    let entry = &answered["entries"][0];
    assert_eq!((&entry["action"], &entry["by"]), (&"task.answer".into(), &"ada".into()));
    assert_eq!(runtime.get("/v1/audit/verify")["broken"], Value::Null);
    let check = runtime.cli(&["journal", "check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
}

#[test]
fn without_a_policy_nothing_is_dropped() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system)
        .route("stored", STORED)
        .tables("[retention]\ncheck_every = \"200ms\"")
        .start();
    let id = post(&runtime, "K-1", "P-1").exchange();
    assert_eq!(runtime.end_of(&id), "done");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(runtime.exchange(&id)["message"]["id"], "P-1");
    assert_eq!(runtime.get("/v1/audit")["entries"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_backup_under_load_is_a_journal_that_goes_on() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("stored", STORED).start();
    let parked = post(&runtime, "K-heavy", "HEAVY-1").exchange();
    let target = runtime.setup.path().join("backup.db");
    let enough = AtomicBool::new(false);
    let (before, after) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut accepted = Vec::new();
            while !enough.load(Ordering::SeqCst) {
                let number = accepted.len();
                let body = parcel(&format!("P-{number}"));
                let key = format!("K-{number}");
                let headers = [("idempotency-key", key.as_str())];
                let answer = send(runtime.http, "POST", "/parcels", &headers, &body).unwrap();
                accepted.push(answer.exchange());
            }
            accepted
        });
        wait_until("load", || runtime.of_route("stored").len() > 20);
        let before = runtime.of_route("stored").len();
        let made = runtime.cli(&["journal", "backup", target.to_str().unwrap()]);
        assert_eq!(made.code, Some(0), "{made:?}");
        enough.store(true, Ordering::SeqCst);
        (before, load.join().unwrap())
    });
    let again = runtime.cli(&["journal", "backup", target.to_str().unwrap()]);
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.err.contains("CD0811") && again.err.contains("exists already"), "{again:?}");
    runtime.kill();

    // The machine is gone; another one starts from the backup, against the same systems.
    let restored = Setup::with_depot(&depot.system).route("stored", STORED);
    std::fs::create_dir(restored.path().join("data")).unwrap();
    std::fs::rename(&target, restored.path().join("data/journal.db")).unwrap();
    let restored = restored.start();
    let known: Vec<&String> = after
        .iter()
        .filter(|id| restored.ask(&format!("/v1/exchanges/{id}")).status == 200)
        .collect();
    assert!(known.len() + 1 >= before, "{} of {before} and more", known.len());
    for (number, id) in after.iter().enumerate() {
        if known.contains(&id) {
            assert_eq!(restored.end_of(id), "done");
        } else {
            // Its caller was told 202 by the lost machine, and sends it again to be sure.
            let new = post(&restored, &format!("K-{number}"), &format!("P-{number}")).exchange();
            assert_ne!(new, *id, "an id was given out twice");
            restored.end_of(&new);
        }
    }
    for (number, id) in after.iter().enumerate() {
        if known.contains(&id) {
            assert_eq!(depot.effects("/parcels", &format!("P-{number}")), 1, "P-{number}");
        }
    }
    restored.answer_task(&parked, "approve");
    assert_eq!(restored.end_of(&parked), "done");
    assert_eq!(restored.get("/v1/audit?action=journal.restore")["entries"][0]["by"], "journal");
    let check = restored.cli(&["journal", "check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
}

#[test]
fn the_audit_trail_is_listed_and_verified_without_a_runtime() {
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("stored", STORED).start();
    for (number, answer) in [(1, "approve"), (2, "refuse"), (3, "approve")] {
        let id = post(&runtime, &format!("K-{number}"), &format!("HEAVY-{number}")).exchange();
        runtime.answer_task(&id, answer);
        runtime.end_of(&id);
    }
    let live = runtime.cli(&["audit", "verify"]);
    assert_eq!(live.code, Some(0), "{live:?}");
    let head = live.out.lines().find_map(|line| line.strip_prefix("head: ")).unwrap().to_owned();
    assert_eq!(runtime.get(&format!("/v1/audit/verify?from={head}"))["entries"], 0);
    assert_eq!(runtime.ask("/v1/audit/verify?from=7").status, 400);
    assert_eq!(runtime.stop(), Some(0));

    let listed = runtime.cli(&["--json", "audit", "list", "--by", "ada", "--since", "1h"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed["entries"].as_array().map(Vec::len), Some(3));
    assert_eq!(listed["entries"][0]["detail"]["answer"], "approve");
    let said = runtime.cli(&["audit", "list", "--since", "yesterday"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let noted = runtime.cli(&["audit", "verify", "--from", &head]);
    assert_eq!(noted.code, Some(0), "{noted:?}");
    assert!(noted.out.contains("0 entries after 3"), "{noted:?}");

    // Somebody changes one word of the second entry in the file itself.
    let file = runtime.setup.path().join("data/journal.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let word = br#""answer":"refuse","route""#;
    let at = bytes.windows(word.len()).position(|found| found == word).unwrap();
    bytes[at..at + word.len()].copy_from_slice(br#""answer":"accept","route""#);
    std::fs::write(&file, bytes).unwrap();
    let broken = runtime.cli(&["audit", "verify"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    for part in ["CD0820", "entry 2", "was changed", "1 entries hold"] {
        assert!(broken.err.contains(part), "`{part}` is not in {broken:?}");
    }
    let broken = runtime.cli(&["--json", "audit", "verify"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let verdict: Value = serde_json::from_str(&broken.out).unwrap();
    assert_eq!(verdict["broken"]["sequence"], 2);
    assert_eq!(runtime.cli(&["journal", "check"]).code, Some(1));

    let nowhere = runtime.cli(&["audit", "verify", "--file", "nowhere.db"]);
    assert_eq!(nowhere.code, Some(3), "{nowhere:?}");
    assert!(nowhere.err.contains("no such file"), "{nowhere:?}");
}

#[test]
fn the_size_of_a_live_journal_is_told() {
    let depot = Depot::start();
    let runtime = Setup::with_depot(&depot.system).route("stored", STORED).start();
    let open = post(&runtime, "K-0", "HEAVY-1").exchange();
    let id = post(&runtime, "K-1", "P-1").exchange();
    runtime.end_of(&id);
    runtime.in_state(&open, "parked");
    let stats = runtime.cli(&["--json", "journal", "stats"]);
    assert_eq!(stats.code, Some(0), "{stats:?}");
    let stats: Value = serde_json::from_str(&stats.out).unwrap();
    assert_eq!((&stats["open"]["parked"], &stats["ended"]), (&1.into(), &1.into()));
    assert_eq!(stats["oldest_open"]["exchange"], open.as_str());
    let table = stats["tables"].as_array().unwrap().iter().find(|t| t["name"] == "exchange");
    assert_eq!(table.unwrap()["rows"], 2);
    let said = runtime.cli(&["journal", "stats"]);
    for part in ["1 parked", "ended and kept: 1", "oldest open", "exchange"] {
        assert!(said.out.contains(part), "{said:?}");
    }
}
