//! The world of this run: the products, started here; the sandbox for tax, storefront and goods; the
//! runtime before them. What happens in the world is done step by step, and what is to go wrong, at
//! the moments that the seed chose.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::books::Books;
use super::cards::Cards;
use super::carrier::Carrier;
use super::findings::{Before, State};
use super::{disturb, receipts};
use crate::http::{self, Answer};
use crate::interrupt;
use crate::play::{Example, Fate, Message, Receiver, World};
use crate::products::cache::Cache;
use crate::products::running::{Place, Running};
use crate::products::{self};
use crate::runtime::Runtime;

/// The world takes a step as often as this.
const STEP: Duration = Duration::from_secs(3);
/// What comes back as often as this is no passing outage.
const RETRIES_MAX: u32 = 3;

pub struct Products<'a> {
    pub runtime: Runtime,
    pub disturbances: disturb::Plan,
    pub before: Before,
    /// None: the sandbox plays everything.
    from: Option<(&'a Cache, &'a Place)>,
    running: Vec<(&'static str, Running)>,
    /// Tax and storefront.
    sandbox: SocketAddr,
    /// Where the goods are.
    warehouse: SocketAddr,
    books: Books,
    carrier: Carrier,
    cards: Cards,
    by_card: Vec<String>,
    stepped: Instant,
    /// A caller waits for what this exchange answers: whether it is too late to cancel must not depend
    /// on how busy the machine is, so the warehouse waits too.
    answer_of: Option<String>,
    /// How often the admin has tried an exchange again.
    retried: BTreeMap<String, u32>,
    disturbed: bool,
}

impl<'a> Products<'a> {
    /// `told` is what the running products tell of themselves.
    pub fn new(
        runtime: Runtime,
        from: Option<(&'a Cache, &'a Place)>,
        running: Vec<(&'static str, Running)>,
        told: &[(String, String)],
        example: &Example,
        disturbances: disturb::Plan,
    ) -> Result<Products<'a>> {
        let value = |name: &str| {
            let found = told.iter().find(|(told, _)| told == name);
            found.map(|(_, value)| value.as_str()).with_context(|| format!("nobody tells {name}"))
        };
        let address = |name: &str| -> Result<SocketAddr> {
            Ok(value(name)?.trim_start_matches("http://").parse()?)
        };
        let (sandbox, warehouse) = (address("SANDBOX")?, address("INVENTREE_CONTROL")?);
        let books =
            Books::new(value("TRYTON_URL")?, value("TRYTON_DATABASE")?, value("TRYTON_KEY")?);
        let carrier = Carrier::new(value("KARRIO_URL")?, value("KARRIO_KEY")?, from.is_some());
        let mut cards = Cards::new(value("LOCALSTRIPE_URL")?, value("LOCALSTRIPE_KEY")?);
        if from.is_some() {
            cards.keep_cards()?;
        }
        let by_card = example
            .fates
            .iter()
            .filter(|fate| fate.ended.as_ref().is_some_and(|ended| !ended.payments.is_empty()));
        let by_card = by_card.map(|fate| fate.order.clone()).collect();
        let mut world = Products {
            runtime,
            disturbances,
            before: Before::default(),
            from,
            running,
            sandbox,
            warehouse,
            books,
            carrier,
            cards,
            by_card,
            stepped: Instant::now(),
            answer_of: None,
            retried: BTreeMap::new(),
            disturbed: false,
        };
        let hears = json!({
            "product": "shopify",
            "url": format!("http://{}/webhooks/shopify", world.runtime.messages),
        });
        world.control(sandbox, "/sandbox/webhooks", &hears)?;
        world.before = world.state(&example.fates)?.before();
        Ok(world)
    }

    pub fn state(&self, fates: &[Fate]) -> Result<State> {
        State::read(&self.books, &self.carrier, &self.cards, fates)
    }

    fn control(&self, at: SocketAddr, path: &str, body: &Value) -> Result<Value> {
        let answer = http::post(at, path, body)?;
        match answer.status {
            200..300 => Ok(answer.json()),
            status => bail!("the sandbox answered {status} to {path}: {}", answer.text()),
        }
    }

    /// Goods are picked, packed, shipped; parcels travel.
    fn step(&self) -> Result<()> {
        self.control(self.warehouse, "/sandbox/advance", &json!({}))?;
        let shipped = self.books.shipped()?;
        self.carrier.drive(|reference| shipped.contains(reference), &now("%Y-%m-%dT%H:%M:%SZ"))
    }

    fn disturb(&mut self, disturbance: &disturb::Disturbance) -> Result<String> {
        match disturbance {
            disturb::Disturbance::Kill => {
                let id = self.runtime.kill()?;
                self.runtime.start()?;
                Ok(format!("the runtime (process {id}) was killed with SIGKILL, and runs again"))
            }
            disturb::Disturbance::Restart { product, down } => {
                let Some((cache, place)) = self.from else {
                    bail!("the sandbox keeps nothing over a stop")
                };
                let at = self.running.iter().position(|(name, _)| name == product);
                let (_, running) = self.running.remove(at.context("a product that runs")?);
                running.stop();
                interrupt::sleep(*down)?;
                let began = Instant::now();
                let running = products::start_one(product, cache, place)?;
                self.running.push((product, running));
                Ok(format!(
                    "{product} was stopped for {:.1} s, and started again in {:.1} s",
                    down.as_secs_f64(),
                    began.elapsed().as_secs_f64()
                ))
            }
        }
    }

