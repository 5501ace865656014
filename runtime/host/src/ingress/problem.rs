//! Errors to HTTP callers as RFC 9457 problem details. They say what the caller may know and do;
//! what the operator must know goes to the log and the journal.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

pub type Answer = Response<Full<Bytes>>;

/// A problem under way to its caller.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    /// Last part of the type URI; stable, documented in the README.
    kind: &'static str,
    title: &'static str,
    detail: String,
    members: serde_json::Map<String, Value>,
    headers: Vec<(header::HeaderName, String)>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let members = serde_json::Map::new();
        Problem { status, kind, title, detail: detail.into(), members, headers: Vec::new() }
    }

    /// What happened, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// An extension member.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn retry_after(self, after: std::time::Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, seconds.max(1).to_string())
    }

    /// The body or a value did not keep its contract.
    pub fn violations(violations: &[contract::json::Violation], accept: &str) -> Self {
        let errors: Vec<Value> = violations
            .iter()
            .map(|violation| json!({ "pointer": violation.pointer, "detail": violation.reason }))
            .collect();
        let detail = format!("The message is not a valid {accept}: see `errors`.");
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "contract",
            "The message breaks its contract",
            detail,
        )
        .with("errors", errors)
    }

    pub fn into_answer(self) -> Answer {
        let mut body = self.members;
        body.insert("type".into(), format!("urn:crossdock:problem:{}", self.kind).into());
        body.insert("title".into(), self.title.into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.into());
        let mut answer = json_answer(self.status, &Value::Object(body));
        let media_type = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }
}

pub fn json_answer(status: StatusCode, body: &Value) -> Answer {
    raw_json_answer(status, body.to_string())
}

/// `body` is JSON already.
pub fn raw_json_answer(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let media_type = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    answer
}
