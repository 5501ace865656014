//! A product asked by its own API: what the connectors say of it is not taken for true.

use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, http};

/// A product that is busy may take its time; none hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One base address, and headers that every request has.
pub struct Http {
    base: String,
    headers: Vec<(String, String)>,
    agent: Agent,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Http {
    pub fn new(base: impl Into<String>) -> Http {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Http { base: base.into(), headers: Vec::new(), agent: config.into() }
    }

    pub fn with(mut self, header: &str, value: impl Into<String>) -> Http {
        self.headers.push((header.to_owned(), value.into()));
        self
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &body.to_string(), Some("application/json"))
    }

    /// Any method; a body with its media type, or none.
    pub fn send(&self, method: &str, path: &str, body: &str, media: Option<&str>) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let request = request.body(body.to_owned()).expect("a request that can be written");
        let answer = self.agent.run(request);
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        let body = answer.body_mut().read_to_string();
        Answer {
            status: answer.status().as_u16(),
            body: body.unwrap_or_else(|error| panic!("{method} {url}: {error}")),
        }
    }
}

impl Answer {
    /// The document of an answer that is a success.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
