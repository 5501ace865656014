//! One named budget: a rate, a number of concurrent holders, and a fair queue before them. Waiters
//! are served round robin by tenant (the route), first come first served within one, so that a
//! busy route cannot starve a quiet one. A waiter reserves nothing: a grant is counted when given.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// Waiters in one budget's queue; beyond it a caller is refused at once.
const WAITERS_MAX: usize = 10_000;
/// When all places are held, a caller is told to try again after this.
const BUSY_RETRY: Duration = Duration::from_millis(250);
/// The queue never spins faster than this on a rate that rounds to now.
const SLEEP_MIN: Duration = Duration::from_micros(100);

pub struct Budget {
    pub name: String,
    rate: Option<RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Nanos>>>,
    interval: Duration,
    concurrency: Option<Arc<Semaphore>>,
    queue: Mutex<Queue>,
}

/// Holds a place in the budget's concurrency until dropped.
#[derive(Debug)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
}

/// The budget could not serve within the caller's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub after: Duration,
}

#[derive(Default)]
struct Queue {
    /// Tenants with waiters, in the order of their turns.
    turns: VecDeque<String>,
    waiters: HashMap<String, VecDeque<oneshot::Sender<Permit>>>,
    length: usize,
    /// A task is serving the queue.
    served: bool,
    /// The system asked for silence until then.
    slowed_until: Option<Instant>,
    granted_total: u64,
}

impl Budget {
    /// A budget that starts empty: what was granted before a restart is not known any more.
    pub fn new(name: &str, config: &super::Config) -> Budget {
        let one = std::num::NonZeroU32::MIN;
        let burst = config.burst.unwrap_or(one);
        let interval = config.rate.map_or(Duration::ZERO, super::Rate::interval);
        let rate = config.rate.map(|rate| {
            let quota = Quota::with_period(rate.interval())
                .expect("an interval is never zero")
                .allow_burst(burst);
            let rate = RateLimiter::direct_with_clock(quota, MonotonicClock::start());
            let _ = rate.check_n(burst);
            rate
        });
        Budget {
            name: name.to_owned(),
            rate,
            interval,
            concurrency: config.concurrency.map(|n| Arc::new(Semaphore::new(n.get() as usize))),
            queue: Mutex::default(),
        }
    }

    /// Waits for the tenant's turn, at most for `patience`.
    pub async fn enter(
        self: &Arc<Self>,
        tenant: &str,
        patience: Duration,
    ) -> Result<Permit, Refused> {
        let granted = {
            let mut queue = self.lock();
            if queue.length == 0
                && let Ok(permit) = self.grant_now(&mut queue)
            {
                return Ok(permit);
            }
            let expected = self.expected_wait(&queue);
            if expected > patience || queue.length >= WAITERS_MAX {
                return Err(Refused { after: expected.max(self.interval) });
            }
            let (sender, receiver) = oneshot::channel();
            queue.push(tenant, sender);
            if !queue.served {
                queue.served = true;
                tokio::spawn(Arc::clone(self).serve());
            }
            receiver
        };
        match tokio::time::timeout(patience, granted).await {
            Ok(Ok(permit)) => Ok(permit),
            // The dropped receiver is skipped by the server; no grant is lost with it.
            _ => Err(Refused { after: self.expected_wait(&self.lock()).max(self.interval) }),
        }
    }

    /// The system behind the budget asked to be left alone: nobody passes for that long.
    pub fn slow_down(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut queue = self.lock();
        queue.slowed_until = Some(queue.slowed_until.map_or(until, |known| known.max(until)));
    }

    /// Callers waiting now.
    pub fn waiting(&self) -> usize {
        self.lock().length
    }

    pub fn granted_total(&self) -> u64 {
        self.lock().granted_total
    }

    /// How much longer the system has asked to be left alone.
    pub fn slowed_for(&self) -> Duration {
        self.lock().slowed().unwrap_or_default()
    }

