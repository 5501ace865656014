//! A question that is asked until its answer is the awaited one. Answers before that are not
//! outcomes: like a missing link, they leave nothing behind but a wait.

use contract::Value;

use super::advance::Draft;
use super::{Action, Exchange, class};
use crate::retry::later;
use crate::with::evaluate;

impl Exchange {
    /// Whether the answer is not the one that the step awaits; then what follows is decided.
    pub(super) fn awaits_another(&mut self, answer: &Value, draft: &mut Draft) -> bool {
        let plan = self.plan.clone();
        let Some(step) = plan.steps.get(self.at) else { return false };
        let (Some(until), Some(slot)) = (&step.until, step.slot) else { return false };
        self.slots[slot] = answer.clone();
        let held = evaluate(&until.holds, &self.slots, step.line);
        let deadline = later(self.progress.since, until.within_ms);
        let over = draft.now >= deadline;
        let told = over.then(|| evaluate(&until.message, &self.slots, step.line));
        self.slots[slot] = Value::Null;
        let trouble = match (held, told) {
            (Ok(Value::Bool(true)), _) => return false,
            (Ok(_), None) => {
                let until_at = later(draft.now, until.every_ms).min(deadline);
                let why = format!("not yet: {} is asked again", step.name);
                self.under_way = Some(Action::Wait { until: until_at, why });
                return true;
            }
            (Ok(_), Some(Ok(message))) => {
                let message = message.as_str().unwrap_or(&until.code).to_owned();
                self.except(&until.code, &until.code, message, None, draft);
                return true;
            }
            (Err(trouble), _) | (_, Some(Err(trouble))) => trouble,
        };
        let message = format!("{} {trouble}", self.plan.file);
        self.except(class::MAPPING, class::MAPPING, message, None, draft);
        true
    }
}
