//! `prove crash`: the runtime is killed with SIGKILL at random moments in the middle of 200 orders
//! and started again. Every order must reach its right end, and the sandbox, which lives on and
//! counts, must have seen each effect once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::set_up::{Addresses, Effect, Programs, SetUp};
use crate::{http, interrupt, process, workspace};

const ORDERS: usize = 200;
const KILLS: usize = 12;
/// So many of them must have hit orders under way.
const KILLS_AT_WORK_MIN: usize = 10;
/// A life between two kills, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 400..2600;
/// Orders are sent at this pace, so that they are spread over the kills.
const PACE: Duration = Duration::from_millis(90);
const LOOK: Duration = Duration::from_millis(500);
/// Nothing has taken effect for so long: what is missing will not come.
const STALLED: Duration = Duration::from_secs(120);
/// Findings that are printed one by one.
const SHOWN_MAX: usize = 20;

pub fn run() -> Result<()> {
    let seed = seed()?;
    let mut random = Random(seed);
    println!("seed {seed} (SEED={seed} runs the same moments again)");
    let programs = Programs::build()?;
    let at = Addresses {
        messages: process::free_port()?,
        admin: process::free_port()?,
        sandbox: process::free_port()?,
    };
    let sandbox_seed = seed.to_string();
    let world = ["--seed", &sandbox_seed, "--payout-ms", "86400000"];
    let mut set_up = SetUp::new(programs, at, workspace::target().join("prove/crash"), &world)?;
    // Calls take a while, so that a kill finds some of them under way.
    set_up.control(
        "/sandbox/faults",
        &json!({ "kind": "latency", "latency_ms": 60, "probability": 0.5 }),
    )?;
    set_up.start_runtime()?;
    let began = Instant::now();
    let orders: Vec<Order> = (0..ORDERS).map(Order::new).collect();
    let accepted = Arc::new(AtomicUsize::new(0));
    let sender = send(at.messages, orders.iter().map(Order::document).collect(), accepted.clone());

    let mut at_work = 0;
    for kill in 1..=KILLS {
        interrupt::sleep(Duration::from_millis(random.between(LIFE_MS)))?;
        let under_way = under_way(&set_up);
        let process = set_up.kill_runtime()?;
        at_work += usize::from(under_way > 0);
        println!(
            "{:6.1}s  kill {kill:2} of process {process}: {} orders accepted, {under_way} exchanges under way",
            began.elapsed().as_secs_f64(),
            accepted.load(Ordering::SeqCst),
        );
        set_up.start_runtime()?;
        pay_out(&set_up)?;
    }
    while !sender.is_finished() {
        interrupt::sleep(LOOK)?;
        set_up.alive()?;
    }
    println!(
        "{:6.1}s  all {ORDERS} orders are accepted; no more kills",
        began.elapsed().as_secs_f64()
    );
    let cards = orders.iter().filter(|order| order.kind == Kind::Card).count();
    settle(&mut set_up, |effects| {
        let unfulfilled = orders.iter().filter(|order| of(effects, &order.id) != order.effects());
        let paid = effects.iter().filter(|effect| effect.effect == "invoice.pay").count();
        unfulfilled.count() + cards.saturating_sub(paid)
    })?;
    until_quiet(&mut set_up)?;
    let wrong = findings(&set_up, &orders)?;
    let effects: u64 = set_up.effects()?.iter().map(|effect| effect.count).sum();
    set_up.stop()?;

    for finding in wrong.iter().take(SHOWN_MAX) {
        println!("  {finding}");
    }
    println!("\nprove crash, seed {seed}");
    println!("  orders                          {ORDERS}");
    println!(
        "  kills (SIGKILL)                 {KILLS}, of which {at_work} with exchanges under way"
    );
    println!("  effects in five products        {effects}");
    println!("  lost, repeated or wrongly ended {}", wrong.len());
    println!("  seconds                         {:.0}", began.elapsed().as_secs_f64());
    if !wrong.is_empty() {
        bail!("{} findings; seed {seed}", wrong.len());
    }
    if at_work < KILLS_AT_WORK_MIN {
        bail!(
            "only {at_work} kills hit work under way, {KILLS_AT_WORK_MIN} are needed; another seed may do"
        );
    }
    Ok(())
}

