//! No answer after sending, and calls found unfinished after a crash: asked about, repeated while the
//! key is remembered, or in doubt.

use super::fixture::{Run, at, plan};
use super::machine::{LATER, NUMBER, UNKNOWN, call, retry};
use crate::*;

#[test]
fn the_generation_rises_only_after_a_definite_refusal() {
    for (fault, key) in [(Retry::Never, "created/1"), (LATER, "created/0"), (UNKNOWN, "created/0")]
    {
        let mut run = Run::start(&plan(&call("created", "authorise", "retry = \"none\"")));
        run.now = 5;
        run.fault(fault);
        assert!(run.shown().starts_with("exception "), "{}", run.shown());
        run.now = 9;
        retry(&mut run);
        let fresh = if fault == Retry::Never { "#1 from 9s" } else { "#2 from 0s" };
        assert_eq!(run.shown(), format!("call authorise {key} {fresh}"));
    }
    // Refused after an attempt that may have taken effect: still in doubt, still the same key.
    let mut run = Run::start(&plan(&call("created", "authorise", "")));
    run.fault(UNKNOWN);
    run.fire();
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception in-doubt created unavailable"), "{}", run.shown());
    retry(&mut run);
    assert!(run.shown().starts_with("call authorise created/0 #3"), "{}", run.shown());
}

#[test]
fn an_unknown_outcome_is_repeated_only_while_the_key_is_remembered() {
    let more = "retry = { attempts = 5, backoff = \"1h\", max_backoff = \"2h\" }";
    let mut run = Run::start(&plan(&call("paid", "authorise", more)));
    run.fault(UNKNOWN);
    run.now = 3_601;
    run.on(Event::Fired);
    assert!(run.shown().starts_with("exception in-doubt paid unavailable"), "{}", run.shown());

    // A crash after the lifetime: the call may have been under way.
    let mut run = Run::start(&plan(&call("paid", "authorise", "")));
    run.now = 3_000;
    assert_eq!(show_key(run.crash()), "paid/0");
    run.now = 3_601;
    run.crash();
    assert!(run.shown().starts_with("exception in-doubt"), "{}", run.shown());
    // Never called, never faulted, long in a queue: no doubt.
    let mut run = Run::start(&plan(&call("paid", "authorise", "")));
    run.now = 9_000;
    run.fault(LATER);
    run.fire();
    assert!(run.shown().starts_with("call authorise paid/0 #2"), "{}", run.shown());
}

fn show_key(action: &Action) -> &str {
    let Action::Call(call) = action else { panic!("{action:?}") };
    call.key.split_once('/').unwrap().1
}

