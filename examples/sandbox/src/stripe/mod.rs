//! Stripe's API: routing, authentication, idempotency keys and lists. What an operation does is
//! in the modules below; none of them sees HTTP beyond the parameters.

mod charges;
mod form;
mod intents;
mod payouts;
mod table;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use self::table::Table;
use crate::state::{State, now_ms, now_s};
use crate::wire::{self, Reply, Request};

const KEY_LIFETIME_MS: u64 = 24 * 3600 * 1000;
const PAGE_MAX: i64 = 100;
/// `data` of a list counts.
const EXPAND_LEVELS_MAX: usize = 4;

#[derive(Debug)]
pub struct Stripe {
    intents: Table,
    charges: Table,
    refunds: Table,
    transactions: Table,
    payouts: Table,
    disputes: Table,
    events: Table,
    /// Balance transaction -> payout; what is not here has not been paid out yet.
    paid_out: HashMap<String, String>,
    keys: HashMap<String, Remembered>,
    requests: u64,
}

#[derive(Debug)]
struct Remembered {
    request: String,
    reply: Reply,
    at_ms: u64,
}

/// An error in Stripe's form.
#[derive(Debug)]
pub struct Failure {
    status: u16,
    error: Value,
}

type Answer = Result<Value, Failure>;

/// The parameters of one request and who asks.
struct Call<'a> {
    params: &'a Map<String, Value>,
    key: &'a str,
    request_id: &'a str,
}

impl Default for Stripe {
    fn default() -> Self {
        Stripe {
            intents: Table::new("pi_"),
            charges: Table::new("ch_"),
            refunds: Table::new("re_"),
            transactions: Table::new("txn_"),
            payouts: Table::new("po_"),
            disputes: Table::new("dp_"),
            events: Table::new("evt_"),
            paid_out: HashMap::new(),
            keys: HashMap::new(),
            requests: 0,
        }
    }
}

pub fn handle(state: &mut State, request: &Request) -> Reply {
    state.stripe.requests += 1;
    let request_id = format!("req_sbx{:08}", state.stripe.requests);
    let given = request
        .authorization("Bearer")
        .map(str::to_owned)
        .or_else(|| request.basic().map(|(user, _)| user));
    let reply = if given.as_deref() != Some(state.options.stripe_key.as_str()) {
        let message = match given {
            None => "You did not provide an API key.".to_owned(),
            Some(key) => format!("Invalid API Key provided: {}***", key.get(..3).unwrap_or("")),
        };
        failed(invalid(401, None, &message, None))
    } else {
        once(state, request, &request_id)
    };
    reply.with("request-id", request_id)
}

/// POST requests with an idempotency key are done once and then answered from memory.
fn once(state: &mut State, request: &Request, request_id: &str) -> Reply {
    let mut fields = wire::pairs(&String::from_utf8_lossy(&request.body));
    fields.extend(request.query.clone());
    let key = match request.header("idempotency-key") {
        Some(key) if request.method == "POST" => key.to_owned(),
        _ => String::new(),
    };
    let mut sorted = fields.clone();
    sorted.sort();
    let fingerprint = format!("{} {} {sorted:?}", request.method, request.path);
    let now = now_ms();
    if !key.is_empty()
        && let Some(known) = state.stripe.keys.get(&key)
        && now - known.at_ms < KEY_LIFETIME_MS
    {
        if known.request != fingerprint {
            return failed(Failure {
                status: 400,
                error: json!({
                    "type": "idempotency_error",
                    "message": format!("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."),
                }),
            });
        }
        return known.reply.clone().with("idempotent-replayed", "true");
    }
    let params = form::nest(&fields);
    let call = Call { params: &params, key: &key, request_id };
    let expand = form::strings(&params, "expand");
    let answer = expandable(request, &expand).and_then(|()| route(state, request, &call));
    let reply = match answer {
        Ok(mut value) => {
            for path in &expand {
                state.stripe.expand(&mut value, path);
            }
            Reply::json(200, &value)
        }
        Err(failure) => failed(failure),
    };
    let stored = matches!(reply.status, 200 | 402);
    if !key.is_empty() && stored {
        state
            .stripe
            .keys
            .insert(key, Remembered { request: fingerprint, reply: reply.clone(), at_ms: now });
    }
    reply
}

