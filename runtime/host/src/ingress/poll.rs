//! `[from.poll]`: asks a connector for what is new since the cursor. The items' exchanges and the new
//! cursor are one commit, so a crash repeats a question and never an item.

use std::sync::Arc;
use std::time::Duration;

use contract::{Type, Value};
use journal::{Record, SourceKey};
use route::{Envelope, PollSource, Received, Source};
use tokio::sync::watch;

use super::lag::Lag;
use super::serve;
use crate::clock;
use crate::dispatch::{AcceptError, Arrival, Dispatch};
use crate::pause::Kind;
use crate::running::RouteVersion;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// After a fault, before the next question; doubles up to the source's own interval or a minute.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

pub(super) async fn run(
    dispatch: Arc<Dispatch>,
    version: Arc<RouteVersion>,
    mut stop: watch::Receiver<bool>,
) {
    let Source::Poll(source) = &version.plan.source else { return };
    let every = Duration::from_millis(source.every_ms);
    let known_as = format!("poll {}.{}", source.connector, source.operation);
    let mut lag = Lag::new(known_as, dispatch.late_after(source));
    dispatch.sources().asked(&version.plan.name, clock::now_ms());
    let mut failures = 0;
    loop {
        // A paused route asks for nothing; its source keeps what is new.
        tokio::select! {
            () = dispatch.pauses().wait_for_end(Kind::Route, &version.plan.name) => {}
            () = serve::told(&mut stop) => return,
        }
        let pause = match poll_once(&dispatch, &version, source).await {
            Ok(more) => {
                failures = 0;
                lag.heard(&dispatch, &version).await;
                if more { Duration::ZERO } else { every }
            }
            Err(reason) => {
                tracing::warn!(
                    route = version.plan.name,
                    reason,
                    "a poll failed; it is asked again"
                );
                lag.failed(&dispatch, &version, &reason).await;
                failures += 1;
                let backoff = BACKOFF.saturating_mul(1 << failures.min(10) >> 1);
                backoff.min(BACKOFF_MAX.max(every))
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = serve::told(&mut stop) => return,
        }
    }
}

/// True when the source says that there is more to fetch at once.
async fn poll_once(
    dispatch: &Arc<Dispatch>,
    version: &Arc<RouteVersion>,
    source: &PollSource,
) -> Result<bool, String> {
    let name = format!("poll:{}", version.plan.name);
    let cursor = dispatch.journal.cursor(&name).await.map_err(|error| error.to_string())?;
    let input = version
        .source_input()
        .and_then(|input| poll_request(input, cursor.as_deref(), source.limit))
        .ok_or("this host does not know the connector's poll-request")?;
    let output = dispatch.ask_source(version, &name, &input, TIMEOUT).await?;
    let received = Received::of(&output).ok_or("the answer is not of the agreed shape")?;
    let arrivals: Vec<Arrival> = received
        .items
        .into_iter()
        .map(|(item, message)| Arrival {
            version: version.clone(),
            envelope: Envelope {
                message,
                headers: std::collections::BTreeMap::new(),
                source: format!("poll:{}", source.connector),
                client: None,
                received_at: clock::now(),
                traceparent: None,
                raw: false,
                replay: None,
            },
            source_key: Some(SourceKey { scope: name.clone(), key: item }),
            earlier_scope: None,
            body_digest: None,
            parent: None,
            repeats: None,
        })
        .collect();
    let advanced = received.next_cursor.filter(|next| cursor.as_ref() != Some(next));
    // A source that promises more and stays where it is would be asked without a pause for ever.
    let more = received.more && advanced.is_some();
    let record = advanced.map(|value| Record::Cursor { source: name.clone(), value });
    if arrivals.is_empty() && record.is_none() {
        return Ok(false);
    }
    match dispatch.accept_batch(arrivals, record.into_iter().collect()).await {
        Ok(()) => Ok(more),
        // Back-pressure: the cursor has not moved, the same items come again.
        Err(AcceptError::Busy) => Err("the backlog is full".to_owned()),
        Err(AcceptError::Journal(error)) => Err(error.to_string()),
    }
}

/// The question as `crossdock:core/poll.poll-request`, whatever its minor version.
fn poll_request(input: &Type, cursor: Option<&str>, limit: u32) -> Option<Value> {
    let Type::Record(record) = input else { return None };
    let fields = record.fields.iter().map(|field| match field.json.as_str() {
        "cursor" => cursor.map_or(Value::Null, Value::string),
        "limit" => Value::Int(i64::from(limit)),
        _ => Value::Null,
    });
    Some(Value::record(record.clone(), fields.collect()))
}
