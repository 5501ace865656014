//! Checking addresses, by the same service. AvaTax knows those of the United States and Canada.

use crossdock_sdk::canonical::common::{Address, AddressValidation};
use crossdock_sdk::{Call, Fault};

use crate::Connector;
use crate::exports::crossdock::tms::address_validation::{
    Guest, ValidateAddressInput, ValidateAddressOutcome, ValidateAddressOutput,
};
use crate::{client, map, objects};

impl Guest for Connector {
    fn validate_address(
        _call: Call,
        input: ValidateAddressInput,
    ) -> Result<ValidateAddressOutput, Fault> {
        let asked = input.address;
        if !matches!(asked.country.as_str(), "US" | "CA") {
            return Ok(ValidateAddressOutput {
                outcome: ValidateAddressOutcome::NotChecked,
                address: asked,
                notes: Vec::new(),
            });
        }
        let found = client::resolve(&map::address(&asked))?;
        let messages = found.messages.unwrap_or_default();
        let failed = messages.iter().any(|message| message.severity.as_deref() == Some("Error"));
        let notes = messages.into_iter().filter_map(|message| message.details.or(message.summary));
        let notes = notes.collect();
        let known = found.validated_addresses.unwrap_or_default().into_iter().next();
        let Some(known) = known.filter(|_| !failed) else {
            let address = Address { validation: Some(AddressValidation::Undeliverable), ..asked };
            return Ok(ValidateAddressOutput {
                outcome: ValidateAddressOutcome::Undeliverable,
                address,
                notes,
            });
        };
        let written = written(known, &asked);
        let (outcome, validation) = match is_same(&written, &asked) {
            true => (ValidateAddressOutcome::Confirmed, AddressValidation::Confirmed),
            false => (ValidateAddressOutcome::Corrected, AddressValidation::Corrected),
        };
        let address = Address { validation: Some(validation), ..written };
        Ok(ValidateAddressOutput { outcome, address, notes })
    }
}

/// As AvaTax writes it; what it does not know stays.
fn written(known: objects::Address, asked: &Address) -> Address {
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let lines = [known.line1, known.line2, known.line3];
    Address {
        lines: lines.into_iter().filter_map(filled).collect(),
        city: filled(known.city).unwrap_or_else(|| asked.city.clone()),
        region: filled(known.region).or(asked.region.clone()),
        postal_code: filled(known.postal_code).or(asked.postal_code.clone()),
        country: filled(known.country).unwrap_or_else(|| asked.country.clone()),
        ..asked.clone()
    }
}

/// Capital letters and the rest of a ZIP+4 are no correction.
fn is_same(written: &Address, asked: &Address) -> bool {
    let text = |address: &Address| {
        let parts = [&address.lines.join(", "), &address.city];
        parts.map(|part| part.trim().to_lowercase())
    };
    let zip = |address: &Address| {
        let code = address.postal_code.clone().unwrap_or_default().to_lowercase();
        code.split('-').next().unwrap_or_default().to_owned()
    };
    text(written) == text(asked) && zip(written) == zip(asked) && written.region == asked.region
}
