//! Whole operations against documents as the API reference shows them.

mod looked_for;
mod released;
mod statuses;

use crossdock_sdk::canonical::common::PaymentMethod;
use crossdock_sdk::canonical::orders::PaymentToken;
use crossdock_sdk::canonical::payments::{PaymentStatus, Settlement, SettlementLineKind};
use crossdock_sdk::http::replay;
use crossdock_sdk::serde_json::{Value, json};
use crossdock_sdk::{Call, Identity, Money, Retry, WebhookRequest, canonical, config};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::payment::authorisation::{
    AuthoriseInput, AuthoriseOutcome, Guest as _, VoidAuthorisationInput, VoidAuthorisationOutcome,
};
use crate::exports::crossdock::payment::authorisation_probe::{AuthoriseState, Guest as _};
use crate::exports::crossdock::payment::capturing::{
    CaptureInput, CaptureOutcome, Guest as _, RefundInput, RefundOutcome,
};
use crate::exports::crossdock::payment::payment_webhook::Guest as _;
use crate::exports::crossdock::payment::settlement_webhook::Guest as _;

fn call() -> Call {
    config::set(json!({"company": "ACME"}));
    Call {
        exchange: "0X".into(),
        key: "0X/pay/0".into(),
        attempt: 1,
        started_at: "2026-04-02T10:00:00Z".into(),
        deadline: "2026-04-02T10:01:00Z".into(),
        traceparent: String::new(),
    }
}

fn usd(amount: &str) -> Money {
    Money { amount: amount.into(), currency: "USD".into() }
}

fn authorise_input() -> AuthoriseInput {
    AuthoriseInput {
        id: "O-17-pay".into(),
        company: "ACME".into(),
        order: Some("O-17".into()),
        payer: None,
        amount: usd("447.00"),
        token: PaymentToken {
            method: PaymentMethod::Card,
            value: "pm_card_visa".into(),
            payer: None,
        },
        several_captures: true,
        return_url: None,
    }
}

fn identity() -> Identity {
    let references = vec![canonical::reference("stripe", "payment", "pi_1")];
    Identity { id: "O-17-pay".into(), references }
}

fn intent(status: &str, capturable: i64, received: i64, metadata: Value) -> Value {
    let mut all = json!({"payment_id": "O-17-pay", "order_id": "O-17"});
    for (name, value) in metadata.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 44700,
        "amount_capturable": capturable, "amount_received": received, "currency": "usd",
        "status": status, "created": 1775124000, "metadata": all,
        "latest_charge": {
            "id": "ch_1", "object": "charge", "amount_refunded": 0, "payment_intent": "pi_1",
            "payment_method_details": {"type": "card", "card": {
                "capture_before": 1775728800, "multicapture": {"status": "available"}}},
        },
    })
}

const GET: &str = "GET http://stripe/v1/payment_intents/pi_1?expand%5B%5D=latest_charge";

#[test]
fn a_card_is_authorised_under_the_calls_key() {
    let call = call();
    replay::answer(
        "POST http://stripe/v1/payment_intents",
        200,
        intent("requires_capture", 44700, 0, json!({})),
    );
    let output = Connector::authorise(call, authorise_input()).unwrap();
    assert_eq!(output.outcome, AuthoriseOutcome::Authorised);
    assert_eq!(output.payment.id, "O-17-pay");
    assert_eq!(output.payment.status, PaymentStatus::Authorised);
    assert_eq!(output.payment.remaining, usd("447"));
    assert_eq!(output.payment.expires_at.as_deref(), Some("2026-04-09T10:00:00Z"));
    assert!(output.payment.several_captures);
    let sent = replay::finish();
    assert_eq!(sent[0].header("idempotency-key"), Some("0X/pay/0"));
    for part in [
        "amount=44700",
        "currency=usd",
        "capture_method=manual",
        "confirm=true",
        "metadata%5Border_id%5D=O-17",
    ] {
        assert!(sent[0].body.contains(part), "{part} in {}", sent[0].body);
    }
}

