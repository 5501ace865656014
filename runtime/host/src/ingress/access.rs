//! Who sends a message, and whether it may: API keys and signed requests against `[clients]`. A key
//! is found by its hash, so that no comparison tells how much of it was right; it is never logged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use connector::Secret;
use http::{HeaderMap, HeaderName, StatusCode, header};
use journal::Digest;
use route::Source;

use super::problem::Problem;
use super::signature::Scheme;
use super::signed::{Request, Signed};
use crate::config::{ClientHmac, Config};
use crate::limits::Caller;
use crate::running::RunningSet;

/// A shorter key could be guessed.
const KEY_BYTES_MIN: usize = 16;
/// How far the time of signing may be from now, unless configured.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Stands in `[listen]` `open` for every route.
const ALL: &str = "*";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// `[clients]` with their keys at hand, and the routes that are open to all.
pub struct Access {
    clients: BTreeMap<String, Client>,
    by_key: HashMap<Digest, String>,
    open: BTreeSet<String>,
}

struct Client {
    routes: Option<BTreeSet<String>>,
    limit: Option<String>,
    scheme: Option<Scheme>,
}

/// What the head of a request says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Nothing, and nothing is asked.
    Anybody,
    /// Nothing, where something is asked.
    Nobody,
    /// A good key.
    Client(&'a str),
    /// A name that the signature must bear out, when the body is there.
    Signs(&'a str),
    /// A key, a name or a signature that is nobody's.
    Wrong,
}

/// A configuration that lets nobody in, or everybody: the text says what to change.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file is wrong.
    #[error("{0}")]
    Wrong(String),
    /// A secret cannot be had.
    #[error("{0}")]
    Secret(String),
}

impl Access {
    pub fn new(config: &Config) -> Result<Access, AccessError> {
        let folder = config.file.parent().unwrap_or(Path::new(""));
        let mut access = Access {
            clients: BTreeMap::new(),
            by_key: HashMap::new(),
            open: config.listen.open.iter().cloned().collect(),
        };
        for (name, entry) in &config.clients {
            let place = format!(" --> {} [clients.{name}]", config.file.display());
            let secret = |reason| AccessError::Secret(format!("error[CD0030]: {reason}\n{place}"));
            let wrong = |reason: &str, help: &str| {
                AccessError::Wrong(format!("error[CD0018]: {reason}\n{place}\n  help: {help}"))
            };
            for key in entry.key.read(folder).map_err(secret)? {
                if key.expose().len() < KEY_BYTES_MIN {
                    let reason = format!(
                        "the key has fewer than {KEY_BYTES_MIN} bytes and could be guessed"
                    );
                    return Err(wrong(&reason, "make one with `openssl rand -hex 32`"));
                }
                let known = access.by_key.insert(digest(&key), name.clone());
                if let Some(other) = known.filter(|other| other != name) {
                    let reason = format!("the key is that of [clients.{other}] too");
                    return Err(wrong(&reason, "give each client a key of its own"));
                }
            }
            let scheme = match &entry.hmac {
                Some(hmac) => {
                    let secrets = hmac.secret.read(folder).map_err(secret)?;
                    let scheme = scheme(hmac, secrets);
                    Some(scheme.map_err(|reason| wrong(&reason, "correct `hmac`"))?)
                }
                None => None,
            };
            let routes = entry.routes.as_ref().map(|routes| routes.iter().cloned().collect());
            let client = Client { routes, limit: entry.limit.clone(), scheme };
            access.clients.insert(name.clone(), client);
        }
        Ok(access)
    }

    /// Without `[clients]` everybody may send, and keys of messages are nobody's.
    pub fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Who the head of a request says it is from.
    pub fn claim(&self, headers: &HeaderMap, route: &str) -> Claim<'_> {
        if !self.has_clients() {
            return Claim::Anybody;
        }
        if let Some(key) = presented_key(headers) {
            return match self.by_key.get(&Digest::of(key)) {
                Some(client) => Claim::Client(client),
                None => Claim::Wrong,
            };
        }
        if let Some(id) = headers.get(CLIENT_ID) {
            let known = id.to_str().ok().and_then(|id| self.clients.get_key_value(id));
            return match known {
                Some((name, client)) if client.scheme.is_some() => Claim::Signs(name),
                _ => Claim::Wrong,
            };
        }
        match self.open.contains(route) || self.open.contains(ALL) {
            true => Claim::Anybody,
            false => Claim::Nobody,
        }
    }

    /// Bears out a claim to sign. The reason is for the log.
    pub fn check_signature(
        &self,
        client: &str,
        request: &Request<'_>,
        now_s: u64,
    ) -> Result<(), super::signature::Refusal> {
        let scheme = self.clients.get(client).and_then(|client| client.scheme.as_ref());
        scheme.ok_or(super::signature::Refusal::NoSecret)?.check(request, now_s)
    }

    /// Of what the client signed: it is good for one message, whatever else of a request is changed.
    pub fn signed_digest(&self, client: &str, request: &Request<'_>) -> Option<Digest> {
        let scheme = self.clients.get(client)?.scheme.as_ref()?;
        Some(Digest::of_parts(scheme.signed.pieces(request)))
    }

    pub fn may_use(&self, client: &str, route: &str) -> bool {
        let routes = self.clients.get(client).map(|client| &client.routes);
        routes.is_some_and(|routes| routes.as_ref().is_none_or(|routes| routes.contains(route)))
    }

    /// The budget for all that a client sends.
    pub fn limit(&self, client: &str) -> Option<&str> {
        self.clients.get(client)?.limit.as_deref()
    }
}

