//! Calls that a limit, a quota, a breaker or a pause holds back.

use super::fixture::{Run, at, plan};
use super::machine::call;
use crate::*;

#[test]
fn a_call_that_a_limit_holds_back_is_not_in_doubt() {
    for operation in ["create-order", "book-carrier", "send-letter"] {
        let mut run = Run::start(&plan(&call("done", operation, "")));
        let Action::Call(first) = run.action.clone() else { panic!() };
        run.now = 60;
        run.throttled();
        assert_eq!(run.action, Action::Call(first), "{operation}");
    }
}

#[test]
fn a_limit_that_holds_a_call_back_is_seen_and_waited_for() {
    for operation in ["create-order", "book-carrier", "send-letter"] {
        let mut run = Run::start(&plan(&call("done", operation, "")));
        let Action::Call(first) = run.action.clone() else { panic!() };
        let until = at(60);
        run.on(Event::Throttled(held(HeldBy::Limit, until)));
        assert_eq!(run.action, Action::Wait { until, why: "limit tax".to_owned() });
        run.now = 60;
        run.throttled();
        assert_eq!(run.action, Action::Call(first), "{operation}");
    }
}

fn held(reason: HeldBy, until: jiff::Timestamp) -> Held {
    Held { limit: "tax".to_owned(), until, reason, detail: None }
}

#[test]
fn what_ends_early_goes_on_early() {
    let mut run = Run::start(&plan(&call("done", "create-order", "")));
    let Action::Call(first) = run.action.clone() else { panic!() };
    run.on(Event::Throttled(held(HeldBy::Breaker, at(3_600))));
    assert_eq!(run.action, Action::Wait { until: at(3_600), why: "breaker tax".to_owned() });
    run.now = 10;
    run.throttled();
    assert_eq!(run.action, Action::Call(first));
    assert_eq!(run.exchange.waited().map(|waited| waited.since), Some(at(0)));
}

#[test]
fn the_clock_of_a_retry_policy_stands_still_while_a_call_is_held() {
    let retry = "retry = { attempts = 3, backoff = \"1s\", total = \"60s\" }";
    let down = || Fault {
        retry: Retry::Later { after_ms: None },
        code: "unavailable".into(),
        message: "down".into(),
        status: Some(503),
    };
    for (hold_s, ends) in [(Some(3_600), "wait"), (None, "exception")] {
        let mut run = Run::start(&plan(&call("done", "create-order", retry)));
        run.on(Event::Fault(down()));
        run.now = 10;
        run.throttled();
        if let Some(hold_s) = hold_s {
            // Twice in a row, as when a budget follows a breaker; no attempt is spent.
            for _ in 0..2 {
                run.on(Event::Throttled(held(HeldBy::Breaker, at(run.now + hold_s))));
                run.now += hold_s;
                run.throttled();
            }
        } else {
            run.now += 7_200;
        }
        let Action::Call(call) = run.action.clone() else { panic!("{}", run.shown()) };
        assert_eq!(call.attempt, 2);
        run.on(Event::Fault(down()));
        assert!(run.shown().starts_with(ends), "{hold_s:?}: {}", run.shown());
        assert!(run.exchange.waited().is_none());
    }
}

#[test]
fn a_hold_of_an_earlier_format_is_a_limit() {
    let stored = r#"{"throttled":{"limit":"tax","until":"1970-01-01T00:01:00Z"}}"#;
    let kind: OutcomeKind = serde_json::from_str(stored).unwrap();
    let until = "1970-01-01T00:01:00Z".parse().unwrap();
    assert_eq!(kind, OutcomeKind::Throttled(held(HeldBy::Limit, until)));
}
