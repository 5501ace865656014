//! What becomes of each status, by the tables in README.md.

use crossdock_sdk::http::replay::{Failure, Seen, Served, serve};
use crossdock_sdk::http::statuses::{Failing, Operation, Product, check, path, word};

use super::tracking::{event, tracker};
use super::*;
use crate::exports::crossdock::tms::tracking::{Guest as _, TrackShipmentInput};
use crate::exports::crossdock::tms::tracking_feed::Guest as _;
use crate::exports::crossdock::tms::tracking_webhook::Guest as _;

const ADDRESSES: &str = "POST /v1/addresses";
const ADDRESS: &str = "DELETE /v1/addresses/{id}";
const PROXY_RATES: &str = "POST /v1/proxy/rates";
const SHIPMENTS: &str = "GET /v1/shipments";
const DRAFT: &str = "POST /v1/shipments";
const BY_ID: &str = "GET /v1/shipments/{id}";
const RATES: &str = "POST /v1/shipments/{id}/rates";
const BUY: &str = "POST /v1/shipments/{id}/purchase";
const CANCEL: &str = "POST /v1/shipments/{id}/cancel";
const TRACKERS: &str = "GET /v1/trackers";
const TRACKER: &str = "GET /v1/trackers/{id}";

fn name(seen: &Seen) -> String {
    let all = [
        ADDRESSES,
        ADDRESS,
        PROXY_RATES,
        SHIPMENTS,
        DRAFT,
        BY_ID,
        RATES,
        BUY,
        CANCEL,
        TRACKERS,
        TRACKER,
    ];
    path(seen, &all)
}

/// Karrio with this shipment, or none, and one tracker under way that no list shows any more.
fn karrio(shipment: Option<Value>) {
    serve(move |seen: &Seen| -> Served {
        let answer = |status, body: Value| (status, Vec::new(), body.to_string().into_bytes());
        let on_its_way = || tracker("trk_1", "in_transit", json!([event("11:00", "in_transit")]));
        match name(seen).as_str() {
            ADDRESSES => answer(201, json!({"id": "adr_1", "validation": {"success": true}})),
            ADDRESS => answer(200, json!({"id": "adr_1"})),
            PROXY_RATES => {
                let rates = json!([rate("rat_2", "standard_service", 11.25)]);
                answer(200, json!({"rates": rates, "messages": []}))
            }
            SHIPMENTS => answer(200, page(shipment.iter().cloned().collect())),
            BY_ID => answer(200, shipment.clone().unwrap_or_else(|| known("shp_1", "created"))),
            DRAFT => answer(201, known("shp_1", "draft")),
            RATES => answer(200, known("shp_1", "draft")),
            BUY => answer(200, known("shp_1", "created")),
            CANCEL => answer(200, known("shp_1", "cancelled")),
            TRACKERS => answer(200, page(json!([]))),
            _ => answer(200, on_its_way()),
        }
    });
}

/// Recorded from Karrio 2026.1.32.
fn refusal(status: u16) -> (&'static str, String) {
    let (code, message) = match status {
        400 => ("validation", "address_line1: Ensure this field has no more than 100 characters."),
        401 => ("invalid_token", "Given token not valid for any token type"),
        403 => ("permission_denied", "You do not have permission to perform this action."),
        404 => ("not_found", "Shipment not found"),
        409 => ("state_error", "The shipment is 'created' and cannot be purchased again"),
        429 => ("throttled", "Request was throttled. Expected available in 60 seconds."),
        _ => ("error", "database is locked"),
    };
    ("application/json", errors(code, message))
}

fn errors(code: &str, message: &str) -> String {
    json!({"errors": [{"code": code, "level": "error", "message": message}]}).to_string()
}

