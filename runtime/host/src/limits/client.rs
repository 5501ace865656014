//! The inbound door: a budget of its own for each caller of a named limit, so that one cannot spend
//! another's share. A caller is never queued: it passes, or is told when to come back.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Config, Rate};

/// Callers remembered for one limit. Beyond it the idle are forgotten, and strangers share a budget.
const CALLERS_MAX: usize = 10_000;
/// The idle are looked for no more often than this.
const SWEEP: Duration = Duration::from_secs(1);
/// When all places are held, a caller is told to try again after this.
const BUSY_RETRY: Duration = Duration::from_millis(250);

type Limiter =
    RateLimiter<String, DashMapStateStore<String>, MonotonicClock, StateInformationMiddleware>;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// By the name that the configuration gives it.
    Client(&'a str),
    /// Nobody known: by where the connection comes from.
    Address(std::net::IpAddr),
}

pub struct ClientBudgets {
    name: String,
    rate: Option<(Rate, NonZeroU32, Limiter)>,
    places: Option<(u32, DashMap<String, Arc<Semaphore>>)>,
    /// Milliseconds since `born` at which the idle were last forgotten.
    swept_ms: AtomicU64,
    born: tokio::time::Instant,
    sweeping: Mutex<()>,
}

/// Holds a place in the caller's concurrency until dropped.
#[derive(Debug)]
pub struct Passed {
    _place: Option<OwnedSemaphorePermit>,
}

/// How a caller stands after it asked; for the fields `RateLimit` and `RateLimit-Policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    limit: String,
    /// Empty for a limit without a rate.
    policy: String,
    remaining: u32,
    /// Until more is there (nothing left), or until all is.
    reset: Duration,
}

impl Standing {
    /// An item of the field `RateLimit`; none for a limit without a rate.
    pub fn field(&self) -> Option<String> {
        let (limit, left, reset) = (&self.limit, self.remaining, seconds_up(self.reset));
        (!self.policy.is_empty()).then(|| format!("\"{limit}\";r={left};t={reset}"))
    }

    /// An item of the field `RateLimit-Policy`.
    pub fn policy(&self) -> Option<&str> {
        Some(self.policy.as_str()).filter(|policy| !policy.is_empty())
    }
}

impl ClientBudgets {
    pub fn new(name: &str, config: &Config) -> ClientBudgets {
        let rate = config.rate.map(|rate| {
            let burst = config.burst.unwrap_or(NonZeroU32::MIN);
            let quota = Quota::with_period(rate.interval())
                .expect("an interval is never zero")
                .allow_burst(burst);
            let limiter = RateLimiter::dashmap_with_clock(quota, MonotonicClock::start());
            (rate, burst, limiter.with_middleware())
        });
        ClientBudgets {
            name: name.to_owned(),
            rate,
            places: config.concurrency.map(|places| (places.get(), DashMap::new())),
            swept_ms: AtomicU64::new(0),
            born: tokio::time::Instant::now(),
            sweeping: Mutex::new(()),
        }
    }

    /// Passes at once or not at all; the error says after how long to ask again.
    pub fn enter(&self, caller: Caller<'_>) -> (Result<Passed, Duration>, Standing) {
        let key = self.key(caller);
        let place = match self.place(&key) {
            Ok(place) => place,
            Err(after) => return (Err(after), self.standing(0, after)),
        };
        let Some((rate, burst, limiter)) = &self.rate else {
            return (Ok(Passed { _place: place }), self.standing(0, Duration::ZERO));
        };
        match limiter.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity().min(burst.get());
                let reset = rate.interval().saturating_mul((burst.get() - remaining).max(1));
                (Ok(Passed { _place: place }), self.standing(remaining, reset))
            }
            Err(not_until) => {
                let after = not_until.wait_time_from(limiter.clock().now());
                (Err(after), self.standing(0, after))
            }
        }
    }

    fn place(&self, key: &str) -> Result<Option<OwnedSemaphorePermit>, Duration> {
        let Some((count, places)) = &self.places else { return Ok(None) };
        let own = places
            .entry(key.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(*count as usize)))
            .clone();
        own.try_acquire_owned().map(Some).map_err(|_| BUSY_RETRY)
    }

    /// The name under which the caller is counted.
    fn key(&self, caller: Caller<'_>) -> String {
        let full = self.len() >= CALLERS_MAX && {
            self.sweep();
            self.len() >= CALLERS_MAX
        };
        match caller {
            Caller::Client(name) => format!("client {name}"),
            Caller::Address(_) if full => "others".to_owned(),
            Caller::Address(address) => format!("address {}", network(address)),
        }
    }

    fn len(&self) -> usize {
        let counted = self.rate.as_ref().map_or(0, |(_, _, limiter)| limiter.len());
        counted.max(self.places.as_ref().map_or(0, |(_, places)| places.len()))
    }

    fn sweep(&self) {
        let Ok(_alone) = self.sweeping.try_lock() else { return };
        let now_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last_ms = self.swept_ms.load(Ordering::Relaxed);
        if last_ms > 0 && now_ms.saturating_sub(last_ms) < SWEEP.as_millis() as u64 {
            return;
        }
        self.swept_ms.store(now_ms.max(1), Ordering::Relaxed);
        if let Some((_, _, limiter)) = &self.rate {
            limiter.retain_recent();
        }
        if let Some((count, places)) = &self.places {
            places.retain(|_, own| own.available_permits() < *count as usize);
        }
    }

    fn standing(&self, remaining: u32, reset: Duration) -> Standing {
        let limit = self.name.clone();
        let policy = match &self.rate {
            Some((rate, ..)) => format!("\"{limit}\";q={};w={}", rate.count, rate.per.as_secs()),
            None => String::new(),
        };
        Standing { limit, policy, remaining, reset }
    }
}

