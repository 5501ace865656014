//! Order and room: exchanges whose turn came in their lane are taken up, and a route's `concurrency`
//! is kept. Who is next is the journal's decision (`journal::Lane`), never made here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use journal::{Commit, Committed};
use route::{Event, Parked};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::run::Drive;
use super::{Begun, Dispatch};

/// An exchange in memory.
#[derive(Default)]
pub(super) struct Active {
    /// Its turn came while it was leaving memory: it is looked at again.
    again: bool,
}

impl Dispatch {
    /// Every commit that may move an exchange goes through here, so that whoever is released by it
    /// is taken up. The caller looks after those of its own that are queued.
    pub async fn commit(self: &Arc<Self>, commit: Commit) -> Result<Committed, journal::Error> {
        let committed = self.journal.commit(commit).await.map_err(|error| self.fail(error))?;
        for id in &committed.released {
            self.release(*id);
        }
        Ok(committed)
    }

    fn release(self: &Arc<Self>, id: u64) {
        // Whoever let go of the lane is about to leave memory, so one more is none too many.
        if self.active.len() > self.options.backlog_max {
            // It is ready in the journal; the timers' loop takes it up when there is room.
            self.overflowed.store(true, Ordering::Relaxed);
            return;
        }
        tokio::spawn(Arc::clone(self).take_turn(id));
    }

    /// Its turn has come: nothing of it is under way, here or at any system.
    async fn take_turn(self: Arc<Self>, id: u64) {
        if self.stopping() {
            return;
        }
        if !self.enter_or_again(id) {
            return;
        }
        match self.journal.exchange(id).await {
            Ok(Some(stored)) if stored.summary.state == journal::State::Ready => {}
            Ok(_) => return self.leave(id),
            Err(error) => {
                tracing::error!(%error, "an exchange whose turn came could not be read");
                self.overflowed.store(true, Ordering::Relaxed);
                return self.leave(id);
            }
        }
        match self.load_any(id).await {
            // It is taken up when the pause ends.
            Ok(begun) if self.route_paused(&begun) => self.leave(id),
            Ok(begun) => {
                // As after a wait: a person decided, or it has not begun.
                let (drive, advance) = Drive::begin(begun, Event::Fired);
                self.drive_on(drive, advance).await;
            }
            Err(error) => {
                self.set_aside(id, &error).await;
                self.leave(id);
            }
        }
    }

    /// Into memory. False if it is there already.
    pub(super) fn enter(&self, id: u64) -> bool {
        match self.active.entry(id) {
            dashmap::Entry::Occupied(_) => false,
            dashmap::Entry::Vacant(free) => {
                free.insert(Active::default());
                true
            }
        }
    }

    /// Into memory; or, if it is there already, back as soon as it has left.
    fn enter_or_again(&self, id: u64) -> bool {
        match self.active.entry(id) {
            dashmap::Entry::Occupied(mut active) => {
                active.get_mut().again = true;
                false
            }
            dashmap::Entry::Vacant(free) => {
                free.insert(Active::default());
                true
            }
        }
    }

    /// The exchange is no longer in memory.
    pub(super) fn leave(self: &Arc<Self>, id: u64) {
        if self.active.remove(&id).is_some_and(|(_, active)| active.again) {
            self.release(id);
        }
        if self.overflowed.load(Ordering::Relaxed) {
            self.timers_changed.notify_one();
        }
    }

    /// A place among those of its route that are at work, where the route says how many may be.
    /// An older version of a route shares the places of the one that runs.
    pub(super) async fn route_place(&self, begun: &Begun) -> Option<OwnedSemaphorePermit> {
        let plan = &begun.version.plan;
        let running = self.running();
        let current = running.routes.iter().find(|version| version.plan.name == plan.name);
        let concurrency = current.map_or(plan.concurrency, |version| version.plan.concurrency)?;
        let key = (plan.name.clone(), concurrency);
        let places = self
            .route_places
            .entry(key)
            .or_insert_with(|| Arc::new(Semaphore::new(concurrency)))
            .clone();
        // It is never closed.
        places.acquire_owned().await.ok()
    }
}

/// What the journal is told of an exchange's lane. One that cannot be told has none: its machine
/// puts it before its owner as it starts.
pub(super) fn lane(exchange: &route::Exchange) -> Option<journal::Lane> {
    let lane = exchange.lane().ok().flatten()?;
    Some(journal::Lane { scope: lane.scope, key: lane.key, passes: lane.parked == Parked::Pass })
}
