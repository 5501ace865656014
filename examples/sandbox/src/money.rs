//! Amounts, currencies and the demo exchange rates that ERP, WMS and carrier share.
//! Computation is exact; floats appear only where a product's API has them.

use rust_decimal::prelude::{FromPrimitive as _, ToPrimitive as _};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

/// Code, digits, units for one US dollar. The position + 1 is Tryton's id.
pub const CURRENCIES: [(&str, u32, &str); 5] = [
    ("USD", 2, "1"),
    ("EUR", 2, "0.92"),
    ("GBP", 2, "0.79"),
    ("JPY", 0, "150"),
    ("KWD", 3, "0.31"),
];

pub fn digits(currency: i64) -> u32 {
    entry(currency).1
}

pub fn round(amount: Decimal, digits: u32) -> Decimal {
    amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven)
}

/// From one currency (Tryton id) to another, unrounded.
pub fn convert(amount: Decimal, from: i64, to: i64) -> Decimal {
    if from == to {
        return amount;
    }
    amount / rate(from) * rate(to)
}

pub fn parse(text: &str) -> Option<Decimal> {
    text.trim().parse().ok()
}

pub fn number(value: f64) -> Decimal {
    Decimal::from_f64(value).unwrap_or_default()
}

/// A JSON number, as AvaTax, Karrio and quantities have it.
pub fn float(value: Decimal) -> Value {
    let normal = value.normalize();
    match normal.to_i64() {
        Some(whole) if normal.scale() == 0 => json!(whole as f64),
        _ => json!(normal.to_f64().unwrap_or_default()),
    }
}

/// A JSON number or string, or Tryton's tagged form.
pub fn read(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(n) => n.to_string().parse().ok().or_else(|| n.as_f64().map(number)),
        Value::String(text) => parse(text),
        Value::Object(map) => map.get("decimal").and_then(Value::as_str).and_then(parse),
        _ => None,
    }
}

fn entry(currency: i64) -> (&'static str, u32, &'static str) {
    usize::try_from(currency - 1)
        .ok()
        .and_then(|index| CURRENCIES.get(index).copied())
        .unwrap_or(CURRENCIES[0])
}

/// Units of it for one US dollar.
pub fn rate(currency: i64) -> Decimal {
    parse(entry(currency).2).unwrap_or(Decimal::ONE)
}
