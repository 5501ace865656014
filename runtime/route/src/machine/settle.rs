//! A person knows what became of an effect that is in doubt: it happened, with this result, or it did
//! not. Their word stands for the answer that never came.

use contract::{Type, Value};
use jiff::Timestamp;

use super::advance::Draft;
use super::apply::Change;
use super::progress::Standing;
use super::undo::undone;
use super::{Exchange, Json, OutcomeKind, class};
use crate::links;

impl Exchange {
    /// What the result of the call in doubt must be; none where nothing is in doubt.
    pub fn doubtful_output(&self) -> Option<&Type> {
        let Standing::Excepted(exception) = &self.standing else { return None };
        if exception.class != class::IN_DOUBT {
            return None;
        }
        let call = self.call()?;
        Some(&call.operation.operation.output)
    }

    /// How many outcomes it has: whoever decides on what they saw names it.
    pub fn revision(&self) -> u32 {
        self.sequence
    }

    pub(super) fn on_settle(
        &mut self,
        value: Option<Value>,
        by: String,
        why: String,
        draft: &mut Draft,
    ) {
        if self.doubtful_output().is_none() {
            return;
        }
        let kind = OutcomeKind::Settled { value: value.as_ref().map(Json::of), by, why };
        match value {
            Some(value) => {
                draft.links.extend(links(&value));
                match &self.undo {
                    None => self.settle_claim(&Json::of(&value), draft),
                    Some(_) if undone(&value) => self.release_claim(draft),
                    Some(_) => {}
                }
                self.write(kind, Change::Answered(value), draft);
            }
            None => self.write(kind, Change::SettledAbsent, draft),
        }
    }

    /// Nothing took effect: the call is made again, under its key, as if for the first time.
    pub(super) fn settled_absent(&mut self, at: Timestamp) {
        let progress = &mut self.progress;
        progress.in_doubt = false;
        progress.intended = false;
        progress.since = at;
        progress.spent = 0;
        progress.first_fault_at = None;
        progress.last_fault = None;
        progress.probes = 0;
        self.standing = Standing::Ready;
    }
}
