//! Conversions between types: exact or an error, never a silent change.

use contract::{Decimal, Scalar, Value};
use jiff::{SignedDuration, Timestamp};

use super::P::{
    self, Any, Bool, Bytes, Double, Duration as Dur, Int, String as Str, Timestamp as Time, Uint,
};
use super::Style::Function;
use super::{Overload, Result, row, string};
use crate::convert::{contract_snake, kind};
use crate::evaluate::timestamp_in_range;

macro_rules! from {
    ($pattern:pat => $result:expr) => {
        |args, _| match &*args[0] {
            $pattern => $result,
            other => Err(super::wrong("another type", Some(other))),
        }
    };
}

pub const ROWS: &[Overload] = &[
    row("int", Function, &[Int], Int, from!(Value::Int(n) => Ok(Value::Int(*n)))),
    row(
        "int",
        Function,
        &[Uint],
        Int,
        from!(Value::Uint(n) => narrow(i64::try_from(*n).ok()).map(Value::Int)),
    ),
    row(
        "int",
        Function,
        &[Double],
        Int,
        from!(Value::Double(n) => {
            // The ends themselves are refused: a double there has lost its last digits.
            let inside = *n > -9_223_372_036_854_775_808.0 && *n < 9_223_372_036_854_775_808.0;
            narrow(inside.then_some(*n as i64)).map(Value::Int)
        }),
    ),
    row(
        "int",
        Function,
        &[P::Decimal],
        Int,
        from!(Value::Decimal(n) => {
            n.to_i64().map(Value::Int).ok_or_else(|| {
                "the decimal has a fraction or does not fit; write `.round(0, 'half_up')` first".to_owned()
            })
        }),
    ),
    row(
        "int",
        Function,
        &[Str],
        Int,
        from!(Value::String(text) => parsed(text.parse().ok(), "int").map(Value::Int)),
    ),
    row(
        "int",
        Function,
        &[Time],
        Int,
        from!(Value::Timestamp(at) => Ok(Value::Int(at.as_second()))),
    ),
    row("uint", Function, &[Uint], Uint, from!(Value::Uint(n) => Ok(Value::Uint(*n)))),
    row(
        "uint",
        Function,
        &[Int],
        Uint,
        from!(Value::Int(n) => narrow(u64::try_from(*n).ok()).map(Value::Uint)),
    ),
    row(
        "uint",
        Function,
        &[Double],
        Uint,
        from!(Value::Double(n) => {
            let inside = *n > -1.0 && *n < 18_446_744_073_709_551_616.0;
            narrow(inside.then_some(*n as u64)).map(Value::Uint)
        }),
    ),
    row(
        "uint",
        Function,
        &[P::Decimal],
        Uint,
        from!(Value::Decimal(n) => {
            narrow(n.to_i64().and_then(|n| u64::try_from(n).ok())).map(Value::Uint)
        }),
    ),
    row(
        "uint",
        Function,
        &[Str],
        Uint,
        from!(Value::String(text) => parsed(text.parse().ok(), "uint").map(Value::Uint)),
    ),
    row("double", Function, &[Double], Double, from!(Value::Double(n) => Ok(Value::Double(*n)))),
    row("double", Function, &[Int], Double, from!(Value::Int(n) => Ok(Value::Double(*n as f64)))),
    row("double", Function, &[Uint], Double, from!(Value::Uint(n) => Ok(Value::Double(*n as f64)))),
    row(
        "double",
        Function,
        &[P::Decimal],
        Double,
        from!(Value::Decimal(n) => Ok(Value::Double(n.to_f64()))),
    ),
    row(
        "double",
        Function,
        &[Str],
        Double,
        from!(Value::String(text) => parsed(text.parse().ok(), "double").map(Value::Double)),
    ),
    row(
        "decimal",
        Function,
        &[P::Decimal],
        P::Decimal,
        from!(Value::Decimal(n) => Ok(Value::Decimal(*n))),
    ),
    row(
        "decimal",
        Function,
        &[Int],
        P::Decimal,
        from!(Value::Int(n) => Ok(Value::Decimal(Decimal::from(*n)))),
    ),
    row(
        "decimal",
        Function,
        &[Uint],
        P::Decimal,
        from!(Value::Uint(n) => Ok(Value::Decimal(Decimal::from(*n)))),
    ),
    row(
        "decimal",
        Function,
        &[Str],
        P::Decimal,
        from!(Value::String(text) => {
            text.parse().map(Value::Decimal).map_err(|error: contract::decimal::Error| error.to_string())
        }),
    ),
    row("bool", Function, &[Bool], Bool, from!(Value::Bool(value) => Ok(Value::Bool(*value)))),
    row(
        "bool",
        Function,
        &[Str],
        Bool,
        from!(Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err("the text is no bool".to_owned()),
        }),
    ),
    row("string", Function, &[Str], Str, |args, _| string(args, 0).map(Value::String)),
    row("string", Function, &[Int], Str, from!(Value::Int(n) => Ok(Value::string(n.to_string())))),
    row(
        "string",
        Function,
        &[Uint],
        Str,
        from!(Value::Uint(n) => Ok(Value::string(n.to_string()))),
    ),
    row(
        "string",
        Function,
        &[Double],
        Str,
        from!(Value::Double(n) => Ok(Value::string(double_text(*n)))),
    ),
    row(
        "string",
        Function,
        &[P::Decimal],
        Str,
        from!(Value::Decimal(n) => Ok(Value::string(n.to_string()))),
    ),
    row(
        "string",
        Function,
        &[Bool],
        Str,
        from!(Value::Bool(value) => Ok(Value::string(value.to_string()))),
    ),
    row("string", Function, &[Bytes], Str, |args, budget| match &*args[0] {
        Value::Bytes(bytes) => {
            budget.text(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Value::string(text)),
                Err(_) => Err("invalid UTF-8: the bytes are no text".to_owned()),
            }
        }
        other => Err(super::wrong("bytes", Some(other))),
    }),
    row(
        "string",
        Function,
        &[Time],
        Str,
        from!(Value::Timestamp(at) => Ok(Value::string(at.to_string()))),
    ),
    row(
        "string",
        Function,
        &[Dur],
        Str,
        from!(Value::Duration(length) => Ok(Value::string(duration_text(*length)))),
    ),
    row(
        "string",
        Function,
        &[P::Variant],
        Str,
        from!(Value::Variant(variant) => {
            Ok(Value::string(variant.ty.cases.get(variant.case).map_or("", |case| &case.json)))
        }),
    ),
    row("bytes", Function, &[Bytes], Bytes, |args, _| Ok(args[0].clone().into_owned())),
    row("bytes", Function, &[Str], Bytes, |args, budget| {
        let text = string(args, 0)?;
        budget.text(text.len())?;
        Ok(Value::Bytes(text.as_bytes().into()))
    }),
    row("timestamp", Function, &[Time], Time, |args, _| Ok(args[0].clone().into_owned())),
    row("timestamp", Function, &[Str], Time, from!(Value::String(text) => timestamp(text))),
    row(
        "timestamp",
        Function,
        &[Int],
        Time,
        from!(Value::Int(seconds) => {
            Timestamp::from_second(*seconds)
                .ok()
                .and_then(timestamp_in_range)
                .ok_or_else(|| "the timestamp is outside the years 1 to 9999".to_owned())
        }),
    ),
    row("duration", Function, &[Dur], Dur, |args, _| Ok(args[0].clone().into_owned())),
    row("duration", Function, &[Str], Dur, from!(Value::String(text) => duration(text))),
    row("dyn", Function, &[Any], Any, |args, _| Ok(args[0].clone().into_owned())),
    row("type", Function, &[Any], P::Type, |args, _| Ok(Value::Type(type_name(&args[0]).into()))),
    row(
        "list",
        Function,
        &[P::Flags],
        P::List(&Str),
        from!(Value::Flags(flags, bits) => {
            let set = flags.flags.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            Ok(Value::list(set.map(|(_, name)| Value::string(contract_snake(name))).collect()))
        }),
    ),
];

