//! A system that connectors may call: its address, its credentials, its pooled connections. Guests
//! know it by name only (`http://NAME/path`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::auth::{Auth, basic, percent};
use super::door::Door;
use super::knocks::Knocks;
use super::resolver::Resolver;
use super::token::Tokens;
use crate::secret::Secret;

/// `[upstreams.NAME]`, read and with its secrets at hand.
pub struct UpstreamOptions {
    /// `http` or `https`, with a path or without, without a query.
    pub base_url: String,
    pub auth: Auth,
    /// The budget that every request to this system passes.
    pub door: Option<Arc<dyn Door>>,
    /// The name in `base_url` may resolve to an address of a private network. Not needed for an
    /// address written literally, nor for `localhost`.
    pub private: bool,
    /// PEM: certificates to trust beside the public ones.
    pub ca: Option<Vec<u8>>,
    pub connect_timeout: Duration,
    /// From the request to the last byte of its response.
    pub timeout: Duration,
}

impl UpstreamOptions {
    pub fn new(base_url: impl Into<String>, auth: Auth) -> UpstreamOptions {
        UpstreamOptions {
            base_url: base_url.into(),
            auth,
            door: None,
            private: false,
            ca: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    #[error("`{name}` is not a name for an upstream: lower-case letters, digits and `-`")]
    Name { name: String },
    #[error("`base_url` of upstream `{name}`: {reason}")]
    BaseUrl { name: String, reason: String },
    #[error("`auth` of upstream `{name}`: {reason}")]
    Auth { name: String, reason: String },
    #[error("`ca` of upstream `{name}`: {reason}")]
    Ca { name: String, reason: String },
}

pub struct Upstream {
    name: String,
    base: Base,
    auth: Auth,
    door: Option<Arc<dyn Door>>,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    pub(crate) tokens: Tokens,
    /// With credentials that are no token.
    pub(crate) knocks: Knocks,
    /// Other dresses of the secrets, kept so that they are found and taken out of texts.
    _disguises: Vec<Secret>,
}

#[derive(Clone, Debug)]
struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    path: String,
}

const IDLE_CONNECTIONS_MAX: usize = 32;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

impl Upstream {
    pub fn new(name: &str, options: UpstreamOptions) -> Result<Arc<Upstream>, UpstreamError> {
        let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(of_name) {
            return Err(UpstreamError::Name { name: name.to_owned() });
        }
        let base = Base::parse(&options.base_url)
            .map_err(|reason| UpstreamError::BaseUrl { name: name.to_owned(), reason })?;
        options
            .auth
            .check()
            .map_err(|reason| UpstreamError::Auth { name: name.to_owned(), reason })?;
        let mut tcp = HttpConnector::new_with_resolver(Resolver { private: options.private });
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.connect_timeout));
        let trust = trust(options.ca.as_deref())
            .map_err(|reason| UpstreamError::Ca { name: name.to_owned(), reason })?;
        let tls = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(trust)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(tls);
        Ok(Arc::new(Upstream {
            name: name.to_owned(),
            base,
            _disguises: disguises(&options.auth),
            auth: options.auth,
            door: options.door,
            timeout: options.timeout,
            client,
            tokens: Tokens::default(),
            knocks: Knocks::default(),
        }))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// As in `auth = { kind = ".." }`.
    pub fn auth_kind(&self) -> &'static str {
        self.auth.kind()
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) fn door(&self) -> Option<&Arc<dyn Door>> {
        self.door.as_ref()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request to a path of this system, or to an absolute address (of a token service). No
    /// redirect is followed.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, SendError> {
        let uri = self.base.uri(target).map_err(SendError::Target)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.client.request(request).await.map_err(SendError::Client)
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("base", &self.base)
            .field("auth", &self.auth.kind())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) enum SendError {
    Target(String),
    Client(hyper_util::client::legacy::Error),
}

impl Base {
    fn parse(base_url: &str) -> Result<Base, String> {
        let uri: Uri = base_url.parse().map_err(|_| format!("`{base_url}` is not an address"))?;
        let parts = uri.into_parts();
        let scheme = match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTP || scheme == Scheme::HTTPS => scheme,
            _ => return Err("it starts neither with http:// nor with https://".to_owned()),
        };
        let authority = parts.authority.ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("credentials belong into `auth`, not into the address".to_owned());
        }
        let path = parts.path_and_query.as_ref().map_or("", |path| path.path());
        if parts.path_and_query.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err("it has a query; connectors add their own".to_owned());
        }
        Ok(Base { scheme, authority, path: path.trim_end_matches('/').to_owned() })
    }

    /// `/path` is joined to the base; `https://..` stands by itself.
    fn uri(&self, target: &str) -> Result<Uri, String> {
        if target.starts_with("http://") || target.starts_with("https://") {
            return target.parse().map_err(|_| format!("`{target}` is not an address"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{slash}{target}", self.path))
            .build()
            .map_err(|_| "the path cannot be part of an address".to_owned())
    }
}

/// The public certificate authorities, and those of a PEM file beside them.
fn trust(ca: Option<&[u8]>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = ca {
        let mut own = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("it is no PEM: {error:?}"))?;
            roots.add(certificate).map_err(|error| format!("it cannot be trusted: {error}"))?;
            own += 1;
        }
        if own == 0 {
            return Err("it holds no certificate (`-----BEGIN CERTIFICATE-----`)".to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The forms in which a configured secret could come back: percent-encoded in an address, base64 in
/// a header.
fn disguises(auth: &Auth) -> Vec<Secret> {
    let encoded = |secret: &Secret| Secret::new(percent(secret.expose()));
    match auth {
        Auth::Basic { username, password } => {
            let header = basic(username, password);
            let bare = header.expose().trim_start_matches("Basic ").to_owned();
            vec![header, Secret::new(bare)]
        }
        Auth::Query { value, .. } => vec![encoded(value)],
        Auth::OAuth2ClientCredentials(oauth) => {
            let header = basic(&oauth.client_id, &oauth.client_secret);
            let bare = header.expose().trim_start_matches("Basic ").to_owned();
            vec![header, Secret::new(bare), encoded(&oauth.client_secret)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_the_base() {
        let base = Base::parse("http://127.0.0.1:9000/tryton/").unwrap();
        assert_eq!(base.uri("/x?a=b").unwrap(), "http://127.0.0.1:9000/tryton/x?a=b");
        assert_eq!(base.uri("https://login.example/t").unwrap(), "https://login.example/t");
        let bare = Base::parse("https://api.example").unwrap();
        assert_eq!(bare.uri("/v1").unwrap(), "https://api.example/v1");
    }

    #[test]
    fn an_address_that_cannot_be_one_is_refused_with_the_reason() {
        for (url, reason) in [
            ("ftp://x", "neither"),
            ("x/y", "not an address"),
            ("/y", "neither"),
            ("http://user:password@x", "auth"),
            ("http://x/?q=1", "query"),
        ] {
            let refused = Base::parse(url).unwrap_err();
            assert!(refused.contains(reason), "{url}: {refused}");
        }
        let refused = Upstream::new("Bad_Name", UpstreamOptions::new("http://x", Auth::None));
        assert!(matches!(refused, Err(UpstreamError::Name { .. })));
    }
}
