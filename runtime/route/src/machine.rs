//! The exchange: a message on its way along a route. What it has done is a list of outcomes; from
//! (route version, message, outcomes) everything else follows, so a restart goes on where it was.
//! Outcomes are appended, never rewritten. The machine acts on nothing: it says what to do next.

mod action;
mod advance;
mod apply;
mod awaited;
mod call;
mod carry;
mod claim;
mod difference;
mod drive;
mod edit;
mod event;
mod held;
mod outcome;
mod payload;
mod progress;
mod recorded;
mod rehearse;
mod settle;
mod undo;

use std::sync::Arc;

use contract::Value;
use jiff::Timestamp;

pub use action::{Action, CallAction, Exception, FindAction, Task, class};
pub use apply::RestoreError;
pub use carry::CarryError;
pub use claim::{Claim, ClaimAction, Settled};
pub use edit::EditRefused;
pub use event::{Advance, Decision, Event, Linked};
pub use held::{Held, HeldBy, Waited};
pub use outcome::{End, Item, Json, Outcome, OutcomeKind, ProbeAnswer};
pub use payload::without_payload;
pub use recorded::Original;
pub use rehearse::{Difference, Rehearsal, RehearseError, Seen, Verdict, What, rehearse};
pub use undo::CompensateRefused;

use crate::plan::key_text;
use crate::{Envelope, ExchangeId, Plan, Source, scope};
use progress::{Progress, Standing};
use undo::{Effected, Undoing};

/// The path of the call that translates what a source sent.
pub const SOURCE_PATH: &str = "source";
/// The path of the outcome after the last step.
pub const END_PATH: &str = "end";
/// Steps are counted in 32 bits in outcomes.
pub const STEP_MAX: u32 = u32::MAX;
/// Elements that one `each` runs over.
pub const EACH_MAX: usize = 10_000;
/// How often a probe is asked about one call before a person is.
pub const PROBES_MAX: u32 = 10;

/// Cheap to drop and to restore; holds no resource.
#[derive(Clone, Debug)]
pub struct Exchange {
    id: ExchangeId,
    plan: Arc<Plan>,
    envelope: Envelope,
    /// What the keys of its calls begin with.
    key_root: String,
    /// What expressions read.
    slots: Vec<Value>,
    /// By step, those that have run and have a result.
    results: Vec<Option<Value>>,
    /// Effects that happened by its asking, in their order.
    effects: Vec<Effected>,
    /// The messages before each edit.
    messages: Vec<Value>,
    /// Set once it takes its effects back.
    undo: Option<Undoing>,
    /// Of the next outcome.
    sequence: u32,
    /// Of the last outcome; time never runs backwards for an exchange.
    last_at: Timestamp,
    /// The step under way.
    at: usize,
    progress: Progress,
    standing: Standing,
    /// What was asked for and not answered yet. Not journalled: gone after a restart.
    under_way: Option<Action>,
    /// Restored, and nothing has come of it since: a call may have been under way when it stopped.
    resumed: bool,
}

impl Exchange {
    pub fn start(id: ExchangeId, plan: Arc<Plan>, envelope: Envelope) -> Exchange {
        let slots = plan.first_slots(id, &envelope);
        let received_at = envelope.received_at;
        Exchange {
            id,
            key_root: key_root(id, &plan, &envelope),
            slots,
            results: vec![None; plan.steps.len()],
            effects: Vec::new(),
            messages: Vec::new(),
            undo: None,
            sequence: 0,
            last_at: received_at,
            at: 0,
            progress: Progress::new(received_at),
            standing: Standing::Ready,
            under_way: None,
            resumed: false,
            plan,
            envelope,
        }
    }

    /// As it was when the last of these outcomes was written. Advance it with `Event::Resume`, or
    /// with what it was waiting for.
    pub fn restore(
        id: ExchangeId,
        plan: Arc<Plan>,
        envelope: Envelope,
        outcomes: &[Outcome],
    ) -> Result<Exchange, RestoreError> {
        let mut exchange = Exchange::start(id, plan, envelope);
        for outcome in outcomes {
            exchange.replay(outcome)?;
        }
        exchange.resumed = true;
        Ok(exchange)
    }

