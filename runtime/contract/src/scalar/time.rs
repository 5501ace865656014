//! Dates, timestamps, durations and time zones, read strictly: one form each, as the standards write
//! it for exchange between systems.

use std::sync::LazyLock;

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};

/// 0000-01-01T00:00:00Z: RFC 3339 has four digits for the year and no sign. What jiff can hold ends
/// before the year 10000.
const SECONDS_MIN: i64 = -62_167_219_200;

/// The zones compiled into the program, so that no machine's own set decides.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const SECONDS_A_MINUTE: i128 = 60;
const SECONDS_AN_HOUR: i128 = 60 * SECONDS_A_MINUTE;
const SECONDS_A_DAY: i128 = 24 * SECONDS_AN_HOUR;
const SECONDS_A_WEEK: i128 = 7 * SECONDS_A_DAY;
const NANOS_A_SECOND: i128 = 1_000_000_000;

/// Whether a timestamp can be written in RFC 3339.
pub fn in_range(timestamp: Timestamp) -> bool {
    timestamp.as_second() >= SECONDS_MIN
}

pub(super) fn date(text: &str) -> Result<(), String> {
    let what = "not a date: write `2026-03-31`";
    if !shaped(text.as_bytes(), b"dddd-dd-dd") {
        return Err(what.into());
    }
    match text.parse::<jiff::civil::Date>() {
        Ok(_) => Ok(()),
        Err(_) => Err("not a date: there is no such day".into()),
    }
}

/// RFC 3339 with an offset; kept as an instant.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, String> {
    let what =
        || "not a timestamp: write `2026-03-31T14:05:00Z` or with an offset such as `+02:00`";
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 || !shaped(&bytes[..19], b"dddd-dd-ddTdd:dd:dd") {
        return Err(what().into());
    }
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&digits) {
            return Err("not a timestamp: a fraction of a second has 1 to 9 digits".into());
        }
        rest = &fraction[digits..];
    }
    if !matches!(rest, "Z" | "z") && !shaped(rest.as_bytes(), b"+dd:dd") {
        return Err(what().into());
    }
    let timestamp = text.parse::<Timestamp>();
    match timestamp.ok().filter(|timestamp| in_range(*timestamp)) {
        Some(timestamp) => Ok(timestamp),
        None => Err("not a timestamp: there is no such moment".into()),
    }
}

/// `P1DT12H`: weeks, days, hours, minutes, seconds, each at most once and in this order. Months and
/// years have no fixed length and are refused.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let what = || {
        "not a duration: write ISO 8601 with weeks, days, hours, minutes and seconds, such as \
         `P1DT12H` or `PT90S`"
            .to_owned()
    };
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('P').ok_or_else(what)?;
    let (days, clock) = match rest.split_once('T') {
        Some((_, "")) => return Err(what()),
        Some((days, clock)) => (days, clock),
        None => (rest, ""),
    };
    if rest.is_empty() {
        return Err(what());
    }
    let units = [('W', SECONDS_A_WEEK), ('D', SECONDS_A_DAY)];
    let days = designated(days, &units).ok_or_else(what)?;
    let units = [('H', SECONDS_AN_HOUR), ('M', SECONDS_A_MINUTE), ('S', 1)];
    let clock = designated(clock, &units).ok_or_else(what)?;
    let nanos = days.checked_add(clock).ok_or_else(what)?;
    let nanos = if negative { -nanos } else { nanos };
    let seconds = i64::try_from(nanos / NANOS_A_SECOND);
    let seconds = seconds.map_err(|_| "not a duration: it is too long".to_owned())?;
    Ok(SignedDuration::new(seconds, (nanos % NANOS_A_SECOND) as i32))
}

/// Sums `12H30M` in nanoseconds; none if a part is unknown, repeated, out of order or too long.
fn designated(mut text: &str, units: &[(char, i128)]) -> Option<i128> {
    let mut total: i128 = 0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_alphabetic())?;
        let number = &text[..end];
        let letter = text[end..].chars().next()?;
        let (_, seconds) = units.find(|(unit, _)| *unit == letter)?;
        let nanos = match number.split_once('.') {
            Some((whole, fraction)) if letter == 'S' => {
                if !(1..=9).contains(&fraction.len()) {
                    return None;
                }
                let scale = 10i128.pow(9 - fraction.len() as u32);
                digits(whole)?.checked_mul(NANOS_A_SECOND)? + digits(fraction)? * scale
            }
            Some(_) => return None,
            None => digits(number)?.checked_mul(*seconds)?.checked_mul(NANOS_A_SECOND)?,
        };
        total = total.checked_add(nanos)?;
        text = &text[end + 1..];
    }
    Some(total)
}

fn digits(text: &str) -> Option<i128> {
    let plain = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

pub(super) fn zone(text: &str) -> Result<(), String> {
    let what = "not a time zone: write an IANA name such as `Europe/Berlin`";
    // The database ignores case; other systems do not.
    match ZONES.get(text) {
        Ok(zone) => match zone.iana_name() {
            Some(name) if name == text => Ok(()),
            Some(name) => Err(format!("{what}; did you mean `{name}`?")),
            None => Err(what.into()),
        },
        Err(_) => Err(what.into()),
    }
}

/// `d` stands for a digit, `T` also for `t`, `+` also for `-`.
fn shaped(text: &[u8], form: &[u8]) -> bool {
    text.len() == form.len()
        && text.iter().zip(form).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't'),
            b'+' => matches!(byte, b'+' | b'-'),
            form => byte == form,
        })
}