#[test]
fn a_declined_card_is_an_answer() {
    let call = call();
    let mut declined = intent("requires_payment_method", 0, 0, json!({}));
    declined["last_payment_error"] = json!({"type": "card_error", "code": "card_declined"});
    replay::answer(
        "POST http://stripe/v1/payment_intents",
        402,
        json!({"error": {
        "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.", "payment_intent": declined}}),
    );
    let output = Connector::authorise(call, authorise_input()).unwrap();
    let AuthoriseOutcome::Declined(refusal) = output.outcome else { panic!("{output:?}") };
    assert_eq!(refusal.code, "insufficient-funds");
    assert_eq!(output.payment.status, PaymentStatus::Declined);
    replay::finish();
}

#[test]
fn faults_say_whether_the_money_may_have_moved() {
    let check = |status: u16, body: Value, expect: Retry| {
        let call = call();
        replay::answer("POST http://stripe/v1/payment_intents", status, body);
        let fault = Connector::authorise(call, authorise_input()).unwrap_err();
        assert_eq!((fault.retry, fault.status), (expect, Some(status)));
        replay::finish();
    };
    let error = |kind: &str| json!({"error": {"type": kind, "message": "m"}});
    check(500, error("api_error"), Retry::OutcomeUnknown);
    check(401, error("invalid_request_error"), Retry::RefreshAuth);
    check(400, error("invalid_request_error"), Retry::Never);
    check(400, error("idempotency_error"), Retry::Never);
    check(409, error("idempotency_error"), Retry::Later(Some(1000)));
    check(429, error("invalid_request_error"), Retry::Later(None));
    let call = call();
    replay::cut("POST http://stripe/v1/payment_intents");
    let fault = Connector::authorise(call, authorise_input()).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);
}

#[test]
fn the_probe_finds_the_payment_by_our_id() {
    let list = |data: Value| json!({"object": "list", "data": data, "has_more": false});
    let request = "GET http://stripe/v1/payment_intents?created%5Bgte%5D=1775123700&expand%5B%5D=data.latest_charge&limit=100";
    let call_of = call;
    replay::answer(request, 200, list(json!([intent("requires_capture", 44700, 0, json!({}))])));
    let state = Connector::probe_authorise(call_of(), authorise_input()).unwrap();
    assert!(matches!(state, AuthoriseState::Applied(_)), "{state:?}");
    replay::answer(request, 200, list(json!([])));
    assert_eq!(
        Connector::probe_authorise(call_of(), authorise_input()).unwrap(),
        AuthoriseState::Absent
    );
    replay::finish();
}

fn capture_input() -> CaptureInput {
    CaptureInput {
        payment: identity(),
        amount: usd("147"),
        last: false,
        invoice: Some("INV-1".into()),
    }
}

#[test]
fn a_capture_is_made_once_for_an_invoice() {
    let capture = crate::map::Capture::new(Some("INV-1"), "", 14700, "2026-04-02T10:00:00Z");
    let known = json!({ capture.name.clone(): capture.value() });
    replay::answer(GET, 200, intent("requires_capture", 44700, 0, json!({})));
    replay::answer(
        "POST http://stripe/v1/payment_intents/pi_1/capture",
        200,
        intent("requires_capture", 30000, 14700, known.clone()),
    );
    let output = Connector::capture(call(), capture_input()).unwrap();
    assert_eq!(output.outcome, CaptureOutcome::Captured);
    assert_eq!(output.amount, usd("147"));
    let body = &replay::finish()[1].body;
    assert!(
        body.contains("amount_to_capture=14700") && body.contains("final_capture=false"),
        "{body}"
    );

    // Asked again, it finds the capture and sends nothing.
    replay::answer(GET, 200, intent("requires_capture", 30000, 14700, known));
    let again = Connector::capture(call(), capture_input()).unwrap();
    assert_eq!(again.outcome, CaptureOutcome::Captured);
    assert_eq!(replay::finish().len(), 1);
}

#[test]
fn what_the_channel_captured_is_captured() {
    replay::answer(GET, 200, intent("succeeded", 0, 44700, json!({})));
    let output = Connector::capture(call(), capture_input()).unwrap();
    assert_eq!(output.outcome, CaptureOutcome::Captured);
    replay::finish();
}

