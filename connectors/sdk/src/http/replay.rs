//! The product in native tests: answers prepared in order, each for the request that it expects.
//! So a whole operation (find, create, confirm) is tested without a host.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde_json::Value;

use super::failure::Transport;
use super::{Response, Wire};

thread_local! {
    static PREPARED: RefCell<VecDeque<Prepared>> = const { RefCell::new(VecDeque::new()) };
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
    static FAILING: RefCell<Option<(usize, Failure)>> = const { RefCell::new(None) };
}

/// A stand-in that answers every request itself: status, headers, body.
pub type Served = (u16, Vec<(String, String)>, Vec<u8>);
type Server = Box<dyn FnMut(&Seen) -> Served>;

/// What comes in place of the answer to one request.
#[derive(Clone, Debug)]
pub enum Failure {
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// The connection is cut after the request was sent.
    Cut,
    /// Nobody listens.
    Refused,
}

struct Prepared {
    request: String,
    answer: Result<Response, Transport>,
}

/// A request as the product would have received it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `POST http://stripe/v1/payment_intents?limit=1`
    pub request: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The next request must be `METHOD http://upstream/path?query`; it is answered with JSON.
pub fn answer(request: &str, status: u16, body: Value) {
    answer_with(request, status, &[], &body.to_string());
}

pub fn answer_with(request: &str, status: u16, headers: &[(&str, &str)], body: &str) {
    let headers = headers.iter().map(|(n, v)| (n.to_lowercase(), (*v).to_owned())).collect();
    prepare(request, Ok(Response::new(status, headers, body.as_bytes().to_vec())));
}

/// The connection is cut after the request was sent.
pub fn cut(request: &str) {
    prepare(request, Failure::Cut.told());
}

/// Nobody listens.
pub fn refuse(request: &str) {
    prepare(request, Failure::Refused.told());
}

/// From now on this answers, in place of prepared answers.
pub fn serve(server: impl FnMut(&Seen) -> Served + 'static) {
    SERVER.set(Some(Box::new(server)));
}

/// The request after `before` others fails, whatever is prepared for it or serves it.
pub fn fail_after(before: usize, failure: Failure) {
    FAILING.set(Some((before, failure)));
}

/// What was sent so far; everything prepared is forgotten, used or not.
pub fn reset() -> Vec<Seen> {
    PREPARED.take();
    SERVER.take();
    FAILING.take();
    SEEN.take()
}

/// What was sent so far; and every prepared answer must have been used.
pub fn finish() -> Vec<Seen> {
    PREPARED.with_borrow_mut(|prepared| {
        let left: Vec<String> = prepared.drain(..).map(|prepared| prepared.request).collect();
        assert!(left.is_empty(), "never requested: {left:#?}");
    });
    SEEN.take()
}

impl Failure {
    fn told(self) -> Result<Response, Transport> {
        match self {
            Failure::Answer(status, headers, body) => {
                let headers = headers.into_iter().map(|(n, v)| (n.to_lowercase(), v)).collect();
                Ok(Response::new(status, headers, body))
            }
            Failure::Cut => Err(Transport::Cut("connection reset".into())),
            Failure::Refused => Err(Transport::NotSent("connection refused".into())),
        }
    }
}

fn prepare(request: &str, answer: Result<Response, Transport>) {
    PREPARED.with_borrow_mut(|prepared| {
        prepared.push_back(Prepared { request: request.to_owned(), answer });
    });
}

pub(super) fn exchange(wire: &Wire) -> Result<Response, Transport> {
    let request = format!("{} http://{}{}", wire.method, wire.authority, wire.path);
    let seen = Seen {
        request: request.clone(),
        headers: wire.headers.to_vec(),
        body: String::from_utf8_lossy(wire.body).into_owned(),
    };
    let served = SERVER.with_borrow_mut(|server| server.as_mut().map(|server| server(&seen)));
    let before = SEEN.with_borrow_mut(|all| {
        all.push(seen);
        all.len() - 1
    });
    let answer = match served {
        Some((status, headers, body)) => Failure::Answer(status, headers, body).told(),
        None => {
            let prepared = PREPARED.with_borrow_mut(VecDeque::pop_front);
            let Some(prepared) = prepared else { panic!("no answer is prepared for {request}") };
            assert_eq!(request, prepared.request, "another request was expected");
            prepared.answer
        }
    };
    let failing = FAILING.with_borrow_mut(|failing| failing.take_if(|(at, _)| *at == before));
    failing.map_or(answer, |(_, failure)| failure.told())
}
