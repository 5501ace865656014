//! The circuit breaker of one connector: closed while its system answers, open while it is ill, and
//! half open while a few calls try whether it is well again. Pure: the time comes in. It counts what
//! says that the system is ill, and never a business answer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use connector::Health;
use serde::Deserialize;
use tokio::time::Instant;

use crate::config::Span;

/// Calls remembered in a window; beyond it the oldest are forgotten.
const CALLS_MAX: usize = 10_000;
/// Probes that were asked for and did not come are asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// `[connectors.ALIAS.breaker]`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Calls without an answer, in the window, before it opens,
    pub failures: u32,
    /// if they are this share of all calls in the window.
    pub share: f64,
    pub window: Span,
    /// How long it stays open at first; doubled while the probes fail.
    pub open: Span,
    pub open_max: Span,
    /// Calls that try, and that must all be answered, before it closes.
    pub probes: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            failures: 5,
            share: 0.5,
            window: Span(Duration::from_secs(60)),
            open: Span(Duration::from_secs(15)),
            open_max: Span(Duration::from_secs(300)),
            probes: 2,
        }
    }
}

impl Config {
    /// Why it cannot be used.
    pub fn wrong(&self) -> Option<&'static str> {
        match () {
            () if self.failures == 0 => Some("`failures` must be at least 1"),
            () if !(self.share > 0.0 && self.share <= 1.0) => {
                Some("`share` must be above 0 and at most 1")
            }
            () if self.probes == 0 => Some("`probes` must be at least 1"),
            () if self.window.0.is_zero() || self.open.0.is_zero() => {
                Some("`window` and `open` must be longer than nothing")
            }
            () if self.open_max < self.open => Some("`open_max` must not be shorter than `open`"),
            () => None,
        }
    }
}

pub struct Breaker {
    pub connector: String,
    config: Config,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Calls of the window, when closed: when they ended, and whether without an answer.
    calls: VecDeque<(Instant, bool)>,
    failures: usize,
    /// Rises with each change of phase: a call that began before says nothing of now.
    epoch: u64,
    opened_total: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed,
    Open { until: Instant, incident: Incident },
    Half { under_way: u32, good: u32, asked_at: Option<Instant>, incident: Incident },
}

/// From the first opening to the closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub since: Instant,
    pub why: String,
    /// Openings in it.
    pub times: u32,
}

/// A call that may be made. Its end is to be told.
#[derive(Debug)]
pub struct Pass {
    epoch: u64,
}

/// A call that is not to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// At the latest; it is told to come when the system is well again, or to try whether it is.
    pub until: Instant,
    pub why: String,
}

/// What the end of a call changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    Opened { incident: Incident, until: Instant },
    Closed { incident: Incident },
}

/// As it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub state: &'static str,
    pub until: Option<Instant>,
    pub incident: Option<Incident>,
    pub failures: usize,
    pub calls: usize,
    pub opened_total: u64,
}

impl Breaker {
    pub fn new(connector: &str, config: Config) -> Breaker {
        Breaker {
            connector: connector.to_owned(),
            config,
            state: Mutex::new(State {
                phase: Phase::Closed,
                calls: VecDeque::new(),
                failures: 0,
                epoch: 0,
                opened_total: 0,
            }),
        }
    }

    /// Calls wait since before this start: it is tried first whether the system is well again.
    pub fn start_doubtful(&self, now: Instant) {
        let why = "it was open when the runtime stopped".to_owned();
        let incident = Incident { since: now, why, times: 1 };
        self.lock().enter(Phase::Half { under_way: 0, good: 0, asked_at: Some(now), incident });
    }

    /// Whether a call would be held; nothing is taken by asking.
    pub fn look(&self, now: Instant) -> Result<(), Closed> {
        let mut state = self.lock();
        state.ripen(now);
        match &state.phase {
            Phase::Closed => Ok(()),
            Phase::Half { under_way, good, .. } if under_way + good < self.config.probes => Ok(()),
            Phase::Half { incident, .. } => Err(self.closed(now, incident, "it is being tried")),
            Phase::Open { until, incident } => {
                let left = until.saturating_duration_since(now).as_secs() + 1;
                Err(self.closed(*until, incident, &format!("it is tried again in {left} s")))
            }
        }
    }

