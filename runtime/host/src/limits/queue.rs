//! Who is next: tenants take turns by weight (stride scheduling), so that a busy one cannot starve a
//! quiet one, nor a high priority a low one. Within a tenant the first who asked is first, also when
//! it was away in the journal in between. A waiter reserves nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::Tenant;

const STRIDE: u64 = 1 << 20;
/// Tenants remembered; beyond it those that nothing is known of but their name are forgotten.
const TENANTS_MAX: usize = 1_000;

/// When it first asked, and its number among those who asked at the same time.
pub type Place = (Instant, u64);

pub struct Queue<T> {
    lines: HashMap<Arc<str>, Line<T>>,
    length: usize,
    /// Where the turns have come to.
    pass: u64,
    sequence: u64,
}

struct Line<T> {
    weight: u32,
    /// The line with the lowest is next. Kept while the line is empty: who comes back at once has not
    /// earned a new turn.
    pass: u64,
    waiters: BTreeMap<Place, T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { lines: HashMap::new(), length: 0, pass: 0, sequence: 0 }
    }
}

impl<T> Queue<T> {
    pub fn push(&mut self, tenant: &Tenant, asked: Instant, waiter: T) -> Place {
        if self.lines.len() >= TENANTS_MAX {
            self.lines.retain(|_, line| !line.waiters.is_empty());
        }
        let (pass, weight) = (self.pass, tenant.weight());
        let line = self.lines.entry(tenant.name.clone()).or_insert_with(|| Line {
            weight,
            pass,
            waiters: BTreeMap::new(),
        });
        line.weight = weight;
        if line.waiters.is_empty() {
            line.pass = line.pass.max(pass);
        }
        self.sequence += 1;
        let place = (asked, self.sequence);
        line.waiters.insert(place, waiter);
        self.length += 1;
        place
    }

    /// A waiter that gave up.
    pub fn remove(&mut self, tenant: &Tenant, place: Place) {
        if let Some(line) = self.lines.get_mut(&tenant.name)
            && line.waiters.remove(&place).is_some()
        {
            self.length -= 1;
        }
    }

    /// The waiter whose turn it is, of those that can be served now.
    pub fn next(&self, can: impl Fn(&T) -> bool) -> Option<(Arc<str>, Place)> {
        let mut lines: Vec<_> =
            self.lines.iter().filter(|(_, line)| !line.waiters.is_empty()).collect();
        lines.sort_by_key(|(_, line)| (line.pass, line.waiters.keys().next().copied()));
        lines.into_iter().find_map(|(name, line)| {
            let (place, _) = line.waiters.iter().find(|(_, waiter)| can(waiter))?;
            Some((name.clone(), *place))
        })
    }

    pub fn peek(&self, (name, place): &(Arc<str>, Place)) -> Option<&T> {
        self.lines.get(name)?.waiters.get(place)
    }

    /// Serves the waiter that `next` named.
    pub fn take(&mut self, name: &str, place: Place) -> Option<T> {
        let line = self.lines.get_mut(name)?;
        let waiter = line.waiters.remove(&place)?;
        self.pass = self.pass.max(line.pass);
        line.pass += STRIDE / u64::from(line.weight);
        self.length -= 1;
        Some(waiter)
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many grants it takes until one who first asked then has its own, if `more` says of which
    /// tenants (by name) more are to come than wait here.
    pub fn turns(&self, tenant: &Tenant, asked: Instant, more: impl Fn(&str) -> bool) -> f64 {
        let older = |line: &Line<T>| match line.waiters.keys().next_back() {
            Some((last, _)) if *last <= asked => line.waiters.len(),
            _ => line.waiters.range(..(asked, u64::MAX)).count(),
        };
        let own = 1.0 + self.lines.get(&tenant.name).map_or(0, older) as f64;
        let others = self.lines.iter().filter(|(name, _)| **name != tenant.name);
        let before: f64 = others
            .map(|(name, line)| {
                let turns = own * f64::from(line.weight) / f64::from(tenant.weight());
                if more(name) { turns } else { turns.min(line.waiters.len() as f64) }
            })
            .sum();
        own + before
    }

    /// Waiters of each tenant that has some.
    pub fn lengths(&self) -> BTreeMap<String, usize> {
        let lines = self.lines.iter().filter(|(_, line)| !line.waiters.is_empty());
        lines.map(|(name, line)| (name.to_string(), line.waiters.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use route::Priority;

    use super::*;

    fn serve(queue: &mut Queue<&'static str>) -> Option<&'static str> {
        let (name, place) = queue.next(|_| true)?;
        queue.take(&name, place)
    }

    #[test]
    fn turns_are_taken_by_weight_and_nobody_starves() {
        let mut queue = Queue::default();
        let now = Instant::now();
        for (name, priority) in
            [("high", Priority::High), ("normal", Priority::Normal), ("low", Priority::Low)]
        {
            for _ in 0..200 {
                queue.push(&Tenant::named(name, priority), now, name);
            }
        }
        let mut served = HashMap::new();
        for _ in 0..130 {
            *served.entry(serve(&mut queue).unwrap()).or_insert(0) += 1;
        }
        // 9 : 3 : 1
        assert!((89..=91).contains(&served["high"]), "{served:?}");
        assert!((29..=31).contains(&served["normal"]), "{served:?}");
        assert!((9..=11).contains(&served["low"]), "{served:?}");
    }

    #[test]
    fn who_comes_back_at_once_gets_no_more_than_its_share() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let low = Tenant::named("low", Priority::Low);
        for _ in 0..100 {
            queue.push(&Tenant::named("high", Priority::High), now, "high");
        }
        queue.push(&low, now, "low");
        let mut lows = 0;
        for _ in 0..50 {
            if serve(&mut queue) == Some("low") {
                lows += 1;
                queue.push(&low, now, "low");
            }
        }
        assert!((5..=6).contains(&lows), "{lows}");
    }

    #[test]
    fn who_asked_first_is_first_within_a_tenant() {
        let mut queue = Queue::default();
        let tenant = Tenant::named("a", Priority::Normal);
        let now = Instant::now();
        let ago = |s| now - std::time::Duration::from_secs(s);
        queue.push(&tenant, now, "new");
        queue.push(&tenant, ago(9), "oldest");
        queue.push(&tenant, ago(5), "old");
        assert_eq!(queue.turns(&tenant, ago(5), |_| false) as u32, 3);
        assert_eq!(queue.turns(&tenant, ago(60), |_| false) as u32, 1);
        for expected in ["oldest", "old", "new"] {
            assert_eq!(serve(&mut queue), Some(expected));
        }
    }
}
