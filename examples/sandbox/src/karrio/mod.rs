//! Karrio's API: authentication, routing, errors and lists. Shipments and trackers are below.

mod shipments;
mod trackers;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::state::{State, now_ms, timestamp};
use crate::wire::{Reply, Request};
use trackers::shown;

const LIMIT_DEFAULT: i64 = 20;
const LIMIT_MAX: i64 = 1000;

#[derive(Debug, Default)]
pub struct Karrio {
    shipments: BTreeMap<String, Value>,
    trackers: BTreeMap<String, Value>,
    addresses: BTreeMap<String, Value>,
    hooks: BTreeMap<String, Value>,
    /// Access and refresh tokens with the time at which they end.
    tokens: BTreeMap<String, u64>,
    numbers: BTreeMap<&'static str, u64>,
}

/// An error in Karrio's form: one code, and a message for each thing that is wrong.
#[derive(Debug)]
pub struct Failure {
    status: u16,
    code: &'static str,
    messages: Vec<String>,
}

impl Failure {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, messages: vec![message.into()] }
    }
}

type Answer = Result<Reply, Failure>;

impl Karrio {
    fn id(&mut self, prefix: &'static str) -> String {
        let number = self.numbers.entry(prefix).or_insert(0);
        *number += 1;
        format!("{prefix}_sbx{number:08}")
    }

    pub fn summary(&self) -> Value {
        let by = |rows: &BTreeMap<String, Value>| {
            let mut counts = BTreeMap::<String, u64>::new();
            for row in rows.values() {
                let status = row["status"].as_str().unwrap_or("").to_owned();
                *counts.entry(status).or_default() += 1;
            }
            json!(counts)
        };
        json!({"shipments": by(&self.shipments), "trackers": by(&self.trackers)})
    }
}

pub fn handle(state: &mut State, request: &Request) -> Reply {
    let segments = request.segments();
    let result = match segments.as_slice() {
        ["api", "token"] if request.method == "POST" => token(state, request),
        ["api", "token", "refresh"] if request.method == "POST" => refresh(state, request),
        _ if !is_known(state, request) => {
            let given = request.headers.iter().any(|(name, _)| name == "authorization");
            Err(match given {
                true => {
                    Failure::new(401, "invalid_token", "Given token not valid for any token type")
                }
                false => {
                    let message = "Authentication credentials were not provided.";
                    Failure::new(401, "not_authenticated", message)
                }
            })
        }
        _ => route(state, request, &segments),
    };
    result.unwrap_or_else(|failure| {
        let level = if failure.status == 404 { "warning" } else { "error" };
        let error =
            |message: &String| json!({"code": failure.code, "message": message, "level": level});
        let errors: Vec<Value> = failure.messages.iter().map(error).collect();
        Reply::json(failure.status, &json!({"errors": errors}))
    })
}

fn route(state: &mut State, request: &Request, segments: &[&str]) -> Answer {
    match (request.method.as_str(), segments) {
        ("GET", ["v1", "references"]) => Ok(Reply::json(
            200,
            &json!({"VERSION": "2026.1", "APP_NAME": "Karrio sandbox", "carriers": {"generic": "Generic Carrier"},
                "services": {"generic": {"standard_service": "standard_service", "express_service": "express_service"}}}),
        )),
        ("GET", ["v1", "connections"]) => page(
            request,
            vec![
                json!({"id": "car_generic", "object_type": "carrier-connection", "carrier_name": "generic",
                "carrier_id": "generic", "display_name": "Generic Carrier", "active": true, "test_mode": true,
                "capabilities": ["rating", "shipping", "tracking"], "metadata": {}, "config": {}}),
            ],
        ),
        ("POST", ["v1", "proxy", "rates"]) => state.quote_rates(request),
        ("GET", ["v1", "shipments"]) => state.karrio.list_shipments(request),
        ("POST", ["v1", "shipments"]) => state.create_shipment_label(request),
        ("GET", ["v1", "shipments", id]) => Ok(Reply::json(200, state.karrio.shipment(id)?)),
        ("PUT", ["v1", "shipments", id]) => state.karrio.update_shipment(id, request),
        ("POST", ["v1", "shipments", id, "rates"]) => state.refresh_rates(id),
        ("POST", ["v1", "shipments", id, "purchase"]) => state.purchase(id, request),
        ("POST", ["v1", "shipments", id, "cancel"]) => state.cancel_label(id),
        ("GET", ["v1", "trackers"]) => state.karrio.list_trackers(request),
        ("POST", ["v1", "trackers"]) => state.create_tracker(request),
        ("GET", ["v1", "trackers", id]) => Ok(Reply::json(200, &shown(state.karrio.tracker(id)?))),
        ("GET", ["v1", "addresses"]) => {
            page(request, state.karrio.addresses.values().cloned().collect())
        }
        ("POST", ["v1", "addresses"]) => state.create_address(request),
        ("DELETE", ["v1", "addresses", id]) => match state.karrio.addresses.remove(*id) {
            Some(address) => Ok(Reply::json(200, &address)),
            None => Err(not_found("Address")),
        },
        ("GET", ["v1", "webhooks"]) => {
            page(request, state.karrio.hooks.values().cloned().collect())
        }
        ("POST", ["v1", "webhooks"]) => state.create_hook(request),
        _ => Ok(Reply::html(
            404,
            "Not Found",
            "The requested resource was not found on this server.",
        )),
    }
}

