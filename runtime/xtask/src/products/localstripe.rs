//! localstripe: Stripe's API with manual and partial captures, refunds and signed webhooks. It
//! ignores idempotency keys; `stripe-stateful-mock` knows those.

use anyhow::Result;

use super::Product;
use super::cache::{self, Cache};
use super::running::{Place, Program, Running};

pub const PRODUCT: Product = Product {
    name: "localstripe",
    says: "payment: Stripe's API, with webhooks, without idempotency keys",
    install: |cache| cache.python("localstripe").map(drop),
    start,
};

/// It takes any key of this form.
const KEY: &str = "sk_test_crossdock";
/// For who registers an address, by `POST /_config/webhooks/NAME` with `url` and `secret`.
const WEBHOOK_SECRET: &str = "whsec_crossdock";

fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let port = place.port("localstripe")?;
    let arguments = [
        cache::scripts("localstripe").join("serve.py").display().to_string(),
        port.to_string(),
        place.folder("localstripe")?.join("state.pickle").display().to_string(),
    ];
    let process = place.start(&Program {
        name: "localstripe",
        program: &cache.python("localstripe")?,
        arguments: &arguments,
        environment: &[("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())],
        answers: (port, "/js.stripe.com/v3/"),
    })?;
    Ok(Running::of(process)
        .tells("LOCALSTRIPE_URL", format!("http://127.0.0.1:{port}"))
        .tells("LOCALSTRIPE_KEY", KEY)
        .tells("LOCALSTRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET))
}
