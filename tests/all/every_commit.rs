//! Crashes at each write of the journal, one run for each of them: before the transaction reaches the
//! disk, and when it is there but nobody has been told. One order goes through everything that is
//! journalled; whatever the moment, it comes to its right end and each effect stands once.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::PATIENCE;
use crate::support::depot::{Depot, Moment};
use crate::support::http::{Answer, send};
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::Say;

/// An order by signed webhook: a query that is busy at first, a mutation of each kind of repetition,
/// a list, a task, and an event.
const ORDER: &str = r#"
[route]
name = "order"
owner = "yard"
[from.webhook]
connector = "depot"
operation = "take-notice"
path = "/webhooks/depot"
[keys]
parcel = "message.id"
[[step]]
name = "weight"
call = "depot.weigh"
with = { id = "message.id" }
retry = { attempts = 5, backoff = "40ms" }
[[step]]
name = "stored"
call = "depot.store"
with = { id = "message.id", company = "message.company", references = [], weight = "weight.weight" }
[[step]]
name = "review"
park = { role = "foreman", within = "24h", ask = ["keep", "return"], show = "weight.weight" }
[[step]]
name = "labelled"
call = "depot.label"
with = "message"
[[step]]
name = "pieces"
each = "['1', '2']"
call = "depot.store"
with = { id = "message.id + '-' + each", company = "message.company", references = [], weight = "weight.weight" }
[[step]]
name = "out"
call = "depot.ship-out"
with = "message"
[[step]]
name = "told"
publish = "acme:depot/parcels.parcel@1"
with = "message"
"#;

/// The subscriber makes the call that nobody can repeat or ask about.
const DROP: &str = r#"
[route]
name = "drop"
owner = "gate"
[from.event]
topic = "acme:depot/parcels.parcel@1"
[keys]
parcel = "message.id"
[[step]]
name = "dropped"
call = "depot.drop-off"
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
limit = 50
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

const SECRET: &str = "whsec-of-the-notices";
/// Everything that must have happened, each once.
const EFFECTS: [(&str, &str); 7] = [
    ("/parcels", "N-1"),
    ("/parcels", "N-1-1"),
    ("/parcels", "N-1-2"),
    ("/labels", "N-1"),
    ("/outs", "N-1"),
    ("/drops", "N-1"),
    ("/parcels", "A-1"),
];
/// Runs at the same time.
const RUNS: usize = 4;
/// An order that journals more often than this is a loop.
const WRITES_MAX: u64 = 200;
const SWEEPS_MAX: usize = 4;

#[test]
fn a_crash_before_each_journal_write_is_recovered_from() {
    at_every_write("journal-write");
}

#[test]
fn a_crash_after_each_journal_write_is_recovered_from() {
    at_every_write("journal-written");
}

fn at_every_write(point: &str) {
    // Compiled once: this test is about commits.
    let warm = Run::new(None);
    let compiled = warm.runtime.as_ref().unwrap().setup.path().join("data/compiled");
    // What comes at the same time is numbered as it comes, so a sweep may just pass by the write
    // before the one call that nobody can ask about.
    let hit = (0..SWEEPS_MAX).any(|_| sweep(point, &compiled) > 0);
    assert!(hit, "one of them hits a call that nobody can ask about");
}