/// What Stripe refuses whatever the objects are: too deep, and on a list beside its elements.
fn expandable(request: &Request, paths: &[String]) -> Result<(), Failure> {
    let is_list = request.method == "GET"
        && matches!(request.segments().as_slice(), ["v1", name] if *name != "balance");
    for path in paths {
        if path.split('.').count() > EXPAND_LEVELS_MAX {
            let message = format!(
                "You cannot expand more than {EXPAND_LEVELS_MAX} levels of a property. Property: {path}"
            );
            return Err(invalid(400, Some("property_expansion_max_depth"), &message, None));
        }
        let head = path.split('.').next().unwrap_or_default();
        if is_list && head != "data" {
            let message = format!(
                "This property cannot be expanded ({head}). You may want to try expanding 'data.{head}' instead."
            );
            return Err(invalid(400, None, &message, Some("expand")));
        }
    }
    Ok(())
}

fn route(state: &mut State, request: &Request, call: &Call) -> Answer {
    let segments = request.segments();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["v1", "payment_intents"]) => state.create_intent(call),
        ("POST", ["v1", "payment_intents", id]) => state.update_intent(id, call),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => state.confirm_intent(id, call),
        ("POST", ["v1", "payment_intents", id, "capture"]) => state.capture_intent(id, call),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => state.cancel_intent(id, call),
        ("POST", ["v1", "refunds"]) => state.create_refund(call),
        ("POST", ["v1", "disputes", id]) => state.answer_dispute(id, call),
        ("POST", ["v1", "disputes", id, "close"]) => {
            state.stripe.disputes.get(id)?;
            state.close_dispute(id, "lost");
            Ok(state.stripe.disputes.get(id)?.clone())
        }
        ("GET", ["v1", "balance"]) => Ok(state.stripe.balance()),
        ("GET", ["v1", collection]) => state.stripe.list(collection, call.params),
        ("GET", ["v1", collection, id]) => {
            Ok(state.stripe.table(collection, request)?.get(id)?.clone())
        }
        _ => Err(unrecognised(request)),
    }
}

impl Stripe {
    fn table(&self, collection: &str, request: &Request) -> Result<&Table, Failure> {
        self.collection(collection).ok_or_else(|| unrecognised(request))
    }

    fn collection(&self, name: &str) -> Option<&Table> {
        Some(match name {
            "payment_intents" => &self.intents,
            "charges" => &self.charges,
            "refunds" => &self.refunds,
            "balance_transactions" => &self.transactions,
            "payouts" => &self.payouts,
            "disputes" => &self.disputes,
            "events" => &self.events,
            _ => return None,
        })
    }

    /// Newest first, with cursors, as every list of Stripe.
    fn list(&self, collection: &str, params: &Map<String, Value>) -> Answer {
        let Some(table) = self.collection(collection) else {
            let message = format!("Unrecognized request URL (GET: /v1/{collection}).");
            return Err(invalid(404, None, &message, None));
        };
        let limit = form::integer(params, "limit")?.unwrap_or(10);
        if !(1..=PAGE_MAX).contains(&limit) {
            let message = format!("This value must be between 1 and {PAGE_MAX}.");
            return Err(invalid(400, None, &message, Some("limit")));
        }
        let kept: Vec<&Value> =
            table.newest_first().filter(|row| self.is_wanted(row, params)).collect();
        let place = |name: &str| -> Result<Option<usize>, Failure> {
            match params.get(name).and_then(Value::as_str) {
                None => Ok(None),
                Some(id) => {
                    table.get(id)?;
                    Ok(kept.iter().position(|row| row["id"] == id))
                }
            }
        };
        let limit = limit as usize;
        let (from, to) = match (place("starting_after")?, place("ending_before")?) {
            (Some(after), _) => (after + 1, (after + 1 + limit).min(kept.len())),
            (None, Some(before)) => (before.saturating_sub(limit), before),
            (None, None) => (0, limit.min(kept.len())),
        };
        let from = from.min(to);
        let has_more =
            if params.contains_key("ending_before") { from > 0 } else { to < kept.len() };
        let data: Vec<Value> = kept[from..to].iter().map(|row| (*row).clone()).collect();
        Ok(
            json!({"object": "list", "data": data, "has_more": has_more, "url": format!("/v1/{collection}")}),
        )
    }

    fn is_wanted(&self, row: &Value, params: &Map<String, Value>) -> bool {
        let types = form::strings(params, "types");
        if !types.is_empty() && !types.iter().any(|t| row["type"] == **t) {
            return false;
        }
        params.iter().all(|(name, wanted)| match name.as_str() {
            "type" | "status" | "charge" | "payment_intent" | "customer" | "source"
            | "currency" => row[name.as_str()] == *wanted,
            "payout" => {
                let id = row["id"].as_str().unwrap_or_default();
                self.paid_out.get(id).map(String::as_str) == wanted.as_str()
            }
            "created" => {
                let created = row["created"].as_i64().unwrap_or(0);
                let bound = |op: &str| form::number(&wanted[op]);
                form::number(wanted).is_none_or(|at| created == at)
                    && bound("gte").is_none_or(|at| created >= at)
                    && bound("gt").is_none_or(|at| created > at)
                    && bound("lte").is_none_or(|at| created <= at)
                    && bound("lt").is_none_or(|at| created < at)
            }
            _ => true,
        })
    }

