//! The world outside the software: pickers pick, carriers drive, banks pay. Each step waits for
//! its delay, or for `POST /sandbox/advance`; what it does is left to the product that it is in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::lock;
use crate::state::{State, now_ms};

const TICK: Duration = Duration::from_millis(20);
const ROUNDS_MAX: usize = 100;

/// What can happen by itself. Ids are those of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// InvenTree sales order: stock is found and picked.
    Pick {
        order: i64,
    },
    /// InvenTree shipments.
    Pack {
        shipment: i64,
    },
    Ship {
        shipment: i64,
    },
    Deliver {
        shipment: i64,
    },
    /// Karrio tracker: the next state.
    Track {
        tracker: String,
    },
    /// Stripe: a bank debit settles, a customer disputes, the balance is paid out.
    Settle {
        intent: String,
    },
    Dispute {
        charge: String,
    },
    Payout,
}

#[derive(Debug, Default)]
pub struct World {
    waiting: Vec<(u64, Step)>,
}

impl World {
    pub fn waiting(&self) -> impl Iterator<Item = &Step> {
        self.waiting.iter().map(|(_, step)| step)
    }

    /// What waits of InvenTree's, with the time when it is due.
    pub fn in_warehouse(&self) -> Vec<(u64, Step)> {
        let inventree = |step: &Step| {
            matches!(
                step,
                Step::Pick { .. } | Step::Pack { .. } | Step::Ship { .. } | Step::Deliver { .. }
            )
        };
        self.waiting.iter().filter(|(_, step)| inventree(step)).cloned().collect()
    }

    pub fn wait_for(&mut self, steps: Vec<(u64, Step)>) {
        self.waiting.extend(steps);
    }
}

impl State {
    /// The same step waits only once.
    pub fn schedule(&mut self, step: Step) {
        if self.world.waiting().any(|waiting| *waiting == step) {
            return;
        }
        let options = &self.options;
        let delay_ms = match step {
            Step::Pick { .. } => options.pick_ms,
            Step::Pack { .. } => options.pack_ms,
            Step::Ship { .. } => options.ship_ms,
            Step::Deliver { .. } => options.deliver_ms,
            Step::Track { .. } | Step::Settle { .. } => options.transit_ms,
            Step::Dispute { .. } | Step::Payout => options.payout_ms,
        };
        let due_ms = if options.manual { u64::MAX } else { now_ms() + delay_ms };
        self.world.waiting.push((due_ms, step));
    }

    /// Takes every step that waits now, whatever its delay; returns what was taken.
    pub fn advance(&mut self) -> Vec<Step> {
        self.take_due(u64::MAX)
    }

    /// Advances until nothing waits, or nothing but waiting happens.
    pub fn advance_all(&mut self) -> Vec<Step> {
        let mut taken = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let round = self.advance();
            if round.is_empty() {
                break;
            }
            taken.extend(round);
        }
        taken
    }

    fn take_due(&mut self, now_ms: u64) -> Vec<Step> {
        let mut due: Vec<(u64, Step)> = Vec::new();
        self.world.waiting.retain(|(due_ms, step)| {
            let take = *due_ms <= now_ms;
            if take {
                due.push((*due_ms, step.clone()));
            }
            !take
        });
        // Stable: steps due at the same moment keep the order in which they were scheduled.
        due.sort_by_key(|(due_ms, _)| *due_ms);
        let steps: Vec<Step> = due.into_iter().map(|(_, step)| step).collect();
        for step in &steps {
            self.take(step);
        }
        steps
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Pick { order } => self.world_picks(*order),
            Step::Pack { shipment } => self.world_packs(*shipment),
            Step::Ship { shipment } => self.world_ships(*shipment),
            Step::Deliver { shipment } => self.world_delivers(*shipment),
            Step::Track { tracker } => self.world_tracks(tracker),
            Step::Settle { intent } => self.world_settles(intent),
            Step::Dispute { charge } => {
                self.open_dispute(charge, "fraudulent", "needs_response");
            }
            Step::Payout => {
                self.pay_out();
            }
        }
    }
}

/// Lets time pass until stopped.
pub async fn run(shared: Arc<Mutex<State>>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = stopped.changed() => return,
        }
        lock(&shared).take_due(now_ms());
    }
}
