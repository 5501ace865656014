//! Calls: when to make one, when to make it again, and when to ask first whether it took effect.
//! A mutation is never repeated blindly: its key, its probe, or a person decides.

use std::sync::Arc;

use contract::Value;
use jiff::Timestamp;

use super::advance::Draft;
use super::apply::Change;
use super::{Action, CallAction, End, Exchange, Json, OutcomeKind, PROBES_MAX, class};
use crate::retry::Policy;
use crate::retry::{Jitter, later};
use crate::step::{Call, Kind, OnFault, Step, call::TIMEOUT_MS};
use crate::with::Trouble;
use crate::{Asked, Effect, Fault, Key, OperationInfo, Retry, Source};

/// The longest pause between two questions to a probe.
const PROBE_PAUSE_MS_MAX: u64 = 300_000;

/// What is asked of whom: the call of a step, or the undo of one.
pub(super) struct Calling<'a> {
    pub connector: &'a str,
    pub operation: &'a Arc<OperationInfo>,
    pub probe: Option<&'a Arc<OperationInfo>>,
    pub retry: &'a Policy,
    pub timeout_ms: u64,
}

impl Exchange {
    /// The call of the step under way, if it is one; on the way back, the undo.
    pub(super) fn call(&self) -> Option<Calling<'_>> {
        if let Some(effect) = self.undoing() {
            let call = self.call_of(effect);
            let undo = call.undo.as_ref()?;
            return Some(Calling {
                connector: &call.connector,
                operation: &undo.operation,
                probe: undo.probe.as_ref(),
                retry: &call.retry,
                timeout_ms: call.timeout_ms,
            });
        }
        let call = self.call_step()?;
        Some(Calling {
            connector: &call.connector,
            operation: &call.operation,
            probe: call.probe.as_ref(),
            retry: &call.retry,
            timeout_ms: call.timeout_ms,
        })
    }

    /// The step under way, if it is a call.
    pub(super) fn call_step(&self) -> Option<&Call> {
        match &self.plan.steps.get(self.at)?.kind {
            Kind::Call(call) if !self.envelope.raw && self.undo.is_none() => Some(call),
            _ => None,
        }
    }

    pub(super) fn mutates(&self) -> bool {
        self.call().is_some_and(|call| call.operation.effect == Effect::Mutation)
    }

    pub(super) fn run_call(
        &mut self,
        step: &Step,
        draft: &mut Draft,
    ) -> Result<Option<Action>, Trouble> {
        if let (Some(each), Some(elements)) = (&step.each, self.progress.elements.clone()) {
            match elements.get(self.progress.results.len()) {
                Some(element) => self.slots[each.slot] = element.clone(),
                None => {
                    let none = Value::list(Vec::new());
                    let value = Json::of(&none);
                    let kind = OutcomeKind::Answered { value, probed: false, of: None };
                    self.write(kind, Change::Answered(none), draft);
                    return Ok(None);
                }
            }
        }
        match self.claim()? {
            Some(action) => Ok(Some(action)),
            None => self.make_call(draft),
        }
    }

    /// What is asked with.
    fn input(&mut self) -> Result<Value, Trouble> {
        if let Some(effect) = self.undoing() {
            return self.undo_input(effect);
        }
        let plan = self.plan.clone();
        let step = &plan.steps[self.at];
        let Kind::Call(call) = &step.kind else { unreachable!("only calls are made") };
        if let (Some(each), Some(elements)) = (&step.each, &self.progress.elements)
            && let Some(element) = elements.get(self.progress.results.len())
        {
            self.slots[each.slot] = element.clone();
        }
        call.with.evaluate(&self.slots)
    }

    /// The call or the undo under way, as soon as it is safe.
    pub(super) fn make_call(&mut self, draft: &mut Draft) -> Result<Option<Action>, Trouble> {
        let input = self.input()?;
        let mut intent = false;
        if self.mutates() {
            match self.safety(draft.now) {
                Safety::Call => {}
                Safety::Intend => {
                    intent = true;
                    self.write(OutcomeKind::Intent, Change::Intent, draft);
                }
                Safety::Doubt => {
                    self.write(OutcomeKind::InDoubt, Change::InDoubt, draft);
                    return Ok(None);
                }
                Safety::Park(why) => {
                    self.park_in_doubt(why, draft);
                    return Ok(None);
                }
            }
        }
        let Some(asked) = self.call() else { unreachable!("only calls are made") };
        let action = CallAction {
            path: self.path(),
            connector: asked.connector.to_owned(),
            operation: asked.operation.operation.name.clone(),
            input,
            key: self.key(),
            attempt: self.progress.attempts + 1,
            effect: asked.operation.effect,
            intent,
            timeout_ms: asked.timeout_ms,
            probe_of: None,
            started_at: self.asked_at(),
        };
        Ok(Some(self.calling(action)))
    }

    /// Whether a mutation may be called now.
    fn safety(&self, now: Timestamp) -> Safety {
        let in_doubt = self.progress.in_doubt;
        // What the original of a replay asked for under these very keys counts as well.
        let may_have_run = in_doubt || self.resumed || self.asked_before();
        let has_probe = self.call().is_some_and(|call| call.probe.is_some());
        let key = self.call().map_or(Key::None, |call| call.operation.key);
        match key {
            Key::LookedUp | Key::Honoured { .. } if may_have_run && self.forgotten(key, now) => {
                match has_probe {
                    true => Safety::Doubt,
                    false => Safety::Park(
                        "the system may have forgotten the key of a call that may have taken effect",
                    ),
                }
            }
            // Noted, so that a refusal of the repeated call is not taken for a refusal of both.
            Key::LookedUp | Key::Honoured { .. } if may_have_run && !in_doubt => Safety::Doubt,
            Key::LookedUp | Key::Honoured { .. } => Safety::Call,
            Key::None if has_probe && may_have_run => Safety::Doubt,
            Key::None if has_probe => Safety::Call,
            Key::None if self.progress.intended => Safety::Park(
                "the call was under way when the runtime stopped, and nothing tells whether it took effect",
            ),
            Key::None if in_doubt => Safety::Park("nothing tells whether the call took effect"),
            Key::None if self.asked_before() => Safety::Park(
                "the exchange that this one repeats made the call, and nothing tells it from a second one",
            ),
            Key::None => Safety::Intend,
        }
    }

    /// Whether the system may no longer know the key of an earlier attempt.
    pub(super) fn forgotten(&self, key: Key, now: Timestamp) -> bool {
        match key {
            Key::Honoured { lifetime_s } => {
                // Of a key that another exchange has used, its first use counts.
                let first = self.asked().filter(|_| !self.progress.vouched);
                let since = first.map_or(self.progress.since, |asked| asked.at);
                now >= later(since, lifetime_s.saturating_mul(1_000))
            }
            Key::LookedUp | Key::None => false,
        }
    }

    /// After an attempt that got no answer.
    pub(super) fn after_fault(&mut self, at: Timestamp, draft: &mut Draft) -> Option<Action> {
        let Some(fault) = self.progress.last_fault.clone() else {
            unreachable!("an attempt has a fault");
        };
        let (policy, key, has_probe) = match self.call() {
            Some(call) => (call.retry.clone(), call.operation.key, call.probe.is_some()),
            None => (self.plan.standard.clone(), Key::LookedUp, false),
        };
        if fault.retry == Retry::OutcomeUnknown && self.mutates() {
            if has_probe {
                return self.probe(at, draft);
            }
            if key == Key::None {
                let message =
                    format!("nothing tells whether the call took effect: {}", fault.message);
                self.park_in_doubt(&message, draft);
                return None;
            }
        }
        let first = self.progress.first_fault_at.unwrap_or(at);
        let spent = self.progress.spent;
        let due = policy.next(self.id, spent, &fault, first, at).or_else(|| {
            let on = self.goes_on() && policy.allows(&fault, spent);
            on.then(|| policy.slowly(self.id, spent, &fault, at))
        });
        match due {
            None => {
                self.give_up(fault, draft);
                None
            }
            Some(until) if draft.now < until => {
                let of = match self.goes_on() {
                    true => String::new(),
                    false => format!(" of {}", policy.attempts),
                };
                let (next, code) = (spent + 1, &fault.code);
                let why = format!("attempt {next}{of}, after {code}: {}", fault.message);
                Some(Action::Wait { until, why })
            }
            Some(_) => self.again(draft),
        }
    }

    /// The probe says that nothing took effect: call again, while the policy lasts.
    pub(super) fn after_absent(&mut self, draft: &mut Draft) -> Option<Action> {
        let spent = self.progress.spent;
        let over = |fault: &Fault| {
            self.call()
                .is_none_or(|call| spent >= call.retry.attempts || !call.retry.allows(fault, spent))
        };
        match &self.progress.last_fault {
            Some(fault) if over(fault) => {
                let fault = fault.clone();
                self.give_up(fault, draft);
                None
            }
            _ => self.again(draft),
        }
    }

    /// Its route wants it to be tried for ever.
    fn goes_on(&self) -> bool {
        self.call_step().is_some_and(|call| matches!(call.on_fault, OnFault::Retry))
    }

    /// The same call once more, under the same key.
    fn again(&mut self, draft: &mut Draft) -> Option<Action> {
        // The first time and every further one read the same message and the same answers.
        self.run(draft)
    }

    /// Asks the probe, once the effect has had time to show.
    pub(super) fn probe(&mut self, at: Timestamp, draft: &mut Draft) -> Option<Action> {
        if self.progress.probes >= PROBES_MAX {
            let message = format!(
                "asked {PROBES_MAX} times, the probe could not tell whether the call took effect"
            );
            self.park_in_doubt(&message, draft);
            return None;
        }
        let Some(asked) = self.call() else { unreachable!("only calls are probed") };
        let Some(probe) = asked.probe.cloned() else {
            self.park_in_doubt("nothing tells whether the call took effect", draft);
            return None;
        };
        let settling_ms = asked.operation.settling_ms;
        let pause_ms = match self.progress.probes {
            0 => settling_ms,
            asked => {
                let pause_ms = (settling_ms.max(1_000) << asked.min(16)).min(PROBE_PAUSE_MS_MAX);
                Jitter::Half.of(pause_ms, self.id, asked).max(settling_ms)
            }
        };
        let until = later(at, pause_ms);
        if draft.now < until {
            let why =
                format!("settling, then {} tells whether it took effect", probe.operation.name);
            return Some(Action::Wait { until, why });
        }
        let elements = match self.undo {
            Some(_) => Ok(()),
            None => self.elements(),
        };
        let input = match elements.and_then(|()| self.input()) {
            Ok(input) => input,
            Err(trouble) => {
                let message = format!("{} {trouble}", self.plan.file);
                self.except(class::MAPPING, class::MAPPING, message, None, draft);
                return None;
            }
        };
        let Some(asked) = self.call() else { unreachable!("only calls are probed") };
        let action = CallAction {
            path: self.path(),
            connector: asked.connector.to_owned(),
            operation: probe.operation.name.clone(),
            input,
            key: self.key(),
            attempt: self.progress.probes + 1,
            effect: Effect::Query,
            intent: false,
            timeout_ms: asked.timeout_ms,
            probe_of: Some(asked.operation.operation.name.clone()),
            started_at: self.asked_at(),
        };
        Some(self.calling(action))
    }

    /// The call that translates a raw webhook request.
    pub(super) fn call_source(&mut self, draft: &mut Draft) -> Option<Action> {
        let Source::Webhook(webhook) = &self.plan.source else {
            let message = "only webhook requests are translated".to_owned();
            self.except(class::OUTSIDE_CONTRACT, class::OUTSIDE_CONTRACT, message, None, draft);
            return None;
        };
        let call = CallAction {
            path: self.path(),
            connector: webhook.connector.clone(),
            operation: webhook.operation.clone(),
            input: self.envelope.message.clone(),
            key: self.key(),
            attempt: self.progress.attempts + 1,
            effect: Effect::Query,
            intent: false,
            timeout_ms: TIMEOUT_MS,
            probe_of: None,
            started_at: self.asked_at(),
        };
        Some(self.calling(call))
    }

    fn calling(&mut self, call: CallAction) -> Action {
        let action = Action::Call(call);
        self.under_way = Some(action.clone());
        action
    }

    fn key(&self) -> String {
        format!("{}/{}/{}", self.key_root, self.path(), self.key_generation())
    }

    /// Of the key: a replay under the keys of its original goes on where that one stood.
    pub(super) fn key_generation(&self) -> u32 {
        let first = self.original().map_or(0, |asked| asked.generation);
        first + self.progress.generation
    }

    /// When the call was first asked for under its key.
    pub(super) fn asked_at(&self) -> Timestamp {
        self.asked().map_or(self.progress.started_at, |asked| asked.at)
    }

    /// What the original of a replay asked for under this very key.
    fn asked(&self) -> Option<Asked> {
        self.original().filter(|_| self.progress.generation == 0)
    }

    fn asked_before(&self) -> bool {
        self.asked().is_some() && !self.progress.noted && !self.progress.vouched
    }

    fn original(&self) -> Option<Asked> {
        let keys = self.envelope.replay.as_ref()?.keys.as_ref()?;
        keys.calls.get(&self.path()).copied()
    }

    /// The policy is spent, or no retry would help.
    fn give_up(&mut self, fault: Fault, draft: &mut Draft) {
        if self.progress.in_doubt {
            let message = format!(
                "an earlier attempt may have taken effect; the last one: {}",
                fault.message
            );
            return self.except(class::IN_DOUBT, &fault.code.clone(), message, Some(fault), draft);
        }
        if self.undo.is_some() {
            let code = fault.code.clone();
            return self.except(
                class::UNDO_FAILED,
                &code,
                fault.message.clone(),
                Some(fault),
                draft,
            );
        }
        if self.goes_without(&fault, draft) {
            return;
        }
        let connector = match (self.call(), &self.plan.source) {
            (Some(call), _) => call.connector,
            (None, source) => source.connector().unwrap_or_default(),
        };
        let class = fault.class(connector);
        self.except(&class, &fault.code.clone(), fault.message.clone(), Some(fault), draft);
    }

    /// What the route wants instead of a person, where it wants something.
    fn goes_without(&mut self, fault: &Fault, draft: &mut Draft) -> bool {
        let plan = self.plan.clone();
        let Some(Kind::Call(call)) = plan.steps.get(self.at).map(|step| &step.kind) else {
            return false;
        };
        match &call.on_fault {
            _ if self.envelope.raw => return false,
            OnFault::Park | OnFault::Retry => return false,
            OnFault::Compensate if self.past_pivot() => return false,
            OnFault::Compensate => self.compensate(End::Undone, None, draft),
            OnFault::Skip(default) => {
                let value = match default.as_ref().map(|default| default.0.evaluate(&self.slots)) {
                    None => None,
                    Some(Ok(value)) => Some(value),
                    Some(Err(trouble)) => {
                        let message = format!("{} {trouble}", self.plan.file);
                        let fault = Some(fault.clone());
                        self.except(class::MAPPING, class::MAPPING, message, fault, draft);
                        return true;
                    }
                };
                self.release_claim(draft);
                let json = value.as_ref().map(Json::of);
                let kind = OutcomeKind::SkippedFault { fault: fault.clone(), value: json };
                self.write(kind, Change::SkippedFault(value), draft);
            }
        }
        true
    }

    pub(super) fn park_in_doubt(&mut self, message: &str, draft: &mut Draft) {
        let fault = self.progress.last_fault.clone();
        // The desk sees what broke the call, where something did: `guest-trap`, `guest-timeout`.
        let code = fault.as_ref().map_or(class::IN_DOUBT.to_owned(), |fault| fault.code.clone());
        self.except(class::IN_DOUBT, &code, message.to_owned(), fault, draft);
    }
}

enum Safety {
    Call,
    /// Journal the intent, then call.
    Intend,
    /// Journal that an earlier call may have taken effect; the probe or the key goes on from there.
    Doubt,
    /// A person first.
    Park(&'static str),
}
