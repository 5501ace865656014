//! `[maintenance.NAME]`: times at which systems are known to be away. What is named is paused from
//! each tick of `cron` on, for as long as it `lasts`.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use route::schedule::Cron;
use serde::Deserialize;

use super::{Span, Written};
use crate::pause::Kind;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[serde(default)]
    pub connectors: Vec<String>,
    #[serde(default)]
    pub routes: Vec<String>,
    #[serde(default)]
    pub limits: Vec<String>,
    pub cron: String,
    /// An IANA name; UTC if absent.
    #[serde(default = "utc")]
    pub zone: String,
    pub lasts: Span,
    pub why: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Window {
    /// What it holds back.
    pub fn targets(&self) -> impl Iterator<Item = (Kind, &str)> {
        let routes = self.routes.iter().map(|name| (Kind::Route, name.as_str()));
        let connectors = self.connectors.iter().map(|name| (Kind::Connector, name.as_str()));
        let limits = self.limits.iter().map(|name| (Kind::Limit, name.as_str()));
        routes.chain(connectors).chain(limits)
    }

    /// When the window that is open at `now` began, and when it ends.
    pub fn open_at(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let cron = Cron::parse(&self.cron, &self.zone).ok()?;
        let lasts = SignedDuration::try_from(self.lasts.0).ok()?;
        let mut began = cron.next(now.checked_sub(lasts).ok()?)?;
        if began > now {
            return None;
        }
        // Of windows that overlap, the one that began last ends last.
        while let Some(next) = cron.next(began).filter(|next| *next <= now) {
            began = next;
        }
        Some((began, began.checked_add(lasts).ok()?))
    }

    /// The next time that it opens.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        Cron::parse(&self.cron, &self.zone).ok()?.next(now)
    }

    pub fn check(&self, name: &str, written: &Written, path: &Path) -> Vec<String> {
        let place = format!("[maintenance.{name}]");
        let problem = |reason: String, help: &str| {
            format!("error[CD0034]: {place} {reason}\n --> {}\n  help: {help}", path.display())
        };
        let mut problems = Vec::new();
        if let Err(error) = Cron::parse(&self.cron, &self.zone) {
            let help = "five fields, minute hour day month weekday, as in \"0 2 * * sun\"; zone = \"Europe/Berlin\"";
            problems.push(problem(format!("cron = \"{}\": {error}", self.cron), help));
        }
        if self.targets().next().is_none() {
            let help = "name what is away: connectors = [\"erp\"], routes = [..] or limits = [..]";
            problems.push(problem("holds nothing back".to_owned(), help));
        }
        if self.lasts.0.is_zero() || self.lasts.0 > LASTS_MAX {
            let reason = format!("lasts {} s", self.lasts.0.as_secs());
            problems.push(problem(reason, "write one second to 31 days: lasts = \"2h\""));
        }
        let known = |names: &[String], known: Vec<&str>, what: &str| -> Vec<String> {
            let unknown = names.iter().filter(|name| !known.contains(&name.as_str()));
            unknown
                .map(|name| {
                    let add = format!("add [{what}s.{name}]");
                    let help = crate::suggest::help(name, known.iter().copied(), &add);
                    problem(format!("names the {what} `{name}`, which does not exist"), &help)
                })
                .collect()
        };
        let connectors = written.connectors.keys().map(String::as_str).collect();
        problems.extend(known(&self.connectors, connectors, "connector"));
        let limits = written.limits.keys().map(String::as_str).collect();
        problems.extend(known(&self.limits, limits, "limit"));
        problems
    }
}

const LASTS_MAX: std::time::Duration = std::time::Duration::from_secs(31 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_from_its_tick_for_as_long_as_it_lasts() {
        let window: Window = toml::from_str(
            "connectors = [\"erp\"]\ncron = \"0 2 * * sun\"\nzone = \"Europe/Berlin\"\nlasts = \"2h\"\nwhy = \"patches\"",
        )
        .unwrap();
        // Sunday 2026-11-22, two o'clock in Berlin is one in UTC.
        for (now, open) in [
            ("2026-11-22T00:59:59Z", false),
            ("2026-11-22T01:00:00Z", true),
            ("2026-11-22T02:59:59Z", true),
            ("2026-11-22T03:00:00Z", false),
            ("2026-11-23T01:30:00Z", false),
        ] {
            let found = window.open_at(now.parse().unwrap());
            assert_eq!(found.is_some(), open, "{now}");
            if let Some((began, ends)) = found {
                assert_eq!(began.to_string(), "2026-11-22T01:00:00Z");
                assert_eq!(ends.to_string(), "2026-11-22T03:00:00Z");
            }
        }
    }
}
