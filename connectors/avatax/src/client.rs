//! Requests to AvaTax.

use crossdock_sdk::form::segment;
use crossdock_sdk::http::Problem;
use crossdock_sdk::{Fault, Refusal, Response, Upstream};
use serde_json::{Value, json};

use crate::objects::{ApiError, ErrorBody, Resolution, Transaction};

const AVATAX: Upstream = Upstream::new("avatax").with_problem(problem).with_headers(&[(
    "x-avalara-client",
    concat!("Crossdock; ", env!("CARGO_PKG_VERSION"), "; REST v2; wasm; crossdock"),
)]);

/// Enough to tell whether a document is the one that is asked for.
const INCLUDE: &str = "Lines,Details,Addresses";

/// What AvaTax says of a document that it will not tax so; anything else is a mistake of ours or of
/// the set-up, which a person must mend.
const BUSINESS: [&str; 6] =
    ["address", "postalcode", "jurisdiction", "taxcode", "gettaxerror", "documentcodeconflict"];

/// AvaTax did it, or said why not.
pub type Answer = Result<Result<Transaction, ApiError>, Fault>;

/// `estimate`: AvaTax keeps nothing of it.
pub fn create(model: &Value, estimate: bool) -> Answer {
    let request = AVATAX.post("/api/v2/transactions/create").json(model);
    let request = request.query("$include", "Lines,Details").allow(&[400]);
    match answer(&if estimate { request.read_only() } else { request }.send()?)? {
        Err(error) if !is_business(&error) => Err(rejected(&error)),
        answer => Ok(answer),
    }
}

pub fn get(company: &str, code: &str) -> Result<Option<Transaction>, Fault> {
    let request = AVATAX.get(&path(company, code, "")).query("$include", INCLUDE);
    let response = request.allow(&[404]).send()?;
    match response.status {
        // A page of something else that is not there says nothing of the document.
        404 if problem(&response).is_none() => Err(response.fault()),
        404 => Ok(None),
        _ => response.json().map(Some),
    }
}

pub fn commit(company: &str, code: &str) -> Answer {
    let request = AVATAX.post(&path(company, code, "/commit")).json(&json!({"commit": true}));
    answer(&request.query("$include", "Lines,Details").allow(&[400, 404]).send()?)
}

pub fn void(company: &str, code: &str) -> Answer {
    let request = AVATAX.post(&path(company, code, "/void")).json(&json!({"code": "DocVoided"}));
    answer(&request.allow(&[400, 404]).send()?)
}

/// Nothing is kept of a check of an address.
pub fn resolve(address: &Value) -> Result<Resolution, Fault> {
    AVATAX.post("/api/v2/addresses/resolve").json(address).read_only().send()?.json()
}

fn path(company: &str, code: &str, action: &str) -> String {
    let (company, code) = (segment(company), segment(&in_path(code)));
    format!("/api/v2/companies/{company}/transactions/{code}{action}")
}

/// AvaTax has a spelling of its own for what a path cannot hold, percent-encoded or not.
fn in_path(code: &str) -> String {
    let mut spelt = String::new();
    for c in code.chars() {
        match c {
            '/' | '+' | '?' | '%' | '#' | '\'' | '"' => {
                spelt.push_str(&format!("_-ava{:02x}-_", c as u32));
            }
            other => spelt.push(other),
        }
    }
    spelt
}

fn is_business(error: &ApiError) -> bool {
    let details = error.details.iter().filter_map(|detail| detail.code.as_deref());
    let mut codes = details.chain([error.code.as_str()]);
    codes.any(|code| BUSINESS.iter().any(|word| code.to_lowercase().contains(word)))
}

/// A refusal that is no business "no".
pub fn rejected(error: &ApiError) -> Fault {
    Fault::never(&kebab(&error.code), words(error)).with_status(400)
}

fn answer(response: &Response) -> Answer {
    match response.status {
        400 | 404 if problem(response).is_none() => Err(response.fault()),
        400 | 404 => Ok(Err(response.json::<ErrorBody>()?.error)),
        _ => response.json().map(Ok),
    }
}

pub fn refusal(error: &ApiError) -> Refusal {
    let detail = error.details.first();
    let code = detail.and_then(|detail| detail.code.clone()).unwrap_or_else(|| error.code.clone());
    Refusal { code: kebab(&code), message: words(error), lines: Vec::new() }
}

fn words(error: &ApiError) -> String {
    let mut words = error.message.clone();
    for detail in &error.details {
        for text in [&detail.message, &detail.description].into_iter().flatten() {
            if !words.contains(text.as_str()) {
                words.push(' ');
                words.push_str(text);
            }
        }
    }
    words
}

/// `InvalidAddress` is `invalid-address`.
fn kebab(code: &str) -> String {
    let mut kebab = String::new();
    for c in code.chars() {
        if c.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}

fn problem(response: &Response) -> Option<Problem> {
    let body: ErrorBody = response.json().ok()?;
    Some(Problem { code: Some(kebab(&body.error.code)), message: words(&body.error) })
}
