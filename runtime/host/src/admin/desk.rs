//! The exception desk as it is shown: what stands, in whose hands, what broke where, and what a person
//! can do about it now. Documents are masked.

use http::StatusCode;
use journal::{ExceptionFilter, GroupBy, StoredException, StoredExchange};
use route::machine::class;
use route::{ExchangeId, Fault, Outcome, OutcomeKind};
use serde_json::{Value, json};

use super::show::{bad, exchange_id, time};
use super::{Admin, Query, unreadable};
use crate::clock;
use crate::ingress::problem::{Answer, Problem, json_answer};

impl Admin {
    /// `?by=class` sums up instead of listing.
    pub(super) async fn exceptions(&self, query: &Query) -> Result<Answer, Problem> {
        let filter = ExceptionFilter { limit: query.limit(), ..filter_of(|name| query.get(name))? };
        let journal = &self.dispatch.journal;
        if let Some(by) = query.get("by") {
            let found = GroupBy::ALL.into_iter().find(|(name, _)| *name == by);
            let (_, group) = found.ok_or_else(|| bad("by", by, "class, owner, route or code"))?;
            let groups = journal.exception_groups(filter, group).await;
            let groups = groups.map_err(|error| unreadable(&error))?;
            let groups: Vec<Value> = groups
                .into_iter()
                .map(|group| {
                    json!({
                        by: group.name,
                        "count": group.count,
                        "owners": group.owners,
                        "since": time(group.oldest_ms),
                        "latest": time(group.newest_ms),
                        "oldest_s": clock::now_ms().saturating_sub(group.oldest_ms) / 1000,
                    })
                })
                .collect();
            return Ok(json_answer(StatusCode::OK, &json!({ "by": by, "groups": groups })));
        }
        let found = journal.exceptions(filter).await.map_err(|error| unreadable(&error))?;
        let exceptions: Vec<Value> = found.iter().map(|found| self.listed(found)).collect();
        Ok(json_answer(StatusCode::OK, &json!({ "exceptions": exceptions })))
    }

    /// An exception with the exchange behind it, and what can be done.
    pub(super) async fn exception(&self, id: &str) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let found = self.open_exception(id).await?;
        let stored = self.stored(id).await?;
        let mut shown = self.listed(&found);
        let failure = Failure::of(&stored, &found.step);
        let place = self.dispatch.place_of(stored.route_version, &found.step).await;
        let (file, line) = place.unzip();
        shown["file"] = file.into();
        shown["line"] = line.into();
        shown["fault"] = json!({
            "code": found.code,
            "message": shown["message"],
            "status": failure.fault.as_ref().and_then(|fault| fault.status),
            "attempts": failure.attempts,
            "asked": failure.asked,
        });
        let waiting = self.dispatch.journal.lane_behind(id.0).await;
        shown["waiting_behind"] = waiting.map_err(|error| unreadable(&error))?.into();
        // An edit says which state it was made on.
        shown["revision"] = stored.outcomes.len().into();
        shown["offers"] = offers(id, &found, stored.raw, self.dispatch.may_compensate(id).await);
        shown["document"] = self.document(&stored);
        Ok(json_answer(StatusCode::OK, &shown))
    }

    pub(super) async fn open_exception(&self, id: ExchangeId) -> Result<StoredException, Problem> {
        let filter =
            ExceptionFilter { exchange: Some(id.0), limit: 1, ..ExceptionFilter::default() };
        let found = self.dispatch.journal.exceptions(filter).await;
        found.map_err(|error| unreadable(&error))?.pop().ok_or_else(|| {
            let detail = format!("Exchange {id} has no open exception.");
            Problem::new(StatusCode::NOT_FOUND, "not-found", "No such exception", detail)
        })
    }

    fn listed(&self, found: &StoredException) -> Value {
        let hidden = self.dispatch.hidden_in(&found.document);
        let keys = self.dispatch.shown_keys(found.keys.clone(), &hidden);
        let keys: serde_json::Map<String, Value> =
            keys.into_iter().map(|(name, value)| (name, value.into())).collect();
        json!({
            "exchange": ExchangeId(found.exchange).to_string(),
            "route": found.route,
            "class": found.class,
            "owner": found.owner,
            "assignee": found.hands.assignee,
            "keys": keys,
            "step": found.step,
            "code": found.code,
            "message": hidden.clean(&found.message),
            "at": time(found.at_ms),
            "age_s": clock::now_ms().saturating_sub(found.at_ms) / 1000,
            "escalates": found.hands.escalate.as_ref().map(|(at_ms, to)| {
                json!({ "at": time(*at_ms), "to": to })
            }),
            "escalated_at": found.hands.escalated_at_ms.map(time),
        })
    }
}

