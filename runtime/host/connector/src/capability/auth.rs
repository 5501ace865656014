//! Credentials of an upstream, and how each kind is put onto a request. All of it happens after the
//! request has left the guest; no guest sees any of this.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::signing::{Algorithm, sign};
use crate::cache::hex;
use crate::secret::Secret;

/// The `auth` of `[upstreams.NAME]`.
#[derive(Clone, Debug)]
pub enum Auth {
    None,
    /// `Authorization: Bearer TOKEN`.
    Bearer {
        token: Secret,
    },
    Basic {
        username: String,
        password: Secret,
    },
    /// A header of its own; `prefix` such as `Token ` goes before the value.
    Header {
        name: String,
        prefix: String,
        value: Secret,
    },
    /// A query parameter.
    Query {
        name: String,
        value: Secret,
    },
    OAuth2ClientCredentials(OAuth2),
    TokenLogin(TokenLogin),
    Hmac(HmacAuth),
}

/// RFC 6749, section 4.4.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// Absolute; or a path under `base_url`.
    pub token_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: Option<String>,
    /// Further form fields, such as `audience`.
    pub extra: BTreeMap<String, String>,
    /// The client's name and secret in the form rather than in an `Authorization: Basic` header.
    pub secret_in_body: bool,
}

/// A login that answers a token: user and password are posted as JSON.
#[derive(Clone, Debug)]
pub struct TokenLogin {
    /// Absolute; or a path under `base_url`.
    pub login_url: String,
    /// Plain fields of the JSON body.
    pub fields: BTreeMap<String, String>,
    /// Fields of the JSON body that are secret.
    pub secrets: BTreeMap<String, Secret>,
    /// JSON Pointer to the token in the answer, such as `/access`.
    pub token: String,
    /// JSON Pointer to its lifetime in seconds, if the answer says.
    pub expires_in: Option<String>,
    /// How long a token lives if the answer does not say.
    pub lifetime: Duration,
    /// The header that carries the token, and what stands before it.
    pub header: String,
    pub prefix: String,
}

/// Each request carries a keyed digest.
#[derive(Clone, Debug)]
pub struct HmacAuth {
    pub secret: Secret,
    pub algorithm: Algorithm,
    pub header: String,
    /// Before the digest, such as `sha256=`.
    pub prefix: String,
    pub encoding: Encoding,
    /// What is signed: a text with `{method}`, `{path}` (with query), `{timestamp}` (seconds) and
    /// `{body}`.
    pub signs: String,
    /// The header that carries the timestamp, if it is signed.
    pub timestamp_header: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

impl Auth {
    /// As in configuration and in `describe`.
    pub fn kind(&self) -> &'static str {
        match self {
            Auth::None => "none",
            Auth::Bearer { .. } => "bearer",
            Auth::Basic { .. } => "basic",
            Auth::Header { .. } => "header",
            Auth::Query { .. } => "query",
            Auth::OAuth2ClientCredentials(_) => "oauth2-client-credentials",
            Auth::TokenLogin(_) => "token-login",
            Auth::Hmac(_) => "hmac",
        }
    }

    pub const KINDS: [&'static str; 8] = [
        "none",
        "bearer",
        "basic",
        "header",
        "query",
        "oauth2-client-credentials",
        "token-login",
        "hmac",
    ];

    /// The header that is the host's alone; what a guest sets there is dropped.
    pub(crate) fn header(&self) -> Option<HeaderName> {
        let name = match self {
            Auth::Header { name, .. } => name,
            Auth::TokenLogin(login) => &login.header,
            Auth::Hmac(hmac) => &hmac.header,
            _ => return None,
        };
        HeaderName::from_bytes(name.as_bytes()).ok()
    }

    /// What is wrong with it, if anything; checked when the upstream is made.
    pub(crate) fn check(&self) -> Result<(), String> {
        let header = |name: &str| match HeaderName::from_bytes(name.as_bytes()) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("`{name}` is not a header name")),
        };
        match self {
            Auth::Header { name, .. } => header(name),
            Auth::TokenLogin(login) => header(&login.header),
            Auth::Hmac(hmac) => {
                header(&hmac.header)?;
                hmac.timestamp_header.as_deref().map_or(Ok(()), header)
            }
            _ => Ok(()),
        }
    }
}

