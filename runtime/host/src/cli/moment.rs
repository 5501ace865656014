//! Times as people type and read them: `14:00` in their own zone, `2h`, or RFC 3339; `3 h` old.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::clock;
use crate::config::Span;

const EXPECTED: &str = "write 18:00, 2h, or 2026-11-22T18:00:00Z";

/// A time that has passed: `14:00` is the last one that was, `2h` is two hours ago.
pub(super) fn past(text: &str) -> Result<Timestamp, String> {
    moment(text, clock::now(), &zone(), false)
}

/// A time to come: `18:00` is the next one, `2h` is in two hours.
pub(super) fn coming(text: &str) -> Result<Timestamp, String> {
    moment(text, clock::now(), &zone(), true)
}

fn moment(text: &str, now: Timestamp, zone: &TimeZone, coming: bool) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let beyond = |_| format!("`{text}` is out of range; {EXPECTED}");
    if let Ok(Span(span)) = text.parse::<Span>() {
        return match coming {
            true => now.checked_add(span).map_err(beyond),
            false => now.checked_sub(span).map_err(beyond),
        };
    }
    let wrong = || format!("`{text}` is not a time; {EXPECTED}");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    let time = jiff::civil::Time::new(hour, minute, 0, 0).map_err(|_| wrong())?;
    let today = now.to_zoned(zone.clone()).date();
    let step = if coming { 1.day() } else { -1.day() };
    let mut date = today;
    loop {
        let at = date.to_datetime(time).to_zoned(zone.clone()).map_err(beyond)?.timestamp();
        if (coming && at > now) || (!coming && at <= now) {
            return Ok(at);
        }
        date = date.checked_add(step).map_err(beyond)?;
    }
}

/// The zone of whoever sits before the screen: `TZ`, else the machine's, else UTC.
fn zone() -> TimeZone {
    let named = std::env::var("TZ").ok().or_else(|| {
        let link = std::fs::read_link("/etc/localtime").ok()?;
        Some(link.to_str()?.split_once("zoneinfo/")?.1.to_owned())
    });
    named.and_then(|name| TimeZone::get(name.trim_start_matches(':')).ok()).unwrap_or(TimeZone::UTC)
}

/// A timestamp of the API as people read it: `14:05` today, else with its date.
pub(super) fn shown(timestamp: &str) -> String {
    let Ok(at) = timestamp.parse::<Timestamp>() else { return timestamp.to_owned() };
    let (at, now) = (at.to_zoned(zone()), clock::now().to_zoned(zone()));
    match at.date() == now.date() {
        true => at.strftime("%H:%M").to_string(),
        false => at.strftime("%Y-%m-%d %H:%M").to_string(),
    }
}

/// `45 s`, `12 min`, `3 h`, `4 d`.
pub(super) fn age(seconds: u64) -> String {
    let age = Duration::from_secs(seconds);
    match age.as_secs() {
        s @ 0..90 => format!("{s} s"),
        s @ 90..5_400 => format!("{} min", s / 60),
        s @ 5_400..129_600 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_mean_them() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-22T13:30:00Z".parse().unwrap();
        for (text, coming, expected) in [
            ("14:00", false, "2026-11-22T13:00:00Z"),
            ("15:00", false, "2026-11-21T14:00:00Z"),
            ("15:00", true, "2026-11-22T14:00:00Z"),
            ("02:00", true, "2026-11-23T01:00:00Z"),
            ("2h", true, "2026-11-22T15:30:00Z"),
            ("2h", false, "2026-11-22T11:30:00Z"),
            ("2026-01-01T00:00:00Z", true, "2026-01-01T00:00:00Z"),
        ] {
            let at = moment(text, now, &zone, coming).map(|at| at.to_string());
            assert_eq!(at.as_deref(), Ok(expected), "{text}");
        }
        for wrong in ["", "soon", "25:00", "2 hours", "14:60"] {
            let error = moment(wrong, now, &zone, true).unwrap_err();
            assert!(error.contains("write 18:00"), "{error}");
        }
        assert_eq!([45, 600, 10_800, 400_000].map(age), ["45 s", "10 min", "3 h", "4 d"]);
    }
}
