//! Budgets of a day and of a month, by the calendar of a time zone. They are counted in the journal:
//! a block is reserved on disk before any of it is granted, so that a crash can waste the rest of a
//! block and never exceed the budget.

use std::num::NonZeroU64;

use connector::BoxFuture;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Config;

/// A block is this part of the budget, within bounds: what a crash may waste.
const BLOCKS: u64 = 200;
const BLOCK_MAX: u64 = 1_000;

/// Where reservations are kept.
pub trait Reservations: Send + Sync {
    /// How much of the period was reserved so far.
    fn reserved<'a>(
        &'a self,
        limit: &'a str,
        period: &'a str,
    ) -> BoxFuture<'a, Result<u64, String>>;
    /// On disk when it returns. Less than nothing gives back.
    fn reserve<'a>(
        &'a self,
        limit: &'a str,
        period: &'a str,
        count: i64,
    ) -> BoxFuture<'a, Result<(), String>>;
}

pub struct Quota {
    zone: TimeZone,
    terms: Vec<Term>,
}

/// One of the two calendars.
struct Term {
    every: Every,
    max: u64,
    period: Option<Period>,
    /// In the journal, of this period.
    reserved: u64,
    /// Of what is reserved, not granted yet.
    left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Every {
    Day,
    Month,
}

/// `2026-11-22`, or `2026-11`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Period {
    name: String,
    ends: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Has,
    /// A block is to be reserved first.
    Reserve,
    /// Spent until then.
    Spent(Timestamp),
}

/// A term, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub every: &'static str,
    pub max: u64,
    pub granted: u64,
    pub period: String,
    pub ends: Option<Timestamp>,
}

impl Quota {
    /// None where the budget has none.
    pub fn of(config: &Config) -> Option<Quota> {
        let term = |every, max: Option<NonZeroU64>| {
            max.map(|max| Term { every, max: max.get(), period: None, reserved: 0, left: 0 })
        };
        let terms: Vec<Term> = [term(Every::Day, config.daily), term(Every::Month, config.monthly)]
            .into_iter()
            .flatten()
            .collect();
        let zone = config.zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.clone());
        (!terms.is_empty()).then_some(Quota { zone, terms })
    }

    pub fn state(&self, now: Timestamp) -> State {
        let mut state = State::Has;
        for term in &self.terms {
            match term.state(now) {
                State::Has => {}
                State::Reserve if state == State::Has => state = State::Reserve,
                State::Reserve => {}
                State::Spent(until) => {
                    state = match state {
                        State::Spent(other) => State::Spent(other.max(until)),
                        _ => State::Spent(until),
                    };
                }
            }
        }
        state
    }

    /// One grant. Only after `State::Has`.
    pub fn take(&mut self) {
        for term in &mut self.terms {
            term.left = term.left.saturating_sub(1);
        }
    }

    /// What is to be reserved now, as (term, period, block). A period that is not known yet is read
    /// first: the clock may have gone back to one that was in use.
    pub fn wanted(&self, now: Timestamp) -> Vec<(usize, String)> {
        let terms = self.terms.iter().enumerate();
        terms
            .filter(|(_, term)| term.state(now) == State::Reserve)
            .map(|(index, term)| (index, term.every.period(now, &self.zone).name))
            .collect()
    }

    /// A block of that term, if `reserved` are in the journal so far.
    pub fn block(&self, term: usize, reserved: u64) -> u64 {
        let max = self.terms[term].max;
        (max / BLOCKS).clamp(1, BLOCK_MAX).min(max.saturating_sub(reserved))
    }

    /// So much is reserved on disk, of which `block` may be granted.
    pub fn reserved(
        &mut self,
        term: usize,
        period: &str,
        reserved: u64,
        block: u64,
        now: Timestamp,
    ) {
        let present = self.terms[term].every.period(now, &self.zone);
        // A block of a period that ended meanwhile is wasted.
        if present.name == period {
            let term = &mut self.terms[term];
            (term.period, term.reserved, term.left) = (Some(present), reserved, block);
        }
    }

    /// What was reserved and not granted, to be given back: (period, count).
    pub fn rest(&mut self) -> Vec<(String, u64)> {
        let terms = self.terms.iter_mut().filter(|term| term.left > 0);
        terms
            .filter_map(|term| {
                let rest = std::mem::take(&mut term.left);
                term.reserved -= rest;
                Some((term.period.as_ref()?.name.clone(), rest))
            })
            .collect()
    }

    pub fn shown(&self, now: Timestamp) -> Vec<Shown> {
        let terms = self.terms.iter();
        terms
            .map(|term| {
                let present = term.every.period(now, &self.zone);
                let known = term.period.as_ref().is_some_and(|known| known.name == present.name);
                Shown {
                    every: term.every.as_str(),
                    max: term.max,
                    granted: if known { term.reserved - term.left } else { 0 },
                    period: present.name,
                    ends: Some(present.ends),
                }
            })
            .collect()
    }
}

