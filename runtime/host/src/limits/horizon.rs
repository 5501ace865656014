//! When those come back who were held back: one after the other, each tenant at its share of the
//! rate, so that thousands do not come at once only to be held again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Tenant;

/// Nobody is told to come later than this; who comes then and is still too many is told again.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);

#[derive(Default)]
pub struct Horizon {
    /// By tenant: when the last of its own comes back, and what it counts.
    last: HashMap<Arc<str>, (Instant, u32)>,
}

impl Horizon {
    /// The next return of this tenant, not before `earliest`. `interval` is between two grants of the
    /// budget, whoever gets them.
    pub fn book(
        &mut self,
        tenant: &Tenant,
        earliest: Instant,
        interval: Duration,
        now: Instant,
    ) -> Instant {
        self.last.retain(|_, (last, _)| *last > now);
        let others = self.last.iter().filter(|(name, _)| **name != tenant.name);
        let others: u32 = others.map(|(_, (_, weight))| *weight).sum();
        let share = 1.0 + f64::from(others) / f64::from(tenant.weight());
        let step = interval.mul_f64(share);
        let from = self.last.get(&tenant.name).map_or(earliest, |(last, _)| earliest.max(*last));
        let slot = (from + step).min(now + AHEAD_MAX);
        self.last.insert(tenant.name.clone(), (slot, tenant.weight()));
        slot
    }

    /// When the last of this tenant's comes back.
    pub fn last(&self, tenant: &str, now: Instant) -> Option<Instant> {
        self.last.get(tenant).map(|(last, _)| *last).filter(|last| *last > now)
    }

    /// Whether anyone is still to come back.
    pub fn any(&self, now: Instant) -> bool {
        self.last.values().any(|(last, _)| *last > now)
    }

    pub fn clear(&mut self) {
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use route::Priority;

    use super::*;

    #[test]
    fn returns_are_spread_in_order_and_each_tenant_has_its_share() {
        let mut horizon = Horizon::default();
        let now = Instant::now();
        let (busy, quiet) =
            (Tenant::named("busy", Priority::Normal), Tenant::named("quiet", Priority::Normal));
        let ms = Duration::from_millis(20);
        let slots: Vec<Instant> = (0..4_000).map(|_| horizon.book(&busy, now, ms, now)).collect();
        assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == ms));
        assert_eq!(slots[3_999] - now, ms * 4_000);
        // Not behind the four thousand.
        assert_eq!(horizon.book(&quiet, now, ms, now), now + ms * 2);
        assert_eq!(horizon.last("busy", now), Some(slots[3_999]));
        assert!(!horizon.any(now + Duration::from_secs(81)));
    }

    #[test]
    fn nobody_comes_back_before_the_pause_ends() {
        let mut horizon = Horizon::default();
        let now = Instant::now();
        let ends = now + Duration::from_secs(60);
        let tenant = Tenant::named("a", Priority::Low);
        let first = horizon.book(&tenant, ends, Duration::from_secs(1), now);
        assert_eq!(first, ends + Duration::from_secs(1));
        let second = horizon.book(&tenant, ends, Duration::from_secs(1), now);
        assert_eq!(second, ends + Duration::from_secs(2));
    }
}
