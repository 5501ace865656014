//! Requests to InvenTree: JSON in and out, paths with a slash at their end, pages by offset.

use crossdock_sdk::http::{Problem, Request};
use crossdock_sdk::{Fault, Refusal, Response, Upstream};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::objects::Page;

const INVENTREE: Upstream = Upstream::new("inventree").with_problem(problem);

/// Large: a list that is read in a few requests moves less while it is read, and one that fails in
/// the middle has to be read anew.
const PAGE: usize = 1000;
/// A list of more than this is refused rather than cut.
const PAGES_MAX: usize = 20;

/// InvenTree took it, or said what is wrong with it.
pub type Answer<T> = Result<Result<T, Refusal>, Fault>;

/// Every page of a list.
pub fn list<T: DeserializeOwned>(path: &str, query: &[(&str, &str)]) -> Result<Vec<T>, Fault> {
    list_while(path, query, |_| true)
}

/// The pages of a sorted list up to the first element that is not wanted any more.
pub fn list_while<T: DeserializeOwned>(
    path: &str,
    query: &[(&str, &str)],
    wanted: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    list_pages(path, query, |_, page: Vec<T>| {
        for element in page {
            if !wanted(&element) {
                return false;
            }
            all.push(element);
        }
        true
    })?;
    Ok(all)
}

/// The pages of a list, each with the number of elements on all of them, while `take` wants more.
pub fn list_pages<T: DeserializeOwned>(
    path: &str,
    query: &[(&str, &str)],
    mut take: impl FnMut(usize, Vec<T>) -> bool,
) -> Result<(), Fault> {
    let mut read = 0;
    for _ in 0..PAGES_MAX {
        // By what came, not by what was asked for: InvenTree may give shorter pages.
        let offset = read.to_string();
        let request =
            INVENTREE.get(path).query("limit", &PAGE.to_string()).query("offset", &offset);
        let request =
            query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let page: Page<T> = request.send()?.json()?;
        let more = page.next.is_some() && !page.results.is_empty();
        read += page.results.len();
        if !take(page.count, page.results) || !more {
            return Ok(());
        }
    }
    Err(Fault::never("too-many", format!("{path} has more than {PAGES_MAX} pages of {PAGE}")))
}

pub fn get<T: DeserializeOwned>(path: &str) -> Result<Option<T>, Fault> {
    let response = INVENTREE.get(path).allow(&[404]).send()?;
    match response.status {
        404 => absent(&response).map(|()| None),
        _ => response.json().map(Some),
    }
}

/// InvenTree has no such object. Another 404 says nothing of the object, and must not be taken for
/// that: of InvenTree itself, which names the `url`, or a page of what stands before it.
fn absent(response: &Response) -> Result<(), Fault> {
    match response.json::<Value>() {
        Ok(said) if said["detail"].is_string() && said["url"].is_null() => Ok(()),
        _ => Err(response.fault()),
    }
}

pub fn post<T: DeserializeOwned>(path: &str, body: &Value) -> Answer<T> {
    answer(INVENTREE.post(path).json(body))
}

pub fn patch<T: DeserializeOwned>(path: &str, body: &Value) -> Answer<T> {
    answer(INVENTREE.patch(path).json(body))
}

/// Gone is gone: deleting again changes nothing.
pub fn delete(path: &str) -> Result<Result<(), Refusal>, Fault> {
    let response = INVENTREE.delete(path).allow(&[400, 404]).send()?;
    match response.status {
        400 => Ok(Err(refused(&response))),
        404 => absent(&response).map(Ok),
        204 => Ok(Ok(())),
        _ => Err(response.unreadable("204 and no body would say that it is gone")),
    }
}

/// An action on an order; it takes no body. Where it changes nothing InvenTree says so or not: what
/// counts is the order's status afterwards.
pub fn act(path: &str) -> Result<Result<(), Refusal>, Fault> {
    let response = INVENTREE.post(path).allow(&[400]).send()?;
    Ok(match response.status {
        400 => Err(refused(&response)),
        _ => Ok(()),
    })
}

fn answer<T: DeserializeOwned>(request: Request) -> Answer<T> {
    let response = request.allow(&[400]).send()?;
    match response.status {
        400 => Ok(Err(refused(&response))),
        _ => response.json().map(Ok),
    }
}

/// A refusal where none is expected: somebody must look at it.
pub fn expect<T>(answer: Result<T, Refusal>) -> Result<T, Fault> {
    answer.map_err(|refusal| Fault::never("refused-by-inventree", refusal.message).with_status(400))
}

fn refused(response: &Response) -> Refusal {
    let message = problem(response).map(|problem| problem.message);
    Refusal {
        code: "refused-by-inventree".into(),
        message: message.unwrap_or_else(|| "refused without a reason".into()),
        lines: Vec::new(),
    }
}

/// `{"detail": ".."}`; sentences by field, deeper where a body has parts; or sentences alone.
fn problem(response: &Response) -> Option<Problem> {
    let mut sentences = Vec::new();
    gather("", &response.json().ok()?, &mut sentences);
    (!sentences.is_empty()).then(|| Problem { code: None, message: sentences.join(" ") })
}

fn gather(field: &str, value: &Value, sentences: &mut Vec<String>) {
    match value {
        Value::String(text) => sentences.push(match field {
            "" | "detail" | "non_field_errors" => text.clone(),
            field => format!("{field}: {text}"),
        }),
        Value::Array(items) => items.iter().for_each(|item| gather(field, item, sentences)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| gather(name, value, sentences));
        }
        _ => {}
    }
}