impl State {
    fn create_address(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let mut address = address(&map, "")?;
        address["id"] = json!(self.karrio.id("adr"));
        address["object_type"] = json!("address");
        if map.get("validate_location") == Some(&json!(true)) {
            let right = address["postal_code"] != "00000" && address["postal_code"] != "";
            address["validation"] = json!({
                "success": right,
                "message": if right { Value::Null } else { json!("The postal code is unknown.") },
                "meta": {},
            });
        }
        let id = address["id"].as_str().unwrap_or_default().to_owned();
        self.karrio.addresses.insert(id, address.clone());
        Ok(Reply::json(201, &address))
    }

    fn create_hook(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let Some(url) = map.get("url").and_then(Value::as_str) else {
            return Err(invalid(json!({"url": ["This field is required."]})));
        };
        let id = self.karrio.id("weh");
        let secret = self.word(32);
        self.webhooks.register("karrio", url, Some(&secret));
        let hook = json!({
            "id": id, "object_type": "webhook", "url": url, "secret": secret, "test_mode": true,
            "disabled": false, "description": map.get("description"),
            "enabled_events": map.get("enabled_events").cloned().unwrap_or_else(|| json!(["all"])),
            "last_event_at": null,
        });
        self.karrio.hooks.insert(id, hook.clone());
        Ok(Reply::json(201, &hook))
    }

    /// Its header, the secret of the receiver, is added on the way out.
    fn karrio_event(&mut self, kind: &str, data: &Value) {
        let id = self.karrio.id("evt");
        self.post_webhook("karrio", kind, &id, Vec::new(), &json!({"event": kind, "data": data}));
    }
}

fn is_known(state: &State, request: &Request) -> bool {
    let bearer =
        |token: &str| state.karrio.tokens.get(token).is_some_and(|ends_ms| *ends_ms > now_ms());
    request.authorization("Token") == Some(state.options.karrio_key.as_str())
        || request.authorization("Bearer").is_some_and(bearer)
}

fn token(state: &mut State, request: &Request) -> Answer {
    let map = body(request)?;
    if map.get("password").and_then(Value::as_str) != Some(state.options.karrio_password.as_str()) {
        let message = "No active account found with the given credentials";
        return Err(Failure::new(401, "no_active_account", message));
    }
    Ok(Reply::json(201, &issue(state)))
}

fn refresh(state: &mut State, request: &Request) -> Answer {
    let map = body(request)?;
    let given = map.get("refresh").and_then(Value::as_str).unwrap_or("");
    if !given.starts_with("refresh.") || !state.karrio.tokens.contains_key(given) {
        return Err(Failure::new(401, "token_not_valid", "Token is invalid or expired"));
    }
    Ok(Reply::json(201, &issue(state)))
}

fn issue(state: &mut State) -> Value {
    let (access, refresh) = (state.word(40), format!("refresh.{}", state.word(40)));
    let ends_ms = now_ms() + state.options.karrio_jwt_s * 1000;
    state.karrio.tokens.insert(access.clone(), ends_ms);
    // A refresh token is no access token: it ends at once as one.
    state.karrio.tokens.insert(refresh.clone(), 0);
    json!({"access": access, "refresh": refresh})
}

fn body(request: &Request) -> Result<Map<String, Value>, Failure> {
    match request.json() {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => {
            Err(invalid(json!({"non_field_errors": ["Invalid data. Expected a dictionary."]})))
        }
        Err(error) => Err(Failure::new(400, "parse_error", format!("JSON parse error - {error}"))),
    }
}

