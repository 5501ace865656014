//! Room to run: how many exchanges do so at the same time. Who waits for a budget has none, and comes
//! first when its grant is due, so that no grant goes stale behind those that have just begun.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

pub struct Rooms {
    state: Mutex<State>,
}

struct State {
    free: usize,
    first: VecDeque<oneshot::Sender<Room>>,
    others: VecDeque<oneshot::Sender<Room>>,
}

/// Held while an exchange runs; dropping it lets the next one in.
pub struct Room {
    of: Option<Arc<Rooms>>,
}

impl Rooms {
    pub fn new(count: usize) -> Arc<Rooms> {
        let (first, others) = (VecDeque::new(), VecDeque::new());
        Arc::new(Rooms { state: Mutex::new(State { free: count.max(1), first, others }) })
    }

    /// In the order of asking.
    pub async fn enter(self: &Arc<Rooms>) -> Room {
        self.wait(false).await
    }

    /// Before everyone who asked by `enter`.
    pub async fn enter_first(self: &Arc<Rooms>) -> Room {
        self.wait(true).await
    }

    /// If there is room now, also before those who wait: a grant is due.
    pub fn try_enter(self: &Arc<Rooms>) -> Option<Room> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Room { of: Some(self.clone()) })
    }

    async fn wait(self: &Arc<Rooms>, first: bool) -> Room {
        loop {
            let receiver = {
                let mut state = self.lock();
                if state.free > 0 {
                    state.free -= 1;
                    return Room { of: Some(self.clone()) };
                }
                let (sender, receiver) = oneshot::channel();
                match first {
                    true => state.first.push_back(sender),
                    false => state.others.push_back(sender),
                }
                receiver
            };
            // The sender is dropped with the queue only, which lives as long as `self`.
            if let Ok(room) = receiver.await {
                return room;
            }
        }
    }

    /// To the next who still waits, or free.
    fn leave(self: Arc<Rooms>) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.first.pop_front().or_else(|| state.others.pop_front());
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(sender) = next else { return };
            match sender.send(Room { of: Some(self.clone()) }) {
                Ok(()) => return,
                // It gave up. Not by dropping this room: that would come here again, deeper.
                Err(mut room) => room.of = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(rooms) = self.of.take() {
            rooms.leave();
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_a_grant_comes_first_and_who_gave_up_takes_nothing() {
        let rooms = Rooms::new(1);
        let held = rooms.enter().await;
        assert!(rooms.try_enter().is_none());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, first) in [("new", false), ("gone", true), ("granted", true)] {
            let (rooms, order) = (rooms.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _room = if first { rooms.enter_first().await } else { rooms.enter().await };
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        tasks.remove(1).abort();
        tokio::task::yield_now().await;
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["granted", "new"]);
        assert!(rooms.try_enter().is_some());
    }
}
