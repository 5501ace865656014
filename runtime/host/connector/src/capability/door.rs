//! The door of a named budget at the way out. The host implements it with its limits; here is only
//! what an upstream needs of one.

use std::time::Duration;

use super::state::BoxFuture;

/// Held while a request is under way; dropping it makes room.
pub type Permit = Box<dyn Send + Sync>;

/// The budget is spent and waiting for it would take too long; nothing has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When to come again.
    pub after: Duration,
}

pub trait Door: Send + Sync + 'static {
    /// Waits for a turn while the wait is short.
    fn enter(&self) -> BoxFuture<'_, Result<Permit, Refused>>;

    /// The system asked for a pause (429 or 503 with Retry-After): everyone's pause.
    fn slow_down(&self, pause: Duration);
}
