//! Booking, its probe and its undo: one shipment and one label, however often and in whatever state
//! of Karrio they are asked for.

use serde_json::{Value, json};

use super::{
    booked, booking, fresh, happens, identity, karrio, number, package, shipment, shipments_of,
    tms, trackers_of,
};

fn probe(shipment: &Value) -> Value {
    tms().call("probe-book-carrier", &booking(shipment)).expect("an answer")
}

fn refused(input: &Value) -> Value {
    let answer = tms().call("book-carrier", input).expect("an answer");
    assert!(answer["outcome"]["refused"].is_object(), "{answer:#}");
    answer["outcome"]["refused"].clone()
}

#[test]
fn a_booking_is_one_label_however_often_it_is_asked_for() {
    let id = fresh("S");
    let shipment = shipment(&id);
    assert_eq!(probe(&shipment), json!("absent"));
    let first = tms().call_keyed("book-carrier", &booking(&shipment), "0X/book/0").expect("one");
    for key in ["0X/book/0", "0X/book/0", "0Y/other/0"] {
        let again = tms().call_keyed("book-carrier", &booking(&shipment), key).expect("the same");
        assert_eq!(again, first);
    }
    assert_eq!(probe(&shipment), json!({"applied": first}));
    let booking = &first["booking"];
    assert_eq!(booking["freight"], json!({"amount": "12.5", "currency": "USD"}));
    assert_eq!(booking["carrier"]["service"], "standard_service");
    assert_eq!((&booking["status"], &booking["order"]), (&json!("booked"), &shipment["order"]));
    let [known] = shipments_of(&id).try_into().expect("one shipment");
    assert_eq!((&known["status"], &known["order_id"]), (&json!("created"), &shipment["order"]));
    assert_eq!(known["tracking_number"], booking["tracking_number"]);
    assert_eq!(trackers_of(&booking["tracking_number"]).len(), 1);
    let path = format!("/v1/shipments/{}/documents/label", number(booking));
    let label = karrio().post(&path, &json!({})).json();
    assert_eq!(label["format"], "PDF");
}

#[test]
fn a_draft_that_an_attempt_left_is_bought() {
    let id = fresh("S");
    let shipment = shipment(&id);
    let mut offer = booking(&shipment);
    offer["offer"] = "crossdock-fleet/overnight".into();
    assert_eq!(refused(&offer)["code"], "no-rates");
    let [draft] = shipments_of(&id).try_into().expect("a draft");
    assert_eq!(draft["status"], "draft");
    // Karrio writes the numbers in its own way: they are the same all the same.
    assert_eq!(draft["recipient"]["phone_number"], "+1 212-555-0199");
    assert_eq!(probe(&shipment), json!("absent"));
    offer["offer"] = "crossdock-fleet/express_service".into();
    let answer = tms().call("book-carrier", &offer).expect("an answer");
    assert_eq!(answer["booking"]["freight"]["amount"], "25", "{answer:#}");
    let [bought] = shipments_of(&id).try_into().expect("the same one");
    assert_eq!((&bought["id"], &bought["status"]), (&draft["id"], &json!("created")));
}

#[test]
fn a_draft_of_another_address_is_called_off() {
    let id = fresh("S");
    let mut shipment = shipment(&id);
    let mut offer = booking(&shipment);
    offer["offer"] = "crossdock-fleet/overnight".into();
    refused(&offer);
    shipment["ship_to"]["address"]["lines"] = json!(["2 Pier"]);
    booked(&shipment);
    let mut states: Vec<Value> =
        shipments_of(&id).iter().map(|known| known["status"].clone()).collect();
    states.sort_by_key(Value::to_string);
    assert_eq!(states, ["cancelled", "created"]);
}

