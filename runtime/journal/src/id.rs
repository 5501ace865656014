//! Exchange ids: 63 bits that sort by time, so that they are also SQLite's integer keys.
//!
//! ```text
//! 0 | 41 bits: ms since 2025-01-01 | 14 bits: node | 8 bits: sequence
//! ```
//! Time and sequence form one counter that only rises; a burst borrows from the next millisecond
//! and a clock that steps back is waited out by counting on. Ids are given out only below a mark
//! that is on disk, and a restart begins at the mark, so none is ever repeated. When the clock is
//! past the mark (the journal was idle), ids count on below it until the next commit moves it:
//! they then lag behind the clock, but keep their order. The node bits come from the random
//! identity of the journal, so that two journals do not meet.

use std::sync::atomic::{AtomicU64, Ordering};

const EPOCH_MS: u64 = 1_735_689_600_000;
const NODE_BITS: u32 = 14;
const SEQUENCE_BITS: u32 = 8;
const TIME_MAX: u64 = (1 << 41) - 1;
/// How far the mark on disk runs ahead: at most so much id time is skipped by a restart.
const LEASE_MS: u64 = 10_000;
const LEASE: u64 = LEASE_MS << SEQUENCE_BITS;

pub(crate) const NODE_MAX: u16 = (1 << NODE_BITS) - 1;

/// The generator. Its unit is the counter: milliseconds since the epoch, then the sequence.
pub(crate) struct Ids {
    node: u16,
    /// The last count given out.
    last: AtomicU64,
    /// The latest time that anyone asked with.
    clock: AtomicU64,
    /// Counts below this are reserved on disk.
    mark: AtomicU64,
}

impl Ids {
    /// Starts at a stored mark. The caller stores `first_mark` before the first id is given out.
    pub(crate) fn new(node: u16, stored_mark: u64, now_ms: u64) -> Ids {
        let start = stored_mark.max(count(now_ms));
        Ids {
            node: node & NODE_MAX,
            last: AtomicU64::new(start),
            clock: AtomicU64::new(start),
            mark: AtomicU64::new(start + LEASE),
        }
    }

    pub(crate) fn first_mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    /// The time as the ids know it: the latest that anyone asked with, in ms since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        EPOCH_MS + (self.clock.load(Ordering::Relaxed) >> SEQUENCE_BITS)
    }

    pub(crate) fn next(&self, now_ms: u64) -> u64 {
        let now = count(now_ms);
        self.clock.fetch_max(now, Ordering::Relaxed);
        let mark = self.mark.load(Ordering::Acquire);
        let step = |last: u64| Some(if now < mark { now.max(last + 1) } else { last + 1 });
        let next = match self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, step) {
            Ok(last) | Err(last) => step(last).unwrap_or(last),
        };
        // Passing the mark takes 2.5 million ids of which none was committed. Those that are
        // committed carry a new mark with them, so even then no stored id is repeated.
        let (time, sequence) = (next >> SEQUENCE_BITS, next & ((1 << SEQUENCE_BITS) - 1));
        (time.min(TIME_MAX) << (NODE_BITS + SEQUENCE_BITS))
            | (u64::from(self.node) << SEQUENCE_BITS)
            | sequence
    }

    /// The mark that the next transaction must store, if the present one runs out.
    pub(crate) fn mark_due(&self) -> Option<u64> {
        let reached = self.last.load(Ordering::Acquire).max(self.clock.load(Ordering::Relaxed));
        let mark = self.mark.load(Ordering::Acquire);
        (reached + LEASE / 2 > mark).then_some(reached + LEASE)
    }

    /// Only after `mark` is on disk.
    pub(crate) fn marked(&self, mark: u64) {
        self.mark.fetch_max(mark, Ordering::AcqRel);
    }
}

fn count(now_ms: u64) -> u64 {
    now_ms.saturating_sub(EPOCH_MS).min(TIME_MAX - LEASE_MS) << SEQUENCE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = EPOCH_MS + 40_000_000_000;

    #[test]
    fn ids_rise_however_the_clock_moves() {
        let ids = Ids::new(77, 0, NOW);
        let mut last = 0;
        for now in [NOW, NOW, NOW + 5, NOW - 3_600_000, 0, NOW + 5, NOW + 10_000_000, u64::MAX] {
            for _ in 0..1_000 {
                let id = ids.next(now);
                assert!(id > last, "{id} after {last} at {now}");
                assert_eq!((id >> SEQUENCE_BITS) as u16 & NODE_MAX, 77);
                assert!(i64::try_from(id).is_ok());
                last = id;
            }
        }
    }

    #[test]
    fn an_id_tells_its_millisecond() {
        let ids = Ids::new(1, 0, NOW);
        assert_eq!(ids.next(NOW + 1_234) >> 22, NOW + 1_234 - EPOCH_MS);
    }

    #[test]
    fn nothing_is_given_out_past_the_mark_until_it_is_stored() {
        let ids = Ids::new(1, 0, NOW);
        let late = NOW + 60_000;
        let reserved = ids.first_mark() >> SEQUENCE_BITS;
        assert!(ids.next(late) >> 22 < reserved);
        let mark = ids.mark_due().expect("the clock is past the mark");
        assert!(ids.next(late) >> 22 < reserved, "the mark is not on disk yet");
        ids.marked(mark);
        assert_eq!(ids.next(late) >> 22, late - EPOCH_MS);
        assert_eq!(ids.mark_due(), None);
    }

    #[test]
    fn a_restart_with_the_clock_an_hour_back_repeats_nothing() {
        let ids = Ids::new(1, 0, NOW);
        let mark = ids.first_mark();
        let last = (0..10_000).map(|_| ids.next(NOW)).max().unwrap_or(0);
        let again = Ids::new(1, mark, NOW - 3_600_000);
        assert!(again.next(NOW - 3_600_000) > last);
    }
}