/// What an order is to go through; the tenth digit of its number decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Card,
    Account,
    Declined,
    NoCredit,
}

struct Order {
    id: String,
    kind: Kind,
}

const FULFILLED: [&str; 14] = [
    "avatax transaction.commit",
    "avatax transaction.create",
    "inventree allocation.create",
    "inventree order.create",
    "inventree order.issue",
    "inventree shipment.create",
    "karrio shipment.create",
    "karrio shipment.purchase",
    "tryton invoice.create",
    "tryton invoice.post",
    "tryton sale.confirm",
    "tryton sale.create",
    "tryton sale.process",
    "tryton shipment.done",
];
/// Promised stock and a payment, both let go.
const RELEASED: [&str; 6] = [
    "inventree allocation.create",
    "inventree order.cancel",
    "inventree order.create",
    "inventree shipment.create",
    "stripe payment.cancel",
    "stripe payment.create",
];
const CARD: [&str; 3] =
    ["stripe payment.authorise", "stripe payment.capture", "stripe payment.create"];

impl Order {
    fn new(number: usize) -> Order {
        let kind = match number % 10 {
            0..6 => Kind::Card,
            6 | 7 => Kind::Account,
            8 => Kind::Declined,
            _ => Kind::NoCredit,
        };
        Order { id: format!("PC-{number:04}"), kind }
    }

    fn document(&self) -> Value {
        let (customer, payment) = match self.kind {
            Kind::Card => {
                ("C-2001", json!({ "token": { "method": "card", "value": "pm_card_visa" } }))
            }
            Kind::Declined => (
                "C-2001",
                json!({ "token": { "method": "card", "value": "pm_card_chargeDeclined" } }),
            ),
            Kind::Account => ("C-1001", json!({ "terms": { "code": "NET30", "net_days": 30 } })),
            Kind::NoCredit => ("C-1003", json!({ "terms": { "code": "NET30", "net_days": 30 } })),
        };
        let address = json!({
            "lines": ["1 Main Street"], "city": "New York", "region": "NY", "postal_code": "10001",
            "country": "US", "time_zone": "America/New_York",
        });
        json!({
            "id": self.id, "company": "crossdock", "references": [], "attributes": [], "version": 0,
            "occurred_at": "2026-04-02T09:00:00Z", "channel": "api", "documents": [],
            "status": "received",
            "sold_to": { "customer": customer, "name": "Crash test", "tax_ids": [], "references": [] },
            "ship_to": { "customer": customer, "name": "Crash test", "address": address },
            "currency": "USD", "delivery_policy": "backorder", "invoice_trigger": "shipment",
            "payment": payment, "holds": [], "charges": [], "discounts": [],
            "lines": [{
                "id": "1", "item": "GLOVE-L", "quantity": { "value": "3", "unit": "C62" },
                "discounts": [], "attributes": [],
            }],
        })
    }

    fn end(&self) -> &'static str {
        match self.kind {
            Kind::Card | Kind::Account => "done",
            Kind::Declined => "refused(card-declined)",
            Kind::NoCredit => "refused(credit)",
        }
    }

    /// Every effect that it must have, each once.
    fn effects(&self) -> BTreeMap<String, u64> {
        let names: Vec<&str> = match self.kind {
            Kind::Card => FULFILLED.into_iter().chain(CARD).collect(),
            Kind::Account => FULFILLED.to_vec(),
            Kind::Declined => RELEASED.to_vec(),
            Kind::NoCredit => Vec::new(),
        };
        names.into_iter().map(|name| (name.to_owned(), 1)).collect()
    }
}

/// Sends every order until it is accepted: a caller who gets no answer asks again, as callers do.
fn send(to: SocketAddr, orders: Vec<Value>, accepted: Arc<AtomicUsize>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for order in orders {
            while !interrupt::interrupted() {
                let taken =
                    http::post(to, "/orders", &order).is_ok_and(|answer| answer.status == 202);
                if taken {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                std::thread::sleep(PACE);
            }
            std::thread::sleep(PACE);
        }
    })
}

