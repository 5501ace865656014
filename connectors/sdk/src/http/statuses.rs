//! What becomes of every request that fails (native tests only): each operation of a connector is
//! called once for each of its requests and each way to fail, and what comes of it must be what the
//! connector's README says. The table is the expectation; nothing of it is said a second time.

mod table;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use table::{Row, compare};

use super::replay::{self, Failure, Seen};
use crate::{Fault, Retry};

/// What the statuses of one product look like.
pub struct Product {
    /// How the table calls a request, without "`": `GET /v1/payments/{id}`. See `path`.
    pub name: fn(&Seen) -> String,
    /// The body of a refusal with this status, as the product writes it: media type and text.
    pub refusal: fn(u16) -> (&'static str, String),
    /// Ways to fail beside those that every product has.
    pub own: Vec<Failing>,
}

/// A way to fail that only this product has, at one of its requests.
pub struct Failing {
    /// As the table's column `status` says it: ``409 `idempotency_error` ``.
    pub status: &'static str,
    /// The name of the request.
    pub request: &'static str,
    pub failure: Failure,
}

/// An operation in a state of the product in which all goes well. Where one takes other ways to its
/// end, it has several of the same name.
pub struct Operation {
    name: &'static str,
    call: Box<dyn Fn() -> Result<String, Fault>>,
}

impl Operation {
    /// `call` sets the config, lets the product be played (`replay::serve` when it goes on after a
    /// failure that is an answer, or prepared answers), calls, and gives the answer in a `word`.
    pub fn new(
        name: &'static str,
        call: impl Fn() -> Result<String, Fault> + 'static,
    ) -> Operation {
        Operation { name, call: Box::new(call) }
    }

    /// What it asks of the product when all goes well.
    pub fn requests(&self) -> Vec<Seen> {
        replay::reset();
        let well = (self.call)();
        let requests = replay::reset();
        assert!(well.is_ok(), "{} fails when all goes well: {well:?}", self.name);
        assert!(!requests.is_empty(), "{} makes no request", self.name);
        requests
    }
}

/// The case of an answer: `VoidTaxOutcome::TooLate` is `too-late`.
pub fn word(answer: &impl Debug) -> String {
    let text = format!("{answer:?}");
    let case = text.split(['(', '{', ' ']).next().unwrap_or_default();
    let case = case.rsplit("::").next().unwrap_or_default();
    let mut word = String::new();
    for c in case.chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// The name of a request by method and path: the first template whose parts it has, where `{..}`
/// stands for any one part. The query is not looked at.
pub fn path(seen: &Seen, templates: &[&str]) -> String {
    let (method, url) = seen.request.split_once(' ').unwrap_or_default();
    let url = url.trim_start_matches("http://").split('?').next().unwrap_or_default();
    let request = format!("{method} /{}", url.split_once('/').map_or("", |(_, path)| path));
    let parts: Vec<&str> = request.split('/').collect();
    let fits = |template: &str| {
        let asked: Vec<&str> = template.split('/').collect();
        let mut pairs = asked.iter().zip(&parts);
        asked.len() == parts.len()
            && pairs.all(|(asked, part)| asked.starts_with('{') || asked == part)
    };
    let found = templates.iter().find(|template| fits(template));
    found.map_or_else(|| panic!("no template for {request}"), |template| (*template).to_owned())
}

/// Every operation with every request failing in every way, against the tables of a README.
pub fn check(readme: &str, product: &Product, operations: &[Operation]) {
    let mut rows = Vec::new();
    let mut requests = Vec::new();
    for operation in operations {
        let names: Vec<String> = operation.requests().iter().map(product.name).collect();
        for (at, name) in names.iter().enumerate() {
            requests.push((operation.name.to_owned(), name.clone()));
            let own = product.own.iter().filter(|own| own.request == *name);
            let own = own.map(|own| (own.status.to_owned(), own.failure.clone()));
            for (status, failure) in everywhere(product).into_iter().chain(own) {
                rows.push(Row {
                    operation: operation.name.to_owned(),
                    request: name.clone(),
                    nth: 1 + names[..at].iter().filter(|earlier| *earlier == name).count(),
                    status,
                    becomes: outcome(operation, at, failure),
                });
            }
        }
    }
    table::compare_requests(readme, &requests);
    compare(readme, &rows);
}

fn outcome(operation: &Operation, at: usize, failure: Failure) -> String {
    replay::fail_after(at, failure);
    let outcome = catch_unwind(AssertUnwindSafe(|| (operation.call)()));
    replay::reset();
    match outcome {
        Ok(Ok(answer)) => format!("answer {answer}"),
        Ok(Err(fault)) => told(&fault),
        Err(_) => "a panic".to_owned(),
    }
}

/// A fault as the table tells it: its code, and whether a retry helps.
pub fn told(fault: &Fault) -> String {
    let retry = match fault.retry {
        Retry::Never => "never".to_owned(),
        Retry::Later(None) => "later".to_owned(),
        Retry::Later(Some(after_ms)) => format!("later in {} s", after_ms / 1000),
        Retry::RefreshAuth => "refresh-auth".to_owned(),
        Retry::OutcomeUnknown => "outcome-unknown".to_owned(),
    };
    format!("{}, {retry}", fault.code)
}

/// What can come of any request to any product, by its word in the column `status`. `404 page` is
/// of a server that is not the product (a wrong `base_url`, a proxy): to take it for the absence of an
/// object would make a second one. `no JSON` comes with 200.
fn everywhere(product: &Product) -> Vec<(String, Failure)> {
    let refused = |status: u16, more: &[(&str, &str)]| {
        let (media, body) = (product.refusal)(status);
        let mut headers = vec![("content-type".to_owned(), media.to_owned())];
        headers.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        Failure::Answer(status, headers, body.into_bytes())
    };
    let page = |status| {
        let media = ("content-type".to_owned(), "text/html".to_owned());
        Failure::Answer(status, vec![media], b"<html><body>Not here</body></html>".to_vec())
    };
    let mut all: Vec<(String, Failure)> = [400, 401, 403, 404, 409, 422, 429, 500, 502, 503]
        .map(|status| (status.to_string(), refused(status, &[])))
        .into();
    for status in [429, 503] {
        let again = refused(status, &[("retry-after", "7")]);
        all.push((format!("{status} Retry-After"), again));
    }
    all.push(("404 page".into(), page(404)));
    all.push(("no JSON".into(), page(200)));
    all.push(("cut".into(), Failure::Cut));
    all.push(("unreachable".into(), Failure::Refused));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_requests_have_short_names() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "told by Debug")]
        enum Outcome {
            TooLate,
            Other(String),
        }
        assert_eq!(word(&Outcome::TooLate), "too-late");
        assert_eq!(word(&Outcome::Other("x y".into())), "other");
        let seen = |request: &str| Seen {
            request: request.into(),
            headers: Vec::new(),
            body: String::new(),
        };
        let templates = ["GET /v1/payments", "GET /v1/payments/{id}", "POST /v1/{any}/{id}/cancel"];
        let name = |request: &str| path(&seen(request), &templates);
        assert_eq!(name("GET http://stripe/v1/payments?limit=1"), templates[0]);
        assert_eq!(name("GET http://stripe/v1/payments/p_1"), templates[1]);
        assert_eq!(name("POST http://stripe/v1/refunds/r/cancel"), templates[2]);
        let other = seen("POST http://stripe/v1/refunds/r");
        assert!(catch_unwind(|| path(&other, &templates)).is_err());
    }
}
