//! A saga takes back what it did: the effects that were answered, newest first, each by the undo that
//! its connector declares, at the path `undo:STEP`. An undo is a mutation like any other: journalled,
//! repeated under its key, probed. Never begun in doubt or past the pivot.

use contract::{Operation, Type, Unknown, Value};
use jiff::Timestamp;

use super::advance::Draft;
use super::apply::Change;
use super::progress::{Progress, Standing};
use super::{Action, End, Exchange, OutcomeKind, class};
use crate::scope;
use crate::step::{Call, Kind, Pivot, Step};
use crate::with::{Trouble, evaluate};

/// An effect that happened: what an undo takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effected {
    pub step: usize,
    /// In an `each`.
    pub element: Option<usize>,
    /// Which of the messages it was made of: edits make further ones.
    pub message: usize,
}

/// Under way to an end.
#[derive(Clone, Debug)]
pub(super) struct Undoing {
    pub end: End,
    /// Newest last.
    pub left: Vec<Effected>,
    /// Answers of the step that was under way, element by element.
    pub partial: Vec<Value>,
}

/// Why a person cannot have it taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompensateRefused {
    #[error("nobody is asked about it now")]
    NotExcepted,
    #[error("it is what a system sent, not translated yet: nothing was done")]
    Raw,
    #[error("a call may have taken effect: find out, then retry or discard")]
    InDoubt,
    #[error("it is past its pivot, and nothing before that is taken back")]
    PastPivot,
}

impl Exchange {
    /// Whether a person may have it taken back. While it is taken back already, their word is that
    /// the undo which failed is settled by hand.
    pub fn may_compensate(&self) -> Result<(), CompensateRefused> {
        let Standing::Excepted(exception) = &self.standing else {
            return Err(CompensateRefused::NotExcepted);
        };
        if self.envelope.raw {
            return Err(CompensateRefused::Raw);
        }
        if self.undo.is_some() {
            return Ok(());
        }
        let doubt = self.progress.in_doubt || self.progress.intended;
        if doubt || exception.class == class::IN_DOUBT {
            return Err(CompensateRefused::InDoubt);
        }
        match self.past_pivot() {
            true => Err(CompensateRefused::PastPivot),
            false => Ok(()),
        }
    }

    pub(super) fn on_compensate(&mut self, by: String, why: String, draft: &mut Draft) {
        if self.may_compensate().is_err() {
            return;
        }
        if self.undo.is_some() {
            self.release_claim(draft);
            let kind = OutcomeKind::UndoneByHand { by, why };
            return self.write(kind, Change::UndoneByHand, draft);
        }
        self.compensate(End::Undone, Some((by, why)), draft);
    }

    /// From here on it takes back what it did, and then has this end.
    pub(super) fn compensate(
        &mut self,
        end: End,
        who: Option<(String, String)>,
        draft: &mut Draft,
    ) {
        self.release_claim(draft);
        let (by, why) = who.unzip();
        let kind = OutcomeKind::Compensating { end: end.clone(), by, why };
        self.write(kind, Change::Compensating(end), draft);
    }

    pub(super) fn compensating(&mut self, end: End, at: Timestamp) {
        let left = self.to_undo();
        let partial = std::mem::take(&mut self.progress.results);
        self.undo = Some(Undoing { end, left, partial });
        self.next_undo(at);
    }

    /// Notes an effect that was answered just now.
    pub(super) fn effected(&mut self, repeats: bool) {
        self.effects.push(Effected {
            step: self.at,
            element: repeats.then_some(self.progress.results.len()),
            message: self.messages.len(),
        });
    }

    /// Whether a pivot holds.
    pub(super) fn past_pivot(&self) -> bool {
        let holds = |effect: &Effected| match &self.call_of(effect).pivot {
            None => false,
            Some(Pivot::Answered) => true,
            // What cannot be told counts as passed: then nothing is taken back.
            Some(Pivot::When(program)) => self.own(program, effect).unwrap_or(true),
        };
        self.effects.iter().any(holds)
    }

    /// What is to be taken back, newest last.
    pub(super) fn to_undo(&self) -> Vec<Effected> {
        let wanted = |effect: &&Effected| match &self.call_of(effect).undo_when {
            None => true,
            Some(program) => self.own(program, effect).unwrap_or(true),
        };
        self.effects.iter().filter(wanted).cloned().collect()
    }

