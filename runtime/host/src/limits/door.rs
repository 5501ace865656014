//! A budget as the door of an upstream: what `connector` asks before a request leaves.

use std::sync::Arc;
use std::time::Duration;

use connector::{BoxFuture, Door, Permit, Refused};

use super::Budget;

tokio::task_local! {
    /// The route on whose behalf a connector is called; the tenant in the queues of budgets.
    pub static TENANT: String;
}

pub struct UpstreamDoor {
    budget: Arc<Budget>,
    patience: Duration,
}

impl UpstreamDoor {
    pub fn new(budget: Arc<Budget>, patience: Duration) -> UpstreamDoor {
        UpstreamDoor { budget, patience }
    }
}

impl Door for UpstreamDoor {
    fn enter(&self) -> BoxFuture<'_, Result<Permit, Refused>> {
        // Taken here: the future may be polled by a task of the HTTP client's.
        let tenant = TENANT.try_with(Clone::clone).unwrap_or_default();
        Box::pin(async move {
            match self.budget.enter(&tenant, self.patience).await {
                Ok(permit) => Ok(Box::new(permit) as Permit),
                Err(refused) => Err(Refused { after: refused.after }),
            }
        })
    }

    fn slow_down(&self, pause: Duration) {
        tracing::info!(
            limit = self.budget.name,
            pause_ms = pause.as_millis(),
            "the system asked for a pause"
        );
        self.budget.slow_down(pause);
    }
}
