//! Karrio as TMS: rates, labels, tracking. It honours no idempotency key: a shipment is found by its
//! `reference`, our shipment's id.

mod booking;
mod client;
mod feed;
mod objects;
#[cfg(test)]
mod tests;
mod tracking;

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::{Address, AddressValidation, Contact};
use crossdock_sdk::{Call, Description, Fault, describe, mutation, query};
use exports::crossdock::core::connector;
use exports::crossdock::tms::address_validation::{
    self, ValidateAddressInput, ValidateAddressOutcome, ValidateAddressOutput,
};
use serde::Deserialize;
use serde_json::json;

crossdock_sdk::connector! {
    exports: [
        "crossdock:tms/address-validation@1.0.0",
        "crossdock:tms/freight-quoting@1.0.0",
        "crossdock:tms/carrier-booking@1.0.0",
        "crossdock:tms/carrier-booking-probe@1.0.0",
        "crossdock:tms/tracking@1.0.0",
        "crossdock:tms/tracking-feed@1.0.0",
        "crossdock:tms/tracking-webhook@1.0.0",
    ]
}

struct Connector;

pub const SYSTEM: &str = "karrio";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The company whose goods these are, by its canonical id.
    pub company: String,
    /// The name on the label as sender.
    #[serde(default)]
    pub sender: Option<String>,
    /// Where goods leave from, when neither shipment nor `sites` says it.
    #[serde(default)]
    pub ship_from: Option<WrittenAddress>,
    /// Addresses of the sites.
    #[serde(default)]
    pub sites: BTreeMap<String, WrittenAddress>,
    /// The weight of a package that nobody weighed.
    #[serde(default = "one")]
    pub default_weight_kg: String,
    #[serde(default = "pdf")]
    pub label_type: String,
    /// In which prices are compared: an offer in another currency comes after all that are in it.
    #[serde(default = "dollar")]
    pub currency: String,
    /// How long a tracker without news is followed.
    #[serde(default = "sixty")]
    pub follow_days: u32,
    /// Karrio's test mode: no label costs anything. An API key has a mode of its own, which wins.
    #[serde(default)]
    pub test_mode: bool,
}

/// An address as an admin writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAddress {
    /// The name on the label as sender, where it is another than `sender`.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    email: Option<String>,
    lines: Vec<String>,
    city: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    postal_code: Option<String>,
    country: String,
}

impl WrittenAddress {
    pub fn contact(&self) -> Contact {
        Contact { name: None, email: self.email.clone(), phone: self.phone.clone(), language: None }
    }

    pub fn address(&self) -> Address {
        Address {
            lines: self.lines.clone(),
            city: self.city.clone(),
            region: self.region.clone(),
            postal_code: self.postal_code.clone(),
            country: self.country.clone(),
            time_zone: None,
            residential: None,
            validation: None,
        }
    }
}

fn one() -> String {
    "1".into()
}

fn sixty() -> u32 {
    60
}

fn pdf() -> String {
    "PDF".into()
}

fn dollar() -> String {
    "USD".into()
}

/// A shipment is found as soon as it is created; what was cut off may still be at the carrier's.
const SETTLING_MS: u64 = 10_000;

impl connector::Guest for Connector {
    fn describe() -> Description {
        let looked_up = |name| mutation(name).looked_up();
        describe(SYSTEM, env!("CARGO_PKG_VERSION"), "Carriers, labels and tracking by Karrio.")
            .config(include_str!("../config.schema.json"))
            .upstream("karrio", "the Karrio API", &["header", "token-login", "bearer"])
            .operations([
                query("validate-address"),
                query("quote-freight"),
                looked_up("book-carrier").probed(SETTLING_MS).undone_by("cancel-booking"),
                looked_up("cancel-booking"),
                query("probe-book-carrier"),
                query("track-shipment"),
                query("poll-tracking"),
                query("receive-tracking"),
            ])
    }
}

impl address_validation::Guest for Connector {
    /// Karrio checks an address when it is written into its address book: it is taken out again.
    fn validate_address(
        _call: Call,
        input: ValidateAddressInput,
    ) -> Result<ValidateAddressOutput, Fault> {
        let asked = booking::address(&input.address, None, None);
        let mut body = json!(asked);
        body["validate_location"] = true.into();
        let answer = client::ask::<objects::Address>("/v1/addresses", &body, &client::NOBODY)?;
        if let Ok(objects::Address { id: Some(id), .. }) = &answer {
            client::discard(&client::path("addresses", id, ""))?;
        }
        let (outcome, note) = match answer.map(|address| address.validation) {
            Ok(None) => (ValidateAddressOutcome::NotChecked, None),
            Ok(Some(checked)) => match checked.success {
                true => (ValidateAddressOutcome::Confirmed, checked.message),
                false => (ValidateAddressOutcome::Undeliverable, checked.message),
            },
            Err(answer) => {
                let nobody = client::NOBODY.contains(&answer.status);
                let outcome = match nobody {
                    true => ValidateAddressOutcome::NotChecked,
                    false => ValidateAddressOutcome::Undeliverable,
                };
                (outcome, Some(answer.refusal.message))
            }
        };
        let validation = match outcome {
            ValidateAddressOutcome::Confirmed => Some(AddressValidation::Confirmed),
            ValidateAddressOutcome::Undeliverable => Some(AddressValidation::Undeliverable),
            _ => None,
        };
        Ok(ValidateAddressOutput {
            outcome,
            address: Address { validation, ..input.address },
            notes: note.into_iter().filter(|note| !note.is_empty()).collect(),
        })
    }
}
