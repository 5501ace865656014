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
    answer(KARRIO.post(path).json(body))
}

/// A POST that changes nothing that matters: rates, a check of an address.
pub fn ask<T: DeserializeOwned>(path: &str, body: &Value) -> Answer<T> {
    answer(KARRIO.post(path).json(body).read_only())
}

/// Takes away what is not needed any more; that it is gone already is as good.
pub fn discard(path: &str) -> Result<(), Fault> {
    with_mode(KARRIO.delete(path))?.read_only().allow(&[404, 409]).send().map(drop)
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

fn answer<T: DeserializeOwned>(request: Request) -> Answer<T> {
    let response = with_mode(request)?.allow(&REFUSALS).send()?;
    if REFUSALS.contains(&response.status) {
        let status = response.status;
        return Ok(Err(Refused { status, refusal: refusal(&response) }));
    }
    response.json().map(Ok)
}

fn refusal(response: &Response) -> Refusal {
    let problem = problem(response);
    let code = problem.as_ref().and_then(|problem| problem.code.clone());
    Refusal {
        code: code.unwrap_or_else(|| "refused".into()).replace('_', "-").to_lowercase(),
        message: problem.map_or_else(|| "refused without a reason".into(), |p| p.message),
        lines: Vec::new(),
    }
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
