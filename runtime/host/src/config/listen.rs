//! `[listen]`: the two doors of the runtime, and what a connection may cost it. Loopback unless told
//! otherwise.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{SecretSource, Span};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    pub http: SocketAddr,
    pub admin: SocketAddr,
    /// Bearer token of the admin API; needed as soon as it listens beyond loopback.
    pub admin_token: Option<SecretSource>,
    /// HTTPS on both addresses; `admin_tls` where that of the admin API differs.
    pub tls: Option<Tls>,
    pub admin_tls: Option<Tls>,
    /// Routes that take messages from anybody; `"*"` is all of them.
    pub open: Vec<String>,
    pub body_max_bytes: usize,
    /// For the head of one request, and for its body.
    pub read_timeout: Span,
    /// For a client that does not read its answer.
    pub write_timeout: Span,
    /// Bytes a second that a body must bring, and that an answer must be read with.
    pub rate_min_bytes: NonZeroU32,
    /// Between two requests on one connection.
    pub idle_timeout: Span,
    pub handshake_timeout: Span,
    /// Open at once on one listener.
    pub connections_max: NonZeroUsize,
    /// Of these, from one address.
    pub connections_per_address_max: NonZeroUsize,
}

/// A certificate with its chain, leaf first, and its key, both PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: SecretSource,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8081)),
            admin_token: None,
            tls: None,
            admin_tls: None,
            open: Vec::new(),
            body_max_bytes: 1 << 20,
            read_timeout: Span(Duration::from_secs(15)),
            write_timeout: Span(Duration::from_secs(15)),
            rate_min_bytes: NonZeroU32::new(256).unwrap_or(NonZeroU32::MIN),
            idle_timeout: Span(Duration::from_secs(60)),
            handshake_timeout: Span(Duration::from_secs(10)),
            connections_max: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
            connections_per_address_max: NonZeroUsize::new(1_000).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Listen {
    /// What the admin API is served with.
    pub fn tls_of_admin(&self) -> Option<&Tls> {
        self.admin_tls.as_ref().or(self.tls.as_ref())
    }
}
