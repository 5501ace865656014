//! The audit trail over the admin API: listed, and its chain recomputed.

use http::StatusCode;
use journal::{AuditFilter, AuditHead, AuditVerdict, StoredAudit};
use serde_json::{Value, json};

use super::{Admin, Query, unreadable};
use crate::clock;
use crate::ingress::problem::{Answer, Problem, json_answer};

impl Admin {
    pub(super) async fn audit(&self, query: &Query) -> Result<Answer, Problem> {
        let number = |name: &str| match query.get(name) {
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| bad(name, text, "a number")),
            None => Ok(None),
        };
        let filter = AuditFilter {
            target: query.get("target").map(str::to_owned),
            by: query.get("by").map(str::to_owned),
            action: query.get("action").map(str::to_owned),
            since_ms: number("since_ms")?.unwrap_or(0),
            before: number("before")?,
            limit: query.limit(),
        };
        let found =
            self.dispatch.journal.audit(filter).await.map_err(|error| unreadable(&error))?;
        let entries: Vec<Value> = found.iter().map(entry).collect();
        let next = found.last().map(|last| last.sequence).filter(|_| found.len() >= query.limit());
        Ok(json_answer(StatusCode::OK, &json!({ "entries": entries, "next": next })))
    }

    /// 200 with the verdict, also of a broken chain: `broken` says where.
    pub(super) async fn verify_audit(&self, query: &Query) -> Result<Answer, Problem> {
        let noted = match query.get("from") {
            Some(text) => Some(text.parse::<AuditHead>().map_err(|_| {
                bad("from", text, "SEQUENCE:HASH, the `head` of an earlier verification")
            })?),
            None => None,
        };
        let verdict = self.dispatch.journal.verify_audit_from(noted).await;
        Ok(json_answer(
            StatusCode::OK,
            &self::verdict(&verdict.map_err(|error| unreadable(&error))?),
        ))
    }
}

pub fn entry(found: &StoredAudit) -> Value {
    let audit = &found.audit;
    json!({
        "sequence": found.sequence,
        "at": clock::from_ms(audit.at_ms).to_string(),
        "by": audit.by,
        "action": audit.action,
        "target": audit.target,
        "why": audit.why,
        "detail": serde_json::from_str(&audit.detail).unwrap_or(Value::Null),
        "hash": found.hash.to_string(),
    })
}

pub fn verdict(verdict: &AuditVerdict) -> Value {
    json!({
        "entries": verdict.entries,
        "base": verdict.base.to_string(),
        "head": verdict.head.to_string(),
        "broken": verdict.broken.as_ref().map(|broken| {
            json!({ "sequence": broken.sequence, "reason": broken.reason })
        }),
    })
}

fn bad(name: &str, value: &str, expected: &str) -> Problem {
    let detail = format!("`{name}` is `{value}`; it must be {expected}.");
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", "A parameter is wrong", detail)
}
