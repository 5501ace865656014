//! Bounds of one call that wasmtime asks about while a guest runs: CPU time and memory. CPU time is
//! counted inside `poll` of the call, so that waiting in a host call costs nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

/// How long a guest has computed: processor time of the threads that polled it, so that a busy
/// machine takes nothing from its budget.
pub(crate) struct Meter {
    /// Processor time of the polling thread when it entered, in microseconds; `OUTSIDE` while the
    /// guest is not being polled. A guest does not leave its thread within a poll.
    entered_us: AtomicU64,
    spent_us: AtomicU64,
    budget: Duration,
    pub(crate) exhausted: AtomicBool,
}

const OUTSIDE: u64 = u64::MAX;

impl Meter {
    pub(crate) fn new(budget: Duration) -> Meter {
        Meter {
            entered_us: AtomicU64::new(OUTSIDE),
            spent_us: AtomicU64::new(0),
            budget,
            exhausted: AtomicBool::new(false),
        }
    }

    /// Runs a call and counts the time of its polls.
    pub(crate) async fn run<F: Future>(self: &Arc<Self>, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|cx| {
            self.entered_us.store(thread_us(), Ordering::Relaxed);
            let polled = call.as_mut().poll(cx);
            let entered = self.entered_us.swap(OUTSIDE, Ordering::Relaxed);
            self.spent_us.fetch_add(thread_us().saturating_sub(entered), Ordering::Relaxed);
            polled
        })
        .await
    }

    /// Asked at each tick of the epoch while the guest computes, on the thread that polls it.
    pub(crate) fn over_budget(&self) -> bool {
        let running = match self.entered_us.load(Ordering::Relaxed) {
            OUTSIDE => 0,
            entered => thread_us().saturating_sub(entered),
        };
        let spent = Duration::from_micros(self.spent_us.load(Ordering::Relaxed) + running);
        let over = spent > self.budget;
        if over {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        over
    }
}

fn thread_us() -> u64 {
    cpu_time::ThreadTime::now().as_duration().as_micros() as u64
}

/// How much memory a guest may have, over all its linear memories and tables.
pub(crate) struct MemoryLimit {
    bytes_max: usize,
    bytes: usize,
    pub(crate) exceeded: bool,
}

/// Core instances, memories and tables of one component; a component from cargo has four or five
/// core instances, one memory and three tables.
pub(crate) const CORE_INSTANCES_MAX: u32 = 24;
pub(crate) const MEMORIES_MAX: u32 = 4;
pub(crate) const TABLES_MAX: u32 = 16;
pub(crate) const TABLE_ELEMENTS_MAX: usize = 65_536;

impl MemoryLimit {
    pub(crate) fn new(bytes_max: usize) -> MemoryLimit {
        MemoryLimit { bytes_max, bytes: 0, exceeded: false }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.bytes_max {
            // A trap, not a refusal: a guest that meets a refusal aborts anyway, and the trap says
            // at once what happened.
            self.exceeded = true;
            return Err(wasmtime::Error::msg("memory limit"));
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            self.exceeded = true;
            return Err(wasmtime::Error::msg("table limit"));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}