fn narrow<T>(number: Option<T>) -> Result<T> {
    number.ok_or_else(|| "range: the number does not fit".to_owned())
}

fn parsed<T>(number: Option<T>, ty: &str) -> Result<T> {
    number.ok_or_else(|| format!("the text is no {ty}"))
}

/// RFC 3339, as at every border.
fn timestamp(text: &str) -> Result {
    let parsed = contract::check_scalar(Scalar::Timestamp, text).ok();
    let in_range = parsed.and_then(|value| match value {
        Value::Timestamp(at) => timestamp_in_range(at),
        _ => None,
    });
    in_range.ok_or_else(|| "the text is no RFC 3339 timestamp of the years 1 to 9999".to_owned())
}

/// ISO 8601 as at every border (`PT15M`), and CEL's own form (`1h30m`, `-1.5s`).
fn duration(text: &str) -> Result {
    if text.trim_start_matches('-').starts_with('P') {
        return contract::check_scalar(Scalar::Duration, text);
    }
    short_duration(text)
        .filter(|length| length.as_secs().abs() <= 315_576_000_000)
        .map(Value::Duration)
        .ok_or_else(|| "the text is no duration: write `1h30m`, `45s` or `PT15M`".to_owned())
}

fn short_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds: i128 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, tail) = rest.split_at(number);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let size: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 || fraction.contains('.')
        {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
        nanoseconds = nanoseconds.checked_add(whole.checked_mul(size)?)?;
        if !fraction.is_empty() {
            let part: i128 = fraction.parse().ok()?;
            nanoseconds += part * size / 10i128.pow(fraction.len() as u32);
        }
        rest = tail;
    }
    let nanoseconds = if negative { -nanoseconds } else { nanoseconds };
    let seconds = i64::try_from(nanoseconds / 1_000_000_000).ok()?;
    Some(SignedDuration::new(seconds, (nanoseconds % 1_000_000_000) as i32))
}

/// CEL's form: seconds with a fraction, `1.5s`.
pub fn duration_text(length: SignedDuration) -> String {
    let (seconds, nanoseconds) = (length.as_secs(), length.subsec_nanos());
    let sign = if seconds < 0 || nanoseconds < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanoseconds.unsigned_abs());
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}s", seconds.unsigned_abs())
}

/// The shortest text that reads back as the same double.
pub fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{number}")
}

/// What `type(x)` calls it: CEL's names, and the names of contract types.
pub fn type_name(value: &Value) -> String {
    match value {
        Value::Null => "null_type".to_owned(),
        Value::Timestamp(_) => "google.protobuf.Timestamp".to_owned(),
        Value::Duration(_) => "google.protobuf.Duration".to_owned(),
        Value::Optional(_) => "optional_type".to_owned(),
        Value::Record(record) => record.ty.name.to_string(),
        Value::Variant(variant) => variant.ty.name.to_string(),
        Value::Flags(flags, _) => flags.name.to_string(),
        other => kind(other).to_owned(),
    }
}
