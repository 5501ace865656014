//! Plays orders with their fates: sends them, answers for the persons, does what the world does next,
//! and watches until every order has come to its end or nothing moves any more. The world is the
//! sandbox, or the products themselves.

mod fates;
pub mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

pub use self::fates::{Cash, Example, Fate, Final, FinalPayment, Message, Receiver};
use crate::http::{Answer, escape};
use crate::interrupt;
use crate::runtime::Runtime;

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

/// What is played against: the runtime, and whatever stands behind it.
pub trait World {
    fn runtime(&self) -> &Runtime;

    /// An error when something has ended by itself.
    fn alive(&mut self) -> Result<()>;

    fn send(&mut self, message: &Message) -> Result<Answer>;

    /// The payment service pays out what was captured. Answers what is told of it.
    fn pay_out(&mut self) -> Result<String>;

    /// What happens by itself, or to the runtime, when so many of the awaited exchanges have ended.
    /// Answers what is told of it.
    fn act(&mut self, _ended: usize, _awaited: usize) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Everything that is not as the fates say, asked of the products themselves.
    fn differences(&self, fates: &[Fate]) -> Result<Vec<String>>;
}

#[derive(Clone, Copy)]
pub struct Pace {
    pub look: Duration,
    /// Nothing has moved for so long: what is missing will not come.
    pub stalled: Duration,
    /// The routes have ended for so long: what the products do not say by now, they will not say.
    pub settled: Duration,
}

pub struct Play<'a> {
    pub example: &'a Example,
    /// The last timeline seen of each order.
    pub timelines: BTreeMap<&'a str, Value>,
    /// Why exchanges waited: the journal keeps only the present, so it is noted here.
    pub waits: BTreeMap<String, BTreeSet<String>>,
    /// What is not as expected; empty when all is.
    pub missing: Vec<String>,
    pub began: Instant,
    pace: Pace,
    told: BTreeSet<String>,
    excepted: BTreeSet<String>,
    done_next: BTreeSet<(usize, usize)>,
    paid_out: bool,
    moved: Instant,
}