    /// Takes over an outcome that another exchange has written, before anything else is done. Unlike
    /// one that is restored, the exchange itself has called nothing.
    pub fn carry_over(&mut self, outcome: &Outcome) -> Result<(), RestoreError> {
        self.replay(outcome)?;
        // They are the other's to take back.
        self.effects.clear();
        Ok(())
    }

    pub fn id(&self) -> ExchangeId {
        self.id
    }

    pub(crate) fn slots(&self) -> &[Value] {
        &self.slots
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What the keys of its calls begin with: its own id, the caller's key where nothing is journalled
    /// before its effect, or the root of the exchange that it repeats under the same keys.
    pub fn key_root(&self) -> &str {
        &self.key_root
    }

    /// The step under way; none once all have run.
    pub fn step(&self) -> Option<usize> {
        (self.at < self.plan.steps.len()).then_some(self.at)
    }

    /// Set while the call that comes next was held back and has not been made yet.
    pub fn waited(&self) -> Option<&Waited> {
        self.progress.waited.as_ref()
    }

    /// Set once it is over.
    pub fn end(&self) -> Option<&End> {
        match &self.standing {
            Standing::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// The result of a step that has run; the list of results for an `each`.
    pub fn result_of(&self, step: usize) -> Option<&Value> {
        self.results.get(step)?.as_ref()
    }

    /// The business keys whose expressions have all they need by now, by name. One that fails or is
    /// absent is left out.
    pub fn keys(&self) -> Vec<(String, String)> {
        if self.envelope.raw {
            return Vec::new();
        }
        let known = |slot: &usize| *slot < scope::FIRST || self.has_run(*slot);
        self.plan
            .keys
            .iter()
            .filter(|(_, program)| program.slots_used().iter().all(known))
            .filter_map(|(name, program)| {
                let value = program.evaluate(&self.slots).ok()?;
                Some((name.clone(), key_text(&value)?))
            })
            .collect()
    }

    fn has_run(&self, slot: usize) -> bool {
        self.plan.steps[..self.at.min(self.plan.steps.len())]
            .iter()
            .any(|step| step.slot == Some(slot))
    }

    /// `tax`, or `tax[3]` inside an `each`; `undo:tax[3]` on the way back.
    fn path(&self) -> String {
        if self.undo.is_some() {
            let undoing = self.undoing();
            return undoing
                .map_or(END_PATH.to_owned(), |effect| format!("undo:{}", self.name_of(effect)));
        }
        match self.plan.steps.get(self.at) {
            _ if self.envelope.raw => SOURCE_PATH.to_owned(),
            None => END_PATH.to_owned(),
            Some(step) => self.path_of(step),
        }
    }

    /// The step that an outcome is of.
    fn step_under_way(&self) -> usize {
        self.undoing().map_or(self.at, |effect| effect.step)
    }

    fn path_of(&self, step: &crate::Step) -> String {
        let repeats = step.each.is_some() && matches!(step.kind, crate::Kind::Call(_));
        match self.progress.elements.as_ref().is_some_and(|elements| elements.is_empty()) {
            false if repeats => format!("{}[{}]", step.name, self.progress.results.len()),
            _ => step.name.clone(),
        }
    }
}

/// `{exchange}`, or what the caller calls the message where nothing is journalled before its effect:
/// a caller who asks again is then a new exchange that does the same.
fn key_root(id: ExchangeId, plan: &Plan, envelope: &Envelope) -> String {
    if let Some(keys) = envelope.replay.as_ref().and_then(|replay| replay.keys.as_ref()) {
        return keys.root.clone();
    }
    let durable = match &plan.source {
        Source::Http(http) => http.durable,
        _ => true,
    };
    if durable {
        return id.to_string();
    }
    match plan.source_key(envelope) {
        Ok(Some(key)) => format!("{}/{key}", plan.name),
        _ => id.to_string(),
    }
}
