//! How fast a budget may grant, at this instant: its configured rate (GCRA, by `governor`), below it
//! the rate that was learnt from a system that refused, pauses that it asked for, and what it said is
//! left. Pure: the time comes in, so that a decision has one instant.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connector::{Allowance, Heard};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::Config;

/// A refusal without a word on when: this long, doubled with each further one.
const BLIND_PAUSE: Duration = Duration::from_secs(1);
const BLIND_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Refusals that come together, of calls under way at the same time, are one.
const TOGETHER: Duration = Duration::from_secs(1);
/// From nothing back to where it was before, step by step.
const RECOVERY: Duration = Duration::from_secs(60);
/// A learnt rate never falls below this part of the rate before, nor below this many a second.
const LEARNT_PART_MIN: f64 = 0.05;
const LEARNT_RATE_MIN: f64 = 0.1;
/// Where no rate is configured, what was sent at a quiet moment says little: a system is thought to
/// bear at least this many a second.
const UNKNOWN_RATE_MIN: f64 = 10.0;
/// Over how long the rates of grants and of refusals are observed.
const OBSERVED: Duration = Duration::from_secs(5);
/// A pace is too fast if so many of that time's requests, and at least this part of them, were
/// refused. A lone refusal is a pause, and no more.
const REFUSED_MIN: u32 = 2;
const REFUSED_PART_MIN: f64 = 0.02;

type Gcra = RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Nanos>>;

pub struct Pace {
    origin: Instant,
    clock: Told,
    gcra: Option<Gcra>,
    /// Configured grants a second.
    rate: Option<f64>,
    paused_until: Option<Instant>,
    /// What the system said is left until then.
    left: Option<(u64, Instant)>,
    learnt: Option<Learnt>,
    /// At a learnt rate no grant before this.
    next_at: Option<Instant>,
    refusals: u32,
    refused_at: Option<Instant>,
    decreased_at: Option<Instant>,
    observed: Observed,
}

/// Multiplied down at a refusal, added to while there is none.
#[derive(Clone, Copy, Debug)]
struct Learnt {
    rate: f64,
    since: Instant,
    ceiling: f64,
}

impl Pace {
    /// With its burst at hand.
    pub fn full(config: &Config, now: Instant) -> Pace {
        let clock = Told::default();
        let gcra = config.rate.map(|rate| {
            let quota = Quota::with_period(rate.interval())
                .expect("an interval is never zero")
                .allow_burst(config.burst.unwrap_or(NonZeroU32::MIN));
            RateLimiter::direct_with_clock(quota, clock.clone())
        });
        Pace {
            origin: now,
            clock,
            gcra,
            rate: config.rate.map(|rate| 1.0 / rate.interval().as_secs_f64()),
            paused_until: None,
            left: None,
            learnt: None,
            next_at: None,
            refusals: 0,
            refused_at: None,
            decreased_at: None,
            observed: Observed::new(now),
        }
    }

    /// Without its burst: what was granted before a restart is not known any more.
    pub fn empty(config: &Config, now: Instant) -> Pace {
        let pace = Pace::full(config, now);
        if let Some(gcra) = &pace.gcra {
            pace.clock.tell(pace.origin, now);
            let _ = gcra.check_n(config.burst.unwrap_or(NonZeroU32::MIN));
        }
        pace
    }