/// A carrier's refusal, which Karrio passes on; and what it cannot do, at the address.
fn own() -> Vec<Failing> {
    let json = |status, body: String| {
        let media = ("content-type".to_owned(), "application/json".to_owned());
        Failure::Answer(status, vec![media], body.into_bytes())
    };
    let message = json!({"carrier_id": "crossdock-fleet", "carrier_name": "generic",
        "code": "SHIPPING_SDK_NON_SUPPORTED_ERROR", "message": "this operation is not supported."});
    let carrier = || json(424, json!({"messages": [message]}).to_string());
    let nobody = "address validation is not supported by carrier: 'crossdock-fleet'";
    let carriers = [PROXY_RATES, DRAFT, RATES, BUY, CANCEL];
    let mut own: Vec<Failing> = carriers
        .iter()
        .map(|request| Failing { status: "424", request, failure: carrier() })
        .collect();
    own.push(Failing {
        status: "406",
        request: ADDRESSES,
        failure: json(406, errors("failure", nobody)),
    });
    own
}

#[test]
fn every_status_becomes_what_the_readme_says() {
    let asked = |shipment: Option<Value>| {
        let call = call();
        karrio(shipment);
        call
    };
    let book_from = move |shipment: Option<Value>| {
        let call = asked(shipment);
        Connector::book_carrier(call, book(None)).map(|output| word(&output.outcome))
    };
    let cancel = move |references: Vec<crossdock_sdk::Reference>| {
        let call = asked(Some(known("shp_1", "created")));
        let shipment = Identity { id: "S-1".into(), references };
        let output =
            Connector::cancel_booking(call, CancelBookingInput { shipment, reason: None })?;
        Ok(word(&output.outcome))
    };
    let operations = [
        Operation::new("validate-address", move || {
            let call = asked(None);
            let input = ValidateAddressInput { address: address("10004") };
            Connector::validate_address(call, input).map(|output| word(&output.outcome))
        }),
        Operation::new("quote-freight", move || {
            let call = asked(None);
            let input = QuoteFreightInput { shipment: shipment(), services: Vec::new() };
            Connector::quote_freight(call, input).map(|output| word(&output.outcome))
        }),
        Operation::new("book-carrier", move || book_from(None)),
        // A draft whose rates have run out, and one of another content.
        Operation::new("book-carrier", move || {
            let mut draft = known("shp_1", "draft");
            draft["rates"] = json!([]);
            book_from(Some(draft))
        }),
        Operation::new("book-carrier", move || {
            let mut stale = known("shp_8", "draft");
            stale["metadata"] = json!({});
            book_from(Some(stale))
        }),
        Operation::new("cancel-booking", move || cancel(Vec::new())),
        Operation::new("cancel-booking", move || {
            cancel(vec![canonical::reference("karrio", "booking", "shp_1")])
        }),
        Operation::new("probe-book-carrier", move || {
            let call = asked(Some(known("shp_1", "created")));
            Connector::probe_book_carrier(call, book(None)).map(|state| word(&state))
        }),
        Operation::new("track-shipment", move || {
            let call = asked(Some(known("shp_1", "in_transit")));
            let shipment = Identity { id: "S-1".into(), references: Vec::new() };
            let company = "ACME".into();
            let input = TrackShipmentInput { company, shipment, tracking_number: None };
            Connector::track_shipment(call, input).map(|output| word(&output))
        }),
        Operation::new("poll-tracking", move || {
            let call = asked(Some(known("shp_1", "in_transit")));
            let cursor = json!({"since": 1_775_120_000, "told": {"trk_1": [0, 0]}}).to_string();
            let input = PollRequest { cursor: Some(cursor), limit: 10 };
            let output = Connector::poll_tracking(call, input)?;
            Ok(format!("{} items", output.items.len()))
        }),
        Operation::new("receive-tracking", move || {
            let call = asked(Some(known("shp_1", "in_transit")));
            let data = tracker("trk_1", "in_transit", json!([event("11:00", "in_transit")]));
            let body = json!({"event": "tracker_updated", "data": data}).to_string();
            let request = WebhookRequest {
                path: "/webhooks/karrio".into(),
                headers: Vec::new(),
                body: body.into_bytes(),
                received_at: "2026-04-02T15:00:05Z".into(),
            };
            let output = Connector::receive_tracking(call, request)?;
            Ok(format!("{} items", output.items.len()))
        }),
    ];
    let product = Product { name, refusal, own: own() };
    check(include_str!("../../README.md"), &product, &operations);
}
