//! `[from.webhook]`: the signature is verified before any guest runs, the raw request is journalled,
//! the caller gets 200, and only then the connector translates.

use std::sync::Arc;

use contract::{Type, Value};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use journal::{Digest, SourceKey};
use route::{Envelope, Source};
use serde_json::json;

use super::problem::{Answer, Problem, json_answer};
use super::{Ingress, not_accepted, plain_headers, signed, traceparent};
use crate::clock;
use crate::dispatch::Arrival;
use crate::running::RouteVersion;

impl Ingress {
    pub(super) async fn take_webhook(
        &self,
        versions: &[Arc<RouteVersion>],
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let (head, body) = request.into_parts();
        let body = self.read_body(body, None).await?;
        let now = clock::now();
        let now_s = u64::try_from(now.as_second()).unwrap_or(0);
        let mut arrivals = Vec::with_capacity(versions.len());
        let request = signed::Request {
            method: head.method.as_str(),
            path: head.uri.path_and_query().map_or("", |path| path.as_str()),
            headers: &head.headers,
            body: &body,
        };
        for version in versions {
            let Source::Webhook(webhook) = &version.plan.source else { continue };
            let verifier = self.verifiers.get(&webhook.connector);
            if let Some(Err(refusal)) = verifier.map(|verifier| verifier.check(&request, now_s)) {
                tracing::warn!(path = webhook.path, connector = webhook.connector, %refusal, "a webhook was turned away");
                return Err(not_verified());
            }
            if verifier.is_none() {
                tracing::warn!(
                    path = webhook.path,
                    connector = webhook.connector,
                    "a webhook was turned away: [connectors.{}] has no `webhook` table",
                    webhook.connector
                );
                return Err(not_verified());
            }
            let Some(message) = version
                .source_input()
                .and_then(|input| raw_request(input, &webhook.path, &head.headers, &body, now))
            else {
                tracing::error!(
                    path = webhook.path,
                    "this host does not know the connector's webhook-request"
                );
                return Err(super::busy());
            };
            arrivals.push(Arrival {
                version: version.clone(),
                envelope: Envelope {
                    message,
                    headers: plain_headers(&head.headers),
                    source: format!("webhook:{}", webhook.connector),
                    client: None,
                    received_at: now,
                    traceparent: traceparent(&head.headers),
                    raw: true,
                    replay: None,
                },
                // The same delivery again is the same exchange; its items have keys of their own.
                source_key: Some(SourceKey {
                    scope: format!("raw:{}", version.plan.name),
                    key: Digest::of(&body).to_string(),
                }),
                earlier_scope: None,
                body_digest: None,
                parent: None,
                repeats: None,
            });
        }
        self.dispatch
            .accept_batch(arrivals, Vec::new())
            .await
            .map_err(|error| not_accepted(&error))?;
        Ok(json_answer(StatusCode::OK, &json!({ "status": "accepted" })))
    }
}

fn not_verified() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "signature",
        "The signature could not be verified",
        "Nothing was accepted.",
    )
}

/// The request as `crossdock:core/webhook.webhook-request`, whatever its minor version.
fn raw_request(
    input: &Type,
    path: &str,
    headers: &http::HeaderMap,
    body: &[u8],
    received_at: jiff::Timestamp,
) -> Option<Value> {
    let Type::Record(record) = input else { return None };
    let fields = record.fields.iter().map(|field| {
        Some(match field.json.as_str() {
            "path" => Value::string(path),
            "body" => Value::Bytes(body.into()),
            "received_at" => Value::Timestamp(received_at),
            "headers" => {
                let Type::List(item) = &field.ty else { return None };
                let Type::Record(header) = item.as_ref() else { return None };
                let plain = plain_headers(headers);
                let listed = plain.iter().map(|(name, value)| {
                    let fields = vec![Value::string(name.as_str()), Value::string(value.as_str())];
                    Value::record(header.clone(), fields)
                });
                Value::list(listed.collect())
            }
            // A later minor version's option.
            _ => Value::Null,
        })
    });
    let fields = fields.collect::<Option<Vec<Value>>>()?;
    Some(Value::record(record.clone(), fields))
}