impl Term {
    fn state(&self, now: Timestamp) -> State {
        match &self.period {
            Some(period) if now < period.ends => match self.left {
                0 if self.reserved >= self.max => State::Spent(period.ends),
                0 => State::Reserve,
                _ => State::Has,
            },
            _ => State::Reserve,
        }
    }
}

impl Every {
    fn as_str(self) -> &'static str {
        match self {
            Every::Day => "daily",
            Every::Month => "monthly",
        }
    }

    fn period(self, now: Timestamp, zone: &TimeZone) -> Period {
        let date = now.to_zoned(zone.clone()).date();
        let (name, first) = match self {
            Every::Day => (date.to_string(), date),
            Every::Month => {
                (format!("{:04}-{:02}", date.year(), date.month()), date.first_of_month())
            }
        };
        let next = match self {
            Every::Day => first.checked_add(1.day()),
            Every::Month => first.checked_add(1.month()),
        };
        let ends = next.and_then(|next| Ok(next.to_zoned(zone.clone())?.timestamp()));
        Period { name, ends: ends.unwrap_or(Timestamp::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(daily: u64, monthly: u64) -> Quota {
        let zone = Some(super::super::Zone(TimeZone::get("Europe/Berlin").unwrap()));
        let (daily, monthly) = (NonZeroU64::new(daily), NonZeroU64::new(monthly));
        Quota::of(&Config { daily, monthly, zone, ..Config::default() }).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// As the budget does it: reserves when told to, and counts what was granted.
    fn grant(
        quota: &mut Quota,
        journal: &mut std::collections::BTreeMap<String, u64>,
        now: Timestamp,
    ) -> bool {
        loop {
            match quota.state(now) {
                State::Has => {
                    quota.take();
                    return true;
                }
                State::Spent(_) => return false,
                State::Reserve => {
                    for (term, period) in quota.wanted(now) {
                        let reserved = journal.entry(period.clone()).or_default();
                        let block = quota.block(term, *reserved);
                        *reserved += block;
                        quota.reserved(term, &period, *reserved, block, now);
                    }
                }
            }
        }
    }

    #[test]
    fn a_day_ends_at_midnight_of_the_zone_and_a_month_with_its_last_day() {
        let mut quota = quota(3, 5);
        let mut journal = std::collections::BTreeMap::new();
        let evening = at("2026-11-29T22:59:00Z");
        for expected in [true, true, true, false] {
            assert_eq!(grant(&mut quota, &mut journal, evening), expected);
        }
        assert_eq!(quota.state(evening), State::Spent(at("2026-11-29T23:00:00Z")));
        let next = at("2026-11-29T23:00:00Z");
        for expected in [true, true, false] {
            assert_eq!(grant(&mut quota, &mut journal, next), expected);
        }
        assert_eq!(quota.state(next), State::Spent(at("2026-11-30T23:00:00Z")), "of the month");
        assert!(grant(&mut quota, &mut journal, at("2026-11-30T23:00:01Z")));
        let known: Vec<&str> = journal.keys().map(String::as_str).collect();
        assert_eq!(known, ["2026-11", "2026-11-29", "2026-11-30", "2026-12", "2026-12-01"]);
    }

    #[test]
    fn a_day_with_a_change_of_the_clock_ends_when_it_ends() {
        let period =
            Every::Day.period(at("2026-10-25T12:00:00Z"), &TimeZone::get("Europe/Berlin").unwrap());
        assert_eq!(period.name, "2026-10-25");
        assert_eq!(period.ends, at("2026-10-25T23:00:00Z"));
    }

    #[test]
    fn crashes_waste_blocks_and_never_exceed() {
        let mut journal = std::collections::BTreeMap::new();
        let now = at("2026-11-22T12:00:00Z");
        let mut granted = 0;
        // Every life of the process grants a few and forgets the rest of its block.
        for life in 0..500 {
            let mut quota = quota(1_000, 0);
            for _ in 0..life % 7 {
                granted += u64::from(grant(&mut quota, &mut journal, now));
            }
        }
        assert!(granted <= 1_000, "{granted}");
        assert!(granted > 500, "a crash wastes at most the rest of a block of 5: {granted}");
    }

    #[test]
    fn what_is_given_back_is_granted_later() {
        let mut journal = std::collections::BTreeMap::new();
        let now = at("2026-11-22T12:00:00Z");
        let mut first = quota(1_000, 0);
        assert!(grant(&mut first, &mut journal, now));
        assert_eq!(first.shown(now)[0].granted, 1);
        assert_eq!(first.rest(), [("2026-11-22".to_owned(), 4)]);
        assert_eq!(first.shown(now)[0].granted, 1);
        assert!(first.rest().is_empty());
    }
}
