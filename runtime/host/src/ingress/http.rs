//! `[from.http]`: a message in canonical form, answered once it is on disk or with a step's result.

use std::net::SocketAddr;
use std::time::Duration;

use contract::Value;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use journal::{Digest, SourceKey};
use route::{Envelope, ExchangeId, HttpSource, MessageType, Source};
use serde_json::json;
use tokio::sync::oneshot;

use super::problem::{Answer, Problem, json_answer, raw_json_answer};
use super::{Ingress, not_accepted, plain_headers, serve, traceparent};
use crate::clock;
use crate::dispatch::{Accepted, Arrival, Dispatch, Reply, ReplyTo};
use crate::running::RouteVersion;

impl Ingress {
    pub(super) async fn take_http(
        &self,
        version: &std::sync::Arc<RouteVersion>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Answer, Problem> {
        let Source::Http(source) = &version.plan.source else { return Err(super::busy()) };
        self.pass_limit(source, peer)?;
        let (head, body) = request.into_parts();
        let timeout = self.listen.read_timeout.0;
        let body = serve::read_body(body, self.listen.body_max_bytes, timeout).await?;
        let message = read_message(&version.plan.message, &body)?;
        let envelope = Envelope {
            message,
            headers: plain_headers(&head.headers),
            source: format!("http:{}", source.path),
            received_at: clock::now(),
            traceparent: traceparent(&head.headers),
            raw: false,
            replay: None,
        };
        let source_key = source_key(version, source, &envelope)?;
        let arrival = Arrival {
            version: version.clone(),
            envelope,
            body_digest: source_key.as_ref().map(|_| Digest::of(&body)),
            source_key,
            parent: None,
            repeats: None,
        };
        match &source.reply {
            route::Reply::Status(status) => self.answer_accepted(arrival, *status).await,
            route::Reply::Step { index, timeout_ms } => {
                let timeout = Duration::from_millis(*timeout_ms);
                self.answer_step(arrival, *index, timeout).await
            }
        }
    }

    fn pass_limit(&self, source: &HttpSource, peer: SocketAddr) -> Result<(), Problem> {
        let Some(limit) = &source.limit else { return Ok(()) };
        let Some(budget) = self.dispatch.limits().of_client(limit, &peer.ip().to_string()) else {
            return Ok(());
        };
        budget.try_enter().map(drop).map_err(|refused| {
            let seconds = refused.after.as_secs() + 1;
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limit",
                "Too many requests",
                format!("The limit `{limit}` is spent; nothing was accepted."),
            )
            .retry_after(refused.after)
            .header(
                header::HeaderName::from_static("ratelimit"),
                format!("\"{limit}\";r=0;t={seconds}"),
            )
            .header(header::HeaderName::from_static("ratelimit-policy"), budget.policy())
        })
    }

    async fn answer_accepted(&self, arrival: Arrival, status: u16) -> Result<Answer, Problem> {
        let accepted = self.dispatch.accept(arrival).await.map_err(|error| not_accepted(&error))?;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::ACCEPTED);
        match accepted {
            Accepted::New(id) => Ok(receipt(status, id)),
            Accepted::Known { id, same_body: true } => Ok(receipt(status, id)),
            Accepted::Known { id, same_body: false } => Err(key_reused(id)),
        }
    }

    async fn answer_step(
        &self,
        arrival: Arrival,
        step: usize,
        timeout: Duration,
    ) -> Result<Answer, Problem> {
        let (sender, receiver) = oneshot::channel();
        let accepted = self
            .dispatch
            .accept_with(arrival, Some(ReplyTo { step, sender }))
            .await
            .map_err(|error| not_accepted(&error))?;
        let id = match accepted {
            Accepted::New(id) => id,
            Accepted::Known { id, same_body: true } => {
                return Ok(self.known_result(id, step).await);
            }
            Accepted::Known { id, same_body: false } => return Err(key_reused(id)),
        };
        // One that queues in its lane may not run for long: who left is not kept in mind.
        let _forget = Forget { dispatch: &self.dispatch, id };
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(Reply::Result(id, value))) => Ok(result(id, &value)),
            Ok(Ok(Reply::Ended(id, end))) => Err(ended(id, &end)),
            Ok(Ok(Reply::Pending(id))) => Ok(receipt(StatusCode::ACCEPTED, id)),
            // Accepted and on disk: it goes on, only the answer is not there yet.
            Ok(Err(_)) | Err(_) => Ok(receipt(StatusCode::ACCEPTED, id)),
        }
    }

    /// The same key again: the same answer, if there is one by now.
    async fn known_result(&self, id: ExchangeId, step: usize) -> Answer {
        match self.dispatch.result(id, step).await {
            Some(Reply::Result(id, value)) => result(id, &value),
            Some(Reply::Ended(id, end)) => ended(id, &end).into_answer(),
            Some(Reply::Pending(_)) | None => receipt(StatusCode::ACCEPTED, id),
        }
    }
}

/// A caller who waits, until it is answered or gone.
struct Forget<'a> {
    dispatch: &'a Dispatch,
    id: ExchangeId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.dispatch.forget_reply(self.id);
    }
}

fn read_message(ty: &MessageType, body: &[u8]) -> Result<Value, Problem> {
    match ty {
        MessageType::Typed(ty) => contract::json::read(ty, body).map_err(|violations| {
            let accept = ty.name().map_or_else(|| "message".to_owned(), ToString::to_string);
            Problem::violations(&violations, &accept)
        }),
        MessageType::Any => contract::json::read_dyn(body)
            .map_err(|violations| Problem::violations(&violations, "JSON document")),
    }
}

fn source_key(
    version: &RouteVersion,
    source: &HttpSource,
    envelope: &Envelope,
) -> Result<Option<SourceKey>, Problem> {
    if source.key.is_none() {
        return Ok(None);
    }
    match version.plan.source_key(envelope) {
        Ok(Some(key)) => Ok(Some(SourceKey { scope: version.plan.name.clone(), key })),
        Ok(None) => Ok(None),
        Err(error) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "key",
            "The message has no key",
            format!(
                "This route knows each message by a key, and it cannot be had: {}.",
                error.message
            ),
        )),
    }
}

fn receipt(status: StatusCode, id: ExchangeId) -> Answer {
    json_answer(status, &json!({ "exchange": id.to_string(), "status": "accepted" }))
}

fn result(id: ExchangeId, value: &Value) -> Answer {
    let mut answer = raw_json_answer(StatusCode::OK, contract::json::write(value));
    if let Ok(id) = id.to_string().parse() {
        answer.headers_mut().insert("crossdock-exchange", id);
    }
    answer
}

fn key_reused(id: ExchangeId) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "key-reused",
        "The key was used for another message",
        "A message with this key but another body was accepted before. Use a new key for a new message.",
    )
    .with("exchange", id.to_string())
}

fn ended(id: ExchangeId, end: &route::End) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "ended",
        "The message was not carried through",
        format!("It ended as {end}."),
    )
    .with("exchange", id.to_string())
    .with("end", end.to_string())
}
