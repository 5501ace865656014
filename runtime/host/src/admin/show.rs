//! What the admin API shows: exchanges with every outcome, tasks, exceptions, timelines, and what is
//! loaded. Payloads are shown here and nowhere else.

use http::{Response, StatusCode};
use http_body_util::Full;
use journal::{ExchangeFilter, State, StoredExchange, Summary, TaskFilter};
use route::{ExchangeId, Outcome, Source};
use serde_json::{Value, json};

use super::{Admin, Query, unreadable};
use crate::clock;
use crate::ingress::problem::{Answer, Problem, json_answer};
use crate::pause::{Kind, words};

/// Exchanges of a timeline that are shown with their outcomes.
const TIMELINE_MAX: usize = 500;
/// Exchanges that repeat another one, shown with it.
const REPLAYS_MAX: usize = 100;

impl Admin {
    pub(super) async fn metrics(&self) -> Result<Answer, Problem> {
        let counts = self.dispatch.journal.counts().await.map_err(|error| unreadable(&error))?;
        let active = self.dispatch.active();
        let text = self.dispatch.metrics.render(
            &counts,
            active,
            self.dispatch.limits(),
            self.dispatch.breakers(),
            &self.lags(),
        );
        let mut answer = Response::new(Full::new(text.into()));
        let media_type = http::HeaderValue::from_static(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        );
        answer.headers_mut().insert(http::header::CONTENT_TYPE, media_type);
        Ok(answer)
    }

    pub(super) async fn exchanges(&self, query: &Query) -> Result<Answer, Problem> {
        let state = match query.get("state") {
            Some(name) => {
                Some(State::ALL.into_iter().find(|state| state.as_str() == name).ok_or_else(
                    || bad("state", name, "ready, waiting, parked, excepted, queued or ended"),
                )?)
            }
            None => None,
        };
        let before = match query.get("before") {
            Some(id) => Some(exchange_id(id)?.0),
            None => None,
        };
        let filter = ExchangeFilter {
            route: query.get("route").map(str::to_owned),
            client: query.get("client").map(str::to_owned),
            state,
            end: query.get("end").map(str::to_owned),
            since_ms: query.get("since_ms").and_then(|text| text.parse().ok()),
            until_ms: query.get("until_ms").and_then(|text| text.parse().ok()),
            class: query.get("class").map(str::to_owned),
            before,
            limit: query.limit(),
        };
        let page =
            self.dispatch.journal.exchanges(filter).await.map_err(|error| unreadable(&error))?;
        let exchanges: Vec<Value> =
            page.exchanges.iter().map(|found| self.summary(found)).collect();
        let next = page.next.map(|id| ExchangeId(id).to_string());
        Ok(json_answer(StatusCode::OK, &json!({ "exchanges": exchanges, "next": next })))
    }

    pub(super) async fn exchange(&self, id: &str) -> Result<Answer, Problem> {
        let id = exchange_id(id)?;
        let mut shown = self.document(&self.stored(id).await?);
        let replays =
            self.dispatch.journal.replays(id.0, REPLAYS_MAX).await.map_err(|e| unreadable(&e))?;
        shown["replays"] = replays.iter().map(|found| self.summary(found)).collect();
        Ok(json_answer(StatusCode::OK, &shown))
    }

    fn summary(&self, found: &Summary) -> Value {
        let mut shown = summary(found);
        let pauses = self.dispatch.pauses();
        let route = || pauses.on(Kind::Route, &found.route);
        // A paused route keeps what is ready; what waits for a pause says so by its first words.
        let pause = match (found.state, found.why.as_deref()) {
            (State::Ready, _) => route(),
            (State::Waiting, Some(why)) => pauses.all().into_iter().find(|pause| {
                let words = why.strip_prefix("paused ").or(why.strip_prefix("maintenance "));
                words == Some(format!("{} {}", pause.kind, pause.name).as_str())
            }),
            _ => None,
        };
        if let Some(pause) = pause {
            shown["paused"] = format!("{} {}", pause.kind, pause.name).into();
            shown["why"] = format!("paused: {}", words(&pause)).into();
        }
        shown
    }

