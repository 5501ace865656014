//! Rehearsals and repetitions: an exchange as it went, then the same message on another version.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixture::{Run, at, envelope, order, plan};
use crate::machine::{CarryError, Original, Rehearsal, What, rehearse};
use crate::*;

const NUMBER: &str = r#"{"number": "17"}"#;
const LATER: Retry = Retry::Later { after_ms: None };

const STEPS: &str = r#"
[[step]]
name = "credit"
call = "shop.check-credit"
with = { customer = "'c'", amount = "message.total" }
[[step]]
name = "review"
when = "credit.decision == 'hold'"
park = { role = "analyst", within = "1h", ask = ["approve", "refuse"], show = { limit = "credit.limit" } }
[[step]]
name = "refused"
when = "review.?answer.orValue('') == 'refuse'"
end = { refused = "credit" }
[[step]]
name = "sum"
set = { total = "message.total * 2" }
[[step]]
name = "letters"
each = "message.lines"
call = "shop.create-order"
with = { order = "message.id + '/' + each.sku" }
[[step]]
name = "told"
publish = "acme:shop/orders.accepted@1"
with = { order = "message", total = "sum.total" }
"#;

pub(super) fn original(run: &Run) -> Original {
    Original {
        id: run.exchange.id(),
        plan: run.exchange.plan().clone(),
        // As it came in, whatever a person made of it.
        envelope: run.restored(0).envelope().clone(),
        outcomes: run.outcomes.clone(),
    }
}

