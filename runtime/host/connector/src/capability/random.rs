//! Randomness seeded by the key of the call: the same call repeated draws the same numbers, so its
//! requests have the same bodies. Two keys have nothing in common.

use std::convert::Infallible;

use rand_core::TryRng;
use sha2::{Digest as _, Sha256};

/// SHA-256 in counter mode over the key.
pub(crate) struct Seeded {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Seeded {
    /// `purpose` keeps the sources of one call apart.
    pub(crate) fn new(key: &str, purpose: &str) -> Seeded {
        let mut hash = Sha256::new();
        hash.update(b"crossdock guest randomness\0");
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(key.as_bytes());
        Seeded { seed: hash.finalize().into(), counter: 0, block: [0; 32], used: 32 }
    }

    pub(crate) fn number(mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.block.len() {
                let mut hash = Sha256::new();
                hash.update(self.seed);
                hash.update(self.counter.to_le_bytes());
                self.block = hash.finalize().into();
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_draws_the_same_and_another_key_draws_another() {
        let draw = |key: &str| -> [u8; 80] { Seeded::new(key, "secure").take() };
        assert_eq!(draw("e1/tax/0"), draw("e1/tax/0"));
        assert_ne!(draw("e1/tax/0"), draw("e1/tax/1"));
        assert_ne!(draw("e1/tax/0")[..32], draw("e1/tax/0")[32..64], "it does not cycle");
    }
}
