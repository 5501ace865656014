//! An event becomes outcomes. What does not fit where the exchange stands changes nothing: it gets
//! the same action again.

use std::collections::BTreeMap;

use contract::Value;
use jiff::Timestamp;

use super::apply::{Change, found_value};
use super::progress::Standing;
use super::undo::undone;
use super::{
    Action, Advance, Decision, End, Event, Exchange, Held, Item, Json, Linked, Outcome,
    OutcomeKind, ProbeAnswer, Settled, class,
};
use crate::plan::Received;
use crate::retry::later;
use crate::step::Kind;
use crate::{Fault, Link, OWN_SYSTEM, Retry, links};

/// What an advance has written so far.
pub(super) struct Draft {
    pub now: Timestamp,
    pub outcomes: Vec<Outcome>,
    pub links: Vec<Link>,
    pub claims: Vec<Settled>,
    /// The host says that a wait is over.
    pub fired: bool,
}

impl Exchange {
    /// `now` before the last outcome counts as the time of that outcome.
    pub fn advance(&mut self, event: Event, now: Timestamp) -> Advance {
        let now = now.max(self.last_at);
        // A hold is over when the journal no longer has it as waiting, before its time perhaps.
        let fired = matches!(event, Event::Fired | Event::Resume);
        let (outcomes, links, claims) = (Vec::new(), Vec::new(), Vec::new());
        let mut draft = Draft { now, outcomes, links, claims, fired };
        match event {
            Event::Start | Event::Resume => self.wake(),
            Event::Fired => {
                self.wake();
                if self.under_way.is_none() {
                    // It was waiting, so nothing was under way, whatever was intended.
                    self.resumed = false;
                    self.progress.intended = false;
                }
            }
            Event::Answer(value) => self.on_answer(value, &mut draft),
            Event::Fault(fault) => self.on_fault(fault, &mut draft),
            Event::Throttled(held) => self.on_throttled(held, &mut draft),
            Event::Found(nodes) => self.on_found(nodes, &mut draft),
            Event::Claimed(claim) => self.on_claimed(claim, &mut draft),
            Event::Decided(decision) => self.on_decided(decision, &mut draft),
            Event::Retry { by, why } => self.on_retry(by, why, &mut draft),
            Event::Edit { message, by, why } => self.on_edit(message, by, why, &mut draft),
            Event::Compensate { by, why } => self.on_compensate(by, why, &mut draft),
            Event::Settle { value, by, why } => self.on_settle(value, by, why, &mut draft),
            Event::Discard { by, why } => self.on_discard(by, why, &mut draft),
        }
        let action = match &self.under_way {
            Some(action) => action.clone(),
            None => self.drive(&mut draft),
        };
        let Draft { outcomes, links, claims, .. } = draft;
        Advance { outcomes, links, claims, action }
    }

    /// Only the waits of a `find` and of an `until` are under way; all others follow from the outcomes.
    fn wake(&mut self) {
        if matches!(self.under_way, Some(Action::Wait { .. })) {
            self.under_way = None;
        }
    }

    fn on_answer(&mut self, value: Value, draft: &mut Draft) {
        let Some(Action::Call(call)) = &self.under_way else { return };
        if call.probe_of.is_some() {
            return self.on_probe_answer(&value, draft);
        }
        if self.envelope.raw {
            return self.on_received(&value, draft);
        }
        if self.undo.is_none() && self.awaits_another(&value, draft) {
            return;
        }
        self.write_answered(value, false, draft);
    }

    fn write_answered(&mut self, value: Value, probed: bool, draft: &mut Draft) {
        draft.links.extend(links(&value));
        let json = Json::of(&value);
        match &self.undo {
            None => self.settle_claim(&json, draft),
            Some(_) if undone(&value) => self.release_claim(draft),
            Some(_) => {}
        }
        let kind = OutcomeKind::Answered { value: json, probed, of: None };
        self.write(kind, Change::Answered(value), draft);
    }

    fn on_probe_answer(&mut self, value: &Value, draft: &mut Draft) {
        let Value::Variant(variant) = value else {
            return self.write_probed(ProbeAnswer::Unknown, None, draft);
        };
        let answer = match (variant.ty.cases[variant.case].json.as_str(), &variant.payload) {
            ("applied", Some(payload)) => {
                let value = payload.clone();
                return self.write_answered(value, true, draft);
            }
            ("absent", _) => ProbeAnswer::Absent,
            ("pending", _) => ProbeAnswer::Pending,
            _ => ProbeAnswer::Unknown,
        };
        self.write_probed(answer, None, draft);
    }

    fn on_received(&mut self, value: &Value, draft: &mut Draft) {
        match Received::of(value) {
            Some(received) => {
                let item = |(id, value): (String, Value)| Item { id, value: Json::of(&value) };
                let items = received.items.into_iter().map(item).collect();
                self.write(OutcomeKind::Received { items }, Change::Received, draft);
            }
            None => {
                let message = "the answer is not a list of items with ids".to_owned();
                let class = class::OUTSIDE_CONTRACT;
                self.except(class, class, message, None, draft);
            }
        }
    }

