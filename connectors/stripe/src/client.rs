//! Requests to Stripe: forms out, JSON in, the call's key as `Idempotency-Key`.

use crossdock_sdk::form::{Form, segment};
use crossdock_sdk::http::Problem;
use crossdock_sdk::{Call, Fault, Response, Upstream};
use serde::de::DeserializeOwned;

use crate::objects::{ApiError, Charge, ErrorBody, List, PaymentIntent};

const STRIPE: Upstream = Upstream::new("stripe").with_problem(problem);

/// Stripe keeps a key for at least a day; then it is forgotten.
pub const KEY_LIFETIME_S: u64 = 24 * 60 * 60;
/// The most that one page of a list holds.
const PAGE: u32 = 100;
/// A payout of more movements than this is refused rather than cut.
const PAGES_MAX: u32 = 100;

/// Stripe did it, or said no in its own words.
pub type Answer<T> = Result<Result<T, ApiError>, Fault>;

/// Creates or changes something. Errors of the card and of the request's sense come back as
/// answers, for the mapping to decide which of them is a business "no".
pub fn post<T: DeserializeOwned>(path: &str, call: &Call, form: &Form) -> Answer<T> {
    let response = STRIPE
        .post(path)
        .header("idempotency-key", &call.key)
        .form(form)
        .allow(&[400, 402, 404, 409])
        .send()?;
    match response.status {
        400 | 402 | 404 => {
            let body: ErrorBody = response.json()?;
            match body.error.kind.as_str() {
                // The key was used with another body: a mistake of ours that no retry mends.
                "idempotency_error" => Err(rejected(&response, &body.error)),
                _ => Ok(Err(body.error)),
            }
        }
        // The first request with this key is still under way: ask again for its answer.
        409 => {
            Err(Fault::later_in("key-in-use", "the first request is still under way", Some(1000))
                .with_status(409))
        }
        _ => Ok(Ok(response.json()?)),
    }
}

pub fn get<T: DeserializeOwned>(path: &str, query: &[(&str, &str)]) -> Result<T, Fault> {
    let request = STRIPE.get(path);
    query.iter().fold(request, |request, (name, value)| request.query(name, value)).send()?.json()
}

/// Every page of a list.
pub fn list_all<T: DeserializeOwned>(
    path: &str,
    query: &[(&str, &str)],
    id: fn(&T) -> &str,
) -> Result<Vec<T>, Fault> {
    let mut all: Vec<T> = Vec::new();
    let limit = PAGE.to_string();
    for _ in 0..PAGES_MAX {
        let after = all.last().map(|last| id(last).to_owned());
        let mut query = query.to_vec();
        query.push(("limit", &limit));
        if let Some(after) = &after {
            query.push(("starting_after", after));
        }
        let page: List<T> = get(path, &query)?;
        let more = page.has_more && !page.data.is_empty();
        all.extend(page.data);
        if !more {
            return Ok(all);
        }
    }
    Err(Fault::never("too-many", format!("{path} has more than {PAGES_MAX} pages of {PAGE}")))
}

/// With its charge, which knows the expiry and what was given back.
pub fn payment_intent(id: &str) -> Result<PaymentIntent, Fault> {
    get(&intent_path(id, ""), &[("expand[]", "latest_charge")])
}

pub fn charge(id: &str) -> Result<Charge, Fault> {
    get(&format!("/v1/charges/{}", segment(id)), &[])
}

/// `/v1/payment_intents/ID/capture`
pub fn intent_path(id: &str, action: &str) -> String {
    match action {
        "" => format!("/v1/payment_intents/{}", segment(id)),
        action => format!("/v1/payment_intents/{}/{action}", segment(id)),
    }
}

/// An error that is no business "no": wrong parameters, an object that does not exist.
pub fn refused(error: &ApiError) -> Fault {
    Fault::never(error.code.as_deref().unwrap_or(&error.kind), words(error)).with_status(400)
}

pub fn words(error: &ApiError) -> String {
    error.message.clone().unwrap_or_else(|| "Stripe gave no message".into())
}

fn rejected(response: &Response, error: &ApiError) -> Fault {
    Fault::never("idempotency-error", words(error)).with_status(response.status)
}

fn problem(response: &Response) -> Option<Problem> {
    let body: ErrorBody = response.json().ok()?;
    Some(Problem { code: body.error.code.clone(), message: words(&body.error) })
}
