//! Randomness whose seed is told, so that a failure can be had again: `CROSSDOCK_SEED=N`.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
pub struct Luck(u64);

impl Luck {
    /// From the environment, or the clock; printed either way.
    pub fn new(what: &str) -> Luck {
        let given = std::env::var("CROSSDOCK_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            now.as_nanos() as u64
        });
        println!("{what}: CROSSDOCK_SEED={seed}");
        Luck(seed)
    }

    pub fn fork(&mut self) -> Luck {
        Luck(self.next())
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
