//! Where shipments are: a tracker's events as milestones. A milestone's id is made of tracker, status
//! and time, the same by poll and by webhook.

use std::collections::BTreeSet;

use crossdock_sdk::canonical::reference;
use crossdock_sdk::canonical::shipments::{Milestone, MilestoneKind};
use crossdock_sdk::{Call, Fault, WebhookRequest, config, time};

use crate::booking::{find, status};
use crate::client::{get, list, path};
use crate::exports::crossdock::tms::tracking::{
    Guest, Track, TrackShipmentInput, TrackShipmentOutput,
};
use crate::exports::crossdock::tms::tracking_webhook;
use crate::objects::{Event, Shipment, Tracker, WebhookBody};
use crate::{Config, Connector, SYSTEM};

impl Guest for Connector {
    fn track_shipment(
        _call: Call,
        input: TrackShipmentInput,
    ) -> Result<TrackShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some(shipment) = find(&input.shipment)? else {
            return Ok(TrackShipmentOutput::Unknown);
        };
        let number = shipment.tracking_number.as_ref().or(input.tracking_number.as_ref());
        let tracker: Option<Tracker> = match shipment.tracker_id.as_ref().or(number) {
            Some(known) => get(&path("trackers", known, ""))?,
            None => None,
        };
        let milestones = tracker.iter().flat_map(|tracker| {
            let events = happenings(tracker).into_iter();
            events.filter_map(|event| milestone(event, tracker, &shipment, &config))
        });
        let milestones = milestones.collect();
        let expected = tracker.as_ref().and_then(|tracker| tracker.estimated_delivery.as_deref());
        let far = tracker.as_ref().map_or(shipment.status.as_str(), |tracker| &tracker.status);
        Ok(TrackShipmentOutput::Found(Track {
            status: status(far),
            milestones,
            expected_at: expected.and_then(time::normalise),
        }))
    }
}

impl tracking_webhook::Guest for Connector {
    fn receive_tracking(
        _call: Call,
        input: WebhookRequest,
    ) -> Result<tracking_webhook::ReceiveTrackingOutput, Fault> {
        let config: Config = config::get()?;
        let unread = |error: serde_json::Error| {
            Fault::never("webhook-not-read", format!("not an event of Karrio: {error}"))
        };
        let body: WebhookBody = serde_json::from_slice(&input.body).map_err(unread)?;
        let mut items = Vec::new();
        if body.event.starts_with("tracker") {
            let tracker: Tracker = serde_json::from_value(body.data).map_err(unread)?;
            if let Some(shipment) = shipment_of(&tracker)? {
                let events = happenings(&tracker).into_iter();
                let milestones =
                    events.filter_map(|event| milestone(event, &tracker, &shipment, &config));
                items.extend(milestones.map(|value| tracking_webhook::ReceivedMilestone {
                    id: value.id.clone(),
                    value,
                }));
            }
        }
        Ok(tracking_webhook::ReceiveTrackingOutput { items })
    }
}

/// The shipment that has the tracker's number, if it is one of ours. A tracker does not name it.
pub fn shipment_of(tracker: &Tracker) -> Result<Option<Shipment>, Fault> {
    let query = [("tracking_number", tracker.tracking_number.as_str())];
    let found: Vec<Shipment> = list("/v1/shipments", &query)?;
    let ours = |shipment: &Shipment| {
        shipment.tracking_number.as_ref() == Some(&tracker.tracking_number)
            && shipment.reference.as_ref().is_some_and(|reference| !reference.is_empty())
            && shipment.order().is_some()
    };
    Ok(found.into_iter().find(ours))
}

/// Something that happened on the road.
#[derive(Clone, Debug)]
pub struct Happening {
    pub id: String,
    pub occurred_at: String,
    status: String,
    place: Option<String>,
    note: Option<String>,
}

/// What happened, oldest first. That the label was made is left out: the booking said it.
pub fn happenings(tracker: &Tracker) -> Vec<Happening> {
    let events = tracker.events.as_deref().unwrap_or_default();
    // Karrio has the newest first.
    let found = events.iter().enumerate().filter_map(|(place, event)| {
        let status = status_of(event, (place == 0).then_some(tracker.status.as_str()));
        let occurred_at = moment(event)?;
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        (!matches!(status, "created" | "pending" | "unknown")).then(|| Happening {
            id: format!("{}:{status}:{occurred_at}", tracker.id),
            occurred_at,
            status: status.to_owned(),
            place: filled(&event.location),
            note: filled(&event.description),
        })
    });
    let mut found: Vec<Happening> = found.collect();
    // Several in one minute stay in the order in which Karrio has them.
    found.reverse();
    found.sort_by(|a, b| a.occurred_at.cmp(&b.occurred_at));
    let mut seen = BTreeSet::new();
    found.retain(|event| seen.insert(event.id.clone()));
    found
}

/// Not every carrier's events have a status of Karrio's: then the newest has the tracker's, and those
/// before it were on the road.
fn status_of<'a>(event: &'a Event, newest: Option<&'a str>) -> &'a str {
    let known = |word: &&str| KNOWN.contains(word);
    event
        .status
        .as_deref()
        .or(event.code.as_deref().filter(known))
        .or(newest.filter(known))
        .unwrap_or("in_transit")
}

/// Karrio's words for where a parcel is.
const KNOWN: [&str; 13] = [
    "created",
    "pending",
    "unknown",
    "on_hold",
    "cancelled",
    "delivered",
    "picked_up",
    "in_transit",
    "delivery_delayed",
    "out_for_delivery",
    "ready_for_pickup",
    "delivery_failed",
    "return_to_sender",
];

/// `timestamp`, or else `date` with `time`, which is `14:05` or `02:05 PM`.
fn moment(event: &Event) -> Option<String> {
    if let Some(moment) = event.timestamp.as_deref().and_then(time::normalise) {
        return Some(moment);
    }
    let date = event.date.as_deref()?;
    let written = event.time.as_deref().unwrap_or("00:00").trim();
    let (clock, half) = match written.split_once(' ') {
        Some((clock, half)) => (clock, half.to_ascii_uppercase()),
        None => (written, String::new()),
    };
    let (hour, rest) = clock.split_once(':')?;
    let hour: u32 = hour.parse().ok()?;
    let hour = match half.as_str() {
        "PM" => hour % 12 + 12,
        "AM" => hour % 12,
        _ => hour,
    };
    time::normalise(&format!("{date}T{hour:02}:{rest}"))
}

pub fn milestone(
    event: Happening,
    tracker: &Tracker,
    shipment: &Shipment,
    config: &Config,
) -> Option<Milestone> {
    let ours = shipment.reference.clone()?;
    let order = shipment.order()?.to_owned();
    Some(Milestone {
        id: event.id,
        company: config.company.clone(),
        references: vec![
            reference(SYSTEM, "booking", &shipment.id),
            reference("crossdock", "shipment", &ours),
            reference("crossdock", "order", &order),
        ],
        attributes: Vec::new(),
        version: 0,
        occurred_at: event.occurred_at,
        kind: match event.status.as_str() {
            "in_transit" | "picked_up" => MilestoneKind::InTransit,
            "delivered" => MilestoneKind::Delivered,
            "delivery_failed" => MilestoneKind::DeliveryFailed,
            "return_to_sender" => MilestoneKind::Returned,
            "cancelled" => MilestoneKind::Cancelled,
            other => MilestoneKind::Other(other.replace('_', "-")),
        },
        order,
        shipment: Some(ours),
        tracking_number: Some(tracker.tracking_number.clone()),
        place: event.place,
        lines: Vec::new(),
        note: event.note,
    })
}
