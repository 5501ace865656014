//! Trackers: made with a label or by a client, moved on by the carrier.

use serde_json::{Value, json};

use super::{Answer, Failure, Karrio, body, chosen, instant, invalid, not_found, now, page};
use crate::state::{State, now_ms, timestamp};
use crate::wire::{Reply, Request};
use crate::world::Step;

/// Of the tracker, of its event, and in words: Karrio turns the first time on the road into a pickup.
const STATES: [(&str, &str, &str); 4] = [
    ("pending", "created", "Shipment label created"),
    ("in_transit", "picked_up", "Departed facility"),
    ("out_for_delivery", "out_for_delivery", "Out for delivery"),
    ("delivered", "delivered", "Delivered"),
];
/// What may be asked for.
const KNOWN: [&str; 12] = [
    "pending",
    "picked_up",
    "unknown",
    "on_hold",
    "cancelled",
    "delivered",
    "in_transit",
    "delivery_delayed",
    "out_for_delivery",
    "ready_for_pickup",
    "delivery_failed",
    "return_to_sender",
];
const DAY_MS: u64 = 24 * 3600 * 1000;

impl State {
    pub(super) fn create_tracker(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let field = |name: &str| map.get(name).and_then(Value::as_str);
        let Some(number) = field("tracking_number") else {
            return Err(invalid(json!({"tracking_number": ["This field is required."]})));
        };
        if field("carrier_name") != Some("generic") {
            return Err(invalid(json!({"carrier_name": ["No active carrier connection found."]})));
        }
        if let Ok(known) = self.karrio.tracker(number) {
            return Ok(Reply::json(202, &shown(known)));
        }
        let metadata = map.get("metadata").cloned().unwrap_or_else(|| json!({}));
        let id = self.new_tracker(number, None, metadata);
        self.effects.count("karrio", "tracker.create", number, "");
        self.schedule(Step::Track { tracker: id.clone() });
        Ok(Reply::json(202, &shown(self.karrio.tracker(&id)?)))
    }

    /// `days` on the road, from tomorrow on.
    pub(super) fn new_tracker(
        &mut self,
        number: &str,
        days: Option<u64>,
        metadata: Value,
    ) -> String {
        let id = self.karrio.id("trk");
        let delivery = days.map(|days| timestamp(now_ms() + (1 + days) * DAY_MS)[..10].to_owned());
        let tracker = json!({
            "id": id, "object_type": "tracker", "carrier_name": "generic", "carrier_id": "generic",
            "tracking_number": number, "status": "pending", "delivered": false,
            "estimated_delivery": delivery, "events": [event(0)],
            "info": {"carrier_tracking_link": null, "expected_delivery": delivery, "source": "api"},
            "meta": {"ext": "generic", "carrier": "generic"}, "metadata": metadata, "messages": [],
            "delivery_image_url": null, "signature_image_url": null, "created_at": now(),
            "test_mode": true,
        });
        self.karrio.trackers.insert(id.clone(), tracker);
        id
    }

    /// The carrier's next step; it waits while the parcel still stands in the warehouse.
    pub fn world_tracks(&mut self, id: &str) {
        let Some(tracker) = self.karrio.trackers.get(id) else {
            return;
        };
        let number = tracker["tracking_number"].as_str().unwrap_or("").to_owned();
        if self.inventree.has_number_left(&number) == Some(false) {
            self.schedule(Step::Track { tracker: id.into() });
            return;
        }
        let at = STATES.iter().position(|(name, ..)| tracker["status"] == *name);
        let Some(next) = at.map(|at| at + 1).filter(|next| *next < STATES.len()) else {
            return;
        };
        let status = STATES[next].0;
        let Some(tracker) = self.karrio.trackers.get_mut(id) else {
            return;
        };
        tracker["status"] = json!(status);
        tracker["delivered"] = json!(status == "delivered");
        if let Some(events) = tracker["events"].as_array_mut() {
            events.insert(0, event(next));
        }
        let tracker = shown(tracker);
        for shipment in self.karrio.shipments.values_mut() {
            if shipment["tracker_id"] == id && shipment["status"] != "cancelled" {
                shipment["status"] = json!(status);
            }
        }
        self.karrio_event("tracker_updated", &tracker);
        if status == "delivered" {
            self.delivered_by_carrier(&number);
        } else {
            self.schedule(Step::Track { tracker: id.into() });
        }
    }
}

impl Karrio {
    /// By id or by tracking number.
    pub(super) fn tracker(&self, id: &str) -> Result<&Value, Failure> {
        self.trackers
            .get(id)
            .or_else(|| self.trackers.values().find(|t| t["tracking_number"] == id))
            .ok_or_else(|| not_found("Tracking"))
    }

    /// True while a tracker of this number has not come to its end.
    pub fn is_under_way(&self, number: &str) -> bool {
        !number.is_empty()
            && self.tracker(number).is_ok_and(|tracker| {
                !matches!(tracker["status"].as_str(), Some("delivered" | "cancelled"))
            })
    }

    pub(super) fn list_trackers(&self, request: &Request) -> Answer {
        let states = chosen(request, "status", &KNOWN)?;
        let rows: Vec<Value> = self
            .trackers
            .values()
            .rev()
            .filter(|row| {
                let created = instant(row["created_at"].as_str().unwrap_or_default());
                let number = row["tracking_number"].as_str().unwrap_or_default();
                request.query("tracking_number").is_none_or(|wanted| number.contains(wanted))
                    && (states.is_empty() || states.iter().any(|state| row["status"] == *state))
                    && request.query("created_after").is_none_or(|at| created >= instant(at))
                    && request.query("created_before").is_none_or(|at| created <= instant(at))
            })
            .map(shown)
            .collect();
        page(request, rows)
    }
}

/// When a tracker was made can be asked for, and is not shown.
pub(super) fn shown(tracker: &Value) -> Value {
    let mut shown = tracker.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("created_at");
    }
    shown
}

fn event(place: usize) -> Value {
    let (_, status, text) = STATES[place];
    let at = now();
    json!({
        "date": at[..10], "time": at[11..16], "timestamp": at, "code": status.to_uppercase(),
        "status": status, "description": text, "location": "New York, NY", "reason": null,
        "latitude": null, "longitude": null,
    })
}
