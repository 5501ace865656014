//! The way out: `http://NAME/path` of a guest becomes a request to the upstream of that name, with
//! its credentials, within its budget and the call's time. Anything else is denied. No redirect is
//! followed, no cookie kept; a response is taken in whole and known secrets are taken out of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::auth::{Auth, Outgoing};
use super::door::{Heard, Refused};
use super::resolver::PRIVATE_ADDRESS;
use super::token::{Cause, Refusal, Tokens};
use super::upstream::{SendError, Upstream};
use crate::error::{Fault, Retry};
use crate::guest::Circumstances;
use crate::secret::{Secret, redact, scrub};

/// The outgoing HTTP of one call.
pub(crate) struct Egress {
    circumstances: Arc<Circumstances>,
}

impl Egress {
    pub(crate) fn new(circumstances: Arc<Circumstances>) -> Egress {
        Egress { circumstances }
    }
}

type Background = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Egress {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Background,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Background), Error>> + Send> {
        let circumstances = self.circumstances.clone();
        Box::new(async move {
            let response = forward(&circumstances, request, options).await?;
            let response = response.map(|body| body.map_err(|never| match never {}).boxed_unsync());
            Ok((response, Box::new(std::future::ready(Ok(()))) as Background))
        })
    }
}

/// One request of the guest, as it will leave (perhaps twice, with a new token).
struct Leaving<'a> {
    circumstances: &'a Circumstances,
    upstream: &'a Arc<Upstream>,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    until: Instant,
}

async fn forward(
    circumstances: &Circumstances,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Response<Full<Bytes>>, Error> {
    let limits = &circumstances.grants.limits;
    let (parts, body) = request.into_parts();
    let host = parts.uri.authority().map_or("", |authority| authority.as_str());
    let Some(upstream) = circumstances.grants.upstreams.get(host) else {
        circumstances.traces.deny(host);
        tracing::warn!(
            connector = circumstances.grants.alias,
            operation = circumstances.operation,
            exchange = circumstances.exchange,
            host,
            "a connector called a host that is not granted to it"
        );
        return Err(Error::HttpRequestDenied);
    };
    if circumstances.traces.requests.fetch_add(1, Ordering::Relaxed) >= limits.requests_max {
        let message =
            format!("the call made more than {} requests and was stopped", limits.requests_max);
        circumstances.traces.withhold(Fault {
            retry: Retry::Never,
            code: "guest-requests".to_owned(),
            message: message.clone(),
            status: None,
        });
        return Err(Error::InternalError(Some(message)));
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if climbs(parts.uri.path()) {
        return Err(Error::HttpRequestUriInvalid);
    }
    let body = Limited::new(body, limits.request_body_bytes_max)
        .collect()
        .await
        .map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => Error::HttpRequestBodySize(Some(limits.request_body_bytes_max as u64)),
        })?
        .to_bytes();
    let leaving = Leaving {
        circumstances,
        upstream,
        method: parts.method,
        path: path.to_owned(),
        headers: headers(parts.headers, circumstances, upstream),
        body,
        until: until(circumstances, upstream, options),
    };
    leaving.go().await
}

