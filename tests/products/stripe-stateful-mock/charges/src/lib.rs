//! Charges, by the HTTP client of Stripe's connector. stripe-stateful-mock has no payment intents,
//! so the connector's own operations find nothing there; what its client makes of replayed keys, of
//! `idempotency_error` and of declined cards is tried by this one.

#[expect(dead_code, reason = "a test needs a part of it")]
#[path = "../../../../../connectors/stripe/src/client.rs"]
mod client;
#[expect(dead_code, reason = "a test needs a part of them")]
#[path = "../../../../../connectors/stripe/src/objects.rs"]
mod objects;

use crossdock_sdk::form::Form;
use crossdock_sdk::{Call, Description, Fault, describe, mutation};
use exports::acme::charges::charges::{Charge, Guest, Taken};

crossdock_sdk::connector! { exports: ["acme:charges/charges@1.0.0"], wit: ["wit"] }

struct Connector;

impl exports::crossdock::core::connector::Guest for Connector {
    fn describe() -> Description {
        describe("charges", env!("CARGO_PKG_VERSION"), "Charges of Stripe's older API.")
            .upstream("stripe", "stripe-stateful-mock", &["bearer"])
            .operations([mutation("take").key_honoured_s(client::KEY_LIFETIME_S)])
    }
}

impl Guest for Connector {
    fn take(call: Call, input: Charge) -> Result<Taken, Fault> {
        let form = Form::new()
            .add("amount", input.amount.to_string())
            .add("currency", "usd")
            .add("source", input.source);
        let error = match client::post::<objects::Charge>("/v1/charges", &call, &form)? {
            Ok(charge) => return Ok(Taken::Yes(charge.id)),
            Err(error) => error,
        };
        let why = error.decline_code.as_ref().or(error.code.as_ref());
        match why.filter(|_| error.is_decline()) {
            Some(why) => Ok(Taken::Declined(why.clone())),
            None => Err(client::refused(&error)),
        }
    }
}
