//! `[from.schedule]`: a message at each time of a cron expression. The time of the last one is a
//! cursor in the journal, so a restart misses none that fell due in between and repeats none.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use journal::{Record, SourceKey};
use route::{Envelope, ScheduleSource, Source};
use tokio::sync::watch;

use super::serve;
use crate::clock;
use crate::dispatch::{Arrival, Dispatch};
use crate::pause::Kind;
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
    let Some(mut last) = begin(&dispatch, &version, source, &name, &mut stop).await else { return };
    loop {
        let Some(due) = source.next(last) else { return };
        dispatch.sources().due(&version.plan.name, clock::to_ms(due));
        let left = Duration::try_from(due.duration_since(clock::now())).unwrap_or_default();
        if !left.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(left.min(SLEEP_MAX)) => {}
                () = serve::told(&mut stop) => return,
            }
            continue;
        }
        // The times that fall into a pause run after it, as they do after a restart.
        if dispatch.pauses().on(Kind::Route, &version.plan.name).is_some() {
            tokio::select! {
                () = dispatch.pauses().wait_for_end(Kind::Route, &version.plan.name) => {}
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
                client: None,
                received_at: clock::now(),
                traceparent: None,
                raw: false,
                replay: None,
            },
            source_key: Some(SourceKey { scope: name.clone(), key: due.to_string() }),
            earlier_scope: None,
            body_digest: None,
            parent: None,
            repeats: None,
        };
        let cursor = Record::Cursor { source: name.clone(), value: mark(source, due) };
        match dispatch.accept_batch(vec![arrival], vec![cursor]).await {
            Ok(()) => {
                dispatch.sources().succeeded(&version.plan.name, clock::now_ms());
                last = due;
            }
            Err(error) => {
                tracing::warn!(%error, route = version.plan.name, "a scheduled message was not accepted; again in a moment");
                tokio::time::sleep(FAILED_PAUSE).await;
            }
        }
    }
}

/// The time from which this schedule counts: the last one on disk. A schedule that never ran begins
/// now, and says so on disk before anything else: the next start must not begin later. None when
/// the runtime stops.
async fn begin(
    dispatch: &Dispatch,
    version: &RouteVersion,
    source: &ScheduleSource,
    name: &str,
    stop: &mut watch::Receiver<bool>,
) -> Option<Timestamp> {
    loop {
        match begin_once(dispatch, source, name).await {
            Ok(last) => {
                tracing::info!(route = version.plan.name, after = %last, "the schedule runs");
                return Some(last);
            }
            Err(error) => {
                tracing::error!(%error, route = version.plan.name, "the schedule cannot start; again in a moment");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(FAILED_PAUSE) => {}
            () = serve::told(stop) => return None,
        }
    }
}

async fn begin_once(
    dispatch: &Dispatch,
    source: &ScheduleSource,
    name: &str,
) -> Result<Timestamp, journal::Error> {
    if let Some(last) = dispatch.journal.cursor(name).await?.and_then(|mark| last(source, &mark)) {
        return Ok(last);
    }
    let now = clock::now();
    let cursor = Record::Cursor { source: name.to_owned(), value: mark(source, now) };
    dispatch.journal.commit(cursor.into()).await?;
    Ok(now)
}

/// The cursor: a time, and the schedule that it belongs to.
fn mark(source: &ScheduleSource, last: Timestamp) -> String {
    format!("{last} {} {}", source.cron, source.zone)
}

/// What a cursor says of this schedule. One of another (the route was edited) says nothing: its
/// times would be made up for since then. The first versions wrote the time alone.
fn last(source: &ScheduleSource, cursor: &str) -> Option<Timestamp> {
    let (last, schedule) = cursor.split_once(' ').unwrap_or((cursor, ""));
    let same = schedule.is_empty() || schedule == format!("{} {}", source.cron, source.zone);
    if same { last.parse().ok() } else { None }
}