#[test]
fn giving_up_is_too_late_once_captured() {
    let input = || VoidAuthorisationInput { payment: identity(), reason: None };
    let call = call();
    replay::answer(GET, 200, intent("succeeded", 0, 44700, json!({})));
    let output = Connector::void_authorisation(call.clone(), input()).unwrap();
    assert_eq!(output.outcome, VoidAuthorisationOutcome::TooLate);
    replay::answer(
        GET,
        404,
        json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}}),
    );
    let output = Connector::void_authorisation(call, input()).unwrap();
    assert_eq!(output.outcome, VoidAuthorisationOutcome::Unknown);
    replay::finish();
}

#[test]
fn a_refund_is_found_before_it_is_made() {
    let list = "GET http://stripe/v1/refunds?payment_intent=pi_1&limit=100";
    let refund = json!({"id": "re_1", "object": "refund", "amount": 14700, "currency": "usd",
        "created": 1775124000, "status": "succeeded", "payment_intent": "pi_1",
        "metadata": {"refund_id": "R-1", "credit_note_id": "CN-1"}});
    replay::answer(GET, 200, intent("succeeded", 0, 44700, json!({})));
    replay::answer(list, 200, json!({"data": [refund], "has_more": false}));
    let input = |amount: &str| RefundInput {
        payment: identity(),
        amount: usd(amount),
        id: Some("R-1".into()),
        credit_note: Some("CN-1".into()),
        reason: None,
    };
    let output = Connector::refund(call(), input("147")).unwrap();
    assert_eq!(output.outcome, RefundOutcome::Refunded);
    assert_eq!(output.refund.unwrap().credit_note.as_deref(), Some("CN-1"));
    replay::answer(GET, 200, intent("succeeded", 0, 44700, json!({})));
    replay::answer(list, 200, json!({"data": [], "has_more": false}));
    assert_eq!(Connector::refund(call(), input("447.01")).unwrap().outcome, RefundOutcome::TooMuch);
    replay::finish();
}

fn webhook(event: &Value) -> WebhookRequest {
    WebhookRequest {
        path: "/webhooks/stripe".into(),
        headers: Vec::new(),
        body: event.to_string().into_bytes(),
        received_at: "2026-04-02T10:00:00Z".into(),
    }
}

#[test]
fn a_payout_becomes_a_settlement_with_its_lines() {
    let call = call();
    let event = json!({"id": "evt_1", "type": "payout.paid", "created": 1775124000, "data": {"object": {
        "id": "po_1", "object": "payout", "amount": 42700, "currency": "usd", "status": "paid",
        "created": 1775124000, "arrival_date": 1775174400}}});
    replay::answer(
        MOVEMENTS,
        200,
        json!({
        "object": "list", "has_more": false, "data": [
            {"id": "txn_0", "amount": -42700, "fee": 0, "net": -42700, "currency": "usd", "type": "payout",
             "created": 1775124000, "source": "po_1"},
            {"id": "txn_1", "amount": 44700, "fee": 1326, "net": 43374, "currency": "usd", "type": "charge",
             "created": 1775120000, "source": "ch_1"}]}),
    );
    replay::answer(
        "GET http://stripe/v1/charges/ch_1",
        200,
        json!({"id": "ch_1", "payment_intent": "pi_1"}),
    );
    let capture = crate::map::Capture::new(Some("INV-1"), "", 44700, "2026-04-02T10:00:00Z");
    replay::answer(
        GET,
        200,
        intent("succeeded", 0, 44700, json!({ capture.name.clone(): capture.value() })),
    );
    let output = Connector::receive_settlements(call, webhook(&event)).unwrap();
    replay::finish();
    let item = &output.items[0];
    assert_eq!(item.id, "po_1:paid");
    let settlement = &item.value;
    assert_eq!(
        (&settlement.gross, &settlement.fees, &settlement.net),
        (&usd("447"), &usd("13.26"), &usd("433.74"))
    );
    let line = &settlement.lines[0];
    assert_eq!(line.kind, SettlementLineKind::Capture);
    assert_eq!(line.order.as_deref(), Some("O-17"));
    assert_eq!(line.invoice.as_deref(), Some("INV-1"));
    assert_eq!(settlement.paid_on, "2026-04-03");
}