    fn answered(&mut self) -> Result<bool> {
        let Some(id) = &self.answer_of else { return Ok(true) };
        let ended = !self.runtime.admin(&format!("/v1/exchanges/{id}"))?["end"].is_null();
        if ended {
            self.answer_of = None;
        }
        Ok(ended)
    }

    /// An admin tries again what an outage has left on the exception desk. Without an outage nothing
    /// may stand there.
    fn retry(&mut self) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let open = self.runtime.admin("/v1/exceptions")?;
        for exception in open["exceptions"].as_array().into_iter().flatten() {
            let text = |name: &str| exception[name].as_str().unwrap_or_default();
            let id = text("exchange");
            let times = self.retried.entry(id.to_owned()).or_default();
            if *times >= RETRIES_MAX {
                continue;
            }
            *times += 1;
            let body = json!({ "by": "ada", "why": "what it talked to was away" });
            let path = format!("/v1/exceptions/{id}/retry");
            let answer = http::post(self.runtime.admin_at, &path, &body)?;
            let step = format!("{}.{}", text("route"), text("step"));
            told.push(format!("ada tries {id} again, {step}: {}", answer.status));
        }
        Ok(told)
    }

    /// Exchanges that a person had to try again.
    pub fn retried(&self) -> usize {
        self.retried.len()
    }

    /// Everything in order: the runtime first.
    pub fn stop(mut self) -> Result<()> {
        let drained = self.runtime.stop();
        while let Some((_, running)) = self.running.pop() {
            running.stop();
        }
        drained
    }
}

impl World for Products<'_> {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn alive(&mut self) -> Result<()> {
        self.running.iter_mut().try_for_each(|(_, running)| running.alive())?;
        self.runtime.alive()
    }

    fn send(&mut self, message: &Message) -> Result<Answer> {
        let address = match message.to {
            Receiver::Runtime => self.runtime.messages,
            Receiver::Sandbox if message.path.starts_with("/sandbox/storefront") => self.sandbox,
            Receiver::Sandbox => self.warehouse,
        };
        let answer = http::post_text(address, &message.path, &self.cards.in_text(&message.text))?;
        if message.later && answer.status == 202 {
            self.answer_of = answer.json()["exchange"].as_str().map(str::to_owned);
        }
        Ok(answer)
    }

    fn pay_out(&mut self) -> Result<String> {
        let by_card = |order: &str| self.by_card.iter().any(|card| card == order);
        let invoices = self.books.invoices()?;
        let mut told = Vec::new();
        for receipt in receipts::receipts(&invoices, by_card, &now("%Y-%m-%d")) {
            let answer = http::post(self.runtime.messages, "/receipts", &receipt)?;
            let (id, amount) = (&receipt["id"], &receipt["amount"]["amount"]);
            if answer.status != 202 {
                bail!("receipt {id} was answered {}: {}", answer.status, answer.text());
            }
            told.push(format!("{} {}", id.as_str().unwrap_or(""), amount.as_str().unwrap_or("")));
        }
        Ok(format!("customers pay: {}", told.join(", ")))
    }

    fn act(&mut self, ended: usize, awaited: usize) -> Result<Vec<String>> {
        if self.stepped.elapsed() >= STEP && self.answered()? {
            self.stepped = Instant::now();
            self.step()?;
        }
        let mut told = Vec::new();
        while let Some(disturbance) = self.disturbances.next(ended, awaited) {
            self.disturbed = true;
            told.push(self.disturb(&disturbance)?);
        }
        if self.disturbed {
            told.extend(self.retry()?);
        }
        Ok(told)
    }

    fn differences(&self, fates: &[Fate]) -> Result<Vec<String>> {
        let mut wrong = self.state(fates)?.differences(fates, self.before);
        // What no product is there for, the sandbox has counted.
        let effects =
            |at: SocketAddr| -> Result<Value> { Ok(http::get(at, "/sandbox/effects")?.json()) };
        let effects: [Value; 2] = match self.sandbox == self.warehouse {
            true => [effects(self.sandbox)?, Value::Null],
            false => [effects(self.sandbox)?, effects(self.warehouse)?],
        };
        let effects = effects.iter().filter_map(Value::as_array).flatten();
        let repeated = effects.filter(|effect| {
            let played = matches!(effect["product"].as_str(), Some("inventree" | "avatax"));
            // Stock is allocated at each site that has some.
            let once = effect["effect"] != "allocation.create";
            played && once && effect["count"].as_u64() > Some(1)
        });
        wrong.extend(repeated.map(|effect| format!("more than once: {effect}")));
        Ok(wrong)
    }
}

fn now(form: &str) -> String {
    jiff::Timestamp::now().strftime(form).to_string()
}
