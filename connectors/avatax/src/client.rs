//! Requests to AvaTax.

use crossdock_sdk::form::segment;
use crossdock_sdk::http::Problem;
use crossdock_sdk::{Fault, Refusal, Response, Upstream};
use serde_json::{Value, json};

use crate::objects::{ApiError, ErrorBody, Transaction};

const AVATAX: Upstream = Upstream::new("avatax").with_problem(problem).with_headers(&[(
    "x-avalara-client",
    concat!("Crossdock; ", env!("CARGO_PKG_VERSION"), "; REST v2; wasm; crossdock"),
)]);

/// AvaTax did it, or said why not.
pub type Answer = Result<Result<Transaction, ApiError>, Fault>;

/// `estimate`: AvaTax keeps nothing of it.
pub fn create(model: &Value, estimate: bool) -> Answer {
    let request = AVATAX.post("/api/v2/transactions/create").json(model);
    let request = request.query("$include", "Lines,Details").allow(&[400]);
    answer(&if estimate { request.read_only() } else { request }.send()?)
}

pub fn get(company: &str, code: &str) -> Result<Option<Transaction>, Fault> {
    let request = AVATAX.get(&path(company, code, "")).query("$include", "Lines,Details");
    let response = request.allow(&[404]).send()?;
    match response.status {
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

fn path(company: &str, code: &str, action: &str) -> String {
    let (company, code) = (segment(company), segment(code));
    format!("/api/v2/companies/{company}/transactions/{code}{action}")
}

fn answer(response: &Response) -> Answer {
    match response.status {
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
