//! The one place that asks the operating system for the time.

use jiff::Timestamp;

/// In whole milliseconds, as the journal keeps it: what a message was told of its time is the same
/// after a restart.
pub fn now() -> Timestamp {
    from_ms(to_ms(Timestamp::now()).saturating_add(ahead_ms()))
}

/// How far tests have set the clock of this process ahead: `CROSSDOCK_CLOCK_AHEAD`, in seconds.
#[cfg(debug_assertions)]
fn ahead_ms() -> u64 {
    static AHEAD: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let ahead = std::env::var("CROSSDOCK_CLOCK_AHEAD").ok();
        ahead.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1000)
    });
    *AHEAD
}

#[cfg(not(debug_assertions))]
fn ahead_ms() -> u64 {
    0
}

/// Unix milliseconds; the journal's unit.
pub fn now_ms() -> u64 {
    to_ms(now())
}

pub fn to_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

pub fn from_ms(ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}
