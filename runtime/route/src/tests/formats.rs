//! The stored form of outcomes: what is on disk today must be read tomorrow.

use contract::Value;

use super::fixture::at;
use crate::*;

fn outcome(kind: OutcomeKind) -> Outcome {
    Outcome { sequence: 3, at: at(0), step: 1, path: "tax".to_owned(), kind }
}

#[test]
fn outcomes_are_stored_like_this() {
    let fault = Fault {
        retry: Retry::Later { after_ms: Some(500) },
        code: "unavailable".to_owned(),
        message: "down".to_owned(),
        status: Some(503),
    };
    for (kind, expected) in [
        (
            OutcomeKind::Answered { value: Json::of(&Value::Int(5)), probed: false, of: None },
            r#"{"answered":{"value":5}}"#,
        ),
        (OutcomeKind::Skipped, r#""skipped""#),
        (OutcomeKind::Set, r#""set""#),
        (
            OutcomeKind::Published {
                topic: "a:b/c.d@1".to_owned(),
                events: vec![Json::of(&Value::Bool(true))],
            },
            r#"{"published":{"topic":"a:b/c.d@1","events":[true]}}"#,
        ),
        (
            OutcomeKind::Attempt { attempt: 1, fault },
            r#"{"attempt":{"attempt":1,"fault":{"retry":{"later":{"after_ms":500}},"code":"unavailable","message":"down","status":503}}}"#,
        ),
        (OutcomeKind::Intent, r#""intent""#),
        (
            OutcomeKind::Edited {
                message: Json::of(&Value::Int(5)),
                by: "ann".to_owned(),
                why: "typo".to_owned(),
                generation: 1,
            },
            r#"{"edited":{"message":5,"by":"ann","why":"typo","generation":1}}"#,
        ),
        (
            OutcomeKind::Probed { answer: ProbeAnswer::Absent, fault: None },
            r#"{"probed":{"answer":"absent"}}"#,
        ),
        (
            OutcomeKind::Decided(Decision {
                answer: "approve".to_owned(),
                by: "ann".to_owned(),
                note: None,
                at: at(0),
            }),
            r#"{"decided":{"answer":"approve","by":"ann","at":"2025-10-09T08:53:20Z"}}"#,
        ),
        (
            OutcomeKind::Ended { end: End::Refused("credit".to_owned()), by: None, why: None },
            r#"{"ended":{"end":{"refused":"credit"}}}"#,
        ),
        (
            OutcomeKind::Received {
                items: vec![Item { id: "1".to_owned(), value: Json::of(&Value::Null) }],
            },
            r#"{"received":{"items":[{"id":"1","value":null}]}}"#,
        ),
    ] {
        let stored = serde_json::to_string(&outcome(kind.clone())).unwrap();
        let head = r#"{"sequence":3,"at":"2025-10-09T08:53:20Z","step":1,"path":"tax","kind":"#;
        assert_eq!(stored, format!("{head}{expected}}}"));
        assert_eq!(serde_json::from_str::<Outcome>(&stored).unwrap(), outcome(kind));
    }
}
