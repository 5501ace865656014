//! What goes wrong, and when: kills of the runtime and restarts of products, spread over the run by the
//! seed. A moment is a share of what must come to its end.

use std::time::Duration;

use crate::prove::random::Random;

pub enum Disturbance {
    Kill,
    Restart { product: &'static str, down: Duration },
}

/// The next one last.
pub struct Plan(Vec<(u64, Disturbance)>);

/// Of a hundred ends: before and after these nothing is disturbed.
const FIRST: u64 = 4;
const LAST: u64 = 88;
/// A product is away for so long, and its start comes on top.
const DOWN_MS: std::ops::Range<u64> = 1_500..6_000;

impl Plan {
    pub fn new(seed: u64, kills: usize, restarts: &[&'static str]) -> Plan {
        let mut random = Random(seed ^ 0x6f32_6300);
        let mut all: Vec<Disturbance> = (0..kills).map(|_| Disturbance::Kill).collect();
        for product in restarts {
            let down = Duration::from_millis(random.between(DOWN_MS));
            let place = random.between(0..all.len() as u64 + 1);
            let place = usize::try_from(place).unwrap_or_default();
            all.insert(place, Disturbance::Restart { product, down });
        }
        let count = all.len() as u64;
        // Each somewhere in its own part of the run.
        let part = (LAST - FIRST) / count.max(1);
        let moment = |number: usize, random: &mut Random| {
            FIRST + part * number as u64 + random.between(0..part.max(1))
        };
        let plan = all.into_iter().enumerate();
        let mut plan: Vec<_> =
            plan.map(|(number, what)| (moment(number, &mut random), what)).collect();
        plan.reverse();
        Plan(plan)
    }

    pub fn next(&mut self, ended: usize, awaited: usize) -> Option<Disturbance> {
        let due = self
            .0
            .last()
            .is_some_and(|(percent, _)| ended as u64 * 100 >= percent * awaited as u64);
        due.then(|| self.0.pop()).flatten().map(|(_, what)| what)
    }

    pub fn left(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disturbances_are_spread_and_none_is_forgotten() {
        for seed in 0..200 {
            let mut plan = Plan::new(seed, 3, &["tryton", "karrio"]);
            let moments: Vec<u64> = plan.0.iter().rev().map(|(moment, _)| *moment).collect();
            assert!(moments.is_sorted(), "seed {seed}: {moments:?}");
            assert!(plan.next(0, 100).is_none(), "seed {seed}: before anything has ended");
            let all: Vec<_> =
                (0..=LAST as usize).filter_map(|ended| plan.next(ended, 100)).collect();
            let kills = all.iter().filter(|what| matches!(what, Disturbance::Kill)).count();
            assert_eq!((all.len(), kills, plan.left()), (5, 3, 0), "seed {seed}");
        }
    }
}