/// What Stripe gives with `expand[]=data.source.payment_intent`.
fn movement(n: usize, kind: &str, amount: i64, source: Value) -> Value {
    json!({"id": format!("txn_{n:03}"), "object": "balance_transaction", "amount": amount, "fee": 30,
        "net": amount - 30, "currency": "usd", "type": kind, "created": 1775120000 + n,
        "source": source})
}

fn charge(id: &str, intent: Value) -> Value {
    json!({"id": id, "object": "charge", "amount_refunded": 0, "payment_intent": intent})
}

fn paid(n: usize, captures: &[(&str, i64)]) -> Value {
    let mut metadata = json!({"payment_id": format!("O-{n}-pay"), "order_id": format!("O-{n}")});
    for (place, (invoice, minor)) in captures.iter().enumerate() {
        let at = format!("2026-04-02T10:00:{place:02}Z");
        let capture = crate::map::Capture::new(Some(invoice), "", *minor, &at);
        metadata[capture.name.clone()] = json!(capture.value());
    }
    json!({"id": format!("pi_{n}"), "object": "payment_intent", "amount": 10000, "currency": "usd",
        "status": "succeeded", "created": 1775110000, "metadata": metadata,
        "latest_charge": format!("ch_{n}")})
}

fn payout_paid() -> WebhookRequest {
    webhook(
        &json!({"id": "evt_1", "type": "payout.paid", "created": 1775124000, "data": {"object": {
        "id": "po_1", "object": "payout", "amount": 1, "currency": "usd", "status": "paid",
        "created": 1775124000, "arrival_date": 1775174400}}}),
    )
}

fn settled() -> Settlement {
    Connector::receive_settlements(call(), payout_paid()).unwrap().items.remove(0).value
}

const MOVEMENTS: &str = "GET http://stripe/v1/balance_transactions?payout=po_1&expand%5B%5D=data.source.payment_intent&limit=100";

#[test]
fn a_payout_of_many_movements_takes_few_requests() {
    let all: Vec<Value> = (0..150)
        .map(|n| match n % 5 {
            0 => movement(
                n,
                "refund",
                -500,
                json!({"id": format!("re_{n}"), "object": "refund", "amount": 500, "currency": "usd",
                    "created": 1775124000, "status": "succeeded", "payment_intent": paid(n, &[]),
                    "metadata": {"credit_note_id": format!("CN-{n}")}}),
            ),
            1 if n % 10 == 1 => movement(
                n,
                "adjustment",
                -900,
                json!({"id": format!("dp_{n}"), "object": "dispute", "amount": 900, "currency": "usd",
                    "created": 1775124000, "reason": "fraudulent", "status": "needs_response",
                    "payment_intent": paid(n, &[])}),
            ),
            1 => movement(n, "stripe_fee", -50, Value::Null),
            _ => {
                let captures = [("INV-A", 4000), ("INV-B", 6000)];
                movement(n, "charge", 6000, charge(&format!("ch_{n}"), paid(n, &captures)))
            }
        })
        .chain([movement(150, "payout", -1, json!({"id": "po_1", "object": "payout"}))])
        .collect();
    replay::serve(move |seen| {
        let from = match seen.request.strip_prefix(MOVEMENTS) {
            Some("") => 0,
            Some("&starting_after=txn_099") => 100,
            _ => panic!("{} is one request too many", seen.request),
        };
        let to = (from + 100).min(all.len());
        let page = json!({"object": "list", "data": all[from..to], "has_more": to < all.len()});
        (200, Vec::new(), page.to_string().into_bytes())
    });
    let settlement = settled();
    assert_eq!(replay::finish().len(), 2);
    assert_eq!(settlement.lines.len(), 150);
    for (n, line) in settlement.lines.iter().enumerate() {
        let (kind, object) = match n % 5 {
            0 => (SettlementLineKind::Refund, "refund"),
            1 if n % 10 == 1 => (SettlementLineKind::Dispute, "dispute"),
            1 => (SettlementLineKind::Fee, ""),
            _ => (SettlementLineKind::Capture, "charge"),
        };
        let found = line.references.iter().any(|known| known.object == object);
        assert_eq!(found, !object.is_empty(), "{n}");
        let order = (!object.is_empty()).then(|| format!("O-{n}"));
        assert_eq!((&line.kind, &line.order), (&kind, &order), "{n}");
        assert_eq!(line.payment, order.map(|order| format!("{order}-pay")));
        let invoice = (kind == SettlementLineKind::Capture).then_some("INV-B");
        assert_eq!(line.invoice.as_deref(), invoice, "{n}");
        let credit_note = (kind == SettlementLineKind::Refund).then(|| format!("CN-{n}"));
        assert_eq!(line.credit_note, credit_note);
    }
}

