//! Credentials that are sent as they are (a password, a key): a system that refuses them message after
//! message is left alone for a while, since it may lock out who knocks on, and others with the same
//! name as well.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::token::growing;

#[derive(Default)]
pub(crate) struct Knocks(Mutex<State>);

#[derive(Default)]
struct State {
    refused_in_a_row: u32,
    /// Since it is left alone.
    tries: u32,
    /// Nobody knocks before.
    until: Option<Instant>,
}

/// So many refusals in a row may each be about one message.
const PATIENCE: u32 = 3;
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// One tries when the pause is over; the others wait for what it hears.
const TRY: Duration = Duration::from_secs(5);

impl Knocks {
    /// How long the system is still left alone; none for one who may ask now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        let until = state.until?;
        if now < until {
            return Some(until - now);
        }
        state.until = Some(now + TRY);
        state.tries += 1;
        None
    }

    /// What a request with these credentials was answered.
    pub(crate) fn heard(&self, status: StatusCode, now: Instant) {
        let mut state = self.state();
        if status != StatusCode::UNAUTHORIZED {
            *state = State::default();
            return;
        }
        state.refused_in_a_row = state.refused_in_a_row.saturating_add(1);
        if state.refused_in_a_row >= PATIENCE {
            state.until = Some(now + growing(PAUSE, state.tries + 1));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_refuses_is_asked_by_one_after_pauses_that_grow() {
        let knocks = Knocks::default();
        let mut now = Instant::now();
        let no = StatusCode::UNAUTHORIZED;
        knocks.heard(no, now);
        knocks.heard(no, now);
        assert_eq!(knocks.wait(now), None, "each may be about one message");
        // Many that were under way count as one refusal.
        (0..64).for_each(|_| knocks.heard(no, now));
        for pause_s in [5, 10, 20, 40, 60, 60] {
            assert_eq!(knocks.wait(now), Some(Duration::from_secs(pause_s)));
            now += Duration::from_secs(pause_s);
            assert_eq!(knocks.wait(now), None, "one tries");
            assert_eq!(knocks.wait(now), Some(TRY), "the others wait for it");
            knocks.heard(no, now);
        }
        now += Duration::from_secs(60);
        assert_eq!(knocks.wait(now), None);
        knocks.heard(StatusCode::NOT_FOUND, now);
        assert_eq!(knocks.wait(now), None, "let in");
        knocks.heard(no, now);
        assert_eq!(knocks.wait(now), None, "and counted anew");
    }
}
