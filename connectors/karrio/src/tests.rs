//! Whole operations against documents as Karrio's API reference shows them.

mod statuses;
mod tracking;

use crossdock_sdk::canonical::common::{Address, Consignee};
use crossdock_sdk::canonical::quantity;
use crossdock_sdk::canonical::shipments::{
    BookingStatus, MilestoneKind, Parcel, Shipment, ShipmentStatus,
};
use crossdock_sdk::http::replay;
use crossdock_sdk::{
    Call, Decimal, Identity, PollRequest, Retry, WebhookRequest, canonical, config,
};
use serde_json::{Value, json};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::tms::address_validation::{
    Guest as _, ValidateAddressInput, ValidateAddressOutcome,
};
use crate::exports::crossdock::tms::carrier_booking::{
    BookCarrierInput, BookCarrierOutcome, CancelBookingInput, CancelBookingOutcome, Guest as _,
};
use crate::exports::crossdock::tms::carrier_booking_probe::{BookCarrierState, Guest as _};
use crate::exports::crossdock::tms::freight_quoting::{
    self, Guest as _, QuoteFreightInput, QuoteFreightOutcome,
};

const FIND: &str = "GET http://karrio/v1/shipments?limit=100&offset=0&reference=S-1";
const CREATE: &str = "POST http://karrio/v1/shipments";
const PURCHASE: &str = "POST http://karrio/v1/shipments/shp_1/purchase";
const SHIPMENT: &str = "GET http://karrio/v1/shipments/shp_1";

fn call() -> Call {
    config::set(json!({"company": "ACME", "sender": "Acme Supply", "sites": {"East": {
        "lines": ["1 Dock Road"], "city": "Newark", "region": "NJ", "postal_code": "07101",
        "country": "US", "phone": "+19735550100"}}}));
    Call {
        exchange: "0X".into(),
        key: "0X/booked/0".into(),
        attempt: 1,
        started_at: "2026-04-02T10:00:00Z".into(),
        deadline: "2026-04-02T10:01:00Z".into(),
        traceparent: String::new(),
    }
}

fn address(postal_code: &str) -> Address {
    Address {
        lines: vec!["1 Pier".into(), "Floor 2".into(), "Left".into()],
        city: "New York".into(),
        region: Some("NY".into()),
        postal_code: Some(postal_code.into()),
        country: "US".into(),
        time_zone: None,
        residential: Some(false),
        validation: None,
    }
}

fn shipment() -> Shipment {
    Shipment {
        id: "S-1".into(),
        company: "ACME".into(),
        references: Vec::new(),
        attributes: Vec::new(),
        version: 1,
        occurred_at: "2026-04-02T09:00:00Z".into(),
        order: "O-17".into(),
        status: ShipmentStatus::Packed,
        site: "East".into(),
        ship_from: None,
        ship_to: Consignee {
            customer: None,
            name: "Harbour Hardware".into(),
            contact: None,
            address: address("10004"),
            instructions: None,
        },
        lines: Vec::new(),
        packages: vec![Parcel {
            id: "P-1".into(),
            packaging: None,
            weight: Some(quantity(Decimal::new(25, 1), "KGM")),
            dimensions: None,
            tracking_number: None,
            contents: Vec::new(),
        }],
        carrier: None,
        tracking_number: None,
        tracking_url: None,
        freight: None,
        ship_on: None,
        shipped_at: None,
        delivered_at: None,
        documents: Vec::new(),
    }
}

fn book(offer: Option<&str>) -> BookCarrierInput {
    BookCarrierInput {
        shipment: shipment(),
        offer: offer.map(str::to_owned),
        carrier: None,
        label_text: Some("O-17".into()),
    }
}

fn rate(id: &str, service: &str, charge: f64) -> Value {
    json!({"id": id, "object_type": "rate", "carrier_name": "generic", "carrier_id": "generic",
        "currency": "USD", "service": service, "total_charge": charge, "transit_days": 3,
        "extra_charges": [], "estimated_delivery": "2026-04-05", "meta": {}, "test_mode": true})
}

/// The mark of what `book` sends. It is stored in Karrio: a draft must be known after an update.
const CONTENT: &str = "55c2f4b2c4167f4b";