/// An address with all its fields; only the country is required.
fn address(value: &Map<String, Value>, field: &str) -> Result<Value, Failure> {
    let Some(country) = value.get("country_code").and_then(Value::as_str) else {
        let missing = json!({"country_code": ["This field is required."]});
        return Err(invalid(if field.is_empty() { missing } else { json!({field: missing}) }));
    };
    let mut address = json!({
        "id": null, "object_type": "address", "person_name": null, "company_name": null,
        "address_line1": null, "address_line2": null, "street_number": null, "city": null,
        "state_code": null, "postal_code": null, "country_code": country, "email": null,
        "phone_number": null, "federal_tax_id": null, "state_tax_id": null, "residential": false,
        "suburb": null, "validate_location": false, "validation": null,
    });
    for (name, given) in value {
        if address.get(name).is_some() && name != "validation" {
            address[name.as_str()] = given.clone();
        }
    }
    let mut wrong = Map::new();
    for (name, longest) in ADDRESS_LENGTHS {
        if address[name].as_str().is_some_and(|text| text.chars().count() > longest) {
            wrong.insert(name.into(), too_long(longest));
        }
    }
    if !wrong.is_empty() {
        let wrong = Value::Object(wrong);
        return Err(invalid(if field.is_empty() { wrong } else { json!({field: wrong}) }));
    }
    if let Some(number) = address["phone_number"].as_str().and_then(american) {
        address["phone_number"] = json!(number);
    }
    Ok(address)
}

const ADDRESS_LENGTHS: [(&str, usize); 8] = [
    ("person_name", 100),
    ("company_name", 100),
    ("address_line1", 100),
    ("address_line2", 100),
    ("city", 50),
    ("state_code", 50),
    ("phone_number", 50),
    ("postal_code", 20),
];

fn too_long(longest: usize) -> Value {
    json!([format!("Ensure this field has no more than {longest} characters.")])
}

/// Phone numbers are given back in the international form; here those of the United States.
fn american(number: &str) -> Option<String> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let local = match digits.len() {
        11 => digits.strip_prefix('1')?,
        10 if !number.starts_with('+') => &digits,
        _ => return None,
    };
    Some(format!("+1 {}-{}-{}", &local[..3], &local[3..6], &local[6..]))
}

/// A repeated parameter is a choice of several; what is no choice is refused.
fn chosen<'a>(request: &'a Request, name: &str, choices: &[&str]) -> Result<Vec<&'a str>, Failure> {
    let given =
        request.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let given: Vec<&str> = given.collect();
    match given.iter().find(|value| !choices.contains(value)) {
        None => Ok(given),
        Some(other) => Err(invalid(json!({name: [format!(
            "Select a valid choice. {other} is not one of the available choices."
        )]}))),
    }
}

/// `2026-04-02 10:00:01` of a time as Karrio writes it, or as it is asked for.
fn instant(text: &str) -> String {
    text.replace('T', " ").chars().take(19).collect()
}

fn page(request: &Request, rows: Vec<Value>) -> Answer {
    let limit = request.query_number("limit").unwrap_or(LIMIT_DEFAULT);
    let limit = limit.clamp(1, LIMIT_MAX);
    let offset = request.query_number("offset").unwrap_or(0).max(0);
    let count = rows.len() as i64;
    let results: Vec<Value> = rows.into_iter().skip(offset as usize).take(limit as usize).collect();
    let link = |offset: i64| {
        let others: String = request
            .query
            .iter()
            .filter(|(name, _)| name != "limit" && name != "offset")
            .map(|(name, value)| format!("&{name}={value}"))
            .collect();
        format!("{}{}?limit={limit}&offset={offset}{others}", request.base, request.path)
    };
    let next = (offset + limit < count).then(|| link(offset + limit));
    let previous = (offset > 0).then(|| link((offset - limit).max(0)));
    Ok(Reply::json(
        200,
        &json!({"count": count, "next": next, "previous": previous, "results": results}),
    ))
}

/// `details` hold texts by field: each becomes a message after the path of its field.
fn invalid(details: Value) -> Failure {
    let mut messages = Vec::new();
    flatten(&details, "", &mut messages);
    Failure { status: 400, code: "validation", messages }
}

fn flatten(details: &Value, path: &str, messages: &mut Vec<String>) {
    match details {
        Value::Object(fields) => {
            for (field, details) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(details, &format!("{path}{dot}{field}"), messages);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(item, path, messages)),
        other => messages.push(format!("{path}: {}", other.as_str().unwrap_or_default())),
    }
}

fn conflict(message: String) -> Failure {
    Failure::new(409, "state_error", message)
}

fn not_found(what: &str) -> Failure {
    Failure::new(404, "not_found", format!("{what} not found"))
}

fn now() -> String {
    timestamp(now_ms())
}

/// As shipments have it: `2026-04-02 10:00:01.250000+00:00`.
fn created_at() -> String {
    format!("{}000+00:00", now().replace('T', " ").trim_end_matches('Z'))
}