#[test]
fn captures_of_one_amount_are_told_apart_by_their_order() {
    let intent = paid(1, &[("INV-A", 4000), ("INV-B", 4000), ("INV-C", 2000)]);
    let captured = |n, amount| movement(n, "charge", amount, charge("ch_1", intent.clone()));
    let invoices = || -> Vec<Option<String>> {
        settled().lines.into_iter().map(|line| line.invoice).collect()
    };
    let some = |invoice: &str| Some(invoice.to_owned());
    // All in one payout: nothing more is asked.
    let data = json!([captured(3, 2000), captured(2, 4000), captured(1, 4000)]);
    replay::answer(MOVEMENTS, 200, json!({"data": data, "has_more": false}));
    assert_eq!(invoices(), [some("INV-C"), some("INV-B"), some("INV-A")]);
    replay::finish();
    // The first was paid out before.
    let data = json!([captured(2, 4000)]);
    replay::answer(MOVEMENTS, 200, json!({"data": data, "has_more": false}));
    let of_charge = [(3, 2000), (2, 4000), (1, 4000)];
    let data = of_charge.map(|(n, amount)| movement(n, "charge", amount, json!("ch_1")));
    replay::answer(
        "GET http://stripe/v1/balance_transactions?source=ch_1&limit=100",
        200,
        json!({"data": data, "has_more": false}),
    );
    assert_eq!(invoices(), [some("INV-B")]);
    replay::finish();
}

#[test]
fn an_older_refund_is_found_by_its_charge() {
    let older = |n| movement(n, "refund", -500, charge("ch_1", paid(1, &[])));
    let data = json!([older(2), older(1)]);
    replay::answer(MOVEMENTS, 200, json!({"data": data, "has_more": false}));
    let refund = |n: usize| {
        json!({"id": format!("re_{n}"), "object": "refund", "amount": 500, "currency": "usd",
            "created": 1775124000, "payment_intent": "pi_1",
            "balance_transaction": format!("txn_{n:03}"),
            "metadata": {"credit_note_id": format!("CN-{n}")}})
    };
    replay::answer(
        "GET http://stripe/v1/refunds?charge=ch_1&limit=100",
        200,
        json!({"data": [refund(2), refund(1)], "has_more": false}),
    );
    let lines = settled().lines;
    replay::finish();
    let notes: Vec<_> = lines.iter().map(|line| line.credit_note.as_deref()).collect();
    assert_eq!(notes, [Some("CN-2"), Some("CN-1")]);
    assert!(lines.iter().all(|line| line.order.as_deref() == Some("O-1")));
}

#[test]
fn other_events_announce_nothing() {
    let call = call();
    let event =
        json!({"id": "evt_2", "type": "payout.created", "created": 1, "data": {"object": {}}});
    assert!(
        Connector::receive_settlements(call.clone(), webhook(&event)).unwrap().items.is_empty()
    );
    assert!(Connector::receive_payment_events(call, webhook(&event)).unwrap().items.is_empty());
}

#[test]
fn the_config_schema_is_json() {
    let schema: Value =
        crossdock_sdk::serde_json::from_str(&Connector::describe().config_schema).unwrap();
    assert_eq!(schema["required"], json!(["company"]));
}