    /// What comes next on the way back.
    pub(super) fn run_undo(&mut self, draft: &mut Draft) -> Result<Option<Action>, Trouble> {
        let Some(undo) = &self.undo else { return Ok(None) };
        let end = undo.end.clone();
        if undo.left.is_empty() {
            self.finish_as(end, None, draft);
            return Ok(None);
        }
        if self.call().is_none() {
            let message = "it took effect, and its connector declares no undo: take it back by hand, then compensate to go on";
            self.except(class::UNDO_FAILED, "no-undo", message.to_owned(), None, draft);
            return Ok(None);
        }
        self.make_call(draft)
    }

    /// The undo was answered. By agreement the first case of its outcome is that it is undone.
    pub(super) fn undo_answered(&mut self, value: &Value, at: Timestamp) {
        match not_undone(value) {
            None => self.undone(at),
            Some(case) => {
                // An answer, of the call or of its probe: nothing is in doubt any more.
                self.progress.in_doubt = false;
                self.progress.intended = false;
                self.progress.declined = true;
                self.standing = Standing::NotUndone { case };
            }
        }
    }

    pub(super) fn undone(&mut self, at: Timestamp) {
        if let Some(undo) = &mut self.undo {
            undo.left.pop();
        }
        self.next_undo(at);
    }

    fn next_undo(&mut self, at: Timestamp) {
        self.progress = Progress::new(at);
        self.standing = Standing::Ready;
    }

    pub(super) fn park_not_undone(&mut self, case: &str, draft: &mut Draft) {
        let operation =
            self.call().map_or("the undo", |call| call.operation.operation.name.as_str());
        let message = format!("`{operation}` answered `{case}`");
        self.except(class::UNDO_FAILED, &case.replace('_', "-"), message, None, draft);
    }

    /// The effect that is taken back now.
    pub(super) fn undoing(&self) -> Option<&Effected> {
        self.undo.as_ref()?.left.last()
    }

    pub(super) fn call_of(&self, effect: &Effected) -> &Call {
        match &self.plan.steps[effect.step].kind {
            Kind::Call(call) => call,
            _ => unreachable!("only calls have effects"),
        }
    }

    /// `tax`, or `tax[3]`.
    pub(super) fn name_of(&self, effect: &Effected) -> String {
        let name = &self.plan.steps[effect.step].name;
        match effect.element {
            Some(element) => format!("{name}[{element}]"),
            None => name.clone(),
        }
    }

    /// What an undo is asked with.
    pub(super) fn undo_input(&self, effect: &Effected) -> Result<Value, Trouble> {
        let call = self.call_of(effect);
        let step = &self.plan.steps[effect.step];
        let refuse = |reason: String| Trouble { line: step.line, reason };
        let Some(undo) = &call.undo else { return Err(refuse("it has no undo".to_owned())) };
        let input = call.with.evaluate(&self.slots_of(step, effect)?)?;
        let output = self.answer_of(effect).cloned().unwrap_or(Value::Null);
        let operations = (&call.operation.operation, &undo.operation.operation);
        read_input(operations, &input, &output).map_err(|field| {
            let name = &undo.operation.operation.name;
            refuse(format!(
                "`{name}` needs `{field}`, and neither what was asked nor the answer has it"
            ))
        })
    }

    /// What expressions of its step read when it happened.
    pub(super) fn slots_of(&self, step: &Step, effect: &Effected) -> Result<Vec<Value>, Trouble> {
        let mut slots = self.slots.clone();
        let message = self.messages.get(effect.message).unwrap_or(&self.envelope.message);
        slots[scope::MESSAGE] = message.clone();
        if let (Some(each), Some(element)) = (&step.each, effect.element) {
            slots[each.slot] = Value::Null;
            if let Value::List(elements) = evaluate(&each.list, &slots, step.line)? {
                slots[each.slot] = elements.get(element).cloned().unwrap_or(Value::Null);
            }
        }
        Ok(slots)
    }

    fn answer_of(&self, effect: &Effected) -> Option<&Value> {
        let Some(element) = effect.element else { return self.results[effect.step].as_ref() };
        let answer = match &self.results[effect.step] {
            Some(Value::List(answers)) => answers.get(element),
            Some(_) => None,
            None => match &self.undo {
                Some(undo) => undo.partial.get(element),
                None => self.progress.results.get(element),
            },
        };
        match answer {
            Some(Value::Optional(inner)) => inner.as_deref(),
            answer => answer,
        }
    }