/// As Karrio gives back what was sent: with fields of its own, and a phone number as it writes them.
fn known(id: &str, status: &str) -> Value {
    let mut known = json!({
        "id": id, "object_type": "shipment", "status": status, "reference": "S-1", "order_id": "O-17",
        "carrier_name": "generic", "tracking_number": null, "created_at": "2026-04-02 10:00:01.250000+00:00",
        "metadata": {"order_id": "O-17", "crossdock_content": CONTENT},
        "rates": [rate("rat_1", "express_service", 22.5), rate("rat_2", "standard_service", 11.25)],
        "shipper": {"id": "adr_1", "company_name": "Acme Supply", "address_line1": "1 Dock Road",
            "city": "Newark", "state_code": "NJ", "postal_code": "07101", "country_code": "US",
            "phone_number": "+1 973-555-0100", "person_name": null},
        "recipient": {"id": "adr_2", "company_name": "Harbour Hardware", "address_line1": "1 Pier",
            "address_line2": "Floor 2, Left", "city": "New York", "state_code": "NY",
            "postal_code": "10004", "country_code": "US", "residential": false},
        "parcels": [{"id": "pcl_1", "weight": 2.5, "weight_unit": "KG", "reference_number": "O-17-S-1"}],
    });
    if !matches!(status, "draft") {
        known["tracking_number"] = "SBX1".into();
        known["tracker_id"] = "trk_1".into();
        known["tracking_url"] = "/v1/trackers/crossdock_fleet/SBX1".into();
        known["label_url"] = format!("/v1/shipments/{id}/label.pdf").into();
        known["selected_rate"] = rate("rat_2", "standard_service", 11.25);
    }
    known
}

fn page(results: Value) -> Value {
    json!({"count": results.as_array().map(Vec::len), "next": null, "previous": null, "results": results})
}

#[test]
fn offers_come_cheapest_first() {
    let call = call();
    let rates =
        json!([rate("rat_1", "express_service", 22.5), rate("rat_2", "standard_service", 11.25)]);
    let request = "POST http://karrio/v1/proxy/rates";
    replay::answer(request, 200, json!({"messages": [], "rates": rates}));
    let input = || QuoteFreightInput { shipment: shipment(), services: Vec::new() };
    let output = Connector::quote_freight(call.clone(), input()).unwrap();
    assert_eq!(output.outcome, QuoteFreightOutcome::Quoted);
    let offer = &output.offers[0];
    assert_eq!(
        (offer.id.as_str(), offer.price.amount.as_str()),
        ("generic/standard_service", "11.25")
    );
    assert_eq!(offer.deliver_on.as_deref(), Some("2026-04-05"));
    let sent = replay::finish().remove(0).json();
    assert_eq!(sent["parcels"][0]["weight"], 2.5);
    assert_eq!(sent["shipper"]["company_name"], "Acme Supply");
    assert_eq!(sent["recipient"]["address_line2"], "Floor 2, Left");

    let message = "the weight exceeds service express_service max weight";
    let refused = json!({"messages": [{"carrier_name": "generic", "carrier_id": "crossdock-fleet",
        "message": message, "code": "invalid_weight"}]});
    replay::answer(request, 424, refused);
    let output = Connector::quote_freight(call.clone(), input()).unwrap();
    let QuoteFreightOutcome::Refused(refusal) = output.outcome else { panic!("{output:?}") };
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("invalid-weight", message));

    replay::answer(request, 503, json!({}));
    assert_eq!(Connector::quote_freight(call, input()).unwrap_err().retry, Retry::Later(None));
    replay::finish();
}

#[test]
fn offers_are_those_asked_for_and_dollars_are_compared_with_dollars() {
    let call = call();
    let mut dinars = rate("rat_3", "economy_dinar", 4.25);
    dinars["currency"] = "KWD".into();
    // Karrio rates everything when it does not know a service by its name.
    let all = json!([
        rate("rat_1", "express_service", 22.5),
        dinars,
        rate("rat_2", "standard_service", 11.25)
    ]);
    let quote = |services: &[&str]| {
        let answer = json!({"messages": [], "rates": all});
        replay::answer("POST http://karrio/v1/proxy/rates", 200, answer);
        let services = services.iter().map(|service| (*service).to_owned()).collect();
        let input = QuoteFreightInput { shipment: shipment(), services };
        let output = Connector::quote_freight(call.clone(), input).unwrap();
        assert_eq!(replay::finish()[0].json()["services"], Value::Null);
        output
    };
    let prices = |output: freight_quoting::QuoteFreightOutput| {
        let price = |offer: canonical::shipments::FreightOffer| offer.price.amount;
        output.offers.into_iter().map(price).collect::<Vec<_>>()
    };
    assert_eq!(prices(quote(&[])), ["11.25", "22.5", "4.25"]);
    assert_eq!(prices(quote(&["express_service"])), ["22.5"]);
    assert!(matches!(quote(&["nightly"]).outcome, QuoteFreightOutcome::Refused(_)));
}

