//! Outcomes become state: the one place where an exchange changes, live and restored alike.

use std::sync::Arc;

use contract::{Type, Value};
use jiff::Timestamp;

use super::progress::{Progress, Standing};
use super::{Decision, Exception, Exchange, Held, Json, Outcome, OutcomeKind, ProbeAnswer, Task};
use crate::Key;
use crate::retry::later;
use crate::step::{Call, Kind, OnFault};
use crate::with::evaluate;
use crate::{plan, scope};

/// Why outcomes do not fit the route version that they are said to belong to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("outcome {sequence} is not the next one: expected {expected}")]
    Sequence { sequence: u32, expected: u32 },
    #[error("outcome {sequence} is of `{found}`, and the route is at `{expected}`")]
    Path { sequence: u32, found: String, expected: String },
    #[error("outcome {sequence} does not belong to this kind of step")]
    Kind { sequence: u32 },
    #[error("the value of outcome {sequence} is not of its type: {reason}")]
    Value { sequence: u32, reason: String },
}

/// An outcome with its values at hand, so that the live path reads no JSON.
pub(super) enum Change {
    Answered(Value),
    /// The answer that another exchange had.
    Shared(Value),
    /// The value that stands for the answer, if there is one.
    SkippedFault(Option<Value>),
    Compensating(super::End),
    UndoneByHand,
    Skipped,
    /// The value of a set.
    Set(Value),
    Published,
    Parked(Task),
    Decided(Decision),
    Found(Value),
    Intent,
    Attempt(u32, crate::Fault),
    Throttled(Held),
    InDoubt,
    Probed(ProbeAnswer),
    Excepted(Exception),
    Retried(u32),
    Edited(Value, u32),
    /// A person's word that nothing took effect.
    SettledAbsent,
    Received,
    Ended(super::End),
}

impl Exchange {
    pub(super) fn apply(&mut self, change: Change, at: Timestamp) {
        self.sequence += 1;
        self.last_at = at;
        self.under_way = None;
        self.resumed = false;
        self.progress.release(at);
        match change {
            Change::Answered(value) if self.undo.is_some() => self.undo_answered(&value, at),
            Change::Answered(value) => {
                let repeats = self.repeats();
                if self.mutates() && !self.each_of_nothing() {
                    self.effected(repeats);
                }
                self.answered(value, at);
            }
            Change::Shared(value) => self.answered(value, at),
            Change::SkippedFault(Some(value)) => self.answered(value, at),
            Change::SkippedFault(None) => self.skipped_fault(at),
            Change::Compensating(end) => self.compensating(end, at),
            Change::UndoneByHand => self.undone(at),
            Change::Skipped => self.skipped(at),
            Change::Set(value) | Change::Found(value) => self.finish(Some(value), at),
            Change::Published => self.finish(None, at),
            Change::Decided(decision) => self.finish(Some(decision_value(decision)), at),
            Change::Received => self.standing = Standing::Received,
            Change::Parked(task) => self.standing = Standing::Parked(task),
            Change::Intent => self.progress.intended = true,
            Change::Attempt(attempt, fault) => self.attempted(attempt, fault, at),
            Change::Throttled(held) => {
                // Nothing was called, so what was intended is to be intended again.
                self.progress.intended = false;
                self.progress.hold(&held, at);
                // Restored, it may still stand as the last hold left it.
                let after = match &self.standing {
                    Standing::Throttled { after, .. } => after.clone(),
                    other => Box::new(other.clone()),
                };
                self.standing = Standing::Throttled { held, after };
            }
            Change::InDoubt => {
                self.progress.in_doubt = true;
                self.progress.noted = true;
                self.progress.probes = 0;
                // Under a key that the system knows the call is safe to make again.
                let key = self.call().map_or(Key::None, |call| call.operation.key);
                let keyed = key != Key::None;
                let forgotten = self.forgotten(key, at);
                self.standing = match keyed && !forgotten {
                    true => Standing::Ready,
                    false => Standing::Doubtful { at },
                };
            }
            Change::Probed(answer) => self.probed(answer, at),
            Change::Excepted(exception) => self.standing = Standing::Excepted(exception),
            Change::Retried(generation) => self.retried(generation, at),
            Change::Edited(message, generation) => {
                self.edited(message);
                self.retried(generation, at);
            }
            Change::SettledAbsent => self.settled_absent(at),
            Change::Ended(end) => self.standing = Standing::Ended(end),
        }
    }

    fn repeats(&self) -> bool {
        self.plan.steps.get(self.at).is_some_and(|step| step.each.is_some())
    }

    fn each_of_nothing(&self) -> bool {
        self.repeats() && self.progress.elements.as_ref().is_none_or(|list| list.is_empty())
    }

