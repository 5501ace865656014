//! `'%s of %d'.format([a, b])`: text from a template. A clause and its value must go together.

use contract::Value;
use contract::decimal::Rounding;

use super::P::{Any, List, String as Str};
use super::Style::Method;
use super::conversion::{double_text, duration_text, type_name};
use super::{Overload, Result, items, row, string};
use crate::evaluate::{Budget, key_value};
use crate::limits::TEXT_BYTES_MAX;

/// Digits after the point that a clause may ask for.
const PRECISION_MAX: usize = 100;

pub const ROWS: &[Overload] = &[row("format", Method, &[Str, List(&Any)], Str, |args, budget| {
    let text = format(&string(args, 0)?, items(args, 1)?, budget)?;
    budget.text(text.len())?;
    Ok(Value::string(text))
})];

fn format(template: &str, values: &[Value], budget: &Budget) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('%') {
            text.push('%');
            rest = tail;
            continue;
        }
        let mut precision = 6;
        if let Some(tail) = rest.strip_prefix('.') {
            let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
            let number = tail[..digits].parse().ok().filter(|number| *number <= PRECISION_MAX);
            precision =
                number.ok_or_else(|| format!("a precision is a number up to {PRECISION_MAX}"))?;
            rest = &tail[digits..];
        }
        let Some(clause) = rest.chars().next() else {
            return Err("the text ends in `%`".to_owned());
        };
        rest = &rest[clause.len_utf8()..];
        let value = values.get(next).ok_or_else(|| format!("index {next} out of range"))?;
        next += 1;
        write(&mut text, clause, precision, value, budget)?;
        bounded(&text)?;
    }
    text.push_str(rest);
    Ok(text)
}

fn bounded(text: &str) -> Result<()> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("the text has more than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn write(
    text: &mut String,
    clause: char,
    precision: usize,
    value: &Value,
    budget: &Budget,
) -> Result<()> {
    let made = match (clause, value) {
        ('s', value) => return plain(text, value, budget),
        ('d' | 'f' | 'e', Value::Double(number)) if !number.is_finite() => {
            special(*number).to_owned()
        }
        ('d', Value::Int(number)) => number.to_string(),
        ('d', Value::Uint(number)) => number.to_string(),
        ('d', Value::Decimal(number)) => number.to_string(),
        ('f', Value::Double(number)) => format!("{number:.precision$}"),
        ('f', Value::Int(number)) => format!("{:.precision$}", *number as f64),
        ('f', Value::Uint(number)) => format!("{:.precision$}", *number as f64),
        ('f', Value::Decimal(number)) => {
            let places = u32::try_from(precision).unwrap_or(28).min(28);
            number.round(places, Rounding::HalfEven).to_string()
        }
        ('e', Value::Double(number)) => scientific(*number, precision),
        ('e', Value::Int(number)) => scientific(*number as f64, precision),
        ('e', Value::Uint(number)) => scientific(*number as f64, precision),
        ('b', Value::Int(number)) => signed(*number, &format!("{:b}", number.unsigned_abs())),
        ('b', Value::Uint(number)) => format!("{number:b}"),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('o', Value::Int(number)) => signed(*number, &format!("{:o}", number.unsigned_abs())),
        ('o', Value::Uint(number)) => format!("{number:o}"),
        ('x', Value::Int(number)) => signed(*number, &format!("{:x}", number.unsigned_abs())),
        ('x', Value::Uint(number)) => format!("{number:x}"),
        ('x', Value::String(value)) => hexadecimal(value.as_bytes(), budget)?,
        ('x', Value::Bytes(value)) => hexadecimal(value, budget)?,
        ('X', Value::Int(_) | Value::Uint(_) | Value::String(_) | Value::Bytes(_)) => {
            let start = text.len();
            write(text, 'x', precision, value, budget)?;
            text[start..].make_ascii_uppercase();
            return Ok(());
        }
        ('d' | 'f' | 'e' | 'b' | 'o' | 'x' | 'X', _) => {
            return Err(format!("%{clause} does not take {}", type_name(value)));
        }
        _ => return Err(format!("unrecognized formatting clause `{clause}`")),
    };
    text.push_str(&made);
    Ok(())
}

fn signed(number: i64, magnitude: &str) -> String {
    format!("{}{magnitude}", if number < 0 { "-" } else { "" })
}

fn hexadecimal(bytes: &[u8], budget: &Budget) -> Result<String> {
    budget.text(bytes.len().saturating_mul(2))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn special(number: f64) -> &'static str {
    match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) =
        exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn plain(text: &mut String, value: &Value, budget: &Budget) -> Result<()> {
    budget.spend(1)?;
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => text.push_str(&number.to_string()),
        Value::Uint(number) => text.push_str(&number.to_string()),
        Value::Decimal(number) => text.push_str(&number.to_string()),
        Value::Double(number) if !number.is_finite() => text.push_str(special(*number)),
        Value::Double(number) => text.push_str(&double_text(*number)),
        Value::String(value) => text.push_str(value),
        Value::Bytes(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
        Value::Timestamp(at) => text.push_str(&at.to_string()),
        Value::Duration(length) => text.push_str(&duration_text(*length)),
        Value::Type(name) => text.push_str(name),
        Value::Variant(variant) => {
            text.push_str(variant.ty.cases.get(variant.case).map_or("", |case| &case.json));
        }
        Value::List(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                plain(text, item, budget)?;
            }
            text.push(']');
        }
        Value::Map(map) => {
            let mut entries = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                let mut entry = String::new();
                plain(&mut entry, &key_value(key), budget)?;
                entry.push_str(": ");
                plain(&mut entry, value, budget)?;
                budget.text(entry.len())?;
                entries.push(entry);
            }
            entries.sort();
            text.push_str(&format!("{{{}}}", entries.join(", ")));
        }
        other => return Err(format!("%s does not take {}", type_name(other))),
    }
    // Values may share parts, so the text can outgrow them.
    bounded(text)
}
