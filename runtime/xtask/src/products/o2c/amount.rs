//! Amounts of money as products write them, added and compared exactly: whole ten-thousandths.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};

use serde_json::Value;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

const DIGITS: usize = 4;

impl Amount {
    /// None for what is no decimal, or has more digits than money has.
    pub fn parse(text: &str) -> Option<Amount> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let part = part.trim_end_matches('0');
        if part.len() > DIGITS {
            return None;
        }
        let text = format!("{whole}{part:0<DIGITS$}");
        text.parse::<i64>().ok().map(|number| Amount(sign * number))
    }

    /// Cents, or whatever the smallest coin of a currency with two decimals is.
    pub fn from_cents(cents: i64) -> Amount {
        Amount(cents * 100)
    }

    /// A number, a text, or Tryton's `{"__class__": "Decimal", "decimal": ".."}`.
    pub fn of(value: &Value) -> Amount {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Object(tagged) => tagged["decimal"].as_str().unwrap_or_default().to_owned(),
            _ => return Amount::default(),
        };
        Amount::parse(&text).unwrap_or_default()
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.abs() / 10_000, self.0.abs() % 10_000);
        let part = format!("{part:04}");
        let part = part.strip_suffix("00").unwrap_or(&part);
        write!(f, "{sign}{whole}.{part}")
    }
}

impl Add for Amount {
    type Output = Amount;
    fn add(self, other: Amount) -> Amount {
        Amount(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Amount;
    fn sub(self, other: Amount) -> Amount {
        Amount(self.0 - other.0)
    }
}

impl Neg for Amount {
    type Output = Amount;
    fn neg(self) -> Amount {
        Amount(-self.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(all: I) -> Amount {
        all.fold(Amount::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let check = |text: &str, expect: Option<&str>| {
            let found = Amount::parse(text).map(|amount| amount.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check("446.93", Some("446.93"));
        check("652.5", Some("652.50"));
        check("-162.2300", Some("-162.23"));
        check("7", Some("7.00"));
        check("0.0625", Some("0.0625"));
        check("0.00001", None);
        check("ten", None);
        assert_eq!(Amount::parse("0.1").unwrap() + Amount::parse("0.2").unwrap(), Amount(3000));
    }
}