/// Exchanges in memory at this moment.
fn under_way(set_up: &SetUp) -> u64 {
    let metrics = set_up.metrics().unwrap_or_default();
    let line = metrics.lines().find(|line| line.starts_with("crossdock_active "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The payment service pays out what was captured since the last time: many small payouts.
fn pay_out(set_up: &SetUp) -> Result<()> {
    set_up.control("/sandbox/payout", &json!({})).map(drop)
}

/// Waits until nothing is open by the effects, or until nothing happens any more.
fn settle(set_up: &mut SetUp, open: impl Fn(&[Effect]) -> usize) -> Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let effects = set_up.effects()?;
        let open = open(&effects);
        if open == 0 {
            return Ok(());
        }
        let count: u64 = effects.iter().map(|effect| effect.count).sum();
        if count != last.0 {
            last = (count, Instant::now());
        } else if last.1.elapsed() > STALLED {
            println!("{open} effects or payments are missing, and nothing happens any more");
            return Ok(());
        }
        pay_out(set_up)?;
        set_up.alive()?;
        interrupt::sleep(LOOK)?;
    }
}

/// Waits until no exchange is under way.
fn until_quiet(set_up: &mut SetUp) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < STALLED {
        let open = |state: &str| {
            let found = set_up.admin(&format!("/v1/exchanges?state={state}"))?;
            Ok::<usize, anyhow::Error>(found["exchanges"].as_array().map_or(0, Vec::len))
        };
        if open("ready")? + open("waiting")? == 0 {
            break;
        }
        set_up.alive()?;
        interrupt::sleep(LOOK)?;
    }
    Ok(())
}

fn of(effects: &[Effect], order: &str) -> BTreeMap<String, u64> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for effect in effects.iter().filter(|effect| effect.reference.starts_with(order)) {
        *found.entry(format!("{} {}", effect.product, effect.effect)).or_default() += effect.count;
    }
    found
}

/// Everything that is not as it should be.
fn findings(set_up: &SetUp, orders: &[Order]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let effects = set_up.effects()?;
    let mut by_reference: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for effect in &effects {
        let name = (effect.product.as_str(), effect.effect.as_str(), effect.reference.as_str());
        *by_reference.entry(name).or_default() += effect.count;
    }
    for ((product, effect, reference), count) in
        by_reference.iter().filter(|(_, count)| **count != 1)
    {
        wrong.push(format!("{product} {effect} happened {count} times for {reference}"));
    }
    for order in orders {
        let (found, expected) = (of(&effects, &order.id), order.effects());
        if found != expected {
            wrong.push(format!(
                "{}: effects {}, expected {}",
                order.id,
                json!(found),
                json!(expected)
            ));
        }
        let timeline = set_up.admin(&format!("/v1/timeline/order/{}", order.id))?;
        let exchanges = timeline["exchanges"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ends = |route: &str| -> Vec<String> {
            let own = exchanges.iter().filter(|exchange| {
                exchange["route"] == route && exchange["keys"]["order"] == order.id
            });
            own.map(|exchange| {
                let open = exchange["message"]["application"]["open"]["amount"].as_str();
                let rest = open.filter(|open| *open != "0");
                let end = exchange["end"].as_str().unwrap_or("no end");
                rest.map_or(end.to_owned(), |rest| format!("{end} with {rest} still open"))
            })
            .collect()
        };
        let cash: &[&str] = if order.kind == Kind::Card { &["done"] } else { &[] };
        for (route, expected) in [("order-processing", &[order.end()][..]), ("order-cash", cash)] {
            if ends(route) != expected {
                let found = ends(route);
                wrong.push(format!("{}: {route} ended {found:?}, expected {expected:?}", order.id));
            }
        }
    }
    for (what, list) in [("exception", "exceptions"), ("task", "tasks")] {
        for open in set_up.admin(&format!("/v1/{list}"))?[list].as_array().into_iter().flatten() {
            wrong.push(format!("open {what}: {open}"));
        }
    }
    Ok(wrong)
}

fn seed() -> Result<u64> {
    match std::env::var("SEED") {
        Ok(text) => text.parse().map_err(|_| anyhow::anyhow!("SEED={text} is not a number")),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64),
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}