    fn closed(&self, from: Instant, incident: &Incident, next: &str) -> Closed {
        let until = from + self.config.open_max.0;
        Closed { until, why: format!("{}; {next}", incident.why) }
    }

    /// A call is about to be made: a probe, if it is half open.
    pub fn pass(&self, now: Instant) -> Result<Pass, Closed> {
        self.look(now)?;
        let mut state = self.lock();
        if let Phase::Half { under_way, .. } = &mut state.phase {
            *under_way += 1;
        }
        Ok(Pass { epoch: state.epoch })
    }

    /// How a call ended: answered, or what was heard of the system.
    pub fn ended(&self, pass: Pass, answered: bool, health: Health, now: Instant) -> Change {
        let ill = !answered && health == Health::Ill;
        let well = answered || health == Health::Well;
        let mut state = self.lock();
        if pass.epoch != state.epoch {
            return Change::None;
        }
        match &mut state.phase {
            Phase::Open { .. } => Change::None,
            Phase::Closed if !ill && !well => Change::None,
            Phase::Closed => {
                state.note(now, ill, self.config.window.0);
                let (failures, calls) = (state.failures, state.calls.len());
                if !ill
                    || failures < self.config.failures as usize
                    || (failures as f64) < self.config.share * calls as f64
                {
                    return Change::None;
                }
                let why = format!("{failures} of {calls} calls gave no answer");
                self.open(&mut state, Incident { since: now, why, times: 0 }, now)
            }
            Phase::Half { under_way, good, asked_at, incident } => {
                *under_way = under_way.saturating_sub(1);
                if ill {
                    let incident = incident.clone();
                    return self.open(&mut state, incident, now);
                }
                // One probe more is wanted at once, whether this one told something or not.
                *asked_at = None;
                *good += u32::from(well);
                if *good < self.config.probes {
                    return Change::None;
                }
                let incident = incident.clone();
                state.enter(Phase::Closed);
                Change::Closed { incident }
            }
        }
    }

    fn open(&self, state: &mut State, mut incident: Incident, now: Instant) -> Change {
        let open = self.config.open.0.saturating_mul(1 << incident.times.min(20));
        let until = now + open.min(self.config.open_max.0);
        incident.times += 1;
        state.opened_total += u64::from(incident.times == 1);
        state.enter(Phase::Open { until, incident: incident.clone() });
        Change::Opened { incident, until }
    }

    /// How many of those that wait are to come and try now.
    pub fn probes_wanted(&self, now: Instant) -> u32 {
        let mut state = self.lock();
        state.ripen(now);
        let Phase::Half { under_way, good, asked_at, .. } = &mut state.phase else { return 0 };
        if asked_at.is_some_and(|at| now < at + ASK_AGAIN) {
            return 0;
        }
        *asked_at = Some(now);
        self.config.probes.saturating_sub(*under_way + *good)
    }

    pub fn probes(&self) -> u32 {
        self.config.probes
    }

