//! Ctrl-C and SIGTERM: noted here, looked at by whoever waits, so that started processes are stopped
//! by their owners and nothing is left behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How often a waiter looks.
const LOOK: Duration = Duration::from_millis(50);

pub fn listen() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without a handler the signal ends the process at once, as it would anyway.
        let _ = signal_hook::flag::register(signal, INTERRUPTED.clone());
    }
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Sleeps, or ends early with an error when the person has had enough.
pub fn sleep(time: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    loop {
        if interrupted() {
            anyhow::bail!("interrupted");
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}
