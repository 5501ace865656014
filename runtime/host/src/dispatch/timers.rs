//! One loop for everything that waits in the journal: due timers are taken up again, and ready
//! exchanges that did not fit into memory are fetched when there is room.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use route::Event;

use super::Dispatch;
use crate::clock;

/// Due timers taken up at once.
const DUE_MAX: usize = 200;
/// The longest sleep: a clock that was set is noticed by then.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// After a failed read of the journal.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

impl Dispatch {
    pub(super) async fn run_timers(self: Arc<Self>) {
        while !self.stopping() {
            let pause = match self.fire_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "timers could not be read");
                    FAILED_PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.timers_changed.notified() => {}
            }
        }
    }

    /// Takes up what is due; answers how long there is nothing to do.
    async fn fire_due(self: &Arc<Self>) -> Result<Duration, journal::Error> {
        if self.overflowed.load(Ordering::Relaxed)
            && self.active.len() < self.options.backlog_max / 2
        {
            self.overflowed.store(false, Ordering::Relaxed);
            self.recover().await?;
        }
        let desk = self.keep_desk().await?;
        let mut room = self.options.backlog_max.saturating_sub(self.active.len()).min(DUE_MAX);
        let now_ms = clock::now_ms();
        let mut last = journal::DueTimer { exchange: 0, due_at_ms: 0 };
        while room > 0 {
            let due = self.journal.due_timers_after(now_ms, last, DUE_MAX).await?;
            let Some(end) = due.last() else { break };
            last = *end;
            for timer in due {
                // One that waits for its budget in memory is due in the journal until it goes on.
                if room > 0 && !self.active.contains_key(&timer.exchange) {
                    self.take_up(timer.exchange, Event::Fired).await;
                    room -= 1;
                }
            }
        }
        if room == 0 {
            return Ok(Duration::from_millis(20));
        }
        let next = self.journal.next_timer(now_ms).await?;
        let until = next.map_or(SLEEP_MAX, |due_ms| {
            Duration::from_millis(due_ms.saturating_sub(clock::now_ms()))
        });
        Ok(until.min(desk).clamp(Duration::from_millis(5), SLEEP_MAX))
    }
}
