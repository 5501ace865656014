//! A person sets the message right: from here on expressions read the new one, and the failed step
//! runs again under a new key. Never while a call may have taken effect with the old message, and
//! never so that what an `each` has already done would have been something else.

use contract::Value;

use super::advance::Draft;
use super::apply::{Change, RestoreError, read, unreadable};
use super::progress::Standing;
use super::{Exchange, Json, OutcomeKind, class};
use crate::plan::MessageType;
use crate::with::evaluate;
use crate::{links, scope};

/// Why a message stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditRefused {
    #[error("nobody is asked about it now")]
    NotExcepted,
    #[error("it is what a system sent, not translated yet")]
    Raw,
    #[error("a call with the message as it is may have taken effect: find out, then retry")]
    InDoubt,
    #[error("what it did is being taken back")]
    Undoing,
    #[error("elements that are done already would be others")]
    Done,
}

impl Exchange {
    /// Whether its message may be edited at all.
    pub fn may_edit(&self) -> Result<(), EditRefused> {
        let Standing::Excepted(exception) = &self.standing else {
            return Err(EditRefused::NotExcepted);
        };
        if self.envelope.raw {
            return Err(EditRefused::Raw);
        }
        if self.undo.is_some() {
            return Err(EditRefused::Undoing);
        }
        let doubt = self.progress.in_doubt || self.progress.intended;
        match doubt || exception.class == class::IN_DOUBT {
            true => Err(EditRefused::InDoubt),
            false => Ok(()),
        }
    }

    /// Whether it may become this one.
    pub fn may_become(&self, message: &Value) -> Result<(), EditRefused> {
        self.may_edit()?;
        let done = self.progress.results.len();
        let (Some(step), true) = (self.plan.steps.get(self.at), done > 0) else { return Ok(()) };
        let (Some(each), Some(before)) = (&step.each, &self.progress.elements) else {
            return Ok(());
        };
        let mut slots = self.slots.clone();
        slots[scope::MESSAGE] = message.clone();
        match evaluate(&each.list, &slots, step.line) {
            Ok(Value::List(after)) if after.len() > done && after[..done] == before[..done] => {
                Ok(())
            }
            _ => Err(EditRefused::Done),
        }
    }

    pub(super) fn on_edit(&mut self, message: Value, by: String, why: String, draft: &mut Draft) {
        if self.may_become(&message).is_err() {
            return;
        }
        draft.links.extend(links(&message));
        // By another message it may be another key.
        self.release_claim(draft);
        // The same key never has two bodies.
        let generation = self.progress.generation + 1;
        let kind = OutcomeKind::Edited { message: Json::of(&message), by, why, generation };
        self.write(kind, Change::Edited(message, generation), draft);
    }

    pub(super) fn edited(&mut self, message: Value) {
        self.slots[scope::MESSAGE] = message.clone();
        self.messages.push(std::mem::replace(&mut self.envelope.message, message));
        // They follow from the message.
        self.progress.elements = None;
    }

    pub(super) fn read_message(&self, json: &Json, sequence: u32) -> Result<Value, RestoreError> {
        match &self.plan.message {
            MessageType::Typed(ty) => read(ty, json, sequence),
            MessageType::Any => contract::json::read_dyn(json.text().as_bytes())
                .map_err(|violations| unreadable(&violations, sequence)),
        }
    }
}