#[test]
fn two_shipments_of_one_order_have_two_tracking_numbers() {
    let ids = [fresh("S"), fresh("S")];
    let numbers = ids.each_ref().map(|id| {
        let mut shipment = shipment(id);
        shipment["order"] = format!("O-{}", ids[0]).into();
        shipment["packages"] = json!([package("1", "2"), package("2", "0.5")]);
        let booking = booked(&shipment);
        assert_eq!(booking["freight"]["amount"], "23", "{booking:#}");
        booking["tracking_number"].clone()
    });
    assert_ne!(numbers[0], numbers[1]);
    for number in numbers {
        assert_eq!(trackers_of(&number).len(), 1);
    }
}

#[test]
fn names_of_any_script_and_length_arrive() {
    let id = fresh("S-Größe-李");
    let mut shipment = shipment(&id);
    shipment["ship_to"]["name"] = "Ærøskøbing Hjørnebutik 株式会社 ".repeat(8).into();
    shipment["ship_to"]["address"]["city"] = "Sønder Ørslev".into();
    shipment["order"] = "O-".repeat(30).into();
    let first = booked(&shipment);
    assert_eq!(booked(&shipment), first);
    let known = karrio().get(&format!("/v1/shipments/{}", number(&first))).json();
    let name = known["recipient"]["company_name"].as_str().expect("a name");
    assert_eq!(name.chars().count(), 100);
    assert!(name.starts_with("Ærøskøbing Hjørnebutik 株式会社"), "{name}");
    assert_eq!((&known["reference"], &known["order_id"]), (&json!(id), &Value::Null));
    assert_eq!(known["metadata"]["order_id"], shipment["order"]);
    // A line of an address is not cut: somebody has to look at it.
    shipment["id"] = fresh("S").into();
    shipment["ship_to"]["address"]["lines"] = json!(["x".repeat(101)]);
    let refusal = refused(&booking(&shipment));
    assert_eq!(refusal["code"], "validation");
    let message = refusal["message"].as_str().expect("words");
    assert!(message.contains("recipient.address_line1: Ensure this field"), "{message}");
}

#[test]
fn a_shipment_is_found_beyond_the_first_page_of_those_that_are_called_like_it() {
    let id = fresh("S");
    let first = booked(&shipment(&id));
    let party = json!({"address_line1": "1 Pier", "city": "New York", "state_code": "NY",
        "postal_code": "10004", "country_code": "US", "company_name": "Harbour Hardware"});
    for at in 0..110 {
        let draft = json!({"shipper": party, "recipient": party, "fetch_rates": false,
            "parcels": [{"weight": 1, "weight_unit": "KG"}], "reference": format!("{id}{at}")});
        assert_eq!(karrio().post("/v1/shipments", &draft).status, 201);
    }
    let found = karrio().get(&format!("/v1/shipments?limit=1&reference={id}")).json();
    assert_eq!(found["count"], 111);
    assert_eq!(probe(&shipment(&id))["applied"]["booking"], first);
    assert_eq!(booked(&shipment(&id)), first);
}

#[test]
fn a_booking_is_called_off_once_and_no_more_when_the_carrier_has_it() {
    let id = fresh("S");
    let input = json!({"shipment": identity(&id)});
    let cancel = || tms().call("cancel-booking", &input).expect("an answer")["outcome"].clone();
    assert_eq!(cancel(), "unknown");
    let first = booked(&shipment(&id));
    assert_eq!((cancel(), cancel()), (json!("cancelled"), json!("cancelled")));
    assert_eq!(trackers_of(&first["tracking_number"]), Vec::<Value>::new());
    assert_eq!(probe(&shipment(&id)), json!("absent"));
    // Booked again, it is another one, and that one counts.
    let second = booked(&shipment(&id));
    assert_ne!(number(&first), number(&second));
    happens(&second["tracking_number"], "2026-04-02 11:00", "delivery_delayed", "Snow");
    let known = karrio().get(&format!("/v1/shipments/{}", number(&second))).json();
    assert_eq!(known["status"], "needs_attention");
    assert_eq!(cancel(), "too_late");
    let by_number = json!({"shipment": {"id": id, "references": second["references"]}});
    let answer = tms().call("cancel-booking", &by_number).expect("an answer");
    assert_eq!(answer["outcome"], "too_late");
}
