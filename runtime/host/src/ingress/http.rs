//! `[from.http]`: a message in canonical form, answered once it is on disk or with a step's result.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::Value;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use journal::{Digest, SourceKey};
use route::{Envelope, ExchangeId, HttpSource, MessageType, Source};
use serde_json::json;
use tokio::sync::oneshot;

use super::access::{self, Claim};
use super::problem::{Answer, Problem, json_answer, raw_json_answer};
use super::{Ingress, not_accepted, plain_headers, signed, traceparent};
use crate::clock;
use crate::dispatch::{Accepted, Arrival, Dispatch, Reply, ReplyTo};
use crate::limits::{Passed, Standing};
use crate::running::RouteVersion;

impl Ingress {
    pub(super) async fn take_http(
        &self,
        version: &Arc<RouteVersion>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Answer {
        let Source::Http(source) = &version.plan.source else {
            return super::busy().into_answer();
        };
        let mut door = Door { ingress: self, version, source, peer, standings: Vec::new() };
        let answered = door.take(request).await;
        let mut answer = answered.unwrap_or_else(Problem::into_answer);
        // On every answer, so that a caller can slow down before it is told to.
        for (name, value) in fields(&door.standings) {
            answer.headers_mut().insert(name, value);
        }
        answer
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

/// One request at the door of its route.
struct Door<'a> {
    ingress: &'a Ingress,
    version: &'a Arc<RouteVersion>,
    source: &'a HttpSource,
    peer: SocketAddr,
    /// How the caller stands with each budget that it met.
    standings: Vec<Standing>,
}

impl Door<'_> {
    async fn take(&mut self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let access = &self.ingress.access;
        let (head, body) = request.into_parts();
        let claim = access.claim(&head.headers, &self.version.plan.name);
        let (client, signs) = match claim {
            Claim::Anybody => (None, false),
            Claim::Client(client) => (Some(client), false),
            Claim::Signs(client) => (Some(client), true),
            Claim::Nobody | Claim::Wrong => return Err(self.turn_away(claim, &"no key of ours")),
        };
        // A name that is not borne out yet spends no budget and learns nothing.
        let mut held = Vec::new();
        if !signs {
            held = self.let_in(client)?;
        }
        let body = self.ingress.read_body(body, self.source.body_max_bytes).await?;
        let mut signed = None;
        if let (Some(name), true) = (client, signs) {
            let path = head.uri.path_and_query().map_or("", |path| path.as_str());
            let (method, headers) = (head.method.as_str(), &head.headers);
            let request = signed::Request { method, path, headers, body: &body };
            let now_s = u64::try_from(clock::now().as_second()).unwrap_or(0);
            if let Err(refusal) = access.check_signature(name, &request, now_s) {
                tracing::warn!(client = name, "a signature was not borne out");
                return Err(self.turn_away(claim, &refusal));
            }
            signed = access.signed_digest(name, &request);
            held = self.let_in(client)?;
        }
        let message = read_message(&self.version.plan.message, &body)?;
        let envelope = Envelope {
            message,
            headers: plain_headers(&head.headers),
            source: format!("http:{}", self.source.path),
            client: client.map(str::to_owned),
            received_at: clock::now(),
            traceparent: traceparent(&head.headers),
            raw: false,
            replay: None,
        };
        let known = self.known_by(&envelope, signed)?;
        let (source_key, earlier_scope) = match known {
            Some(Known { key, earlier_scope }) => (Some(key), earlier_scope),
            None => (None, None),
        };
        let arrival = Arrival {
            version: self.version.clone(),
            envelope,
            body_digest: source_key.as_ref().map(|_| Digest::of(&body)),
            source_key,
            earlier_scope,
            parent: None,
            repeats: None,
        };
        let answered = match &self.source.reply {
            route::Reply::Status(status) => self.ingress.answer_accepted(arrival, *status).await,
            route::Reply::Step { index, timeout_ms } => {
                let timeout = Duration::from_millis(*timeout_ms);
                self.ingress.answer_step(arrival, *index, timeout).await
            }
        };
        drop(held);
        answered
    }

    /// Who is known by now may use the route, within its budgets.
    fn let_in(&mut self, client: Option<&str>) -> Result<Vec<Passed>, Problem> {
        let (route, path, peer) = (&self.version.plan.name, &self.source.path, self.peer);
        if let Some(name) = client
            && !self.ingress.access.may_use(name, route)
        {
            tracing::warn!(client = name, route, path, %peer, "a client was turned away: [clients.{name}] `routes` does not name the route");
            self.ingress.dispatch.metrics.turned_away(route, "not-allowed");
            return Err(access::forbidden(name));
        }
        tracing::debug!(client, route, path, %peer, "let in");
        self.pass_limits(client)
    }

    /// The budget of the route, counted by caller, and the client's own.
    fn pass_limits(&mut self, client: Option<&str>) -> Result<Vec<Passed>, Problem> {
        let caller = access::caller(client, self.peer.ip());
        let own = client.and_then(|client| self.ingress.access.limit(client));
        let limits = self.source.limit.as_deref().into_iter().chain(own);
        let mut held = Vec::new();
        for limit in limits {
            let Some(budgets) = self.ingress.dispatch.limits().of_callers(limit) else { continue };
            let (passed, standing) = budgets.enter(caller);
            self.standings.push(standing);
            held.push(passed.map_err(|after| {
                self.ingress.dispatch.metrics.turned_away(&self.version.plan.name, "rate-limit");
                Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate-limit",
                    "Too many requests",
                    format!("The limit `{limit}` is spent; nothing was accepted."),
                )
                .retry_after(after)
            })?);
        }
        Ok(held)
    }

