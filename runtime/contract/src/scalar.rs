//! Scalars with a meaning: from their text to a value, with a reason when the text is none. The same
//! for JSON, for what a guest answers and for literals in routes.

mod codes;
mod time;

use crate::{Decimal, Scalar, Value};

pub use codes::minor_units;
pub(crate) use time::in_range;

/// Characters of a unit of measure.
const UNIT_MAX: usize = 12;

/// Reads one scalar. Decimal, timestamp and duration get values of their own, the others stay text.
pub fn check_scalar(scalar: Scalar, text: &str) -> Result<Value, String> {
    match scalar {
        Scalar::Decimal => {
            text.parse::<Decimal>().map(Value::Decimal).map_err(|why| why.to_string())
        }
        Scalar::Timestamp => time::timestamp(text).map(Value::Timestamp),
        Scalar::Duration => time::duration(text).map(Value::Duration),
        Scalar::Currency => {
            let known = codes::is_currency(text);
            code(text, known, codes::is_currency, "an ISO 4217 currency code such as `EUR`")
        }
        Scalar::Country => {
            let known = codes::is_country(text);
            code(text, known, codes::is_country, "an ISO 3166-1 alpha-2 country code such as `DE`")
        }
        Scalar::Unit => unit(text),
        Scalar::Date => time::date(text).map(|()| Value::string(text)),
        Scalar::TimeZone => time::zone(text).map(|()| Value::string(text)),
    }
}

fn code(text: &str, known: bool, is: fn(&str) -> bool, what: &str) -> Result<Value, String> {
    if known {
        return Ok(Value::string(text));
    }
    // Short enough to be a code at all: then the case may be all that is wrong.
    let upper = if text.len() <= 3 { text.to_ascii_uppercase() } else { String::new() };
    match is(&upper) {
        true => Err(format!("not {what}: write `{upper}`")),
        false => Err(format!("not {what}")),
    }
}

/// By rule rather than by table: systems agree on short names (`PCE`, `KGM`, `box`), and none of
/// them knows all of UN/ECE Recommendation 20.
fn unit(text: &str) -> Result<Value, String> {
    let fits = (1..=UNIT_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match fits {
        true => Ok(Value::string(text)),
        false => Err(format!("not a unit: 1 to {UNIT_MAX} letters and digits, such as `PCE`")),
    }
}