    /// A step that may go without an answer has an optional one.
    fn may_skip(&self) -> bool {
        self.call_step().is_some_and(|call| matches!(call.on_fault, OnFault::Skip(None)))
    }

    fn skipped_fault(&mut self, at: Timestamp) {
        match self.repeats() {
            true => self.element_done(Value::Optional(None), at),
            false => self.skipped(at),
        }
    }

    fn answered(&mut self, value: Value, at: Timestamp) {
        if !self.repeats() || self.each_of_nothing() {
            return self.finish(Some(value), at);
        }
        let value = match self.may_skip() {
            true => Value::Optional(Some(Arc::new(value))),
            false => value,
        };
        self.element_done(value, at);
    }

    fn element_done(&mut self, value: Value, at: Timestamp) {
        let count = self.progress.elements.as_ref().map_or(0, |elements| elements.len());
        self.progress.next_element(value, at);
        self.standing = Standing::Ready;
        if self.progress.results.len() >= count {
            let results = std::mem::take(&mut self.progress.results);
            self.finish(Some(Value::list(results)), at);
        }
    }

    fn skipped(&mut self, at: Timestamp) {
        if let Some(slot) = self.plan.steps[self.at].slot {
            self.slots[slot] = Value::Optional(None);
        }
        self.advance_step(at);
    }

    fn finish(&mut self, result: Option<Value>, at: Timestamp) {
        let step = &self.plan.steps[self.at];
        if let Some(each) = &step.each {
            // The element's slot is the result's; without a result it is empty again.
            self.slots[each.slot] = Value::Null;
        }
        if let (Some(slot), Some(value)) = (step.slot, &result) {
            let skips = |call: &Call| matches!(call.on_fault, OnFault::Skip(None));
            let may_skip = matches!(&step.kind, Kind::Call(call) if skips(call));
            let optional = step.when.is_some() || (may_skip && step.each.is_none());
            self.slots[slot] = match (optional, value) {
                // An optional of nothing is nothing.
                (true, Value::Null) => Value::Optional(None),
                (true, value) => Value::Optional(Some(Arc::new(value.clone()))),
                (false, value) => value.clone(),
            };
        }
        self.results[self.at] = result;
        self.advance_step(at);
    }

    fn advance_step(&mut self, at: Timestamp) {
        self.at += 1;
        self.progress = Progress::new(at);
        self.standing = Standing::Ready;
    }

    fn attempted(&mut self, attempt: u32, fault: crate::Fault, at: Timestamp) {
        let unknown = fault.retry == crate::Retry::OutcomeUnknown && self.mutates();
        let progress = &mut self.progress;
        progress.waited = None;
        progress.attempts = attempt;
        progress.spent += 1;
        progress.first_fault_at.get_or_insert(at);
        progress.in_doubt |= unknown;
        progress.intended = false;
        progress.probes = 0;
        progress.last_fault = Some(fault);
        self.standing = Standing::Attempted { at };
    }

    fn probed(&mut self, answer: ProbeAnswer, at: Timestamp) {
        self.progress.waited = None;
        match answer {
            ProbeAnswer::Absent => {
                self.progress.in_doubt = false;
                self.standing = Standing::Absent;
            }
            ProbeAnswer::Pending | ProbeAnswer::Failed => {
                self.progress.probes += 1;
                self.standing = Standing::Doubtful { at };
            }
            ProbeAnswer::Unknown => self.standing = Standing::Undecidable,
        }
    }

    fn retried(&mut self, generation: u32, at: Timestamp) {
        let unguarded =
            self.call().is_some_and(|call| call.probe.is_none() && call.operation.key == Key::None);
        let of_claim = |exception: &Exception| {
            exception.class == super::class::IN_DOUBT && exception.code == super::claim::CODE
        };
        let set_aside = matches!(&self.standing, Standing::Excepted(e) if of_claim(e));
        let progress = &mut self.progress;
        if generation > progress.generation {
            progress.generation = generation;
            progress.started_at = at;
            progress.attempts = 0;
        }
        progress.since = at;
        progress.vouched = true;
        progress.spent = 0;
        progress.first_fault_at = None;
        progress.last_fault = None;
        progress.intended = false;
        progress.claimed = false;
        progress.sets_aside |= set_aside;
        progress.declined = false;
        progress.probes = 0;
        // A probe is asked again and a key is used again; without either, the person's word stands.
        progress.in_doubt &= !unguarded;
        self.standing = Standing::Ready;
    }

    /// A stored outcome: the same change, its values read back by their types.
    pub(super) fn replay(&mut self, outcome: &Outcome) -> Result<(), RestoreError> {
        let sequence = outcome.sequence;
        if sequence != self.sequence {
            return Err(RestoreError::Sequence { sequence, expected: self.sequence });
        }
        let change = self.change_of(outcome)?;
        self.apply(change, outcome.at);
        Ok(())
    }

