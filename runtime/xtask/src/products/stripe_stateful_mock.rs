//! stripe-stateful-mock: how Stripe answers a repeated idempotency key, the same key with another
//! body, and a declined card. The API of 2020, charges and refunds only; localstripe has the rest.

use std::path::Path;

use anyhow::Result;

use super::Product;
use super::cache::{self, Cache};
use super::running::{Place, Program, Running};

pub const PRODUCT: Product = Product {
    name: NAME,
    says: "payment: Stripe's idempotency keys and declined cards, charges only",
    install: |cache| cache.node(NAME).map(drop),
    start,
};

const NAME: &str = "stripe-stateful-mock";
/// It takes any key of this form.
const KEY: &str = "sk_test_crossdock";

fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let port = place.port(NAME)?;
    let arguments = [
        cache::scripts(NAME).join("serve.js").display().to_string(),
        cache.node(NAME)?.display().to_string(),
        port.to_string(),
    ];
    let process = place.start(&Program {
        name: NAME,
        program: Path::new("node"),
        arguments: &arguments,
        environment: &[("LOG_LEVEL".to_owned(), "silent".to_owned())],
        answers: (port, "/"),
    })?;
    Ok(Running::of(process)
        .tells("STRIPE_MOCK_URL", format!("http://127.0.0.1:{port}"))
        .tells("STRIPE_MOCK_KEY", KEY))
}
