//! Times by the calendar of a place: the five fields of cron and an IANA zone. Pure: the caller says
//! after which instant. A time that a clock change skips falls on the first instant after the gap;
//! a time that it repeats falls on the first of the two.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days looked ahead: a leap day may be eight years off.
pub const DAYS_AHEAD_MAX: u32 = 366 * 9;

#[derive(Clone, Debug)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Bit 0 is Sunday.
    weekdays: u64,
    /// When both day and weekday are restricted, either will do, as in every cron.
    either_day: bool,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Cron(String),
    #[error("{0}")]
    Zone(String),
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    pub fn parse(text: &str, zone: &str) -> Result<Cron, Error> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            let count = fields.len();
            return Err(Error::Cron(format!("a schedule has 5 fields, this one has {count}")));
        };
        let mut weekdays = field("weekday", weekday, 0, 7, &WEEKDAYS, 0)?;
        // Both 0 and 7 are Sunday.
        weekdays = (weekdays | weekdays >> 7) & 0x7F;
        let cron = Cron {
            minutes: field("minute", minute, 0, 59, &[], 0)?,
            hours: field("hour", hour, 0, 23, &[], 0)?,
            days: field("day", day, 1, 31, &[], 0)?,
            months: field("month", month, 1, 12, &MONTHS, 1)?,
            weekdays,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            zone: TimeZone::get(zone).map_err(|_| Error::Zone(format!("no time zone `{zone}`")))?,
        };
        match cron.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(Error::Cron(format!("`{text}` never comes"))),
        }
    }

    /// The first time after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.to_zoned(self.zone.clone()).date();
        let mut date = start;
        for _ in 0..DAYS_AHEAD_MAX {
            if self.takes(date)
                && let Some(found) = self.first_of(date, after)
            {
                return Some(found);
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn takes(&self, date: Date) -> bool {
        let day = self.days >> date.day() & 1 == 1;
        let weekday = self.weekdays >> date.weekday().to_sunday_zero_offset() & 1 == 1;
        let in_month = self.months >> date.month() & 1 == 1;
        in_month && if self.either_day { day || weekday } else { day && weekday }
    }

    fn first_of(&self, date: Date, after: Timestamp) -> Option<Timestamp> {
        bits(self.hours)
            .flat_map(|hour| bits(self.minutes).map(move |minute| (hour, minute)))
            .filter_map(|(hour, minute)| {
                let time = Time::new(hour, minute, 0, 0).ok()?;
                self.zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()
            })
            .map(|zoned| zoned.timestamp())
            .find(|at| *at > after)
    }
}

fn bits(set: u64) -> impl Iterator<Item = i8> {
    (0..60).filter(move |bit| set >> bit & 1 == 1)
}

/// One field: `*`, `5`, `1-5`, `*/10`, `1-30/5`, names, and lists of these.
fn field(
    what: &str,
    text: &str,
    low: u64,
    high: u64,
    names: &[&str],
    first_name: u64,
) -> Result<u64, Error> {
    let refuse = |part: &str| {
        Error::Cron(format!("`{part}` is not a {what}: it takes {low} to {high}, ranges and steps"))
    };
    let number = |part: &str| -> Result<u64, Error> {
        let lower = part.to_lowercase();
        if let Some(at) = names.iter().position(|name| *name == lower) {
            return Ok(at as u64 + first_name);
        }
        let number = part.parse().map_err(|_| refuse(part))?;
        if (low..=high).contains(&number) { Ok(number) } else { Err(refuse(part)) }
    };
    let mut set = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step = step.parse().ok().filter(|step| (1..=high).contains(step));
                (range, step.ok_or_else(|| refuse(part))?)
            }
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, if what == "weekday" { 6 } else { high }),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/10` means from 5 on.
            None if part.contains('/') => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(refuse(part));
        }
        for value in (from..=to).step_by(step as usize) {
            set |= 1 << value;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, zone: &str, after: &str) -> String {
        let cron = Cron::parse(cron, zone).unwrap();
        cron.next(after.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_after_the_given_one() {
        for (cron, zone, after, expected) in [
            ("0 6 * * *", "UTC", "2026-03-01T05:59:59Z", "2026-03-01T06:00:00Z"),
            ("0 6 * * *", "UTC", "2026-03-01T06:00:00Z", "2026-03-02T06:00:00Z"),
            ("0 6 * * *", "Europe/Berlin", "2026-01-15T06:00:00Z", "2026-01-16T05:00:00Z"),
            ("0 6 * * *", "Europe/Berlin", "2026-07-15T06:00:00Z", "2026-07-16T04:00:00Z"),
            ("*/15 * * * *", "UTC", "2026-03-01T05:46:00Z", "2026-03-01T06:00:00Z"),
            ("5/20 8-9 * * *", "UTC", "2026-03-01T08:26:00Z", "2026-03-01T08:45:00Z"),
            ("0 0 29 feb *", "UTC", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 9 * * mon-fri", "UTC", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z"),
            ("0 9 * * 7", "UTC", "2026-11-20T09:00:00Z", "2026-11-22T09:00:00Z"),
            ("0 9 1 * mon", "UTC", "2026-11-24T09:00:00Z", "2026-11-30T09:00:00Z"),
            ("0 9 1 * mon", "UTC", "2026-11-30T09:00:00Z", "2026-12-01T09:00:00Z"),
            ("30,10 7 * * *", "UTC", "2026-11-24T07:10:00Z", "2026-11-24T07:30:00Z"),
        ] {
            assert_eq!(next(cron, zone, after), expected, "{cron} after {after}");
        }
    }

    #[test]
    fn a_clock_change_neither_loses_nor_repeats_a_time() {
        // 02:30 does not exist on 29 March 2026 in Berlin, and exists twice on 25 October.
        let berlin = "Europe/Berlin";
        assert_eq!(next("30 2 * * *", berlin, "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
        assert_eq!(next("30 2 * * *", berlin, "2026-03-29T01:30:00Z"), "2026-03-30T00:30:00Z");
        assert_eq!(next("30 2 * * *", berlin, "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", berlin, "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_never_comes_or_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "0 0 30 feb *",
            "1-2-3 * * * *",
        ] {
            assert!(matches!(Cron::parse(text, "UTC"), Err(Error::Cron(_))), "{text}");
        }
        assert!(matches!(Cron::parse("* * * * *", "Mars/Base"), Err(Error::Zone(_))));
    }
}
