//! A product asked by its own API over loopback, with the headers that it wants.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::{Agent, http};

/// A product that is busy may take its time; none hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Api {
    base: String,
    headers: Vec<(&'static str, String)>,
    agent: Agent,
}

impl Api {
    pub fn new(base: &str, headers: Vec<(&'static str, String)>) -> Api {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Api { base: base.to_owned(), headers, agent: config.into() }
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send("POST", path, Some(("application/json", body.to_string())))
    }

    pub fn form(&self, path: &str, body: &str) -> Result<Value> {
        self.send("POST", path, Some(("application/x-www-form-urlencoded", body.to_owned())))
    }

    fn send(&self, method: &str, path: &str, body: Option<(&str, String)>) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let text = match body {
            Some((media, text)) => {
                request = request.header("content-type", media);
                text
            }
            None => String::new(),
        };
        let shown = || format!("{method} {url}");
        let mut answer = self.agent.run(request.body(text)?).with_context(shown)?;
        let text = answer.body_mut().read_to_string().with_context(shown)?;
        if !answer.status().is_success() {
            bail!("{}: {} {text}", shown(), answer.status());
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(shown)
    }
}