    /// Takes one grant, or says before when there is none.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        self.forget(now);
        if let Some(until) = self.blocked(now) {
            return Err(until);
        }
        if let (Some(_), Some(next_at)) = (&self.learnt, self.next_at)
            && now < next_at
        {
            return Err(next_at);
        }
        if let Some(gcra) = &self.gcra {
            self.clock.tell(self.origin, now);
            if let Err(not_until) = gcra.check() {
                return Err(now + not_until.wait_time_from(self.clock.now()));
            }
        }
        self.next_at = self.learnt_rate(now).map(|rate| now + Duration::from_secs_f64(1.0 / rate));
        if let Some((left, _)) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        self.observed.granted(now);
        Ok(())
    }

    /// What an answer of the system says of our pace.
    pub fn hear(&mut self, heard: &Heard, now: Instant) {
        if let Some(Allowance { left, reset }) = heard.allowance {
            let until = now + reset;
            self.left = Some(match self.left {
                // Of the same window: what was granted since is not in the system's count yet.
                Some((known, end)) if end > now => (known.min(left), end.max(until)),
                _ => (left, until),
            });
        }
        let Some(refusal) = &heard.refusal else {
            self.refusals = 0;
            return;
        };
        let spent = heard.allowance.is_some_and(|allowance| allowance.left == 0);
        let pause = match refusal.after {
            Some(after) => Some(after),
            None if refusal.too_many && !spent => {
                let pause = BLIND_PAUSE * (1 << self.refusals.min(10));
                Some(pause.min(BLIND_PAUSE_MAX))
            }
            None => None,
        };
        if let Some(pause) = pause {
            let until = now + pause;
            self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
        }
        self.observed.refused(now);
        let apart = |last: Option<Instant>| last.is_none_or(|last| now >= last + TOGETHER);
        if apart(self.refused_at) {
            self.refused_at = Some(now);
            self.refusals += 1;
        }
        if apart(self.decreased_at) && self.observed.refuses_much() {
            self.decreased_at = Some(now);
            self.decrease(now);
        }
    }

    fn decrease(&mut self, now: Instant) {
        let observed = self.observed.rate(now);
        // What was in fact sent was too much, however much was allowed. While a learnt rate holds,
        // what was sent shows our own pauses and not what the system bears.
        let was = self.learnt_rate(now).unwrap_or_else(|| match self.rate {
            Some(rate) => rate.min(observed),
            None => observed.max(UNKNOWN_RATE_MIN),
        });
        let known = self.learnt.map_or(0.0, |learnt| learnt.ceiling);
        let ceiling = self.rate.unwrap_or_else(|| known.max(2.0 * observed.max(UNKNOWN_RATE_MIN)));
        let floor = (ceiling * LEARNT_PART_MIN).max(LEARNT_RATE_MIN).min(ceiling);
        self.learnt = Some(Learnt { rate: (was / 2.0).max(floor), since: now, ceiling });
    }

    /// The pause, or the end of the window of which nothing is left.
    pub fn blocked(&self, now: Instant) -> Option<Instant> {
        let spent = self.left.filter(|(left, _)| *left == 0).map(|(_, until)| until);
        [self.paused_until, spent].into_iter().flatten().filter(|until| *until > now).max()
    }

    /// Configured grants a second.
    pub fn configured(&self) -> Option<f64> {
        self.rate
    }

    /// Grants a second below the configured rate, while that is so.
    pub fn learnt_rate(&self, now: Instant) -> Option<f64> {
        let learnt = self.learnt?;
        let since = now.saturating_duration_since(learnt.since).as_secs_f64();
        let rate = learnt.rate + learnt.ceiling * since / RECOVERY.as_secs_f64();
        (rate < learnt.ceiling).then_some(rate)
    }

    /// Between two grants while there is demand; what was observed where nothing is configured.
    pub fn interval(&self, now: Instant) -> Option<Duration> {
        let rate = self.learnt_rate(now).into_iter().chain(self.rate).reduce(f64::min);
        let observed = || Some(self.observed.rate(now)).filter(|rate| *rate > 0.0);
        rate.or_else(observed).map(|rate| Duration::from_secs_f64(1.0 / rate))
    }

    fn forget(&mut self, now: Instant) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        if self.left.is_some_and(|(_, until)| until <= now) {
            self.left = None;
        }
        if self.learnt.is_some() && self.learnt_rate(now).is_none() {
            (self.learnt, self.next_at) = (None, None);
        }
    }
}

/// Grants and refusals over the last seconds.
struct Observed {
    since: Instant,
    granted: u32,
    refused: u32,
    /// The stretch before this one: grants a second, grants, refusals.
    before: (f64, u32, u32),
}

impl Observed {
    fn new(now: Instant) -> Observed {
        Observed { since: now, granted: 0, refused: 0, before: (0.0, 0, 0) }
    }

    fn granted(&mut self, now: Instant) {
        self.turn(now);
        self.granted += 1;
    }

    fn refused(&mut self, now: Instant) {
        self.turn(now);
        self.refused += 1;
    }

    fn turn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= OBSERVED {
            let rate = f64::from(self.granted) / elapsed.as_secs_f64();
            self.before = (rate, self.granted, self.refused);
            (self.since, self.granted, self.refused) = (now, 0, 0);
        }
    }

    fn refuses_much(&self) -> bool {
        let (_, granted, refused) = self.before;
        let (granted, refused) = (granted + self.granted, refused + self.refused);
        refused >= REFUSED_MIN && f64::from(refused) >= REFUSED_PART_MIN * f64::from(granted)
    }

    fn rate(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64().max(1.0);
        let present = f64::from(self.granted) / elapsed;
        if elapsed < OBSERVED.as_secs_f64() { present.max(self.before.0) } else { present }
    }
}

/// The clock of `governor`: the instant of the decision under way.
#[derive(Clone, Debug, Default)]
struct Told(Arc<AtomicU64>);

