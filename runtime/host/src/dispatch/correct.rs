//! What a person sets right: the word on an effect in doubt. Checked against the contracts, while
//! nobody else has the exchange.

use std::sync::Arc;

use contract::json::Violation;
use route::{Event, ExchangeId};
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

fn wrong(what: &'static str, violations: Vec<Violation>) -> ResumeError {
    ResumeError::Violations { what, violations }
}
