//! The business types by short paths, and the few helpers that every mapping needs.

pub use crate::wit::crossdock::canonical::*;

use crate::{Decimal, Fault, Identity, Reference, decimal};
use common::{Attribute, PaymentMethod, Quantity, UnitPrice};

/// UN/ECE code of a piece, the unit of systems that know no other.
pub const PIECE: &str = "C62";

/// A number under which a system knows an object, by the name of its canonical type.
pub fn reference(system: &str, object: &str, id: impl Into<String>) -> Reference {
    Reference { system: system.into(), object: object.into(), id: id.into() }
}

/// The number under which a system knows an object.
pub fn id_in<'a>(references: &'a [Reference], system: &str, object: &str) -> Option<&'a str> {
    let found = references.iter().find(|known| known.system == system && known.object == object);
    found.map(|known| known.id.as_str())
}

impl Identity {
    pub fn id_in(&self, system: &str, object: &str) -> Option<&str> {
        id_in(&self.references, system, object)
    }
}

pub fn attribute(name: &str, value: impl Into<String>) -> Attribute {
    Attribute { name: name.into(), value: value.into() }
}

pub fn attribute_of<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.name == name);
    found.map(|attribute| attribute.value.as_str())
}

pub fn quantity(value: Decimal, unit: &str) -> Quantity {
    Quantity { value: decimal::text(value), unit: unit.into() }
}

/// So much for one of the unit.
pub fn price_of_one(amount: Decimal, currency: &str, unit: &str) -> UnitPrice {
    UnitPrice { amount: decimal::money(amount, currency), per: quantity(Decimal::ONE, unit) }
}

/// The price of one unit, for systems that know no "per 100".
pub fn price_each(price: &UnitPrice) -> Result<Decimal, Fault> {
    let amount = decimal::parse(&price.amount.amount)?;
    let per = decimal::parse(&price.per.value)?;
    let each = amount.checked_div(per);
    each.ok_or_else(|| Fault::input(format!("a price per {} {}", price.per.value, price.per.unit)))
}

/// Products write units in their own words; everything that is no known word is passed on as it is.
pub fn unit_of(word: &str) -> &str {
    match word.to_ascii_lowercase().as_str() {
        "" | "u" | "unit" | "pcs" | "pc" | "piece" | "each" | "ea" => PIECE,
        "dz" | "dozen" => "DZN",
        "kg" | "kilogram" => "KGM",
        "g" | "gram" => "GRM",
        "lb" | "pound" => "LBR",
        "oz" | "ounce" => "ONZ",
        "m" | "meter" | "metre" => "MTR",
        "cm" | "centimeter" | "centimetre" => "CMT",
        "in" | "inch" => "INH",
        "l" | "liter" | "litre" => "LTR",
        _ => word,
    }
}

pub fn payment_method(word: &str) -> PaymentMethod {
    match word {
        "card" | "credit_card" => PaymentMethod::Card,
        "customer_balance" | "bank_transfer" => PaymentMethod::BankTransfer,
        "us_bank_account" | "sepa_debit" | "bacs_debit" => PaymentMethod::DirectDebit,
        "link" | "paypal" | "apple_pay" | "google_pay" => PaymentMethod::Wallet,
        other => PaymentMethod::Other(other.to_owned()),
    }
}
