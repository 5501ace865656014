//! One named budget: a pace, calendar quotas, a number of concurrent holders, and a fair queue before
//! them. A waiter reserves nothing: a grant is counted when given. Who cannot be served within its
//! patience is told when to come back, each at its own time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use connector::Heard;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::horizon::Horizon;
use super::pace::Pace;
use super::queue::{Place, Queue};
use super::quota::{self, Quota, Reservations};
use super::{Config, Tenant, rooms};
use crate::clock;

/// Waiters in one budget's queue; beyond it a caller is told to come back.
const WAITERS_MAX: usize = 10_000;
/// When all places are held, a caller that does not wait is told to try again after this.
const BUSY_RETRY: Duration = Duration::from_millis(250);
/// The queue never spins faster than this on a rate that rounds to now.
const SLEEP_MIN: Duration = Duration::from_micros(100);
/// A waiter before whom no room to run is free is looked at again after this.
const ROOM_PATIENCE: Duration = Duration::from_millis(50);
/// A room is not kept idle for a grant that is further away.
const ROOM_KEPT: Duration = Duration::from_millis(100);
/// Returns where no rate is known: so far apart.
const RETURN_STEP: Duration = Duration::from_millis(10);
/// Those that wait in the journal are called in so that the queue holds the grants of this time.
const CALLED_IN: Duration = Duration::from_secs(1);
const CALLED_IN_MAX: f64 = 1_000.0;
/// After a reservation that could not be written; the journal has said why.
const RESERVE_RETRY: Duration = Duration::from_secs(1);

pub struct Budget {
    pub name: String,
    /// In the configuration; else what is learnt of an upstream without a limit.
    pub configured: bool,
    concurrency: Option<Arc<Semaphore>>,
    /// Of the concurrency, altogether.
    places: usize,
    state: Mutex<State>,
    /// The pace may have changed.
    changed: Notify,
    /// The wall-clock time of an instant, for who reads the grants in the log.
    origin: (Instant, jiff::Timestamp),
}

struct State {
    queue: Queue<Waiter>,
    pace: Pace,
    quota: Option<Quota>,
    reservations: Option<Arc<dyn Reservations>>,
    horizon: Horizon,
    /// The journal may have more to come back than the horizon knows.
    more: bool,
    /// A task is serving the queue.
    served: bool,
    granted_total: u64,
}

struct Waiter {
    /// It needs a room to run before it is granted anything.
    rooms: Option<Arc<rooms::Rooms>>,
    sender: oneshot::Sender<Entered>,
}

/// Who asks, and how.
pub struct Ask<'a> {
    pub tenant: &'a Tenant,
    pub patience: Duration,
    /// It first asked so long ago, and was held back since.
    pub waited: Duration,
    /// Where it needs room to run: it waits without one, and is granted with one.
    pub rooms: Option<Arc<rooms::Rooms>>,
}

/// Holds a place in the budget's concurrency until dropped.
#[derive(Debug)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub struct Entered {
    pub permit: Permit,
    pub room: Option<rooms::Room>,
}

/// The budget could not serve within the caller's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub after: Duration,
    /// The quota is spent, not the rate.
    pub quota: bool,
}

/// A budget as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Configured, and learnt; grants a second.
    pub rate: Option<f64>,
    pub learnt: Option<f64>,
    pub queue: std::collections::BTreeMap<String, usize>,
    pub returning: bool,
    pub paused_for: Option<Duration>,
    pub granted_total: u64,
    pub in_use: Option<(usize, usize)>,
    pub quotas: Vec<quota::Shown>,
}

impl Budget {
    /// A budget that starts empty: what was granted before a restart is not known any more.
    pub fn new(name: &str, config: &Config) -> Budget {
        let now = Instant::now();
        Budget {
            name: name.to_owned(),
            configured: true,
            concurrency: config.concurrency.map(|n| Arc::new(Semaphore::new(n.get() as usize))),
            places: config.concurrency.map_or(0, |n| n.get() as usize),
            state: Mutex::new(State {
                queue: Queue::default(),
                pace: Pace::empty(config, now),
                quota: None,
                reservations: None,
                horizon: Horizon::default(),
                // What an earlier process held back is in the journal.
                more: true,
                served: false,
                granted_total: 0,
            }),
            changed: Notify::new(),
            origin: (now, jiff::Timestamp::now()),
        }
    }

