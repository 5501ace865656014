//! Parts of timestamps and durations. A zone is an IANA name or an offset; none means UTC.

use contract::Value;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::P::{Duration, Int, String as Str, Timestamp};
use super::Style::{Function, Method};
use super::{Args, Overload, Result, row, string};

macro_rules! part {
    ($name:literal, $of:expr) => {
        [
            row($name, Method, &[Timestamp], Int, |args, _| accessor(args, $of)),
            row($name, Method, &[Timestamp, Str], Int, |args, _| accessor(args, $of)),
        ]
    };
}

const PARTS: [[Overload; 2]; 10] = [
    part!("getFullYear", |at| i64::from(at.year())),
    part!("getMonth", |at| i64::from(at.month()) - 1),
    part!("getDate", |at| i64::from(at.day())),
    part!("getDayOfMonth", |at| i64::from(at.day()) - 1),
    part!("getDayOfWeek", |at| i64::from(at.weekday().to_sunday_zero_offset())),
    part!("getDayOfYear", |at| i64::from(at.day_of_year()) - 1),
    part!("getHours", |at| i64::from(at.hour())),
    part!("getMinutes", |at| i64::from(at.minute())),
    part!("getSeconds", |at| i64::from(at.second())),
    part!("getMilliseconds", |at| i64::from(at.subsec_nanosecond()) / 1_000_000),
];

const OTHERS: [Overload; 6] = [
    row("getHours", Method, &[Duration], Int, |args, _| {
        whole(args, |length| length.as_secs() / 3600)
    }),
    row("getMinutes", Method, &[Duration], Int, |args, _| {
        whole(args, |length| length.as_secs() / 60)
    }),
    row("getSeconds", Method, &[Duration], Int, |args, _| whole(args, |length| length.as_secs())),
    // Of the second, as CEL defines it.
    row("getMilliseconds", Method, &[Duration], Int, |args, _| {
        whole(args, |length| i64::from(length.subsec_millis()))
    }),
    row("date", Function, &[Timestamp], Str, |args, _| date(args)),
    row("date", Function, &[Timestamp, Str], Str, |args, _| date(args)),
];

pub const ROWS: &[Overload] = {
    static ALL: [Overload; 26] = {
        let [y, mo, d, dm, dw, dy, h, mi, s, ms] = PARTS;
        let [[y1, y2], [mo1, mo2], [d1, d2], [dm1, dm2], [dw1, dw2]] = [y, mo, d, dm, dw];
        let [[dy1, dy2], [h1, h2], [mi1, mi2], [s1, s2], [ms1, ms2]] = [dy, h, mi, s, ms];
        let [a, b, c, e, f, g] = OTHERS;
        [
            y1, y2, mo1, mo2, d1, d2, dm1, dm2, dw1, dw2, dy1, dy2, h1, h2, mi1, mi2, s1, s2, ms1,
            ms2, a, b, c, e, f, g,
        ]
    };
    &ALL
};

fn civil(args: Args) -> Result<DateTime> {
    let Value::Timestamp(at) = &*args[0] else {
        return Err(super::wrong("a timestamp", Some(&args[0])));
    };
    let zone = match args.len() {
        1 => TimeZone::UTC,
        _ => zone(&string(args, 1)?)?,
    };
    Ok(zone.to_datetime(*at))
}

fn accessor(args: Args, part: fn(DateTime) -> i64) -> Result {
    Ok(Value::Int(part(civil(args)?)))
}

/// The day as a contract date: `2026-03-01`.
fn date(args: Args) -> Result {
    Ok(Value::string(civil(args)?.date().to_string()))
}

fn whole(args: Args, part: fn(jiff::SignedDuration) -> i64) -> Result {
    match &*args[0] {
        Value::Duration(length) => Ok(Value::Int(part(*length))),
        other => Err(super::wrong("a duration", Some(other))),
    }
}

/// `Europe/Berlin`, `+02:00`, `-02:30`, or `02:00` as CEL also writes it.
fn zone(name: &str) -> Result<TimeZone> {
    let unknown = || "the text is no time zone: write `Europe/Berlin` or `+02:00`".to_owned();
    let (sign, clock) = match name.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, name.strip_prefix('+').unwrap_or(name)),
    };
    if let Some((hours, minutes)) = clock.split_once(':') {
        let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.len() == 2);
        let seconds = number(hours).zip(number(minutes).filter(|minutes| *minutes < 60));
        let seconds = seconds.map(|(hours, minutes)| sign * (hours * 3600 + minutes * 60));
        let offset = seconds.and_then(|seconds| Offset::from_seconds(seconds).ok());
        return offset.map(TimeZone::fixed).ok_or_else(unknown);
    }
    TimeZone::get(name).map_err(|_| unknown())
}