    fn on_fault(&mut self, fault: Fault, draft: &mut Draft) {
        let Some(Action::Call(call)) = &self.under_way else { return };
        if call.probe_of.is_some() {
            let answer = match fault.retry {
                Retry::Never => ProbeAnswer::Unknown,
                _ => ProbeAnswer::Failed,
            };
            return self.write_probed(answer, Some(fault), draft);
        }
        let attempt = call.attempt;
        let kind = OutcomeKind::Attempt { attempt, fault: fault.clone() };
        self.write(kind, Change::Attempt(attempt, fault), draft);
    }

    fn on_throttled(&mut self, held: Held, draft: &mut Draft) {
        if matches!(self.under_way, Some(Action::Call(_))) {
            self.write(OutcomeKind::Throttled(held.clone()), Change::Throttled(held), draft);
        }
    }

    fn write_probed(&mut self, answer: ProbeAnswer, fault: Option<Fault>, draft: &mut Draft) {
        self.write(OutcomeKind::Probed { answer, fault }, Change::Probed(answer), draft);
    }

    fn on_found(&mut self, nodes: Vec<Linked>, draft: &mut Draft) {
        let Some(Action::Find(query)) = self.under_way.clone() else { return };
        let Some(Kind::Find(find)) = self.plan.steps.get(self.at).map(|step| &step.kind) else {
            return;
        };
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for node in nodes.into_iter().filter(|node| node.object == query.wanted_object) {
            // Nearest first: what comes later does not replace it.
            ids.entry(node.system).or_insert(node.id);
        }
        if let Some(id) = ids.get(OWN_SYSTEM).cloned() {
            let pairs = ids.iter().map(|(system, id)| (system.as_str(), id.as_str()));
            let value = found_value(&id, pairs);
            return self.write(OutcomeKind::Found { id, ids }, Change::Found(value), draft);
        }
        let deadline = later(self.progress.since, find.within_ms);
        if draft.now >= deadline {
            let message = format!(
                "no {} is linked to {} `{}` of {}",
                query.wanted_object, query.object, query.id, query.system
            );
            return self.except(class::NO_LINK, class::NO_LINK, message, None, draft);
        }
        let waited = draft.now.duration_since(self.progress.since).as_millis().max(0);
        let pause_ms = (waited / 2).clamp(FIND_PAUSE_MS_MIN, FIND_PAUSE_MS_MAX) as u64;
        let until = later(draft.now, pause_ms).min(deadline);
        let why = format!("no {} is linked to `{}` yet", query.wanted_object, query.id);
        self.under_way = Some(Action::Wait { until, why });
    }

    fn on_decided(&mut self, decision: Decision, draft: &mut Draft) {
        let Standing::Parked(task) = &self.standing else { return };
        if task.accepts(&decision.answer) {
            let kind = OutcomeKind::Decided(decision.clone());
            self.write(kind, Change::Decided(decision), draft);
        }
    }

    fn on_retry(&mut self, by: String, why: String, draft: &mut Draft) {
        if !matches!(self.standing, Standing::Excepted(_)) {
            return;
        }
        // Only what the system refused for certain is a new effect under a new key.
        let never = |fault: &Fault| fault.retry == Retry::Never;
        let refused = self.mutates()
            && !self.progress.in_doubt
            && (self.progress.declined || self.progress.last_fault.as_ref().is_some_and(never));
        let generation = self.progress.generation + u32::from(refused);
        let kind = OutcomeKind::Retried { by, why, generation };
        self.write(kind, Change::Retried(generation), draft);
    }

    fn on_discard(&mut self, by: String, why: String, draft: &mut Draft) {
        let over = matches!(self.standing, Standing::Ended(_));
        let calling = matches!(self.under_way, Some(Action::Call(_) | Action::Claim(_)));
        if !over && !calling {
            self.finish_as(End::Discarded, Some((by, why)), draft);
        }
    }

    pub(super) fn finish_as(&mut self, end: End, who: Option<(String, String)>, draft: &mut Draft) {
        // What nobody can tell of stays claimed: who comes next must not do it blindly.
        let doubt = self.progress.in_doubt || self.progress.intended;
        if end == End::Discarded && self.undo.is_none() && !doubt {
            self.release_claim(draft);
        }
        let (by, why) = who.unzip();
        let kind = OutcomeKind::Ended { end: end.clone(), by, why };
        self.write(kind, Change::Ended(end), draft);
    }

    pub(super) fn except(
        &mut self,
        class: &str,
        code: &str,
        message: String,
        fault: Option<Fault>,
        draft: &mut Draft,
    ) {
        let kind = OutcomeKind::Excepted {
            class: class.to_owned(),
            code: code.to_owned(),
            message: message.clone(),
            fault: fault.clone(),
        };
        let exception = self.exception(class, code, message, fault);
        self.write(kind, Change::Excepted(exception), draft);
    }

    /// The outcome first, as it stands now; then the change that it is.
    pub(super) fn write(&mut self, kind: OutcomeKind, change: Change, draft: &mut Draft) {
        draft.outcomes.push(Outcome {
            sequence: self.sequence,
            at: draft.now,
            step: self.step_under_way() as u32,
            path: self.path(),
            kind,
        });
        self.apply(change, draft.now);
    }
}

/// A link that is missing is looked for again after half the time that it has been missing.
const FIND_PAUSE_MS_MIN: i128 = 1_000;
const FIND_PAUSE_MS_MAX: i128 = 60_000;
