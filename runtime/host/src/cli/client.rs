//! A small client of the admin API, for the commands that ask the running runtime.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use serde_json::Value;

use super::{Failure, pinned};
use crate::config::Config;
use crate::{clock, tls};

pub struct Admin {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
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
        let tls = match config.listen.tls_of_admin() {
            Some(tls) => Some(tls::certificates(tls, "certificate", &config, clock::now())?),
            None => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let client = client(tls.and_then(|chain| chain.into_iter().next()))?;
        Ok(Admin { base: format!("{scheme}://{}", config.listen.admin), client, token })
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
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body))).map_err(Failure::failed)?;
        let answer = self.client.request(request).await.map_err(|error| {
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
        let problems: String = value["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|problem| {
                let text = |name: &str| problem[name].as_str().unwrap_or_default();
                format!("\n  {}: {}", text("pointer"), text("detail"))
            })
            .collect();
        Err(Failure::failed(format!("{detail} (HTTP {}){problems}", status.as_u16())))
    }
}

fn client(
    pinned: Option<CertificateDer<'static>>,
) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Failure> {
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    let connector = match pinned {
        Some(certificate) => {
            builder.with_tls_config(pinned::client(certificate).map_err(Failure::failed)?)
        }
        None => builder.with_webpki_roots(),
    };
    let connector = connector.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
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
