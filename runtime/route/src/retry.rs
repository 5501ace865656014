//! Retry policies: how often and how long a call is repeated, and when the next attempt is due. Pure:
//! the jitter comes from the exchange and the attempt, so a restart computes the same instant.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{ExchangeId, Fault, Retry};

/// The longest wait that a system may ask for by Retry-After.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 3_600_000;
/// More attempts than this are a loop, not a policy.
pub const ATTEMPTS_MAX: u32 = 1_000;

/// Faults that one policy names.
pub const ON_MAX: usize = 50;

/// Stored as JSON with the route version that uses it; fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// As the configuration calls it; [`INLINE`] for one that stands in the step.
    pub name: String,
    /// Calls altogether, the first included.
    pub attempts: u32,
    /// Before the second attempt; doubles with each further one.
    pub backoff_ms: u64,
    pub backoff_ms_max: u64,
    /// From the first fault on, without the time that a limit held the call; after that no attempt
    /// begins.
    #[serde(default)]
    pub total_ms: Option<u64>,
    #[serde(default)]
    pub jitter: Jitter,
    /// The faults that are worth another attempt: codes, `5xx`, `429`. None: every one that says of
    /// itself that it may pass.
    #[serde(default)]
    pub on: Option<Vec<String>>,
}

/// How much of a pause is left to chance, so that what failed together does not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// From half of the pause to all of it.
    #[default]
    Half,
    /// From nothing to all of it.
    Full,
    None,
}

/// The name of a policy that has none.
pub const INLINE: &str = "inline";

impl Policy {
    /// Names that mean something without a configuration. `standard` may be given another meaning.
    pub const BUILT_IN: [&str; 2] = ["standard", "none"];

    pub fn standard() -> Policy {
        Policy {
            name: "standard".to_owned(),
            attempts: 8,
            backoff_ms: 1_000,
            backoff_ms_max: 300_000,
            total_ms: None,
            jitter: Jitter::Half,
            on: None,
        }
    }

    pub fn built_in(name: &str) -> Option<Policy> {
        match name {
            "standard" => Some(Policy::standard()),
            "none" => Some(Policy { name: "none".to_owned(), attempts: 1, ..Policy::standard() }),
            _ => None,
        }
    }

    /// Whether another attempt after this fault is what the policy wants. Fresh credentials are
    /// tried once, whatever it lists: that their time is over says nothing of the call.
    pub fn allows(&self, fault: &Fault, attempt: u32) -> bool {
        let listed = |on: &Vec<String>| on.iter().any(|wanted| is_of(fault, wanted));
        match fault.retry {
            Retry::Never => false,
            Retry::RefreshAuth if attempt == 1 => true,
            _ => self.on.as_ref().is_none_or(listed),
        }
    }

    /// When to call again after attempt `attempt` (from 1) failed at `at`; none when the policy is
    /// spent or the fault says that nothing would help. `first` is when the first attempt failed.
    pub fn next(
        &self,
        id: ExchangeId,
        attempt: u32,
        fault: &Fault,
        first: Timestamp,
        at: Timestamp,
    ) -> Option<Timestamp> {
        if attempt >= self.attempts || !self.allows(fault, attempt) {
            return None;
        }
        let backoff_ms = self.jitter.of(self.backoff(attempt), id, attempt);
        let wait_ms = match fault.retry {
            // The host has fresh credentials at hand; if they do not help either, slow down.
            Retry::RefreshAuth if attempt == 1 => 0,
            _ => asked_for(fault, backoff_ms),
        };
        let due = later(at, wait_ms);
        match self.total_ms {
            Some(total_ms) if due > later(first, total_ms) => None,
            _ => Some(due),
        }
    }

    /// The next attempt of a call that goes on for ever: after the longest pause.
    pub fn slowly(&self, id: ExchangeId, attempt: u32, fault: &Fault, at: Timestamp) -> Timestamp {
        later(at, asked_for(fault, self.jitter.of(self.backoff_ms_max, id, attempt)))
    }