    pub fn shown(&self, now: Instant) -> Shown {
        let mut state = self.lock();
        state.ripen(now);
        state.forget(now, self.config.window.0);
        let (name, until, incident) = match &state.phase {
            Phase::Closed => ("closed", None, None),
            Phase::Open { until, incident } => ("open", Some(*until), Some(incident.clone())),
            Phase::Half { incident, .. } => ("half-open", None, Some(incident.clone())),
        };
        Shown {
            state: name,
            until,
            incident,
            failures: state.failures,
            calls: state.calls.len(),
            opened_total: state.opened_total,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
        self.calls.clear();
        self.failures = 0;
    }

    /// Open long enough: half open.
    fn ripen(&mut self, now: Instant) {
        if let Phase::Open { until, incident } = &self.phase
            && *until <= now
        {
            let incident = incident.clone();
            self.enter(Phase::Half { under_way: 0, good: 0, asked_at: None, incident });
        }
    }

    fn note(&mut self, now: Instant, ill: bool, window: Duration) {
        self.forget(now, window);
        self.calls.push_back((now, ill));
        self.failures += usize::from(ill);
    }

    fn forget(&mut self, now: Instant, window: Duration) {
        while self.calls.len() >= CALLS_MAX
            || self.calls.front().is_some_and(|(at, _)| *at + window <= now)
        {
            let Some((_, ill)) = self.calls.pop_front() else { break };
            self.failures -= usize::from(ill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Breaker, Instant) {
        (Breaker::new("erp", Config::default()), Instant::now())
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn call(breaker: &Breaker, health: Health, now: Instant) -> Change {
        let pass = breaker.pass(now).expect("not held");
        breaker.ended(pass, false, health, now)
    }

    fn open(breaker: &Breaker, now: Instant) -> Instant {
        for _ in 0..4 {
            assert_eq!(call(breaker, Health::Ill, now), Change::None);
        }
        match call(breaker, Health::Ill, now) {
            Change::Opened { until, .. } => until,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_an_ill_system_opens_it() {
        let (breaker, now) = breaker();
        for _ in 0..100 {
            assert_eq!(call(&breaker, Health::Well, now), Change::None);
            assert_eq!(call(&breaker, Health::Unheard, now), Change::None);
        }
        // Less than half of them.
        for _ in 0..99 {
            assert_eq!(call(&breaker, Health::Ill, now), Change::None);
        }
        assert!(matches!(call(&breaker, Health::Ill, now), Change::Opened { .. }));
        let held = breaker.look(now).unwrap_err();
        assert!(held.why.starts_with("100 of 200 calls gave no answer"), "{held:?}");
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let (breaker, now) = breaker();
        for n in 0..20 {
            assert_eq!(call(&breaker, Health::Ill, now + s(n * 15)), Change::None);
        }
    }

    #[test]
    fn a_few_probes_close_it_and_a_failed_one_opens_it_for_longer() {
        let (breaker, start) = breaker();
        let mut until = open(&breaker, start);
        assert_eq!(until, start + s(15));
        assert_eq!(breaker.probes_wanted(until - s(1)), 0);
        for open_s in [30, 60, 120, 240, 300, 300] {
            assert!(breaker.pass(until - s(1)).is_err());
            assert_eq!(breaker.probes_wanted(until), 2);
            assert_eq!(breaker.probes_wanted(until), 0, "asked once");
            let (first, second) = (breaker.pass(until).unwrap(), breaker.pass(until).unwrap());
            assert!(breaker.pass(until).is_err(), "no third");
            let change = breaker.ended(first, false, Health::Ill, until);
            // The other one began before: it changes nothing any more.
            assert_eq!(breaker.ended(second, true, Health::Well, until), Change::None);
            let Change::Opened { until: next, incident } = change else { panic!("{change:?}") };
            assert_eq!((next, incident.since), (until + s(open_s), start));
            until = next;
        }
        assert_eq!(breaker.shown(until).opened_total, 1, "one incident");
        assert_eq!(call(&breaker, Health::Well, until), Change::None);
        assert_eq!(breaker.probes_wanted(until), 1, "one answered, one more is to come");
        assert_eq!(call(&breaker, Health::Unheard, until), Change::None);
        assert!(matches!(call(&breaker, Health::Well, until), Change::Closed { .. }));
        assert_eq!(breaker.shown(until).state, "closed");
        // The next incident begins with a short one.
        assert_eq!(open(&breaker, until), until + s(15));
    }

    #[test]
    fn probes_that_do_not_come_are_asked_for_again() {
        let (breaker, start) = breaker();
        let until = open(&breaker, start);
        assert_eq!(breaker.probes_wanted(until), 2);
        assert_eq!(breaker.probes_wanted(until + s(4)), 0);
        assert_eq!(breaker.probes_wanted(until + s(5)), 2);
    }

    #[test]
    fn what_waited_over_a_restart_is_tried_by_a_few() {
        let (breaker, now) = breaker();
        breaker.start_doubtful(now);
        let passes: Vec<Pass> = (0..2).map(|_| breaker.pass(now).unwrap()).collect();
        assert!(breaker.pass(now).is_err());
        for pass in passes {
            breaker.ended(pass, true, Health::Well, now);
        }
        assert!(breaker.pass(now).is_ok());
    }
}
