//! `once`: one effect by a business key, whichever exchange comes first. Before its effect is asked
//! for, the exchange claims the key in the journal; the answer stays with the claim, and who comes
//! later has that answer instead of an effect of its own.

use super::advance::Draft;
use super::apply::{Change, read};
use super::{Action, Exchange, Json, OutcomeKind, class};
use crate::ExchangeId;
use crate::plan::key_text;
use crate::retry::later;
use crate::step::Kind;
use crate::with::{Trouble, evaluate};

/// Who has a claim, as the journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This exchange.
    Mine,
    /// It is done: the answer as JSON.
    Done { exchange: ExchangeId, value: String },
    /// Another is at it.
    Held { exchange: ExchangeId },
    /// Another was at it and was given up, and nobody knows whether it took effect.
    Doubtful { exchange: ExchangeId },
}

/// Answer with `Claimed`. The claim is on disk before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimAction {
    pub path: String,
    /// `alias.operation`.
    pub scope: String,
    pub key: String,
    /// A person set this exchange's claim aside.
    pub over: Option<ExchangeId>,
}

/// What came of an exchange's own claim, for the commit of the outcome that says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    pub scope: String,
    pub key: String,
    /// None: another may have it.
    pub value: Option<Json>,
}

/// The code of an exception about another's claim.
pub(super) const CODE: &str = "once";
/// A claim that another holds is asked for again after half the time that it was waited for.
const PAUSE_MS_MIN: i128 = 1_000;
const PAUSE_MS_MAX: i128 = 60_000;

impl Exchange {
    /// The claim to make before the call of the step, if it wants one that it does not have.
    pub(super) fn claim(&mut self) -> Result<Option<Action>, Trouble> {
        if self.progress.claimed {
            return Ok(None);
        }
        let Some((scope, key)) = self.once()? else { return Ok(None) };
        let action = Action::Claim(ClaimAction { path: self.path(), scope, key, over: None });
        self.under_way = Some(action.clone());
        Ok(Some(action))
    }

    pub(super) fn on_claimed(&mut self, claim: Claim, draft: &mut Draft) {
        let Some(Action::Claim(asked)) = self.under_way.clone() else { return };
        match claim {
            Claim::Mine => {
                self.progress.claimed = true;
                self.under_way = None;
            }
            Claim::Done { exchange, value } => self.share(exchange, value, draft),
            Claim::Held { exchange } => {
                let waited = draft.now.duration_since(self.progress.since).as_millis().max(0);
                let pause_ms = (waited / 2).clamp(PAUSE_MS_MIN, PAUSE_MS_MAX) as u64;
                let why = format!("once: exchange {exchange} is at it");
                self.under_way = Some(Action::Wait { until: later(draft.now, pause_ms), why });
            }
            // A person has said that it is to be done all the same.
            Claim::Doubtful { exchange } if self.progress.sets_aside && asked.over.is_none() => {
                self.under_way = Some(Action::Claim(ClaimAction { over: Some(exchange), ..asked }));
            }
            Claim::Doubtful { exchange } => {
                let message = format!(
                    "exchange {exchange} was given up while nobody knew whether it had taken effect"
                );
                self.except(class::IN_DOUBT, CODE, message, None, draft);
            }
        }
    }

    /// Another did it: its answer is this step's too.
    fn share(&mut self, exchange: ExchangeId, value: String, draft: &mut Draft) {
        let Some(call) = self.call() else { return };
        let ty = call.operation.operation.output.clone();
        let json = serde_json::from_str::<Json>(&value);
        let read = json
            .map_err(|error| error.to_string())
            .and_then(|json| read(&ty, &json, self.sequence).map_err(|error| error.to_string()));
        match read {
            Ok(value) => {
                let of = Some(exchange.to_string());
                let kind = OutcomeKind::Answered { value: Json::of(&value), probed: false, of };
                self.write(kind, Change::Shared(value), draft);
            }
            Err(reason) => {
                let message = format!("the answer that exchange {exchange} had: {reason}");
                self.except(class::MAPPING, CODE, message, None, draft);
            }
        }
    }

    /// Scope and key of the step under way, or of the effect that is being taken back.
    pub(super) fn once(&self) -> Result<Option<(String, String)>, Trouble> {
        let (step, slots) = match self.undoing() {
            Some(effect) => {
                let step = &self.plan.steps[effect.step];
                (step, self.slots_of(step, effect)?)
            }
            None if self.envelope.raw => return Ok(None),
            None => match self.plan.steps.get(self.at) {
                Some(step) => (step, self.slots.clone()),
                None => return Ok(None),
            },
        };
        let Kind::Call(call) = &step.kind else { return Ok(None) };
        let Some(program) = &call.once else { return Ok(None) };
        let mut slots = slots;
        if let (None, Some(each), Some(elements)) =
            (self.undoing(), &step.each, &self.progress.elements)
        {
            let element = elements.get(self.progress.results.len());
            slots[each.slot] = element.cloned().unwrap_or(contract::Value::Null);
        }
        match key_text(&evaluate(program, &slots, step.line)?) {
            Some(key) => {
                let operation = &call.operation.operation.name;
                Ok(Some((format!("{}.{operation}", call.connector), key)))
            }
            None => Err(Trouble {
                line: step.line,
                reason: "`once` gives no key: an absent or empty one identifies nothing".to_owned(),
            }),
        }
    }

    /// It did not take effect, or not any more: another may do it.
    pub(super) fn release_claim(&mut self, draft: &mut Draft) {
        if let Ok(Some((scope, key))) = self.once() {
            draft.claims.push(Settled { scope, key, value: None });
        }
    }

    /// It took effect, with this answer.
    pub(super) fn settle_claim(&mut self, value: &Json, draft: &mut Draft) {
        if let Ok(Some((scope, key))) = self.once() {
            draft.claims.push(Settled { scope, key, value: Some(value.clone()) });
        }
    }
}
