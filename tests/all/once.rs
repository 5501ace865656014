//! Each event of a source is one exchange, whatever the source repeats, reorders, delays or breaks,
//! and however often the runtime is killed: polls, webhooks and schedules, by a seed that is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::support::depot::{COUNT, Depot, Moment};
use crate::support::http::send;
use crate::support::luck::Luck;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::{Say, say};
use crate::support::{wait_for, wait_until};

/// So often the runtime is killed in each test.
const KILLS: usize = 6;

/// Kills it at a moment that luck names, and starts it again.
fn kill(runtime: &mut Runtime, luck: &mut Luck) {
    // Not a wait for a result: the moment is the point.
    std::thread::sleep(Duration::from_millis(luck.below(400) as u64));
    runtime.crash();
}

/// How often each event has an exchange of its own.
fn taken(
    runtime: &Runtime,
    route: &str,
    event: impl Fn(&Value) -> Option<String>,
) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for found in runtime.of_route(route) {
        let whole = runtime.exchange(found["exchange"].as_str().unwrap());
        if let Some(event) = event(&whole) {
            *taken.entry(event).or_insert(0) += 1;
        }
    }
    taken
}

#[track_caller]
fn assert_once(taken: &BTreeMap<String, usize>, events: &BTreeSet<String>) {
    let twice: Vec<_> = taken.iter().filter(|(_, count)| **count != 1).collect();
    let missed: Vec<_> = events.iter().filter(|event| !taken.contains_key(*event)).collect();
    let made_up: Vec<_> = taken.keys().filter(|event| !events.contains(*event)).collect();
    assert!(
        twice.is_empty() && missed.is_empty() && made_up.is_empty(),
        "twice: {twice:?}, missed: {missed:?}, made up: {made_up:?}"
    );
}

#[test]
fn a_poll_takes_each_item_once_from_a_source_that_errs() {
    const EVENTS: usize = 60;
    let mut luck = Luck::new("poll");
    let events: BTreeSet<String> = (0..EVENTS).map(|number| format!("A-{number}")).collect();
    // What the source hands out, in its order: every event, many again, side by side and far apart.
    let mut told: Vec<String> = events.iter().cloned().collect();
    luck.shuffle(&mut told);
    for _ in 0..EVENTS {
        let again = told[luck.below(told.len())].clone();
        told.insert(luck.below(told.len() + 1), again);
    }
    let total = told.len();
    let visible = Arc::new(AtomicUsize::new(0));
    let (own, shown) = (Mutex::new(luck.fork()), visible.clone());
    let depot = Depot::with(move |asked, moment| {
        let query = asked.path.strip_prefix("/arrivals?after=")?;
        if moment == Moment::After {
            return None;
        }
        let mut luck = own.lock().unwrap();
        let after: usize = query.split('&').next()?.parse().ok()?;
        let there = shown.fetch_add(luck.below(9), Ordering::Relaxed).min(total);
        let page = (1 + luck.below(12)).min(there.saturating_sub(after));
        let (fails, cuts, late) = (luck.percent(15), luck.percent(15), luck.percent(15));
        let pause = Duration::from_millis(luck.below(300) as u64);
        drop(luck);
        if late {
            std::thread::sleep(pause);
        }
        match (fails, cuts) {
            (true, _) => Some(say(503, "not now")),
            (_, true) => Some(Say::Cut),
            _ => Some(say(200, told.get(after..after + page)?.join("\n"))),
        }
    });
    let route = r#"
[route]
name = "arrivals"
owner = "yard"
[from.poll]
connector = "depot"
operation = "list-arrivals"
every = "20ms"
limit = 50
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;
    let mut runtime = Setup::with_depot(&depot.system).route("arrivals", route).start();
    for _ in 0..KILLS {
        kill(&mut runtime, &mut luck);
    }
    let last = format!("/arrivals?after={total}&");
    wait_until("question after the last item", || depot.system.count("GET", &last) > 0);
    runtime.ended("arrivals", "done", EVENTS);
    let taken =
        taken(&runtime, "arrivals", |found| found["message"]["id"].as_str().map(str::to_owned));
    assert_once(&taken, &events);
    for event in &events {
        assert_eq!(depot.effects("/parcels", event), 1, "{event}");
    }
}