    async fn serve(self: Arc<Self>) {
        loop {
            let mut place = match &self.concurrency {
                Some(places) => Arc::clone(places).acquire_owned().await.ok(),
                None => None,
            };
            while let Some(pause) = {
                let mut queue = self.lock();
                match self.serve_one(&mut queue, &mut place) {
                    Served::One => None,
                    Served::NotYet(pause) => Some(pause),
                    Served::Empty => {
                        queue.served = false;
                        return;
                    }
                }
            } {
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn serve_one(&self, queue: &mut Queue, place: &mut Option<OwnedSemaphorePermit>) -> Served {
        queue.drop_closed();
        if queue.length == 0 {
            return Served::Empty;
        }
        if let Some(pause) = queue.slowed() {
            return Served::NotYet(pause);
        }
        if let Some(pause) = self.rate_refusal() {
            return Served::NotYet(pause);
        }
        if let Some(waiter) = queue.pop() {
            queue.granted();
            let _ = waiter.send(Permit { _place: place.take() });
        }
        Served::One
    }

    /// Takes one grant from the rate, or says how long until there is one.
    fn rate_refusal(&self) -> Option<Duration> {
        let rate = self.rate.as_ref()?;
        let not_until = rate.check().err()?;
        Some(not_until.wait_time_from(rate.clock().now()).max(SLEEP_MIN))
    }

    fn grant_now(&self, queue: &mut Queue) -> Result<Permit, Refused> {
        if let Some(after) = queue.slowed() {
            return Err(Refused { after });
        }
        let place = match &self.concurrency {
            Some(places) => match Arc::clone(places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => return Err(Refused { after: self.interval.max(BUSY_RETRY) }),
            },
            None => None,
        };
        if let Some(after) = self.rate_refusal() {
            return Err(Refused { after });
        }
        queue.granted();
        Ok(Permit { _place: place })
    }

    /// What the queue and the system's wish add up to, before concurrency.
    fn expected_wait(&self, queue: &Queue) -> Duration {
        let turns = u32::try_from(queue.length).unwrap_or(u32::MAX);
        self.interval.saturating_mul(turns) + queue.slowed().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

enum Served {
    One,
    NotYet(Duration),
    Empty,
}

impl Queue {
    fn push(&mut self, tenant: &str, waiter: oneshot::Sender<Permit>) {
        let waiters = self.waiters.entry(tenant.to_owned()).or_default();
        if waiters.is_empty() {
            self.turns.push_back(tenant.to_owned());
        }
        waiters.push_back(waiter);
        self.length += 1;
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Permit>> {
        let tenant = self.turns.pop_front()?;
        let waiters = self.waiters.get_mut(&tenant)?;
        let waiter = waiters.pop_front();
        self.length -= usize::from(waiter.is_some());
        if waiters.is_empty() {
            self.waiters.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        waiter
    }

    /// Forgets waiters whose callers gave up.
    fn drop_closed(&mut self) {
        for waiters in self.waiters.values_mut() {
            waiters.retain(|waiter| !waiter.is_closed());
        }
        self.waiters.retain(|_, waiters| !waiters.is_empty());
        self.turns.retain(|tenant| self.waiters.contains_key(tenant));
        self.length = self.waiters.values().map(VecDeque::len).sum();
    }

    fn granted(&mut self) {
        self.granted_total += 1;
    }

    fn slowed(&self) -> Option<Duration> {
        let left = self.slowed_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Tokio's clock, so that paused time in tests moves the budgets too.
#[derive(Clone, Debug)]
pub(super) struct MonotonicClock {
    origin: Instant,
}

impl MonotonicClock {
    pub(super) fn start() -> Self {
        MonotonicClock { origin: Instant::now() }
    }
}

impl Clock for MonotonicClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        // An offset keeps the first instants away from zero, where GCRA would saturate.
        Nanos::from(self.origin.elapsed() + Duration::from_secs(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(rate: &str, burst: u32, concurrency: Option<u32>) -> Arc<Budget> {
        let config = super::super::Config {
            rate: Some(rate.parse().unwrap()),
            burst: std::num::NonZeroU32::new(burst),
            concurrency: concurrency.and_then(std::num::NonZeroU32::new),
        };
        Arc::new(Budget::new("test", &config))
    }

    #[tokio::test(start_paused = true)]
    async fn grants_never_exceed_burst_plus_rate_in_any_window() {
        let budget = budget("50/s", 10, None);
        let start = Instant::now();
        let mut tasks = Vec::new();
        for n in 0..300 {
            let budget = Arc::clone(&budget);
            let tenant = format!("route-{}", n % 3);
            tasks.push(tokio::spawn(async move {
                budget.enter(&tenant, Duration::from_secs(60)).await.unwrap();
                Instant::now()
            }));
        }
        let mut granted = Vec::new();
        for task in tasks {
            granted.push(task.await.unwrap().duration_since(start));
        }
        granted.sort();
        for (first, from) in granted.iter().enumerate() {
            for (last, to) in granted.iter().enumerate().skip(first) {
                let allowed = 10.0 + 50.0 * (*to - *from).as_secs_f64() + 1.0;
                assert!(
                    (last - first + 1) as f64 <= allowed,
                    "{first}..{last} in {:?}",
                    *to - *from
                );
            }
        }
        assert!(granted.last().unwrap().as_secs_f64() < 6.5, "the budget is used: {granted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_tenant_does_not_wait_behind_a_busy_one() {
        let budget = budget("10/s", 1, None);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for tenant in ["busy"; 20].into_iter().chain(["quiet"]) {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                budget.enter(tenant, Duration::from_secs(60)).await.unwrap();
                order.lock().unwrap().push(tenant);
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let at = order.lock().unwrap().iter().position(|t| *t == "quiet").unwrap();
        assert!(at <= 2, "the quiet tenant was served at place {at}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slowed_budget_lets_nobody_pass() {
        let budget = budget("100/s", 1, None);
        budget.slow_down(Duration::from_secs(30));
        let refused = budget.enter("a", Duration::from_secs(5)).await.unwrap_err();
        assert!(refused.after >= Duration::from_secs(29), "{refused:?}");
        budget.enter("a", Duration::from_secs(40)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_its_permit_is_dropped() {
        let budget = budget("1000/s", 10, Some(1));
        let first = budget.enter("a", Duration::from_secs(1)).await.unwrap();
        assert!(budget.enter("b", Duration::from_millis(100)).await.is_err());
        drop(first);
        budget.enter("b", Duration::from_secs(1)).await.unwrap();
    }
}
