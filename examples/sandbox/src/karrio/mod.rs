//! Karrio's API: authentication, routing, errors and lists. Shipments and trackers are below.

mod shipments;
mod trackers;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::state::{State, now_ms, timestamp};
use crate::wire::{Reply, Request};

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

/// An error in Karrio's form.
#[derive(Debug)]
pub struct Failure {
    status: u16,
    code: &'static str,
    message: String,
    details: Value,
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
        _ if !is_known(state, request) => Err(Failure {
            status: 401,
            code: "authentication_required",
            message: "Authentication credentials were not provided.".into(),
            details: Value::Null,
        }),
        _ => route(state, request, &segments),
    };
    result.unwrap_or_else(|failure| {
        let mut error = json!({
            "code": failure.code,
            "message": failure.message,
            "level": if failure.status == 404 { "warning" } else { "error" },
        });
        if !failure.details.is_null() {
            error["details"] = failure.details;
        }
        Reply::json(failure.status, &json!({"errors": [error]}))
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
        ("GET", ["v1", "trackers", id]) => Ok(Reply::json(200, state.karrio.tracker(id)?)),
        ("GET", ["v1", "addresses"]) => {
            page(request, state.karrio.addresses.values().cloned().collect())
        }
        ("POST", ["v1", "addresses"]) => state.create_address(request),
        ("GET", ["v1", "webhooks"]) => {
            page(request, state.karrio.hooks.values().cloned().collect())
        }
        ("POST", ["v1", "webhooks"]) => state.create_hook(request),
        _ => Err(not_found("resource")),
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
        let id = self.karrio.id("whk");
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

    fn karrio_event(&mut self, kind: &str, data: &Value) {
        let id = self.karrio.id("evt");
        let body = json!({"event": kind, "data": data, "test_mode": true, "pending_webhooks": 0});
        let headers = vec![
            ("x-event-id".to_owned(), id.clone()),
            ("x-event-type".to_owned(), kind.to_owned()),
        ];
        self.post_webhook("karrio", kind, &id, headers, &body);
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
        return Err(Failure {
            status: 401,
            code: "no_active_account",
            message: "No active account found with the given credentials".into(),
            details: Value::Null,
        });
    }
    Ok(Reply::json(201, &issue(state)))
}

fn refresh(state: &mut State, request: &Request) -> Answer {
    let map = body(request)?;
    let given = map.get("refresh").and_then(Value::as_str).unwrap_or("");
    if !given.starts_with("refresh.") || !state.karrio.tokens.contains_key(given) {
        return Err(Failure {
            status: 401,
            code: "token_not_valid",
            message: "Token is invalid or expired".into(),
            details: Value::Null,
        });
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
        Err(error) => Err(Failure {
            status: 400,
            code: "parse_error",
            message: format!("JSON parse error - {error}"),
            details: Value::Null,
        }),
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
    Ok(address)
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

fn invalid(details: Value) -> Failure {
    Failure { status: 400, code: "validation", message: "Invalid request payload".into(), details }
}

fn conflict(message: String) -> Failure {
    Failure { status: 409, code: "state_error", message, details: Value::Null }
}

fn not_found(what: &str) -> Failure {
    Failure {
        status: 404,
        code: "not_found",
        message: format!("{what} not found"),
        details: Value::Null,
    }
}

fn now() -> String {
    timestamp(now_ms())
}
