//! The comparison at the end: every order's ends and effects against what they must be, and nothing
//! left over.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::orders::{COMPARED, Order};
use crate::set_up::{Effect, SetUp};

/// Effects by order and name.
pub fn by_order(effects: &[Effect]) -> BTreeMap<&str, BTreeMap<String, u64>> {
    let mut found: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for effect in effects {
        let Some(order) = Order::id_of(&effect.reference) else { continue };
        let name = format!("{} {}", effect.product, effect.effect);
        *found.entry(order).or_default().entry(name).or_default() += effect.count;
    }
    found
}

/// Orders whose effects are not yet what they must be.
pub fn unfulfilled(effects: &[Effect], orders: &[Order]) -> usize {
    let found = by_order(effects);
    let none = BTreeMap::new();
    orders
        .iter()
        .filter(|order| *found.get(order.id.as_str()).unwrap_or(&none) != order.effects())
        .count()
}

/// Orders with a refund that no payout has carried yet, since nothing was captured after it: the
/// payment service keeps a balance below zero until something is. Their cash has one entry less.
pub fn not_paid_out(set_up: &SetUp) -> Result<Vec<String>> {
    let state = set_up.control_state()?;
    let orders = state["stripe"]["not_paid_out"].as_array().into_iter().flatten();
    Ok(orders.map(|order| order.as_str().unwrap_or("no order").to_owned()).collect())
}

/// Everything that is not as it should be.
pub fn findings(set_up: &SetUp, orders: &[Order]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let effects = set_up.effects()?;
    for effect in effects.iter().filter(|effect| effect.count != 1) {
        wrong.push(format!(
            "{} {} happened {} times for {} under the key `{}`",
            effect.product, effect.effect, effect.count, effect.reference, effect.key
        ));
    }
    let mut shared: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for effect in effects.iter().filter(|effect| Order::id_of(&effect.reference).is_none()) {
        let name = (effect.product.as_str(), effect.effect.as_str(), effect.reference.as_str());
        *shared.entry(name).or_default() += effect.count;
    }
    for ((product, effect, reference), count) in shared.iter().filter(|(_, count)| **count != 1) {
        wrong.push(format!("{product} {effect} happened {count} times for {reference}"));
    }
    let found = by_order(&effects);
    let ends = ends(set_up)?;
    let waiting = not_paid_out(set_up)?;
    let none = BTreeMap::new();
    for order in orders {
        let (found, expected) = (found.get(order.id.as_str()).unwrap_or(&none), order.effects());
        if *found != expected {
            let differing: BTreeMap<&String, [Option<&u64>; 2]> = found
                .keys()
                .chain(expected.keys())
                .filter(|name| found.get(*name) != expected.get(*name))
                .map(|name| (name, [found.get(name), expected.get(name)]))
                .collect();
            wrong.push(format!(
                "{} ({:?}): effects as [found, expected]: {}",
                order.id,
                order.kind,
                json!(differing)
            ));
        }
        for (route, mut expected) in order.ends() {
            if route == "order-cash" {
                let later = waiting.iter().filter(|waiting| **waiting == order.id).count();
                expected.truncate(expected.len().saturating_sub(later));
            }
            let mut found = ends.get(&(route, order.id.clone())).cloned().unwrap_or_default();
            found.sort();
            if found != expected {
                wrong.push(format!(
                    "{} ({:?}): {route} ended {found:?}, expected {expected:?}",
                    order.id, order.kind
                ));
            }
        }
    }
    for (what, list) in [("exception", "exceptions"), ("task", "tasks")] {
        for open in
            set_up.runtime.admin(&format!("/v1/{list}"))?[list].as_array().into_iter().flatten()
        {
            wrong.push(format!("open {what}: {open}"));
        }
    }
    Ok(wrong)
}

/// How the exchanges of the compared routes ended, by route and order.
fn ends(set_up: &SetUp) -> Result<BTreeMap<(&'static str, String), Vec<String>>> {
    let mut ends: BTreeMap<(&'static str, String), Vec<String>> = BTreeMap::new();
    for route in COMPARED {
        let mut before = String::new();
        loop {
            let path = format!("/v1/exchanges?route={route}&limit=1000{before}");
            let page = set_up.runtime.admin(&path)?;
            for exchange in page["exchanges"].as_array().into_iter().flatten() {
                let id = exchange["exchange"].as_str().unwrap_or_default();
                let whole = set_up.runtime.admin(&format!("/v1/exchanges/{id}"))?;
                let order = whole["keys"]["order"].as_str().unwrap_or_default().to_owned();
                ends.entry((route, order)).or_default().push(end(&whole));
            }
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
    }
    Ok(ends)
}

fn end(exchange: &Value) -> String {
    let end = exchange["end"].as_str().unwrap_or("no end");
    // The order's own money: nothing of the invoice is open when it is applied.
    let open = exchange["message"]["application"]["open"]["amount"].as_str();
    match open.filter(|open| !open.trim_matches(['0', '.']).is_empty()) {
        Some(rest) => format!("{end} with {rest} still open"),
        None => end.to_owned(),
    }
}