impl Told {
    fn tell(&self, origin: Instant, now: Instant) {
        // An offset keeps the first instants away from zero, where GCRA would saturate.
        let since = now.saturating_duration_since(origin) + Duration::from_secs(1 << 20);
        self.0.store(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use connector::Refusal;

    use super::*;

    fn pace(rate: Option<&str>) -> (Pace, Instant) {
        let config = Config { rate: rate.map(|rate| rate.parse().unwrap()), ..Config::default() };
        let now = Instant::now();
        (Pace::full(&config, now), now)
    }

    fn refused(after_s: Option<u64>, too_many: bool) -> Heard {
        let after = after_s.map(Duration::from_secs);
        Heard { refusal: Some(Refusal { after, too_many }), allowance: None }
    }

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Grants in the given time from `now`, asked every millisecond.
    fn grants(pace: &mut Pace, now: Instant, time: Duration) -> usize {
        (0..time.as_millis() as u64)
            .filter(|ms| pace.take(now + Duration::from_millis(*ms)).is_ok())
            .count()
    }

    #[test]
    fn a_refusal_halves_the_rate_once_and_it_recovers_by_itself() {
        let (mut pace, start) = pace(Some("100/s"));
        assert!(grants(&mut pace, start, s(5.0)) > 450);
        let now = start + s(5.0);
        // Of twenty calls under way at the same time.
        for _ in 0..20 {
            pace.hear(&refused(None, false), now);
        }
        let learnt = pace.learnt_rate(now).unwrap();
        assert!((45.0..=55.0).contains(&learnt), "{learnt}");
        let slow = grants(&mut pace, now, s(2.0));
        assert!((90..=115).contains(&slow), "{slow}");
        assert!(pace.learnt_rate(now + s(15.0)).unwrap() > learnt + 20.0);
        assert_eq!(pace.learnt_rate(now + s(60.0)), None);
        assert!(grants(&mut pace, now + s(60.0), s(1.0)) > 90);
    }

    #[test]
    fn what_no_rate_is_configured_for_learns_from_what_it_did() {
        let (mut pace, start) = pace(None);
        for ms in 0..2_000 {
            pace.take(start + Duration::from_millis(ms)).unwrap();
        }
        let now = start + s(2.0);
        for _ in 0..50 {
            pace.hear(&refused(None, false), now);
        }
        let learnt = pace.learnt_rate(now).unwrap();
        assert!((400.0..=600.0).contains(&learnt), "{learnt}");
        for n in 1..20 {
            pace.hear(&refused(None, false), now + s(f64::from(n) * 1.5));
        }
        assert!(pace.learnt_rate(now + s(29.0)).unwrap() >= 100.0, "never to nothing");
        pace.hear(&Heard::default(), now);
        assert_eq!(pace.learnt_rate(now + s(120.0)), None);
    }

    #[test]
    fn a_refusal_now_and_then_slows_nobody_for_long() {
        for rate in [None, Some("100/s")] {
            let (mut pace, start) = pace(rate);
            for ms in 0..60_000 {
                let now = start + Duration::from_millis(ms);
                let _ = pace.take(now);
                if ms % 10_000 == 0 {
                    pace.hear(&refused(Some(0), true), now);
                    assert_eq!(pace.learnt_rate(now), None, "{rate:?} {ms}");
                }
                pace.hear(&Heard::default(), now);
            }
        }
    }

    #[test]
    fn refused_at_a_quiet_moment_it_is_not_slow_for_the_busy_one() {
        let (mut pace, start) = pace(None);
        for n in 0..5 {
            let now = start + s(f64::from(n) * 1.5);
            let _ = pace.take(now);
            pace.hear(&refused(Some(0), false), now);
        }
        let now = start + s(30.0);
        assert!(
            pace.learnt_rate(now).is_none_or(|rate| rate >= 5.0),
            "{:?}",
            pace.learnt_rate(now)
        );
        assert!(grants(&mut pace, now, s(10.0)) > 50);
    }

    #[test]
    fn a_pause_is_everyones_and_without_a_word_it_doubles() {
        let (mut pace, now) = pace(Some("100/s"));
        pace.hear(&refused(Some(7), true), now);
        assert_eq!(pace.take(now + s(6.9)), Err(now + s(7.0)));
        assert!(pace.take(now + s(7.0)).is_ok());
        let mut at = now + s(10.0);
        for pause in [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            pace.hear(&refused(None, true), at);
            assert_eq!(pace.blocked(at), Some(at + s(pause)));
            at += s(pause);
        }
        pace.hear(&Heard::default(), at);
        pace.hear(&refused(None, true), at + s(2.0));
        assert_eq!(pace.blocked(at + s(2.0)), Some(at + s(3.0)));
    }

    #[test]
    fn what_the_system_says_is_left_is_not_exceeded() {
        let (mut pace, now) = pace(None);
        let said = |left, reset| Heard {
            refusal: None,
            allowance: Some(Allowance { left, reset: s(reset) }),
        };
        pace.hear(&said(3, 10.0), now);
        assert_eq!(grants(&mut pace, now, s(5.0)), 3);
        // An answer to an earlier request, late.
        pace.hear(&said(5, 5.0), now + s(5.0));
        assert_eq!(pace.take(now + s(9.0)), Err(now + s(10.0)));
        assert!(pace.take(now + s(10.0)).is_ok());
        pace.hear(&said(0, 5.0), now + s(11.0));
        assert_eq!(pace.take(now + s(12.0)), Err(now + s(16.0)));
    }
}