impl Leaving<'_> {
    async fn go(&self) -> Result<Response<Full<Bytes>>, Error> {
        let token = self.token().await?;
        let response = self.attempt(token.as_ref()).await?;
        let Some(used) = token.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(response);
        };
        // The token was refused, so nothing has happened: once more with a new one.
        self.upstream.tokens.forget(&used);
        match self.token().await? {
            Some(token) if token != used => self.attempt(Some(&token)).await,
            _ => Ok(response),
        }
    }

    async fn token(&self) -> Result<Option<Secret>, Error> {
        let token = self.in_time(Tokens::get(self.upstream)).await?;
        let token = token.map_err(|refusal| self.without_credentials(refusal))?;
        if let Some(token) = &token {
            self.circumstances.traces.used(self.upstream, token);
        }
        Ok(token)
    }

    async fn attempt(&self, token: Option<&Secret>) -> Result<Response<Full<Bytes>>, Error> {
        let knocks = Some(&self.upstream.knocks)
            .filter(|_| token.is_none() && !matches!(self.upstream.auth(), Auth::None));
        if let Some(wait) = knocks.and_then(|knocks| knocks.wait(Instant::now())) {
            return Err(self.left_alone(wait));
        }
        let (mut path, mut headers) = (self.path.clone(), self.headers.clone());
        let outgoing = Outgoing {
            method: &self.method,
            path: &mut path,
            headers: &mut headers,
            body: &self.body,
        };
        self.upstream.auth().apply(token, outgoing, jiff::Timestamp::now()).map_err(|message| {
            self.without_credentials(Refusal { cause: Cause::Definite, message, status: None })
        })?;
        let _permit = match self.upstream.door() {
            Some(door) => {
                let entered = self.in_time(door.enter()).await?;
                Some(entered.map_err(|refused| self.over_budget(refused))?)
            }
            None => None,
        };
        let traces = &self.circumstances.traces;
        let changes = !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes {
            traces.leaving();
        }
        // Until it has answered. Cut, too late or refused, it stays so.
        traces.ill();
        let started = Instant::now();
        let sent = self.upstream.send(self.method.clone(), &path, headers, self.body.clone());
        let response = match self.in_time(sent).await? {
            Ok(response) => response,
            Err(error) => {
                let (error, left) = meaning(error);
                if changes && !left {
                    traces.not_left();
                }
                tracing::debug!(
                    upstream = self.upstream.name(),
                    method = %self.method,
                    error = redact(&error.to_string()),
                    "a request failed"
                );
                return Err(error);
            }
        };
        if let Some(knocks) = knocks {
            knocks.heard(response.status(), Instant::now());
        }
        let response = self.take_in(response).await?;
        if changes {
            traces.answered();
        }
        tracing::debug!(
            upstream = self.upstream.name(),
            method = %self.method,
            status = response.status().as_u16(),
            took_ms = started.elapsed().as_millis() as u64,
            "a request was answered"
        );
        Ok(response)
    }

    /// The whole response, with secrets and cookies taken out.
    async fn take_in(
        &self,
        response: Response<hyper::body::Incoming>,
    ) -> Result<Response<Full<Bytes>>, Error> {
        if let Some(door) = self.upstream.door() {
            let now = jiff::Timestamp::now();
            door.hear(&Heard::of(response.status(), response.headers(), now));
        }
        let ill = response.status().is_server_error();
        let (mut parts, body) = response.into_parts();
        let bytes_max = self.circumstances.grants.limits.response_body_bytes_max;
        let body = self.in_time(Limited::new(body, bytes_max).collect()).await?;
        let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
            Ok(_) => Error::HttpResponseBodySize(Some(bytes_max as u64)),
            Err(_) => Error::HttpResponseIncomplete,
        })?;
        if !ill {
            self.circumstances.traces.well();
        }
        let mut body = Vec::from(body.to_bytes());
        scrub(&mut body);
        parts.headers.remove(header::SET_COOKIE);
        for value in parts.headers.values_mut() {
            let mut bytes = value.as_bytes().to_vec();
            if scrub(&mut bytes) {
                *value = HeaderValue::from_bytes(&bytes)
                    .unwrap_or_else(|_| HeaderValue::from_static("[secret]"));
            }
        }
        Ok(Response::from_parts(parts, Full::new(body.into())))
    }

    async fn in_time<F: Future>(&self, work: F) -> Result<F::Output, Error> {
        let mut work = Pin::from(Box::new(work));
        tokio::time::timeout_at(self.until.into(), work.as_mut())
            .await
            .map_err(|_| Error::ConnectionReadTimeout)
    }

    /// Nothing has left, and the guest cannot know why: the host's word replaces its fault.
    fn without_credentials(&self, refusal: Refusal) -> Error {
        let name = self.upstream.name();
        let (retry, status) = match refusal.cause {
            Cause::Budget(refused) => return self.over_budget(refused),
            // Not a word of the system on this message: its class is that of the credentials.
            Cause::Definite => (Retry::Never, None),
            Cause::Passing { after } => {
                self.circumstances.traces.ill();
                let after_ms = after.map(|after| u64::try_from(after.as_millis()));
                (Retry::Later { after_ms: after_ms.and_then(Result::ok) }, refusal.status)
            }
        };
        self.circumstances.traces.withhold(Fault {
            retry,
            code: "upstream-credentials".to_owned(),
            message: redact(&format!("no credentials for upstream `{name}`: {}", refusal.message)),
            status,
        });
        Error::HttpRequestDenied
    }

    /// Nothing has left: the system refuses our credentials, whatever the message.
    fn left_alone(&self, wait: Duration) -> Error {
        let name = self.upstream.name();
        self.circumstances.traces.withhold(Fault {
            retry: Retry::Later { after_ms: u64::try_from(wait.as_millis()).ok() },
            code: "upstream-credentials".to_owned(),
            message: format!(
                "upstream `{name}` refuses the credentials in its `auth` (401) message after message; asked again in {} s; check them",
                wait.as_secs()
            ),
            status: None,
        });
        Error::HttpRequestDenied
    }

    fn over_budget(&self, refused: Refused) -> Error {
        let name = self.upstream.name();
        let after_ms = u64::try_from(refused.after.as_millis()).unwrap_or(u64::MAX);
        let traces = &self.circumstances.traces;
        if traces.requests.load(Ordering::Relaxed) == 1 {
            // The first of the call: it is as if the call was not made.
            traces.hold(refused);
        }
        self.circumstances.traces.withhold(Fault {
            retry: Retry::Later { after_ms: Some(after_ms) },
            code: "upstream-limit".to_owned(),
            message: format!("the budget of upstream `{name}` is spent for {after_ms} ms"),
            status: None,
        });
        Error::ConnectionLimitReached
    }
}

