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
    for page in 0..PAGES_MAX {
        let offset = (page * PAGE).to_string();
        let request =
            INVENTREE.get(path).query("limit", &PAGE.to_string()).query("offset", &offset);
        let request =
            query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let page: Page<T> = request.send()?.json()?;
        let more = page.next.is_some() && !page.results.is_empty();
        for element in page.results {
            if !wanted(&element) {
                return Ok(all);
            }
            all.push(element);
        }
        if !more {
            return Ok(all);
        }
    }
    Err(Fault::never("too-many", format!("{path} has more than {PAGES_MAX} pages of {PAGE}")))
}

pub fn get<T: DeserializeOwned>(path: &str) -> Result<Option<T>, Fault> {
    let response = INVENTREE.get(path).allow(&[404]).send()?;
    match response.status {
        404 => Ok(None),
        _ => response.json().map(Some),
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

/// `{"detail": ".."}`, or a list of sentences by field.
fn problem(response: &Response) -> Option<Problem> {
    let Value::Object(fields) = response.json().ok()? else { return None };
    let mut sentences = Vec::new();
    for (field, value) in &fields {
        let said: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for sentence in said {
            sentences.push(match field.as_str() {
                "detail" | "non_field_errors" => sentence.to_owned(),
                field => format!("{field}: {sentence}"),
            });
        }
    }
    (!sentences.is_empty()).then(|| Problem { code: None, message: sentences.join(" ") })
}
