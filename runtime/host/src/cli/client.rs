//! A small client of the admin API, for the commands that ask the running runtime.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::Failure;
use crate::config::Config;

pub struct Admin {
    base: String,
    token: Option<connector::Secret>,
}

impl Admin {
    pub fn of(config: &Path) -> Result<Admin, Failure> {
        let config = Config::read(config)?;
        let folder = config.file.parent().unwrap_or(Path::new("")).to_owned();
        let token = match &config.listen.admin_token {
            Some(source) => Some(source.read(&folder).map_err(Failure::surroundings)?),
            None => None,
        };
        Ok(Admin { base: format!("http://{}", config.listen.admin), token })
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body))).map_err(Failure::failed)?;
        let answer = client.request(request).await.map_err(|error| {
            Failure::surroundings(format!(
                "nothing answers at {} ({error})\n  help: start the runtime with `crossdock run`, or name its configuration with --config",
                self.base
            ))
        })?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.map_err(Failure::failed)?.to_bytes();
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let detail = value["detail"].as_str().unwrap_or("no reason was given");
        Err(Failure::failed(format!("{detail} (HTTP {})", status.as_u16())))
    }
}

/// For one segment of a path.
pub fn escape(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
