//! Avalara AvaTax REST v2: authentication, routing, errors and address resolution.

mod documents;
mod rates;
mod transactions;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::state::State;
use crate::wire::{Reply, Request};

const ACCOUNT: &str = "2000000001";
const COMPANY: &str = "CROSSDOCK";

#[derive(Debug, Default)]
pub struct Avatax {
    last: i64,
    /// Recorded documents by code.
    documents: BTreeMap<String, Value>,
}

#[derive(Debug)]
pub struct Failure {
    status: u16,
    code: &'static str,
    message: String,
}

type Answer = Result<Reply, Failure>;

impl Avatax {
    pub fn summary(&self) -> Value {
        let mut counts = BTreeMap::<&str, u64>::new();
        for row in self.documents.values() {
            *counts.entry(row["status"].as_str().unwrap_or("")).or_default() += 1;
        }
        json!({"transactions": counts})
    }
}

/// The body of every error, in AvaTax's form.
pub fn error_body(code: &str, message: &str) -> Value {
    json!({"error": {
        "code": code,
        "message": message,
        "target": "HttpRequest",
        "details": [{
            "code": code, "number": 0, "message": message, "description": message,
            "faultCode": "Client", "helpLink": format!("/avatax/errors/{code}"), "severity": "Error",
        }],
    }})
}

pub fn handle(state: &mut State, request: &Request) -> Reply {
    let expected = (ACCOUNT.to_owned(), state.options.avatax_license.clone());
    let known = request.basic() == Some(expected);
    let segments = request.segments();
    let result = match segments.as_slice() {
        ["api", "v2", "utilities", "ping"] => Ok(ping(known)),
        _ if !known => Err(Failure {
            status: 401,
            code: "AuthenticationException",
            message: "Authentication failed.".into(),
        }),
        _ => route(state, request, &segments),
    };
    result.unwrap_or_else(|failure| {
        Reply::json(failure.status, &error_body(failure.code, &failure.message))
    })
}

fn route(state: &mut State, request: &Request, segments: &[&str]) -> Answer {
    let method = request.method.as_str();
    match (method, segments) {
        ("POST" | "GET", ["api", "v2", "addresses", "resolve"]) => resolve(request),
        ("POST", ["api", "v2", "transactions", "create"]) => {
            let model = body(request)?;
            state.create_transaction(&model)
        }
        ("POST", ["api", "v2", "transactions", "createoradjust"]) => {
            let model = body(request)?;
            state.create_or_adjust(&model)
        }
        (_, ["api", "v2", "companies", company, "transactions", rest @ ..]) => {
            if !company.eq_ignore_ascii_case(COMPANY) && *company != "1" {
                let message = format!("Company with ID '{company}' not found.");
                return Err(not_found(message));
            }
            match (method, rest) {
                ("GET", []) => state.avatax.list(request),
                ("GET", [code]) => Ok(Reply::json(200, state.avatax.document(code)?)),
                ("POST", [code, "commit"]) => state.commit_transaction(code, &body(request)?),
                ("POST", [code, "void"]) => state.void_transaction(code, &body(request)?),
                ("POST", [code, "refund"]) => state.refund_transaction(code, &body(request)?),
                _ => Err(not_found("The resource was not found.".into())),
            }
        }
        _ => Err(not_found("The resource was not found.".into())),
    }
}

fn ping(known: bool) -> Reply {
    Reply::json(
        200,
        &json!({
            "version": "25.9.0",
            "authenticated": known,
            "authenticationType": if known { "UsernamePassword" } else { "None" },
            "authenticatedUserName": known.then_some("crossdock"),
            "authenticatedUserId": i64::from(known),
            "authenticatedAccountId": if known { 2_000_000_001_i64 } else { 0 },
            "crmid": null,
        }),
    )
}

fn resolve(request: &Request) -> Answer {
    let model = if request.method == "POST" {
        body(request)?
    } else {
        let pairs = request.query.iter();
        Value::Object(pairs.map(|(k, v)| (k.clone(), json!(v))).collect())
    };
    let field = |name: &str| model[name].as_str().unwrap_or("").to_owned();
    if field("line1").is_empty() && field("postalCode").is_empty() {
        return Err(Failure {
            status: 400,
            code: "InvalidAddress",
            message: "Field 'line1' is required.".into(),
        });
    }
    let address = json!({
        "textCase": "Mixed", "line1": field("line1"), "line2": field("line2"),
        "line3": field("line3"), "city": field("city"), "region": field("region"),
        "country": field("country"), "postalCode": field("postalCode"),
    });
    if matches!(field("postalCode").as_str(), "00000" | "") {
        return Ok(Reply::json(
            200,
            &json!({
                "address": address, "validatedAddresses": [], "resolutionQuality": "NotCoded",
                "taxAuthorities": [],
                "messages": [{"summary": "The address is not deliverable.",
                    "details": "The physical location exists but there are no homes on this street.",
                    "refersTo": "address", "severity": "Error", "source": "Avalara.AvaTax.Services.Address"}],
            }),
        ));
    }
    let mut validated = address.clone();
    validated["addressType"] = json!("StreetOrResidentialAddress");
    validated["line1"] = json!(field("line1").trim());
    validated["city"] = json!(field("city").trim());
    validated["latitude"] = json!(40.7128);
    validated["longitude"] = json!(-74.006);
    let region = field("region");
    let authorities: Vec<Value> = rates::of(&field("country"), &region)
        .iter()
        .map(|rate| {
            json!({"avalaraId": rate.code, "jurisdictionName": rate.name,
            "jurisdictionType": rate.level, "signatureCode": rate.code})
        })
        .collect();
    Ok(Reply::json(
        200,
        &json!({
            "address": address, "validatedAddresses": [validated],
            "coordinates": {"latitude": 40.7128, "longitude": -74.006},
            "resolutionQuality": "Intersection", "taxAuthorities": authorities, "messages": [],
        }),
    ))
}

fn body(request: &Request) -> Result<Value, Failure> {
    match request.json() {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(value_error("The body must be an object.")),
        Err(error) => Err(Failure { status: 400, code: "MalformedInput", message: error }),
    }
}

fn value_error(message: &str) -> Failure {
    Failure { status: 400, code: "ValueRequiredError", message: message.to_owned() }
}

fn not_found(message: String) -> Failure {
    Failure { status: 404, code: "EntityNotFoundError", message }
}
