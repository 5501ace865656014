//! Where shipments are: by question, feed and webhook.

use super::*;
use crate::exports::crossdock::tms::tracking::{
    Guest as _, TrackShipmentInput, TrackShipmentOutput,
};
use crate::exports::crossdock::tms::tracking_feed::{Guest as _, PollTrackingOutput};
use crate::exports::crossdock::tms::tracking_webhook::Guest as _;

pub(super) fn event(clock: &str, status: &str) -> Value {
    json!({"date": "2026-04-02", "time": clock, "code": "X", "status": status,
        "description": format!("It is {status}"), "location": "New York, NY"})
}

/// Newest first, as Karrio has them.
pub(super) fn tracker(id: &str, status: &str, events: Value) -> Value {
    json!({"id": id, "object_type": "tracker", "carrier_name": "generic", "carrier_id": "generic",
        "tracking_number": "SBX1", "status": status, "delivered": status == "delivered",
        "estimated_delivery": "2026-04-05", "events": events, "info": {}, "meta": {}, "metadata": {},
        "messages": [], "test_mode": true})
}

#[test]
fn a_shipment_is_where_its_tracker_is() {
    let call = call();
    replay::answer(FIND, 200, page(json!([known("shp_1", "in_transit")])));
    let events = json!([
        event("02:05 PM", "out_for_delivery"),
        event("11:30 AM", "in_transit"),
        event("10:00", "created")
    ]);
    replay::answer(
        "GET http://karrio/v1/trackers/trk_1",
        200,
        tracker("trk_1", "out_for_delivery", events),
    );
    let input = || TrackShipmentInput {
        company: "ACME".into(),
        shipment: Identity { id: "S-1".into(), references: Vec::new() },
        tracking_number: None,
    };
    let output = Connector::track_shipment(call.clone(), input()).unwrap();
    let TrackShipmentOutput::Found(track) = output else { panic!("{output:?}") };
    assert_eq!(track.status, BookingStatus::InTransit);
    let times: Vec<&str> = track.milestones.iter().map(|m| m.occurred_at.as_str()).collect();
    assert_eq!(times, ["2026-04-02T11:30:00Z", "2026-04-02T14:05:00Z"]);
    assert_eq!(track.milestones[0].kind, MilestoneKind::InTransit);
    assert_eq!(
        (track.milestones[0].order.as_str(), track.milestones[0].shipment.as_deref()),
        ("O-17", Some("S-1"))
    );
    replay::answer(FIND, 200, page(json!([])));
    let unknown = Connector::track_shipment(call, input()).unwrap();
    assert_eq!(unknown, TrackShipmentOutput::Unknown);
    replay::finish();
}

const OPEN: &str = "GET http://karrio/v1/trackers?limit=100&offset=0&created_after=2026-02-01T10%3A00%3A00Z&status=pending&status=picked_up&status=unknown&status=on_hold&status=in_transit&status=delivery_delayed&status=out_for_delivery&status=ready_for_pickup&status=delivery_failed";
const NEW: &str =
    "GET http://karrio/v1/trackers?limit=100&offset=0&created_after=2026-04-01T10%3A00%3A00Z";
/// Once the first look is over.
const LATELY: &str =
    "GET http://karrio/v1/trackers?limit=100&offset=0&created_after=2026-04-02T09%3A45%3A00Z";
const WHOSE: &str = "GET http://karrio/v1/shipments?limit=100&offset=0&tracking_number=SBX1";

fn poll(cursor: Option<&str>, limit: u32) -> PollTrackingOutput {
    let request = PollRequest { cursor: cursor.map(str::to_owned), limit };
    Connector::poll_tracking(call(), request).unwrap()
}

fn lists(new: &str, under_way: Value, created: Value) {
    replay::answer(OPEN, 200, page(under_way));
    replay::answer(new, 200, page(created));
}

