//! What a sandbox can be told when it starts: credentials, seed, delays, where webhooks go.
//! The credentials are made up and documented; they protect nothing.

use std::path::PathBuf;

/// A receiver of webhooks. `secret` None means the documented demo secret of the product.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub product: String,
    pub url: String,
    pub secret: Option<String>,
}

/// Everything configurable; `Default` is what the README documents.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// No delay ever ends by itself: only `POST /sandbox/advance` moves the world.
    pub manual: bool,
    pub pick_ms: u64,
    pub pack_ms: u64,
    pub ship_ms: u64,
    pub deliver_ms: u64,
    pub transit_ms: u64,
    pub payout_ms: u64,
    pub karrio_jwt_s: u64,
    pub tryton_key: String,
    pub tryton_password: String,
    pub inventree_token: String,
    pub inventree_password: String,
    pub karrio_key: String,
    pub karrio_password: String,
    pub avatax_license: String,
    pub stripe_key: String,
    pub stripe_webhook_secret: String,
    pub shopify_webhook_secret: String,
    pub webhooks: Vec<Webhook>,
    /// Where InvenTree's rows are kept while the sandbox is stopped.
    pub keep: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 1,
            manual: false,
            pick_ms: 300,
            pack_ms: 300,
            ship_ms: 300,
            deliver_ms: 600,
            transit_ms: 300,
            payout_ms: 1500,
            karrio_jwt_s: 300,
            tryton_key: "tryton_sandbox_key".into(),
            tryton_password: "tryton_sandbox_password".into(),
            inventree_token: "inventree_sandbox_token".into(),
            inventree_password: "inventree_sandbox_password".into(),
            karrio_key: "karrio_sandbox_key".into(),
            karrio_password: "karrio_sandbox_password".into(),
            avatax_license: "avatax_sandbox_license".into(),
            stripe_key: "sk_test_sandbox".into(),
            stripe_webhook_secret: "whsec_sandbox".into(),
            shopify_webhook_secret: "shpss_sandbox".into(),
            webhooks: Vec::new(),
            keep: None,
        }
    }
}
