//! The HTTP client of a connector: `http://UPSTREAM/path`, blocking, JSON and forms. What goes
//! wrong becomes the right `Fault`: above all, whether a mutation may have happened. It knows no
//! credentials: the host adds them after the request has left the guest.

mod failure;
#[cfg(not(target_arch = "wasm32"))]
pub mod replay;
#[cfg(not(target_arch = "wasm32"))]
pub mod statuses;
#[cfg(target_arch = "wasm32")]
mod wasi;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Fault, form};
pub use failure::Problem;
use failure::Transport;

/// A longer body is refused before it is sent.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A longer answer is not read to its end.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One of the systems that `describe` names; its address and credentials are configuration.
#[derive(Clone, Copy)]
pub struct Upstream {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    problem: fn(&Response) -> Option<Problem>,
}

impl Upstream {
    pub const fn new(name: &'static str) -> Self {
        Upstream { name, headers: &[], problem: Problem::guess }
    }

    /// Headers of every request.
    pub const fn with_headers(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Upstream { headers, ..self }
    }

    /// How this product writes its errors; without it, the usual places are tried.
    pub const fn with_problem(self, problem: fn(&Response) -> Option<Problem>) -> Self {
        Upstream { problem, ..self }
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    fn request(&self, method: &'static str, path: &str) -> Request {
        Request {
            upstream: *self,
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: self.headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: Ok(Vec::new()),
            mutates: method != "GET",
            allowed: Vec::new(),
        }
    }
}

/// A request being written; `send` sends it once. Retries belong to the route.
pub struct Request {
    upstream: Upstream,
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Result<Vec<u8>, String>,
    mutates: bool,
    allowed: Vec<u16>,
}

impl Request {
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        form::encode_pair(&mut self.query, name, value);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).map_err(|error| error.to_string());
        self.header("content-type", "application/json")
    }

    pub fn form(mut self, form: &form::Form) -> Self {
        self.body = Ok(form.encode().into_bytes());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// A POST that changes nothing (a search, a quote): it may be repeated without a thought.
    pub fn read_only(mut self) -> Self {
        self.mutates = false;
        self
    }

    /// Statuses beside 2xx that are answers to this request and not faults.
    pub fn allow(mut self, statuses: &[u16]) -> Self {
        self.allowed.extend_from_slice(statuses);
        self
    }

    pub fn send(self) -> Result<Response, Fault> {
        let place = format!("{} http://{}{}", self.method, self.upstream.name, self.path);
        let body = self
            .body
            .map_err(|error| Fault::never("request-not-json", format!("{place}: {error}")))?;
        if body.len() > REQUEST_BYTES_MAX {
            let message =
                format!("{place}: a body of {} bytes; at most {REQUEST_BYTES_MAX}", body.len());
            return Err(Fault::never("request-too-large", message));
        }
        let path = match self.query.as_str() {
            "" => self.path,
            query => format!("{}?{query}", self.path),
        };
        let wire = Wire {
            method: self.method,
            authority: self.upstream.name,
            path: &path,
            headers: &self.headers,
            body: &body,
        };
        let mut response =
            exchange(&wire).map_err(|failure| failure.fault(&place, self.mutates))?;
        response.place = place;
        response.mutated = self.mutates;
        if (200..300).contains(&response.status) || self.allowed.contains(&response.status) {
            return Ok(response);
        }
        let problem = (self.upstream.problem)(&response);
        Err(failure::of_status(&response, problem))
    }
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Lowercase names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    place: String,
    mutated: bool,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// An answer that cannot be read tells nothing of the effect: after a mutation the outcome is
    /// unknown, a question is asked again.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            self.unreadable(&format!("{error}; the answer begins `{}`", self.beginning()))
        })
    }

    /// For an answer that says something this connector does not understand.
    pub fn unreadable(&self, why: &str) -> Fault {
        let message = format!("{} answered {}: {why}", self.place, self.status);
        let fault = match self.mutated {
            true => Fault::outcome_unknown("unreadable-answer", message),
            // Half an answer, or a proxy's page: it may pass. Not `never`, since a mutation may have
            // sent other requests before this one.
            false => Fault::later("unreadable-answer", message),
        };
        fault.with_status(self.status)
    }

    /// An allowed status that turns out to be a fault after all.
    pub fn fault(&self) -> Fault {
        failure::of_status(self, Problem::guess(self))
    }

    fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Response { status, headers, body, place: String::new(), mutated: false }
    }

    fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(200).collect()
    }
}

/// One request as it goes out.
struct Wire<'a> {
    method: &'static str,
    authority: &'a str,
    path: &'a str,
    headers: &'a [(String, String)],
    body: &'a [u8],
}

#[cfg(target_arch = "wasm32")]
fn exchange(wire: &Wire) -> Result<Response, Transport> {
    wasi::exchange(wire)
}

#[cfg(not(target_arch = "wasm32"))]
fn exchange(wire: &Wire) -> Result<Response, Transport> {
    replay::exchange(wire)
}
