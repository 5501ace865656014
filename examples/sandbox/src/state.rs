//! Everything the sandbox knows, behind one lock, and the one door to each product's handler.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::avatax::Avatax;
use crate::effects::Effects;
use crate::faults::{self, Faults};
use crate::inventree::Inventree;
use crate::karrio::Karrio;
use crate::options::Options;
use crate::stripe::Stripe;
use crate::tryton::Tryton;
use crate::webhooks::Webhooks;
use crate::wire::{Reply, Request};
use crate::world::World;
use crate::{avatax, inventree, karrio, stripe, tryton};

pub struct State {
    pub options: Options,
    pub address: SocketAddr,
    pub effects: Effects,
    pub faults: Faults,
    pub webhooks: Webhooks,
    pub world: World,
    pub tryton: Tryton,
    pub inventree: Inventree,
    pub karrio: Karrio,
    pub avatax: Avatax,
    pub stripe: Stripe,
    /// Orders that the storefront has sent; gives their numbers.
    pub storefront_orders: u64,
    drawn: u64,
    /// Answers to reads, with their time, for rules that answer with an older one.
    remembered: HashMap<u64, (u64, Reply)>,
}

const REMEMBERED_MAX: usize = 10_000;

impl State {
    pub fn new(options: Options, address: SocketAddr) -> State {
        let mut webhooks = Webhooks::new(&options);
        for hook in &options.webhooks {
            webhooks.register(&hook.product, &hook.url, hook.secret.as_deref());
        }
        State {
            address,
            effects: Effects::default(),
            faults: Faults::new(options.seed),
            webhooks,
            world: World::default(),
            tryton: Tryton::seeded(),
            inventree: Inventree::seeded(),
            karrio: Karrio::default(),
            avatax: Avatax::default(),
            stripe: Stripe::default(),
            storefront_orders: 0,
            drawn: 0,
            remembered: HashMap::new(),
            options,
        }
    }

    /// As at the start; registered webhooks stay, what was waiting to be sent does not.
    pub fn reset(&mut self, seed: Option<u64>) {
        let mut options = self.options.clone();
        options.seed = seed.unwrap_or(options.seed);
        options.webhooks.clear();
        let registered = std::mem::take(&mut self.webhooks).into_registered(&options);
        *self = State::new(options, self.address);
        self.webhooks = registered;
    }

    /// As `handle`; with `stale_ms`, what the same read was answered before may do, if it is no older.
    pub fn read_or_handle(
        &mut self,
        product: &str,
        request: &Request,
        stale_ms: Option<u64>,
    ) -> Option<Reply> {
        let Some(stale_ms) = stale_ms else { return self.handle(product, request) };
        let identity = faults::identity(product, request);
        let now_ms = now_ms();
        if let Some((at_ms, reply)) = self.remembered.get(&identity)
            && at_ms + stale_ms > now_ms
        {
            return Some(reply.clone());
        }
        let reply = self.handle(product, request)?;
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
        }
        self.remembered.insert(identity, (now_ms, reply.clone()));
        Some(reply)
    }

    /// Hands a request to its product.
    pub fn handle(&mut self, product: &str, request: &Request) -> Option<Reply> {
        Some(match product {
            "tryton" => tryton::handle(self, request),
            "inventree" => inventree::handle(self, request),
            "karrio" => karrio::handle(self, request),
            "avatax" => avatax::handle(self, request),
            "stripe" => stripe::handle(self, request),
            _ => return None,
        })
    }

    /// A word of hexadecimal digits: random to look at, the same for the same seed.
    pub fn word(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            self.drawn += 1;
            let drawn = faults::mix(self.options.seed.wrapping_mul(31) ^ (self.drawn << 8));
            text.push_str(&format!("{drawn:016x}"));
        }
        text.truncate(length);
        text
    }
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub fn now_s() -> i64 {
    (now_ms() / 1000) as i64
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(now_ms: u64) -> String {
    Timestamp::from_millisecond(now_ms as i64)
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
        .unwrap_or_default()
}

/// Today in UTC, `2026-04-02`.
pub fn today() -> String {
    timestamp(now_ms())[..10].to_owned()
}
