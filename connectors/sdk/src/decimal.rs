//! Exact decimals: the `decimal` of the contracts, and amounts in the minor unit of a currency, as
//! payment systems count them. Floats never carry money.

use std::str::FromStr;

pub use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use crate::{Fault, Money};

/// A contract decimal, which the host has checked.
pub fn parse(text: &str) -> Result<Decimal, Fault> {
    Decimal::from_str(text).map_err(|_| Fault::input(format!("`{text}` is not a decimal")))
}

/// The plain form of a contract decimal.
pub fn text(decimal: Decimal) -> String {
    decimal.normalize().to_string()
}

/// A number that a product wrote as JSON, whether as a number or as a string, by its digits.
pub fn from_json(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        // Tryton: {"__class__": "Decimal", "decimal": "10.50"}.
        Value::Object(fields) => fields.get("decimal")?.as_str()?.to_owned(),
        _ => return None,
    };
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// Digits after the point in ISO 4217.
pub fn exponent(currency: &str) -> u32 {
    match currency.to_ascii_uppercase().as_str() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// An amount in minor units (10.50 with 2 digits is 1050). More digits than the currency has are
/// refused, not rounded.
pub fn to_minor(amount: Decimal, digits: u32) -> Result<i64, Fault> {
    let refused = || {
        Fault::input(format!(
            "the amount {amount} has more than {digits} digits after the point, or is too large"
        ))
    };
    let scaled = amount.checked_mul(Decimal::from(10_i64.pow(digits))).ok_or_else(refused)?;
    if !scaled.fract().is_zero() {
        return Err(refused());
    }
    i64::try_from(scaled.trunc()).map_err(|_| refused())
}

/// Minor units as an amount: 1050 with 2 digits is 10.50.
pub fn from_minor(minor: i64, digits: u32) -> Decimal {
    Decimal::new(minor, digits)
}

pub fn money(amount: Decimal, currency: &str) -> Money {
    Money { amount: text(amount), currency: currency.to_ascii_uppercase() }
}

/// Rounds a total to the minor unit of its currency, half away from zero, as invoices do.
pub fn round_total(amount: Decimal, currency: &str) -> Decimal {
    amount.round_dp_with_strategy(exponent(currency), RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_exact() {
        let check = |amount: &str, currency: &str, expect: Option<i64>| {
            let minor = to_minor(parse(amount).unwrap(), exponent(currency)).ok();
            assert_eq!(minor, expect, "{amount} {currency}");
        };
        check("10.50", "EUR", Some(1050));
        check("10.500", "EUR", Some(1050));
        check("10.505", "EUR", None);
        check("0.1", "USD", Some(10));
        check("-3", "USD", Some(-300));
        check("1200", "JPY", Some(1200));
        check("1200.5", "JPY", None);
        check("1.234", "KWD", Some(1234));
        check("99999999999999999999", "USD", None);
        assert_eq!(text(from_minor(1050, 2)), "10.5");
        assert_eq!(text(from_minor(5, 3)), "0.005");
    }

    #[test]
    fn product_numbers_keep_their_digits() {
        let read = |text: &str| from_json(&serde_json::from_str(text).unwrap()).map(super::text);
        assert_eq!(read("10.10").as_deref(), Some("10.1"));
        assert_eq!(read("\"0.30\"").as_deref(), Some("0.3"));
        assert_eq!(read(r#"{"__class__": "Decimal", "decimal": "7.00"}"#).as_deref(), Some("7"));
        assert_eq!(read("null"), None);
    }
}
