//! What a person sets right: the message, or the word on an effect in doubt. Checked against the contracts, while
//! nobody else has the exchange.

use std::sync::Arc;

use contract::json::Violation;
use route::{Event, ExchangeId, MessageType};
use serde_json::Value;

use super::Dispatch;
use super::resume::ResumeError;

impl Dispatch {
    /// The effect in doubt happened, with this result; or (none) it did not, and the call is made
    /// again under its key.
    pub async fn settle_exception(
        self: &Arc<Self>,
        id: ExchangeId,
        result: Option<Value>,
        by: &str,
        why: &str,
    ) -> Result<(), ResumeError> {
        let action = if result.is_some() { "settle-applied" } else { "settle-absent" };
        let (by_text, why_text) = (by.to_owned(), why.to_owned());
        self.close_exception(id, by, why, action, move |begun| {
            let output = begun.exchange.doubtful_output().ok_or(ResumeError::NotInDoubt(id))?;
            let value = match result {
                None => None,
                Some(result) => {
                    let read = contract::json::read(output, result.to_string().as_bytes());
                    Some(read.map_err(|violations| wrong("result of this operation", violations))?)
                }
            };
            Ok(Event::Settle { value, by: by_text, why: why_text })
        })
        .await
    }
}

impl Dispatch {
    /// Goes on with another message. It was made on a `revision` of the exchange: of two edits at
    /// the same time, the second is refused. A mask in it stands for what it hides.
    pub async fn edit_exception(
        self: &Arc<Self>,
        id: ExchangeId,
        message: Value,
        revision: u32,
        by: &str,
        why: &str,
    ) -> Result<(), ResumeError> {
        let (by_text, why_text) = (by.to_owned(), why.to_owned());
        let mask = self.mask().clone();
        self.close_exception(id, by, why, "edit", move |begun| {
            let exchange = &begun.exchange;
            if exchange.revision() != revision {
                return Err(ResumeError::Changed(id));
            }
            let before = contract::json::write(&exchange.envelope().message);
            let before = serde_json::from_str(&before).unwrap_or_default();
            let mut message = message;
            let lost = mask.restore(&mut message, &before);
            if !lost.is_empty() {
                return Err(ResumeError::Masked { pointers: lost });
            }
            let text = message.to_string();
            let read = match &begun.version.plan.message {
                MessageType::Typed(ty) => contract::json::read(ty, text.as_bytes()),
                MessageType::Any => contract::json::read_dyn(text.as_bytes()),
            };
            let message = read.map_err(|found| wrong("message of this route", found))?;
            Ok(Event::Edit { message, by: by_text, why: why_text })
        })
        .await
    }
}

fn wrong(what: &'static str, violations: Vec<Violation>) -> ResumeError {
    ResumeError::Violations { what, violations }
}