    /// For an upstream without a limit: it grants at once until its system refuses.
    pub fn learning(name: &str) -> Budget {
        Budget { configured: false, ..Budget::new(name, &Config::default()) }
    }

    /// From here on its quotas hold, counted there.
    pub fn count_in(&self, config: &Config, reservations: &Arc<dyn Reservations>) {
        let mut state = self.lock();
        state.quota = Quota::of(config);
        state.reservations = Some(reservations.clone());
    }

    /// Passes at once or not at all; for callers that can be told to come back.
    pub fn try_enter(&self) -> Result<Permit, Refused> {
        let now = Instant::now();
        let mut state = self.lock();
        let until = match state.queue.is_empty() {
            true => match self.grant(&mut state, now) {
                Ok(permit) => return Ok(permit),
                Err(until) => until,
            },
            false => now + state.expected(&Tenant::present(), now, now),
        };
        let after = until.saturating_duration_since(now).max(SLEEP_MIN);
        Err(Refused { after, quota: state.quota_spent(now).is_some() })
    }

    /// Waits for the tenant's turn, at most for its patience.
    pub async fn enter(self: &Arc<Self>, ask: Ask<'_>) -> Result<Entered, Refused> {
        let now = Instant::now();
        let asked = now.checked_sub(ask.waited).unwrap_or(now);
        let (ticket, granted) = {
            let mut state = self.lock();
            if ask.rooms.is_none()
                && state.queue.is_empty()
                && let Ok(permit) = self.grant(&mut state, now)
            {
                return Ok(Entered { permit, room: None });
            }
            let expected = state.expected(ask.tenant, asked, now);
            if expected > ask.patience || state.queue.len() >= WAITERS_MAX {
                return Err(state.send_away(ask.tenant, now));
            }
            let (sender, receiver) = oneshot::channel();
            let place = state.queue.push(ask.tenant, asked, Waiter { rooms: ask.rooms, sender });
            if !state.served {
                state.served = true;
                tokio::spawn(Arc::clone(self).serve());
            }
            (Ticket { budget: self, tenant: ask.tenant, place }, receiver)
        };
        let granted = tokio::time::timeout(ask.patience, granted).await;
        drop(ticket);
        match granted {
            Ok(Ok(entered)) => Ok(entered),
            _ => Err(self.lock().send_away(ask.tenant, Instant::now())),
        }
    }

