//! What must hold, said as simply as it can be: what each system was asked under which key, what may
//! have happened there, and what was taken back.

use std::collections::BTreeMap;

use contract::Value;
use jiff::Timestamp;

use super::super::fixture::{Run, at};
use super::Luck;
use super::routes::{Route, Wanted, is_undo};
use crate::*;

pub struct Model<'a> {
    route: &'a Route,
    /// By path: `s1`, `s1[0]`, `undo:s1`.
    effects: BTreeMap<String, Effect>,
    /// Done and not taken back, in their order, with whether it is to be taken back.
    done: Vec<(String, bool)>,
    undoing: bool,
    past_pivot: bool,
    /// What the journal says of claims, and what is not on disk yet.
    claims: BTreeMap<(String, String), Holder>,
    unsettled: Vec<Settled>,
    /// By path: the claim that it made since it was last restored.
    has: BTreeMap<String, (String, String)>,
    /// A person has spoken about another's doubtful claim.
    spoken: Vec<String>,
    /// Outcomes that are on disk.
    pub durable: usize,
    last_at: Option<Timestamp>,
    /// No call before that, unless what holds it is hastened.
    not_before: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Effect {
    generation: u32,
    /// Under this key.
    sent: Option<(Value, Timestamp)>,
    /// It was answered for good.
    answered: Option<&'static str>,
    /// It may have happened, and nothing has told yet.
    maybe: bool,
    /// The last word was a refusal: a person may want it under another key.
    refused: bool,
    may_raise: bool,
    /// Another exchange did it.
    shared: bool,
    /// When the key was first used, or a person last said to try again.
    since: i64,
    /// Faults since then; when the first and the last of them came, and how long the call was held
    /// between them.
    faults: usize,
    first_fault: Option<i64>,
    last_fault: Option<(i64, Fault)>,
    held_ms: i64,
    /// A hold that has not been waited for to its end.
    holding: Option<(i64, i64)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Holder {
    Mine,
    Other,
    Done(String),
    Doubtful,
}

fn keyless(operation: &str) -> bool {
    ["book-carrier", "cancel-carrier"].contains(&operation) || unguarded(operation)
}

fn unguarded(operation: &str) -> bool {
    ["send-letter", "credit-invoice"].contains(&operation)
}

fn remembered_s(operation: &str) -> i64 {
    let honoured = ["authorise", "void-authorisation"].contains(&operation);
    if honoured { 3_600 } else { i64::MAX }
}

fn ms(seconds: i64) -> i64 {
    seconds * 1_000
}

impl<'a> Model<'a> {
    pub fn new(route: &'a Route) -> Model<'a> {
        Model {
            route,
            effects: BTreeMap::new(),
            done: Vec::new(),
            undoing: false,
            past_pivot: false,
            claims: BTreeMap::new(),
            unsettled: Vec::new(),
            has: BTreeMap::new(),
            spoken: Vec::new(),
            durable: 0,
            last_at: None,
            not_before: None,
        }
    }

    /// The step of a path.
    fn wanted(&self, path: &str) -> &'a Wanted {
        let name = path.trim_start_matches("undo:");
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        self.route.steps.iter().find(|step| step.name == name).expect("a step of the route")
    }

    fn effect(&mut self, path: &str) -> &mut Effect {
        self.effects.entry(path.to_owned()).or_default()
    }

    /// What a turn brought: outcomes from `outcomes` on, and the action.
    pub fn saw(&mut self, run: &Run, outcomes: usize, claims: usize) {
        for outcome in &run.outcomes[outcomes..] {
            assert!(self.last_at.is_none_or(|last| last <= outcome.at), "time runs backwards");
            self.last_at = Some(outcome.at);
            self.outcome(outcome);
        }
        self.unsettled.extend(run.claims[claims..].iter().cloned());
        let rides = match &run.action {
            Action::Call(call) => call.effect == Effect_::Query && !call.intent,
            Action::Find(_) => true,
            _ => false,
        };
        if !rides {
            self.durable = run.outcomes.len();
            self.settle();
        }
        match &run.action {
            Action::Call(call) => self.asked(call, run.now),
            Action::Wait { until, why } if why.starts_with("attempt ") => {
                self.not_before = Some(*until);
            }
            Action::End(end) => self.ended(end),
            _ => {}
        }
        if !matches!(run.action, Action::Wait { .. }) {
            self.not_before = None;
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        let path = outcome.path.clone();
        let ms_of = |at_: Timestamp| at_.duration_since(at(0)).as_millis() as i64;
        if let Some(effect) = self.effects.get_mut(&path) {
            effect.let_go(ms_of(outcome.at));
        }
        match &outcome.kind {
            OutcomeKind::Compensating { .. } => {
                assert!(!self.past_pivot, "taken back past the pivot");
                assert!(!self.undoing, "taken back twice");
                let maybe = self.effects.iter().find(|(_, effect)| effect.maybe);
                assert!(maybe.is_none(), "taken back in doubt: {maybe:?}");
                self.gave_up(&path);
                self.undoing = true;
                self.done.retain(|(_, wanted)| *wanted);
            }
            OutcomeKind::Throttled(held) => {
                self.effect(&path).holding = Some((ms_of(outcome.at), ms_of(held.until)));
            }
            OutcomeKind::InDoubt => {
                let effect = self.effect(&path);
                if effect.may_raise {
                    // Restored under the new key: it cannot know that it was not used yet.
                    let generation = effect.generation + 1;
                    *effect = Effect { generation, ..Effect::default() };
                }
                effect.maybe = true;
            }
            OutcomeKind::Edited { .. } => {
                let effect = self.effect(&path);
                assert!(!effect.maybe, "edited in doubt");
                effect.may_raise = true;
            }
            OutcomeKind::Excepted { fault: Some(_), .. } => self.gave_up(&path),
            OutcomeKind::SkippedFault { .. } => {
                self.gave_up(&path);
                assert_eq!(self.wanted(&path).on_fault, "skip");
                assert!(!self.effect(&path).maybe, "gone without in doubt");
            }
            OutcomeKind::UndoneByHand { .. } => self.undone(&path),
            _ => {}
        }
    }

    /// The exchange has taken `path`, an undo, for done.
    fn undone(&mut self, path: &str) {
        let (done, _) = self.done.pop().expect("something to take back");
        assert_eq!(format!("undo:{done}"), path, "not the newest");
    }

    fn asked(&mut self, call: &CallAction, now: i64) {
        let early = self.not_before.is_some_and(|due| at(now) < due);
        assert!(!early, "before its time: {call:?}");
        let (path, generation) = call.key.split_once('/').unwrap().1.rsplit_once('/').unwrap();
        assert_eq!(path, call.path);
        if call.effect == Effect_::Query && call.probe_of.is_none() {
            return;
        }
        let of = call.probe_of.as_deref().unwrap_or(&call.operation);
        assert_eq!(path.starts_with("undo:"), self.undoing, "{call:?}");
        assert_eq!(is_undo(of), self.undoing, "{call:?}");
        if self.undoing {
            let newest = self.done.last().map(|(done, _)| format!("undo:{done}"));
            assert_eq!(newest.as_deref(), Some(path), "not the newest first");
        }
        let wanted = self.wanted(path);
        let spent = wanted.on_fault != "retry" || self.undoing;
        let claim = self.has.get(path).cloned();
        let effect = self.effect(path);
        let generation: u32 = generation.parse().unwrap();
        if generation != effect.generation {
            assert!(effect.may_raise && !effect.maybe, "a new key: {call:?} {effect:?}");
            assert_eq!(generation, effect.generation + 1);
            *effect = Effect { generation, ..Effect::default() };
        }
        effect.may_raise = false;
        if call.probe_of.is_some() {
            assert!(effect.maybe, "a probe about what is not in doubt: {call:?}");
        }
        if effect.sent.is_none() {
            effect.since = effect.since.max(now);
        }
        let sent = effect.sent.get_or_insert((call.input.clone(), call.started_at));
        assert_eq!(*sent, (call.input.clone(), call.started_at), "one key, two bodies: {call:?}");
        assert!(effect.answered.is_none(), "asked again after its answer: {call:?}");
        assert!(!effect.shared, "another did it: {call:?}");
        if call.probe_of.is_some() {
            return;
        }
        assert!(!(effect.maybe && keyless(of)), "a blind repeat: {call:?}");
        assert!(
            !effect.maybe || now < effect.since.saturating_add(remembered_s(of)),
            "forgotten: {call:?}"
        );
        assert!(!spent || effect.faults < wanted.attempts, "more than the policy: {effect:?}");
        assert!(!spent || !effect.is_over(wanted), "after the policy's time: {effect:?}");
        assert!(effect.worth_it(wanted), "a fault that the policy does not name: {effect:?}");
        if wanted.once && !self.undoing {
            let claim = claim.unwrap_or_else(|| panic!("not claimed: {call:?}"));
            assert_eq!(self.claims.get(&claim), Some(&Holder::Mine), "{call:?}");
        }
    }

    pub fn answered(&mut self, call: &CallAction, json: &'static str) {
        let path = call.path.clone();
        if call.probe_of.is_some() && !json.contains("applied") {
            if json.contains("absent") {
                self.effect(&path).maybe = false;
            }
            return;
        }
        if call.effect == Effect_::Query && call.probe_of.is_none() {
            return;
        }
        let undoes = path.starts_with("undo:");
        let declined = undoes && !json.contains("cancelled");
        let effect = self.effect(&path);
        effect.maybe = false;
        effect.refused = declined;
        effect.answered = Some(json);
        if undoes && !declined {
            return self.undone(&path);
        }
        if !undoes {
            let wanted = self.wanted(&path);
            let number = json.contains("17");
            self.past_pivot |= wanted.pivot.is_some_and(|always| always || number);
            self.done.push((path, !wanted.undo_when || number));
        }
    }

    pub fn faulted(&mut self, call: &CallAction, fault: &Fault, now: i64) {
        let mutation = call.effect == Effect_::Mutation;
        let effect = self.effect(&call.path);
        effect.let_go(ms(now));
        if call.probe_of.is_some() || !mutation {
            return;
        }
        effect.faults += 1;
        effect.first_fault.get_or_insert(ms(now));
        effect.last_fault = Some((ms(now), fault.clone()));
        effect.refused = fault.retry == Retry::Never;
        effect.maybe |= fault.retry == Retry::OutcomeUnknown;
    }

    /// The wait for a limit ended before its time.
    pub fn hastened(&mut self) {
        self.not_before = None;
    }

    /// How many outcomes reach the disk when it stops now. A commit goes there as a whole; what is in
    /// it beside outcomes is told by all of them or by none.
    pub fn reaches(&mut self, outcomes: usize, luck: &mut Luck) -> usize {
        if self.unsettled.is_empty() {
            return self.durable + luck.below((outcomes - self.durable) as u64 + 1) as usize;
        }
        if luck.one_in(2) {
            return self.durable;
        }
        self.settle();
        outcomes
    }

    /// Only `left` outcomes reached the disk: what was answered since may be asked again.
    pub fn crashes(&mut self, run: &Run, left: usize) {
        self.has.clear();
        self.unsettled.clear();
        self.last_at = run.outcomes[..left].last().map(|outcome| outcome.at);
        if let Action::Call(call) = &run.action
            && call.effect == Effect_::Mutation
        {
            self.effect(&call.path).maybe = true;
        }
        for outcome in &run.outcomes[left..] {
            let known = self.effects.contains_key(&outcome.path);
            if let (OutcomeKind::Attempt { .. }, true) = (&outcome.kind, known) {
                let effect = self.effect(&outcome.path);
                effect.faults = effect.faults.saturating_sub(1);
                // Only the last of a step's faults is ever lost: what follows it does not wait.
                effect.last_fault = None;
                effect.refused = false;
            }
            if let (OutcomeKind::Answered { of, .. }, true) = (&outcome.kind, known) {
                let effect = self.effect(&outcome.path);
                if of.is_some() {
                    effect.shared = false;
                } else if effect.answered.take().is_some() {
                    effect.maybe = true;
                    let lost = self.done.pop();
                    assert_eq!(lost.map(|(path, _)| path).as_ref(), Some(&outcome.path));
                    // A pivot is a mutation, too, and it counts once its answer is on disk.
                    if self.wanted(&outcome.path).pivot.is_some() {
                        self.past_pivot = false;
                    }
                }
            }
        }
        self.not_before = None;
    }

    pub fn decides(&mut self, run: &Run, exception: &Exception, event: &Event) {
        let path = exception.step.clone();
        match event {
            Event::Retry { .. } => {
                if exception.class == "in-doubt" && exception.code == "once" {
                    self.spoken.push(path.clone());
                }
                let now = run.now;
                let effect = self.effect(&path);
                effect.may_raise |= effect.refused && !effect.maybe;
                effect.refused = false;
                effect.since = now;
                effect.faults = 0;
                effect.first_fault = None;
                effect.last_fault = None;
                effect.held_ms = 0;
                let called = run.exchange.plan().steps.iter().find_map(|step| match &step.kind {
                    Kind::Call(call) if step.name == self.wanted_name(&path) => Some(call),
                    _ => None,
                });
                let Some(call) = called else { return };
                let operation = match path.starts_with("undo:") {
                    true => call.undo.as_ref().map_or("", |u| &u.operation.operation.name),
                    false => &call.operation.operation.name,
                };
                let unguarded = unguarded(operation);
                let effect = self.effect(&path);
                if unguarded {
                    effect.maybe = false;
                }
                if effect.answered.is_some_and(|json| json.contains("outcome")) {
                    // A no of an undo; another key may ask again.
                    effect.answered = None;
                    effect.may_raise = true;
                }
            }
            Event::Compensate { .. } if self.undoing => {
                // By hand: whatever was in doubt about it is settled.
                self.effect(&path).maybe = false;
            }
            _ => {}
        }
    }

    /// A policy that gave up did so for a reason that the model sees, too.
    fn gave_up(&mut self, path: &str) {
        if path.starts_with("undo:") {
            return;
        }
        let wanted = self.wanted(path);
        let effect = self.effect(path);
        let Some((_, fault)) = &effect.last_fault else { return };
        let spent = effect.faults >= wanted.attempts || fault.retry == Retry::Never;
        let reason = spent || effect.maybe || effect.is_over(wanted) || !effect.worth_it(wanted);
        assert!(reason, "given up too early: {path} {effect:?}");
    }

    fn wanted_name(&self, path: &str) -> &'a str {
        &self.wanted(path).name
    }

    /// Who has it, as a journal with other exchanges in it would say.
    pub fn claimed(&mut self, asked: &ClaimAction, luck: &mut Luck, good: bool) -> Claim {
        assert!(!self.undoing, "claimed on the way back");
        let other = ExchangeId(7);
        let key = (asked.scope.clone(), asked.key.clone());
        let mut holder = self.claims.get(&key).cloned();
        if asked.over.is_some() {
            assert!(self.spoken.contains(&asked.path), "set aside without a word: {asked:?}");
            if holder == Some(Holder::Doubtful) {
                holder = Some(Holder::Mine);
            }
        }
        let holder = match holder {
            Some(Holder::Other) => match if good { 0 } else { luck.below(6) } {
                0 => Holder::Done(r#"{"number":"99"}"#.to_owned()),
                1 => Holder::Mine,
                2 => Holder::Doubtful,
                _ => Holder::Other,
            },
            Some(holder) => holder,
            None if !good && luck.one_in(3) => Holder::Other,
            None => Holder::Mine,
        };
        self.claims.insert(key.clone(), holder.clone());
        match holder {
            Holder::Mine => {
                self.has.insert(asked.path.clone(), key);
                Claim::Mine
            }
            Holder::Other => Claim::Held { exchange: other },
            Holder::Done(value) => {
                self.effect(&asked.path).shared = true;
                Claim::Done { exchange: other, value }
            }
            Holder::Doubtful => Claim::Doubtful { exchange: other },
        }
    }

    /// As the journal does it: an exchange settles its own claims only.
    fn settle(&mut self) {
        for settled in std::mem::take(&mut self.unsettled) {
            let key = (settled.scope, settled.key);
            match settled.value {
                Some(value) => {
                    let value = value.text().to_owned();
                    let before = self.claims.insert(key, Holder::Done(value));
                    assert_eq!(before, Some(Holder::Mine), "it settles what it did not have");
                }
                None => {
                    let others = |value: &str| value.contains("99");
                    let own = match self.claims.get(&key) {
                        Some(Holder::Mine) => true,
                        Some(Holder::Done(value)) => self.undoing && !others(value),
                        _ => false,
                    };
                    if own {
                        self.claims.remove(&key);
                    }
                }
            }
        }
    }

    fn ended(&mut self, end: &End) {
        match end {
            End::Discarded => {}
            End::Undone | End::Refused(_) if self.undoing => {
                assert!(self.done.is_empty(), "ended {end} with {:?} left", self.done);
            }
            End::Undone | End::Refused(_) if self.route.saga => {
                let left = self.done.iter().any(|(_, wanted)| *wanted);
                assert!(!left, "ended {end} without taking back {:?}", self.done);
            }
            _ => assert!(!self.undoing, "ended {end} on the way back"),
        }
        // What may have happened is never simply over, unless a person gave it up.
        if *end != End::Discarded {
            let maybe = self.effects.iter().find(|(_, effect)| effect.maybe);
            assert!(maybe.is_none(), "ended {end} in doubt: {maybe:?}");
            let mine = self.claims.values().any(|holder| *holder == Holder::Mine);
            assert!(!mine, "ended {end} with a claim that nobody can have: {:?}", self.claims);
        }
    }
}

impl Effect {
    /// No attempt begins so long after the first fault; time held does not count.
    fn is_over(&self, wanted: &Wanted) -> bool {
        let (Some(total), Some(first), Some((last, fault))) =
            (wanted.total, self.first_fault, &self.last_fault)
        else {
            return false;
        };
        let backoff = 2_000 << (self.faults - 1);
        let wait = match fault.retry {
            Retry::RefreshAuth if self.faults == 1 => 0,
            Retry::Later { after_ms: Some(after_ms) } => backoff.max(after_ms as i64),
            _ => backoff,
        };
        last + wait - first - self.held_ms > total
    }

    fn worth_it(&self, wanted: &Wanted) -> bool {
        self.last_fault.as_ref().is_none_or(|(_, fault)| {
            let fresh = fault.retry == Retry::RefreshAuth && self.faults == 1;
            !wanted.only_5xx || fresh || fault.status.is_some_and(|status| status / 100 == 5)
        })
    }

    fn let_go(&mut self, now_ms: i64) {
        if let (Some((from, until)), true) = (self.holding.take(), self.first_fault.is_some()) {
            self.held_ms += until.min(now_ms) - from;
        }
    }
}

use crate::Effect as Effect_;
