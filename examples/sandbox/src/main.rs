//! `sandbox --listen 127.0.0.1:9000`: plays the products until interrupted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sandbox::{Options, Sandbox, Webhook};
use tokio::signal::unix::{SignalKind, signal};

/// Plays the HTTP APIs of Tryton, InvenTree, Karrio, AvaTax and Stripe, for demos and tests.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; loopback only. Port 0 takes any free port.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Nothing moves by itself: only POST /sandbox/advance moves the world.
    #[arg(long)]
    manual: bool,
    #[arg(long, default_value_t = Options::default().pick_ms)]
    pick_ms: u64,
    #[arg(long, default_value_t = Options::default().pack_ms)]
    pack_ms: u64,
    #[arg(long, default_value_t = Options::default().ship_ms)]
    ship_ms: u64,
    #[arg(long, default_value_t = Options::default().deliver_ms)]
    deliver_ms: u64,
    #[arg(long, default_value_t = Options::default().transit_ms)]
    transit_ms: u64,
    #[arg(long, default_value_t = Options::default().payout_ms)]
    payout_ms: u64,
    #[arg(long, default_value_t = Options::default().karrio_jwt_s)]
    karrio_jwt_s: u64,
    /// Keeps what InvenTree knows in this file while the sandbox is stopped.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Where a product's webhooks go: PRODUCT=URL, for stripe, shopify or karrio.
    #[arg(long = "webhook", value_name = "PRODUCT=URL")]
    webhooks: Vec<String>,
    /// The secret of a product's webhooks: PRODUCT=SECRET.
    #[arg(long = "secret", value_name = "PRODUCT=SECRET")]
    secrets: Vec<String>,
    #[arg(long, env = "TRYTON_KEY", hide_env_values = true)]
    tryton_key: Option<String>,
    #[arg(long, env = "TRYTON_PASSWORD", hide_env_values = true)]
    tryton_password: Option<String>,
    #[arg(long, env = "INVENTREE_TOKEN", hide_env_values = true)]
    inventree_token: Option<String>,
    #[arg(long, env = "KARRIO_KEY", hide_env_values = true)]
    karrio_key: Option<String>,
    #[arg(long, env = "AVATAX_LICENSE", hide_env_values = true)]
    avatax_license: Option<String>,
    #[arg(long, env = "STRIPE_KEY", hide_env_values = true)]
    stripe_key: Option<String>,
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    stripe_webhook_secret: Option<String>,
    #[arg(long, env = "SHOPIFY_WEBHOOK_SECRET", hide_env_values = true)]
    shopify_webhook_secret: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let listen = arguments.listen;
    let options = match arguments.options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("sandbox: {why}");
            return ExitCode::from(2);
        }
    };
    let handle = match Sandbox::start(listen, options).await {
        Ok(handle) => handle,
        Err(error) => {
            eprintln!("sandbox: cannot listen on {listen}: {error}; choose another with --listen");
            return ExitCode::from(3);
        }
    };
    println!("sandbox listening on {}", handle.address());
    if interrupted().await.is_err() {
        eprintln!("sandbox: cannot wait for an interrupt");
        return ExitCode::from(3);
    }
    if let Err(error) = handle.stop().await {
        eprintln!("sandbox: what InvenTree knows cannot be kept: {error}; see --keep");
        return ExitCode::from(3);
    }
    ExitCode::SUCCESS
}

/// Ctrl-C, or whoever started us has had enough.
async fn interrupted() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

impl Arguments {
    fn options(self) -> Result<Options, String> {
        let default = Options::default();
        let secrets = pairs(&self.secrets, "--secret")?;
        let webhooks = pairs(&self.webhooks, "--webhook")?;
        for (product, _) in webhooks.iter().chain(&secrets) {
            if !matches!(product.as_str(), "stripe" | "shopify" | "karrio") {
                return Err(format!("{product} sends no webhooks: stripe, shopify and karrio do"));
            }
        }
        let secret_of = |product: &str| {
            let found = secrets.iter().find(|(name, _)| name == product);
            found.map(|(_, secret)| secret.clone())
        };
        Ok(Options {
            seed: self.seed,
            manual: self.manual,
            pick_ms: self.pick_ms,
            pack_ms: self.pack_ms,
            ship_ms: self.ship_ms,
            deliver_ms: self.deliver_ms,
            transit_ms: self.transit_ms,
            payout_ms: self.payout_ms,
            karrio_jwt_s: self.karrio_jwt_s,
            tryton_key: self.tryton_key.unwrap_or(default.tryton_key),
            tryton_password: self.tryton_password.unwrap_or(default.tryton_password),
            inventree_token: self.inventree_token.unwrap_or(default.inventree_token),
            inventree_password: default.inventree_password,
            karrio_key: self.karrio_key.unwrap_or(default.karrio_key),
            karrio_password: default.karrio_password,
            avatax_license: self.avatax_license.unwrap_or(default.avatax_license),
            stripe_key: self.stripe_key.unwrap_or(default.stripe_key),
            stripe_webhook_secret: self
                .stripe_webhook_secret
                .unwrap_or(default.stripe_webhook_secret),
            shopify_webhook_secret: self
                .shopify_webhook_secret
                .unwrap_or(default.shopify_webhook_secret),
            webhooks: webhooks
                .into_iter()
                .map(|(product, url)| Webhook { secret: secret_of(&product), product, url })
                .collect(),
            keep: self.keep,
        })
    }
}

fn pairs(given: &[String], flag: &str) -> Result<Vec<(String, String)>, String> {
    given
        .iter()
        .map(|text| {
            let (product, value) = text
                .split_once('=')
                .ok_or_else(|| format!("{flag} wants PRODUCT=VALUE, not {text}"))?;
            Ok((product.to_owned(), value.to_owned()))
        })
        .collect()
}
