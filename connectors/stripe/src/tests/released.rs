//! A capture for less releases the rest, and Stripe's charge then counts the rest as refunded.

use super::*;

/// Captured 147 of 447; of it `back` was given back since.
fn captured_in_part(back: i64) -> Value {
    let mut intent = intent("succeeded", 0, 14700, json!({}));
    intent["latest_charge"]["amount_refunded"] = json!(30000 + back);
    intent
}

fn refund_of(amount: &str) -> RefundOutcome {
    let input = RefundInput {
        payment: identity(),
        amount: usd(amount),
        id: Some("R-1".into()),
        credit_note: None,
        reason: None,
    };
    Connector::refund(call(), input).unwrap().outcome
}

#[test]
fn what_was_released_was_not_given_back() {
    let check = |back: i64, status: PaymentStatus, refunded: &str| {
        let call = call();
        replay::answer(GET, 200, captured_in_part(back));
        let input = CaptureInput { invoice: None, ..capture_input() };
        let payment = Connector::capture(call, input).unwrap().payment.unwrap();
        assert_eq!((payment.status, payment.refunded), (status, usd(refunded)));
        replay::finish();
    };
    check(0, PaymentStatus::Captured, "0");
    check(10000, PaymentStatus::PartlyRefunded, "100");
    check(14700, PaymentStatus::Refunded, "147");
}

#[test]
fn all_that_was_captured_can_be_given_back() {
    let list = "GET http://stripe/v1/refunds?payment_intent=pi_1&limit=100";
    let refund = json!({"id": "re_1", "object": "refund", "amount": 14700, "currency": "usd",
        "created": 1775124000, "status": "succeeded", "payment_intent": "pi_1"});
    replay::answer(GET, 200, captured_in_part(0));
    replay::answer(list, 200, json!({"data": [], "has_more": false}));
    replay::answer("POST http://stripe/v1/refunds", 200, refund);
    assert_eq!(refund_of("147"), RefundOutcome::Refunded);
    replay::finish();
    replay::answer(GET, 200, captured_in_part(10000));
    replay::answer(list, 200, json!({"data": [], "has_more": false}));
    assert_eq!(refund_of("47.01"), RefundOutcome::TooMuch);
    replay::finish();
}

#[test]
fn a_release_is_no_event() {
    let event = json!({"id": "evt_1", "type": "charge.refunded", "created": 1775124000,
        "data": {"object": charge("ch_1", json!("pi_1"))}});
    let told = |back| {
        let call = call();
        replay::answer(GET, 200, captured_in_part(back));
        let told = Connector::receive_payment_events(call, webhook(&event)).unwrap().items;
        replay::finish();
        told
    };
    assert!(told(0).is_empty());
    let given_back = told(10000);
    assert_eq!(given_back[0].value.payment.as_ref().unwrap().refunded, usd("100"));
}
