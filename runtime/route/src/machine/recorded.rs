//! What the journal says of an exchange, by path: what was asked and what came of it. The questions
//! are not stored; they follow from restoring the exchange, on its own version, at every prefix.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Value;

use super::{Decision, End, Exchange, Json, Outcome, OutcomeKind, ProbeAnswer, RestoreError};
use crate::step::Kind;
use crate::{Asked, Envelope, ExchangeId, Fault, Plan};

/// An exchange as its journal has it, with the version that it ran on.
#[derive(Clone, Debug)]
pub struct Original {
    pub id: ExchangeId,
    pub plan: Arc<Plan>,
    pub envelope: Envelope,
    pub outcomes: Vec<Outcome>,
}

/// Calls, tasks, finds and publications by path, in the order of the route.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub said: Vec<(String, Said)>,
    /// Set once it is over, with who and why.
    pub end: Option<(End, Option<String>, Option<String>)>,
    /// The last time that a person was needed: path and class.
    pub excepted: Option<(String, String)>,
    /// It has not ended, and stands at the desk.
    pub stands: bool,
}

#[derive(Debug)]
pub(super) enum Said {
    Call(CallSaid),
    Published { topic: String, events: Vec<serde_json::Value> },
    Task { asked: serde_json::Value, decision: Option<Decision> },
    Find { query: serde_json::Value, found: Option<(String, BTreeMap<String, String>)> },
}

#[derive(Debug, Default)]
pub(super) struct CallSaid {
    /// `alias.operation`.
    pub operation: String,
    pub input: serde_json::Value,
    pub answer: Option<Json>,
    /// Of the last attempt that got no answer.
    pub fault: Option<Fault>,
    pub probe: Option<(ProbeAnswer, Option<Fault>)>,
}

impl Original {
    pub(super) fn recorded(&self) -> Result<Recorded, RestoreError> {
        let mut exchange = Exchange::start(self.id, self.plan.clone(), self.envelope.clone());
        let mut recorded = Recorded::default();
        for outcome in &self.outcomes {
            recorded.take(&mut exchange, outcome);
            exchange.replay(outcome)?;
        }
        Ok(recorded)
    }

    /// By path, the calls that were made or may have been: what a repetition under the same keys
    /// must know.
    pub fn asked(&self) -> Result<BTreeMap<String, Asked>, RestoreError> {
        let mut exchange = Exchange::start(self.id, self.plan.clone(), self.envelope.clone());
        let mut asked = BTreeMap::new();
        for outcome in &self.outcomes {
            use OutcomeKind as K;
            let called = matches!(
                outcome.kind,
                K::Answered { .. } | K::Attempt { .. } | K::Intent | K::InDoubt | K::Probed { .. }
            );
            if called && !self.envelope.raw {
                let of = Asked { generation: exchange.key_generation(), at: exchange.asked_at() };
                asked.insert(outcome.path.clone(), of);
            }
            exchange.replay(outcome)?;
        }
        Ok(asked)
    }

    /// Whether any of its effects was taken back.
    pub fn took_back(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.path.starts_with(UNDO))
    }
}

/// The path of the undo of a step begins so.
const UNDO: &str = "undo:";

impl Recorded {
    pub fn said(&self, path: &str) -> Option<&Said> {
        self.said.iter().find(|(known, _)| known == path).map(|(_, said)| said)
    }

    /// The exchange stands before this outcome.
    fn take(&mut self, exchange: &mut Exchange, outcome: &Outcome) {
        let path = outcome.path.clone();
        self.stands = matches!(outcome.kind, OutcomeKind::Excepted { .. });
        match &outcome.kind {
            OutcomeKind::Answered { value, .. } => {
                let answer = Some(value.clone());
                self.call(exchange, path, |call| call.answer = answer);
            }
            OutcomeKind::Attempt { fault, .. } => {
                let fault = Some(fault.clone());
                self.call(exchange, path, |call| call.fault = fault);
            }
            OutcomeKind::Probed { answer, fault } => {
                let probe = Some((*answer, fault.clone()));
                self.call(exchange, path, |call| call.probe = probe);
            }
            OutcomeKind::Intent | OutcomeKind::InDoubt => self.call(exchange, path, |_| {}),
            OutcomeKind::Published { topic, events } => {
                let events = events.iter().map(parsed).collect();
                self.said.push((path, Said::Published { topic: topic.clone(), events }));
            }
            OutcomeKind::Parked { role, ask, show, .. } => {
                let asked = task_json(role, ask, parsed(show));
                self.said.push((path, Said::Task { asked, decision: None }));
            }
            OutcomeKind::Decided(decided) => {
                if let Some((_, Said::Task { decision, .. })) = self.said.last_mut() {
                    *decision = Some(decided.clone());
                }
            }
            OutcomeKind::Found { id, ids } => {
                let found = Some((id.clone(), ids.clone()));
                let query = exchange.find_query();
                self.said.push((path, Said::Find { query, found }));
            }
            OutcomeKind::Excepted { class, .. } => {
                if let Some(Kind::Find(_)) = exchange.step().map(|at| &exchange.plan.steps[at].kind)
                {
                    let query = exchange.find_query();
                    self.said.push((path.clone(), Said::Find { query, found: None }));
                }
                // Also a question whose answer was never the awaited one was asked.
                self.call(exchange, path.clone(), |_| {});
                self.excepted = Some((path, class.clone()));
            }
            OutcomeKind::Ended { end, by, why } => {
                self.end = Some((end.clone(), by.clone(), why.clone()));
            }
            _ => {}
        }
    }

    fn call(&mut self, exchange: &mut Exchange, path: String, take: impl FnOnce(&mut CallSaid)) {
        if let Some((_, Said::Call(call))) =
            self.said.iter_mut().rev().find(|(known, _)| *known == path)
        {
            return take(call);
        }
        // A call of no element is no call.
        let Some((operation, input)) = exchange.question() else { return };
        let mut call = CallSaid { operation, input, ..CallSaid::default() };
        take(&mut call);
        self.said.push((path, Said::Call(call)));
    }
}

impl Exchange {
    /// What the call under way asks for, and of whom. None where it is none.
    fn question(&mut self) -> Option<(String, serde_json::Value)> {
        let plan = self.plan.clone();
        let step = plan.steps.get(self.at)?;
        let Kind::Call(call) = &step.kind else { return None };
        self.elements().ok()?;
        if let (Some(each), Some(elements)) = (&step.each, &self.progress.elements) {
            self.slots[each.slot] = elements.get(self.progress.results.len())?.clone();
        }
        let input = call.with.evaluate(&self.slots).ok()?;
        Some((format!("{}.{}", call.connector, call.operation.operation.name), json(&input)))
    }

    pub(super) fn find_query(&self) -> serde_json::Value {
        match self.plan.steps.get(self.at).map(|step| &step.kind) {
            Some(Kind::Find(find)) => find
                .with
                .evaluate(&self.slots)
                .map_or(serde_json::Value::Null, |query| json(&query)),
            _ => serde_json::Value::Null,
        }
    }
}

pub(super) fn task_json(role: &str, ask: &[String], show: serde_json::Value) -> serde_json::Value {
    serde_json::json!({ "role": role, "ask": ask, "show": show })
}

pub(super) fn json(value: &Value) -> serde_json::Value {
    serde_json::from_str(&contract::json::write(value)).unwrap_or_default()
}

fn parsed(json: &Json) -> serde_json::Value {
    serde_json::from_str(json.text()).unwrap_or_default()
}
