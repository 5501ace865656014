//! What every theme needs: the executable under test and its surroundings, callers, and played
//! systems. Nothing here sleeps for a result; it waits for a condition and says which did not come.

pub mod built;
pub mod certificate;
pub mod depot;
pub mod http;
pub mod luck;
pub mod runtime;
pub mod setup;
pub mod system;

use std::time::{Duration, Instant};

/// Machines that test are slow and shared; a condition that comes is not waited for this long.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The first answer that is there. `what` completes "there is no ... yet".
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "there is no {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}