/// What leaves of the guest's headers, and what the host adds.
fn headers(
    mut headers: HeaderMap,
    circumstances: &Circumstances,
    upstream: &Upstream,
) -> HeaderMap {
    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
    for name in [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        // Responses stay readable to `scrub`.
        header::ACCEPT_ENCODING,
        TRACEPARENT,
        TRACESTATE,
    ] {
        headers.remove(name);
    }
    if let Some(own) = upstream.auth().header() {
        headers.remove(own);
    }
    if let Ok(traceparent) = HeaderValue::from_str(&circumstances.traceparent)
        && !traceparent.is_empty()
    {
        headers.insert(TRACEPARENT, traceparent);
    }
    const AGENT: &str = concat!("crossdock/", env!("CARGO_PKG_VERSION"));
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    headers
}

/// A little before the call's own end, so that the guest can still say what happened.
fn until(
    circumstances: &Circumstances,
    upstream: &Upstream,
    options: Option<RequestOptions>,
) -> Instant {
    let now = Instant::now();
    let left = circumstances.until.saturating_duration_since(now);
    let left = left - (left / 10).min(Duration::from_millis(250));
    let wanted = options.and_then(|options| options.first_byte_timeout);
    now + left.min(upstream.timeout()).min(wanted.unwrap_or(Duration::MAX))
}

/// A path that goes up could leave the part of the server that `base_url` names.
fn climbs(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        let plain = plain.split(';').next().unwrap_or_default();
        plain == ".." || plain == "." || plain.contains("%2f") && plain.contains("..")
    })
}

/// What a failed request means to the guest, and whether it may have left.
fn meaning(error: SendError) -> (Error, bool) {
    let error = match error {
        SendError::Target(reason) => return (Error::InternalError(Some(reason)), false),
        SendError::Client(error) => error,
    };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    let mut timed_out = false;
    let mut tls = false;
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            timed_out |= io.kind() == std::io::ErrorKind::TimedOut;
            tls |= io.kind() == std::io::ErrorKind::InvalidData;
        }
        source = cause.source();
    }
    if !error.is_connect() {
        return (Error::ConnectionTerminated, true);
    }
    let meaning = match () {
        () if text.contains(PRIVATE_ADDRESS) => Error::DestinationIpProhibited,
        () if text.contains("dns error") => Error::DnsError { rcode: None, info_code: None },
        () if timed_out => Error::ConnectionTimeout,
        () if tls => Error::TlsCertificateError,
        () => Error::ConnectionRefused,
    };
    (meaning, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_goes_up_is_seen_in_every_dress() {
        for climbing in
            ["/../x", "/a/../b", "/a/%2e%2E/b", "/a/.%2e/", "/a/..;x/b", "/./a", "/..%2fb"]
        {
            assert!(climbs(climbing), "{climbing}");
        }
        for level in ["/", "/a.b/c..d", "/a/...", "/v1/x%2fy"] {
            assert!(!climbs(level), "{level}");
        }
    }
}
