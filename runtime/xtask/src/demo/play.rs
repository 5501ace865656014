//! Plays the example: sends the orders, answers for the persons, does what the world does next, and
//! watches until every order has come to its end or nothing moves any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::fates::{Cash, Example, Fate, Message, Receiver};
use crate::http::{self, escape};
use crate::interrupt;
use crate::set_up::SetUp;

const LOOK: Duration = Duration::from_millis(300);
/// Nothing has moved for so long: what is missing will not come.
const STALLED: Duration = Duration::from_secs(90);
/// Routes whose ends are worth a line of progress.
const TOLD: [&str; 7] = [
    "order-processing",
    "carrier-booking",
    "invoicing",
    "cancellation",
    "return",
    "order-cash",
    "dispute",
];

pub struct Play<'a> {
    example: &'a Example,
    /// The last timeline seen of each order.
    pub timelines: BTreeMap<&'a str, Value>,
    /// Why exchanges waited: the journal keeps only the present, so it is noted here.
    pub waits: BTreeMap<String, BTreeSet<String>>,
    /// What is not as expected; empty when all is.
    pub missing: Vec<String>,
    pub began: Instant,
    told: BTreeSet<String>,
    done_next: BTreeSet<(usize, usize)>,
    paid_out: bool,
    moved: Instant,
}

impl<'a> Play<'a> {
    pub fn new(example: &'a Example) -> Play<'a> {
        Play {
            example,
            timelines: BTreeMap::new(),
            waits: BTreeMap::new(),
            missing: Vec::new(),
            began: Instant::now(),
            told: BTreeSet::new(),
            done_next: BTreeSet::new(),
            paid_out: false,
            moved: Instant::now(),
        }
    }

    pub fn until_settled(&mut self, set_up: &mut SetUp) -> Result<()> {
        for fate in &self.example.fates {
            self.send(set_up, &fate.order, &fate.title, &fate.send)?;
        }
        loop {
            interrupt::sleep(LOOK)?;
            set_up.alive()?;
            self.look(set_up)?;
            self.answer(set_up)?;
            self.go_on(set_up)?;
            self.missing = self.compare(set_up)?;
            if self.missing.is_empty() {
                return Ok(());
            }
            if self.moved.elapsed() > STALLED {
                self.add_exceptions(set_up)?;
                return Ok(());
            }
        }
    }

    fn say(&mut self, order: &str, what: &str) {
        self.moved = Instant::now();
        println!("{:6.1}s  {order:<9} {what}", self.began.elapsed().as_secs_f64());
    }

    fn send(&mut self, set_up: &SetUp, order: &str, tell: &str, message: &Message) -> Result<()> {
        let (address, to) = match message.to {
            Receiver::Runtime => (set_up.at.messages, "POST"),
            Receiver::Sandbox => (set_up.at.sandbox, "sandbox"),
        };
        let answer = http::post_text(address, &message.path, &message.text)?;
        self.say(order, &format!("{tell}  [{to} {} -> {}]", message.path, answer.status));
        if answer.status != message.status {
            bail!(
                "{order}: {} expected, and the answer was {}: {}",
                message.status,
                answer.status,
                answer.text()
            );
        }
        Ok(())
    }

    /// Fetches every timeline, tells of new ends, and notes why exchanges wait.
    fn look(&mut self, set_up: &SetUp) -> Result<()> {
        for fate in &self.example.fates {
            let timeline = set_up.admin(&format!("/v1/timeline/order/{}", escape(&fate.order)))?;
            for exchange in own(&timeline, &fate.order) {
                let (Some(end), Some(id)) =
                    (exchange["end"].as_str(), exchange["exchange"].as_str())
                else {
                    continue;
                };
                if !self.told.insert(id.to_owned()) {
                    continue;
                }
                let route = exchange["route"].as_str().unwrap_or_default();
                self.moved = Instant::now();
                if TOLD.contains(&route) {
                    self.say(&fate.order, &format!("{route}: {end}"));
                }
            }
            self.timelines.insert(&fate.order, timeline);
        }
        let waiting = set_up.admin("/v1/exchanges?state=waiting")?;
        for exchange in waiting["exchanges"].as_array().into_iter().flatten() {
            if let (Some(id), Some(why)) = (exchange["exchange"].as_str(), exchange["why"].as_str())
            {
                self.waits.entry(id.to_owned()).or_default().insert(why.to_owned());
            }
        }
        Ok(())
    }

    /// Answers tasks as the example says; a task that it does not know of stays open.
    fn answer(&mut self, set_up: &SetUp) -> Result<()> {
        let open = set_up.admin("/v1/tasks")?;
        for task in open["tasks"].as_array().into_iter().flatten() {
            let text = |name: &str| task[name].as_str().unwrap_or_default();
            let step = format!("{}.{}", text("route"), text("step"));
            let id = text("exchange");
            let Some((order, decision)) = self.example.fates.iter().find_map(|fate| {
                let timeline = self.timelines.get(fate.order.as_str())?;
                let asked = own(timeline, &fate.order).any(|exchange| exchange["exchange"] == id);
                asked.then(|| Some((&fate.order, fate.answers.get(&step)?)))?
            }) else {
                continue;
            };
            self.say(
                order,
                &format!(
                    "{} asks {}: {} answers `{}`",
                    step,
                    text("role"),
                    decision.by,
                    decision.answer
                ),
            );
            set_up.decide(id, &decision.answer, &decision.by)?;
        }
        Ok(())
    }

    /// What the world does once an order has come so far; the payout when only cash is missing.
    fn go_on(&mut self, set_up: &SetUp) -> Result<()> {
        let example = self.example;
        for (place, fate) in example.fates.iter().enumerate() {
            for (number, next) in fate.then.iter().enumerate() {
                let ends = self.ends(fate);
                let times: usize =
                    ends.get(&next.after.route).map_or(0, |ends| ends.values().sum());
                if times >= next.after.times && self.done_next.insert((place, number)) {
                    self.send(set_up, &fate.order, &next.tell, &next.send)?;
                }
            }
        }
        let cash_only = |fate: &Fate| {
            let ends = self.ends(fate);
            fate.ends
                .iter()
                .all(|(route, expected)| route == "order-cash" || ends.get(route) == Some(expected))
        };
        if !self.paid_out && example.fates.iter().all(cash_only) {
            self.paid_out = true;
            set_up.control("/sandbox/payout", &json!({}))?;
            self.say("all", "the payment service pays out what was captured");
        }
        Ok(())
    }

    /// Everything that is not as the example says.
    fn compare(&self, set_up: &SetUp) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        let effects = set_up.effects()?;
        for fate in &self.example.fates {
            let ends = self.ends(fate);
            for (route, expected) in &fate.ends {
                let found = ends.get(route).cloned().unwrap_or_default();
                if found != *expected {
                    missing.push(format!(
                        "{}: {route} ended {found:?}, expected {expected:?}",
                        fate.order
                    ));
                }
            }
            let cash = self.cash(fate);
            let mut expected = fate.cash.clone();
            expected.sort();
            if cash != expected {
                missing.push(format!("{}: cash {cash:?}, expected {expected:?}", fate.order));
            }
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for effect in effects.iter().filter(|effect| belongs(&effect.reference, &fate.order)) {
                *found.entry(format!("{} {}", effect.product, effect.effect)).or_default() +=
                    effect.count;
            }
            if found != fate.effects {
                missing.push(format!(
                    "{}: effects {}, expected {}",
                    fate.order,
                    json!(found),
                    json!(fate.effects)
                ));
            }
        }
        // What belongs to no order alone, such as the payments out of one payout: once for each name.
        let mut shared: BTreeMap<String, u64> = BTreeMap::new();
        let of_none = |reference: &str| {
            !self.example.fates.iter().any(|fate| belongs(reference, &fate.order))
        };
        for effect in effects.iter().filter(|effect| of_none(&effect.reference)) {
            *shared
                .entry(format!("{} {} {}", effect.product, effect.effect, effect.reference))
                .or_default() += effect.count;
        }
        let repeated = shared.iter().filter(|(_, count)| **count > 1);
        missing.extend(repeated.map(|(name, count)| format!("{name} happened {count} times")));
        Ok(missing)
    }