#[test]
fn a_milestone_is_told_once_whenever_it_comes() {
    let whose = || replay::answer(WHOSE, 200, page(json!([known("shp_1", "in_transit")])));
    let under_way = |events| tracker("trk_1", "in_transit", events);
    lists(
        NEW,
        json!([under_way(json!([event("11:00", "in_transit"), event("10:00", "pending")]))]),
        json!([]),
    );
    whose();
    let first = poll(None, 10);
    assert_eq!(first.items.len(), 1);
    assert_eq!(first.items[0].id, "trk_1:in_transit:2026-04-02T11:00:00Z");
    let cursor = first.next_cursor.unwrap();

    // Nothing new: the cursor holds, and nobody is asked whose it is.
    lists(LATELY, json!([under_way(json!([event("11:00", "in_transit")]))]), json!([]));
    let second = poll(Some(&cursor), 10);
    assert_eq!((second.items.len(), &second.next_cursor), (0, &None));

    // Told late, before what is known: all again, with the same ids.
    lists(
        LATELY,
        json!([under_way(json!([event("11:00", "in_transit"), event("10:30", "picked_up")]))]),
        json!([]),
    );
    whose();
    let third = poll(Some(&cursor), 10);
    let ids: Vec<&str> = third.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(
        ids,
        ["trk_1:picked_up:2026-04-02T10:30:00Z", "trk_1:in_transit:2026-04-02T11:00:00Z"]
    );
    let cursor = third.next_cursor.unwrap();

    // Delivered: no list has it, so it is looked up, told, and forgotten.
    let events = json!([
        event("15:00", "delivered"),
        event("11:00", "in_transit"),
        event("10:30", "picked_up")
    ]);
    lists(LATELY, json!([]), json!([]));
    replay::answer(
        "GET http://karrio/v1/trackers/trk_1",
        200,
        tracker("trk_1", "delivered", events),
    );
    whose();
    let last = poll(Some(&cursor), 10);
    assert_eq!(last.items[0].value.kind, MilestoneKind::Delivered);
    assert!(!last.next_cursor.unwrap().contains("trk_1"));
    replay::finish();
}

#[test]
fn the_limit_cuts_and_the_rest_comes_next() {
    let events = json!([
        event("15:00", "delivered"),
        event("12:00", "out_for_delivery"),
        event("11:00", "in_transit")
    ]);
    let arrived = || tracker("trk_1", "delivered", events.clone());
    let whose = || replay::answer(WHOSE, 200, page(json!([known("shp_1", "delivered")])));
    lists(NEW, json!([]), json!([arrived()]));
    whose();
    let first = poll(None, 2);
    assert_eq!((first.items.len(), first.more), (2, true));
    lists(NEW, json!([]), json!([arrived()]));
    whose();
    let second = poll(first.next_cursor.as_deref(), 2);
    assert_eq!((second.items.len(), second.more), (1, false));
    assert_eq!(second.items[0].value.kind, MilestoneKind::Delivered);
    // As long as a list shows it, it is known as told.
    lists(LATELY, json!([]), json!([arrived()]));
    assert!(poll(second.next_cursor.as_deref(), 2).items.is_empty());
    replay::finish();
}

#[test]
fn what_happens_within_a_minute_stays_in_order() {
    let happened = |statuses: &[&str]| {
        let events = statuses.iter().map(|status| event("11:00", status)).collect::<Vec<_>>();
        let tracker = tracker("trk_1", "delivered", json!(events));
        crate::tracking::happenings(&serde_json::from_value(tracker).unwrap())
    };
    let found = happened(&["delivered", "out_for_delivery", "in_transit", "in_transit", "pending"]);
    let ids: Vec<&str> = found.iter().map(|event| event.id.split(':').nth(1).unwrap()).collect();
    assert_eq!(ids, ["in_transit", "out_for_delivery", "delivered"]);
}

#[test]
fn parcels_of_others_are_passed_over() {
    lists(
        NEW,
        json!([tracker("trk_7", "in_transit", json!([event("11:00", "in_transit")]))]),
        json!([]),
    );
    let mut others = known("shp_7", "in_transit");
    others["order_id"] = Value::Null;
    others["metadata"] = json!({});
    replay::answer(WHOSE, 200, page(json!([others])));
    let output = poll(None, 10);
    assert!(output.items.is_empty());
    lists(
        LATELY,
        json!([tracker("trk_7", "in_transit", json!([event("11:00", "in_transit")]))]),
        json!([]),
    );
    assert!(poll(output.next_cursor.as_deref(), 10).items.is_empty());
    replay::finish();
}

#[test]
fn the_webhook_tells_what_the_poll_tells() {
    let call = call();
    let webhook = |kind: &str, data: Value| WebhookRequest {
        path: "/webhooks/karrio".into(),
        headers: Vec::new(),
        body: json!({"event": kind, "data": data}).to_string().into_bytes(),
        received_at: "2026-04-02T15:00:05Z".into(),
    };
    let data = tracker(
        "trk_1",
        "in_transit",
        json!([event("11:00", "in_transit"), event("10:00", "pending")]),
    );
    replay::answer(WHOSE, 200, page(json!([known("shp_1", "in_transit")])));
    let output =
        Connector::receive_tracking(call.clone(), webhook("tracker_updated", data)).unwrap();
    assert_eq!(output.items[0].id, "trk_1:in_transit:2026-04-02T11:00:00Z");
    let output =
        Connector::receive_tracking(call, webhook("shipment_purchased", known("shp_1", "created")));
    assert!(output.unwrap().items.is_empty());
    replay::finish();
}
