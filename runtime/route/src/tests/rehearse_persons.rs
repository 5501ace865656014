//! Rehearsals of what persons and other exchanges had a part in: what was taken back, claimed by a
//! business key, set right by hand, gone without or ordered. Each is the same on its own version.

use super::fixture::{Run, order, plan, plan_of, route};
use super::rehearse::{against, carried, original, told};
use crate::machine::{CarryError, rehearse};
use crate::*;

const LATER: Retry = Retry::Later { after_ms: None };
const CANCELLED: &str = r#"{"outcome": "cancelled"}"#;
const TOO_LATE: &str = r#"{"outcome": "too_late"}"#;

fn number(number: &str) -> String {
    format!(r#"{{"number": "{number}"}}"#)
}

fn step(name: &str, operation: &str, more: &str) -> String {
    format!(
        "[[step]]\nname = \"{name}\"\ncall = \"shop.{operation}\"\nwith = {{ order = \"message.id\" }}\n{more}\n"
    )
}

fn saga(steps: &[String]) -> std::sync::Arc<Plan> {
    plan_of(&route(&steps.concat()).replace("owner =", "saga = true\nowner ="))
}

fn who() -> (String, String) {
    ("ann".to_owned(), "because".to_owned())
}

fn retry(run: &mut Run) {
    let (by, why) = who();
    run.on(Event::Retry { by, why });
}

fn compensate(run: &mut Run) {
    let (by, why) = who();
    run.on(Event::Compensate { by, why });
}

fn discard(run: &mut Run) {
    let (by, why) = who();
    run.on(Event::Discard { by, why });
}

#[track_caller]
fn same(run: &Run, expected: &str) {
    let rehearsed = rehearse(&original(run), run.exchange.plan(), None, &|_, _| {}).unwrap();
    assert_eq!(told(&rehearsed), [format!("same {expected}")]);
    assert_eq!(rehearsed.was, expected);
}

fn undoable() -> [String; 3] {
    [
        step("created", "create-order", ""),
        step("booked", "book-carrier", "each = \"message.lines\""),
        step("paid", "authorise", "retry = \"none\""),
    ]
}

fn undone() -> Run {
    let mut run = Run::start(&saga(&undoable()));
    run.answer("create-order", &number("C"));
    run.answer("book-carrier", &number("B0"));
    run.answer("book-carrier", &number("B1"));
    run.fault(LATER);
    run.answer("cancel-carrier", CANCELLED);
    run.fault(Retry::OutcomeUnknown);
    run.fire();
    run.answer("probe-cancel-carrier", r#"{"applied": {"outcome": "cancelled"}}"#);
    run.answer("cancel-order", CANCELLED);
    assert_eq!(run.shown(), "end undone");
    run
}

#[test]
fn what_was_taken_back_is_taken_back_again_from_the_journal() {
    let run = undone();
    same(&run, "undone");
    let other = saga(&[
        step("created", "create-order", "").replace("message.id", "message.id + '!'"),
        undoable()[1].clone(),
        undoable()[2].clone(),
    ]);
    assert_eq!(
        told(&rehearse(&original(&run), &other, None, &|_, _| {}).unwrap()),
        ["different undone", r#"created Input /order: "O1" -> "O1!""#],
        "the undo is asked with the number that was answered"
    );
    // Gone without, so that nothing is taken back any more.
    let other = saga(&[
        undoable()[0].clone(),
        undoable()[1].clone(),
        step("paid", "authorise", "retry = \"none\"\non_fault = \"skip\""),
    ]);
    let lines = told(&rehearse(&original(&run), &other, None, &|_, _| {}).unwrap());
    assert_eq!(lines[0], "different done");
    assert_eq!(lines[1], r#"undo:booked[1] GoneCall : shop.cancel-carrier {"number":"B1"} -> -"#);
    assert_eq!((lines.len(), lines[4].as_str()), (5, "end End : undone -> done"));
}

#[test]
fn a_persons_word_to_take_back_and_by_hand_is_given_again() {
    let paid = step("paid", "authorise", "retry = \"none\"\non_fault = \"park\"");
    let plan = saga(&[undoable()[0].clone(), undoable()[1].clone(), paid]);
    let mut run = Run::start(&plan);
    run.answer("create-order", &number("C"));
    run.answer("book-carrier", &number("B0"));
    run.answer("book-carrier", &number("B1"));
    run.fault(Retry::Never);
    same(&run, "excepted unavailable at paid");
    compensate(&mut run);
    run.answer("cancel-carrier", TOO_LATE);
    same(&run, "excepted undo-failed at undo:booked[1]");
    compensate(&mut run);
    run.answer("cancel-carrier", TOO_LATE);
    retry(&mut run);
    run.answer("cancel-carrier", CANCELLED);
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception undo-failed undo:created"), "{}", run.shown());
    same(&run, "excepted undo-failed at undo:created");
    discard(&mut run);
    same(&run, "discarded, undo-failed at undo:created");
}

const ONCE: &str = "once = \"message.id\"\nretry = \"none\"";

#[test]
fn the_answer_of_anothers_effect_is_had_again_and_is_not_this_ones_to_take_back() {
    let steps = [
        step("created", "create-order", ONCE),
        step("booked", "book-carrier", ""),
        step("paid", "authorise", "retry = \"none\""),
    ];
    let mut run = Run::start(&saga(&steps));
    run.on(Event::Claimed(Claim::Held { exchange: ExchangeId(7) }));
    run.fire();
    run.on(Event::Claimed(Claim::Done { exchange: ExchangeId(7), value: number("9") }));
    run.answer("book-carrier", &number("B"));
    run.fault(LATER);
    run.answer("cancel-carrier", CANCELLED);
    assert_eq!(run.shown(), "end undone");
    same(&run, "undone");
    let asked = original(&run).asked().unwrap();
    let asked: Vec<&str> = asked.keys().map(String::as_str).collect();
    assert_eq!(asked, ["booked", "paid", "undo:booked"], "another's effect was not asked for");
    let mut other = steps.clone();
    other[0] = step("created", "create-order", "once = \"message.id + '/1'\"\nretry = \"none\"");
    assert_eq!(
        told(&rehearse(&original(&run), &saga(&other), None, &|_, _| {}).unwrap()),
        ["different undone", "created Claim : O1 -> O1/1"]
    );
}

#[test]
fn its_own_claim_and_anothers_doubt_stand_as_they_stood() {
    let steps = step("created", "create-order", ONCE);
    let mut run = Run::start(&plan(&steps));
    run.on(Event::Claimed(Claim::Doubtful { exchange: ExchangeId(7) }));
    same(&run, "excepted in-doubt at created");
    let given_up = {
        let mut run = Run::start(&plan(&steps));
        run.on(Event::Claimed(Claim::Doubtful { exchange: ExchangeId(7) }));
        discard(&mut run);
        run
    };
    same(&given_up, "discarded, in-doubt at created");
    retry(&mut run);
    run.on(Event::Claimed(Claim::Doubtful { exchange: ExchangeId(7) }));
    run.on(Event::Claimed(Claim::Mine));
    run.answer("create-order", &number("9"));
    assert_eq!(run.shown(), "end done");
    same(&run, "done");
}

#[test]
fn a_doubt_that_a_person_settled_has_their_answer() {
    let steps = [
        step("sent", "send-letter", "retry = \"none\""),
        "[[step]]\nname = \"number\"\nset = \"sent.number\"\n".to_owned(),
    ]
    .concat();
    let mut run = Run::start(&plan(&steps));
    run.fault(Retry::OutcomeUnknown);
    assert!(run.shown().starts_with("exception in-doubt sent"), "{}", run.shown());
    let Some(output) = run.exchange.doubtful_output() else { panic!() };
    let value = contract::json::read(output, number("7").as_bytes()).unwrap();
    let (by, why) = who();
    run.on(Event::Settle { value: Some(value), by, why });
    assert_eq!(run.shown(), "end done");
    same(&run, "done");
}

/// A letter to a number that the route cannot have, then a message that has one.
fn edited() -> (Run, String) {
    let steps = [
        step("created", "create-order", "retry = \"none\""),
        step("sent", "send-letter", "retry = \"none\""),
        "[[step]]\nname = \"told\"\npublish = \"acme:shop/orders.accepted@1\"\nwith = { order = \"message\", total = \"message.total\" }\n".to_owned(),
    ]
    .concat();
    let mut run = Run::start(&plan(&steps));
    run.answer("create-order", &number("C"));
    run.fault(Retry::Never);
    edit(&mut run, "O2");
    // Wrong still.
    run.fault(Retry::Never);
    edit(&mut run, "O3");
    run.answer("send-letter", &number("L"));
    assert_eq!(run.shown(), "end done");
    (run, steps)
}

fn edit(run: &mut Run, id: &str) {
    let json = contract::json::write(&order()).replace("\"O1\"", &format!("{id:?}"));
    let MessageType::Typed(ty) = &run.exchange.plan().message else { panic!() };
    let message = contract::json::read(ty, json.as_bytes()).unwrap();
    let (by, why) = who();
    run.on(Event::Edit { message, by, why });
}

#[test]
fn a_message_set_right_is_set_right_again_where_it_failed() {
    let (run, steps) = edited();
    same(&run, "done");
    // Before the edit and after it, the question is compared with the one of then.
    assert_eq!(
        told(&against(
            &original(&run),
            &steps.replacen("order = \"message.id\"", "order = \"message.id + '!'\"", 2)
        )),
        [
            "different done",
            r#"created Input /order: "O1" -> "O1!""#,
            r#"sent Input /order: "O1" -> "O1!""#,
            r#"sent Input /order: "O2" -> "O2!""#,
            r#"sent Input /order: "O3" -> "O3!""#,
        ]
    );
    let mut again = Run::start(&plan(&steps));
    again.answer("create-order", &number("C"));
    again.fault(Retry::Never);
    edit(&mut again, "O2");
    again.fault(Retry::Never);
    same(&again, "excepted unavailable at sent");
    discard(&mut again);
    same(&again, "discarded, unavailable at sent");
}

#[test]
fn from_a_step_after_the_edit_the_message_is_the_one_set_right() {
    let (run, steps) = edited();
    let original = original(&run);
    let taken = carried(&original, &steps, "told").unwrap();
    assert_eq!(taken.iter().filter(|outcome| outcome.path == "sent").count(), 10);
    let later = rehearse(&original, &plan(&steps), Some("told"), &|_, _| {}).unwrap();
    assert_eq!(told(&later), ["same done"], "the event is of O3");
    let early = rehearse(&original, &plan(&steps), Some("sent"), &|_, _| {}).unwrap();
    assert_eq!(told(&early), ["same done"]);
}

#[test]
fn what_was_gone_without_is_gone_without_again() {
    let steps = [
        step(
            "sent",
            "create-order",
            "each = \"message.lines\"\nretry = \"none\"\non_fault = \"skip\"",
        ),
        "[[step]]\nname = \"several\"\nwhen = \"sent.size() == 2\"\nset = { n = \"1\" }\n"
            .to_owned(),
    ]
    .concat();
    let mut run = Run::start(&plan(&steps));
    run.fault(LATER);
    run.answer("create-order", &number("2"));
    assert_eq!(run.shown(), "end done");
    same(&run, "done");
    let strict = steps.replace("on_fault = \"skip\"", "");
    assert_eq!(
        told(&against(&original(&run), &strict)),
        [
            "different excepted unavailable at sent[0]",
            r#"sent[1] GoneCall : shop.create-order {"order":"O1"} -> -"#,
            "end End : done -> excepted unavailable at sent[0]",
        ]
    );
}

#[test]
fn an_ordered_exchange_is_rehearsed_beside_its_lane() {
    let ordered = |key: &str| {
        let keys = format!("ordered_by = {{ scope = \"order\", key = \"{key}\" }}");
        let text = route(&step("sent", "send-letter", ""));
        plan_of(&text.replace("owner =", &format!("{keys}\nowner =")))
    };
    let mut run = Run::start(&ordered("message.id"));
    run.answer("send-letter", &number("L"));
    same(&run, "done");
    let run = Run::start(&ordered("message.lines[7].sku"));
    same(&run, "excepted mapping at sent");
    let rehearsed = rehearse(&original(&run), &ordered("message.id"), None, &|_, _| {}).unwrap();
    assert_eq!(
        rehearsed.is, "unknown from sent on: shop.send-letter was not called then",
        "what it would do now it never did"
    );
}

#[test]
fn a_link_that_came_late_is_found_at_once() {
    let steps = "[[step]]\nname = \"known\"\nfind = \"order\"\nwithin = \"1m\"\nwith = { system = \"'shopify'\", id = \"message.id\" }\n";
    let mut run = Run::start(&plan(steps));
    run.on(Event::Found(Vec::new()));
    run.now = 120;
    run.on(Event::Fired);
    run.on(Event::Found(Vec::new()));
    same(&run, "excepted no-link at known");
    retry(&mut run);
    let (object, system) = ("order".to_owned(), "crossdock".to_owned());
    run.on(Event::Found(vec![Linked { object, system, id: "O9".to_owned() }]));
    assert_eq!(run.shown(), "end done");
    same(&run, "done");
}

#[test]
fn nothing_is_carried_over_from_what_was_taken_back() {
    let original = original(&undone());
    let refused = original.carried(&saga(&undoable()), "paid");
    assert_eq!(refused, Err(CarryError::TookBack));
}

#[test]
fn edits_before_the_step_and_after_it_are_told_apart() {
    let more = "retry = \"none\"";
    let steps = [step("sent", "send-letter", more), step("created", "create-order", more)].concat();
    let mut run = Run::start(&plan(&steps));
    run.fault(Retry::Never);
    edit(&mut run, "O2");
    run.answer("send-letter", &number("L"));
    run.fault(Retry::Never);
    edit(&mut run, "O3");
    run.answer("create-order", &number("C"));
    same(&run, "done");
    let later = rehearse(&original(&run), &plan(&steps), Some("created"), &|_, _| {}).unwrap();
    assert_eq!(told(&later), ["same done"]);
}