/// One caller has many addresses of version 6: its network counts.
fn network(address: std::net::IpAddr) -> std::net::IpAddr {
    match address.to_canonical() {
        std::net::IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

fn seconds_up(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Tokio's clock, so that paused time in tests moves the budgets too.
#[derive(Clone, Debug)]
struct MonotonicClock {
    origin: tokio::time::Instant,
}

impl MonotonicClock {
    fn start() -> Self {
        MonotonicClock { origin: tokio::time::Instant::now() }
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

    fn budgets(rate: &str, burst: u32, concurrency: Option<u32>) -> ClientBudgets {
        let config =
            serde_json::json!({ "rate": rate, "burst": burst, "concurrency": concurrency });
        ClientBudgets::new("door", &serde_json::from_value(config).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_has_a_budget_and_hears_how_it_stands() {
        let budgets = budgets("1/s", 3, None);
        let shop = Caller::Client("shop");
        for (left, reset) in [(2, 1), (1, 2), (0, 3)] {
            let (passed, standing) = budgets.enter(shop);
            assert!(passed.is_ok());
            assert_eq!(standing.field(), Some(format!("\"door\";r={left};t={reset}")));
            assert_eq!(standing.policy(), Some("\"door\";q=1;w=1"));
        }
        let (refused, standing) = budgets.enter(shop);
        let after = refused.unwrap_err();
        assert!(after <= Duration::from_secs(1), "{after:?}");
        assert_eq!(standing.field(), Some("\"door\";r=0;t=1".to_owned()));
        assert!(budgets.enter(Caller::Client("portal")).0.is_ok(), "another's share is untouched");
        tokio::time::sleep(after).await;
        assert!(budgets.enter(shop).0.is_ok(), "back when it was told to be");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_of_version_6_is_its_network() {
        let budgets = budgets("1/min", 1, None);
        let enter = |text: &str| budgets.enter(Caller::Address(text.parse().unwrap())).0.is_ok();
        assert!(enter("2001:db8::1"));
        assert!(!enter("2001:db8::2"), "the same network");
        assert!(enter("2001:db8:0:1::1"));
        assert!(enter("192.0.2.1") && enter("192.0.2.2"));
        assert!(!enter("::ffff:192.0.2.1"), "the same address in other dress");
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_share_when_there_are_too_many_and_the_idle_are_forgotten() {
        let budgets = budgets("1/min", 1, None);
        let address = |number: u32| Caller::Address(std::net::Ipv4Addr::from(number).into());
        for number in 0..CALLERS_MAX as u32 {
            assert!(budgets.enter(address(number)).0.is_ok());
        }
        assert!(budgets.enter(address(1 << 20)).0.is_ok());
        assert!(budgets.enter(address(1 << 21)).0.is_err(), "both are `others` now");
        assert!(budgets.enter(Caller::Client("shop")).0.is_ok(), "the known have their own");
        assert!(budgets.len() <= CALLERS_MAX + 2);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert!(budgets.enter(address(1 << 21)).0.is_ok());
        assert!(budgets.len() < 10, "{}", budgets.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_held_as_long_as_the_request() {
        let budgets = budgets("1000/s", 100, Some(1));
        let (first, _) = budgets.enter(Caller::Client("shop"));
        assert!(budgets.enter(Caller::Client("shop")).0.is_err());
        drop(first);
        assert!(budgets.enter(Caller::Client("shop")).0.is_ok());
    }
}
