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

/// An amount to authorise, capture or give back, in Stripe's minor units.
pub fn to_stripe(money: &Money) -> Result<i64, Fault> {
    let minor = minor(money)?;
    let shown = format!("{} {}", money.amount, money.currency);
    if minor < 1 {
        return Err(Fault::input(format!("amount {shown}: Stripe moves more than zero only")));
    }
    if digits(&money.currency) == 3 && minor % 10 != 0 {
        return Err(Fault::input(format!(
            "amount {shown}: Stripe takes {} in steps of 0.010; round it in the route",
            money.currency
        )));
    }
    Ok(minor)
}

/// Any amount in Stripe's minor units, such as one that came from there.
pub fn minor(money: &Money) -> Result<i64, Fault> {
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
        check("1.23", "KWD", 1230);
        check("5", "ISK", 500);
        let back = from_stripe(-320, "eur");
        assert_eq!((back.amount.as_str(), back.currency.as_str()), ("-3.2", "EUR"));
    }

    #[test]
    fn what_stripe_cannot_move_is_refused_before_it_is_sent() {
        let check = |amount: &str, currency: &str, why: &str| {
            let money = Money { amount: amount.into(), currency: currency.into() };
            let message = to_stripe(&money).unwrap_err().message;
            assert!(message.contains(why), "{amount} {currency}: {message}");
        };
        check("0.005", "EUR", "0.005");
        check("0.5", "JPY", "0.5");
        check("0", "USD", "more than zero");
        check("-3.2", "EUR", "more than zero");
        check("1.234", "KWD", "round it in the route");
    }
}
