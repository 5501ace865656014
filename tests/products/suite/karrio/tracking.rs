//! Where parcels are: asked, and polled. The carrier's news come by Karrio's own API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{booked, fresh, happens, identity, karrio, number, shipment, tms};

fn track(id: &str) -> Value {
    let input = json!({"company": "crossdock", "shipment": identity(id)});
    tms().call("track-shipment", &input).expect("an answer")
}

/// What polls tell of these shipments until there is no more: how often each milestone, by its id;
/// and the cursor after it.
fn poll(cursor: &Value, limit: u32, ids: &[&str]) -> (BTreeMap<String, (u32, Value)>, Value) {
    let mut cursor = cursor.clone();
    let mut told = BTreeMap::<String, (u32, Value)>::new();
    loop {
        let input = json!({"cursor": cursor, "limit": limit});
        let answer = tms().call("poll-tracking", &input).expect("an answer");
        let items = answer["items"].as_array().expect("items");
        assert!(items.len() <= limit as usize);
        for item in items {
            let value = &item["value"];
            assert_eq!(item["id"], value["id"]);
            if ids.iter().any(|id| value["shipment"] == *id) {
                let id = item["id"].as_str().expect("an id").to_owned();
                told.entry(id).or_insert((0, value.clone())).0 += 1;
            }
        }
        if !answer["next_cursor"].is_null() {
            cursor = answer["next_cursor"].clone();
        }
        if answer["more"] != true {
            return (told, cursor);
        }
    }
}

/// Kind and time of what was told, by time.
fn story(told: &BTreeMap<String, (u32, Value)>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut story: Vec<(String, String)> = told
        .values()
        .map(|(_, value)| (text(&value["occurred_at"]), text(&value["kind"])))
        .collect();
    story.sort();
    story
}

#[test]
fn a_parcel_is_followed_from_label_to_door() {
    let id = fresh("S");
    assert_eq!(track(&id), json!("unknown"));
    let booking = booked(&shipment(&id));
    // That the label was made is no milestone: the booking said it.
    let found = track(&id)["found"].clone();
    assert_eq!((&found["status"], &found["milestones"]), (&json!("booked"), &json!([])));
    assert!(found["expected_at"].is_string(), "{found:#}");

    let parcel = &booking["tracking_number"];
    happens(parcel, "2026-04-02 11:00", "in_transit", "Departed 出発");
    happens(parcel, "2026-04-02 02:30 PM", "out_for_delivery", "In the van");
    let found = track(&id)["found"].clone();
    assert_eq!(found["status"], "in_transit", "{found:#}");
    let first = &found["milestones"][0];
    assert_eq!(first["kind"], "in_transit");
    assert_eq!(first["occurred_at"], "2026-04-02T11:00:00Z");
    assert_eq!((&first["note"], &first["place"]), (&json!("Departed 出発"), &json!("Newark, NJ")));
    assert_eq!((&first["order"], &first["shipment"]), (&shipment(&id)["order"], &json!(id)));
    assert_eq!(found["milestones"][1]["occurred_at"], "2026-04-02T14:30:00Z");

    happens(parcel, "2026-04-03 09:00", "delivered", "Ada took it");
    let found = track(&id)["found"].clone();
    assert_eq!(found["status"], "delivered");
    assert_eq!(found["milestones"].as_array().map(Vec::len), Some(3));
    let known = karrio().get(&format!("/v1/shipments/{}", number(&booking))).json();
    assert_eq!(known["status"], "delivered");
}

#[test]
fn every_state_of_a_parcel_that_karrio_knows_is_told() {
    let id = fresh("S");
    let booking = booked(&shipment(&id));
    let kinds = [
        ("picked_up", json!("in_transit")),
        ("on_hold", json!({"other": "on-hold"})),
        ("delivery_delayed", json!({"other": "delivery-delayed"})),
        ("ready_for_pickup", json!({"other": "ready-for-pickup"})),
        ("delivery_failed", json!("delivery_failed")),
        ("return_to_sender", json!("returned")),
    ];
    for (hour, (status, kind)) in (10..).zip(kinds) {
        let at = format!("2026-04-02 {hour}:00");
        happens(&booking["tracking_number"], &at, status, status);
        let found = track(&id)["found"].clone();
        assert_eq!(found["status"], "in_transit", "{status}: {found:#}");
        let last = found["milestones"].as_array().and_then(|all| all.last()).expect("one");
        assert_eq!(last["kind"], kind, "{status}");
    }
}

#[test]
fn a_poll_tells_each_milestone_once_whenever_it_comes() {
    let id = fresh("S");
    let booking = booked(&shipment(&id));
    let parcel = &booking["tracking_number"];
    happens(parcel, "2026-04-02 11:00", "in_transit", "Departed");
    let (told, cursor) = poll(&Value::Null, 50, &[&id]);
    assert_eq!(story(&told), [("2026-04-02T11:00:00Z".into(), "in_transit".into())]);
    let (told, cursor) = poll(&cursor, 50, &[&id]);
    assert_eq!(story(&told), []);
    // One between the label and what was told already: told, and what is known under its old id.
    let (known, _) = poll(&Value::Null, 50, &[&id]);
    happens(parcel, "2026-04-02 10:00", "in_transit", "Handed over");
    let (told, cursor) = poll(&cursor, 50, &[&id]);
    assert!(known.keys().all(|id| told.contains_key(id)), "{told:#?}");
    assert_eq!(story(&told)[0], ("2026-04-02T10:00:00Z".into(), "in_transit".into()));
    happens(parcel, "2026-04-03 09:00", "delivered", "Ada took it");
    let (told, cursor) = poll(&cursor, 50, &[&id]);
    assert_eq!(story(&told), [("2026-04-03T09:00:00Z".into(), "delivered".into())]);
    let (told, _) = poll(&cursor, 50, &[&id]);
    assert_eq!(story(&told), []);
}

#[test]
fn a_poll_goes_beyond_a_page_of_karrio_and_its_own_limit() {
    let order = fresh("S");
    let party = json!({"address_line1": "1 Pier", "city": "New York", "state_code": "NY",
        "postal_code": "10004", "country_code": "US", "company_name": "Harbour Hardware"});
    let ids: Vec<String> = (0..102).map(|at| format!("{order}-{at}")).collect();
    for id in &ids {
        let bought = json!({"shipper": party, "recipient": party, "service": "standard_service",
            "parcels": [{"weight": 1, "weight_unit": "KG", "reference_number": id}],
            "reference": id, "metadata": {"order_id": order}});
        assert_eq!(karrio().post("/v1/shipments", &bought).status, 201);
    }
    // The oldest is on the second page.
    let far = [&ids[0], &ids[50], &ids[101]];
    for id in far {
        happens(&json!(id), "2026-04-02 11:00", "in_transit", "Departed");
        happens(&json!(id), "2026-04-02 12:00", "out_for_delivery", "In the van");
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (told, cursor) = poll(&Value::Null, 4, &ids);
    assert_eq!(told.len(), 2 * far.len());
    assert!(told.values().all(|(times, _)| *times == 1), "{told:#?}");
    let (told, _) = poll(&cursor, 4, &ids);
    assert!(told.is_empty(), "{told:#?}");
}
