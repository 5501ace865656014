//! `prove chaos`: thousands of orders while every product misbehaves at random and the runtime is killed
//! with SIGKILL at random moments, also while it recovers. Every order must reach its one right end
//! and the sandbox, which lives on and counts, must have seen each effect once. `prove crash` is the
//! same without the misbehaviour.

mod callers;
mod findings;
mod misbehaviour;
mod orders;
mod persons;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use self::callers::Desk;
use self::orders::{Kind, Order};
use self::persons::Persons;
use super::random::{Random, seed};
use crate::set_up::{self, Addresses, Programs, SetUp};
use crate::{interrupt, process, stop, workspace};

/// One run.
struct Plan {
    name: &'static str,
    seed: u64,
    orders: Vec<Order>,
    kills: usize,
    /// So many kills must have hit exchanges under way.
    kills_at_work_min: usize,
    rules: Value,
    pace: Duration,
}

/// A kill comes so long after the moment that the seed chose by progress.
const KILL_AFTER_MS: std::ops::Range<u64> = 0..900;
/// Of a hundred kills, so many are followed by one while the runtime recovers.
const KILL_RECOVERY_PERCENT: u64 = 25;
/// A start is killed so soon after it began.
const KILL_RECOVERY_MS: std::ops::Range<u64> = 20..900;
/// Callers stop sending while more exchanges than this are open: a sixth of the orders, within these
/// bounds, so that kills by progress are spread over the whole run.
const OPEN_MAX: std::ops::RangeInclusive<u64> = 20..=400;
const TICK: Duration = Duration::from_millis(200);
const PAYOUTS: Duration = Duration::from_secs(2);
const PERSONS: Duration = Duration::from_secs(2);
const PROGRESS: Duration = Duration::from_secs(15);
/// Nothing has taken effect for so long: what is missing will not come.
const STALLED: Duration = Duration::from_secs(60);
/// Findings that are printed one by one.
const SHOWN_MAX: usize = 30;

pub fn chaos(arguments: &[&str]) -> Result<()> {
    let (orders, kills) = sizes(arguments, 5_000, 50)?;
    run(Plan {
        name: "chaos",
        seed: seed()?,
        orders: orders::mixed(orders),
        kills,
        kills_at_work_min: kills * 4 / 5,
        rules: misbehaviour::rules(),
        pace: Duration::from_millis(15),
    })
}

pub fn crash(arguments: &[&str]) -> Result<()> {
    let (orders, kills) = sizes(arguments, 200, 12)?;
    run(Plan {
        name: "crash",
        seed: seed()?,
        orders: orders::plain(orders),
        kills,
        kills_at_work_min: kills * 4 / 5,
        rules: misbehaviour::latency_only(),
        pace: Duration::from_millis(300),
    })
}

/// `--orders N --kills K`
fn sizes(arguments: &[&str], orders: usize, kills: usize) -> Result<(usize, usize)> {
    let (mut orders, mut kills) = (orders, kills);
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let number = rest.next().and_then(|text| text.parse::<usize>().ok());
        match (*name, number) {
            ("--orders", Some(number @ 1..=99_999)) => orders = number,
            ("--kills", Some(number)) => kills = number,
            _ => {
                return Err(stop::usage(format!(
                    "`{name}` is not understood\n  help: --orders N (1 to 99999) and --kills K"
                )));
            }
        }
    }
    Ok((orders, kills))
}