    /// An exchange with everything that happened to it, as people may see it.
    pub(super) fn document(&self, stored: &StoredExchange) -> Value {
        let mut shown = self.summary(&stored.summary);
        fill(&mut shown, stored);
        let mask = self.dispatch.mask();
        let mut hidden = mask.apply(&mut shown["message"]);
        hidden.join(mask.apply(&mut shown["keys"]));
        for outcome in shown["outcomes"].as_array_mut().into_iter().flatten() {
            for body in
                outcome["outcome"].as_object_mut().into_iter().flat_map(|kind| kind.values_mut())
            {
                for name in PAYLOADS {
                    match body.get_mut(name) {
                        Some(Value::Array(documents)) => {
                            documents
                                .iter_mut()
                                .for_each(|document| hidden.join(mask.apply(document)));
                        }
                        Some(document @ Value::Object(_)) => hidden.join(mask.apply(document)),
                        _ => {}
                    }
                }
            }
        }
        hidden.clean_all(&mut shown);
        shown
    }

    pub(super) async fn stored(&self, id: ExchangeId) -> Result<StoredExchange, Problem> {
        let stored =
            self.dispatch.journal.exchange(id.0).await.map_err(|error| unreadable(&error))?;
        stored.ok_or_else(|| {
            let detail = format!("The journal has no exchange {id}.");
            Problem::new(StatusCode::NOT_FOUND, "not-found", "No such exchange", detail)
        })
    }

    pub(super) async fn tasks(&self, query: &Query) -> Result<Answer, Problem> {
        let filter = TaskFilter {
            role: query.get("role").map(str::to_owned),
            route: query.get("route").map(str::to_owned),
            limit: query.limit(),
            ..TaskFilter::default()
        };
        let tasks =
            self.dispatch.journal.tasks(filter).await.map_err(|error| unreadable(&error))?;
        let tasks: Vec<Value> = tasks
            .iter()
            .map(|task| {
                let mut show = parsed(&task.show);
                self.dispatch.mask().apply(&mut show);
                json!({
                    "exchange": ExchangeId(task.exchange).to_string(),
                    "route": task.route,
                    "step": task.step,
                    "role": task.role,
                    "ask": task.ask,
                    "show": show,
                    "assignee": task.hands.assignee,
                    "escalates": task.hands.escalate.as_ref().map(|(at_ms, to)| {
                        json!({ "at": time(*at_ms), "to": to })
                    }),
                    "escalated_at": task.hands.escalated_at_ms.map(time),
                    "opened_at": time(task.opened_at_ms),
                    "due_at": task.due_at_ms.map(time),
                })
            })
            .collect();
        Ok(json_answer(StatusCode::OK, &json!({ "tasks": tasks })))
    }

    pub(super) async fn timeline(&self, key: &str, value: &str) -> Result<Answer, Problem> {
        let timeline =
            self.dispatch.journal.timeline(key, value).await.map_err(|error| unreadable(&error))?;
        let mut exchanges = Vec::new();
        for summary in timeline.exchanges.iter().take(TIMELINE_MAX) {
            exchanges.push(self.document(&self.stored(ExchangeId(summary.id)).await?));
        }
        let ids: Vec<Value> = timeline
            .nodes
            .iter()
            .map(|linked| {
                let node = &linked.node;
                json!({ "company": node.company, "object": node.object, "system": node.system, "id": node.id })
            })
            .collect();
        let body = json!({ "key": key, "value": value, "exchanges": exchanges, "ids": ids });
        Ok(json_answer(StatusCode::OK, &body))
    }

    pub(super) fn connectors(&self) -> Answer {
        let running = self.dispatch.running();
        let usage = self.runtime.usage();
        let connectors: Vec<Value> = running
            .connectors
            .values()
            .map(|connector| {
                json!({
                    "alias": connector.alias,
                    "name": connector.description.name,
                    "version": connector.description.version,
                    "summary": connector.description.summary,
                    "digest": connector.digest,
                    "offers": connector.component.exports.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "upstreams": connector.description.upstreams.iter().map(|need| &need.name).collect::<Vec<_>>(),
                })
            })
            .collect();
        let instances = json!({ "free": usage.instances_free, "max": usage.instances_max, "pooled": usage.pooled });
        json_answer(StatusCode::OK, &json!({ "connectors": connectors, "instances": instances }))
    }

