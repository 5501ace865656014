//! Random numbers that a seed repeats: SplitMix64, small, and the same everywhere.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn between(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start).max(1)
    }

    /// True in so many of a hundred draws.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// From the environment's SEED, or from the clock.
pub fn seed() -> Result<u64> {
    match std::env::var("SEED") {
        Ok(text) => text.parse().map_err(|_| anyhow::anyhow!("SEED={text} is not a number")),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64),
    }
}
