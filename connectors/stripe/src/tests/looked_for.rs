//! What is looked for: page by page, and never called absent without having seen all.

use super::*;

const LIST: &str = "GET http://stripe/v1/payment_intents?created%5Bgte%5D=1775123700&expand%5B%5D=data.latest_charge&limit=100";

fn list(data: Value, has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more})
}

fn of(id: &str) -> Value {
    let mut intent = intent("requires_capture", 44700, 0, json!({}));
    intent["metadata"]["payment_id"] = json!(id);
    intent
}

#[test]
fn no_page_is_read_beyond_the_payment() {
    let call = call();
    replay::answer(LIST, 200, list(json!([of("O-99-pay")]), true));
    let next = format!("{LIST}&starting_after=pi_1");
    replay::answer(&next, 200, list(json!([of("O-17-pay")]), true));
    let state = Connector::probe_authorise(call, authorise_input()).unwrap();
    assert!(matches!(state, AuthoriseState::Applied(_)), "{state:?}");
    replay::finish();
}

/// To call a payment absent since the list is long would make a second one.
#[test]
fn a_list_without_an_end_is_no_absence() {
    let call = call();
    replay::serve(|_| (200, Vec::new(), list(json!([of("O-99-pay")]), true).to_string().into()));
    let fault = Connector::probe_authorise(call, authorise_input()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry), ("too-many", Retry::Never));
    assert_eq!(replay::reset().len(), 100);
}

#[test]
fn a_refusal_that_names_only_the_charge_is_one_of_its_payment() {
    let call = call();
    let refused = json!({"error": {"type": "card_error", "code": "card_declined", "charge": "ch_1",
        "message": "Your card was declined."}});
    replay::answer("POST http://stripe/v1/payment_intents", 402, refused);
    let of_charge = charge("ch_1", json!("pi_1"));
    replay::answer("GET http://stripe/v1/charges/ch_1", 200, of_charge);
    replay::answer(GET, 200, intent("requires_payment_method", 0, 0, json!({})));
    let output = Connector::authorise(call, authorise_input()).unwrap();
    let AuthoriseOutcome::Declined(refusal) = output.outcome else { panic!("{output:?}") };
    assert_eq!(refusal.code, "card-declined");
    assert_eq!(output.payment.id, "O-17-pay");
    replay::finish();
}