    /// Whoever tries names and keys spends the budget of its address.
    fn turn_away(&mut self, claim: Claim<'_>, reason: &dyn std::fmt::Display) -> Problem {
        let (route, path, peer) = (&self.version.plan.name, &self.source.path, self.peer);
        tracing::warn!(route, path, %peer, %reason, "a caller was turned away");
        match self.pass_limits(None) {
            Ok(_) => {
                self.ingress.dispatch.metrics.turned_away(route, "unknown");
                access::unknown(claim)
            }
            Err(over) => over,
        }
    }

    /// By what the message is known if it comes again: the route's key, within its sender; or what
    /// was signed.
    fn known_by(
        &self,
        envelope: &Envelope,
        signed: Option<Digest>,
    ) -> Result<Option<Known>, Problem> {
        let route = &self.version.plan.name;
        let client = envelope.client.as_deref().unwrap_or_default();
        let Some(key) = source_key(self.version, self.source, envelope)? else {
            return Ok(signed.map(|signed| {
                let scope = format!("signed:{route}@{client}");
                let key = SourceKey { scope, key: signed.to_string() };
                Known { key, earlier_scope: None }
            }));
        };
        if !self.ingress.access.has_clients() {
            let key = SourceKey { scope: route.clone(), key };
            return Ok(Some(Known { key, earlier_scope: None }));
        }
        // What came before there were clients is known to all of them.
        let key = SourceKey { scope: format!("{route}@{client}"), key };
        Ok(Some(Known { key, earlier_scope: Some(route.clone()) }))
    }
}

struct Known {
    key: SourceKey,
    earlier_scope: Option<String>,
}

/// `RateLimit` and `RateLimit-Policy`, an item for each budget.
fn fields(standings: &[Standing]) -> Vec<(header::HeaderName, HeaderValue)> {
    let now: Vec<String> = standings.iter().filter_map(Standing::field).collect();
    let policies: Vec<&str> = standings.iter().filter_map(Standing::policy).collect();
    [("ratelimit", now.join(", ")), ("ratelimit-policy", policies.join(", "))]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| {
            Some((header::HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
        })
        .collect()
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
) -> Result<Option<String>, Problem> {
    if source.key.is_none() {
        return Ok(None);
    }
    version.plan.source_key(envelope).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "key",
            "The message has no key",
            format!(
                "This route knows each message by a key, and it cannot be had: {}.",
                error.message
            ),
        )
    })
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
