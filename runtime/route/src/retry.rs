//! Retry policies: how often and how long a call is repeated, and when the next attempt is due. Pure:
//! the jitter comes from the exchange and the attempt, so a restart computes the same instant.

use jiff::{SignedDuration, Timestamp};

use crate::{ExchangeId, Fault, Retry};

/// The longest wait that a system may ask for by Retry-After.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 3_600_000;
/// More attempts than this are a loop, not a policy.
pub const ATTEMPTS_MAX: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `standard`, or `inline`.
    pub name: String,
    /// Calls altogether, the first included.
    pub attempts: u32,
    /// Before the second attempt; doubles with each further one.
    pub backoff_ms: u64,
    pub backoff_ms_max: u64,
    /// From the first fault on; after that no attempt begins.
    pub total_ms: Option<u64>,
}

impl Policy {
    pub fn standard() -> Policy {
        Policy {
            name: "standard".to_owned(),
            attempts: 8,
            backoff_ms: 1_000,
            backoff_ms_max: 300_000,
            total_ms: None,
        }
    }

    /// Policies that a route may name.
    pub fn named(name: &str) -> Option<Policy> {
        match name {
            "standard" => Some(Policy::standard()),
            "none" => Some(Policy { name: "none".to_owned(), attempts: 1, ..Policy::standard() }),
            _ => None,
        }
    }

    pub const NAMES: [&str; 2] = ["standard", "none"];

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
        if attempt >= self.attempts {
            return None;
        }
        let backoff_ms = jitter(self.backoff(attempt), id, attempt);
        let wait_ms = match fault.retry {
            Retry::Never => return None,
            Retry::Later { after_ms } => {
                backoff_ms.max(after_ms.unwrap_or(0).min(RETRY_AFTER_MS_MAX))
            }
            // The host has fresh credentials at hand; if they do not help either, slow down.
            Retry::RefreshAuth if attempt == 1 => 0,
            Retry::RefreshAuth | Retry::OutcomeUnknown => backoff_ms,
        };
        let due = later(at, wait_ms);
        match self.total_ms {
            Some(total_ms) if due > later(first, total_ms) => None,
            _ => Some(due),
        }
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

/// Between half of it and all of it, so that what failed together does not come back together.
pub(crate) fn jitter(ms: u64, id: ExchangeId, attempt: u32) -> u64 {
    // SplitMix64: every bit of the result depends on every bit of id and attempt.
    let mut mixed = id.0 ^ u64::from(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let half = ms / 2;
    ms - if half == 0 { 0 } else { mixed % (half + 1) }
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
    fn jitter_is_the_same_each_time_and_differs_between_exchanges() {
        assert_eq!(jitter(10_000, ExchangeId(5), 1), jitter(10_000, ExchangeId(5), 1));
        let spread: std::collections::BTreeSet<u64> =
            (0..100).map(|id| jitter(10_000, ExchangeId(id), 1)).collect();
        assert!(spread.len() > 90);
        assert!(spread.iter().all(|ms| (5_000..=10_000).contains(ms)));
        assert_eq!(jitter(1, ExchangeId(1), 1), 1);
    }
}
