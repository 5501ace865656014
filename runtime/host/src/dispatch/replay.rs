//! An exchange once more: as a rehearsal, which only asks the journal, or for real, which is a new
//! exchange on the current version of the route, under the keys of the original or under new ones.
//! The message is never edited here, and two exchanges never drive the same keys at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use journal::{SourceKey, Summary};
use route::machine::{CarryError, Original, Rehearsal, RehearseError, rehearse};
use route::{Effect, Envelope, Exchange, ExchangeId, Keys, Kind, Outcome, Replay};
use serde_json::json;

use super::publish::{delivery, read_message};
use super::recover::{TakeUpError, envelope};
use super::{AcceptError, Arrival, Dispatch, Repeats};
use crate::mask::Hidden;
use crate::running::RouteVersion;
use crate::{audit, clock};

/// Replays of one exchange, and exchanges under one root of keys.
const REPLAYS_MAX: usize = 100;
/// Exchanges that one published or took in, as far as its subscribers are known by them.
const CHILDREN_MAX: usize = 10_000;

#[derive(Clone, Debug)]
pub struct Again<'a> {
    pub id: ExchangeId,
    /// The outcomes before this step are taken as they were.
    pub from: Option<&'a str>,
    pub by: &'a str,
    pub why: &'a str,
}

/// Which keys the calls of a replay go under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysOf {
    /// The original's: a system that honours keys answers as before.
    Original,
    /// Its own: every effect is a new one.
    Replay,
}

/// The version that a rehearsal runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionOf {
    Current,
    Original,
}

/// What a replay for real under new keys does once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MayRepeat {
    /// `stored depot.store`: mutations that the original made, or may have made.
    pub mutations: Vec<String>,
    /// Topics whose subscribers hear of it again.
    pub events: Vec<String>,
}

