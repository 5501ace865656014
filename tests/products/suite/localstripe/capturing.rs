//! Capturing, and its probe. localstripe knows no second capture of a payment.

use serde_json::{Value, json};

use super::{
    REFUSED_WHEN_CHARGED, authorisation, authorised, capture_of, captured, card, fresh, intent,
    stripe, usd,
};

fn capture(payment: &Value, amount: &str, invoice: &str) -> Value {
    let input = capture_of(payment, &usd(amount), invoice);
    stripe().call("capture", &input).expect("an answer")
}

#[test]
fn a_capture_for_less_releases_the_rest_and_gives_nothing_back() {
    let payment = authorised(&fresh("O"), &usd("447"));
    assert_eq!(payment["several_captures"], false);
    let invoice = fresh("INV");
    let input = capture_of(&payment, &usd("147"), &invoice);
    assert_eq!(stripe().call("probe-capture", &input).expect("an answer"), "absent");

    let answer = stripe().call("capture", &input).expect("an answer");
    assert_eq!(answer["outcome"], "captured", "{answer:#}");
    assert_eq!(answer["amount"], usd("147"));
    let paid = &answer["payment"];
    assert_eq!(paid["status"], "captured", "{paid:#}");
    let sums = [&paid["captured"], &paid["refunded"], &paid["remaining"]];
    assert_eq!(sums, [&usd("147"), &usd("0"), &usd("0")]);

    // localstripe, as Stripe, keeps the release as a refund of the charge.
    let intent = intent(&payment);
    assert_eq!(intent["amount_received"], 14700);
    assert_eq!(intent["latest_charge"]["amount_refunded"], 30000);
    let metadata = intent["metadata"].as_object().expect("metadata");
    let captures: Vec<_> =
        metadata.iter().filter(|(name, _)| name.starts_with("capture_")).collect();
    assert_eq!(captures.len(), 1, "{captures:?}");
    assert!(captures[0].1.as_str().is_some_and(|text| text.ends_with(&invoice)), "{captures:?}");

    // Asked again, also under another key, it is the same capture.
    assert_eq!(stripe().call("capture", &input).expect("an answer"), answer);
    assert_eq!(stripe().call("probe-capture", &input).expect("an answer")["applied"], answer);
    // For another invoice nothing is left.
    assert_eq!(capture(&payment, "100", &fresh("INV"))["outcome"], "too_much");
    assert_eq!(super::intent(&payment)["amount_received"], 14700);
}

#[test]
fn more_than_was_authorised_is_an_answer_and_takes_nothing() {
    let payment = authorised(&fresh("O"), &usd("447"));
    let answer = capture(&payment, "447.01", &fresh("INV"));
    assert_eq!(answer["outcome"], "too_much", "{answer:#}");
    assert_eq!(answer["amount"], usd("0"));
    assert_eq!(intent(&payment)["status"], "requires_capture");
    assert_eq!(captured(&payment, &usd("447"), &fresh("INV"))["captured"], usd("447"));
}

#[test]
fn what_is_not_authorised_is_not_captured() {
    let payment = authorised(&fresh("O"), &usd("20"));
    let given_up = json!({"payment": super::identity(&payment)});
    stripe().call("void-authorisation", &given_up).expect("an answer");
    let answer = capture(&payment, "20", &fresh("INV"));
    assert_eq!(answer["outcome"]["declined"]["code"], "canceled", "{answer:#}");
    assert_eq!(intent(&payment)["status"], "canceled");

    let input = authorisation(&fresh("O"), &usd("20"), &card(REFUSED_WHEN_CHARGED));
    let refused = stripe().call("authorise", &input).expect("an answer");
    let answer = capture(&refused["payment"], "20", &fresh("INV"));
    assert_eq!(answer["outcome"]["declined"]["code"], "not-authorised", "{answer:#}");
    assert_eq!(intent(&refused["payment"])["amount_received"], 0);

    let unknown = json!({"id": fresh("P"), "references": []});
    assert_eq!(capture(&unknown, "20", &fresh("INV"))["outcome"], "unknown");
}
