//! Scripts: events in, the next action out. Every line is also checked on a restored twin.

use super::fixture::{Run, at, envelope, order, plan, plan_of, value};
use crate::*;

pub(super) const UNKNOWN: Retry = Retry::OutcomeUnknown;
pub(super) const LATER: Retry = Retry::Later { after_ms: None };
pub(super) const NUMBER: &str = r#"{"number": "17"}"#;

pub(super) fn call(name: &str, operation: &str, more: &str) -> String {
    format!(
        "[[step]]\nname = \"{name}\"\ncall = \"shop.{operation}\"\nwith = {{ order = \"message.id\" }}\n{more}\n"
    )
}

pub(super) fn retry(run: &mut Run) -> &Action {
    run.on(Event::Retry { by: "ann".to_owned(), why: "fixed".to_owned() })
}

const STEPS: &str = r#"
[keys]
order = "message.id"
number = "created.number"
maybe = "message.customer"

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
set = { total = "message.total * 2", limit = "credit.limit" }
[[step]]
name = "created"
call = "shop.create-order"
with = { order = "message.id + '/' + string(sum.total)" }
[[step]]
name = "told"
publish = "acme:shop/orders.accepted@1"
with = { order = "message", total = "sum.total" }
"#;

#[test]
fn a_message_goes_all_the_way() {
    let mut run = Run::start(&plan(STEPS));
    assert_eq!(run.shown(), "call check-credit credit/0 #1 from 0s");
    assert_eq!(run.exchange.keys(), [("order".to_owned(), "O1".to_owned())]);
    run.now = 3;
    run.answer("check-credit", r#"{"decision": "approved", "limit": "12.50"}"#);
    assert_eq!(run.shown(), "call create-order created/0 #1 from 3s");
    let Action::Call(call) = &run.action else { panic!() };
    assert_eq!(call.input.get("order").and_then(|order| order.as_str()), Some("O1/60.00"));
    assert_eq!(call.key, format!("{}/created/0", ExchangeId(42)));
    run.now = 4;
    run.answer("create-order", NUMBER);
    assert_eq!(run.shown(), "end done");
    assert_eq!(
        run.kinds(),
        [
            "credit answered",
            "review skipped",
            "refused skipped",
            "sum set",
            "created answered",
            "told published",
            "end ended",
        ]
    );
    assert_eq!(run.exchange.keys()[1], ("number".to_owned(), "17".to_owned()));
    let OutcomeKind::Published { topic, events } = &run.outcomes[5].kind else { panic!() };
    assert_eq!((topic.as_str(), events.len()), ("acme:shop/orders.accepted@1", 1));
    value("acme:shop/orders.accepted@1", events[0].text());
    assert_eq!(run.links.len(), 1);
    run.on(Event::Answer(order()));
    assert_eq!((run.shown().as_str(), run.outcomes.len()), ("end done", 7));
}

#[test]
fn a_person_decides_and_the_route_goes_on() {
    let decide = |answer: &str| {
        Event::Decided(Decision {
            answer: answer.to_owned(),
            by: "ann".to_owned(),
            note: Some("ok".to_owned()),
            at: at(60),
        })
    };
    let mut run = Run::start(&plan(STEPS));
    run.answer("check-credit", r#"{"decision": "hold"}"#);
    assert_eq!(run.shown(), "task review analyst: approve|refuse");
    let Action::Task(task) = &run.action else { panic!() };
    assert_eq!((task.opened_at, task.due_at), (at(0), Some(at(3_600))));
    let task = run.action.clone();
    run.now = 7_200;
    assert_eq!(run.on(Event::Fired), &task, "it stays open after it was due");
    assert_eq!(run.on(decide("maybe")), &task, "an answer that was not offered changes nothing");
    assert_eq!(run.outcomes.len(), 2);
    run.on(decide("refuse"));
    assert_eq!(run.shown(), "end refused(credit)");

    let mut run = Run::start(&plan(STEPS));
    run.answer("check-credit", r#"{"decision": "hold"}"#);
    run.now = 60;
    run.crash();
    run.on(decide("approve"));
    assert_eq!(run.shown(), "call create-order created/0 #1 from 60s");
    let note = run.exchange.result_of(1).and_then(|decision| decision.get("note").cloned());
    assert_eq!(note.as_ref().and_then(|note| note.as_str()), Some("ok"));
}

#[test]
fn a_fault_is_retried_under_the_same_key_until_the_policy_is_spent() {
    let more = "retry = { attempts = 3, backoff = \"10s\", max_backoff = \"15s\" }";
    let mut run = Run::start(&plan(&call("created", "create-order", more)));
    run.fault(LATER);
    assert!(run.shown().starts_with("wait "), "{}", run.shown());
    assert!(run.shown().ends_with("s: attempt 2 of 3, after unavailable: it is down"));
    run.fire();
    assert_eq!(run.shown(), "call create-order created/0 #2 from 0s");
    run.fault(Retry::Later { after_ms: Some(100_000) });
    let before = run.now;
    run.fire();
    assert!(run.now >= before + 100);
    assert_eq!(run.shown(), "call create-order created/0 #3 from 0s");
    run.fault(LATER);
    assert_eq!(run.shown(), "exception unavailable created unavailable for order-desk: it is down");
    let exception = run.action.clone();
    assert_eq!(run.crash(), &exception);
    retry(&mut run);
    assert_eq!(run.shown(), "call create-order created/0 #4 from 0s");
    run.answer("create-order", NUMBER);
    assert_eq!(run.shown(), "end done");
}

#[test]
fn a_person_sets_the_message_right() {
    let edit = |text: &str| Event::Edit {
        message: value(
            "acme:shop/orders.order@1",
            &contract::json::write(&order()).replace("\"O1\"", text),
        ),
        by: "ann".to_owned(),
        why: "typo".to_owned(),
    };
    let steps = format!(
        "[keys]\norder = \"message.id\"\n[[step]]\nname = \"was\"\nset = \"message.id\"\n{}[[step]]\nname = \"both\"\nset = \"was + message.id\"\n",
        call("created", "create-order", "retry = \"none\"")
    );
    let mut run = Run::start(&plan(&steps));
    let action = run.action.clone();
    assert_eq!(run.on(edit("\"O2\"")), &action, "not while it is called");
    run.fault(LATER);
    run.now = 7;
    run.on(edit("\"O2\""));
    assert_eq!(run.shown(), "call create-order created/1 #1 from 7s");
    let Action::Call(called) = &run.action else { panic!() };
    assert_eq!(called.input.get("order").and_then(|order| order.as_str()), Some("O2"));
    assert_eq!(run.exchange.keys(), [("order".to_owned(), "O2".to_owned())]);
    run.crash();
    run.answer("create-order", NUMBER);
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(2), Some(&contract::Value::string("O1O2")));

    // In doubt: what was sent may be there, and another body would be another effect.
    let mut run = Run::start(&plan(&call("created", "create-order", "retry = \"none\"")));
    run.fault(UNKNOWN);
    let action = run.action.clone();
    assert_eq!(run.exchange.may_edit(), Err(EditRefused::InDoubt));
    assert_eq!(run.on(edit("\"O2\"")), &action);
    retry(&mut run);
    run.answer("create-order", NUMBER);
    assert_eq!(run.exchange.may_edit(), Err(EditRefused::NotExcepted));
}

#[test]
fn an_edit_changes_no_element_that_is_done() {
    let steps = "[[step]]\nname = \"noted\"\neach = \"message.lines\"\ncall = \"shop.create-order\"\nwith = { order = \"each.sku\" }\nretry = \"none\"\n";
    let edited = |from: &str, to: &str| {
        let text = contract::json::write(&order()).replace(from, to);
        value("acme:shop/orders.order@1", &text)
    };
    let mut run = Run::start(&plan(steps));
    run.answer("create-order", NUMBER);
    run.fault(Retry::Never);
    let (by, why) = ("ann".to_owned(), "typo".to_owned());
    let first = edited("\"sku\":\"A\"", "\"sku\":\"Z\"");
    assert_eq!(run.exchange.may_become(&first), Err(EditRefused::Done));
    let action = run.action.clone();
    run.on(Event::Edit { message: first, by: by.clone(), why: why.clone() });
    assert_eq!(run.action, action);
    let second = edited("\"sku\":\"B\"", "\"sku\":\"Z\"");
    run.on(Event::Edit { message: second, by, why });
    let Action::Call(called) = &run.action else { panic!("{}", run.shown()) };
    assert_eq!(called.key.split_once('/').unwrap().1, "noted[1]/1");
    assert_eq!(called.input.get("order").and_then(|order| order.as_str()), Some("Z"));
    run.crash();
    run.answer("create-order", NUMBER);
    assert_eq!(run.shown(), "end done");
}

#[test]
fn an_unexpected_event_changes_nothing() {
    let mut run = Run::start(&plan(STEPS));
    let action = run.action.clone();
    for event in [
        Event::Fired,
        Event::Resume,
        Event::Found(Vec::new()),
        Event::Retry { by: "a".to_owned(), why: "b".to_owned() },
        Event::Discard { by: "a".to_owned(), why: "b".to_owned() },
    ] {
        assert_eq!(run.on(event), &action);
    }
    assert!(run.outcomes.is_empty());
}

#[test]
fn each_element_is_a_call_of_its_own() {
    let steps = "[[step]]\nname = \"noted\"\neach = \"message.lines\"\ncall = \"shop.create-order\"\nwith = { order = \"each.sku\" }\n[[step]]\nname = \"told\"\neach = \"message.lines\"\npublish = \"acme:shop/orders.counted@1\"\nwith = { sku = \"each.sku + noted[1].number\" }\n";
    let mut run = Run::start(&plan(steps));
    assert_eq!(run.shown(), "call create-order noted[0]/0 #1 from 0s");
    run.now = 1;
    run.answer("create-order", r#"{"number": "1"}"#);
    assert_eq!(run.shown(), "call create-order noted[1]/0 #1 from 1s");
    run.fault(LATER);
    run.fire();
    run.crash();
    assert_eq!(run.shown(), "call create-order noted[1]/0 #2 from 1s");
    run.answer("create-order", r#"{"number": "2"}"#);
    assert_eq!(run.shown(), "end done");
    let published = run.outcomes.iter().find_map(|outcome| match &outcome.kind {
        OutcomeKind::Published { events, .. } => Some(events),
        _ => None,
    });
    let events = published.unwrap();
    let events: Vec<&str> = events.iter().map(Json::text).collect();
    assert_eq!(events, [r#"{"sku":"A2"}"#, r#"{"sku":"B2"}"#]);

    let none = "[[step]]\nname = \"noted\"\neach = \"message.lines.filter(l, l.sku == 'Z')\"\ncall = \"shop.create-order\"\nwith = { order = \"each.sku\" }\n[[step]]\nname = \"count\"\nset = \"noted.size()\"\n";
    let run = Run::start(&plan(none));
    assert_eq!((run.shown().as_str(), run.kinds()[0].as_str()), ("end done", "noted answered"));
    assert_eq!(run.exchange.result_of(1), Some(&contract::Value::Int(0)));
}

#[test]
fn a_link_that_is_late_is_waited_for() {
    let steps = "[[step]]\nname = \"known\"\nfind = \"order\"\nwithin = \"1m\"\nwith = { system = \"'shopify'\", id = \"message.id\" }\n[[step]]\nname = \"ids\"\nset = \"known.id + known.ids['tryton']\"\n";
    let known = plan(steps);
    let node = |object: &str, system: &str, id: &str| Linked {
        object: object.to_owned(),
        system: system.to_owned(),
        id: id.to_owned(),
    };
    let mut run = Run::start(&known);
    assert_eq!(run.shown(), "find order of acme/order/shopify/O1");
    run.on(Event::Found(vec![node("order", "tryton", "5"), node("shipment", "crossdock", "S1")]));
    assert_eq!(run.shown(), "wait 1s: no order is linked to `O1` yet");
    run.fire();
    run.on(Event::Found(vec![
        node("order", "crossdock", "C1"),
        node("order", "tryton", "5"),
        node("order", "tryton", "6"),
    ]));
    assert_eq!(run.shown(), "end done");
    assert_eq!(run.exchange.result_of(1), Some(&contract::Value::string("C15")));

    let mut run = Run::start(&known);
    let mut waits = 0;
    while !run.shown().starts_with("exception") {
        run.on(Event::Found(Vec::new()));
        if run.shown().starts_with("wait") {
            run.fire();
            waits += 1;
        }
    }
    assert!((5..15).contains(&waits), "{waits}");
    assert_eq!(run.now, 60);
    assert!(run.shown().starts_with("exception no-link known no-link for order-desk: no order"));
    retry(&mut run);
    run.on(Event::Found(Vec::new()));
    assert!(run.shown().starts_with("wait 61s"), "{}", run.shown());
}

#[test]
fn a_defect_and_a_failed_expression_go_to_the_desk() {
    let mut run = Run::start(&plan(
        "[[step]]\nname = \"bad\"\nfail = { code = \"no-lines\", message = \"'order ' + message.id\" }\n",
    ));
    assert_eq!(run.shown(), "exception failed bad no-lines for order-desk: order O1");
    run.on(Event::Discard { by: "ann".to_owned(), why: "a test".to_owned() });
    assert_eq!(run.shown(), "end discarded");

    let mut run = Run::start(&plan(
        "[[step]]\nname = \"many\"\neach = \"[message.lines[5]]\"\ncall = \"shop.create-order\"\nwith = { order = \"each.sku\" }\n",
    ));
    assert!(run.shown().starts_with("exception mapping many[0]"), "{}", run.shown());
    retry(&mut run);
    assert!(run.shown().starts_with("exception mapping many[0]"), "{}", run.shown());

    let run = Run::start(&plan("[[step]]\nname = \"first\"\nset = \"message.lines[5].sku\"\n"));
    let shown = run.shown();
    let expected = "exception mapping first mapping for order-desk: routes/intake.toml line 10: ";
    assert!(shown.starts_with(expected), "{shown}");
}

#[test]
fn a_raw_webhook_becomes_items() {
    let plan = plan_of(
        "[route]\nname='x'\nowner='o'\n[from.webhook]\nconnector='shop'\noperation='order-created'\npath='/w'\n[keys]\norder = 'message.id'\n[[step]]\nname='a'\nset='message.total'\n",
    );
    let request = value(
        "crossdock:core/webhook.webhook-request@1",
        r#"{"path": "/w", "headers": [], "body": "", "received_at": "2026-01-01T00:00:00Z"}"#,
    );
    let raw = Envelope { raw: true, ..envelope(request) };
    let mut run = Run::start_with(&plan, raw.clone());
    assert_eq!(run.shown(), "call order-created source/0 #1 from 0s");
    assert!(run.exchange.keys().is_empty());
    run.fault(LATER);
    run.fire();
    assert_eq!(run.shown(), "call order-created source/0 #2 from 0s");
    let item = contract::json::write(&order());
    run.answer("order-created", &format!(r#"{{"items": [{{"id": "77", "value": {item}}}]}}"#));
    assert_eq!(run.shown(), "end done");
    let OutcomeKind::Received { items } = &run.outcomes[1].kind else { panic!() };
    assert_eq!(
        (items.len(), items[0].id.as_str(), items[0].value.text()),
        (1, "77", item.as_str())
    );

    let mut run = Run::start_with(&plan, raw);
    run.fault(Retry::Never);
    assert!(run.shown().starts_with("exception unavailable source"), "{}", run.shown());
}

#[test]
fn what_does_not_belong_to_the_route_is_not_restored() {
    let mut run = Run::start(&plan(STEPS));
    run.answer("check-credit", r#"{"decision": "approved"}"#);
    let restore = |outcomes: &[Outcome], steps: &str| {
        Exchange::restore(ExchangeId(42), plan(steps), envelope(order()), outcomes).map(|_| ())
    };
    let other = call("other", "create-order", "");
    assert!(matches!(restore(&run.outcomes, &other), Err(RestoreError::Path { .. })));
    assert!(matches!(restore(&run.outcomes[1..], STEPS), Err(RestoreError::Sequence { .. })));
    let renamed = call("credit", "create-order", "");
    assert!(matches!(restore(&run.outcomes, &renamed), Err(RestoreError::Value { .. })));
    let end = "[[step]]\nname = \"credit\"\nend = \"done\"\n";
    assert!(matches!(restore(&run.outcomes, end), Err(RestoreError::Kind { .. })));
    assert_eq!(restore(&run.outcomes, STEPS), Ok(()));
}

#[test]
fn without_a_journal_the_callers_key_is_the_key() {
    let steps = call("created", "create-order", "");
    let text = super::fixture::route(&steps).replace(
        "path =",
        "durable = false\nreply = { step = \"created\" }\nkey = \"headers['idempotency-key']\"\npath =",
    );
    let run = Run::start(&plan_of(&text));
    let Action::Call(call) = &run.action else { panic!() };
    assert_eq!(call.key, "intake/k-1/created/0");
    let key = run.exchange.plan().source_key(run.exchange.envelope());
    assert_eq!(key, Ok(Some("k-1".to_owned())));
}

#[test]
fn a_key_to_order_by_is_had_at_the_start_or_the_exchange_is_excepted() {
    let ordered = |key: &str| {
        let keys =
            format!("ordered_by = {{ scope = \"order\", key = \"{key}\", parked = \"pass\" }}");
        let text = crate::tests::fixture::route(&call("letter", "send-letter", ""));
        plan_of(&text.replace("owner =", &format!("{keys}\nowner =")))
    };
    let run =
        Run::start(&ordered("message.company + '/' + message.id + headers['idempotency-key']"));
    let lane =
        Lane { scope: "order".to_owned(), key: "acme/O1k-1".to_owned(), parked: Parked::Pass };
    assert_eq!(run.exchange.lane(), Ok(Some(lane)));
    // An absent optional is no key, and what is not translated yet has none.
    let run = Run::start(&ordered("message.customer"));
    assert_eq!(run.exchange.lane(), Ok(None));
    let raw = Envelope { raw: true, ..envelope(order()) };
    let raw = Exchange::start(ExchangeId(1), ordered("message.id"), raw);
    assert_eq!(raw.lane(), Ok(None));

    let mut run = Run::start(&ordered("message.lines[7].sku"));
    assert!(run.exchange.lane().is_err());
    let Action::Exception(exception) = run.action.clone() else { panic!("{:?}", run.action) };
    assert_eq!((exception.class.as_str(), exception.step.as_str()), ("mapping", "letter"));
    assert!(exception.message.contains("routes/intake.toml line 3"), "{}", exception.message);
    // It has done nothing, and does nothing unordered when it is run again.
    let Action::Exception(again) = retry(&mut run) else { panic!() };
    assert_eq!(again.class, "mapping");

    let long = format!("message.id + '{}'", "x".repeat(LANE_KEY_BYTES_MAX));
    assert!(Run::start(&ordered(&long)).exchange.lane().unwrap_err().contains("1026 bytes"));
}

const AWAITED: &str = r#"
[[step]]
name = "limit"
call = "shop.check-credit"
with = { customer = "'c'", amount = "message.total" }
until = { holds = "limit.decision == 'approved'", within = "1h", every = "10m", code = "not-approved", message = "'order ' + message.id + ': call the bank'" }
[[step]]
name = "created"
call = "shop.create-order"
with = { order = "message.id + string(limit.limit.orValue(decimal('0')))" }
"#;

#[test]
fn a_question_is_asked_until_its_answer_is_the_awaited_one() {
    let held = r#"{"decision": "hold"}"#;
    let mut run = Run::start(&plan(AWAITED));
    for waited in [600, 1_200] {
        run.answer("check-credit", held);
        assert_eq!(run.shown(), format!("wait {waited}s: not yet: limit is asked again"));
        run.fire();
        assert_eq!(run.shown(), "call check-credit limit/0 #1 from 0s");
    }
    assert_eq!(run.outcomes.len(), 0, "what is not awaited leaves nothing behind");
    run.answer("check-credit", r#"{"decision": "approved", "limit": "3"}"#);
    assert_eq!(run.shown(), "call create-order created/0 #1 from 1200s");
    let Action::Call(call) = &run.action else { panic!() };
    assert_eq!(call.input.get("order").and_then(|order| order.as_str()), Some("O13"));
}

#[test]
fn an_answer_that_does_not_come_is_told_once_and_asked_for_again_on_retry() {
    let held = r#"{"decision": "hold"}"#;
    let mut run = Run::start(&plan(AWAITED));
    run.now = 3_599;
    run.answer("check-credit", held);
    assert_eq!(run.shown(), "wait 3600s: not yet: limit is asked again");
    run.fire();
    run.answer("check-credit", held);
    let told = "exception not-approved limit not-approved for order-desk: order O1: call the bank";
    assert_eq!(run.shown(), told);
    run.crash();
    assert_eq!(run.shown(), told);
    run.now = 9_000;
    retry(&mut run);
    assert_eq!(run.shown(), "call check-credit limit/0 #1 from 0s");
    run.answer("check-credit", r#"{"decision": "approved"}"#);
    assert_eq!(run.shown(), "call create-order created/0 #1 from 9000s");
}
