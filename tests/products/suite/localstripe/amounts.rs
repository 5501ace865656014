//! Currencies with two decimals, none and three, and amounts that nobody can move.

use serde_json::json;

use super::{
    GOOD, authorisation, authorised, capture_of, captured, card, fresh, intent, intents_of, money,
    number, stripe,
};

#[test]
fn an_amount_arrives_in_the_minor_units_of_its_currency_and_comes_back() {
    let check = |amount: &str, currency: &str, minor: i64| {
        let whole = money(amount, currency);
        let payment = authorised(&fresh("O"), &whole);
        assert_eq!(payment["amount"], whole);
        assert_eq!(intent(&payment)["amount"], minor, "{amount} {currency}");
        let payment = captured(&payment, &whole, &fresh("INV"));
        assert_eq!(payment["captured"], whole);
        assert_eq!(intent(&payment)["amount_received"], minor, "{amount} {currency}");
        let back = json!({"payment": super::identity(&payment), "amount": whole, "id": fresh("R")});
        let answer = stripe().call("refund", &back).expect("an answer");
        assert_eq!(answer["refund"]["amount"], whole, "{answer:#}");
        assert_eq!(answer["payment"]["refunded"], whole, "{answer:#}");
    };
    check("447.5", "USD", 44_750);
    check("0.01", "EUR", 1);
    check("1200", "JPY", 1200);
    check("1.23", "KWD", 1230);
    // At Stripe with two decimals, whatever ISO 4217 says.
    check("5", "ISK", 500);
    check("99999999.99", "EUR", 9_999_999_999);
}

#[test]
fn what_cannot_be_moved_never_leaves() {
    let method = card(GOOD);
    let check = |amount: &str, currency: &str| {
        let id = fresh("O");
        let input = authorisation(&id, &money(amount, currency), &method);
        let fault = stripe().call("authorise", &input).expect_err("no such amount");
        assert_eq!((fault.code.as_str(), fault.retry.as_str()), ("input", "never"), "{fault:?}");
        assert!(fault.message.contains(amount), "{}", fault.message);
        assert_eq!(intents_of(&format!("{id}-P")), Vec::<serde_json::Value>::new());
    };
    check("0", "USD");
    check("-1", "USD");
    check("0.005", "USD");
    check("0.5", "JPY");
    check("1.234", "KWD");

    let payment = authorised(&fresh("O"), &money("20", "USD"));
    for amount in ["0", "-20", "1.999"] {
        let input = capture_of(&payment, &money(amount, "USD"), "INV");
        let fault = stripe().call("capture", &input).expect_err("no such amount");
        assert_eq!(fault.code, "input", "{fault:?}");
    }
    let intent = intent(&payment);
    assert_eq!(intent["status"], "requires_capture", "{} is as it was", number(&payment));
}
