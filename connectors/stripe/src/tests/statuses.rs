//! What becomes of each status, by the tables in README.md. Bodies are in recorded/: those of
//! localstripe and stripe-stateful-mock as they wrote them, which their suites hold against them;
//! the others as Stripe's reference shows them.

use crossdock_sdk::http::replay::{Failure, Seen, Served, serve};
use crossdock_sdk::http::statuses::{Failing, Operation, Product, check, path, word};
use crossdock_sdk::{Fault, PollRequest};

use super::*;
use crate::exports::crossdock::payment::capturing_probe::Guest as _;
use crate::exports::crossdock::payment::dispute_feed::Guest as _;
use crate::exports::crossdock::payment::payment_feed::Guest as _;
use crate::exports::crossdock::payment::payment_inquiry::{GetPaymentInput, Guest as _};
use crate::exports::crossdock::payment::settlement_feed::Guest as _;

const INTENTS: &str = "GET /v1/payment_intents";
const INTENT: &str = "GET /v1/payment_intents/{id}";
const CREATE: &str = "POST /v1/payment_intents";
const CAPTURE: &str = "POST /v1/payment_intents/{id}/capture";
const CANCEL: &str = "POST /v1/payment_intents/{id}/cancel";
const CREATE_REFUND: &str = "POST /v1/refunds";
const REFUNDS: &str = "GET /v1/refunds";
const REFUND: &str = "GET /v1/refunds/{id}";
const CHARGE: &str = "GET /v1/charges/{id}";
const DISPUTE: &str = "GET /v1/disputes/{id}";
const EVENTS: &str = "GET /v1/events";
const TRANSACTIONS: &str = "GET /v1/balance_transactions";
const ALL: [&str; 12] = [
    INTENTS,
    INTENT,
    CREATE,
    CAPTURE,
    CANCEL,
    CREATE_REFUND,
    REFUNDS,
    REFUND,
    CHARGE,
    DISPUTE,
    EVENTS,
    TRANSACTIONS,
];

fn name(seen: &Seen) -> String {
    path(seen, &ALL)
}

macro_rules! recorded {
    ($file:literal) => {
        include_str!(concat!("recorded/", $file, ".json"))
    };
}

/// Stripe's error document for a status that any request may meet.
fn refusal(status: u16) -> (&'static str, String) {
    let body = match status {
        400 => recorded!("mock-400-parameter-missing"),
        401 => recorded!("mock-401"),
        403 => recorded!("reference-403"),
        404 => recorded!("mock-404-resource-missing"),
        409 => recorded!("reference-409-key-in-use"),
        422 => recorded!("localstripe-400"),
        429 => recorded!("mock-429-rate-limit"),
        _ => recorded!("mock-500"),
    };
    ("application/json", body.to_owned())
}

/// What one request alone may meet.
fn own() -> Vec<Failing> {
    let told = |status, request, code, body: &str| Failing {
        status,
        request,
        failure: Failure::Answer(code, Vec::new(), body.as_bytes().to_vec()),
    };
    let mut all = vec![
        told("402 with the intent", CREATE, 402, recorded!("reference-402-with-intent")),
        told("402 with the charge", CREATE, 402, recorded!("localstripe-402-with-charge")),
        told("402", CAPTURE, 402, recorded!("mock-402-insufficient-funds")),
        told("402", CREATE_REFUND, 402, recorded!("mock-402-insufficient-funds")),
        told("400 too large", CAPTURE, 400, recorded!("reference-400-amount-too-large")),
        told("400 expired", CAPTURE, 400, recorded!("reference-400-expired")),
        told("400 unexpected state", CAPTURE, 400, recorded!("reference-400-unexpected-state")),
        told("400 unexpected state", CANCEL, 400, recorded!("reference-400-unexpected-state")),
        told("400 already refunded", CREATE_REFUND, 400, recorded!("mock-400-already-refunded")),
        told("400 forgotten", EVENTS, 400, recorded!("mock-404-resource-missing")),
        told("404 no such path", INTENT, 404, recorded!("mock-404-path")),
    ];
    for request in [CREATE, CAPTURE, CANCEL, CREATE_REFUND] {
        let body = recorded!("mock-400-idempotency-error");
        all.push(told("400 idempotency_error", request, 400, body));
        all.push(told("404 no such path", request, 404, recorded!("mock-404-path")));
        let kept = vec![("idempotent-replayed".to_owned(), "true".to_owned())];
        let failure = Failure::Answer(500, kept, recorded!("mock-500").as_bytes().to_vec());
        all.push(Failing { status: "500 kept", request, failure });
    }
    all
}