    fn change_of(&mut self, outcome: &Outcome) -> Result<Change, RestoreError> {
        let sequence = outcome.sequence;
        let wrong_kind = || RestoreError::Kind { sequence };
        if !self.fits(&outcome.kind) {
            return Err(wrong_kind());
        }
        match &outcome.kind {
            OutcomeKind::Ended { end, .. } => return Ok(Change::Ended(end.clone())),
            OutcomeKind::Received { .. } => return Ok(Change::Received),
            _ => {}
        }
        if self.undo.is_none() {
            // If they cannot be computed, that is what the exchange is excepted for.
            let _ = self.elements();
        }
        let expected = self.path();
        if outcome.path != expected || outcome.step as usize != self.step_under_way() {
            return Err(RestoreError::Path { sequence, found: outcome.path.clone(), expected });
        }
        let kind = self.plan.steps.get(self.at).map(|step| &step.kind);
        Ok(match &outcome.kind {
            OutcomeKind::Answered { value, .. } if self.undo.is_some() => match self.call() {
                Some(call) => {
                    let output = call.operation.operation.output.clone();
                    Change::Answered(read(&output, value, sequence)?)
                }
                None => return Err(wrong_kind()),
            },
            OutcomeKind::SkippedFault { value: None, .. } => Change::SkippedFault(None),
            OutcomeKind::SkippedFault { value: Some(value), .. } => match kind {
                Some(Kind::Call(call)) => {
                    let output = &call.operation.operation.output;
                    Change::SkippedFault(Some(read(output, value, sequence)?))
                }
                _ => return Err(wrong_kind()),
            },
            OutcomeKind::Compensating { end, .. } => Change::Compensating(end.clone()),
            OutcomeKind::UndoneByHand { .. } => Change::UndoneByHand,
            OutcomeKind::Answered { value, of, .. } => match kind {
                Some(Kind::Call(call)) => {
                    let output = &call.operation.operation.output;
                    let none = self.progress.elements.as_ref().is_some_and(|list| list.is_empty());
                    let empty = Type::List(Arc::new(output.clone()));
                    let value = read(if none { &empty } else { output }, value, sequence)?;
                    match of {
                        None => Change::Answered(value),
                        Some(_) => Change::Shared(value),
                    }
                }
                _ => return Err(wrong_kind()),
            },
            OutcomeKind::Settled { value: None, .. } => Change::SettledAbsent,
            OutcomeKind::Settled { value: Some(value), .. } => match self.doubtful_output() {
                Some(output) => Change::Answered(read(output, value, sequence)?),
                None => return Err(wrong_kind()),
            },
            OutcomeKind::Skipped => Change::Skipped,
            OutcomeKind::Set => match kind {
                Some(Kind::Set(set)) => {
                    let value = set.with.evaluate(&self.slots).map_err(|trouble| {
                        RestoreError::Value { sequence, reason: trouble.to_string() }
                    })?;
                    Change::Set(value)
                }
                _ => return Err(wrong_kind()),
            },
            OutcomeKind::Published { .. } => Change::Published,
            OutcomeKind::Parked { .. } => match kind {
                Some(Kind::Park(_)) => {
                    let task = self.task(outcome.at).map_err(|trouble| RestoreError::Value {
                        sequence,
                        reason: trouble.to_string(),
                    })?;
                    Change::Parked(task)
                }
                _ => return Err(wrong_kind()),
            },
            OutcomeKind::Decided(decision) => match kind {
                Some(Kind::Park(_)) => Change::Decided(decision.clone()),
                _ => return Err(wrong_kind()),
            },
            OutcomeKind::Found { id, ids } => {
                let ids = ids.iter().map(|(system, id)| (system.as_str(), id.as_str()));
                Change::Found(found_value(id, ids))
            }
            OutcomeKind::Intent => Change::Intent,
            OutcomeKind::Attempt { attempt, fault } => Change::Attempt(*attempt, fault.clone()),
            OutcomeKind::Throttled(held) => Change::Throttled(held.clone()),
            OutcomeKind::InDoubt => Change::InDoubt,
            OutcomeKind::Probed { answer, .. } => Change::Probed(*answer),
            OutcomeKind::Excepted { class, code, message, fault } => {
                let fault = fault.clone();
                Change::Excepted(self.exception(class, code, message.clone(), fault))
            }
            OutcomeKind::Retried { generation, .. } => Change::Retried(*generation),
            OutcomeKind::Edited { message, generation, .. } => {
                Change::Edited(self.read_message(message, sequence)?, *generation)
            }
            OutcomeKind::Received { .. } | OutcomeKind::Ended { .. } => return Err(wrong_kind()),
        })
    }