#[test]
fn what_nobody_weighed_and_what_is_too_long_is_sent_as_karrio_takes_it() {
    let call = call();
    let mut input = book(None);
    let package = input.shipment.packages[0].clone();
    input.shipment.packages =
        vec![Parcel { weight: Some(quantity(Decimal::ZERO, "KGM")), ..package.clone() }, package];
    input.shipment.ship_to.name = "Größe ".repeat(40);
    input.shipment.order = "O-".repeat(26);
    input.label_text = Some("PO 7/8".into());
    replay::answer(FIND, 200, page(json!([])));
    replay::answer(CREATE, 201, known("shp_1", "draft"));
    replay::answer(PURCHASE, 200, known("shp_1", "created"));
    Connector::book_carrier(call, input).unwrap();
    let sent = replay::finish()[1].json();
    assert_eq!(
        (&sent["parcels"][0]["weight"], &sent["parcels"][1]["weight"]),
        (&json!(1), &json!(2.5))
    );
    // A tracking number, if the carrier is Karrio's own: one for each parcel, and fit for a path.
    assert_eq!(sent["parcels"][1]["reference_number"], "PO-7-8-S-1-2");
    assert_eq!(sent["recipient"]["company_name"].as_str().unwrap().chars().count(), 100);
    assert_eq!(
        (&sent["order_id"], &sent["metadata"]["order_id"]),
        (&Value::Null, &json!("O-".repeat(26)))
    );
}

#[test]
fn a_shipment_is_looked_for_drafted_and_bought() {
    let call = call();
    // The search is by substring: S-10 is another's.
    let mut other = known("shp_9", "created");
    other["reference"] = "S-10".into();
    replay::answer(FIND, 200, page(json!([other, known("shp_0", "cancelled")])));
    replay::answer(CREATE, 201, known("shp_1", "draft"));
    replay::answer(PURCHASE, 200, known("shp_1", "created"));
    let output = Connector::book_carrier(call, book(Some("generic/standard_service"))).unwrap();
    assert_eq!(output.outcome, BookCarrierOutcome::Booked);
    let booking = output.booking.unwrap();
    assert_eq!((booking.id.as_str(), booking.order.as_str()), ("S-1", "O-17"));
    assert_eq!(booking.tracking_number.as_deref(), Some("SBX1"));
    assert_eq!(
        (booking.tracking_url, booking.occurred_at.as_str()),
        (None, "2026-04-02T10:00:01Z")
    );
    assert_eq!(
        (booking.freight.amount.as_str(), &booking.status),
        ("11.25", &BookingStatus::Booked)
    );
    assert_eq!(canonical::id_in(&booking.references, "karrio", "booking"), Some("shp_1"));
    let sent = replay::finish();
    let created = sent[1].json();
    assert_eq!((&created["reference"], &created["order_id"]), (&json!("S-1"), &json!("O-17")));
    assert_eq!(created["parcels"][0]["reference_number"], "O-17-S-1");
    assert_eq!(created["metadata"]["crossdock_content"], CONTENT);
    assert_eq!(sent[2].json()["selected_rate_id"], "rat_2");
}

#[test]
fn an_attempt_that_was_cut_is_gone_on_with() {
    let call = call();
    replay::answer(FIND, 200, page(json!([])));
    replay::cut(CREATE);
    let fault = Connector::book_carrier(call.clone(), book(None)).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);

    replay::answer(FIND, 200, page(json!([known("shp_1", "draft")])));
    let state = Connector::probe_book_carrier(call.clone(), book(None)).unwrap();
    assert_eq!(state, BookCarrierState::Absent);

    // The draft is bought, not made a second time; then the answer is lost.
    replay::answer(FIND, 200, page(json!([known("shp_1", "draft")])));
    replay::cut(PURCHASE);
    let fault = Connector::book_carrier(call.clone(), book(None)).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);

    replay::answer(FIND, 200, page(json!([known("shp_1", "created")])));
    let state = Connector::probe_book_carrier(call.clone(), book(None)).unwrap();
    assert!(matches!(state, BookCarrierState::Applied(_)), "{state:?}");
    replay::answer(FIND, 200, page(json!([known("shp_1", "created")])));
    let output = Connector::book_carrier(call, book(None)).unwrap();
    assert_eq!(output.outcome, BookCarrierOutcome::Booked);
    replay::finish();
}

