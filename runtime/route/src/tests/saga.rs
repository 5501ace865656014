//! Scripts of what is taken back, done once, or gone without. As in `machine`, every line is also
//! checked on a restored twin.

use super::fixture::{Run, check_files, plan, plan_of, route};
use crate::*;

const LATER: Retry = Retry::Later { after_ms: None };
const UNKNOWN: Retry = Retry::OutcomeUnknown;
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

fn saga_text(steps: &[String]) -> String {
    route(&steps.concat()).replace("owner =", "saga = true\nowner =")
}

fn saga(steps: &[String]) -> std::sync::Arc<Plan> {
    plan_of(&saga_text(steps))
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

fn input(run: &Run, field: &str) -> String {
    let Action::Call(call) = &run.action else { panic!("{}", run.shown()) };
    call.input.get(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

#[test]
fn what_was_done_is_taken_back_newest_first() {
    let each = "each = \"message.lines\"\n";
    let steps = [
        step("created", "create-order", ""),
        step("booked", "book-carrier", each),
        step("paid", "authorise", "retry = \"none\""),
    ];
    let mut run = Run::start(&saga(&steps));
    run.answer("create-order", &number("C"));
    run.answer("book-carrier", &number("B0"));
    run.answer("book-carrier", &number("B1"));
    run.now = 9;
    run.fault(LATER);
    assert_eq!(run.shown(), "call cancel-carrier undo:booked[1]/0 #1 from 9s");
    assert_eq!(run.kinds().last().unwrap(), "paid compensating");
    assert_eq!(input(&run, "number"), "B1");
    run.now = 12;
    run.answer("cancel-carrier", CANCELLED);
    assert_eq!(run.shown(), "call cancel-carrier undo:booked[0]/0 #1 from 12s");
    assert_eq!(input(&run, "number"), "B0");
    // Cut off: its probe tells, as of any mutation.
    run.fault(UNKNOWN);
    assert!(run.shown().starts_with("wait 17s: settling, then probe-cancel-carrier"));
    run.fire();
    run.answer("probe-cancel-carrier", r#"{"applied": {"outcome": "cancelled"}}"#);
    assert_eq!(run.shown(), "call cancel-order undo:created/0 #1 from 17s");
    assert_eq!(input(&run, "number"), "C");
    run.crash();
    assert_eq!(run.shown(), "call cancel-order undo:created/0 #1 from 17s");
    run.answer("cancel-order", CANCELLED);
    assert_eq!(run.shown(), "end undone");
    let events = run.kinds().len();
    run.on(Event::Fired);
    compensate(&mut run);
    assert_eq!(run.kinds().len(), events);
}

#[test]
fn elements_done_before_the_one_that_failed_are_taken_back() {
    let more = "each = \"message.lines\"\nretry = \"none\"";
    let mut run = Run::start(&saga(&[step("booked", "book-carrier", more)]));
    run.answer("book-carrier", &number("B0"));
    run.fault(Retry::Never);
    assert_eq!(run.shown(), "call cancel-carrier undo:booked[0]/0 #1 from 0s");
    assert_eq!(input(&run, "number"), "B0");
}

#[test]
fn what_is_in_doubt_is_never_taken_back_blindly() {
    let steps =
        [step("created", "create-order", ""), step("paid", "authorise", "retry = \"none\"")];
    let mut run = Run::start(&saga(&steps));
    run.answer("create-order", &number("C"));
    run.fault(UNKNOWN);
    assert!(run.shown().starts_with("exception in-doubt paid"), "{}", run.shown());
    assert_eq!(run.exchange.may_compensate(), Err(CompensateRefused::InDoubt));
    let action = run.action.clone();
    compensate(&mut run);
    assert_eq!(run.action, action);
    retry(&mut run);
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception in-doubt paid"), "{}", run.shown());
}

#[test]
fn an_undo_that_fails_is_an_exception_of_its_own() {
    let steps = [
        step("created", "create-order", ""),
        step("paid", "authorise", "retry = \"none\""),
        step("told", "check", "").replace("shop.check", "shop.create-order"),
        "[[step]]\nname = \"no\"\nend = { refused = \"late\" }\n".to_owned(),
    ];
    let mut run = Run::start(&saga(&steps));
    run.answer("create-order", &number("C"));
    run.answer("authorise", &number("A"));
    run.answer("create-order", &number("T"));
    assert_eq!(run.shown(), "call cancel-order undo:told/0 #1 from 0s");
    // A no is an answer: it may be asked again only as another effect.
    run.answer("cancel-order", TOO_LATE);
    assert_eq!(
        run.shown(),
        "exception undo-failed undo:told too-late for order-desk: `cancel-order` answered `too_late`"
    );
    run.crash();
    run.now = 3;
    retry(&mut run);
    assert_eq!(run.shown(), "call cancel-order undo:told/1 #1 from 3s");
    run.answer("cancel-order", TOO_LATE);
    // By hand; the rest goes on.
    compensate(&mut run);
    assert_eq!(run.kinds().last().unwrap(), "undo:told undone_by_hand");
    assert_eq!(run.shown(), "call void-authorisation undo:paid/0 #1 from 3s");
    run.fault(Retry::Never);
    assert!(
        run.shown().starts_with("exception undo-failed undo:paid unavailable"),
        "{}",
        run.shown()
    );
    retry(&mut run);
    assert_eq!(run.shown(), "call void-authorisation undo:paid/1 #1 from 3s");
    run.answer("void-authorisation", CANCELLED);
    run.answer("cancel-order", CANCELLED);
    assert_eq!(run.shown(), "end refused(late)");
}

#[test]
fn nothing_is_taken_back_after_the_pivot() {
    let steps = |pivot: &str| {
        [
            step("created", "create-order", ""),
            step("sent", "send-letter", pivot),
            step("paid", "authorise", "retry = \"none\""),
        ]
    };
    let mut run = Run::start(&saga(&steps("pivot = true")));
    run.answer("create-order", &number("C"));
    // The pivot itself did not happen: what came before is taken back.
    let mut other = Run::start(&saga(&steps("pivot = true")));
    other.answer("create-order", &number("C"));
    other.fault(Retry::Never);
    assert_eq!(other.shown(), "call cancel-order undo:created/0 #1 from 0s");
    run.answer("send-letter", &number("L"));
    run.fault(LATER);
    assert!(run.shown().starts_with("exception unavailable paid"), "{}", run.shown());
    assert_eq!(run.exchange.may_compensate(), Err(CompensateRefused::PastPivot));

    // A pivot that says when it holds, and an end behind it that wants to take back.
    let end = "[[step]]\nname = \"no\"\nend = { refused = \"late\" }\n".to_owned();
    let mut steps = steps("pivot = \"sent.number == 'L'\"").to_vec();
    steps.truncate(2);
    steps.push(end);
    for (answer, shown) in [
        ("L", "exception failed no past-pivot"),
        // It has no undo either: a person first.
        ("X", "exception undo-failed undo:sent no-undo"),
    ] {
        let mut run = Run::start(&saga(&steps));
        run.answer("create-order", &number("C"));
        run.answer("send-letter", &number(answer));
        assert!(run.shown().starts_with(shown), "{}", run.shown());
        if answer == "X" {
            compensate(&mut run);
            assert_eq!(run.shown(), "call cancel-order undo:created/0 #1 from 0s");
        }
    }
}

#[test]
fn what_came_to_nothing_is_not_taken_back() {
    let steps = [
        step("paid", "authorise", "undo_when = \"paid.number != 'declined'\""),
        "[[step]]\nname = \"no\"\nend = \"undone\"\n".to_owned(),
    ];
    for (answer, shown) in
        [("declined", "end undone"), ("A", "call void-authorisation undo:paid/0 #1 from 0s")]
    {
        let mut run = Run::start(&saga(&steps));
        run.answer("authorise", &number(answer));
        assert_eq!(run.shown(), shown);
    }
}

#[test]
fn a_person_has_it_taken_back_without_a_saga_too() {
    let steps =
        [step("created", "create-order", ""), step("paid", "authorise", "retry = \"none\"")]
            .concat();
    let mut run = Run::start(&plan(&steps));
    run.answer("create-order", &number("C"));
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception unavailable paid"), "{}", run.shown());
    compensate(&mut run);
    assert_eq!(run.shown(), "call cancel-order undo:created/0 #1 from 0s");
    run.answer("cancel-order", CANCELLED);
    assert_eq!(run.shown(), "end undone");
}

#[test]
fn an_undo_is_asked_with_what_was_asked_then() {
    let note = "with = { order = \"message.id\", note = \"message.company\" }";
    let steps = [
        step("created", "create-order", "").replace("with = { order = \"message.id\" }", note),
        step("paid", "authorise", "retry = \"none\"\non_fault = \"park\""),
    ];
    let mut run = Run::start(&saga(&steps));
    run.answer("create-order", &number("C"));
    run.fault(Retry::Never);
    let text = contract::json::write(&super::fixture::order()).replace("acme", "other");
    let (by, why) = who();
    let message = super::fixture::value("acme:shop/orders.order@1", &text);
    run.on(Event::Edit { message, by, why });
    run.fault(Retry::Never);
    compensate(&mut run);
    assert_eq!((input(&run, "number").as_str(), input(&run, "note").as_str()), ("C", "acme"));
}

#[test]
fn a_fault_is_gone_without() {
    let credit = |more: &str| {
        format!(
            "[[step]]\nname = \"credit\"\ncall = \"shop.check-credit\"\nwith = {{ customer = \"'c'\", amount = \"message.total\" }}\nretry = \"none\"\n{more}\n"
        )
    };
    let open = "[[step]]\nname = \"limit\"\nset = \"credit.?limit.orValue(decimal('7'))\"\n";
    let mut run = Run::start(&plan(&format!("{}{open}", credit("on_fault = \"skip\""))));
    run.fault(LATER);
    assert_eq!(run.kinds()[1], "credit skipped_fault");
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(0), None);
    let mut run = Run::start(&plan(&format!("{}{open}", credit("on_fault = \"skip\""))));
    run.answer("check-credit", r#"{"decision": "approved", "limit": "2.5"}"#);
    assert_eq!(run.shown(), "end done");
    let limit = run.exchange.result_of(1).map(|value| format!("{value:?}"));
    assert!(limit.unwrap().contains("2.5"));

    let default = "on_fault = { skip = { decision = \"'hold'\" } }";
    let used = "[[step]]\nname = \"seen\"\nset = \"credit.decision == 'hold'\"\n";
    let mut run = Run::start(&plan(&format!("{}{used}", credit(default))));
    run.fault(LATER);
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(1), Some(&contract::Value::Bool(true)));

    // Each element for itself; and what may have happened is not gone without.
    let each = "each = \"message.lines\"\nretry = \"none\"\non_fault = \"skip\"";
    let count = "[[step]]\nname = \"count\"\nset = \"booked.filter(b, b.hasValue()).size()\"\n";
    let steps = format!("{}{count}", step("booked", "authorise", each));
    let mut run = Run::start(&plan(&steps));
    run.fault(Retry::Never);
    assert_eq!(run.shown(), "call authorise booked[1]/0 #1 from 0s");
    run.answer("authorise", &number("1"));
    assert_eq!(run.exchange.result_of(1), Some(&contract::Value::Int(1)));
    let mut run = Run::start(&plan(&steps));
    run.fault(UNKNOWN);
    assert!(run.shown().starts_with("exception in-doubt booked[0]"), "{}", run.shown());
}

#[test]
fn what_must_happen_is_tried_for_ever() {
    let more = "on_fault = \"retry\"\nretry = { attempts = 2, backoff = \"1s\", max_backoff = \"1m\", jitter = \"none\" }";
    let mut run = Run::start(&plan(&step("paid", "authorise", more)));
    run.fault(LATER);
    run.fire();
    for attempt in 3..20 {
        let before = run.now;
        run.fault(LATER);
        assert!(run.shown().contains(&format!("attempt {attempt}, after")), "{}", run.shown());
        run.fire();
        assert_eq!(run.now, before + 60);
    }
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception unavailable paid"), "{}", run.shown());
}

const ONCE: &str = "once = \"message.id\"\nretry = \"none\"";
const CLAIM: &str = "claim shop.create-order O1 for created";

#[test]
fn an_effect_is_one_by_its_business_key() {
    let steps = format!(
        "{}[[step]]\nname = \"number\"\nset = \"created.number\"\n",
        step("created", "create-order", ONCE)
    );
    let other = ExchangeId(7);
    let mut run = Run::start(&plan(&steps));
    assert_eq!(run.shown(), CLAIM);
    run.on(Event::Claimed(Claim::Mine));
    assert_eq!(run.shown(), "call create-order created/0 #1 from 0s");
    run.crash();
    assert_eq!(run.shown(), CLAIM);
    run.on(Event::Claimed(Claim::Mine));
    assert_eq!(run.kinds(), ["created in_doubt"], "it may have been called before the crash");
    run.answer("create-order", &number("9"));
    let settled = &run.claims[0];
    assert_eq!((settled.scope.as_str(), settled.key.as_str()), ("shop.create-order", "O1"));
    assert_eq!(settled.value.as_ref().unwrap().text(), r#"{"number":"9"}"#);

    let mut run = Run::start(&plan(&steps));
    run.on(Event::Claimed(Claim::Held { exchange: other }));
    assert_eq!(run.shown(), format!("wait 1s: once: exchange {other} is at it"));
    run.fire();
    assert_eq!(run.shown(), CLAIM);
    run.on(Event::Claimed(Claim::Done { exchange: other, value: number("9") }));
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(1), Some(&contract::Value::string("9")));
    assert!(run.claims.is_empty(), "{:?}", run.claims);
}

#[test]
fn a_claim_is_let_go_with_what_did_not_happen() {
    let steps = step("created", "create-order", ONCE);
    let (by, why) = who();
    for (fault, released) in [(Retry::Never, 1), (UNKNOWN, 0)] {
        let mut run = Run::start(&plan(&steps));
        run.on(Event::Claimed(Claim::Mine));
        run.fault(fault);
        assert!(run.shown().starts_with("exception"), "{}", run.shown());
        assert!(run.claims.is_empty(), "a person may want it done yet");
        run.crash();
        run.on(Event::Discard { by: by.clone(), why: why.clone() });
        assert_eq!(run.claims.len(), released, "{fault:?}");
    }
    let skips = step("created", "create-order", &format!("{ONCE}\non_fault = \"skip\""));
    let mut run = Run::start(&plan(&skips));
    run.on(Event::Claimed(Claim::Mine));
    run.fault(LATER);
    assert_eq!((run.shown().as_str(), run.claims.len()), ("end done", 1));
    // Taken back: another may do it again.
    let steps =
        [step("created", "create-order", ONCE), step("paid", "authorise", "retry = \"none\"")];
    let mut run = Run::start(&saga(&steps));
    run.on(Event::Claimed(Claim::Mine));
    run.answer("create-order", &number("9"));
    run.fault(LATER);
    run.answer("cancel-order", TOO_LATE);
    assert_eq!(run.claims.len(), 1);
    retry(&mut run);
    run.answer("cancel-order", CANCELLED);
    assert_eq!((run.claims.len(), run.claims[1].value.is_none()), (2, true));
    // What another did is not this one's to take back.
    let mut run = Run::start(&saga(&steps));
    let value = number("9");
    run.on(Event::Claimed(Claim::Done { exchange: ExchangeId(7), value }));
    run.fault(LATER);
    assert_eq!(run.shown(), "end undone");
}

#[test]
fn anothers_doubt_is_a_persons_to_settle() {
    let mut run = Run::start(&plan(&step("created", "create-order", ONCE)));
    let exchange = ExchangeId(7);
    run.on(Event::Claimed(Claim::Doubtful { exchange }));
    assert!(run.shown().starts_with("exception in-doubt created once for order-desk: exchange"));
    run.crash();
    retry(&mut run);
    assert_eq!(run.shown(), CLAIM);
    run.on(Event::Claimed(Claim::Doubtful { exchange }));
    assert_eq!(run.shown(), format!("{CLAIM} over {exchange}"));
    run.on(Event::Claimed(Claim::Mine));
    assert_eq!(run.shown(), "call create-order created/0 #1 from 0s");
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let checked = check_files(&[("routes/intake.toml", text)]);
    let found: Vec<String> = checked
        .reports
        .iter()
        .map(|r| {
            let help = r.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{} {}:{}+{} {}{help}", r.code, r.line, r.column, r.length, r.message)
        })
        .collect();
    assert_eq!(found, expected, "\n{text}\nfound:\n{}", found.join("\n"));
}

#[test]
fn what_a_saga_cannot_do_is_reported() {
    let letter = step("told", "send-letter", "");
    check(
        &saga_text(std::slice::from_ref(&letter)),
        &[
            "CD0113 11:8+18 `shop.send-letter` has no undo, and this saga may have to take it back (make it the pivot, move it behind the pivot, or drop `saga`)",
        ],
    );
    check(
        &saga_text(&[step("told", "send-letter", "pivot = true"), letter.replace("told", "later")]),
        &[],
    );
    check(
        &saga_text(&[
            step("a", "create-order", "pivot = true"),
            step("b", "create-order", "pivot = true"),
            step("c", "create-order", "on_fault = \"compensate\""),
            "[[step]]\nname = \"d\"\nend = \"undone\"\n".to_owned(),
        ]),
        &[
            "CD0113 18:9+4 this is the second pivot (one step is the one after which nothing is taken back)",
            "CD0113 23:12+12 what was done up to the pivot is not taken back after it (after the pivot: on_fault = \"park\" or \"retry\")",
            "CD0113 26:7+8 past the pivot nothing is taken back, and this end would want it (end = \"done\", a `park` or a `fail`; or let the pivot say when it holds)",
        ],
    );
    check(
        &route(
            &[
                step("a", "create-order", "pivot = true\non_fault = \"compensate\""),
                step("b", "send-letter", "undo_when = \"true\""),
                "[[step]]\nname = \"c\"\nend = \"undone\"\n".to_owned(),
            ]
            .concat(),
        ),
        &[
            "CD0113 12:9+4 only a saga has a pivot (write saga = true under [route], or drop `pivot`)",
            "CD0113 13:12+12 only a saga takes back what it did (write saga = true under [route], or on_fault = \"park\")",
            "CD0113 18:13+6 `shop.send-letter` has no undo, so `undo_when` says nothing (drop it)",
            "CD0113 21:7+8 only a saga ends undone (write saga = true under [route], or end = \"done\")",
        ],
    );
}

#[test]
fn keys_of_a_call_are_checked() {
    let credit = "[[step]]\nname = \"credit\"\ncall = \"shop.check-credit\"\nwith = { customer = \"'c'\", amount = \"message.total\" }\n";
    check(
        &route(&format!("{credit}once = \"message.id\"\non_fault = \"skp\"\n")),
        &[
            "CD0114 12:8+12 `shop.check-credit` only reads, so there is no effect to be one (drop `once`)",
            "CD0104 13:12+5 `on_fault` names nothing that could be done (did you mean `skip`?)",
        ],
    );
    check(
        &route(&format!("{credit}on_fault = {{ skip = {{ decision = \"'hld'\" }} }}\n")),
        &["CD0206 12:35+5 decision has no case `hld` (did you mean `hold`?)"],
    );
    check(
        &route(&step(
            "a",
            "create-order",
            "once = \"message.lines\"\nundo_when = \"a.nmber == 'x'\"",
        )),
        &[
            "CD0209 12:8+15 a key is text or a number, not list(line) (take a field that identifies: \"message.id\")",
        ],
    );
    check(
        &route("[[step]]\nname = \"x\"\nend = \"done\"\nonce = \"message.id\"\n"),
        &["CD0107 11:1+4 `once` does not go with `end` (it belongs to call)"],
    );
}
