//! The configuration as written: serde types, one for each table. Unknown keys are errors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Breaker, ClientEntry, Listen, SecretSource, SecretSources, Span};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    pub environment: String,
    pub data: PathBuf,
    pub routes: OneOrMany,
    pub contracts: OneOrMany,
    pub listen: Listen,
    pub clients: BTreeMap<String, ClientEntry>,
    pub work: Work,
    pub connectors: BTreeMap<String, ConnectorEntry>,
    pub upstreams: BTreeMap<String, Upstream>,
    pub limits: BTreeMap<String, crate::limits::Config>,
    pub retention: crate::retention::Config,
    pub retries: BTreeMap<String, super::RetryEntry>,
    pub mask: crate::mask::Config,
    pub maintenance: BTreeMap<String, super::Window>,
}

impl Default for Written {
    fn default() -> Self {
        Written {
            environment: "dev".to_owned(),
            data: ".crossdock".into(),
            routes: OneOrMany::One("routes".into()),
            contracts: OneOrMany::One("wit".into()),
            listen: Listen::default(),
            clients: BTreeMap::new(),
            work: Work::default(),
            connectors: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            limits: BTreeMap::new(),
            retention: crate::retention::Config::default(),
            retries: BTreeMap::new(),
            mask: crate::mask::Config::default(),
            maintenance: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl OneOrMany {
    pub fn into_vec(self) -> Vec<PathBuf> {
        match self {
            OneOrMany::One(path) => vec![path],
            OneOrMany::Many(paths) => paths,
        }
    }
}

/// `[work]`: how much the runtime takes on at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Work {
    /// Exchanges that run at the same time.
    pub concurrency: usize,
    /// Exchanges in memory, running or ready; beyond it callers get 503 with Retry-After.
    pub backlog_max: usize,
    /// How long a shutdown waits for calls under way.
    pub drain: Span,
    /// A call waits this long for its limit before its exchange is put back into the journal.
    pub limit_patience: Span,
    /// A polled source that was not heard of for so long is late, and the owners are told.
    pub late_after: Span,
}

impl Default for Work {
    fn default() -> Self {
        Work {
            concurrency: 64,
            backlog_max: 10_000,
            drain: Span(Duration::from_secs(30)),
            limit_patience: Span(Duration::from_secs(5)),
            late_after: Span(Duration::from_secs(300)),
        }
    }
}

/// `[connectors.ALIAS]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorEntry {
    pub component: PathBuf,
    /// The connector's own settings; it sees exactly these.
    #[serde(default)]
    pub config: toml::Table,
    /// Budget for calls of any operation.
    pub limit: Option<String>,
    /// On unless `false`; `[connectors.ALIAS.breaker]` says when it opens.
    #[serde(default)]
    pub breaker: Breaker,
    /// Calls one instance may serve; 0 is a fresh instance for each.
    #[serde(default)]
    pub reuse: u32,
    pub memory_max_bytes: Option<usize>,
    /// CPU time of one call.
    pub cpu_max: Option<Span>,
    /// Outgoing requests of one call.
    pub requests_max: Option<u32>,
    /// Upstreams under another name than the connector's own: `{ tryton = "tryton-us" }`.
    #[serde(default)]
    pub upstreams: BTreeMap<String, String>,
    pub webhook: Option<WebhookEntry>,
    /// Keys the connector may sign with by name, without seeing them.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
}

/// How the signature of a webhook is verified before any guest runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEntry {
    pub verify: WebhookVerify,
    /// A list while one secret replaces another.
    #[serde(default)]
    pub secret: SecretSources,
    /// For `hmac-sha256`: the header with the hex or base64 signature. For `token`: with the secret.
    pub header: Option<String>,
    /// For `hmac-sha256`: the header with the time of signing.
    pub timestamp_header: Option<String>,
    /// For `hmac-sha256`: what is signed; as `[clients.NAME.hmac]` `signs`.
    pub signs: Option<String>,
    /// How far the time of signing may be from now.
    pub tolerance: Option<Span>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookVerify {
    /// `Stripe-Signature: t=..,v1=..`
    Stripe,
    /// `X-Shopify-Hmac-Sha256`, base64.
    Shopify,
    /// A named header with the HMAC of the body.
    HmacSha256,
    /// A named header with the secret itself.
    Token,
    /// Anyone who reaches the port may post. Only for a network that vouches for its callers.
    None,
}

/// `[upstreams.NAME]`: a system outside, known to guests as `http://NAME/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub base_url: String,
    /// Budget for requests.
    pub limit: Option<String>,
    pub auth: Option<Auth>,
    /// The name may resolve to an address of a private network.
    #[serde(default)]
    pub private: bool,
    /// From a request to the last byte of its response.
    pub timeout: Option<Span>,
    /// PEM: certificates to trust beside the public ones.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Auth {
    None {},
    Bearer {
        token: SecretSource,
    },
    Basic {
        user: String,
        password: SecretSource,
    },
    /// `prefix` stands before the value, e.g. `"Token "`.
    Header {
        name: String,
        value: SecretSource,
        #[serde(default)]
        prefix: String,
    },
    Query {
        name: String,
        value: SecretSource,
    },
    #[serde(rename = "oauth2-client-credentials")]
    Oauth2ClientCredentials {
        token_url: String,
        client_id: String,
        client_secret: SecretSource,
        scope: Option<String>,
        /// Further fields of the form, such as `audience`.
        #[serde(default)]
        fields: BTreeMap<String, String>,
        /// The client's name and secret in the form, not in an `Authorization: Basic` header.
        #[serde(default)]
        secret_in_body: bool,
    },
    /// User and password are posted as JSON; the answer holds a token that lives for a while.
    TokenLogin {
        /// Absolute, or a path under `base_url`.
        path: String,
        #[serde(default = "default_user_field")]
        user_field: String,
        user: String,
        #[serde(default = "default_password_field")]
        password_field: String,
        password: SecretSource,
        /// JSON Pointer to the token.
        #[serde(default = "default_token")]
        token: String,
        #[serde(default = "default_token_header")]
        header: String,
        #[serde(default = "default_token_prefix")]
        prefix: String,
    },
    /// Each request carries an HMAC-SHA256 of `signs`, in hex.
    Hmac {
        header: String,
        secret: SecretSource,
        #[serde(default)]
        prefix: String,
        /// A text with `{method}`, `{path}`, `{timestamp}` and `{body}`.
        #[serde(default = "default_signs")]
        signs: String,
        timestamp_header: Option<String>,
    },
}

fn default_user_field() -> String {
    "username".to_owned()
}

fn default_password_field() -> String {
    "password".to_owned()
}

fn default_token() -> String {
    "/access".to_owned()
}

fn default_token_header() -> String {
    "Authorization".to_owned()
}

fn default_token_prefix() -> String {
    "Bearer ".to_owned()
}

fn default_signs() -> String {
    "{body}".to_owned()
}
