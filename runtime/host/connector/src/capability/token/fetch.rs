//! Asks a token service for a token: OAuth 2.0 client credentials, or a login of the product's own.
//! Says of a refusal what an admin can act on, and never what was sent.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::{Cause, Fetched, Refusal};
use crate::capability::auth::{Auth, OAuth2, TokenLogin, percent};
use crate::capability::door::Heard;
use crate::capability::upstream::Upstream;
use crate::secret::{Secret, redact};

const ANSWER_BYTES_MAX: usize = 256 << 10;
/// A token is not used in its last moments: it could run out under way.
const MARGIN: Duration = Duration::from_secs(10);
const LIFETIME_DEFAULT_S: u64 = 300;
/// What a service says beyond is not believed: it is asked again.
const LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Of the service's own words.
const SAID_CHARS_MAX: usize = 200;

pub(super) struct TokenRequest {
    target: String,
    headers: HeaderMap,
    body: Bytes,
    /// JSON Pointers into the answer.
    token: String,
    expires_in: Option<String>,
    lifetime: Duration,
}

/// None for credentials that are no token.
pub(super) fn request(auth: &Auth) -> Option<Result<TokenRequest, Refusal>> {
    match auth {
        Auth::OAuth2ClientCredentials(oauth) => Some(client_credentials(oauth)),
        Auth::TokenLogin(login) => Some(Ok(token_login(login))),
        _ => None,
    }
}

fn client_credentials(oauth: &OAuth2) -> Result<TokenRequest, Refusal> {
    let mut form = "grant_type=client_credentials".to_owned();
    let mut field = |name: &str, value: &str| {
        form.push_str(&format!("&{}={}", percent(name), percent(value)));
    };
    for (name, value) in &oauth.extra {
        field(name, value);
    }
    if let Some(scope) = &oauth.scope {
        field("scope", scope);
    }
    let mut headers = headers("application/x-www-form-urlencoded");
    if oauth.secret_in_body {
        field("client_id", &oauth.client_id);
        field("client_secret", oauth.client_secret.expose());
    } else {
        let pair =
            format!("{}:{}", percent(&oauth.client_id), percent(oauth.client_secret.expose()));
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| definite("the client id cannot be sent in a header"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(TokenRequest {
        target: oauth.token_url.clone(),
        headers,
        body: form.into(),
        token: "/access_token".to_owned(),
        expires_in: Some("/expires_in".to_owned()),
        lifetime: Duration::from_secs(LIFETIME_DEFAULT_S),
    })
}

fn token_login(login: &TokenLogin) -> TokenRequest {
    let plain = login.fields.iter().map(|(name, value)| (name, value.as_str()));
    let secret = login.secrets.iter().map(|(name, value)| (name, value.expose()));
    let body: serde_json::Map<String, serde_json::Value> =
        plain.chain(secret).map(|(name, value)| (name.clone(), value.into())).collect();
    TokenRequest {
        target: login.login_url.clone(),
        headers: headers("application/json"),
        body: serde_json::Value::Object(body).to_string().into(),
        token: login.token.clone(),
        expires_in: login.expires_in.clone(),
        lifetime: login.lifetime,
    }
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers
}

pub(super) async fn fetch(upstream: &Upstream, request: TokenRequest) -> Result<Fetched, Refusal> {
    let place = place(&request.target).to_owned();
    let asked = async {
        let _permit = match upstream.door() {
            Some(door) => Some(door.enter().await.map_err(|refused| {
                refusal(Cause::Budget(refused), "its budget is spent".to_owned())
            })?),
            None => None,
        };
        // Its time runs from here on, not from when the answer is read.
        let sent_at = Instant::now();
        let response = upstream
            .send(Method::POST, &request.target, request.headers, request.body)
            .await
            .map_err(|error| {
                let error = redact(&format!("{error:?}"));
                tracing::debug!(upstream = upstream.name(), error, "no way to the token service");
                passing(format!("the token service at {place} cannot be reached"))
            })?;
        let (status, after) = (response.status(), pause(response.status(), response.headers()));
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|_| {
                passing(format!("the answer of {place} broke off, or is longer than 256 KiB"))
            })?
            .to_bytes();
        Ok((sent_at, status, after, body))
    };
    let (sent_at, status, after, body) =
        tokio::time::timeout(upstream.timeout(), asked).await.map_err(|_| {
            passing(format!("the token service at {place} did not answer in time"))
        })??;
    if !status.is_success() {
        return Err(refused(&place, status, after, &body));
    }
    let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|_| {
        definite(format!("{place} answered {status} with something that is no JSON"))
    })?;
    let pointer = &request.token;
    let token = answer.pointer(pointer).and_then(|token| token.as_str()).ok_or_else(|| {
        definite(format!("{place} answered {status} without a text at `{pointer}`"))
    })?;
    let lifetime = request
        .expires_in
        .and_then(|pointer| answer.pointer(&pointer))
        .and_then(|seconds| seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()))
        .map_or(request.lifetime, Duration::from_secs)
        .min(LIFETIME_MAX);
    Ok(Fetched { secret: Secret::new(token), until: sent_at + useful(lifetime) })
}