#[test]
fn a_page_larger_than_memory_is_taken_in_all_the_same() {
    let depot = Depot::start();
    let ids: Vec<String> = (0..40).map(|number| format!("A-{number}")).collect();
    depot.arrive(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let runtime = Setup::with_depot(&depot.system)
        .tables("[work]\nconcurrency = 2\nbacklog_max = 8")
        .route("arrivals", ARRIVALS)
        .start();
    runtime.ended("arrivals", "done", ids.len());
    assert_eq!(depot.effects_total(), ids.len());
}

#[test]
fn a_source_that_is_late_and_one_that_is_well_again_are_told_once() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    let depot = Depot::with(move |asked, moment| {
        let asked = moment == Moment::Before && asked.path.starts_with("/arrivals");
        (asked && state.load(Ordering::Relaxed)).then(|| say(503, "not now"))
    });
    let hears = |name: &str, keys: &str| {
        format!(
            r#"
[route]
name = "{name}"
owner = "operations"
[from.event]
topic = "crossdock:operations/notices.source-{name}@1"
[keys]
about = "{keys}"
"#
        ) + "[[step]]\nname = \"told\"\nend = \"done\"\n"
    };
    let runtime = Setup::with_depot(&depot.system)
        .tables("[work]\nlate_after = \"1s\"")
        .route("arrivals", ARRIVALS)
        .route("late", &hears("late", "message.route + ' ' + message.source + ' ' + message.owner"))
        .route("recovered", &hears("recovered", "message.source"))
        .start();
    runtime.ended("late", "done", 1);
    let failures = depot.system.count("GET", "/arrivals");
    wait_until("further failure", || depot.system.count("GET", "/arrivals") > failures);
    assert_eq!(runtime.of_route("recovered").len(), 0);
    broken.store(false, Ordering::Relaxed);
    runtime.ended("recovered", "done", 1);
    let late = runtime.of_route("late");
    assert_eq!(late.len(), 1, "once, however often it failed");
    let shown = runtime.exchange(late[0]["exchange"].as_str().unwrap());
    assert_eq!(shown["keys"]["about"], "arrivals poll depot.list-arrivals yard", "{shown:#}");
    assert!(shown["message"]["reason"].is_string(), "{shown:#}");
}

const ARRIVALS: &str = r#"
[route]
name = "arrivals"
owner = "yard"
[from.poll]
connector = "depot"
operation = "list-arrivals"
every = "100ms"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

const KEY: &str = "whsec-of-the-notices";

fn notices(depot: &Depot) -> Setup {
    let webhook = "webhook = { verify = \"hmac-sha256\", header = \"x-depot-signature\", timestamp_header = \"x-depot-time\", secret = [{ env = \"NEXT\" }, { env = \"NOTICES\" }] }";
    let route = r#"
[route]
name = "notices"
owner = "yard"
[from.webhook]
connector = "depot"
operation = "take-notice"
path = "/webhooks/depot"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;
    Setup::new()
        .connector("depot", "depot", webhook)
        .upstream("depot", &depot.system, "")
        .route("notices", route)
        .env("NOTICES", KEY)
        .env("NEXT", "whsec-of-next-year")
}

/// Signed `ago` seconds before now. None if nobody answers.
fn notify(to: std::net::SocketAddr, body: &str, secret: &str, ago: u64) -> Option<u16> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let at = (now - ago).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let signature: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [("X-Depot-Signature", signature.as_str()), ("X-Depot-Time", &at)];
    send(to, "POST", "/webhooks/depot", &headers, body).ok().map(|answer| answer.status)
}

#[test]
fn a_webhook_is_taken_once_however_often_it_is_delivered() {
    const EVENTS: usize = 40;
    let mut luck = Luck::new("webhook");
    let depot = Depot::start();
    let mut runtime = notices(&depot).start();
    let events: BTreeSet<String> = (0..EVENTS).map(|number| format!("N-{number}")).collect();
    // Some deliveries tell of two events, and each is made one to five times, by several senders
    // at once and in any order. A sender that hears nothing tries again, as senders do.
    let mut bodies: Vec<String> = events.iter().cloned().collect();
    for _ in 0..10 {
        let pair = [luck.below(EVENTS), luck.below(EVENTS)].map(|number| format!("N-{number}"));
        bodies.push(pair.join("\n"));
    }
    let distinct: BTreeSet<String> = bodies.iter().cloned().collect();
    let mut deliveries = Vec::new();
    for body in &bodies {
        deliveries.extend(std::iter::repeat_n(body.clone(), 1 + luck.below(5)));
    }
    luck.shuffle(&mut deliveries);
    let address = Arc::new(Mutex::new(runtime.http));
    let left = Arc::new(Mutex::new(deliveries));
    let senders: Vec<_> = (0..6)
        .map(|_| {
            let (address, left) = (address.clone(), left.clone());
            std::thread::spawn(move || {
                while let Some(body) = { left.lock().unwrap().pop() } {
                    wait_until("acknowledged delivery", || {
                        let to = *address.lock().unwrap();
                        notify(to, &body, KEY, 0) == Some(200)
                    });
                }
            })
        })
        .collect();
    for _ in 0..KILLS {
        kill(&mut runtime, &mut luck);
        *address.lock().unwrap() = runtime.http;
    }
    for sender in senders {
        sender.join().unwrap();
    }
    runtime.ended("notices", "done", EVENTS + distinct.len());
    let taken = taken(&runtime, "notices", |found| {
        found["parent"].as_str().and_then(|_| found["message"]["id"].as_str().map(str::to_owned))
    });
    assert_once(&taken, &events);
    assert_eq!(runtime.of_route("notices").len(), EVENTS + distinct.len());
    for event in &events {
        assert_eq!(depot.effects("/parcels", event), 1, "{event}");
    }
}