    /// How many exchanges of each route ended how.
    fn ends(&self, fate: &Fate) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut ends: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        let Some(timeline) = self.timelines.get(fate.order.as_str()) else { return ends };
        for exchange in own(timeline, &fate.order) {
            if let (Some(route), Some(end)) = (exchange["route"].as_str(), exchange["end"].as_str())
            {
                *ends.entry(route.to_owned()).or_default().entry(end.to_owned()).or_default() += 1;
            }
        }
        ends
    }

    fn cash(&self, fate: &Fate) -> Vec<Cash> {
        let Some(timeline) = self.timelines.get(fate.order.as_str()) else { return Vec::new() };
        let mut cash: Vec<Cash> = own(timeline, &fate.order)
            .filter(|exchange| exchange["route"] == "order-cash" && exchange["end"] == "done")
            .map(|exchange| {
                let amount = |name: &str| {
                    let found = exchange["message"]["application"][name]["amount"].as_str();
                    found.unwrap_or_default().to_owned()
                };
                Cash { amount: amount("amount"), open: amount("open") }
            })
            .collect();
        cash.sort();
        cash
    }

    /// Why it stalled, as far as the exception desk and the task lists know.
    fn add_exceptions(&mut self, set_up: &SetUp) -> Result<()> {
        for exception in
            set_up.admin("/v1/exceptions")?["exceptions"].as_array().into_iter().flatten()
        {
            let text = |name: &str| exception[name].as_str().unwrap_or_default();
            self.missing.push(format!(
                "exception {} in {}.{}, class {}: {}",
                text("exchange"),
                text("route"),
                text("step"),
                text("class"),
                text("message")
            ));
        }
        for task in set_up.admin("/v1/tasks")?["tasks"].as_array().into_iter().flatten() {
            let text = |name: &str| task[name].as_str().unwrap_or_default();
            self.missing.push(format!(
                "nobody answered {} {}.{} for {}: {}",
                text("exchange"),
                text("route"),
                text("step"),
                text("role"),
                task["show"]
            ));
        }
        Ok(())
    }
}

/// The exchanges of a timeline that carry the order's id as their key.
pub fn own<'t>(timeline: &'t Value, order: &'t str) -> impl Iterator<Item = &'t Value> {
    let exchanges = timeline["exchanges"].as_array().map(Vec::as_slice).unwrap_or_default();
    exchanges.iter().filter(move |exchange| exchange["keys"]["order"] == order)
}

/// References are the order's id, or made from it.
fn belongs(reference: &str, order: &str) -> bool {
    reference
        .strip_prefix(order)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}