    /// What the system behind the budget let know: everyone's pace.
    pub fn hear(&self, heard: &Heard) {
        let now = Instant::now();
        let mut state = self.lock();
        state.pace.hear(heard, now);
        if heard.refusal.is_some() {
            let pause_ms = state.pace.blocked(now).map(|until| (until - now).as_millis() as u64);
            let rate = state.pace.learnt_rate(now);
            tracing::info!(limit = self.name, pause_ms, rate, "the system asks for a slower pace");
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Between two grants while there is demand.
    pub fn interval(&self) -> Duration {
        self.lock().interval(Instant::now())
    }

    /// How many of those that wait in the journal are to come now, so that the budget is used.
    pub fn called_in(&self) -> u32 {
        let now = Instant::now();
        let state = self.lock();
        if !state.more && !state.horizon.any(now) || state.earliest(now) > now {
            return 0;
        }
        let rate = 1.0 / state.interval(now).as_secs_f64();
        let wanted = (rate * CALLED_IN.as_secs_f64()).ceil().clamp(1.0, CALLED_IN_MAX) as usize;
        let short = wanted.saturating_sub(state.queue.len());
        if short * 2 < wanted { 0 } else { u32::try_from(short).unwrap_or(u32::MAX) }
    }

    /// None of those that were called in was there: all have come back.
    pub fn all_back(&self) {
        let mut state = self.lock();
        state.more = false;
        state.horizon.clear();
    }

    /// The quotas are not spent.
    pub fn has_quota(&self) -> bool {
        self.lock().quota_spent(Instant::now()).is_none()
    }

    /// At a stop: what was reserved and not granted can be granted by the next process.
    pub async fn give_back(&self) {
        let (rest, reservations) = {
            let mut state = self.lock();
            let rest = state.quota.as_mut().map(Quota::rest).unwrap_or_default();
            (rest, state.reservations.clone())
        };
        let Some(reservations) = reservations else { return };
        for (period, count) in rest {
            let count = i64::try_from(count).unwrap_or(0);
            if let Err(error) = reservations.reserve(&self.name, &period, -count).await {
                tracing::warn!(limit = self.name, error, "a rest of a quota is wasted");
            }
        }
    }

    pub fn shown(&self) -> Shown {
        let now = Instant::now();
        let state = self.lock();
        Shown {
            rate: state.pace.configured(),
            learnt: state.pace.learnt_rate(now),
            queue: state.queue.lengths(),
            returning: state.horizon.any(now),
            paused_for: state.pace.blocked(now).map(|until| until - now),
            granted_total: state.granted_total,
            in_use: self
                .concurrency
                .as_ref()
                .map(|all| (self.places.saturating_sub(all.available_permits()), self.places)),
            quotas: state.quota.as_ref().map(|quota| quota.shown(clock::now())).unwrap_or_default(),
        }
    }

    async fn serve(self: Arc<Self>) {
        let mut room = None;
        loop {
            let mut place = match &self.concurrency {
                Some(places) => Arc::clone(places).acquire_owned().await.ok(),
                None => None,
            };
            loop {
                let served = self.serve_one(&mut place, &mut room);
                match served {
                    Served::One => break,
                    Served::Empty => return,
                    Served::NotYet(until) => {
                        let pause = until.saturating_duration_since(Instant::now()).max(SLEEP_MIN);
                        if pause > ROOM_KEPT {
                            room = None;
                        }
                        tokio::select! {
                            () = tokio::time::sleep(pause) => {}
                            () = self.changed.notified() => {}
                        }
                    }
                    Served::NoRoom(rooms) => {
                        room = tokio::time::timeout(ROOM_PATIENCE, rooms.enter_first()).await.ok();
                    }
                    Served::Reserve => {
                        if let Err(error) = self.reserve().await {
                            tracing::error!(limit = self.name, error, "a quota cannot be reserved");
                            tokio::time::sleep(RESERVE_RETRY).await;
                        }
                    }
                }
            }
        }
    }

    fn serve_one(
        &self,
        place: &mut Option<OwnedSemaphorePermit>,
        room: &mut Option<rooms::Room>,
    ) -> Served {
        let now = Instant::now();
        let mut state = self.lock();
        let any = state.queue.next(|_| true);
        let Some(first) = any else {
            state.served = false;
            return Served::Empty;
        };
        match state.quota.as_ref().map(|quota| quota.state(clock::now())) {
            Some(quota::State::Reserve) => return Served::Reserve,
            Some(quota::State::Spent(until)) => return Served::NotYet(at(until, now)),
            Some(quota::State::Has) | None => {}
        }
        // Order matters: room first, then the grant, so that what is granted leaves at once.
        let mut runs = room.take();
        let chosen = match state.queue.peek(&first).and_then(|waiter| waiter.rooms.clone()) {
            None => first,
            Some(rooms) => {
                runs = runs.or_else(|| rooms.try_enter());
                match runs {
                    Some(_) => first,
                    None => match state.queue.next(|waiter| waiter.rooms.is_none()) {
                        Some(other) => other,
                        None => return Served::NoRoom(rooms),
                    },
                }
            }
        };
        if let Err(until) = state.pace.take(now) {
            *room = runs;
            return Served::NotYet(until);
        }
        state.granted(self, now);
        if let Some(waiter) = state.queue.take(&chosen.0, chosen.1) {
            let needed = if waiter.rooms.is_some() { runs.take() } else { None };
            let permit = Permit { _place: place.take() };
            let _ = waiter.sender.send(Entered { permit, room: needed });
        }
        *room = runs;
        Served::One
    }

    /// Reserves the next block of each term that has none.
    async fn reserve(&self) -> Result<(), String> {
        let (wanted, reservations) = {
            let state = self.lock();
            let wanted = state.quota.as_ref().map(|quota| quota.wanted(clock::now()));
            (wanted.unwrap_or_default(), state.reservations.clone())
        };
        let reservations = reservations.ok_or("nothing to reserve with")?;
        for (term, period) in wanted {
            let before = reservations.reserved(&self.name, &period).await?;
            let block = self.lock().quota.as_ref().map_or(0, |quota| quota.block(term, before));
            if block > 0 {
                let count = i64::try_from(block).unwrap_or(i64::MAX);
                // Order matters: on disk before any of it is granted.
                reservations.reserve(&self.name, &period, count).await?;
            }
            if let Some(quota) = &mut self.lock().quota {
                quota.reserved(term, &period, before + block, block, clock::now());
            }
        }
        Ok(())
    }

    /// One grant now, if pace, quota and concurrency have it; else when it is worth asking again.
    fn grant(&self, state: &mut State, now: Instant) -> Result<Permit, Instant> {
        match state.quota.as_ref().map(|quota| quota.state(clock::now())) {
            Some(quota::State::Spent(until)) => return Err(at(until, now)),
            // The queue reserves.
            Some(quota::State::Reserve) => return Err(now),
            Some(quota::State::Has) | None => {}
        }
        let place = match &self.concurrency {
            Some(places) => {
                let place = Arc::clone(places).try_acquire_owned();
                Some(place.map_err(|_| now + BUSY_RETRY)?)
            }
            None => None,
        };
        state.pace.take(now)?;
        state.granted(self, now);
        Ok(Permit { _place: place })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

enum Served {
    One,
    NotYet(Instant),
    NoRoom(Arc<rooms::Rooms>),
    Reserve,
    Empty,
}

impl State {
    fn granted(&mut self, budget: &Budget, now: Instant) {
        if let Some(quota) = &mut self.quota {
            quota.take();
        }
        self.granted_total += 1;
        if budget.configured {
            // The instant of the decision, not of this line.
            let since = now.saturating_duration_since(budget.origin.0);
            let at_us = budget.origin.1.as_microsecond() + since.as_micros() as i64;
            tracing::trace!(target: "crossdock::grant", limit = budget.name, at_us, "granted");
        }
    }

    fn interval(&self, now: Instant) -> Duration {
        self.pace.interval(now).unwrap_or(RETURN_STEP)
    }

    fn quota_spent(&self, now: Instant) -> Option<Instant> {
        match self.quota.as_ref()?.state(clock::now()) {
            quota::State::Spent(until) => Some(at(until, now)),
            _ => None,
        }
    }

    /// Before that nobody is granted anything.
    fn earliest(&self, now: Instant) -> Instant {
        let blocked = self.pace.blocked(now).into_iter().chain(self.quota_spent(now));
        blocked.fold(now, Instant::max)
    }

    /// How long one who first asked then would wait here. Who is new waits behind those of its own
    /// that are still to come back.
    fn expected(&self, tenant: &Tenant, asked: Instant, now: Instant) -> Duration {
        let blocked = self.earliest(now).saturating_duration_since(now);
        if self.queue.is_empty() && blocked.is_zero() && self.pace.interval(now).is_none() {
            return Duration::ZERO;
        }
        let coming = |name: &str| self.horizon.last(name, now).is_some();
        let turns = self.queue.turns(tenant, asked, coming);
        let wait = blocked + self.pace.interval(now).unwrap_or_default().mul_f64(turns);
        let behind = self.horizon.last(&tenant.name, now).filter(|_| asked >= now);
        behind.map_or(wait, |last| wait.max(last - now))
    }

    /// Told to come back at a time of its own.
    fn send_away(&mut self, tenant: &Tenant, now: Instant) -> Refused {
        let interval = self.interval(now);
        let waiting = self.queue.turns(tenant, now, |_| false);
        let earliest = self.earliest(now) + interval.mul_f64(waiting - 1.0);
        let slot = self.horizon.book(tenant, earliest, interval, now);
        Refused { after: slot - now, quota: self.quota_spent(now).is_some() }
    }
}

/// A wall-clock time as an instant; at the latest in a day.
fn at(until: jiff::Timestamp, now: Instant) -> Instant {
    const FAR: Duration = Duration::from_secs(32 * 86_400);
    let left = until.duration_since(clock::now());
    now + Duration::try_from(left).unwrap_or_default().min(FAR)
}

/// A waiter's place in the queue, given up with it.
struct Ticket<'a> {
    budget: &'a Budget,
    tenant: &'a Tenant,
    place: Place,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.budget.lock().queue.remove(self.tenant, self.place);
    }
}

#[cfg(test)]
mod tests;
