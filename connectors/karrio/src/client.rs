//! Requests to Karrio.

use crossdock_sdk::form::segment;
use crossdock_sdk::http::{Problem, Request};
use crossdock_sdk::{Fault, Refusal, Response, Upstream, config};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Config;
use crate::objects::{Message, Page};

const KARRIO: Upstream = Upstream::new("karrio").with_problem(problem);

const PAGE: usize = 100;
/// A list of more than this is refused rather than cut.
const PAGES_MAX: usize = 100;

/// Statuses that refuse: bad data, the state, and what a carrier will not do.
const REFUSALS: [u16; 4] = [400, 409, 422, 424];
/// No carrier is there, or none that can do this.
pub const NOBODY: [u16; 2] = [404, 406];

/// Karrio did it, or it refused with this status.
pub type Answer<T> = Result<Result<T, Refused>, Fault>;

#[derive(Clone, Debug)]
pub struct Refused {
    pub status: u16,
    pub refusal: Refusal,
}

pub fn get<T: DeserializeOwned>(path: &str) -> Result<Option<T>, Fault> {
    let response = with_mode(KARRIO.get(path))?.allow(&[404]).send()?;
    match response.status {
        // A page that is not there says nothing of the object: `base_url` is wrong, or a proxy answered.
        404 if problem(&response).is_none() => Err(response.fault()),
        404 => Ok(None),
        _ => response.json().map(Some),
    }
}

pub fn list<T: DeserializeOwned>(path: &str, query: &[(&str, &str)]) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    for page in 0..PAGES_MAX {
        let offset = (page * PAGE).to_string();
        let request = KARRIO.get(path).query("limit", &PAGE.to_string()).query("offset", &offset);
        let request =
            query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let page: Page<T> = with_mode(request)?.send()?.json()?;
        let more = page.next.is_some() && !page.results.is_empty();
        all.extend(page.results);
        if !more {
            return Ok(all);
        }
    }
    Err(Fault::never("too-many", format!("{path} has more than {PAGES_MAX} pages of {PAGE}")))
}

pub fn post<T: DeserializeOwned>(path: &str, body: &Value) -> Answer<T> {
    answer(KARRIO.post(path).json(body), &[])
}

/// A POST that changes nothing that matters: rates, a check of an address. `more` are statuses that
/// refuse here and nowhere else.
pub fn ask<T: DeserializeOwned>(path: &str, body: &Value, more: &[u16]) -> Answer<T> {
    answer(KARRIO.post(path).json(body).read_only(), more)
}

/// Takes away what is not needed any more. What stays is in nobody's way: no failure of this is
/// worth an answer that is there.
pub fn discard(path: &str) -> Result<(), Fault> {
    drop(with_mode(KARRIO.delete(path))?.read_only().send());
    Ok(())
}

/// `/v1/shipments/shp_1/purchase`
pub fn path(collection: &str, id: &str, action: &str) -> String {
    format!("/v1/{collection}/{}{action}", segment(id))
}

fn with_mode(request: Request) -> Result<Request, Fault> {
    let config: Config = config::get()?;
    Ok(match config.test_mode {
        true => request.header("x-test-mode", "true"),
        false => request,
    })
}

fn answer<T: DeserializeOwned>(request: Request, more: &[u16]) -> Answer<T> {
    let refusals = [&REFUSALS, more].concat();
    let response = with_mode(request)?.allow(&refusals).send()?;
    if !refusals.contains(&response.status) {
        return response.json().map(Ok);
    }
    // Who refuses without Karrio's words is not Karrio.
    let Some(Problem { code, message }) = problem(&response) else {
        return Err(response.fault());
    };
    let code = code.unwrap_or_else(|| "refused".into()).replace('_', "-").to_lowercase();
    let refusal = Refusal { code, message, lines: Vec::new() };
    Ok(Err(Refused { status: response.status, refusal }))
}

/// `{"errors": [{"code", "message"}]}`, and from carriers `{"messages": [...]}`.
fn problem(response: &Response) -> Option<Problem> {
    let body: Value = response.json().ok()?;
    let items = body.get("errors").or_else(|| body.get("messages"))?;
    let messages: Vec<Message> = serde_json::from_value(items.clone()).ok()?;
    said(&messages).map(|(code, message)| Problem { code, message })
}

pub fn said(messages: &[Message]) -> Option<(Option<String>, String)> {
    let texts = messages.iter().filter_map(|message| match message.message.as_ref()? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    let text = texts.collect::<Vec<_>>().join(" ");
    let code = messages.iter().find_map(|message| message.code.clone());
    (!messages.is_empty()).then_some((code, text))
}
