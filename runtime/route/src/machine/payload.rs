//! An outcome without its payload: what retention leaves of it. Which step, when and how it went
//! stays; what was said does not. It is told by an allow-list, so that a field added later goes too.

use serde_json::{Map, Value};

/// Members of an outcome's kind that are words of the route or of people's decisions, not of
/// messages.
const KEPT: [&str; 22] = [
    "action",
    "answer",
    "at",
    "attempt",
    "by",
    "class",
    "code",
    "due_at",
    "end",
    "fault",
    "generation",
    "limit",
    "probed",
    "reason",
    "refused",
    "retry",
    "role",
    "sequence",
    "status",
    "step",
    "topic",
    "until",
];
/// `end = { refused = .. }` inside `ended`, `fault` inside `attempt`.
const DEPTH_MAX: usize = 3;

/// The stored body of an outcome, emptied. It is no longer an outcome that a machine could be
/// restored from; `dropped` says so.
pub fn without_payload(body: &str) -> String {
    let mut kept = Map::new();
    if let Ok(Value::Object(outcome)) = serde_json::from_str(body) {
        for (name, value) in outcome {
            match name.as_str() {
                "sequence" | "at" | "step" | "path" => drop(kept.insert(name, value)),
                "kind" => {
                    let kind = match value {
                        Value::Object(kind) => {
                            kind.into_iter().map(|(kind, of)| (kind, skeleton(of, 1))).collect()
                        }
                        word => word,
                    };
                    kept.insert(name, kind);
                }
                _ => {}
            }
        }
    }
    kept.insert("dropped".to_owned(), true.into());
    Value::from(kept).to_string()
}

fn skeleton(value: Value, depth: usize) -> Value {
    match value {
        Value::Object(members) if depth < DEPTH_MAX => members
            .into_iter()
            .filter(|(name, value)| KEPT.contains(&name.as_str()) && !value.is_array())
            .map(|(name, value)| {
                (name, if value.is_object() { skeleton(value, depth + 1) } else { value })
            })
            .collect(),
        _ => Value::Object(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, expected: &str) {
        let outcome = format!(
            r#"{{"sequence":3,"at":"2026-11-22T10:00:00Z","step":1,"path":"tax[2]","kind":{kind}}}"#
        );
        let left: Value = serde_json::from_str(&without_payload(&outcome)).unwrap();
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(left["kind"], expected);
        assert_eq!((&left["sequence"], &left["path"]), (&3.into(), &"tax[2]".into()));
        assert_eq!(left["dropped"], true);
    }

    #[test]
    fn what_was_said_goes_and_how_it_went_stays() {
        check(r#""skipped""#, r#""skipped""#);
        check(
            r#"{"answered":{"value":{"code":"Ada Lovelace"},"probed":true}}"#,
            r#"{"answered":{"probed":true}}"#,
        );
        check(
            r#"{"published":{"topic":"orders.accepted","events":[{"id":"SO-1"}]}}"#,
            r#"{"published":{"topic":"orders.accepted"}}"#,
        );
        check(
            r#"{"attempt":{"attempt":2,"fault":{"retry":"never","code":"5xx","message":"Ada is unknown"}}}"#,
            r#"{"attempt":{"attempt":2,"fault":{"retry":"never","code":"5xx"}}}"#,
        );
        check(
            r#"{"decided":{"answer":"approve","by":"ada","note":"she called","at":"2026-11-22T10:00:00Z"}}"#,
            r#"{"decided":{"answer":"approve","by":"ada","at":"2026-11-22T10:00:00Z"}}"#,
        );
        check(
            r#"{"ended":{"end":{"refused":"credit"},"why":"Ada owes"}}"#,
            r#"{"ended":{"end":{"refused":"credit"}}}"#,
        );
        // A kind that this version does not know.
        check(r#"{"edited":{"message":{"name":"Ada"},"by":"bob"}}"#, r#"{"edited":{"by":"bob"}}"#);
        check(r#"{"later":"Ada"}"#, r#"{"later":{}}"#);
    }

    #[test]
    fn what_cannot_be_read_leaves_nothing() {
        assert_eq!(without_payload("Ada"), r#"{"dropped":true}"#);
    }
}
