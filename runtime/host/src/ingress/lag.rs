//! Whether a source that is asked has been heard of lately. Told once when it is late and once when
//! it is well again; what it counts lives as long as the process.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::dispatch::Dispatch;
use crate::notice::Notice;
use crate::running::RouteVersion;

pub struct Lag {
    /// As people know it: `poll wms.list-changed-shipments`.
    source: String,
    after_ms: u64,
    begun_ms: u64,
    last_success_ms: Option<u64>,
    late_since_ms: Option<u64>,
}

impl Lag {
    /// A source may be silent for `after` before anybody is told.
    pub fn new(source: String, after: Duration) -> Lag {
        Lag {
            source,
            after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            begun_ms: clock::now_ms(),
            last_success_ms: None,
            late_since_ms: None,
        }
    }

    pub async fn heard(&mut self, dispatch: &Arc<Dispatch>, version: &RouteVersion) {
        let now_ms = clock::now_ms();
        self.last_success_ms = Some(now_ms);
        dispatch.sources().succeeded(&version.plan.name, now_ms);
        let Some(late_since_ms) = self.late_since_ms.take() else { return };
        tracing::info!(route = version.plan.name, source = self.source, "a source is well again");
        dispatch
            .notify(Notice::SourceRecovered {
                route: version.plan.name.clone(),
                source: self.source.clone(),
                owner: version.plan.owner.clone(),
                late_since_ms,
                at_ms: now_ms,
            })
            .await;
    }

    pub async fn failed(&mut self, dispatch: &Arc<Dispatch>, version: &RouteVersion, reason: &str) {
        let now_ms = clock::now_ms();
        let silent_ms = now_ms.saturating_sub(self.last_success_ms.unwrap_or(self.begun_ms));
        if self.late_since_ms.is_some() || silent_ms < self.after_ms {
            return;
        }
        self.late_since_ms = Some(now_ms);
        tracing::warn!(route = version.plan.name, source = self.source, "a source is late");
        dispatch
            .notify(Notice::SourceLate {
                route: version.plan.name.clone(),
                source: self.source.clone(),
                owner: version.plan.owner.clone(),
                last_success_ms: self.last_success_ms,
                reason: Some(reason.to_owned()),
                late_since_ms: now_ms,
            })
            .await;
    }
}