    pub(super) fn routes(&self) -> Answer {
        let running = self.dispatch.running();
        let routes: Vec<Value> = running
            .routes
            .iter()
            .map(|version| {
                let plan = &version.plan;
                json!({
                    "name": plan.name,
                    "owner": plan.owner,
                    "file": plan.file,
                    "version": version.digest.to_string(),
                    "source": source(&plan.source),
                    "connectors": plan.connectors(),
                    "publishes": plan.topics().map(ToString::to_string).collect::<Vec<_>>(),
                    "steps": plan.steps.iter().map(|step| json!({ "name": step.name, "kind": step.kind(), "line": step.line })).collect::<Vec<_>>(),
                })
            })
            .collect();
        json_answer(StatusCode::OK, &json!({ "routes": routes }))
    }
}

pub(super) fn exchange_id(text: &str) -> Result<ExchangeId, Problem> {
    text.parse().map_err(|error: route::NotAnId| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Not an exchange", error.to_string())
    })
}

pub(super) fn bad(name: &str, value: &str, expected: &str) -> Problem {
    let detail = format!("`{name}` is `{value}`; it must be {expected}.");
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", "A parameter is wrong", detail)
}

pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Http(http) => format!("http {} {}", http.method, http.path),
        Source::Webhook(hook) => {
            format!("webhook {} {}.{}", hook.path, hook.connector, hook.operation)
        }
        Source::Poll(poll) => format!("poll {}.{}", poll.connector, poll.operation),
        Source::Event(event) => format!("event {}", event.topic),
        Source::Schedule(schedule) => format!("schedule {} {}", schedule.cron, schedule.zone),
    }
}

fn summary(summary: &Summary) -> Value {
    json!({
        "exchange": ExchangeId(summary.id).to_string(),
        "route": summary.route,
        "source": summary.source,
        "client": summary.client,
        "parent": summary.parent.map(|id| ExchangeId(id).to_string()),
        "received_at": time(summary.received_at_ms),
        "state": summary.state.as_str(),
        "due_at": summary.due_at_ms.map(time),
        "why": why(summary),
        "behind": summary.behind.map(|id| ExchangeId(id).to_string()),
        "end": summary.ended.as_ref().map(|ended| &ended.end),
        "ended_at": summary.ended.as_ref().map(|ended| time(ended.at_ms)),
    })
}

/// Why it does not go on.
fn why(summary: &Summary) -> Option<String> {
    let behind = summary.behind.map(|id| format!("behind {}", ExchangeId(id)));
    behind.or_else(|| summary.why.clone())
}

/// Members of outcomes that hold documents, or lists of them.
const PAYLOADS: [&str; 5] = ["value", "events", "show", "items", "message"];

fn fill(shown: &mut Value, stored: &StoredExchange) {
    shown["payload_dropped_at"] = stored.payload_dropped_at_ms.map(time).into();
    let outcomes: Vec<Value> = stored
        .outcomes
        .iter()
        .map(|stored| match serde_json::from_str::<Outcome>(&stored.body) {
            Ok(outcome) => json!({ "sequence": outcome.sequence, "at": outcome.at, "step": outcome.path, "outcome": outcome.kind }),
            // Retention left no more of it.
            Err(_) => {
                let outcome = parsed(&stored.body);
                json!({ "sequence": stored.sequence, "at": outcome["at"], "step": outcome["path"], "outcome": outcome["kind"] })
            }
        })
        .collect();
    let keys: serde_json::Map<String, Value> =
        stored.keys.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    shown["version"] = stored.route_version.to_string().into();
    shown["keys"] = keys.into();
    shown["lane"] = stored.lane.as_ref().map_or(Value::Null, |lane| {
        json!({ "scope": lane.scope, "key": lane.key, "parked": if lane.passes { "pass" } else { "wait" } })
    });
    shown["message"] = serde_json::from_slice(&stored.message).unwrap_or_default();
    // Where a person set it right, that is the message now.
    let edited = outcomes.iter().rev().map(|outcome| &outcome["outcome"]["edited"]["message"]);
    if let Some(message) = edited.into_iter().find(|message| !message.is_null()) {
        shown["message"] = message.clone();
    }
    shown["outcomes"] = outcomes.into();
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

pub(super) fn time(ms: u64) -> String {
    clock::from_ms(ms).to_string()
}