/// A short-lived token is used for half its life rather than never.
fn useful(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MARGIN).max(lifetime / 2)
}

/// A 4xx is a word on the credentials, unless it is one on the moment.
fn refused(place: &str, status: StatusCode, after: Option<Duration>, body: &[u8]) -> Refusal {
    let of_the_moment = matches!(status.as_u16(), 408 | 423 | 425 | 429);
    let definite = status.is_client_error() && !of_the_moment;
    let help = match definite {
        true => "; check the credentials in `auth`, and that the client is allowed there",
        false => "",
    };
    Refusal {
        cause: if definite { Cause::Definite } else { Cause::Passing { after } },
        message: redact(&format!("{place} answered {status}{}{help}", said(body))),
        status: Some(status.as_u16()),
    }
}

/// RFC 6749, section 5.2: `error` and `error_description`; or what products write instead.
fn said(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else {
        return String::new();
    };
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| answer.get(name)?.as_str())?;
        Some(found.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect::<String>())
    };
    let words = [text(&["error"]), text(&["error_description", "message", "detail"])];
    words.into_iter().flatten().map(|word| format!(": {word}")).collect()
}

fn pause(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    Heard::of(status, headers, jiff::Timestamp::now()).refusal?.after
}

/// Without the query, which may hold anything.
fn place(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

fn refusal(cause: Cause, message: String) -> Refusal {
    Refusal { cause, message: redact(&message), status: None }
}

fn definite(message: impl Into<String>) -> Refusal {
    refusal(Cause::Definite, message.into())
}

pub(super) fn passing(message: impl Into<String>) -> Refusal {
    refusal(Cause::Passing { after: None }, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (lifetime_s, useful_ms) in [(0, 0), (3, 1_500), (12, 6_000), (60, 50_000)] {
            let useful = useful(Duration::from_secs(lifetime_s));
            assert_eq!(useful, Duration::from_millis(useful_ms), "{lifetime_s}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_service_said_and_whether_it_is_final() {
        let refused = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            refused("https://id.example/token", status, None, body.as_bytes())
        };
        let wrong =
            r#"{"error":"invalid_client","error_description":"client authentication failed"}"#;
        let refusal = refused(401, wrong);
        assert_eq!(refusal.cause, Cause::Definite);
        assert_eq!(
            refusal.message,
            "https://id.example/token answered 401 Unauthorized: invalid_client: client \
             authentication failed; check the credentials in `auth`, and that the client is allowed \
             there"
        );
        for status in [408, 425, 429, 500, 503] {
            let refusal = refused(status, "<html>");
            assert_eq!(refusal.cause, Cause::Passing { after: None }, "{status}");
            assert!(!refusal.message.contains("html"), "{}", refusal.message);
        }
    }
}