fn run(plan: Plan) -> Result<()> {
    let seed = plan.seed;
    println!("seed {seed} (SEED={seed} runs the same again)");
    let at = Addresses {
        messages: process::free_port()?,
        admin: process::free_port()?,
        sandbox: process::free_port()?,
    };
    let sandbox_seed = seed.to_string();
    let world = ["--seed", &sandbox_seed, "--payout-ms", "86400000"];
    let folder = workspace::target().join("prove").join(plan.name);
    let mut set_up = SetUp::new(Programs::build_fast()?, at, folder, &world)?;
    let environment = [
        ("TRYTON_RATE", "2000/s"),
        ("AVATAX_RATE", "500/s"),
        ("STRIPE_RATE", "1000/s"),
        ("LIMIT_PATIENCE", "5s"),
        ("UPSTREAM_TIMEOUT", misbehaviour::UPSTREAM_TIMEOUT),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    set_up.runtime.environment.extend(environment);
    let routes = set_up::hurried_routes(&set_up.runtime.folder)?;
    set_up.runtime.environment.push(("ROUTES".to_owned(), routes));
    provide(&set_up, &plan.orders)?;
    set_up.control("/sandbox/faults", &plan.rules)?;
    set_up.runtime.start()?;

    let mut run = Run {
        began: Instant::now(),
        random: Random(seed),
        kills: moments(&plan),
        killed: Killed::default(),
        persons: Persons::default(),
        kinds: plan.orders.iter().map(|order| (order.id.clone(), order.kind)).collect(),
        paid_out: Instant::now(),
        acted: Instant::now(),
        told: Instant::now(),
        desk: Desk::new((plan.orders.len() as u64 / 6).clamp(*OPEN_MAX.start(), *OPEN_MAX.end())),
    };
    let senders = callers::send(at, &plan.orders, seed, plan.pace, &run.desk);
    let customers = callers::follow(at, &run.desk);
    while !senders.iter().all(std::thread::JoinHandle::is_finished) || !run.kills.is_empty() {
        run.tick(&mut set_up)?;
    }
    let accepted_s = run.began.elapsed().as_secs_f64();
    println!("{accepted_s:6.1}s  all {} orders are accepted; no more kills", plan.orders.len());
    run.settle(&mut set_up, &plan.orders)?;
    let seconds = run.began.elapsed().as_secs_f64();
    run.desk.stop();
    let _ = customers.join();
    println!("{seconds:6.1}s  nothing moves any more; comparing");
    let mut wrong = findings::findings(&set_up, &plan.orders)?;
    wrong.extend(run.persons.wrong.iter().cloned());
    wrong.extend(run.desk.wrong.lock().map(|wrong| wrong.clone()).unwrap_or_default());
    run.print(&set_up, &plan, seconds, &wrong)?;
    set_up.stop()?;
    if !wrong.is_empty() {
        bail!("{} findings; seed {seed}", wrong.len());
    }
    if run.killed.at_work < plan.kills_at_work_min {
        bail!(
            "only {} kills hit work under way, {} are needed; more orders, or another seed",
            run.killed.at_work,
            plan.kills_at_work_min
        );
    }
    Ok(())
}

/// Stock and credit for so many orders.
fn provide(set_up: &SetUp, orders: &[Order]) -> Result<()> {
    let stock = json!({ "sku": "GLOVE-L", "location": 1, "quantity": orders.len() * 4 });
    set_up.control("/sandbox/stock", &stock)?;
    for (code, limit, amount) in [("C-1001", "100000000", "0"), ("C-1002", "10000", "9999")] {
        let party = json!({ "code": code, "credit_limit": limit, "credit_amount": amount });
        set_up.control("/sandbox/parties", &party)?;
    }
    Ok(())
}

/// When to kill, as numbers of accepted orders, the last one first.
fn moments(plan: &Plan) -> Vec<usize> {
    let mut random = Random(plan.seed ^ 0x6b69_6c6c);
    let count = plan.orders.len() as u64;
    let mut moments: Vec<usize> =
        (0..plan.kills).map(|_| random.between(1..count + 1) as usize).collect();
    moments.sort_unstable_by(|a, b| b.cmp(a));
    moments
}

#[derive(Default)]
struct Killed {
    kills: usize,
    at_work: usize,
    recovering: usize,
}

struct Run {
    began: Instant,
    random: Random,
    kills: Vec<usize>,
    killed: Killed,
    persons: Persons,
    kinds: BTreeMap<String, Kind>,
    paid_out: Instant,
    acted: Instant,
    told: Instant,
    desk: std::sync::Arc<Desk>,
}

impl Run {
    /// What happens next, whichever it is.
    fn tick(&mut self, set_up: &mut SetUp) -> Result<()> {
        interrupt::sleep(TICK)?;
        set_up.alive()?;
        let metrics = set_up.runtime.metrics().unwrap_or_default();
        let open =
            ["ready", "waiting", "queued"].iter().map(|state| gauge(&metrics, state)).sum::<u64>();
        self.desk.open.store(open, Ordering::Relaxed);
        let accepted = self.desk.accepted.load(Ordering::SeqCst);
        if self.kills.last().is_some_and(|moment| *moment <= accepted) {
            self.kills.pop();
            self.kill(set_up)?;
        }
        if self.paid_out.elapsed() >= PAYOUTS {
            self.paid_out = Instant::now();
            set_up.control("/sandbox/payout", &json!({}))?;
        }
        if self.acted.elapsed() >= PERSONS {
            self.acted = Instant::now();
            self.persons.act(set_up, &self.kinds)?;
        }
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let (ready, waiting) = (gauge(&metrics, "ready"), gauge(&metrics, "waiting"));
            println!(
                "{:6.1}s  {accepted} orders accepted, {ready} exchanges ready, {waiting} waiting, {} kills, {} exceptions so far",
                self.began.elapsed().as_secs_f64(),
                self.killed.kills,
                self.persons.exceptions.values().sum::<usize>(),
            );
        }
        Ok(())
    }

    fn kill(&mut self, set_up: &mut SetUp) -> Result<()> {
        interrupt::sleep(Duration::from_millis(self.random.between(KILL_AFTER_MS)))?;
        let metrics = set_up.runtime.metrics().unwrap_or_default();
        let at_work = gauge(&metrics, "ready");
        set_up.runtime.kill()?;
        self.killed.kills += 1;
        self.killed.at_work += usize::from(at_work > 0);
        while !self.kills.is_empty() && self.random.percent(KILL_RECOVERY_PERCENT) {
            let after = Duration::from_millis(self.random.between(KILL_RECOVERY_MS));
            set_up.runtime.start_and_kill(after)?;
            self.kills.pop();
            self.killed.kills += 1;
            self.killed.at_work += usize::from(at_work > 0);
            self.killed.recovering += 1;
        }
        set_up.runtime.start()
    }

    /// Until all orders have their effects and nothing is under way, or nothing happens any more.
    fn settle(&mut self, set_up: &mut SetUp, orders: &[Order]) -> Result<()> {
        let mut last = (0, 0, Instant::now());
        loop {
            self.tick(set_up)?;
            let state = set_up.control_state()?;
            let quiet = self.desk.open.load(Ordering::Relaxed) == 0
                && self.desk.waiting() == 0
                && state["webhooks_waiting"] == 0;
            let effects = set_up.effects()?;
            let count: u64 = effects.iter().map(|effect| effect.count).sum();
            let missing = findings::unfulfilled(&effects, orders);
            if (count, missing) != (last.0, last.1) {
                last = (count, missing, Instant::now());
            }
            // A poll may be about to bring the last milestone, a payout the last receipt.
            let calm = last.2.elapsed();
            if quiet && ((missing == 0 && calm > 4 * PAYOUTS) || calm > STALLED) {
                return Ok(());
            }
            if calm > 3 * STALLED {
                println!(
                    "{missing} orders are not as they must be, {} customers and {} webhooks wait, and nothing happens any more",
                    self.desk.waiting(),
                    state["webhooks_waiting"]
                );
                return Ok(());
            }
            interrupt::sleep(TICK * 5)?;
        }
    }

    fn print(&self, set_up: &SetUp, plan: &Plan, seconds: f64, wrong: &[String]) -> Result<()> {
        for doubt in self.persons.in_doubt.iter().take(SHOWN_MAX) {
            println!("  in doubt: {doubt}");
        }
        for (class, example) in &self.persons.examples {
            println!("  exception {class}, for one: {example}");
        }
        for finding in wrong.iter().take(SHOWN_MAX) {
            println!("  FINDING {finding}");
        }
        let faults = set_up.control_faults()?;
        let effects: u64 = set_up.effects()?.iter().map(|effect| effect.count).sum();
        println!("\nprove {}, seed {}\n{}", plan.name, plan.seed, misbehaviour::SAME);
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for order in &plan.orders {
            *kinds.entry(order.kind).or_default() += 1;
        }
        println!("  orders                          {} {kinds:?}", plan.orders.len());
        println!(
            "  submitted again, known          {}",
            self.desk.duplicates.load(Ordering::SeqCst)
        );
        println!("  cancelled or sent back later    {}", self.desk.followed.load(Ordering::SeqCst));
        println!(
            "  kills (SIGKILL)                 {}, of which {} with exchanges under way, {} while it recovered",
            self.killed.kills, self.killed.at_work, self.killed.recovering
        );
        println!("  misbehaviour                    {} requests and webhooks", hits(&faults));
        for rule in faults.as_array().into_iter().flatten() {
            println!("    {:<28}{} of {}", named(rule), rule["hit"], rule["asked"]);
        }
        println!("  effects in five products        {effects}");
        println!("  tasks answered by persons       {:?}", self.persons.tasks);
        println!(
            "  exceptions tried again          {}",
            self.persons.exceptions.values().sum::<usize>()
        );
        for (class, count) in &self.persons.exceptions {
            println!("    {count:>5} {class}");
        }
        println!(
            "  refunds for the next payout     {:?} (the balance is below zero)",
            findings::not_paid_out(set_up)?
        );
        println!("  in doubt, shown above           {}", self.persons.in_doubt.len());
        println!("  lost, repeated or wrongly ended {}", wrong.len());
        println!(
            "  seconds                         {seconds:.0}, {:.1} orders a second",
            plan.orders.len() as f64 / seconds
        );
        Ok(())
    }
}

/// Exchanges in a state, as `/metrics` has them.
fn gauge(metrics: &str, state: &str) -> u64 {
    let label = format!("state=\"{state}\"");
    let mut lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let line = lines.find(|line| line.starts_with("crossdock_exchanges{") && line.contains(&label));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

fn hits(rules: &Value) -> u64 {
    rules.as_array().into_iter().flatten().filter_map(|rule| rule["hit"].as_u64()).sum()
}

fn named(rule: &Value) -> String {
    let mut name = rule["kind"].as_str().unwrap_or_default().to_owned();
    for key in ["status", "latency_ms", "retry_after_s"] {
        if let Some(number) = rule[key].as_u64() {
            name.push_str(&format!(" {number}"));
        }
    }
    name
}