#[test]
fn an_old_webhook_is_refused_and_two_secrets_hold_during_a_rotation() {
    let depot = Depot::start();
    let runtime = notices(&depot).start();
    let tell = |body: &str, secret: &str, ago| notify(runtime.http, body, secret, ago);
    assert_eq!(tell("N-1", KEY, 290), Some(200));
    assert_eq!(tell("N-1", KEY, 10), Some(200), "the same, signed again: known by its body");
    assert_eq!(tell("N-2", "whsec-of-next-year", 0), Some(200));
    assert_eq!(tell("N-3", KEY, 320), Some(401));
    assert_eq!(tell("N-3", "another secret", 0), Some(401));
    runtime.ended("notices", "done", 4);
    assert_eq!(runtime.of_route("notices").len(), 4, "two deliveries, two items");
    assert!(runtime.log().contains("s away from now"), "{}", runtime.log());
}

#[test]
fn a_schedule_misses_no_time_and_repeats_none() {
    const MINUTE: u64 = 60;
    let mut luck = Luck::new("schedule");
    let depot = Depot::start();
    let mut runtime = Setup::with_depot(&depot.system).route("count", COUNT).start();
    wait_until("schedule that runs", || runtime.log().contains("the schedule runs"));
    // It was down when its first time came, and is killed while it makes up for what it missed.
    let mut ahead = 0;
    for _ in 0..KILLS {
        ahead += MINUTE * (5 + luck.below(20) as u64);
        runtime.setup.environment.push(("CROSSDOCK_CLOCK_AHEAD".to_owned(), ahead.to_string()));
        kill(&mut runtime, &mut luck);
    }
    let due = (ahead / MINUTE) as usize;
    runtime.ended("count", "done", due);
    // The clock is set back by all of that: what was is not again.
    runtime.setup.environment.push(("CROSSDOCK_CLOCK_AHEAD".to_owned(), "0".to_owned()));
    runtime.crash();
    runtime.crash();
    let at = |found: &Value| found["message"]["at"].as_str().map(str::to_owned);
    let taken = taken(&runtime, "count", at);
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    // A minute may have turned while the test ran.
    assert!((due..=due + 3).contains(&taken.len()), "{} of {due}", taken.len());
    let mut minutes: Vec<i64> = taken.keys().map(|at| minute(at)).collect();
    minutes.sort_unstable();
    let gaps: Vec<_> = minutes.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(gaps.is_empty(), "times are missing between {gaps:?}");
    // A schedule that was edited makes up for no times of its own that never were.
    runtime.kill();
    runtime.setup.write_route("count", &COUNT.replace("* * * * *", "*/2 * * * *"));
    runtime.setup.environment.push(("CROSSDOCK_CLOCK_AHEAD".to_owned(), (2 * ahead).to_string()));
    let before = runtime.log().len();
    runtime.start_again();
    let begun = wait_for("edited schedule that runs", || {
        let log = runtime.log();
        let (_, after) = log[before..].split_once("the schedule runs ")?.1.split_once("after=")?;
        after.split_once('\n').map(|(at, _)| at.trim().to_owned())
    });
    let skipped = minute(&begun) - minutes.last().expect("minutes");
    assert!(skipped >= due as i64 - 3, "it counts from {begun} on");
}

/// Minutes since some day, of `2026-11-22T08:45:00Z`.
fn minute(at: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| at[range].parse::<i64>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Years that begin in March end with their leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    (days * 24 + number(11..13)) * 60 + number(14..16)
}