/// A request on its way out, as the credentials see it.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    /// With the query, which credentials may add to.
    pub(crate) path: &'a mut String,
    pub(crate) headers: &'a mut HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Auth {
    /// Puts credentials onto a request. `token` is the current one where the kind has tokens.
    pub(crate) fn apply(
        &self,
        token: Option<&Secret>,
        request: Outgoing<'_>,
        now: jiff::Timestamp,
    ) -> Result<(), String> {
        match self {
            Auth::None => Ok(()),
            Auth::Bearer { token } => {
                put(request.headers, AUTHORIZATION, &format!("Bearer {}", token.expose()))
            }
            Auth::Basic { username, password } => {
                put(request.headers, AUTHORIZATION, basic(username, password).expose())
            }
            Auth::Header { name, prefix, value } => {
                put(request.headers, named(name)?, &format!("{prefix}{}", value.expose()))
            }
            Auth::Query { name, value } => {
                let separator = if request.path.contains('?') { '&' } else { '?' };
                request.path.push(separator);
                request.path.push_str(&percent(name));
                request.path.push('=');
                request.path.push_str(&percent(value.expose()));
                Ok(())
            }
            Auth::OAuth2ClientCredentials(_) => {
                let token = token.ok_or("no token")?;
                put(request.headers, AUTHORIZATION, &format!("Bearer {}", token.expose()))
            }
            Auth::TokenLogin(login) => {
                let token = token.ok_or("no token")?;
                let value = format!("{}{}", login.prefix, token.expose());
                put(request.headers, named(&login.header)?, &value)
            }
            Auth::Hmac(hmac) => {
                let timestamp = now.as_second().to_string();
                let signed = hmac.signed(&request, &timestamp);
                let digest = sign(hmac.algorithm, &hmac.secret, &signed);
                let digest = match hmac.encoding {
                    Encoding::Hex => hex(&digest),
                    Encoding::Base64 => STANDARD.encode(digest),
                };
                if let Some(header) = &hmac.timestamp_header {
                    put(request.headers, named(header)?, &timestamp)?;
                }
                put(request.headers, named(&hmac.header)?, &format!("{}{digest}", hmac.prefix))
            }
        }
    }
}

impl HmacAuth {
    /// The body goes in as bytes, whatever they are.
    fn signed(&self, request: &Outgoing<'_>, timestamp: &str) -> Vec<u8> {
        let mut signed = Vec::with_capacity(self.signs.len() + request.body.len());
        for (at, part) in self.signs.split("{body}").enumerate() {
            if at > 0 {
                signed.extend_from_slice(request.body);
            }
            let part = part
                .replace("{method}", request.method.as_str())
                .replace("{path}", request.path)
                .replace("{timestamp}", timestamp);
            signed.extend_from_slice(part.as_bytes());
        }
        signed
    }
}

/// The value of `Authorization: Basic`, itself a secret: it is the password in another dress.
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
    Secret::new(format!("Basic {encoded}"))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(crate) fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

fn named(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header name"))
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), String> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| "the credential holds characters that no header can".to_owned())?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(auth: &Auth, token: Option<&Secret>) -> (String, HeaderMap) {
        let (mut path, mut headers) = ("/v1/x?a=b".to_owned(), HeaderMap::new());
        let request =
            Outgoing { method: &Method::POST, path: &mut path, headers: &mut headers, body: b"{}" };
        auth.apply(token, request, jiff::Timestamp::from_second(1_700_000_000).unwrap()).unwrap();
        (path, headers)
    }

    #[test]
    fn each_kind_puts_its_credential_where_it_belongs() {
        let secret = || Secret::new("p4ss word&");
        let header = |auth: Auth, name: &str| {
            applied(&auth, Some(&Secret::new("t0ken-t0ken"))).1[name].to_str().unwrap().to_owned()
        };
        assert_eq!(header(Auth::Bearer { token: secret() }, "authorization"), "Bearer p4ss word&");
        assert_eq!(
            header(Auth::Basic { username: "u".into(), password: secret() }, "authorization"),
            "Basic dTpwNHNzIHdvcmQm"
        );
        let token =
            Auth::Header { name: "Authorization".into(), prefix: "Token ".into(), value: secret() };
        assert_eq!(header(token, "authorization"), "Token p4ss word&");
        let query = Auth::Query { name: "key".into(), value: secret() };
        assert_eq!(applied(&query, None).0, "/v1/x?a=b&key=p4ss%20word%26");
    }

    #[test]
    fn an_hmac_signs_what_the_template_says() {
        let key = Secret::new("keykeykey");
        let auth = Auth::Hmac(HmacAuth {
            secret: key.clone(),
            algorithm: Algorithm::HmacSha256,
            header: "x-signature".into(),
            prefix: "v1=".into(),
            encoding: Encoding::Hex,
            signs: "{timestamp}.{method}.{path}.{body}".into(),
            timestamp_header: Some("x-time".into()),
        });
        let (_, headers) = applied(&auth, None);
        let signed = b"1700000000.POST./v1/x?a=b.{}";
        let expected = format!("v1={}", hex(&sign(Algorithm::HmacSha256, &key, signed)));
        assert_eq!(headers["x-signature"], expected);
        assert_eq!(headers["x-time"], "1700000000");
        assert!(!format!("{headers:?}").contains(&expected), "the header is marked sensitive");
    }
}