    /// Before the attempt after `attempt`, without jitter.
    fn backoff(&self, attempt: u32) -> u64 {
        let doublings = attempt.saturating_sub(1).min(40);
        self.backoff_ms.saturating_mul(1 << doublings).min(self.backoff_ms_max)
    }
}

/// `at` and so many milliseconds more; at the end of time, the end of time.
pub(crate) fn later(at: Timestamp, ms: u64) -> Timestamp {
    let span = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Not before the system wants it, within a day.
fn asked_for(fault: &Fault, backoff_ms: u64) -> u64 {
    match fault.retry {
        Retry::Later { after_ms: Some(after_ms) } => {
            backoff_ms.max(after_ms.min(RETRY_AFTER_MS_MAX))
        }
        _ => backoff_ms,
    }
}

/// Whether a fault is what one entry of `on` names.
fn is_of(fault: &Fault, wanted: &str) -> bool {
    match (status_class(wanted), wanted.parse::<u16>()) {
        (Some(class), _) => fault.status.is_some_and(|status| status / 100 == class),
        (None, Ok(status)) => fault.status == Some(status),
        (None, Err(_)) => fault.code == wanted,
    }
}

/// 5 of `5xx`.
fn status_class(text: &str) -> Option<u16> {
    text.strip_suffix("xx")?.parse().ok().filter(|class| (1..=9).contains(class))
}

/// Whether a text can stand in `on`; the reason if not.
pub fn check_on(text: &str) -> Result<(), String> {
    let number = text.parse::<u16>().ok();
    let fits = match (status_class(text), number) {
        (Some(class), _) => matches!(class, 4 | 5),
        (None, Some(status)) => (400..600).contains(&status),
        (None, None) => {
            text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        }
    };
    match fits {
        true => Ok(()),
        false => Err(format!("`{text}` names no fault")),
    }
}

/// What helps whoever wrote one that does not fit.
pub const ON_HELP: &str = "a class of statuses (\"5xx\", \"4xx\"), a status (\"429\"), or a fault's code (\"unreachable\")";

impl Jitter {
    pub const NAMES: [&str; 3] = ["half", "full", "none"];

    pub fn named(name: &str) -> Option<Jitter> {
        match name {
            "half" => Some(Jitter::Half),
            "full" => Some(Jitter::Full),
            "none" => Some(Jitter::None),
            _ => None,
        }
    }

    /// Of a pause: the same each time for the same exchange and attempt.
    pub(crate) fn of(self, ms: u64, id: ExchangeId, attempt: u32) -> u64 {
        match self {
            Jitter::None => ms,
            Jitter::Half => ms - chance(id, attempt) % (ms / 2 + 1),
            Jitter::Full => ms - chance(id, attempt) % ms.saturating_add(1),
        }
    }
}

/// SplitMix64: every bit of the result depends on every bit of id and attempt.
fn chance(id: ExchangeId, attempt: u32) -> u64 {
    let mut mixed = id.0 ^ u64::from(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(retry: Retry) -> Fault {
        Fault { retry, code: "unavailable".into(), message: "down".into(), status: Some(503) }
    }

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn wait_ms(policy: &Policy, attempt: u32, retry: Retry) -> Option<i64> {
        let due = policy.next(ExchangeId(7), attempt, &fault(retry), AT, AT)?;
        Some(due.as_millisecond())
    }

    #[test]
    fn standard_doubles_from_a_second_to_five_minutes_and_ends_after_eight_attempts() {
        let policy = Policy { attempts: 20, ..Policy::standard() };
        for (attempt, full_ms) in [(1, 1_000), (2, 2_000), (5, 16_000), (9, 256_000), (12, 300_000)]
        {
            let wait = wait_ms(&policy, attempt, Retry::Later { after_ms: None }).unwrap();
            assert!((full_ms / 2..=full_ms).contains(&wait), "{attempt}: {wait}");
        }
        let standard = Policy::standard();
        assert!(wait_ms(&standard, 7, Retry::Later { after_ms: None }).is_some());
        assert_eq!(wait_ms(&standard, 8, Retry::Later { after_ms: None }), None);
    }

    #[test]
    fn what_the_system_asks_for_is_respected_within_a_day() {
        let policy = Policy::standard();
        assert_eq!(wait_ms(&policy, 1, Retry::Later { after_ms: Some(90_000) }), Some(90_000));
        assert_eq!(
            wait_ms(&policy, 1, Retry::Later { after_ms: Some(u64::MAX) }),
            Some(RETRY_AFTER_MS_MAX as i64)
        );
        assert_eq!(wait_ms(&policy, 1, Retry::RefreshAuth), Some(0));
        assert!(wait_ms(&policy, 2, Retry::RefreshAuth).unwrap() >= 1_000);
        assert_eq!(wait_ms(&policy, 1, Retry::Never), None);
    }

    #[test]
    fn nothing_begins_after_the_total() {
        let policy = Policy { total_ms: Some(1_500), ..Policy::standard() };
        let later_fault = fault(Retry::Later { after_ms: Some(1_000) });
        assert!(policy.next(ExchangeId(1), 1, &later_fault, AT, AT).is_some());
        let second = later(AT, 1_000);
        assert_eq!(policy.next(ExchangeId(1), 2, &later_fault, AT, second), None);
    }

    #[test]
    fn only_the_faults_that_it_names_are_worth_another_attempt() {
        let on = |names: &[&str]| Policy {
            on: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..Policy::standard()
        };
        let later = fault(Retry::Later { after_ms: None });
        for (names, allowed) in [
            (&["5xx"][..], true),
            (&["4xx"], false),
            (&["503"], true),
            (&["429", "502"], false),
            (&["unavailable"], true),
            (&["unreachable"], false),
            (&[], false),
        ] {
            assert_eq!(on(names).allows(&later, 1), allowed, "{names:?}");
            assert_eq!(on(names).next(ExchangeId(1), 1, &later, AT, AT).is_some(), allowed);
        }
        assert!(on(&[]).allows(&fault(Retry::RefreshAuth), 1), "fresh credentials, once");
        assert!(!on(&[]).allows(&fault(Retry::RefreshAuth), 2));
        assert!(!on(&["5xx"]).allows(&fault(Retry::Never), 1));
        for (text, fits) in [
            ("5xx", true),
            ("429", true),
            ("guest-timeout", true),
            ("3xx", false),
            ("200", false),
            ("Busy", false),
            ("", false),
            ("5XX", false),
        ] {
            assert_eq!(check_on(text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_policy_is_read_as_it_was_stored_before_it_had_more() {
        let stored = r#"{"name": "x", "attempts": 3, "backoff_ms": 5, "backoff_ms_max": 9}"#;
        let read: Policy = serde_json::from_str(stored).unwrap();
        assert_eq!((read.jitter, read.on, read.total_ms), (Jitter::Half, None, None));
    }

    #[test]
    fn jitter_is_the_same_each_time_and_differs_between_exchanges() {
        for (jitter, low) in [(Jitter::Half, 5_000), (Jitter::Full, 0)] {
            let of = |id| jitter.of(10_000, ExchangeId(id), 1);
            assert_eq!(of(5), of(5));
            let spread: std::collections::BTreeSet<u64> = (0..100).map(of).collect();
            assert!(spread.len() > 90);
            assert!(spread.iter().all(|ms| (low..=10_000).contains(ms)));
            assert!(*spread.first().unwrap() < low + 500, "all of its width");
            assert_eq!(jitter.of(0, ExchangeId(1), 1), 0);
        }
        assert_eq!(Jitter::None.of(10_000, ExchangeId(1), 1), 10_000);
        assert_eq!(Jitter::Half.of(1, ExchangeId(1), 1), 1);
        Jitter::Full.of(u64::MAX, ExchangeId(1), 1);
    }
}
