//! Stripe's minor units: those of ISO 4217 but for a few currencies that Stripe counts its own way.

use crossdock_sdk::{Fault, Money, decimal};

/// The digits by which Stripe scales an amount of this currency.
fn digits(currency: &str) -> u32 {
    match currency.to_ascii_uppercase().as_str() {
        // Zero-decimal in ISO 4217, but two-decimal at Stripe, for its older integrations.
        "ISK" | "UGX" => 2,
        other => decimal::exponent(other),
    }
}

pub fn to_stripe(money: &Money) -> Result<i64, Fault> {
    decimal::to_minor(decimal::parse(&money.amount)?, digits(&money.currency))
}

pub fn from_stripe(minor: i64, currency: &str) -> Money {
    decimal::money(decimal::from_minor(minor, digits(currency)), currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_both_ways() {
        let check = |amount: &str, currency: &str, minor: i64| {
            let money = Money { amount: amount.into(), currency: currency.into() };
            assert_eq!(to_stripe(&money).unwrap(), minor, "{amount} {currency}");
            assert_eq!(from_stripe(minor, &currency.to_lowercase()), money);
        };
        check("447.5", "USD", 44_750);
        check("1200", "JPY", 1200);
        check("1.234", "KWD", 1234);
        check("5", "ISK", 500);
        check("-3.2", "EUR", -320);
        let half_a_cent = Money { amount: "0.005".into(), currency: "EUR".into() };
        assert!(to_stripe(&half_a_cent).is_err());
    }
}