/// With a held credit that ann lets through, a retry and a fault on the way.
fn went() -> Original {
    let mut run = Run::start(&plan(STEPS));
    run.answer("check-credit", r#"{"decision": "hold", "limit": "12.50"}"#);
    run.now = 60;
    let answer = "approve".to_owned();
    run.on(Event::Decided(Decision { answer, by: "ann".to_owned(), note: None, at: at(60) }));
    run.fault(LATER);
    run.fire();
    run.answer("create-order", NUMBER);
    run.answer("create-order", r#"{"number": "18"}"#);
    assert_eq!(run.shown(), "end done");
    original(&run)
}

pub(super) fn against(original: &Original, steps: &str) -> Rehearsal {
    rehearse(original, &plan(steps), None, &|_, _| {}).unwrap()
}

/// `step what pointer: was -> is`, one a line.
pub(super) fn told(rehearsal: &Rehearsal) -> Vec<String> {
    let line = |found: &crate::machine::Difference| {
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
        let (was, is) = (text(&found.was), text(&found.is));
        format!("{} {:?} {}: {was} -> {is}", found.step, found.what, found.pointer)
    };
    let verdict = serde_json::to_value(rehearsal.verdict).unwrap();
    let mut lines = vec![format!("{} {}", verdict.as_str().unwrap(), rehearsal.is)];
    lines.extend(rehearsal.differences.iter().map(line));
    lines
}

#[track_caller]
fn check(steps: &str, expected: &[&str]) {
    assert_eq!(told(&against(&went(), steps)), expected);
}

#[test]
fn on_its_own_version_it_is_the_same() {
    let rehearsal = against(&went(), STEPS);
    assert_eq!(told(&rehearsal), ["same done"]);
    assert_eq!((rehearsal.was.as_str(), rehearsal.answered), ("done", 4));
}

#[test]
fn a_changed_mapping_shows_by_pointer_what_was_and_what_is() {
    check(
        &STEPS.replace("message.id + '/' + each.sku", "message.id + '-' + each.sku"),
        &[
            "different done",
            r#"letters[0] Input /order: "O1/A" -> "O1-A""#,
            r#"letters[1] Input /order: "O1/B" -> "O1-B""#,
        ],
    );
    check(
        &STEPS.replace("message.total * 2", "message.total * 3"),
        &["different done", r#"told Event /total: "60.00" -> "90.00""#],
    );
    check(
        &STEPS.replace("limit = \"credit.limit\"", "total = \"message.total\""),
        &[
            "different done",
            r#"review Task /show/limit: "12.50" -> -"#,
            r#"review Task /show/total: - -> "30.00""#,
        ],
    );
}

#[test]
fn a_new_step_has_no_answer_and_a_gone_one_is_named() {
    let letter = "[[step]]\nname = \"letter\"\ncall = \"shop.send-letter\"\nwith = { order = \"message.id\" }\n";
    check(
        &format!("{letter}{STEPS}"),
        &[
            "unanswerable unknown from letter on: shop.send-letter was not called then",
            r#"letter NewCall : - -> shop.send-letter {"order":"O1"}"#,
        ],
    );
    let without = STEPS.split("[[step]]\nname = \"told\"").next().unwrap();
    check(without, &["different done", "told GoneEvent : acme:shop/orders.accepted@1 -> -"]);
    check(
        &STEPS.replace("\"message.lines\"", "\"message.lines.filter(l, l.sku == 'B')\""),
        &[
            "different done",
            r#"letters[0] Input /order: "O1/A" -> "O1/B""#,
            r#"letters[1] GoneCall : shop.create-order {"order":"O1/B"} -> -"#,
        ],
    );
    check(
        &STEPS.replace("shop.create-order", "shop.authorise"),
        &[
            "different done",
            "letters[0] OtherCall : shop.create-order -> shop.authorise",
            "letters[1] OtherCall : shop.create-order -> shop.authorise",
        ],
    );
}

#[test]
fn another_end_is_told() {
    let rehearsal =
        against(&went(), &STEPS.replace("orValue('') == 'refuse'", "orValue('') == 'approve'"));
    let lines = told(&rehearsal);
    assert_eq!(lines[0], "different refused(credit)");
    assert_eq!(lines.last().unwrap(), "end End : done -> refused(credit)");
    assert_eq!(lines.len(), 5, "two calls and an event are gone: {lines:?}");
    // The answer that ann gave is not offered any more.
    check(
        &STEPS.replace("\"approve\", \"refuse\"", "\"allow\", \"refuse\""),
        &[
            "unanswerable unknown from review on: the answer of then is not offered",
            r#"review Task /ask/0: "approve" -> "allow""#,
            "review Answer : approve -> allow, refuse",
        ],
    );
}

#[test]
fn what_was_given_up_stands_where_it_stood_unless_the_route_goes_round_it() {
    let steps = r#"
[[step]]
name = "created"
call = "shop.create-order"
with = { order = "message.id" }
retry = { attempts = 3, backoff = "10s" }
"#;
    let mut run = Run::start(&plan(steps));
    for _ in 0..2 {
        run.fault(LATER);
        run.fire();
    }
    run.fault(LATER);
    assert!(run.shown().starts_with("exception unavailable"), "{}", run.shown());
    assert_eq!(told(&against(&original(&run), steps)), ["same excepted unavailable at created"]);
    run.on(Event::Discard { by: "ann".to_owned(), why: "old".to_owned() });
    let rehearsal = against(&original(&run), steps);
    assert_eq!(told(&rehearsal), ["same discarded, unavailable at created"]);
    let round = steps.replace("call = ", "when = \"message.total < 10\"\ncall = ");
    assert_eq!(
        told(&against(&original(&run), &round)),
        [
            "different done",
            r#"created GoneCall : shop.create-order {"order":"O1"} -> -"#,
            "end End : discarded, unavailable at created -> done",
        ]
    );
}

#[test]
fn an_outcome_that_was_unknown_is_asked_for_again() {
    let steps = r#"
[[step]]
name = "booked"
call = "shop.book-carrier"
with = { order = "message.id" }
"#;
    let mut run = Run::start(&plan(steps));
    run.fault(Retry::OutcomeUnknown);
    run.fire();
    run.answer("probe-book-carrier", r#""unknown""#);
    assert!(run.shown().starts_with("exception in-doubt"), "{}", run.shown());
    assert_eq!(told(&against(&original(&run), steps)), ["same excepted in-doubt at booked"]);
    run.on(Event::Retry { by: "ann".to_owned(), why: "seen".to_owned() });
    run.fire();
    run.answer("probe-book-carrier", r#"{"applied": {"number": "17"}}"#);
    assert_eq!(run.shown(), "end done");
    assert_eq!(told(&against(&original(&run), steps)), ["same done"]);
}

#[test]
fn from_a_step_what_came_before_is_as_it_was() {
    let original = went();
    let changed = STEPS
        .replace("amount = \"message.total\"", "amount = \"message.total * 2\"")
        .replace("message.id + '/' + each.sku", "each.sku");
    assert_eq!(
        rehearse(&original, &plan(&changed), None, &|_, _| {}).unwrap().differences.len(),
        3
    );
    let later = rehearse(&original, &plan(&changed), Some("letters"), &|_, _| {}).unwrap();
    assert!(later.differences.iter().all(|found| found.what == What::Input));
    assert_eq!(later.differences.len(), 2);
}

pub(super) fn carried(
    original: &Original,
    steps: &str,
    from: &str,
) -> Result<Vec<Outcome>, CarryError> {
    original.carried(&plan(steps), from)
}

#[test]
fn outcomes_are_carried_over_only_where_they_fit() {
    let original = went();
    let outcomes = carried(&original, STEPS, "letters").unwrap();
    let paths: Vec<&str> = outcomes.iter().map(|outcome| outcome.path.as_str()).collect();
    assert_eq!(paths, ["credit", "review", "review", "refused", "sum"]);
    let set = "[[step]]\nname = \"more\"\nset = { a = \"1\" }\n";
    let sum = "[[step]]\nname = \"sum\"";
    let new = STEPS.replace(sum, &format!("{set}{sum}"));
    assert_eq!(
        carried(&original, &new, "letters").unwrap_err(),
        CarryError::NewStep { step: "more".to_owned() }
    );
    // Before the step that is new, all is as it was.
    assert_eq!(carried(&original, &new, "more").unwrap().len(), 4);
    let review_gone = STEPS
        .replace(
            "name = \"review\"\nwhen = \"credit.decision == 'hold'\"\npark",
            "name = \"asked\"\npark",
        )
        .replace("review.?answer.orValue('')", "asked.answer");
    assert_eq!(
        carried(&original, &review_gone, "letters").unwrap_err(),
        CarryError::GoneStep { step: "review".to_owned() }
    );
    assert!(matches!(carried(&original, STEPS, "nothing").unwrap_err(), CarryError::NoStep { .. }));
    let mut run = Run::start(&plan(STEPS));
    run.answer("check-credit", r#"{"decision": "hold"}"#);
    assert_eq!(
        carried(&super::rehearse::original(&run), STEPS, "letters").unwrap_err(),
        CarryError::NotReached { step: "refused".to_owned() }
    );
}

/// The same message under the keys of what went before.
fn again(original: &Original, steps: &str) -> Run {
    let keys = Keys {
        root: "root".to_owned(),
        exchange: original.id.to_string(),
        calls: original.asked().unwrap(),
        delivered: Vec::new(),
    };
    let replay = Replay { source: "web".to_owned(), received_at: at(0), keys: Some(keys) };
    let envelope = Envelope {
        replay: Some(Arc::new(replay)),
        source: "replay:X".to_owned(),
        ..envelope(order())
    };
    Run::start_with(&plan(steps), envelope)
}

const ONE: &str = "[[step]]\nname = \"one\"\ncall = \"shop.OPERATION\"\nwith = { order = \"meta.exchange + meta.source\" }\n";

fn once(operation: &str) -> (Original, String) {
    let steps = ONE.replace("OPERATION", operation);
    let mut run = Run::start(&plan(&steps));
    run.answer(operation, NUMBER);
    assert_eq!(run.shown(), "end done");
    (original(&run), steps)
}

#[test]
fn under_the_same_keys_a_call_goes_as_it_went() {
    let (original, steps) = once("create-order");
    let run = again(&original, &steps);
    let Action::Call(call) = &run.action else { panic!("{}", run.shown()) };
    assert_eq!((call.key.as_str(), call.started_at), ("root/one/0", at(0)));
    let expected = format!("{}web", original.id);
    assert_eq!(call.input.get("order").and_then(|order| order.as_str()), Some(expected.as_str()));
    // Noted, so that a refusal of the repetition is not taken for a refusal of both.
    assert_eq!(run.kinds(), ["one in_doubt"]);
}

#[test]
fn under_the_same_keys_the_last_generation_goes_on() {
    let steps = ONE.replace("OPERATION", "create-order");
    let mut run = Run::start(&plan(&steps));
    run.fault(Retry::Never);
    run.now = 90;
    run.on(Event::Retry { by: "ann".to_owned(), why: "fixed".to_owned() });
    run.answer("create-order", NUMBER);
    let run = again(&original(&run), &steps);
    assert_eq!(run.shown(), "call create-order one/1 #1 from 90s");
}

#[test]
fn what_no_key_and_no_probe_tells_of_is_not_repeated_without_a_person() {
    let (letter, steps) = once("send-letter");
    let mut run = again(&letter, &steps);
    assert!(run.shown().starts_with("exception in-doubt one"), "{}", run.shown());
    run.on(Event::Retry { by: "ann".to_owned(), why: "send it again".to_owned() });
    assert_eq!(run.shown(), "call send-letter one/0 #1 from 0s intent");
    // The probe is asked where there is one.
    let (booked, steps) = once("book-carrier");
    let mut run = again(&booked, &steps);
    assert!(run.shown().contains("settling"), "{}", run.shown());
    run.fire();
    run.answer("probe-book-carrier", r#"{"applied": {"number": "17"}}"#);
    assert_eq!(run.shown(), "end done");
    // A key whose life is over is no key.
    let (old, steps) = once("authorise");
    let mut keys = old.asked().unwrap();
    keys.insert("one".to_owned(), Asked { generation: 0, at: at(-3_601) });
    let replay = Replay {
        source: "web".to_owned(),
        received_at: at(-4_000),
        keys: Some(Keys {
            root: "root".to_owned(),
            exchange: old.id.to_string(),
            calls: keys,
            delivered: Vec::new(),
        }),
    };
    let mut run = Run::start_with(
        &plan(&steps),
        Envelope { replay: Some(Arc::new(replay)), ..envelope(order()) },
    );
    assert!(run.shown().starts_with("exception in-doubt one"), "{}", run.shown());
    run.on(Event::Retry { by: "ann".to_owned(), why: "nothing is there".to_owned() });
    assert!(run.shown().starts_with("call authorise one/0 #1"), "{}", run.shown());
}

#[test]
fn the_last_generation_and_its_first_time_count_over_all_who_used_the_keys() {
    let mut keys = Keys {
        root: String::new(),
        exchange: String::new(),
        calls: BTreeMap::new(),
        delivered: Vec::new(),
    };
    let asked = |generation, seconds| Asked { generation, at: at(seconds) };
    for (generation, seconds) in [(0, 5), (1, 9), (1, 8), (0, 1)] {
        keys.add("one".to_owned(), asked(generation, seconds));
    }
    assert_eq!(keys.calls["one"], asked(1, 8));
}