/// Names that routes must bear out, and an address that everybody reaches: for `check` and `run`.
pub fn check(config: &Config, set: &RunningSet) -> Vec<String> {
    let mut problems = Vec::new();
    let taking: Vec<&str> = set
        .routes
        .iter()
        .filter(|version| matches!(version.plan.source, Source::Http(_)))
        .map(|version| version.plan.name.as_str())
        .collect();
    let file = config.file.display();
    let mut known = |place: &str, route: &str| {
        if !taking.contains(&route) {
            let help =
                crate::suggest::help(route, taking.iter().copied(), "name routes with [from.http]");
            problems.push(format!("error[CD0019]: {place} names the route `{route}`, which takes no messages by [from.http]\n --> {file}\n  help: {help}"));
        }
    };
    for (name, client) in &config.clients {
        for route in client.routes.iter().flatten() {
            known(&format!("[clients.{name}]"), route);
        }
    }
    for route in config.listen.open.iter().filter(|route| *route != ALL) {
        known("[listen] open", route);
    }
    let listen = &config.listen;
    let open = |route: &&&str| listen.open.iter().any(|open| open == ALL || open == *route);
    let shut: Vec<&str> = taking.iter().filter(|route| !open(route)).copied().collect();
    if !listen.http.ip().is_loopback() && config.clients.is_empty() && !shut.is_empty() {
        problems.push(format!(
            "error[CD0025]: messages would be taken from anybody who reaches {}: there are no [clients]\n --> {file} [listen]\n  help: add [clients.NAME] with a key for each caller, or name in `open` what anybody may send to: open = [\"{}\"]",
            listen.http, shut[0]
        ));
    }
    problems
}

/// For a request that names nobody whom we know.
pub fn unknown(claim: Claim<'_>) -> Problem {
    let detail = match claim {
        Claim::Nobody => {
            "Say who you are: `Authorization: Bearer KEY`, `X-Api-Key`, or `X-Client-Id` with a signature. Nothing was accepted."
        }
        _ => "The key or signature is not one of ours. Nothing was accepted.",
    };
    Problem::new(StatusCode::UNAUTHORIZED, "client", "The caller is not known", detail)
        .header(header::WWW_AUTHENTICATE, "Bearer")
}

pub fn forbidden(client: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-allowed",
        "The caller may not send here",
        format!("`{client}` may not use this route. Nothing was accepted."),
    )
}

/// Who is counted by a limit: a client by its name, anybody else by address.
pub fn caller<'a>(client: Option<&'a str>, address: IpAddr) -> Caller<'a> {
    client.map_or(Caller::Address(address), Caller::Client)
}

fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    const BEARER: &str = "bearer ";
    let authorization = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let bearer = authorization.and_then(|value| {
        let (scheme, key) = value.split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER.as_bytes()).then_some(key)
    });
    bearer.or_else(|| headers.get(API_KEY).map(http::HeaderValue::as_bytes))
}

fn digest(key: &Secret) -> Digest {
    Digest::of(key.expose().as_bytes())
}

fn scheme(hmac: &ClientHmac, secrets: Vec<Secret>) -> Result<Scheme, String> {
    let tolerance = hmac.tolerance.map_or(TOLERANCE, |span| span.0);
    let signed = Signed::parse(&hmac.signs, Some(&hmac.timestamp_header), tolerance)
        .map_err(|reason| format!("`signs` {reason}"))?;
    let header = hmac.header.to_ascii_lowercase().parse();
    let header = header.map_err(|_| format!("`{}` is no header", hmac.header))?;
    Ok(Scheme { secrets, header, signed })
}