    /// What an expression says of the answer that an effect had.
    fn own(&self, program: &expression::Program, effect: &Effected) -> Option<bool> {
        let step = &self.plan.steps[effect.step];
        let mut slots = self.slots_of(step, effect).ok()?;
        slots[step.slot?] = self.answer_of(effect)?.clone();
        match program.evaluate(&slots).ok()? {
            Value::Bool(holds) => Some(holds),
            _ => None,
        }
    }
}

pub(super) fn undone(value: &Value) -> bool {
    not_undone(value).is_none()
}

/// The case in which an undo answered that it did not undo.
fn not_undone(value: &Value) -> Option<String> {
    let outcome = match value {
        Value::Record(_) => value.get("outcome")?,
        value => value,
    };
    match outcome {
        Value::Variant(variant) if variant.case > 0 => {
            Some(variant.ty.cases[variant.case].json.clone())
        }
        _ => None,
    }
}

/// The input of an undo, from what its mutation was asked and answered: the same record, or field by
/// field by name, the answer before the question, required fields at any depth; then by type. The
/// field that could not be had, if one could not.
fn read_input(
    (operation, undo): (&Operation, &Operation),
    input: &Value,
    output: &Value,
) -> Result<Value, String> {
    if undo.input == operation.input {
        return Ok(input.clone());
    }
    if undo.input == operation.output {
        return Ok(output.clone());
    }
    let Type::Record(record) = &undo.input else { return Err("an input".to_owned()) };
    let mut fields = Vec::with_capacity(record.fields.len());
    for field in &record.fields {
        let whole = match field.name.as_str() {
            "input" => Some(input),
            "output" => Some(output),
            _ => None,
        };
        let optional = matches!(field.ty, Type::Option(_) | Type::List(_));
        let mut found = whole.and_then(|value| read_as(&field.ty, value));
        for given in [output, input] {
            found = found.or_else(|| named(given, &field.json, &field.ty, !optional));
        }
        for given in [output, input] {
            if !optional && field.ty.name().is_some() {
                found = found.or_else(|| typed(given, &field.ty));
            }
        }
        fields.push(match (found, &field.ty) {
            (Some(value), _) => value,
            (None, Type::Option(_)) => Value::Null,
            (None, Type::List(_)) => Value::list(Vec::new()),
            (None, _) => return Err(field.name.clone()),
        });
    }
    Ok(Value::record(record.clone(), fields))
}

/// A value as another type reads it.
fn read_as(ty: &Type, value: &Value) -> Option<Value> {
    if matches!(value, Value::Null | Value::Optional(None)) {
        return None;
    }
    let json = contract::json::write(value);
    contract::json::read_with(ty, json.as_bytes(), Unknown::Drop).ok()
}

/// The nearest field of that name that can be read as the type.
fn named(value: &Value, name: &str, ty: &Type, deep: bool) -> Option<Value> {
    search(value, deep, |field, value| match field == Some(name) {
        true => read_as(ty, value),
        false => None,
    })
}

/// The nearest value that can be read as a named type.
fn typed(value: &Value, ty: &Type) -> Option<Value> {
    search(value, true, |_, value| match value {
        Value::Record(_) | Value::Variant(_) => read_as(ty, value),
        _ => None,
    })
}

/// Values that a search looks at: an answer may be large.
const SEARCH_MAX: usize = 10_000;

/// Breadth first.
fn search(
    value: &Value,
    deep: bool,
    found: impl Fn(Option<&str>, &Value) -> Option<Value>,
) -> Option<Value> {
    let mut open: std::collections::VecDeque<(Option<&str>, &Value)> = [(None, value)].into();
    for looked_at in 0..SEARCH_MAX {
        let (name, value) = open.pop_front()?;
        if let Some(found) = found(name, value) {
            return Some(found);
        }
        if !deep && looked_at > 0 {
            continue;
        }
        match value {
            Value::Record(record) => open.extend(
                record
                    .ty
                    .fields
                    .iter()
                    .zip(&record.fields)
                    .map(|(f, v)| (Some(f.json.as_str()), v)),
            ),
            Value::Variant(variant) => {
                let case = variant.ty.cases[variant.case].json.as_str();
                open.extend(variant.payload.iter().map(|payload| (Some(case), payload)));
            }
            Value::List(items) => open.extend(items.iter().map(|item| (None, item))),
            Value::Optional(Some(inner)) => open.push_back((name, inner)),
            _ => {}
        }
    }
    None
}
