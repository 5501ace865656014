//! `[from.schedule]`: a message at each time of a cron expression. The time of the last one is a
//! cursor in the journal, so a restart misses none that fell due in between and repeats none.

use std::sync::Arc;
use std::time::Duration;

use journal::{Record, SourceKey};
use route::{Envelope, ScheduleSource, Source};
use tokio::sync::watch;

use super::serve;
use crate::clock;
use crate::dispatch::{Arrival, Dispatch};
use crate::running::RouteVersion;

/// The longest sleep: a clock that was set is noticed by then.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// After a failed commit.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(
    dispatch: Arc<Dispatch>,
    version: Arc<RouteVersion>,
    mut stop: watch::Receiver<bool>,
) {
    let Source::Schedule(source) = &version.plan.source else { return };
    let name = format!("schedule:{}", version.plan.name);
    // From the last time on disk; a schedule that never ran begins now.
    let mut last = match dispatch.journal.cursor(&name).await {
        Ok(cursor) => cursor.and_then(|text| text.parse().ok()).unwrap_or_else(clock::now),
        Err(error) => {
            tracing::error!(%error, route = version.plan.name, "the schedule cannot start");
            return;
        }
    };
    loop {
        let Some(due) = source.next(last) else { return };
        let left = Duration::try_from(due.duration_since(clock::now())).unwrap_or_default();
        if !left.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(left.min(SLEEP_MAX)) => {}
                () = serve::told(&mut stop) => return,
            }
            continue;
        }
        let arrival = Arrival {
            version: version.clone(),
            envelope: Envelope {
                message: ScheduleSource::message(due),
                headers: std::collections::BTreeMap::new(),
                source: "schedule".to_owned(),
                received_at: clock::now(),
                traceparent: None,
                raw: false,
                replay: None,
            },
            source_key: Some(SourceKey { scope: name.clone(), key: due.to_string() }),
            body_digest: None,
            parent: None,
            repeats: None,
        };
        let cursor = Record::Cursor { source: name.clone(), value: due.to_string() };
        match dispatch.accept_batch(vec![arrival], vec![cursor]).await {
            Ok(()) => last = due,
            Err(error) => {
                tracing::warn!(%error, route = version.plan.name, "a scheduled message was not accepted; again in a moment");
                tokio::time::sleep(FAILED_PAUSE).await;
            }
        }
    }
}