impl<'a> Play<'a> {
    pub fn new(example: &'a Example, pace: Pace) -> Play<'a> {
        Play {
            example,
            timelines: BTreeMap::new(),
            waits: BTreeMap::new(),
            missing: Vec::new(),
            began: Instant::now(),
            pace,
            told: BTreeSet::new(),
            excepted: BTreeSet::new(),
            done_next: BTreeSet::new(),
            paid_out: false,
            moved: Instant::now(),
        }
    }

    pub fn until_settled(&mut self, world: &mut impl World) -> Result<()> {
        for fate in &self.example.fates {
            self.send(world, &fate.order, &fate.title, &fate.send)?;
        }
        let awaited = |fate: &Fate| fate.ends.values().flat_map(BTreeMap::values).sum::<usize>();
        let awaited: usize = self.example.fates.iter().map(awaited).sum();
        loop {
            interrupt::sleep(self.pace.look)?;
            world.alive()?;
            self.look(world)?;
            self.answer(world)?;
            self.go_on(world)?;
            self.missing = self.unended();
            let ended = self.missing.is_empty();
            if ended {
                self.missing = world.differences(&self.example.fates)?;
                if self.missing.is_empty() {
                    return Ok(());
                }
            }
            let patience = if ended { self.pace.settled } else { self.pace.stalled };
            if self.moved.elapsed() > patience {
                if !ended {
                    self.missing.extend(world.differences(&self.example.fates)?);
                }
                return self.add_exceptions(world);
            }
            let ended = self.example.fates.iter().map(|fate| self.ended(fate)).sum();
            for told in world.act(ended, awaited)? {
                self.say("all", &told);
            }
        }
    }

    fn say(&mut self, order: &str, what: &str) {
        self.moved = Instant::now();
        println!("{:6.1}s  {order:<9} {what}", self.began.elapsed().as_secs_f64());
    }

    fn send(
        &mut self,
        world: &mut impl World,
        order: &str,
        tell: &str,
        message: &Message,
    ) -> Result<()> {
        let answer = world.send(message)?;
        let to = match message.to {
            Receiver::Runtime => "POST",
            Receiver::Sandbox => "sandbox",
        };
        self.say(order, &format!("{tell}  [{to} {} -> {}]", message.path, answer.status));
        let later = message.later && answer.status == 202;
        if answer.status != message.status && !later {
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
    fn look(&mut self, world: &impl World) -> Result<()> {
        for fate in &self.example.fates {
            let timeline =
                world.runtime().admin(&format!("/v1/timeline/order/{}", escape(&fate.order)))?;
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
        let waiting = world.runtime().admin("/v1/exchanges?state=waiting")?;
        for exchange in waiting["exchanges"].as_array().into_iter().flatten() {
            if let (Some(id), Some(why)) = (exchange["exchange"].as_str(), exchange["why"].as_str())
            {
                self.waits.entry(id.to_owned()).or_default().insert(why.to_owned());
            }
        }
        for (id, text) in exceptions(world.runtime())? {
            if self.excepted.insert(id) {
                self.say("desk", &text);
            }
        }
        Ok(())
    }

    /// Answers tasks as the example says; a task that it does not know of stays open.
    fn answer(&mut self, world: &impl World) -> Result<()> {
        let open = world.runtime().admin("/v1/tasks")?;
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
            world.runtime().decide(id, &decision.answer, &decision.by)?;
        }
        Ok(())
    }

    /// What the world does once an order has come so far; the payout when only cash is missing.
    fn go_on(&mut self, world: &mut impl World) -> Result<()> {
        let example = self.example;
        for (place, fate) in example.fates.iter().enumerate() {
            for (number, next) in fate.then.iter().enumerate() {
                let ends = self.ends(fate);
                let times: usize =
                    ends.get(&next.after.route).map_or(0, |ends| ends.values().sum());
                if times >= next.after.times && self.done_next.insert((place, number)) {
                    self.send(world, &fate.order, &next.tell, &next.send)?;
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
            let told = world.pay_out()?;
            self.say("all", &told);
        }
        Ok(())
    }

    /// Every route that has not ended as the example says, or not with its cash.
    fn unended(&self) -> Vec<String> {
        let mut missing = Vec::new();
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
        }
        missing
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

    /// Of the exchanges that are waited for.
    fn ended(&self, fate: &Fate) -> usize {
        let ends = self.ends(fate);
        fate.ends.keys().filter_map(|route| ends.get(route)).flat_map(BTreeMap::values).sum()
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
    fn add_exceptions(&mut self, world: &impl World) -> Result<()> {
        self.missing.extend(exceptions(world.runtime())?.into_iter().map(|(_, text)| text));
        for task in world.runtime().admin("/v1/tasks")?["tasks"].as_array().into_iter().flatten() {
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

/// What stands on the exception desk: the exchange, and what is said of it.
fn exceptions(runtime: &Runtime) -> Result<Vec<(String, String)>> {
    let open = runtime.admin("/v1/exceptions")?;
    let told = |exception: &Value| {
        let text = |name: &str| exception[name].as_str().unwrap_or_default();
        let id = text("exchange").to_owned();
        let told = format!(
            "exception {id} in {}.{}, class {}: {}",
            text("route"),
            text("step"),
            text("class"),
            text("message")
        );
        (id, told)
    };
    Ok(open["exceptions"].as_array().into_iter().flatten().map(told).collect())
}

/// The exchanges of a timeline that carry the order's id as their key.
pub fn own<'t>(timeline: &'t Value, order: &'t str) -> impl Iterator<Item = &'t Value> {
    let exchanges = timeline["exchanges"].as_array().map(Vec::as_slice).unwrap_or_default();
    exchanges.iter().filter(move |exchange| exchange["keys"]["order"] == order)
}

/// References are the order's id, or made from it.
pub fn belongs(reference: &str, order: &str) -> bool {
    reference
        .strip_prefix(order)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}
