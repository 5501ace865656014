//! When each route's source was last heard of, in this process. What is older is in the journal, and
//! nothing here decides anything: it is what people and metrics see.

use dashmap::DashMap;

#[derive(Default)]
pub struct Sources(DashMap<String, Heard>);

/// Unix milliseconds, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub message_ms: Option<u64>,
    /// Of a poll the last answer, of a schedule the last time that it ran.
    pub success_ms: Option<u64>,
    /// Since when a poll is asked.
    pub asked_ms: Option<u64>,
    /// The next time of a schedule; past while it has not run.
    pub due_ms: Option<u64>,
}

impl Heard {
    /// How long a poll has brought no answer, or how long a schedule should have run; none for
    /// sources that nobody asks.
    pub fn lag_ms(&self, now_ms: u64) -> Option<u64> {
        let since = self.due_ms.or(self.success_ms).or(self.asked_ms)?;
        Some(now_ms.saturating_sub(since))
    }
}

impl Sources {
    pub fn message(&self, route: &str, now_ms: u64) {
        self.of(route).message_ms = Some(now_ms);
    }

    pub fn succeeded(&self, route: &str, now_ms: u64) {
        self.of(route).success_ms = Some(now_ms);
    }

    pub fn asked(&self, route: &str, now_ms: u64) {
        self.of(route).asked_ms = Some(now_ms);
    }

    pub fn due(&self, route: &str, due_ms: u64) {
        self.of(route).due_ms = Some(due_ms);
    }

    pub fn heard(&self, route: &str) -> Heard {
        self.0.get(route).map(|heard| *heard).unwrap_or_default()
    }

    fn of(&self, route: &str) -> dashmap::mapref::one::RefMut<'_, String, Heard> {
        self.0.entry(route.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_told_of_what_is_asked_and_of_nothing_else() {
        let sources = Sources::default();
        sources.message("orders", 5);
        assert_eq!(sources.heard("orders").lag_ms(9), None);
        sources.asked("milestones", 10);
        assert_eq!(sources.heard("milestones").lag_ms(40), Some(30));
        sources.succeeded("milestones", 30);
        assert_eq!(sources.heard("milestones").lag_ms(40), Some(10));
        sources.due("nightly", 100);
        assert_eq!(sources.heard("nightly").lag_ms(40), Some(0));
        sources.succeeded("nightly", 105);
        assert_eq!(sources.heard("nightly").lag_ms(130), Some(30), "its time is over");
    }
}
