//! The control API under `/sandbox`: look at what happened, move the world, misbehave, start over.

use serde_json::{Value, json};

use crate::faults::Rule;
use crate::state::State;
use crate::wire::{Reply, Request};

pub fn handle(state: &mut State, request: &Request) -> Reply {
    let segments = request.segments();
    let body = match request.json() {
        Ok(body) => body,
        Err(error) => return wrong(&format!("the body is not JSON: {error}")),
    };
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["health"]) => Reply::json(200, &json!({"status": "ok"})),
        ("GET", ["state"]) => Reply::json(200, &summary(state)),
        ("GET", ["effects"]) => effects(state, request),
        ("POST", ["advance"]) => advance(state, &body),
        ("POST", ["reset"]) => {
            state.reset(body["seed"].as_u64());
            Reply::json(200, &summary(state))
        }
        ("GET", ["faults"]) => Reply::json(200, &json!(state.faults.rules)),
        ("POST", ["faults"]) => faults(state, body),
        ("DELETE", ["faults"]) => {
            state.faults.clear();
            Reply::empty(204)
        }
        ("GET", ["webhooks"]) => Reply::json(200, &state.webhooks.report()),
        ("POST", ["webhooks"]) => webhooks(state, &body),
        ("DELETE", ["webhooks"]) => {
            state.webhooks.clear();
            Reply::empty(204)
        }
        ("POST", ["storefront", "orders"]) => match state.place_order(&body) {
            Ok(sent) => Reply::json(202, &sent),
            Err(why) => wrong(&why),
        },
        ("POST", ["stock"]) => {
            let (sku, location) = (body["sku"].as_str(), body["location"].as_i64().unwrap_or(1));
            let quantity = body["quantity"].as_f64().unwrap_or(0.0);
            match sku.and_then(|sku| state.add_stock(sku, location, quantity)) {
                Some(now) => Reply::json(200, &json!({"quantity": now})),
                None => wrong("`sku` must be an item of the catalogue"),
            }
        }
        ("POST", ["payout"]) => Reply::json(200, &json!(state.pay_out())),
        ("POST", ["dispute"]) => dispute(state, &body),
        ("POST", ["parties"]) => {
            let code = body["code"].as_str().unwrap_or_default();
            match state.tryton.set_credit(code, &body) {
                Some(party) => Reply::json(200, &party),
                None => wrong("`code` must be a party of the catalogue"),
            }
        }
        _ => Reply::json(404, &json!({"error": "the sandbox has no such control"})),
    }
}

/// Counts by product and state; what waits.
pub fn summary(state: &State) -> Value {
    let waiting: Vec<String> = state.world.waiting().map(|step| format!("{step:?}")).collect();
    json!({
        "seed": state.options.seed,
        "tryton": state.tryton.summary(),
        "inventree": state.inventree.summary(),
        "karrio": state.karrio.summary(),
        "avatax": state.avatax.summary(),
        "stripe": state.stripe.summary(),
        "storefront_orders": state.storefront_orders,
        "world": waiting,
        "webhooks_waiting": state.webhooks.waiting(),
        "faults": state.faults.rules.len(),
    })
}

fn effects(state: &State, request: &Request) -> Reply {
    let mut list = state.effects.list();
    let wanted = |name: &str, own: &str| request.query(name).is_none_or(|given| given == own);
    list.retain(|effect| {
        wanted("product", &effect.product)
            && wanted("effect", &effect.effect)
            && wanted("reference", &effect.reference)
            && wanted("key", &effect.key)
    });
    Reply::json(200, &json!(list))
}

fn advance(state: &mut State, body: &Value) -> Reply {
    let mut taken = Vec::new();
    if body["all"] == true {
        taken = state.advance_all();
    } else {
        for _ in 0..body["steps"].as_u64().unwrap_or(1).min(1000) {
            taken.extend(state.advance());
        }
    }
    let taken: Vec<String> = taken.iter().map(|step| format!("{step:?}")).collect();
    Reply::json(200, &json!({"moved": taken, "waiting": state.world.waiting().count()}))
}

fn faults(state: &mut State, body: Value) -> Reply {
    let rules = if body.is_array() { body } else { json!([body]) };
    let rules: Vec<Rule> = match serde_json::from_value(rules) {
        Ok(rules) => rules,
        Err(error) => return wrong(&format!("not a fault: {error}")),
    };
    for rule in rules {
        if let Err(why) = state.faults.add(rule) {
            return wrong(&why);
        }
    }
    Reply::json(201, &json!(state.faults.rules))
}

fn webhooks(state: &mut State, body: &Value) -> Reply {
    let (Some(product), Some(url)) = (body["product"].as_str(), body["url"].as_str()) else {
        return wrong("a webhook needs `product` and `url`");
    };
    if !matches!(product, "stripe" | "shopify" | "karrio") {
        return wrong("webhooks come from stripe, shopify or karrio");
    }
    if !url.starts_with("http://") {
        return wrong("`url` must begin with http://");
    }
    state.webhooks.register(product, url, body["secret"].as_str());
    Reply::json(201, &state.webhooks.report())
}

fn dispute(state: &mut State, body: &Value) -> Reply {
    let text = |name: &str| body[name].as_str();
    let changed = match (text("dispute"), text("charge")) {
        (Some(id), _) => state.close_dispute(id, text("status").unwrap_or("lost")),
        (None, Some(charge)) => state.open_dispute(
            charge,
            text("reason").unwrap_or("fraudulent"),
            text("status").unwrap_or("needs_response"),
        ),
        (None, None) => None,
    };
    match changed {
        Some(dispute) => Reply::json(200, &dispute),
        None => wrong("`charge` (undisputed) or `dispute` (open) must be known"),
    }
}

fn wrong(why: &str) -> Reply {
    Reply::json(400, &json!({"error": why}))
}
