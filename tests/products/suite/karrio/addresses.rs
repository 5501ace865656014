//! Checking addresses. No carrier here can do it, and Karrio says so.

use serde_json::json;

use super::{address, fresh, karrio, tms};

#[test]
fn an_address_that_no_carrier_checks_is_not_checked_and_not_kept() {
    let street = fresh("1-Pier");
    let mut given = address();
    given["lines"] = json!([street]);
    let answer = tms().call("validate-address", &json!({"address": given})).expect("an answer");
    assert_eq!(answer["outcome"], "not_checked", "{answer:#}");
    let said = "address validation is not supported by carrier: 'crossdock-fleet'";
    assert_eq!(answer["notes"], json!([said]));
    assert_eq!(answer["address"]["lines"], given["lines"]);
    let kept = karrio().get(&format!("/v1/addresses?keyword={street}"));
    assert_eq!(kept.json()["count"], 0);
}

#[test]
fn an_address_that_karrio_will_not_take_is_undeliverable() {
    let wrong = [
        ("postal_code", json!("ABC"), "postal_code: The American postal code must match 12345"),
        ("lines", json!(["x".repeat(101)]), "address_line1: Ensure this field has no more than"),
        ("city", json!("y".repeat(51)), "city: Ensure this field has no more than 50 characters."),
    ];
    for (field, value, said) in wrong {
        let mut given = address();
        given[field] = value;
        let answer = tms().call("validate-address", &json!({"address": given})).expect("an answer");
        assert_eq!(answer["outcome"], "undeliverable", "{answer:#}");
        let note = answer["notes"][0].as_str().expect("a note");
        assert!(note.starts_with(said), "{note}");
    }
}