#[test]
fn a_probe_tells_before_a_call_is_repeated() {
    let book = plan(&call("booked", "book-carrier", ""));
    let probe = "call probe-book-carrier booked/0 #1 from 0s";
    let unknown = || {
        let mut run = Run::start(&book);
        assert_eq!(run.shown(), "call book-carrier booked/0 #1 from 0s");
        run.now = 2;
        run.fault(UNKNOWN);
        assert_eq!(
            run.shown(),
            "wait 7s: settling, then probe-book-carrier tells whether it took effect"
        );
        run.fire();
        assert_eq!(run.shown(), probe);
        let Action::Call(call) = &run.action else { panic!() };
        assert_eq!((call.probe_of.as_deref(), call.effect), (Some("book-carrier"), Effect::Query));
        run
    };
    let mut run = unknown();
    run.answer("probe-book-carrier", r#"{"applied": {"number": "17"}}"#);
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(0).unwrap().get("number").unwrap().as_str(), Some("17"));

    let mut run = unknown();
    run.answer("probe-book-carrier", r#""absent""#);
    assert_eq!(run.shown(), "call book-carrier booked/0 #2 from 0s");
    run.answer("book-carrier", NUMBER);
    assert_eq!(run.shown(), "end done");

    let mut run = unknown();
    run.answer("probe-book-carrier", r#""pending""#);
    assert!(run.shown().starts_with("wait "), "{}", run.shown());
    run.fire();
    assert_eq!(run.shown(), "call probe-book-carrier booked/0 #2 from 0s");
    for _ in 2..=machine::PROBES_MAX {
        run.fault(LATER);
        if run.shown().starts_with("wait") {
            run.fire();
        }
    }
    assert!(run.shown().starts_with("exception in-doubt booked unavailable"), "{}", run.shown());
    // A person says again: the probe is asked again.
    retry(&mut run);
    assert!(run.shown().starts_with("wait "), "{}", run.shown());
    run.fire();
    run.answer("probe-book-carrier", r#""unknown""#);
    assert!(run.shown().starts_with("exception in-doubt"), "{}", run.shown());
}

#[test]
fn what_did_not_take_effect_is_repeated_while_the_policy_lasts() {
    let more = "retry = { attempts = 2, backoff = \"1s\" }";
    let mut run = Run::start(&plan(&call("booked", "book-carrier", more)));
    for attempt in 1..=2 {
        assert_eq!(run.shown(), format!("call book-carrier booked/0 #{attempt} from 0s"));
        run.fault(UNKNOWN);
        run.fire();
        run.answer("probe-book-carrier", r#""absent""#);
    }
    assert!(run.shown().starts_with("exception unavailable booked"), "{}", run.shown());
    retry(&mut run);
    assert_eq!(run.shown(), "call book-carrier booked/0 #3 from 0s");
}

#[test]
fn a_refusal_after_a_crash_is_no_refusal_of_what_was_under_way() {
    let mut run = Run::start(&plan(&call("created", "create-order", "")));
    run.crash();
    assert_eq!(run.shown(), "call create-order created/0 #1 from 0s");
    assert_eq!(run.kinds(), ["created in_doubt"]);
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception in-doubt created"), "{}", run.shown());
    retry(&mut run);
    assert_eq!(run.shown(), "call create-order created/0 #2 from 0s");
    // When it stopped while it waited, nothing was under way.
    let mut run = Run::start(&plan(&call("created", "create-order", "")));
    run.fault(LATER);
    run.exchange = run.restored(run.outcomes.len());
    run.fire();
    run.fault(Retry::Never);
    retry(&mut run);
    assert!(run.shown().starts_with("call create-order created/1 #1"), "{}", run.shown());
}

#[test]
fn after_a_crash_a_keyless_call_is_asked_about_first() {
    let mut run = Run::start(&plan(&call("booked", "book-carrier", "")));
    run.now = 10;
    run.crash();
    assert_eq!(
        run.shown(),
        "wait 15s: settling, then probe-book-carrier tells whether it took effect"
    );
    run.now = 12;
    run.crash();
    assert!(run.shown().starts_with("wait 15s"), "{}", run.shown());
    run.fire();
    run.answer("probe-book-carrier", r#""absent""#);
    assert_eq!(run.shown(), "call book-carrier booked/0 #1 from 0s");
    // Also when it stops again between the probe and the call.
    run.crash();
    assert!(run.shown().starts_with("wait "), "{}", run.shown());
}

#[test]
fn what_nothing_could_tell_of_is_intended_first() {
    let letter = plan(&call("told", "send-letter", ""));
    let mut run = Run::start(&letter);
    assert_eq!(run.shown(), "call send-letter told/0 #1 from 0s intent");
    assert_eq!(run.kinds(), ["told intent"]);
    run.crash();
    assert!(run.shown().starts_with("exception in-doubt told in-doubt"), "{}", run.shown());
    // The person's word: again, under the same key.
    retry(&mut run);
    assert_eq!(run.shown(), "call send-letter told/0 #1 from 0s intent");
    run.fault(LATER);
    run.fire();
    assert_eq!(run.shown(), "call send-letter told/0 #2 from 0s intent");
    run.fault(UNKNOWN);
    assert!(run.shown().starts_with("exception in-doubt"), "{}", run.shown());
    // Twins differ only because the intent is there: without it, the call was never made.
    let mut twin = run.restored(0);
    let advance = twin.advance(Event::Resume, at(0));
    assert!(matches!(advance.action, Action::Call(call) if call.intent));
}

#[test]
fn a_persons_word_settles_what_is_in_doubt() {
    let doubtful = || {
        let mut run = Run::start(&plan(&call("told", "send-letter", "")));
        run.fault(UNKNOWN);
        assert!(run.shown().starts_with("exception in-doubt told"), "{}", run.shown());
        run
    };
    let settle = |run: &mut Run, value: Option<contract::Value>| {
        run.on(Event::Settle { value, by: "ann".to_owned(), why: "asked".to_owned() });
    };
    let mut run = doubtful();
    let output = run.exchange.doubtful_output().expect("it is in doubt").clone();
    let sent = contract::json::read(&output, NUMBER.as_bytes()).unwrap();
    settle(&mut run, Some(sent.clone()));
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(0), Some(&sent));
    // Nothing took effect: the same key, not in doubt, and the policy from its beginning.
    let mut run = doubtful();
    settle(&mut run, None);
    assert_eq!(run.shown(), "call send-letter told/0 #2 from 0s intent");
    run.fault(LATER);
    assert!(run.shown().starts_with("wait "), "{}", run.shown());
    // Only what is in doubt takes such a word.
    let mut run = Run::start(&plan(&call("told", "send-letter", "")));
    run.fault(Retry::Never);
    assert_eq!(run.exchange.doubtful_output(), None);
    let before = run.shown();
    settle(&mut run, Some(sent));
    assert_eq!(run.shown(), before);
}
