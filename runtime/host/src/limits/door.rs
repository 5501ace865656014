//! A budget as the door of an upstream: what `connector` asks before a request leaves.

use std::sync::Arc;
use std::time::Duration;

use connector::{BoxFuture, Door, Heard, Permit, Refused};

use super::budget::Ask;
use super::{Budget, Tenant};

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
        let tenant = Tenant::present();
        Box::pin(async move {
            let patience = self.patience;
            let ask = Ask { tenant: &tenant, patience, waited: Duration::ZERO, rooms: None };
            match self.budget.enter(ask).await {
                Ok(entered) => Ok(Box::new(entered.permit) as Permit),
                Err(refused) => Err(Refused {
                    limit: self.budget.name.clone(),
                    after: refused.after,
                    quota: refused.quota,
                }),
            }
        })
    }

    fn hear(&self, heard: &Heard) {
        self.budget.hear(heard);
    }
}