/// The filters of a listing and of an action: `class`, `owner`, `assignee`, `route`, `code`, `since`,
/// `until` (RFC 3339) and `key` (`order=SO-1`).
pub(super) fn filter_of<'a>(
    get: impl Fn(&str) -> Option<&'a str>,
) -> Result<ExceptionFilter, Problem> {
    let text = |name: &str| get(name).map(str::to_owned);
    let at = |name: &str| match get(name) {
        None => Ok(None),
        Some(text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(Some(clock::to_ms(at))),
            Err(_) => Err(bad(name, text, "a time like 2026-11-22T14:00:00Z")),
        },
    };
    let key = match get("key") {
        None => None,
        Some(text) => {
            let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = pair.ok_or_else(|| bad("key", text, "like order=SO-1001"))?;
            Some((name.to_owned(), value.to_owned()))
        }
    };
    Ok(ExceptionFilter {
        class: text("class"),
        owner: text("owner"),
        assignee: text("assignee"),
        route: text("route"),
        code: text("code"),
        key,
        since_ms: at("since")?.unwrap_or(0),
        until_ms: at("until")?,
        ..ExceptionFilter::default()
    })
}

/// What the outcomes say of the step that failed.
struct Failure {
    fault: Option<Fault>,
    /// At the call, since it was last begun or run again.
    attempts: u32,
    /// When each of them got no answer.
    asked: Vec<String>,
}

impl Failure {
    fn of(stored: &StoredExchange, step: &str) -> Failure {
        let mut failure = Failure { fault: None, attempts: 0, asked: Vec::new() };
        for outcome in &stored.outcomes {
            let Ok(outcome) = serde_json::from_str::<Outcome>(&outcome.body) else { continue };
            if outcome.path != step {
                continue;
            }
            match outcome.kind {
                OutcomeKind::Attempt { fault, .. } => {
                    failure.attempts += 1;
                    failure.asked.push(outcome.at.to_string());
                    failure.fault = Some(fault);
                }
                OutcomeKind::Excepted { fault: Some(fault), .. } => failure.fault = Some(fault),
                OutcomeKind::Retried { .. } => {
                    failure = Failure { fault: None, attempts: 0, asked: Vec::new() };
                }
                _ => {}
            }
        }
        failure
    }
}

/// What a person can do now, each with what it means and the command that does it.
fn offers(id: ExchangeId, found: &StoredException, raw: bool, undoable: bool) -> Value {
    let command =
        |words: &str| format!("crossdock exceptions {}", words.replace("ID", &id.to_string()));
    let offer = |action: &str, means: &str, words: &str| json!({ "action": action, "means": means, "command": command(words) });
    let mut offers = Vec::new();
    if found.class == class::IN_DOUBT {
        offers.push(offer(
            "settle-applied",
            "it took effect: go on with the result that the system has",
            "settle ID --applied RESULT.json --why \"...\"",
        ));
        offers.push(offer(
            "settle-absent",
            "it did not take effect: call again, under the same key",
            "settle ID --absent --why \"...\"",
        ));
    }
    offers.push(offer(
        "retry",
        match found.class.as_str() {
            class::IN_DOUBT => "ask the system once more: by its probe, else by the same key",
            _ => "run the step again, under the same key unless the system refused it",
        },
        "retry ID --why \"...\"",
    ));
    if found.class != class::IN_DOUBT && !raw && !found.step.is_empty() {
        offers.push(offer(
            "edit",
            "set the message right, and run the step again with it",
            "edit ID --why \"...\"",
        ));
    }
    if undoable {
        offers.push(offer(
            "compensate",
            match found.class.as_str() {
                class::UNDO_FAILED => "you settled this undo by hand: take back the rest",
                _ => "take back what it did, newest first; it ends undone",
            },
            "compensate ID --why \"...\"",
        ));
    }
    offers.push(offer("assign", "put it into somebody's hands", "assign ID --to NAME"));
    offers.push(offer(
        "discard",
        "give the exchange up; effects that it already had stay",
        "discard ID --why \"...\"",
    ));
    offers.into()
}
