//! oidc-provider: tokens by client credentials that live for seconds, and a small resource beside it
//! that takes no request without one. What it counts shows how often the host asks for tokens.

use std::path::Path;

use anyhow::Result;

use super::Product;
use super::cache::{self, Cache};
use super::running::{Place, Program, Running};

pub const PRODUCT: Product = Product {
    name: NAME,
    says: "identity: OAuth 2.0 tokens that live for seconds, and a resource that asks for them",
    install: |cache| cache.node(NAME).map(drop),
    start,
};

const NAME: &str = "oidc";
const CLIENT: &str = "crossdock";
/// It protects nothing.
const SECRET: &str = "secret-of-crossdock-at-oidc";
/// The host uses a token for half of so short a life.
const LIFETIME_S: u32 = 4;

fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let (port, resource) = (place.port(NAME)?, place.port("oidc-resource")?);
    let arguments = [
        cache::scripts(NAME).join("serve.mjs").display().to_string(),
        cache.node(NAME)?.display().to_string(),
        port.to_string(),
        resource.to_string(),
        CLIENT.to_owned(),
        SECRET.to_owned(),
        LIFETIME_S.to_string(),
    ];
    let process = place.start(&Program {
        name: NAME,
        program: Path::new("node"),
        arguments: &arguments,
        environment: &[],
        answers: (port, "/.well-known/openid-configuration"),
    })?;
    Ok(Running::of(process)
        .tells("OIDC_URL", format!("http://127.0.0.1:{port}"))
        .tells("OIDC_CLIENT", CLIENT)
        .tells("OIDC_SECRET", SECRET)
        .tells("OIDC_LIFETIME_S", LIFETIME_S.to_string())
        .tells("OIDC_RESOURCE_URL", format!("http://127.0.0.1:{resource}")))
}