    /// Whether an outcome of this kind can follow: no stored outcome may lead into a state that the
    /// live path cannot reach.
    fn fits(&self, kind: &OutcomeKind) -> bool {
        use OutcomeKind as K;
        let step = self.plan.steps.get(self.at).filter(|_| !self.envelope.raw);
        let is = |wanted: fn(&Kind) -> bool| step.is_some_and(|step| wanted(&step.kind));
        let over = matches!(self.standing, Standing::Ended(_));
        let called = is(|kind| matches!(kind, Kind::Call(_)));
        if self.undo.is_some() {
            let excepted = matches!(self.standing, Standing::Excepted(_));
            return !over
                && match kind {
                    K::Ended { .. } | K::Excepted { .. } => true,
                    K::UndoneByHand { .. } | K::Retried { .. } => excepted,
                    K::Answered { of: None, .. } | K::Attempt { .. } | K::Throttled(_) => true,
                    K::Intent | K::InDoubt | K::Probed { .. } => true,
                    _ => false,
                };
        }
        !over
            && match kind {
                K::Compensating { .. } => step.is_some(),
                K::SkippedFault { .. } => called,
                K::UndoneByHand { .. } => false,
                K::Ended { .. } => true,
                K::Received { .. } => self.envelope.raw,
                K::Excepted { .. } | K::Retried { .. } => self.envelope.raw || step.is_some(),
                K::Edited { .. } => self.may_edit().is_ok(),
                K::Attempt { .. } | K::Throttled(_) => self.envelope.raw || called,
                K::Answered { .. } | K::Intent | K::InDoubt | K::Probed { .. } => called,
                K::Settled { .. } => self.doubtful_output().is_some(),
                K::Skipped => step.is_some_and(|step| step.when.is_some()),
                K::Set => is(|kind| matches!(kind, Kind::Set(_))),
                K::Published { .. } => is(|kind| matches!(kind, Kind::Publish(_))),
                K::Parked { .. } | K::Decided(_) => is(|kind| matches!(kind, Kind::Park(_))),
                K::Found { .. } => is(|kind| matches!(kind, Kind::Find(_))),
            }
    }

    /// What a park step asks, opened at that time.
    pub(super) fn task(&self, at: Timestamp) -> Result<Task, crate::with::Trouble> {
        let step = &self.plan.steps[self.at];
        let Kind::Park(park) = &step.kind else { unreachable!("only a park step is a task") };
        let show = match &park.show {
            Some(show) => show.evaluate(&self.slots)?,
            None => Value::Null,
        };
        Ok(Task {
            step: step.name.clone(),
            role: park.role.clone(),
            ask: park.ask.clone(),
            show,
            opened_at: at,
            due_at: park.within_ms.map(|within_ms| later(at, within_ms)),
        })
    }

    /// The elements of the step's `each`, computed once a step.
    pub(super) fn elements(&mut self) -> Result<(), crate::with::Trouble> {
        let Some(step) = self.plan.steps.get(self.at) else { return Ok(()) };
        let Some(each) = &step.each else { return Ok(()) };
        if self.progress.elements.is_some() || !self.wanted(step)? {
            return Ok(());
        }
        let refuse = |reason: String| crate::with::Trouble { line: step.line, reason };
        let elements = match evaluate(&each.list, &self.slots, step.line)? {
            Value::List(elements) => elements,
            _ => return Err(refuse("`each` is not a list".to_owned())),
        };
        if elements.len() > EACH_MAX {
            let count = elements.len();
            return Err(refuse(format!("`each` has {count} elements; {EACH_MAX} are allowed")));
        }
        self.progress.elements = Some(elements);
        Ok(())
    }
}

use super::EACH_MAX;

pub(super) fn read(ty: &Type, json: &Json, sequence: u32) -> Result<Value, RestoreError> {
    contract::json::read(ty, json.text().as_bytes())
        .map_err(|violations| unreadable(&violations, sequence))
}

pub(super) fn unreadable(violations: &[contract::Violation], sequence: u32) -> RestoreError {
    let reason = violations
        .first()
        .map(|violation| format!("{} {}", violation.pointer, violation.reason))
        .unwrap_or_default();
    RestoreError::Value { sequence, reason }
}

fn decision_value(decision: Decision) -> Value {
    let note = decision.note.map_or(Value::Null, Value::string);
    Value::record(
        scope::decision_record(),
        vec![
            Value::string(decision.answer),
            Value::string(decision.by),
            Value::Timestamp(decision.at),
            note,
        ],
    )
}

/// The result of a `find`: a map of id and ids, as its type says.
pub(super) fn found_value<'a>(id: &str, ids: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let entries = [("id", Value::string(id)), ("ids", plan::string_map(ids))];
    Value::Map(Arc::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
}
