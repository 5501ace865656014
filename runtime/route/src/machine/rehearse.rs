//! A rehearsal: the message of an exchange runs through a version of its route, and every question
//! is answered from what the journal says of the first time. Nothing takes effect, nothing is written:
//! what comes of it is a list of differences. What the journal has no answer for ends it, and is said.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::{Value, VariantValue};
use serde::Serialize;

use super::carry::CarryError;
use super::difference::{differences, shown};
use super::recorded::{ActKind, CallSaid, Entry, Original, Recorded, Said, json, task_json};
use super::{
    Action, CallAction, Claim, ClaimAction, End, Event, Exchange, Linked, Outcome, OutcomeKind,
    ProbeAnswer, RestoreError,
};
use crate::step::Kind;
use crate::{ExchangeId, Fault, Keys, Plan, Replay, Retry};

/// Differences that are told one by one.
pub const DIFFERENCES_MAX: usize = 200;
/// Questions and waits of one rehearsal: every element of an `each`, with its retries.
const TURNS_MAX: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    pub verdict: Verdict,
    /// How it stood at the end the first time, and how it stands now: `done`, `excepted mapping at tax`.
    pub was: String,
    pub is: String,
    /// Questions that the journal answered.
    pub answered: usize,
    pub differences: Vec<Difference>,
    /// Beyond [`DIFFERENCES_MAX`].
    pub left_out: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Same,
    Different,
    /// It asks for something that the journal has no answer for: what follows cannot be known.
    Unanswerable,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path of the step.
    pub step: String,
    pub what: What,
    /// Into the input, the event or what a person sees.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    NewCall,
    GoneCall,
    /// The call goes to another operation.
    OtherCall,
    /// The recorded answer was given all the same.
    Input,
    /// The key of `once`; the recorded claim was had all the same.
    Claim,
    NewEvent,
    GoneEvent,
    Event,
    NewTask,
    GoneTask,
    Task,
    NewFind,
    GoneFind,
    Find,
    /// An answer of then that this version cannot read, or that is not offered any more.
    Answer,
    End,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RehearseError {
    #[error("its stored state cannot be read: {0}")]
    Stored(#[from] RestoreError),
    #[error(transparent)]
    Carry(#[from] CarryError),
    #[error(
        "it is a request as it came in: its messages are exchanges of their own; rehearse those"
    )]
    Raw,
}

/// What may be seen of a value: at its pointer in what was asked for or told, it is changed into that.
pub type Seen<'a> = dyn Fn(&str, &mut serde_json::Value) + 'a;

/// Runs the message through `plan`; from a step, with the outcomes before it as they were. Values are
/// compared as they are and told as they may be seen.
pub fn rehearse(
    original: &Original,
    plan: &Arc<Plan>,
    from: Option<&str>,
    seen: &Seen<'_>,
) -> Result<Rehearsal, RehearseError> {
    if original.envelope.raw {
        return Err(RehearseError::Raw);
    }
    let recorded = original.recorded()?;
    let carried = match from {
        Some(from) => original.carried(plan, from)?,
        None => Vec::new(),
    };
    let mut envelope = original.envelope.clone();
    if let Some(replay) = &envelope.replay
        && let Some(keys) = &replay.keys
    {
        // Nothing is called: what was called under the keys before is of no matter.
        let keys = Keys { calls: Default::default(), ..keys.clone() };
        let replay = Replay { keys: Some(keys), ..(**replay).clone() };
        envelope.replay = Some(Arc::new(replay));
    }
    let mut exchange = Exchange::start(original.id, plan.clone(), envelope);
    let mut stage = Stage::new(original.id, &recorded, seen);
    for outcome in &carried {
        exchange.carry_over(outcome)?;
        stage.met.insert(outcome.path.clone());
        stage.edits += usize::from(matches!(outcome.kind, OutcomeKind::Edited { .. }));
    }
    stage.run(&mut exchange, original);
    Ok(stage.close())
}

