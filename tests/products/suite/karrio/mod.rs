//! Karrio's connector against Karrio. What happened is read from Karrio by its own API. Tests share
//! one account, so each has ids of its own.

mod addresses;
mod booking;
mod credentials;
mod quoting;
mod tracking;
mod webhooks;

use std::time::{SystemTime, UNIX_EPOCH};

use product_suite::{Connector, Http, told};
use serde_json::{Value, json};

/// With the API key, which is in test mode by itself.
fn settings() -> String {
    let auth = r#"auth = { kind = "header", name = "Authorization", prefix = "Token ", value = { env = "KARRIO_KEY" } }"#;
    settings_with(&told("KARRIO_URL"), auth)
}

fn settings_with(url: &str, auth: &str) -> String {
    format!(
        r#"
        config = {{ company = "crossdock", sender = "Crossdock Distribution", test_mode = true, sites = {{ East = {{ lines = ["100 Dock Road"], city = "Newark", region = "NJ", postal_code = "07114", country = "US", phone = "(973) 555-0100" }} }} }}
        [upstreams.karrio]
        base_url = {url:?}
        {auth}
        "#
    )
}

fn tms() -> Connector {
    Connector::new("tms", "karrio", &settings())
}

fn karrio() -> Http {
    Http::new(told("KARRIO_URL")).with("authorization", format!("Token {}", told("KARRIO_KEY")))
}

/// An id that no test before has used, and that is part of no other.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
    format!("{name}-{:x}", now.as_nanos())
}

fn address() -> Value {
    json!({"lines": ["1 Pier", "Floor 2", "Left"], "city": "New York", "region": "NY",
        "postal_code": "10004", "country": "US"})
}

/// A shipment of one package of 2.5 kg to New York: 12.50 dollars, or 25.00 by express.
fn shipment(id: &str) -> Value {
    json!({
        "id": id, "company": "crossdock", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-04-02T09:00:00Z", "order": format!("O-{id}"), "status": "packed",
        "site": "East",
        "ship_to": {"name": "Harbour Hardware", "address": address(),
            "contact": {"name": "Ada", "phone": "212 555 0199"}},
        "lines": [], "packages": [package("1", "2.5")], "documents": [],
    })
}

fn package(id: &str, kilograms: &str) -> Value {
    json!({"id": id, "weight": {"value": kilograms, "unit": "KGM"}, "contents": []})
}

/// What `book-carrier` is given: the order's number on the label, the cheapest offer.
fn booking(shipment: &Value) -> Value {
    json!({"shipment": shipment, "label_text": shipment["order"]})
}

/// Books it, and gives the booking as the connector answers it.
fn booked(shipment: &Value) -> Value {
    let answer = tms().call("book-carrier", &booking(shipment)).expect("an answer");
    assert_eq!(answer["outcome"], "booked", "{answer:#}");
    answer["booking"].clone()
}

/// Karrio's number of a booking.
fn number(booking: &Value) -> &str {
    let references = booking["references"].as_array().expect("references");
    let karrios = references.iter().find(|reference| reference["system"] == "karrio");
    karrios.and_then(|reference| reference["id"].as_str()).expect("Karrio's number")
}

/// Every shipment of Karrio with this reference: two that are not cancelled are two labels.
fn shipments_of(id: &str) -> Vec<Value> {
    let found = karrio().get(&format!("/v1/shipments?limit=1000&reference={id}")).json();
    let found = found["results"].as_array().cloned().expect("a list");
    found.into_iter().filter(|shipment| shipment["reference"] == id).collect()
}

fn trackers_of(number: &Value) -> Vec<Value> {
    let number = number.as_str().expect("a tracking number");
    let found = karrio().get(&format!("/v1/trackers?tracking_number={number}")).json();
    found["results"].as_array().cloned().expect("a list")
}

/// The carrier tells of a parcel: what happened, and where it is now.
fn happens(tracking_number: &Value, at: &str, status: &str, words: &str) {
    let tracker = trackers_of(tracking_number).pop().expect("a tracker");
    let (date, time) = at.split_once(' ').expect("a date and a time");
    let event = json!({"date": date, "time": time, "status": status, "code": "X",
        "description": words, "location": "Newark, NJ"});
    let body = json!({"events": [event], "status": status, "delivered": status == "delivered"});
    let path = format!("/v1/trackers/{}/inject-events", tracker["id"].as_str().expect("an id"));
    assert_eq!(karrio().post(&path, &body).json()["success"], true);
}

fn identity(id: &str) -> Value {
    json!({"id": id, "references": []})
}
