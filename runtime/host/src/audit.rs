//! Entries of the audit trail, made in one place: who, which action, on what, why. They ride in the
//! commit of what they tell of, and never hold a payload or a secret.

use journal::Record;

use crate::clock;

/// `action` is a word like `exception.retry`, `target` the exchange as shown or `route NAME`.
pub fn record(
    by: &str,
    action: &str,
    target: impl ToString,
    why: &str,
    detail: &serde_json::Value,
) -> Record {
    Record::Audit(journal::Audit {
        at_ms: clock::now_ms(),
        by: by.to_owned(),
        action: action.to_owned(),
        target: target.to_string(),
        why: why.to_owned(),
        detail: detail.to_string(),
    })
}
