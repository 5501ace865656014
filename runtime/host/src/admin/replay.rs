//! `POST /v1/replays`: one exchange or a range once more, as a rehearsal or for real; and how far a
//! job is. What takes effect is always asked for in words: nothing here defaults to it.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::decide::body;
use super::show::exchange_id;
use crate::clock;
use crate::dispatch::replay::{Again, KeysOf, MayRepeat, ReplayError, VersionOf};
use crate::dispatch::replays::{Mode, Order, Range, RangeError};
use crate::ingress::problem::{Answer, Problem, json_answer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// One exchange; else a range.
    exchange: Option<String>,
    range: Option<WantedRange>,
    mode: WantedMode,
    /// For real only.
    keys: Option<WantedKeys>,
    /// Rehearsals only; `current` when absent.
    version: Option<WantedVersion>,
    from: Option<String>,
    by: String,
    #[serde(default)]
    why: String,
    /// The name of a job that goes on.
    job: Option<String>,
    /// New keys only: that what it repeats was read.
    #[serde(default)]
    confirm: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedRange {
    route: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    end: Option<String>,
    class: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WantedMode {
    Rehearse,
    ForReal,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WantedKeys {
    Same,
    New,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WantedVersion {
    Current,
    Original,
}

impl Admin {
    pub(super) async fn replay(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        let wanted: Wanted = body(request).await?;
        let mode = mode(&wanted)?;
        match (&wanted.exchange, &wanted.range) {
            (Some(exchange), None) => {
                let id = exchange_id(exchange)?;
                self.replay_one(id, mode, &wanted).await
            }
            (None, Some(range)) => self.replay_range(range, mode, &wanted).await,
            _ => Err(bad("Name either an `exchange` or a `range`.")),
        }
    }

    async fn replay_one(
        &self,
        id: route::ExchangeId,
        mode: Mode,
        wanted: &Wanted,
    ) -> Result<Answer, Problem> {
        let from = wanted.from.as_deref();
        let again = Again { id, from, by: &wanted.by, why: &wanted.why };
        let answer = match mode {
            Mode::Rehearse(version) => {
                let rehearsed = self.dispatch.rehearse(&again, version).await.map_err(refused)?;
                let mut shown = serde_json::to_value(&rehearsed).unwrap_or_default();
                shown["exchange"] = id.to_string().into();
                shown
            }
            Mode::ForReal(KeysOf::Replay) if !wanted.confirm => {
                let repeat = self.dispatch.may_repeat(id, from).await.map_err(refused)?;
                return Ok(unconfirmed(1, &repeat));
            }
            Mode::ForReal(keys) => {
                let job = wanted.job.as_deref();
                let new = self.dispatch.replay(&again, keys, job).await.map_err(refused)?;
                json!({ "exchange": id.to_string(), "replay": new.to_string() })
            }
        };
        Ok(json_answer(StatusCode::OK, &answer))
    }

    async fn replay_range(
        &self,
        range: &WantedRange,
        mode: Mode,
        wanted: &Wanted,
    ) -> Result<Answer, Problem> {
        let range = Range {
            route: range.route.clone(),
            since_ms: range.since.map(clock::to_ms),
            until_ms: range.until.map(clock::to_ms),
            end: range.end.clone(),
            class: range.class.clone(),
        };
        if matches!(mode, Mode::ForReal(KeysOf::Replay)) && !wanted.confirm {
            let from = wanted.from.as_deref();
            let repeat = self.dispatch.range_may_repeat(&range, from).await;
            let (exchanges, repeat) = repeat.map_err(range_refused)?;
            return Ok(unconfirmed(exchanges, &repeat));
        }
        let order = Order {
            range,
            mode,
            from: wanted.from.clone(),
            by: wanted.by.clone(),
            why: wanted.why.clone(),
            job: wanted.job.clone(),
        };
        let begun = self.dispatch.replay_range(order).await.map_err(range_refused)?;
        let begun = serde_json::to_value(&begun).unwrap_or_default();
        Ok(json_answer(StatusCode::ACCEPTED, &begun))
    }

    pub(super) fn replay_job(&self, job: &str) -> Result<Answer, Problem> {
        let progress = self.dispatch.replays.get(job).ok_or_else(|| {
            let detail = format!(
                "No replay job `{job}` is known since the last start; asked for again under this name it goes on."
            );
            Problem::new(StatusCode::NOT_FOUND, "not-found", "No such job", detail)
        })?;
        let progress = serde_json::to_value(&progress).unwrap_or_default();
        Ok(json_answer(StatusCode::OK, &progress))
    }
}

fn mode(wanted: &Wanted) -> Result<Mode, Problem> {
    match (wanted.mode, wanted.keys, wanted.version) {
        (WantedMode::Rehearse, None, None | Some(WantedVersion::Current)) => {
            Ok(Mode::Rehearse(VersionOf::Current))
        }
        (WantedMode::Rehearse, None, Some(WantedVersion::Original)) => {
            Ok(Mode::Rehearse(VersionOf::Original))
        }
        (WantedMode::Rehearse, Some(_), _) => {
            Err(bad("A rehearsal calls nothing: `keys` does not go with it."))
        }
        (WantedMode::ForReal, _, Some(_)) => {
            Err(bad("For real it is the current version: `version` does not go with it."))
        }
        (WantedMode::ForReal, None, None) => Err(bad(
            "Say which `keys`: `same` (systems that honour them answer as before) or `new` (every effect happens again).",
        )),
        (WantedMode::ForReal, Some(_), None) if wanted.why.trim().is_empty() => {
            Err(bad("Say `why`: a replay for real stands in the audit trail."))
        }
        (WantedMode::ForReal, Some(WantedKeys::Same), None) => Ok(Mode::ForReal(KeysOf::Original)),
        (WantedMode::ForReal, Some(WantedKeys::New), None) => Ok(Mode::ForReal(KeysOf::Replay)),
    }
}

/// Nothing was done: what it would repeat is to be read first.
fn unconfirmed(exchanges: usize, repeat: &MayRepeat) -> Answer {
    let answer: Value = json!({
        "needs_confirmation": true,
        "exchanges": exchanges,
        "may_repeat": repeat.mutations,
        "publishes_again": repeat.events,
    });
    json_answer(StatusCode::OK, &answer)
}

fn refused(error: ReplayError) -> Problem {
    let (status, kind, title) = match &error {
        ReplayError::Unknown(_) => (StatusCode::NOT_FOUND, "not-found", "No such exchange"),
        ReplayError::Open { .. } | ReplayError::Repeating { .. } => {
            (StatusCode::CONFLICT, "not-ended", "It has not ended")
        }
        ReplayError::Dropped { .. } => (StatusCode::GONE, "dropped", "The payload was dropped"),
        ReplayError::Busy | ReplayError::Journal(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now")
        }
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "not-replayable", "It cannot be replayed"),
    };
    Problem::new(status, kind, title, format!("{error}."))
}

fn range_refused(error: RangeError) -> Problem {
    match error {
        RangeError::Replay(error) => refused(error),
        RangeError::Journal(error) => refused(ReplayError::Journal(error)),
        RangeError::AtWork(_) | RangeError::TooMany => {
            Problem::new(StatusCode::CONFLICT, "at-work", "At work", format!("{error}."))
        }
        RangeError::Boundless | RangeError::TooWide => bad(&format!("{error}.")),
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The replay is not clear", detail)
}