/// A crash at each number; how many of them left a call in doubt.
fn sweep(point: &str, compiled: &Path) -> usize {
    let crashes = AtomicUsize::new(0);
    let in_doubt = AtomicUsize::new(0);
    let next = AtomicU64::new(1);
    let last = AtomicU64::new(WRITES_MAX);
    let wrong: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..RUNS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > last.load(Ordering::Relaxed) {
                        break;
                    }
                    let failpoint = format!("{point}:{number}");
                    let mut run = Run::new(Some((&failpoint, compiled)));
                    let found = run.finish();
                    crashes.fetch_add(usize::from(run.crashed), Ordering::Relaxed);
                    in_doubt.fetch_add(run.in_doubt, Ordering::Relaxed);
                    if !run.crashed {
                        // Written less often than that: every write has had its crash.
                        last.fetch_min(number, Ordering::Relaxed);
                    }
                    if let Err(reason) = found {
                        wrong.lock().unwrap().push(format!("{failpoint}: {reason}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let (crashes, in_doubt) = (crashes.into_inner(), in_doubt.into_inner());
    println!("{point}: {crashes} crashes, {in_doubt} of them left a call in doubt");
    assert!(crashes >= 20, "an order is written more often than {crashes} times");
    assert!(last.into_inner() < WRITES_MAX, "there is no last write");
    in_doubt
}

/// One order, one crash.
struct Run {
    depot: Depot,
    runtime: Option<Runtime>,
    crashed: bool,
    /// Exceptions that a person decided by looking at the depot.
    in_doubt: usize,
}

impl Run {
    fn new(crash: Option<(&str, &Path)>) -> Run {
        let asked = AtomicUsize::new(0);
        let depot = Depot::with(move |request, moment| {
            let busy = moment == Moment::Before
                && request.path.starts_with("/weights/")
                && asked.fetch_add(1, Ordering::Relaxed) == 0;
            busy.then(|| Say::This(503, Vec::new(), "later".to_owned()))
        });
        depot.arrive(&["A-1"]);
        let webhook = "webhook = { verify = \"hmac-sha256\", header = \"x-depot-signature\", secret = { env = \"NOTICES\" } }";
        let mut setup = Setup::new()
            .connector("depot", "depot", webhook)
            .upstream("depot", &depot.system, "")
            .route("order", ORDER)
            .route("drop", DROP)
            .route("arrivals", ARRIVALS)
            .env("NOTICES", SECRET);
        let mut run = Run { depot, runtime: None, crashed: false, in_doubt: 0 };
        let Some((failpoint, compiled)) = crash else {
            run.runtime = Some(setup.start());
            return run;
        };
        copy(compiled, &setup.path().join("data/compiled"));
        setup = setup.env("CROSSDOCK_FAILPOINT", failpoint);
        match Runtime::try_start(setup) {
            Ok(runtime) => run.runtime = Some(runtime),
            Err(setup) => run.start_again(setup),
        }
        run
    }

    fn start_again(&mut self, mut setup: Setup) {
        self.crashed = true;
        setup.environment.retain(|(name, _)| name != "CROSSDOCK_FAILPOINT");
        self.runtime = Some(setup.start());
    }

    /// Sends the order until it is taken, acts as the persons do, and says what is not as it should be.
    fn finish(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let mut taken = false;
        loop {
            if let Some(runtime) = &mut self.runtime
                && runtime.ended_by_itself()
            {
                self.crashed = true;
                runtime.setup.environment.retain(|(name, _)| name != "CROSSDOCK_FAILPOINT");
                runtime.start_again();
            }
            taken = taken || self.ask("POST", "/webhooks/depot", "N-1").is_some();
            if taken && self.act()? && self.effects_stand() {
                break;
            }
            if begun.elapsed() > PATIENCE {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.verdict()
    }

    /// Answers the task and decides what is in doubt; true when all of it has ended.
    fn act(&mut self) -> Result<bool, String> {
        let Some(tasks) = self.admin("/v1/tasks") else { return Ok(false) };
        for task in tasks["tasks"].as_array().into_iter().flatten() {
            let id = task["exchange"].as_str().unwrap_or_default();
            self.tell(&format!("/v1/tasks/{id}/answer"), &json!({ "answer": "keep", "by": "ada" }));
        }
        let Some(desk) = self.admin("/v1/exceptions") else { return Ok(false) };
        for exception in desk["exceptions"].as_array().into_iter().flatten() {
            if exception["class"] != "in-doubt" || exception["owner"] != "gate" {
                return Err(format!("nobody should be asked this: {exception:#}"));
            }
            // The person looks whether it is there.
            let there = self.depot.effects("/drops", "N-1") > 0;
            let action = if there { "discard" } else { "retry" };
            let id = exception["exchange"].as_str().unwrap_or_default();
            let body = json!({ "by": "ada", "why": "looked" });
            if self.tell(&format!("/v1/exceptions/{id}/{action}"), &body) {
                self.in_doubt += 1;
            }
        }
        let Some(all) = self.admin("/v1/exchanges?limit=100") else { return Ok(false) };
        let all = all["exchanges"].as_array().cloned().unwrap_or_default();
        Ok(all.iter().filter(|found| found["route"] == "drop").count() == 1
            && all.iter().all(|found| found["end"].is_string()))
    }

    fn effects_stand(&self) -> bool {
        EFFECTS.iter().all(|(path, id)| self.depot.effects(path, id) > 0)
    }

    fn verdict(&self) -> Result<(), String> {
        let all = self.admin("/v1/exchanges?limit=100").ok_or("it does not answer")?;
        let mut ends: Vec<String> = all["exchanges"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|found| format!("{} {}", found["route"], found["end"]))
            .collect();
        ends.sort();
        let dropped = match self.in_doubt > 0 && ends.iter().any(|end| end.contains("discarded")) {
            true => "discarded",
            false => "done",
        };
        // The delivery of the webhook, and the item in it.
        let expected: Vec<String> =
            [("arrivals", "done"), ("drop", dropped), ("order", "done"), ("order", "done")]
                .map(|(route, end)| format!("\"{route}\" \"{end}\""))
                .into();
        let mut wrong = Vec::new();
        if ends != expected {
            wrong.push(format!("ended {ends:?}, expected {expected:?}"));
        }
        for (path, id) in EFFECTS {
            match self.depot.effects(path, id) {
                1 => {}
                count => wrong.push(format!("{count} effects on {path} for {id}")),
            }
        }
        if self.depot.effects_total() != EFFECTS.len() {
            wrong.push(format!("{} effects altogether", self.depot.effects_total()));
        }
        let changed = self.depot.changed();
        if !changed.is_empty() {
            wrong.push(format!("other bodies under the same key: {changed:?}"));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => {
                let log = self.runtime.as_ref().map(Runtime::log).unwrap_or_default();
                Err(format!("{}\n{all:#}\n{log}", wrong.join("\n")))
            }
        }
    }

    /// None where the runtime is gone, or would not take it.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
        mac.update(body.as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let to = self.runtime.as_ref()?.http;
        let answer = send(to, method, path, &[("X-Depot-Signature", &signature)], body).ok()?;
        (answer.status == 200).then_some(answer)
    }

    fn admin(&self, path: &str) -> Option<Value> {
        let answer = send(self.runtime.as_ref()?.admin, "GET", path, &[], "").ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    fn tell(&self, path: &str, body: &Value) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        send(runtime.admin, "POST", path, &[], &body.to_string())
            .is_ok_and(|answer| answer.status == 200)
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("compiled components").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
