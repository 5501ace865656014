//! Stripe as payment service: payment intents with manual capture, refunds, payouts as settlements,
//! disputes. Stripe honours `Idempotency-Key`, so the call's key goes along with each change.

mod authorisation;
mod capturing;
mod client;
mod currency;
mod events;
mod map;
mod objects;
mod settlement;
#[cfg(test)]
mod tests;

use crossdock_sdk::{Call, Description, Fault, config, describe, mutation, query};
use exports::crossdock::core::connector;
use exports::crossdock::payment::payment_inquiry::{self, GetPaymentInput, GetPaymentOutput};
use serde::Deserialize;

crossdock_sdk::connector! {
    exports: [
        "crossdock:payment/authorisation@1.0.0",
        "crossdock:payment/authorisation-probe@1.0.0",
        "crossdock:payment/capturing@1.0.0",
        "crossdock:payment/capturing-probe@1.0.0",
        "crossdock:payment/payment-inquiry@1.0.0",
        "crossdock:payment/payment-feed@1.0.0",
        "crossdock:payment/dispute-feed@1.0.0",
        "crossdock:payment/settlement-feed@1.0.0",
        "crossdock:payment/settlement-webhook@1.0.0",
        "crossdock:payment/payment-webhook@1.0.0",
    ]
}

struct Connector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The selling company of everything that comes from this account.
    company: String,
}

const CONFIG_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "required": ["company"],
  "properties": {
    "company": { "type": "string", "description": "The selling company, by its canonical id, whose Stripe account this is." }
  }
}"#;

/// How long a request that was cut off may still be under way at Stripe.
const SETTLING_MS: u64 = 2_000;

impl connector::Guest for Connector {
    fn describe() -> Description {
        let keyed = |name| mutation(name).key_honoured_s(client::KEY_LIFETIME_S);
        describe("stripe", env!("CARGO_PKG_VERSION"), "Payments, payouts and disputes by Stripe.")
            .config(CONFIG_SCHEMA)
            .upstream("stripe", "the Stripe API (https://api.stripe.com)", &["bearer", "basic"])
            .operations([
                keyed("authorise").probed(SETTLING_MS).undone_by("void-authorisation"),
                keyed("void-authorisation"),
                keyed("capture").probed(SETTLING_MS).undone_by("refund"),
                keyed("refund").probed(SETTLING_MS),
                query("probe-authorise"),
                query("probe-capture"),
                query("probe-refund"),
                query("get-payment"),
                query("list-changed-payments"),
                query("list-changed-disputes"),
                query("list-changed-settlements"),
                query("receive-settlements"),
                query("receive-payment-events"),
            ])
    }
}

impl payment_inquiry::Guest for Connector {
    fn get_payment(_call: Call, input: GetPaymentInput) -> Result<GetPaymentOutput, Fault> {
        let found = authorisation::find(&input.payment)?;
        let config: Config = config::get()?;
        Ok(match found {
            Some(intent) => GetPaymentOutput::Found(map::payment(&intent, &config.company, None)),
            None => GetPaymentOutput::Unknown,
        })
    }
}