#[test]
fn a_draft_of_another_address_is_called_off() {
    let call = call();
    let mut stale = known("shp_8", "draft");
    stale["metadata"]["crossdock_content"] = "of another address".into();
    replay::answer(FIND, 200, page(json!([stale])));
    replay::answer(
        "POST http://karrio/v1/shipments/shp_8/cancel",
        200,
        known("shp_8", "cancelled"),
    );
    replay::answer(CREATE, 201, known("shp_1", "draft"));
    replay::answer(PURCHASE, 200, known("shp_1", "created"));
    let output = Connector::book_carrier(call, book(None)).unwrap();
    assert_eq!(output.outcome, BookCarrierOutcome::Booked);
    replay::finish();
}

#[test]
fn an_offer_that_is_gone_is_asked_for_again_and_refused() {
    let call = call();
    let mut unpriced = known("shp_1", "draft");
    unpriced["messages"] = json!([{"code": "no_service", "message": "No service on Sundays"}]);
    replay::answer(FIND, 200, page(json!([known("shp_1", "draft")])));
    replay::answer("POST http://karrio/v1/shipments/shp_1/rates", 200, unpriced);
    let output = Connector::book_carrier(call, book(Some("generic/sunday"))).unwrap();
    let BookCarrierOutcome::Refused(refusal) = output.outcome else { panic!("{output:?}") };
    assert_eq!(refusal.message, "No service on Sundays");
    replay::finish();
}

#[test]
fn calling_off_is_too_late_once_the_carrier_has_it() {
    let call = call();
    let cancel = "POST http://karrio/v1/shipments/shp_1/cancel";
    let check = |prepare: &dyn Fn(), expect: CancelBookingOutcome| {
        prepare();
        let input = CancelBookingInput {
            shipment: Identity { id: "S-1".into(), references: Vec::new() },
            reason: None,
        };
        assert_eq!(Connector::cancel_booking(call.clone(), input).unwrap().outcome, expect);
        replay::finish();
    };
    let found = |status: &'static str| {
        move || replay::answer(FIND, 200, page(json!([known("shp_1", status)])))
    };
    check(&|| replay::answer(FIND, 200, page(json!([]))), CancelBookingOutcome::Unknown);
    check(&found("cancelled"), CancelBookingOutcome::Cancelled);
    for status in
        ["shipped", "in_transit", "needs_attention", "out_for_delivery", "delivery_failed"]
    {
        check(&found(status), CancelBookingOutcome::TooLate);
    }
    let cancelled = || {
        found("created")();
        replay::answer(cancel, 200, known("shp_1", "cancelled"));
    };
    check(&cancelled, CancelBookingOutcome::Cancelled);
    // Picked up between the look and the call.
    let overtaken = || {
        found("created")();
        let error = json!({"code": "state_error", "message": "can not be cancelled anymore..."});
        replay::answer(cancel, 409, json!({"errors": [error]}));
        replay::answer(SHIPMENT, 200, known("shp_1", "in_transit"));
    };
    check(&overtaken, CancelBookingOutcome::TooLate);
}

#[test]
fn an_address_is_checked_and_not_kept() {
    let call = call();
    let check = |status: u16, answer: Value, expect: ValidateAddressOutcome| {
        replay::answer("POST http://karrio/v1/addresses", status, answer);
        if status == 201 {
            replay::answer("DELETE http://karrio/v1/addresses/adr_1", 200, json!({}));
        }
        let input = ValidateAddressInput { address: address("10004") };
        let output = Connector::validate_address(call.clone(), input).unwrap();
        assert_eq!(output.outcome, expect);
        assert_eq!(replay::finish()[0].json()["validate_location"], true);
        output.notes
    };
    let kept =
        |validation: Value| json!({"id": "adr_1", "country_code": "US", "validation": validation});
    let refused = |code: &str, message: &str| json!({"errors": [{"code": code, "level": "error", "message": message}]});
    check(201, kept(json!({"success": true, "meta": {}})), ValidateAddressOutcome::Confirmed);
    let unknown = kept(json!({"success": false, "message": "unknown"}));
    check(201, unknown, ValidateAddressOutcome::Undeliverable);
    check(201, kept(Value::Null), ValidateAddressOutcome::NotChecked);
    let message = "address validation is not supported by carrier: 'crossdock-fleet'";
    let notes = check(406, refused("failure", message), ValidateAddressOutcome::NotChecked);
    assert_eq!(notes, [message]);
    let nobody = refused("not_found", "No active carrier connection found to process the request");
    check(404, nobody, ValidateAddressOutcome::NotChecked);
    let format = refused("validation", "postal_code: The Canadian postal code must match Z9Z9Z9");
    check(400, format, ValidateAddressOutcome::Undeliverable);
}

#[test]
fn the_config_schema_is_json() {
    let schema: Value = serde_json::from_str(&Connector::describe().config_schema).unwrap();
    assert_eq!(schema["required"], json!(["company"]));
}
