//! Tokens that a system gives for credentials: fetched once for everyone who waits, kept until they
//! run out, fetched again when the system refuses them.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Mutex;

use super::auth::{Auth, OAuth2, TokenLogin, percent};
use super::upstream::Upstream;
use crate::secret::{Secret, redact};

#[derive(Default)]
pub(crate) struct Tokens {
    /// Held while a token is fetched, so that the others wait for this one instead of asking too.
    current: Mutex<Option<Token>>,
}

struct Token {
    secret: Secret,
    until: Instant,
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The system refused the credentials: trying again does not help.
    pub(crate) definite: bool,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
}

const ANSWER_BYTES_MAX: usize = 256 << 10;
/// A token is not used in its last moments: it could run out under way.
const MARGIN: Duration = Duration::from_secs(10);
const LIFETIME_DEFAULT_S: u64 = 300;

impl Tokens {
    /// The current token, if this kind of credential has any.
    pub(crate) async fn get(&self, upstream: &Upstream) -> Result<Option<Secret>, Refusal> {
        let request = match upstream.auth() {
            Auth::OAuth2ClientCredentials(oauth) => client_credentials(oauth)?,
            Auth::TokenLogin(login) => token_login(login),
            _ => return Ok(None),
        };
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(Some(token.secret.clone()));
        }
        *current = None;
        let token = fetch(upstream, request).await?;
        let secret = token.secret.clone();
        *current = Some(token);
        Ok(Some(secret))
    }

    /// The system refused `used`: the next one who asks gets a new one. A token that was renewed
    /// meanwhile stays.
    pub(crate) async fn forget(&self, used: &Secret) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.secret == *used) {
            *current = None;
        }
    }

    pub(crate) async fn forget_any(&self) {
        *self.current.lock().await = None;
    }
}

struct TokenRequest<'a> {
    target: &'a str,
    headers: HeaderMap,
    body: Bytes,
    /// JSON Pointers into the answer.
    token: &'a str,
    expires_in: Option<&'a str>,
    lifetime: Duration,
}

fn client_credentials(oauth: &OAuth2) -> Result<TokenRequest<'_>, Refusal> {
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
        target: &oauth.token_url,
        headers,
        body: form.into(),
        token: "/access_token",
        expires_in: Some("/expires_in"),
        lifetime: Duration::from_secs(LIFETIME_DEFAULT_S),
    })
}

fn token_login(login: &TokenLogin) -> TokenRequest<'_> {
    let plain = login.fields.iter().map(|(name, value)| (name, value.as_str()));
    let secret = login.secrets.iter().map(|(name, value)| (name, value.expose()));
    let body: serde_json::Map<String, serde_json::Value> =
        plain.chain(secret).map(|(name, value)| (name.clone(), value.into())).collect();
    TokenRequest {
        target: &login.login_url,
        headers: headers("application/json"),
        body: serde_json::Value::Object(body).to_string().into(),
        token: &login.token,
        expires_in: login.expires_in.as_deref(),
        lifetime: login.lifetime,
    }
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers
}

async fn fetch(upstream: &Upstream, request: TokenRequest<'_>) -> Result<Token, Refusal> {
    let asked = async {
        let _permit = match upstream.door() {
            Some(door) => Some(door.enter().await.map_err(|_| passing("its budget is spent"))?),
            None => None,
        };
        let response = upstream
            .send(Method::POST, request.target, request.headers, request.body)
            .await
            .map_err(|error| passing(&format!("the token service cannot be reached: {error:?}")))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|_| passing("the token service's answer broke off or is too long"))?
            .to_bytes();
        Ok((status, body))
    };
    let (status, body) = tokio::time::timeout(upstream.timeout(), asked)
        .await
        .map_err(|_| passing("the token service did not answer in time"))??;
    if !status.is_success() {
        let refused = status.is_client_error() && status.as_u16() != 429;
        return Err(Refusal {
            definite: refused,
            message: format!("the token service answered {status}"),
            status: Some(status.as_u16()),
        });
    }
    let answer: serde_json::Value = serde_json::from_slice(&body)
        .map_err(|_| definite("the token service's answer is not JSON"))?;
    let token =
        answer.pointer(request.token).and_then(|token| token.as_str()).ok_or_else(|| {
            definite(&format!("the token service's answer holds no text at `{}`", request.token))
        })?;
    let lifetime = request
        .expires_in
        .and_then(|pointer| answer.pointer(pointer))
        .and_then(|seconds| seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()))
        .map_or(request.lifetime, Duration::from_secs);
    // A short-lived token is used for half its life rather than never.
    let useful = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
    Ok(Token { secret: Secret::new(token), until: Instant::now() + useful })
}

fn definite(message: &str) -> Refusal {
    Refusal { definite: true, message: redact(message), status: None }
}

fn passing(message: &str) -> Refusal {
    Refusal { definite: false, message: redact(message), status: None }
}
