//! After a start, and whenever memory had been full: ready exchanges are read from the journal and
//! go on at their next step. Code is not replayed; outcomes are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use route::{Envelope, Event, Exchange, ExchangeId, MessageType, Outcome};

use super::{Begun, Dispatch, publish};
use crate::clock;
use crate::pause::Kind;
use crate::running::RouteVersion;

/// Ready exchanges read at once.
const PAGE: usize = 500;

/// An exchange on disk cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeUpError {
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("its version cannot be loaded: {0}")]
    Version(#[from] crate::running::Unavailable),
    #[error("its stored {what} cannot be read: {reason}")]
    Stored { what: &'static str, reason: String },
    #[error("its payload was dropped by retention at {0}: what it said is gone")]
    PayloadDropped(jiff::Timestamp),
    #[error("it does not exist or has ended")]
    Gone,
}

impl Dispatch {
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), journal::Error> {
        let mut after = 0;
        let mut taken = 0;
        loop {
            let page = self.journal.ready(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.0;
            for (id, route) in page {
                if self.active.contains_key(&id) || self.pauses.on(Kind::Route, &route).is_some() {
                    continue;
                }
                if self.active.len() >= self.options.backlog_max {
                    self.overflowed.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                self.take_up(id, Event::Resume).await;
                taken += 1;
            }
        }
        if taken > 0 {
            tracing::info!(exchanges = taken, "taken up again from the journal");
        }
        Ok(())
    }

    /// Loads an exchange and drives it from this event on, unless it is in memory already.
    pub(super) async fn take_up(self: &Arc<Self>, id: u64, event: Event) {
        if self.stopping() || !self.enter(id) {
            return;
        }
        // One whose outcomes say that it ended is open still if the process stopped before the end
        // was noted; its machine says so again.
        match self.load_any(id).await {
            Ok(begun) if event == Event::Fired && self.route_paused(&begun) => {
                self.wait_for_resume(begun).await;
                self.leave(id);
            }
            Ok(begun) => {
                tokio::spawn(Arc::clone(self).drive(begun, event));
            }
            Err(error) => {
                self.set_aside(id, &error).await;
                self.leave(id);
            }
        }
    }

    /// An open exchange as its journal has it.
    pub(super) async fn load(&self, id: u64) -> Result<Begun, TakeUpError> {
        let begun = self.load_any(id).await?;
        if begun.exchange.end().is_some() { Err(TakeUpError::Gone) } else { Ok(begun) }
    }

    /// An exchange as its journal has it, ended or not.
    pub(super) async fn load_any(&self, id: u64) -> Result<Begun, TakeUpError> {
        let stored = self.journal.exchange(id).await?.ok_or(TakeUpError::Gone)?;
        if let Some(at_ms) = stored.payload_dropped_at_ms {
            return Err(TakeUpError::PayloadDropped(clock::from_ms(at_ms)));
        }
        let version = self.versions.get(stored.route_version).await?;
        let envelope = envelope(&version, &stored)?;
        let outcomes = stored
            .outcomes
            .iter()
            .map(|outcome| {
                serde_json::from_str(&outcome.body).map_err(|error| TakeUpError::Stored {
                    what: "outcome",
                    reason: error.to_string(),
                })
            })
            .collect::<Result<Vec<Outcome>, _>>()?;
        let exchange = Exchange::restore(ExchangeId(id), version.plan.clone(), envelope, &outcomes)
            .map_err(|error| TakeUpError::Stored { what: "state", reason: error.to_string() })?;
        let keys = exchange.keys();
        Ok(Begun { exchange, version, keys })
    }

    /// What cannot be taken up goes to the exception desk instead of being tried for ever.
    pub(super) async fn set_aside(self: &Arc<Self>, id: u64, error: &TakeUpError) {
        tracing::error!(exchange = %ExchangeId(id), %error, "an exchange cannot be taken up");
        if matches!(error, TakeUpError::Journal(_) | TakeUpError::Gone) {
            return;
        }
        let exception = journal::Exception {
            exchange: id,
            class: "version-unavailable".to_owned(),
            owner: "operations".to_owned(),
            step: String::new(),
            code: "version-unavailable".to_owned(),
            message: connector::redact(&error.to_string()),
            at_ms: clock::now_ms(),
        };
        if let Err(error) = self.raise(exception).await {
            tracing::error!(%error, "and the exception could not be journalled");
        }
    }
}

pub(super) fn envelope(
    version: &RouteVersion,
    stored: &journal::StoredExchange,
) -> Result<Envelope, TakeUpError> {
    let unreadable = |reason: String| TakeUpError::Stored { what: "message", reason };
    let message =
        publish::read_message(version, &stored.message, stored.raw).map_err(unreadable)?;
    let headers: BTreeMap<String, String> =
        serde_json::from_str(&stored.headers).map_err(|error| unreadable(error.to_string()))?;
    let replay: Option<route::Replay> = match &stored.replay {
        Some(replay) => Some(
            serde_json::from_str(&replay.body).map_err(|error| unreadable(error.to_string()))?,
        ),
        None => None,
    };
    Ok(Envelope {
        message,
        headers,
        source: stored.summary.source.clone(),
        client: stored.summary.client.clone(),
        received_at: clock::from_ms(stored.summary.received_at_ms),
        traceparent: stored.traceparent.clone(),
        raw: stored.raw,
        replay: replay.map(Arc::new),
    })
}

/// The type that a route's messages are read with.
pub(super) fn message_type(version: &RouteVersion) -> Option<&contract::Type> {
    match &version.plan.message {
        MessageType::Typed(ty) => Some(ty),
        MessageType::Any => None,
    }
}
