//! Requests to Stripe: forms out, JSON in, the call's key as `Idempotency-Key`.

use std::ops::ControlFlow;

use crossdock_sdk::form::{Form, segment};
use crossdock_sdk::http::{Problem, Request};
use crossdock_sdk::{Call, Fault, Response, Upstream};
use serde::de::DeserializeOwned;

use crate::objects::{ApiError, Charge, ErrorBody, List, PaymentIntent};

const STRIPE: Upstream = Upstream::new("stripe").with_problem(problem);

/// Stripe keeps a key for at least a day; then it is forgotten.
pub const KEY_LIFETIME_S: u64 = 24 * 60 * 60;
/// The most that one page of a list holds.
const PAGE: u32 = 100;
/// A list of more is refused rather than cut.
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
        .allow(&[400, 402, 404, 409, 500])
        .send()?;
    if response.status == 409 {
        // The first request with this key is still under way: ask again for its answer.
        let message = "the first request is still under way";
        return Err(Fault::later_in("key-in-use", message, Some(1000)).with_status(409));
    }
    if response.status == 500 {
        return Err(failed(&response));
    }
    let Some(error) = error(&response)? else { return Ok(Ok(response.json()?)) };
    match error.kind.as_str() {
        // The key was used with another body: a mistake of ours that no retry mends.
        "idempotency_error" => {
            Err(Fault::never("idempotency-error", words(&error)).with_status(response.status))
        }
        _ => Ok(Err(error)),
    }
}

/// Stripe keeps also a 500 under its key, and answers a repetition with it: asking again helps nobody,
/// and what it did before it failed is for a person to find out.
fn failed(response: &Response) -> Fault {
    let fault = response.fault();
    if response.header("idempotent-replayed") != Some("true") {
        return fault;
    }
    let message = format!(
        "{}; Stripe keeps this error under the key for a day and answers it again: look there for what it did",
        fault.message
    );
    Fault { code: "error-kept".into(), message, ..fault }
}

pub fn get<T: DeserializeOwned>(path: &str, query: &[(&str, &str)]) -> Result<T, Fault> {
    request(path, query).send()?.json()
}

/// None when Stripe has no such object: 404 for that of the path, 400 for one that the query names.
/// A 404 without that code says that there is no such path, as behind a wrong `base_url`.
pub fn get_if_there<T: DeserializeOwned>(
    path: &str,
    query: &[(&str, &str)],
) -> Result<Option<T>, Fault> {
    let response = request(path, query).allow(&[400, 404]).send()?;
    match error(&response)? {
        Some(error) if error.code.as_deref() == Some("resource_missing") => Ok(None),
        Some(error) => Err(refused(&error)),
        None => response.json().map(Some),
    }
}

/// Every page of a list.
pub fn list_all<T: DeserializeOwned>(
    path: &str,
    query: &[(&str, &str)],
    id: fn(&T) -> &str,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    each_page(path, query, id, |page| {
        all.extend(page);
        ControlFlow::<()>::Continue(())
    })?;
    Ok(all)
}

/// The first that is wanted; no page is read beyond it.
pub fn find<T: DeserializeOwned>(
    path: &str,
    query: &[(&str, &str)],
    id: fn(&T) -> &str,
    wanted: impl Fn(&T) -> bool,
) -> Result<Option<T>, Fault> {
    each_page(path, query, id, |page| match page.into_iter().find(&wanted) {
        Some(found) => ControlFlow::Break(found),
        None => ControlFlow::Continue(()),
    })
}

fn each_page<T: DeserializeOwned, B>(
    path: &str,
    query: &[(&str, &str)],
    id: fn(&T) -> &str,
    mut take: impl FnMut(Vec<T>) -> ControlFlow<B>,
) -> Result<Option<B>, Fault> {
    let limit = PAGE.to_string();
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = query.to_vec();
        query.push(("limit", &limit));
        if let Some(after) = &after {
            query.push(("starting_after", after));
        }
        let page: List<T> = get(path, &query)?;
        after = page.data.last().map(|last| id(last).to_owned());
        let more = page.has_more && after.is_some();
        if let ControlFlow::Break(found) = take(page.data) {
            return Ok(Some(found));
        }
        if !more {
            return Ok(None);
        }
    }
    Err(Fault::never("too-many", format!("{path} has more than {PAGES_MAX} pages of {PAGE}")))
}

/// With its charge, which knows the expiry and what was given back.
pub fn payment_intent(id: &str) -> Result<PaymentIntent, Fault> {
    get(&intent_path(id, ""), &[EXPANDED])
}

pub fn payment_intent_if_there(id: &str) -> Result<Option<PaymentIntent>, Fault> {
    get_if_there(&intent_path(id, ""), &[EXPANDED])
}

const EXPANDED: (&str, &str) = ("expand[]", "latest_charge");

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
    Fault::never(code(error), words(error)).with_status(error.status)
}

fn code(error: &ApiError) -> &str {
    error.code.as_deref().unwrap_or(&error.kind)
}

pub fn words(error: &ApiError) -> String {
    error.message.clone().unwrap_or_else(|| "Stripe gave no message".into())
}

fn request(path: &str, query: &[(&str, &str)]) -> Request {
    let request = STRIPE.get(path);
    query.iter().fold(request, |request, (name, value)| request.query(name, value))
}

/// What an allowed 4xx says. Without Stripe's own words somebody else answered, such as a proxy or
/// the server of a wrong `base_url`: that says nothing of the object.
fn error(response: &Response) -> Result<Option<ApiError>, Fault> {
    if response.status < 400 {
        return Ok(None);
    }
    match response.json::<ErrorBody>() {
        Ok(body) => Ok(Some(ApiError { status: response.status, ..body.error })),
        Err(_) => Err(response.fault()),
    }
}

fn problem(response: &Response) -> Option<Problem> {
    let body: ErrorBody = response.json().ok()?;
    Some(Problem { code: Some(code(&body.error).to_owned()), message: words(&body.error) })
}
