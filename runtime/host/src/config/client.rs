//! `[clients.NAME]`: who may send messages, how they prove who they are, and to which routes. It stands
//! in the configuration and not in routes, which are the same in every environment.

use serde::Deserialize;

use super::{SecretSources, Span};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// `Authorization: Bearer KEY` or `X-Api-Key: KEY`; a list while one key replaces another.
    #[serde(default)]
    pub key: SecretSources,
    /// `X-Client-Id: NAME` and a signature instead of a key.
    pub hmac: Option<ClientHmac>,
    /// Routes that it may send to; all of them when absent.
    pub routes: Option<Vec<String>>,
    /// A budget for all that it sends, beside those of the routes.
    pub limit: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientHmac {
    pub secret: SecretSources,
    /// Holds the HMAC-SHA256 of `signs`, hex or base64.
    #[serde(default = "default_header")]
    pub header: String,
    /// Holds the time of signing: Unix seconds or milliseconds, or RFC 3339.
    #[serde(default = "default_timestamp_header")]
    pub timestamp_header: String,
    /// A text with `{timestamp}`, `{method}`, `{path}`, `{body}` and `{header:NAME}`.
    #[serde(default = "default_signs")]
    pub signs: String,
    /// How far the time of signing may be from now.
    pub tolerance: Option<Span>,
}

fn default_header() -> String {
    "x-signature".to_owned()
}

fn default_timestamp_header() -> String {
    "x-timestamp".to_owned()
}

/// The path is signed too: a message for one route is none for another. And the key of the message:
/// who repeats it under another key sends no other message.
fn default_signs() -> String {
    "{timestamp}.{method}.{path}.{header:idempotency-key}.{body}".to_owned()
}