struct Stage<'a> {
    id: ExchangeId,
    recorded: &'a Recorded,
    seen: &'a Seen<'a>,
    /// Paths that were come to.
    met: BTreeSet<String>,
    /// What was compared, with the edits that it was said after.
    compared: BTreeSet<(String, usize)>,
    /// How often the message was set right so far.
    edits: usize,
    /// What persons did and was done again.
    acted: BTreeSet<usize>,
    found: Vec<Difference>,
    left_out: usize,
    answered: usize,
    /// How it stands now, once it goes no further.
    is: String,
    unanswerable: bool,
}

impl<'a> Stage<'a> {
    fn new(id: ExchangeId, recorded: &'a Recorded, seen: &'a Seen<'a>) -> Stage<'a> {
        Stage {
            id,
            recorded,
            seen,
            met: BTreeSet::new(),
            compared: BTreeSet::new(),
            edits: 0,
            acted: BTreeSet::new(),
            found: Vec::new(),
            left_out: 0,
            answered: 0,
            is: String::new(),
            unanswerable: false,
        }
    }

    fn run(&mut self, exchange: &mut Exchange, original: &Original) {
        // As long after its coming as the first time, so that nothing is late that was not.
        let mut now = original.outcomes.first().map_or(exchange.last_at, |outcome| outcome.at);
        let mut event = Event::Start;
        for _ in 0..TURNS_MAX {
            let advance = exchange.advance(event, now);
            for outcome in &advance.outcomes {
                self.published(outcome);
            }
            let next = match advance.action {
                Action::Call(call) => self.answer(exchange, &call),
                Action::Claim(claim) => Some(Event::Claimed(self.claim(&claim))),
                Action::Find(_) => self.find(exchange),
                Action::Wait { until, .. } => {
                    now = now.max(until);
                    Some(Event::Fired)
                }
                Action::Task(task) => {
                    let asked = task_json(&task.role, &task.ask, json(&task.show));
                    self.decide(&task.step, &asked, &task.ask)
                }
                Action::Exception(exception) => {
                    self.is = format!("excepted {} at {}", exception.class, exception.step);
                    match self.act(exchange, &exception.class) {
                        Some(event) => Some(event),
                        None if self.unanswerable => None,
                        None => self.given_up(&exception.step, &exception.class),
                    }
                }
                Action::End(end) => {
                    self.is = ended(&end, self.recorded.excepted.as_ref());
                    None
                }
            };
            let Some(next) = next else { return };
            event = next;
        }
        self.is = format!("at work after {TURNS_MAX} turns");
        self.unanswerable = true;
    }

    /// The journal's answer to a call.
    fn answer(&mut self, exchange: &Exchange, call: &CallAction) -> Option<Event> {
        let operation = format!("{}.{}", call.connector, call.operation);
        let Some((Said::Call(said), first)) = self.said(&call.path) else {
            self.note(
                &call.path,
                What::NewCall,
                None,
                Some(format!("{operation} {}", self.shown(&json(&call.input)))),
            );
            return self.stop(&call.path, format!("{operation} was not called then"));
        };
        if call.probe_of.is_some() {
            return Some(probe(exchange, said));
        }
        if first {
            if said.operation != operation {
                self.note(
                    &call.path,
                    What::OtherCall,
                    Some(said.operation.clone()),
                    Some(operation),
                );
            }
            self.compare(&call.path, What::Input, &said.input, &json(&call.input));
        }
        let Some(answer) = &said.answer else {
            return match &said.fault {
                Some(fault) => Some(Event::Fault(fault.clone())),
                None => self.stop(&call.path, "the first time no answer came either".to_owned()),
            };
        };
        // On the way back it is the undo.
        let Some(calling) = exchange.call() else {
            return self.stop(&call.path, "the call is of no call step".to_owned());
        };
        let output = &calling.operation.operation.output;
        let text = answer.text().as_bytes();
        match contract::json::read_with(output, text, contract::Unknown::Drop) {
            Ok(value) => {
                self.answered += 1;
                Some(Event::Answer(value))
            }
            Err(violations) => {
                let reason = violations.first().map(ToString::to_string).unwrap_or_default();
                self.note(&call.path, What::Answer, Some(self.cut(answer.text())), Some(reason));
                self.stop(&call.path, "this version cannot read the answer of then".to_owned())
            }
        }
    }

    /// The claim as it was had then. Nothing is called, so nobody's claim is touched.
    fn claim(&mut self, claim: &ClaimAction) -> Claim {
        let recorded = self.recorded;
        let said = recorded.said(&claim.path, self.edits).map(|entry| &entry.said);
        let Some(Said::Call(said)) = said else { return Claim::Mine };
        let key = Some(&claim.key);
        if said.once.as_ref() != key && !self.met.contains(&claim.path) {
            self.note(&claim.path, What::Claim, said.once.clone(), key.cloned());
        }
        match (&said.answer, said.of) {
            (Some(answer), Some(exchange)) => {
                self.met.insert(claim.path.clone());
                self.answered += 1;
                Claim::Done { exchange, value: answer.text().to_owned() }
            }
            // Which one it was stands in a text only, and is of no matter here.
            (None, _) if said.doubtful && said.fault.is_none() => {
                self.met.insert(claim.path.clone());
                Claim::Doubtful { exchange: self.id }
            }
            _ => Claim::Mine,
        }
    }

    /// What was said of the path, and whether it is asked for the first time.
    fn said(&mut self, path: &str) -> Option<(&'a Said, bool)> {
        let recorded = self.recorded;
        let Entry { edits, said, .. } = recorded.said(path, self.edits)?;
        self.met.insert(path.to_owned());
        Some((said, self.compared.insert((path.to_owned(), *edits))))
    }

    /// What a person did then about the exception that it is at now.
    fn act(&mut self, exchange: &Exchange, class: &str) -> Option<Event> {
        let recorded = self.recorded;
        let path = exchange.path();
        let open = |at: &usize| !self.acted.contains(at);
        let (at, act) = recorded
            .acts
            .iter()
            .enumerate()
            .find(|(at, act)| open(at) && act.path == path && act.class == class)?;
        self.acted.insert(at);
        let (by, why) = (act.by.clone(), act.why.clone());
        match &act.kind {
            ActKind::Compensate => Some(Event::Compensate { by, why }),
            ActKind::Edit(message) => match exchange.read_message(message, 0) {
                Ok(message) => {
                    self.edits += 1;
                    Some(Event::Edit { message, by, why })
                }
                Err(error) => {
                    let is = Some(error.to_string());
                    self.note(&path, What::Answer, Some(self.cut(message.text())), is);
                    let why = "this version cannot read the message that it was set right to";
                    self.stop(&path, why.to_owned())
                }
            },
        }
    }

    fn find(&mut self, exchange: &Exchange) -> Option<Event> {
        let path = exchange.path();
        let query = exchange.find_query();
        let Some((Said::Find { query: then, found }, first)) = self.said(&path) else {
            self.note(&path, What::NewFind, None, Some(self.shown(&query)));
            return self.stop(&path, "nothing was looked for here then".to_owned());
        };
        if first {
            self.compare(&path, What::Find, then, &query);
        }
        let Some((_, ids)) = found else { return Some(Event::Found(Vec::new())) };
        self.answered += 1;
        let object = query["object"].as_str().unwrap_or_default();
        let wanted = match exchange.plan.steps.get(exchange.at).map(|step| &step.kind) {
            Some(Kind::Find(find)) => find.object.clone(),
            _ => object.to_owned(),
        };
        let nodes = ids.iter().map(|(system, id)| Linked {
            object: wanted.clone(),
            system: system.clone(),
            id: id.clone(),
        });
        Some(Event::Found(nodes.collect()))
    }

    fn decide(&mut self, path: &str, asked: &serde_json::Value, ask: &[String]) -> Option<Event> {
        let Some((Said::Task { asked: then, decision }, first)) = self.said(path) else {
            self.note(path, What::NewTask, None, Some(self.shown(asked)));
            return self.stop(path, "nobody was asked here then".to_owned());
        };
        if first {
            self.compare(path, What::Task, then, asked);
        }
        match decision {
            Some(decision) if ask.contains(&decision.answer) => {
                self.answered += 1;
                Some(Event::Decided(decision.clone()))
            }
            Some(decision) => {
                let offered = Some(ask.join(", "));
                self.note(path, What::Answer, Some(decision.answer.clone()), offered);
                self.stop(path, "the answer of then is not offered".to_owned())
            }
            // It waits for the same person still, or was given up there.
            None => self.given_up(path, ""),
        }
    }

    /// A person gave it up here the first time: so again. Otherwise it stands here.
    fn given_up(&mut self, path: &str, class: &str) -> Option<Event> {
        let there = match &self.recorded.excepted {
            Some((at, of)) if !class.is_empty() => at == path && of == class,
            _ => class.is_empty(),
        };
        match &self.recorded.end {
            Some((End::Discarded, by, why)) if there => Some(Event::Discard {
                by: by.clone().unwrap_or_default(),
                why: why.clone().unwrap_or_default(),
            }),
            _ => {
                if class.is_empty() {
                    self.is = format!("waits for a person at {path}");
                }
                None
            }
        }
    }

    fn published(&mut self, outcome: &Outcome) {
        let OutcomeKind::Published { topic, events } = &outcome.kind else { return };
        self.met.insert(outcome.path.clone());
        let recorded = self.recorded;
        let said = recorded.said(&outcome.path, self.edits).map(|entry| &entry.said);
        let (was_topic, then) = match said {
            Some(Said::Published { topic, events }) => (topic.as_str(), events.as_slice()),
            _ => ("", [].as_slice()),
        };
        let now: Vec<serde_json::Value> = events
            .iter()
            .map(|event| serde_json::from_str(event.text()).unwrap_or_default())
            .collect();
        if was_topic != topic && !was_topic.is_empty() {
            let (was, is) = (Some(was_topic.to_owned()), Some(topic.clone()));
            self.note(&outcome.path, What::Event, was, is);
        }
        for index in 0..then.len().max(now.len()) {
            match (then.get(index), now.get(index)) {
                (Some(then), Some(now)) => self.compare(&outcome.path, What::Event, then, now),
                (Some(then), None) => {
                    self.note(&outcome.path, What::GoneEvent, Some(self.shown(then)), None);
                }
                (None, Some(now)) => {
                    let is = Some(format!("{topic} {}", self.shown(now)));
                    self.note(&outcome.path, What::NewEvent, None, is);
                }
                (None, None) => {}
            }
        }
    }

    fn compare(&mut self, path: &str, what: What, was: &serde_json::Value, is: &serde_json::Value) {
        for changed in differences(was, is) {
            self.push(Difference {
                step: path.to_owned(),
                what,
                was: changed.was.map(|was| self.shown_at(&changed.pointer, was)),
                is: changed.is.map(|is| self.shown_at(&changed.pointer, is)),
                pointer: changed.pointer,
            });
        }
    }

    fn note(&mut self, path: &str, what: What, was: Option<String>, is: Option<String>) {
        self.push(Difference { step: path.to_owned(), what, pointer: String::new(), was, is });
    }

    fn push(&mut self, difference: Difference) {
        match self.found.len() < DIFFERENCES_MAX {
            true => self.found.push(difference),
            false => self.left_out += 1,
        }
    }

    fn shown(&self, value: &serde_json::Value) -> String {
        self.shown_at("", value.clone())
    }

    fn shown_at(&self, pointer: &str, mut value: serde_json::Value) -> String {
        (self.seen)(pointer, &mut value);
        shown(&value)
    }

    fn cut(&self, text: &str) -> String {
        self.shown(&serde_json::from_str(text).unwrap_or_default())
    }

    fn stop(&mut self, path: &str, why: String) -> Option<Event> {
        self.unanswerable = true;
        self.is = format!("unknown from {path} on: {why}");
        None
    }

    fn close(mut self) -> Rehearsal {
        let recorded = self.recorded;
        if !self.unanswerable {
            for Entry { path, said, .. } in &recorded.said {
                if !self.met.insert(path.clone()) {
                    continue;
                }
                let (what, was) = match said {
                    Said::Call(call) => {
                        (What::GoneCall, format!("{} {}", call.operation, self.shown(&call.input)))
                    }
                    Said::Published { topic, .. } => (What::GoneEvent, topic.clone()),
                    Said::Task { asked, .. } => (What::GoneTask, self.shown(asked)),
                    Said::Find { query, .. } => (What::GoneFind, self.shown(query)),
                };
                self.note(path, what, Some(was), None);
            }
        }
        let was = match &recorded.end {
            Some((end, ..)) => ended(end, recorded.excepted.as_ref()),
            None => match (&recorded.excepted, recorded.stands, recorded.said.last()) {
                (Some((path, class)), true, _) => format!("excepted {class} at {path}"),
                (_, _, Some(Entry { path, said: Said::Task { decision: None, .. }, .. })) => {
                    format!("waits for a person at {path}")
                }
                (_, _, last) => {
                    format!("under way after {}", last.map_or("nothing", |entry| &entry.path))
                }
            },
        };
        if was != self.is && !self.unanswerable {
            self.note(super::END_PATH, What::End, Some(was.clone()), Some(self.is.clone()));
        }
        Rehearsal {
            verdict: match (self.unanswerable, self.found.is_empty()) {
                (true, _) => Verdict::Unanswerable,
                (false, true) => Verdict::Same,
                (false, false) => Verdict::Different,
            },
            was,
            is: self.is,
            answered: self.answered,
            differences: self.found,
            left_out: self.left_out,
        }
    }
}

/// Where it was given up says more than that it was.
fn ended(end: &End, excepted: Option<&(String, String)>) -> String {
    match (end, excepted) {
        (End::Discarded, Some((path, class))) => format!("discarded, {class} at {path}"),
        (end, _) => end.to_string(),
    }
}

/// What the probe of the call under way said then.
fn probe(exchange: &Exchange, said: &CallSaid) -> Event {
    let (answer, fault) = match &said.probe {
        Some((answer, fault)) => (*answer, fault.clone()),
        None => (ProbeAnswer::Unknown, None),
    };
    let unable = |retry| Fault {
        retry,
        code: "rehearsed".to_owned(),
        message: "the journal has no other answer of the probe".to_owned(),
        status: None,
    };
    let word = match answer {
        ProbeAnswer::Absent => "absent",
        ProbeAnswer::Pending => "pending",
        ProbeAnswer::Unknown => "unknown",
        ProbeAnswer::Failed => {
            return Event::Fault(fault.unwrap_or_else(|| unable(Retry::OutcomeUnknown)));
        }
    };
    let probe = exchange.call().and_then(|call| call.probe);
    let value = probe.and_then(|probe| case(&probe.operation.output, word));
    value.map_or_else(|| Event::Fault(unable(Retry::Never)), Event::Answer)
}

/// A case without a payload.
fn case(ty: &contract::Type, word: &str) -> Option<Value> {
    let contract::Type::Variant(ty) = ty else { return None };
    let case = ty.cases.iter().position(|case| case.json == word)?;
    Some(Value::Variant(Arc::new(VariantValue { ty: ty.clone(), case, payload: None })))
}