    /// Replaces the id at `path` by its object; `data.x` looks into each element of a list.
    fn expand(&self, value: &mut Value, path: &str) {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        if let (Some(list), "data") = (value.get_mut("data").and_then(Value::as_array_mut), head) {
            for element in list {
                self.expand(element, rest);
            }
            return;
        }
        let Some(place) = value.get_mut(head) else {
            return;
        };
        if let Some(object) = place.as_str().and_then(|id| self.find(id)) {
            *place = object.clone();
        }
        if !rest.is_empty() {
            self.expand(place, rest);
        }
    }

    fn find(&self, id: &str) -> Option<&Value> {
        [
            &self.intents,
            &self.charges,
            &self.refunds,
            &self.transactions,
            &self.payouts,
            &self.disputes,
        ]
        .into_iter()
        .find_map(|table| table.rows.get(id))
    }

    pub fn summary(&self) -> Value {
        json!({
            "payment_intents": self.intents.count_by("status"),
            "refunds": self.refunds.rows.len(),
            "payouts": self.payouts.count_by("status"),
            "disputes": self.disputes.count_by("status"),
            "not_paid_out": self.not_paid_out(),
        })
    }

    /// The orders of what waits for a payout, one for each charge or refund: a balance below zero
    /// waits for the next charges.
    fn not_paid_out(&self) -> Vec<Value> {
        let waiting =
            self.transactions.rows.iter().filter(|(id, _)| !self.paid_out.contains_key(*id));
        let order = |transaction: &Value| {
            let moved = self.find(transaction["source"].as_str()?)?;
            let intent = self.intents.rows.get(moved["payment_intent"].as_str()?)?;
            Some(intent["metadata"]["order_id"].clone())
        };
        waiting.map(|(_, transaction)| order(transaction).unwrap_or_default()).collect()
    }
}

impl State {
    /// Records an event and sends it to whoever listens.
    fn stripe_event(&mut self, kind: &str, object: &Value, call: Option<&Call>) {
        let event = json!({
            "object": "event",
            "api_version": "2025-09-30.clover",
            "created": now_s(),
            "data": {"object": object},
            "livemode": false,
            "pending_webhooks": 1,
            "request": {
                "id": call.map(|c| c.request_id),
                "idempotency_key": call.map(|c| c.key).filter(|key| !key.is_empty()),
            },
            "type": kind,
        });
        let id = self.stripe.events.insert(event);
        let event = self.stripe.events.rows[&id].clone();
        self.post_webhook("stripe", kind, &id, Vec::new(), &event);
    }
}

/// The business reference of an effect: what the request says, else what the object carries.
fn reference(params: &Map<String, Value>, object: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    params
        .get("metadata")
        .and_then(|m| text(&m["reference"]))
        .or_else(|| text(&object["metadata"]["order_id"]))
        .or_else(|| text(&object["metadata"]["reference"]))
        .or_else(|| text(&object["id"]))
        .unwrap_or_default()
}

fn failed(failure: Failure) -> Reply {
    Reply::json(failure.status, &json!({"error": failure.error}))
}

fn invalid(status: u16, code: Option<&str>, message: &str, param: Option<&str>) -> Failure {
    let mut error = json!({"type": "invalid_request_error", "message": message});
    if let Some(code) = code {
        error["code"] = json!(code);
        error["doc_url"] =
            json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")));
    }
    if let Some(param) = param {
        error["param"] = json!(param);
    }
    Failure { status, error }
}

/// Currencies with three decimals move in steps of ten, for the networks' sake.
fn in_steps(amount: i64, currency: &str, param: &str) -> Result<(), Failure> {
    let thousandths = ["bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"];
    if thousandths.contains(&currency.to_lowercase().as_str()) && amount % 10 != 0 {
        let message = format!("Invalid {currency} amount {amount}: the last digit must be 0.");
        return Err(invalid(400, Some("parameter_invalid_integer"), &message, Some(param)));
    }
    Ok(())
}

fn unrecognised(request: &Request) -> Failure {
    let message = format!("Unrecognized request URL ({}: {}).", request.method, request.path);
    invalid(404, None, &message, None)
}
