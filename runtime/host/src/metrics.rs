//! What the runtime counts, in Prometheus's text format. Names follow OpenTelemetry where it has one.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TurnedAwayLabels {
    route: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    route: String,
    end: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ExceptionLabels {
    route: String,
    class: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    connector: String,
    operation: String,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    connector: String,
    operation: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HeldLabels {
    reason: String,
    limit: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConnectorLabels {
    connector: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QuotaLabels {
    limit: String,
    period: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabels {
    limit: String,
}

pub struct Metrics {
    registry: Registry,
    accepted: Family<RouteLabels, Counter>,
    turned_away: Family<TurnedAwayLabels, Counter>,
    ended: Family<EndLabels, Counter>,
    exceptions: Family<ExceptionLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<OperationLabels, Histogram>,
    held: Family<HeldLabels, Counter>,
    held_seconds: Family<HeldLabels, Histogram>,
    exchanges: Family<StateLabels, Gauge>,
    active: Gauge,
    limit_waiting: Family<LimitLabels, Gauge>,
    limit_granted: Family<LimitLabels, Gauge>,
    limit_slowed_seconds: Family<LimitLabels, Gauge>,
    limit_rate: Family<LimitLabels, Gauge<f64, AtomicU64>>,
    quota_left: Family<QuotaLabels, Gauge>,
    breaker_opened: Family<ConnectorLabels, Counter>,
    breaker_state: Family<ConnectorLabels, Gauge>,
    source_lag_seconds: Family<RouteLabels, Gauge>,
}

/// Bounds of the histogram of holds: from a moment to a day, in seconds.
const HELD_BOUNDS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 86_400.0];
/// Bounds of the call histogram, in seconds.
const CALL_BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

impl Default for Metrics {
    fn default() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("crossdock"),
            accepted: Family::default(),
            turned_away: Family::default(),
            ended: Family::default(),
            exceptions: Family::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(CALL_BOUNDS)),
            held: Family::default(),
            held_seconds: Family::new_with_constructor(|| Histogram::new(HELD_BOUNDS)),
            exchanges: Family::default(),
            active: Gauge::default(),
            limit_waiting: Family::default(),
            limit_granted: Family::default(),
            limit_slowed_seconds: Family::default(),
            limit_rate: Family::default(),
            quota_left: Family::default(),
            breaker_opened: Family::default(),
            breaker_state: Family::default(),
            source_lag_seconds: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("accepted", "Messages accepted", metrics.accepted.clone());
        registry.register(
            "turned_away",
            "Callers turned away at the door: unknown, not-allowed, rate-limit",
            metrics.turned_away.clone(),
        );
        registry.register("ended", "Exchanges ended, by their end", metrics.ended.clone());
        registry.register(
            "exceptions",
            "Exchanges sent to the exception desk",
            metrics.exceptions.clone(),
        );
        registry.register("calls", "Calls of connector operations", metrics.calls.clone());
        registry.register(
            "call_seconds",
            "Time of a call, limits not counted",
            metrics.call_seconds.clone(),
        );
        registry.register(
            "held",
            "Calls held back in the journal, not made and not failed",
            metrics.held.clone(),
        );
        registry.register(
            "held_seconds",
            "Time that a call was held back before it was made, apart from call_seconds",
            metrics.held_seconds.clone(),
        );
        registry.register(
            "exchanges",
            "Open exchanges in the journal, by state",
            metrics.exchanges.clone(),
        );
        registry.register("active", "Exchanges in memory", metrics.active.clone());
        registry.register(
            "limit_waiting",
            "Callers waiting in a budget's queue",
            metrics.limit_waiting.clone(),
        );
        registry.register(
            "limit_granted",
            "Grants of a budget since the start",
            metrics.limit_granted.clone(),
        );
        registry.register(
            "limit_slowed_seconds",
            "How much longer a system asked to be left alone",
            metrics.limit_slowed_seconds.clone(),
        );
        registry.register(
            "limit_rate",
            "Grants a second that a budget allows now, configured or learnt",
            metrics.limit_rate.clone(),
        );
        registry.register(
            "limit_quota_left",
            "Grants left of a budget's day or month",
            metrics.quota_left.clone(),
        );
        registry.register(
            "breaker_opened",
            "Openings of a connector's breaker, each try in vain included",
            metrics.breaker_opened.clone(),
        );
        registry.register(
            "breaker_state",
            "Of a connector's breaker: 0 closed, 1 half open, 2 open",
            metrics.breaker_state.clone(),
        );
        registry.register(
            "source_lag_seconds",
            "How long a poll has brought no answer, or a schedule is behind",
            metrics.source_lag_seconds.clone(),
        );
        metrics
    }
}

impl Metrics {
    pub fn turned_away(&self, route: &str, reason: &'static str) {
        self.turned_away.get_or_create(&TurnedAwayLabels { route: route.to_owned(), reason }).inc();
    }

    pub fn accepted(&self, route: &str) {
        self.accepted.get_or_create(&RouteLabels { route: route.to_owned() }).inc();
    }

    pub fn ended(&self, route: &str, end: &route::End) {
        let labels = EndLabels { route: route.to_owned(), end: end.to_string() };
        self.ended.get_or_create(&labels).inc();
    }

    pub fn exception(&self, route: &str, class: &str) {
        let labels = ExceptionLabels { route: route.to_owned(), class: class.to_owned() };
        self.exceptions.get_or_create(&labels).inc();
    }

    pub fn called(&self, connector: &str, operation: &str, outcome: &str, took: Duration) {
        let (connector, operation) = (connector.to_owned(), operation.to_owned());
        let labels = OperationLabels { connector: connector.clone(), operation: operation.clone() };
        self.call_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = CallLabels { connector, operation, outcome: outcome.to_owned() };
        self.calls.get_or_create(&labels).inc();
    }

    pub fn held(&self, hold: &crate::dispatch::Hold) {
        let (reason, limit) = (hold.reason().to_string(), hold.name().to_owned());
        self.held.get_or_create(&HeldLabels { reason, limit }).inc();
    }

    /// A call is made that was held in the journal, last by that.
    pub fn held_for(&self, held: &route::Held, took: jiff::SignedDuration) {
        let (reason, limit) = (held.reason.to_string(), held.limit.clone());
        let labels = HeldLabels { reason, limit };
        self.held_seconds.get_or_create(&labels).observe(took.as_secs_f64().max(0.0));
    }

    /// A call is made that waited for that budget in memory.
    pub fn waited_for(&self, limit: &str, took: jiff::SignedDuration) {
        let labels = HeldLabels { reason: "limit".to_owned(), limit: limit.to_owned() };
        self.held_seconds.get_or_create(&labels).observe(took.as_secs_f64().max(0.0));
    }

    pub fn breaker_opened(&self, connector: &str) {
        let labels = ConnectorLabels { connector: connector.to_owned() };
        self.breaker_opened.get_or_create(&labels).inc();
    }

    /// The registry as text, with gauges read now.
    pub fn render<'a>(
        &self,
        counts: &journal::Counts,
        active: usize,
        limits: &crate::limits::Limits,
        breakers: impl Iterator<Item = &'a crate::limits::Breaker>,
        lags: &[(String, u64)],
    ) -> String {
        let states = [
            ("ready", counts.ready),
            ("waiting", counts.waiting),
            ("parked", counts.parked),
            ("excepted", counts.excepted),
            ("queued", counts.queued),
        ];
        for (state, count) in states {
            let labels = StateLabels { state: state.to_owned() };
            self.exchanges.get_or_create(&labels).set(signed(count));
        }
        self.active.set(signed(active as u64));
        for budget in limits.all() {
            let shown = budget.shown();
            let labels = LimitLabels { limit: budget.name.clone() };
            let waiting: usize = shown.queue.values().sum();
            self.limit_waiting.get_or_create(&labels).set(signed(waiting as u64));
            self.limit_granted.get_or_create(&labels).set(signed(shown.granted_total));
            self.limit_slowed_seconds
                .get_or_create(&labels)
                .set(signed(shown.paused_for.unwrap_or_default().as_secs()));
            if let Some(rate) = shown.learnt.or(shown.rate) {
                self.limit_rate.get_or_create(&labels).set(rate);
            }
            for quota in shown.quotas {
                let labels =
                    QuotaLabels { limit: budget.name.clone(), period: quota.every.to_owned() };
                let left = quota.max.saturating_sub(quota.granted);
                self.quota_left.get_or_create(&labels).set(signed(left));
            }
        }
        for breaker in breakers {
            let labels = ConnectorLabels { connector: breaker.connector.clone() };
            let state = match breaker.shown(tokio::time::Instant::now()).state {
                "open" => 2,
                "half-open" => 1,
                _ => 0,
            };
            self.breaker_state.get_or_create(&labels).set(state);
        }
        for (route, lag_s) in lags {
            let labels = RouteLabels { route: route.clone() };
            self.source_lag_seconds.get_or_create(&labels).set(signed(*lag_s));
        }
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