/// Why there is no replay; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the journal has no exchange {0}")]
    Unknown(ExchangeId),
    #[error(
        "exchange {id} has not ended ({state}): two exchanges must never drive the same effects; let it end, answer its task, or retry or discard its exception"
    )]
    Open { id: ExchangeId, state: String },
    #[error("exchange {replay} repeats {id} already and has not ended ({state}): let it end first")]
    Repeating { id: ExchangeId, replay: ExchangeId, state: String },
    #[error("exchange {id} was repeated {REPLAYS_MAX} times: something else is wrong")]
    TooOften { id: ExchangeId },
    #[error("no route `{0}` is running: nothing could take the message")]
    NoRoute(String),
    #[error(
        "the payload of exchange {id} was dropped by retention at {at}: its message is no longer known, and neither are the answers; send the message anew"
    )]
    Dropped { id: ExchangeId, at: jiff::Timestamp },
    #[error(
        "effects of exchange {0} were taken back: under the same keys the systems would answer as though they stood; use new keys"
    )]
    TookBack(ExchangeId),
    #[error("the message does not fit the current version of the route: {0}")]
    Message(String),
    #[error("exchange {id} cannot be read: {reason}")]
    Unavailable { id: ExchangeId, reason: String },
    #[error(
        "it cannot go on from there: {0}; replay it from the beginning or from an earlier step"
    )]
    Carry(#[from] CarryError),
    #[error("it cannot be rehearsed: {0}")]
    Rehearse(#[from] RehearseError),
    #[error("the backlog is full; try again in a moment")]
    Busy,
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<AcceptError> for ReplayError {
    fn from(error: AcceptError) -> ReplayError {
        match error {
            AcceptError::Busy => ReplayError::Busy,
            AcceptError::Journal(error) => ReplayError::Journal(error),
        }
    }
}

impl Dispatch {
    /// Runs the message through the route with every call answered from the journal. Takes effect
    /// nowhere; the audit trail says that it was done.
    pub async fn rehearse(
        &self,
        again: &Again<'_>,
        on: VersionOf,
    ) -> Result<Rehearsal, ReplayError> {
        let rehearsed = self.rehearse_quietly(again, on).await?;
        let detail =
            json!({ "mode": "rehearse", "from": again.from, "verdict": rehearsed.verdict });
        self.journal
            .commit(audit::record(again.by, "replay", again.id, again.why, &detail).into())
            .await?;
        Ok(rehearsed)
    }

    /// As one of many, for which one entry of the trail stands.
    pub(super) async fn rehearse_quietly(
        &self,
        again: &Again<'_>,
        on: VersionOf,
    ) -> Result<Rehearsal, ReplayError> {
        let (original, stored, ran) = self.original(again.id).await?;
        let version = match on {
            VersionOf::Original => ran,
            VersionOf::Current => self.current(&stored.summary)?,
        };
        let plan = version.plan.clone();
        let from = again.from.map(str::to_owned);
        let (mask, hidden) = (self.mask().clone(), self.hidden_of(&stored));
        // Expressions of a long exchange take their time: not on a thread that answers others.
        let rehearsed = tokio::task::spawn_blocking(move || {
            let seen = |pointer: &str, value: &mut serde_json::Value| {
                mask.apply_at(pointer, value);
                hidden.clean_all(value);
            };
            let mut rehearsed = rehearse(&original, &plan, from.as_deref(), &seen)?;
            let texts = rehearsed.differences.iter_mut();
            let texts = texts.flat_map(|found| [found.was.as_mut(), found.is.as_mut()]);
            for text in texts.flatten().chain([&mut rehearsed.was, &mut rehearsed.is]) {
                *text = hidden.clean(text);
            }
            Ok::<Rehearsal, RehearseError>(rehearsed)
        })
        .await
        .map_err(|error| unreadable(again.id, &error))??;
        Ok(rehearsed)
    }

    /// What a replay under new keys does once more, from this step on.
    pub async fn may_repeat(
        &self,
        id: ExchangeId,
        from: Option<&str>,
    ) -> Result<MayRepeat, ReplayError> {
        let (original, ..) = self.original(id).await?;
        let first = from.and_then(|from| Some(original.plan.step(from)?.0)).unwrap_or(0);
        let asked = original.asked().map_err(|error| unreadable(id, &error))?;
        let mut repeat = MayRepeat::default();
        for (path, _) in asked {
            let name = path.split('[').next().unwrap_or_default();
            let Some((at, step)) = original.plan.step(name) else { continue };
            if let Kind::Call(call) = &step.kind
                && call.operation.effect == Effect::Mutation
                && at >= first
            {
                let operation = &call.operation.operation.name;
                repeat.mutations.push(format!("{path} {}.{operation}", call.connector));
            }
        }
        let later = |outcome: &&Outcome| outcome.step as usize >= first;
        for outcome in original.outcomes.iter().filter(later) {
            if let route::OutcomeKind::Published { topic, .. } = &outcome.kind {
                repeat.events.push(topic.clone());
            }
        }
        Ok(repeat)
    }

    /// Sends the message on its way once more: journalled before this returns. In a `job` each
    /// exchange is repeated once, however often it is asked for.
    pub async fn replay(
        self: &Arc<Self>,
        again: &Again<'_>,
        keys: KeysOf,
        job: Option<&str>,
    ) -> Result<ExchangeId, ReplayError> {
        // One at a time: whether the keys are free is looked at and then relied on.
        let _alone = self.replaying.lock().await;
        let id = again.id;
        let (original, stored, _) = self.original(id).await?;
        self.check_free(&stored.summary).await?;
        let version = self.current(&stored.summary)?;
        let root = match keys {
            KeysOf::Original => Some(self.keys_of(&original).await?),
            KeysOf::Replay => None,
        };
        let plan = &version.plan;
        let carried = match again.from {
            Some(from) => original.carried(plan, from)?,
            None => Vec::new(),
        };
        let message = read_message(&version, &stored.message, stored.raw)
            .map_err(|reason| ReplayError::Message(self.hidden_of(&stored).clean(&reason)))?;
        let before = original.envelope.replay.as_deref();
        let replay = Replay {
            source: original.envelope.origin().to_owned(),
            received_at: before.map_or(original.envelope.received_at, |before| before.received_at),
            keys: root,
        };
        let detail = json!({
            "mode": "for-real", "from": again.from, "version": version.digest.to_string(),
            "keys": if keys == KeysOf::Original { "same" } else { "new" }, "job": job,
        });
        let arrival = Arrival {
            envelope: Envelope {
                message,
                source: format!("replay:{id}"),
                received_at: clock::now(),
                replay: Some(Arc::new(replay)),
                ..original.envelope
            },
            version,
            source_key: job
                .map(|job| SourceKey { scope: format!("replay:{job}"), key: id.to_string() }),
            body_digest: None,
            earlier_scope: None,
            parent: Some(id.0),
            repeats: Some(Repeats { of: id.0, carried }),
        };
        let audit = audit::record(again.by, "replay", id, again.why, &detail);
        Ok(match self.accept_told(arrival, audit).await? {
            super::Accepted::New(new) | super::Accepted::Known { id: new, .. } => new,
        })
    }

    /// The exchange has ended, and so has whoever repeats it.
    async fn check_free(&self, summary: &Summary) -> Result<(), ReplayError> {
        let id = ExchangeId(summary.id);
        if summary.ended.is_none() {
            return Err(ReplayError::Open { id, state: summary.state.to_string() });
        }
        let replays = self.journal.replays(summary.id, REPLAYS_MAX).await?;
        ended(id, &replays)
    }

    /// The keys of an exchange with all that was ever asked for under them. Refused while anyone may
    /// ask under them still.
    async fn keys_of(&self, original: &Original) -> Result<Keys, ReplayError> {
        let id = original.id;
        let exchange = Exchange::start(id, original.plan.clone(), original.envelope.clone());
        let root = exchange.key_root().to_owned();
        let before = original.envelope.replay.as_ref().and_then(|replay| replay.keys.as_ref());
        let mut keys = Keys {
            exchange: before.map_or_else(|| id.to_string(), |keys| keys.exchange.clone()),
            calls: Default::default(),
            delivered: Vec::new(),
            root,
        };
        let mut users = vec![id.0];
        if let Ok(first) = keys.exchange.parse::<ExchangeId>()
            && first != id
        {
            users.push(first.0);
        }
        let others = self.journal.under_root(&keys.root, REPLAYS_MAX).await?;
        ended(id, &others)?;
        users.extend(others.iter().map(|other| other.id).filter(|other| *other != id.0));
        let mut delivered = BTreeSet::new();
        for user in users {
            let user = ExchangeId(user);
            let (used, stored, _) = self.original(user).await?;
            if stored.summary.ended.is_none() {
                let state = stored.summary.state.to_string();
                return Err(ReplayError::Open { id: user, state });
            }
            if used.took_back() {
                return Err(ReplayError::TookBack(user));
            }
            let asked = used.asked().map_err(|error| unreadable(user, &error))?;
            asked.into_iter().for_each(|(path, asked)| keys.add(path, asked));
            for child in self.journal.children(user.0, CHILDREN_MAX).await? {
                let Some(topic) = child.source.strip_prefix("event:") else { continue };
                if let Some(child) = self.journal.exchange(child.id).await? {
                    delivered.insert(delivery(&child.summary.route, topic, &child.message));
                }
            }
        }
        keys.delivered = delivered.into_iter().collect();
        Ok(keys)
    }

    /// What is marked in the message and in what was answered.
    fn hidden_of(&self, stored: &journal::StoredExchange) -> Hidden {
        let mut hidden = self.hidden_in(&stored.message);
        for outcome in &stored.outcomes {
            hidden.join(self.hidden_in(outcome.body.as_bytes()));
        }
        hidden
    }

    fn current(&self, summary: &Summary) -> Result<Arc<RouteVersion>, ReplayError> {
        let running = self.running();
        let found = running.routes.iter().find(|version| version.plan.name == summary.route);
        found.cloned().ok_or_else(|| ReplayError::NoRoute(summary.route.clone()))
    }

    /// An exchange as its journal has it, with the version that it ran on.
    async fn original(
        &self,
        id: ExchangeId,
    ) -> Result<(Original, journal::StoredExchange, Arc<RouteVersion>), ReplayError> {
        let stored = self.journal.exchange(id.0).await?.ok_or(ReplayError::Unknown(id))?;
        if let Some(at_ms) = stored.payload_dropped_at_ms {
            return Err(ReplayError::Dropped { id, at: clock::from_ms(at_ms) });
        }
        let version = self
            .versions
            .get(stored.route_version)
            .await
            .map_err(|error| unreadable(id, &error))?;
        let envelope = envelope(&version, &stored).map_err(|error| match error {
            TakeUpError::Journal(error) => ReplayError::Journal(error),
            error => unreadable(id, &error),
        })?;
        let outcomes = stored
            .outcomes
            .iter()
            .map(|outcome| serde_json::from_str(&outcome.body))
            .collect::<Result<Vec<Outcome>, _>>()
            .map_err(|error| unreadable(id, &error))?;
        let original = Original { id, plan: version.plan.clone(), envelope, outcomes };
        Ok((original, stored, version))
    }
}

fn ended(id: ExchangeId, replays: &[Summary]) -> Result<(), ReplayError> {
    if replays.len() >= REPLAYS_MAX {
        return Err(ReplayError::TooOften { id });
    }
    match replays.iter().find(|replay| replay.ended.is_none()) {
        Some(open) => {
            let (replay, state) = (ExchangeId(open.id), open.state.to_string());
            Err(ReplayError::Repeating { id, replay, state })
        }
        None => Ok(()),
    }
}

fn unreadable(id: ExchangeId, error: &impl ToString) -> ReplayError {
    ReplayError::Unavailable { id, reason: error.to_string() }
}