/// Stripe with one payment in this state, and one movement of each kind.
fn stripe(state: &'static str) -> Call {
    serve(move |seen: &Seen| -> Served {
        let received = if state == "succeeded" { 44700 } else { 0 };
        let payment = intent(state, 44700 - received, received, json!({}));
        let list = |data: Value| json!({"object": "list", "data": data, "has_more": false});
        let refund = json!({"id": "re_1", "object": "refund", "amount": 100, "currency": "usd",
            "created": 1775124000, "status": "succeeded", "payment_intent": "pi_1", "metadata": {}});
        let dispute = json!({"id": "dp_1", "object": "dispute", "amount": 100, "currency": "usd",
            "created": 1775124000, "reason": "fraudulent", "status": "lost", "payment_intent": "pi_1"});
        let event = |kind: &str, object: Value| json!({"id": "evt_1", "type": kind, "created": 1775124000, "data": {"object": object}});
        let body = match name(seen).as_str() {
            INTENTS => list(json!([payment])),
            INTENT => payment,
            CREATE => intent("requires_capture", 44700, 0, json!({})),
            CAPTURE => intent("succeeded", 0, 14700, json!({})),
            CANCEL => intent("canceled", 0, 0, json!({})),
            CREATE_REFUND | REFUND => refund,
            REFUNDS => list(json!([])),
            CHARGE => charge("ch_1", json!("pi_1")),
            DISPUTE => dispute,
            EVENTS if seen.request.contains("dispute") => {
                list(json!([event("charge.dispute.created", dispute)]))
            }
            EVENTS if seen.request.contains("payout") => {
                list(json!([event("payout.paid", payout())]))
            }
            EVENTS => list(json!([event("payment_intent.succeeded", payment)])),
            _ => list(json!([
                movement(1, "charge", 100, json!("ch_1")),
                movement(2, "refund", -100, json!("re_1")),
                movement(3, "adjustment", -100, json!("dp_1")),
            ])),
        };
        (200, Vec::new(), body.to_string().into_bytes())
    });
    call()
}

fn payout() -> Value {
    json!({"id": "po_1", "object": "payout", "amount": 1, "currency": "usd", "status": "paid",
        "created": 1775124000, "arrival_date": 1775174400})
}

fn refund_input() -> RefundInput {
    RefundInput {
        payment: identity(),
        amount: usd("147"),
        id: Some("R-1".into()),
        credit_note: None,
        reason: None,
    }
}

fn by_our_id() -> Identity {
    Identity { id: "O-17-pay".into(), references: Vec::new() }
}

fn get(payment: Identity) -> Result<String, Fault> {
    let input = GetPaymentInput { company: "ACME".into(), payment };
    Connector::get_payment(stripe("succeeded"), input).map(|output| word(&output))
}

fn poll() -> PollRequest {
    PollRequest { cursor: Some("evt_0".into()), limit: 10 }
}

fn items<T>(items: &[T]) -> String {
    format!("of {}", items.len())
}

#[test]
fn every_status_becomes_what_the_readme_says() {
    let event = json!({"id": "evt_1", "type": "charge.refunded", "created": 1775124000,
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}}});
    let operations = [
        Operation::new("authorise", || {
            let call = stripe("requires_payment_method");
            Ok(word(&Connector::authorise(call, authorise_input())?.outcome))
        }),
        Operation::new("void-authorisation", || {
            let input = VoidAuthorisationInput { payment: identity(), reason: None };
            let call = stripe("requires_capture");
            Ok(word(&Connector::void_authorisation(call, input)?.outcome))
        }),
        Operation::new("capture", || {
            let call = stripe("requires_capture");
            Ok(word(&Connector::capture(call, capture_input())?.outcome))
        }),
        Operation::new("refund", || {
            Ok(word(&Connector::refund(stripe("succeeded"), refund_input())?.outcome))
        }),
        Operation::new("probe-authorise", || {
            let call = stripe("requires_capture");
            Ok(word(&Connector::probe_authorise(call, authorise_input())?))
        }),
        Operation::new("probe-capture", || {
            let call = stripe("requires_capture");
            Ok(word(&Connector::probe_capture(call, capture_input())?))
        }),
        Operation::new("probe-refund", || {
            Ok(word(&Connector::probe_refund(stripe("succeeded"), refund_input())?))
        }),
        Operation::new("get-payment", || get(identity())),
        Operation::new("get-payment", || get(by_our_id())),
        Operation::new("list-changed-payments", || {
            let output = Connector::list_changed_payments(stripe("succeeded"), poll())?;
            Ok(items(&output.items))
        }),
        Operation::new("list-changed-disputes", || {
            let output = Connector::list_changed_disputes(stripe("succeeded"), poll())?;
            Ok(items(&output.items))
        }),
        Operation::new("list-changed-settlements", || {
            let output = Connector::list_changed_settlements(stripe("succeeded"), poll())?;
            Ok(items(&output.items))
        }),
        Operation::new("receive-settlements", || {
            let output = Connector::receive_settlements(stripe("succeeded"), payout_paid())?;
            Ok(items(&output.items))
        }),
        Operation::new("receive-payment-events", move || {
            let call = stripe("succeeded");
            let output = Connector::receive_payment_events(call, webhook(&event))?;
            Ok(items(&output.items))
        }),
    ];
    let product = Product { name, refusal, own: own() };
    check(include_str!("../../README.md"), &product, &operations);
}
