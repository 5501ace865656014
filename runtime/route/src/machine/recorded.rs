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
    pub said: Vec<Entry>,
    /// What persons did about its exceptions, in their order.
    pub acts: Vec<Act>,
    /// How often the message was set right so far.
    edits: usize,
    /// Set once it is over, with who and why.
    pub end: Option<(End, Option<String>, Option<String>)>,
    /// The last time that a person was needed: path and class.
    pub excepted: Option<(String, String)>,
    /// It has not ended, and stands at the desk.
    pub stands: bool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub path: String,
    /// How often the message had been set right before: a step that failed was asked for with either.
    pub edits: usize,
    pub said: Said,
}

/// About the exception of this path and class.
#[derive(Debug)]
pub(super) struct Act {
    pub path: String,
    pub class: String,
    pub kind: ActKind,
    pub by: String,
    pub why: String,
}

#[derive(Debug)]
pub(super) enum ActKind {
    /// The message became this one.
    Edit(Json),
    /// It was to be taken back, or an undo that failed was settled by hand.
    Compensate,
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
    /// The key of `once`.
    pub once: Option<String>,
    /// The effect was another's (`once`).
    pub of: Option<ExchangeId>,
    /// Another's effect was in doubt, and a person was asked.
    pub doubtful: bool,
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
                K::Answered { of: None, .. }
                    | K::Attempt { .. }
                    | K::Intent
                    | K::InDoubt
                    | K::Probed { .. }
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
    /// As it was said after so many edits; else before them, else after.
    pub fn said(&self, path: &str, edits: usize) -> Option<&Entry> {
        let of = |entry: &&Entry| entry.path == path;
        let before = self.said.iter().rev().filter(of).find(|entry| entry.edits <= edits);
        before.or_else(|| self.said.iter().find(of))
    }

    /// In the place of what was said of it before, under the same message.
    fn put(&mut self, path: String, said: Said) {
        let edits = self.edits;
        let known = |entry: &&mut Entry| entry.path == path && entry.edits == edits;
        match self.said.iter_mut().find(known) {
            Some(entry) => entry.said = said,
            None => self.said.push(Entry { path, edits, said }),
        }
    }

    fn act(&mut self, path: String, kind: ActKind, by: &str, why: &str) {
        let class = self.excepted.as_ref().map(|(_, class)| class.clone()).unwrap_or_default();
        let (by, why) = (by.to_owned(), why.to_owned());
        self.acts.push(Act { path, class, kind, by, why });
    }

    /// The exchange stands before this outcome.
    fn take(&mut self, exchange: &mut Exchange, outcome: &Outcome) {
        let path = outcome.path.clone();
        self.stands = matches!(outcome.kind, OutcomeKind::Excepted { .. });
        match &outcome.kind {
            OutcomeKind::Answered { value, of, .. } => {
                let of = of.as_ref().and_then(|of| of.parse().ok());
                let answer = Some(value.clone());
                self.call(exchange, path, |call| (call.answer, call.of) = (answer, of));
            }
            // A person's word stands for the answer.
            OutcomeKind::Settled { value: Some(value), .. } => {
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
                self.put(path, Said::Published { topic: topic.clone(), events });
            }
            OutcomeKind::Parked { role, ask, show, .. } => {
                let asked = task_json(role, ask, parsed(show));
                self.put(path, Said::Task { asked, decision: None });
            }
            OutcomeKind::Decided(decided) => {
                if let Some(Entry { said: Said::Task { decision, .. }, .. }) = self.said.last_mut()
                {
                    *decision = Some(decided.clone());
                }
            }
            OutcomeKind::Found { id, ids } => {
                let found = Some((id.clone(), ids.clone()));
                let query = exchange.find_query();
                self.put(path, Said::Find { query, found });
            }
            OutcomeKind::Excepted { class, code, .. } => {
                let step = exchange.step().filter(|_| exchange.undo.is_none());
                if let Some(Kind::Find(_)) = step.map(|at| &exchange.plan.steps[at].kind) {
                    let query = exchange.find_query();
                    self.put(path.clone(), Said::Find { query, found: None });
                }
                let doubtful = class == super::class::IN_DOUBT && code == super::claim::CODE;
                // Also a question whose answer was never the awaited one was asked; what could not
                // be computed was not.
                let awaited = step.is_some_and(|at| exchange.plan.steps[at].until.is_some());
                if class != super::class::MAPPING || awaited {
                    self.call(exchange, path.clone(), |call| call.doubtful |= doubtful);
                }
                self.excepted = Some((path, class.clone()));
            }
            OutcomeKind::Edited { message, by, why, .. } => {
                self.act(path, ActKind::Edit(message.clone()), by, why);
                self.edits += 1;
            }
            OutcomeKind::Compensating { by: Some(by), why, .. } => {
                let why = why.as_deref().unwrap_or_default();
                self.act(path, ActKind::Compensate, by, why);
            }
            OutcomeKind::UndoneByHand { by, why } => {
                self.act(path, ActKind::Compensate, by, why);
            }
            OutcomeKind::Ended { end, by, why } => {
                self.end = Some((end.clone(), by.clone(), why.clone()));
            }
            _ => {}
        }
    }

    fn call(&mut self, exchange: &mut Exchange, path: String, take: impl FnOnce(&mut CallSaid)) {
        let edits = self.edits;
        let known = self.said.iter_mut().rev().find_map(|entry| match &mut entry.said {
            Said::Call(call) if entry.path == path && entry.edits == edits => Some(call),
            _ => None,
        });
        if let Some(call) = known {
            return take(call);
        }
        // A call of no element is no call.
        let Some((operation, input)) = exchange.question() else { return };
        let once = exchange.once().ok().flatten().map(|(_, key)| key);
        let mut call = CallSaid { operation, input, once, ..CallSaid::default() };
        take(&mut call);
        self.put(path, Said::Call(call));
    }
}

impl Exchange {
    /// What the call under way asks for, and of whom. None where it is none.
    fn question(&mut self) -> Option<(String, serde_json::Value)> {
        if self.undo.is_some() {
            let input = self.undo_input(self.undoing()?).ok()?;
            let undo = self.call()?;
            let operation = format!("{}.{}", undo.connector, undo.operation.operation.name);
            return Some((operation, json(&input)));
        }
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
