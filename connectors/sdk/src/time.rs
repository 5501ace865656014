//! Dates and timestamps as products write them, without a calendar library: what a connector needs
//! is small, and a component should be.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since 1970. Take `call.started_at` where a repeated call must have the same body.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Now, as a contract timestamp.
pub fn now() -> String {
    timestamp(now_s())
}

/// Seconds since 1970 as a contract timestamp: `2026-11-22T05:33:00Z`.
pub fn timestamp(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", date(days))
}

/// The day of a timestamp in its own offset: its first ten characters, if they are a date.
pub fn date_of(timestamp: &str) -> Option<&str> {
    let day = timestamp.get(..10)?;
    days_of(day).map(|_| day)
}

/// Seconds since 1970 of an RFC 3339 timestamp, or of one without an offset, taken as UTC (as
/// Tryton and InvenTree write them).
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let days = days_of(text.get(..10)?)?;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
        return Some(days * 86_400);
    };
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let field = |at: usize| clock.get(at..at + 2)?.parse::<i64>().ok();
    let (hour, minute) = (field(0)?, field(3)?);
    let (second, tail) = match clock.get(5..6) {
        Some(":") => (field(6)?, clock.get(8..)?),
        _ => (0, clock.get(5..)?),
    };
    let tail =
        tail.strip_prefix('.').map_or(tail, |t| t.trim_start_matches(|c: char| c.is_ascii_digit()));
    let offset = match tail {
        "" | "Z" | "z" => 0,
        zone => {
            let sign = match zone.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
            let hours: i64 = digits.get(..2)?.parse().ok()?;
            let minutes: i64 = digits.get(2..4).unwrap_or("00").parse().ok()?;
            sign * (hours * 3600 + minutes * 60)
        }
    };
    (hour < 24 && minute < 60 && second < 61)
        .then_some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Any timestamp that `parse` reads, as a contract timestamp in UTC.
pub fn normalise(text: &str) -> Option<String> {
    parse(text).map(timestamp)
}

/// A date moved by whole days.
pub fn add_days(date_text: &str, days: i64) -> Option<String> {
    Some(date(days_of(date_text.get(..10)?)? + days))
}

/// Days from the first date to the second.
pub fn days_between(from: &str, to: &str) -> Option<i64> {
    Some(days_of(to.get(..10)?)? - days_of(from.get(..10)?)?)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, as HTTP writes dates.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    parse(&format!("{year}-{month:02}-{day}T{clock}Z"))
}

/// Days since 1970 of `YYYY-MM-DD`.
fn days_of(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year: i64 = parts.next().filter(|part| part.len() == 4)?.parse().ok()?;
    let month: i64 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Howard Hinnant's days_from_civil: years begin in March, so the leap day is last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    // A day that the month does not have comes back as another date.
    (date(days) == text).then_some(days)
}

/// `YYYY-MM-DD` of days since 1970.
fn date(days: i64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_in_the_products_forms() {
        let check = |text, expect: &str| assert_eq!(normalise(text).as_deref(), Some(expect));
        check("2026-11-22T05:33:00Z", "2026-11-22T05:33:00Z");
        check("2024-02-29 23:30:00.123456", "2024-02-29T23:30:00Z");
        check("2024-12-31T19:30:00-05:00", "2025-01-01T00:30:00Z");
        check("2024-06-01T12:00", "2024-06-01T12:00:00Z");
        check("2024-06-01", "2024-06-01T00:00:00Z");
        check("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z");
        for wrong in ["", "2023-02-29", "2024-13-01", "yesterday", "2024-01-01T25:00:00Z"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(add_days("2024-02-28", 2).as_deref(), Some("2024-03-01"));
        assert_eq!(days_between("2023-12-31", "2025-01-01"), Some(367));
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date_of("2024-12-31T19:30:00-05:00"), Some("2024-12-31"));
    }
}
