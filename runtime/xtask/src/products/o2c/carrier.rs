//! The TMS's own word: labels and their tracking numbers; and the carrier, who tells of each parcel
//! where it is until it is delivered.

use anyhow::Result;
use serde_json::{Value, json};

use super::api::Api;

const PAGE: usize = 100;

pub struct Carrier {
    api: Api,
    /// The sandbox's carrier drives by itself.
    drives: bool,
}

pub struct Label {
    /// The shipment's id.
    pub reference: String,
    pub status: String,
    pub tracking_number: String,
}

impl Carrier {
    pub fn new(url: &str, key: &str, drives: bool) -> Carrier {
        let headers =
            vec![("authorization", format!("Token {key}")), ("x-test-mode", "true".to_owned())];
        Carrier { api: Api::new(url, headers), drives }
    }

    fn all(&self, list: &str) -> Result<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let path = format!("/v1/{list}?limit={PAGE}&offset={}", all.len());
            let page = self.api.get(&path)?;
            all.extend(page["results"].as_array().cloned().unwrap_or_default());
            if page["next"].is_null() {
                return Ok(all);
            }
        }
    }

    /// Shipments that were bought and not called off.
    pub fn labels(&self) -> Result<Vec<Label>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let label = |shipment: &Value| Label {
            reference: text(&shipment["reference"]),
            status: text(&shipment["status"]),
            tracking_number: text(&shipment["tracking_number"]),
        };
        let labels = self.all("shipments")?.iter().map(label).collect::<Vec<_>>();
        let bought = |label: &Label| !matches!(label.status.as_str(), "draft" | "cancelled");
        Ok(labels.into_iter().filter(bought).collect())
    }

    /// Every parcel that has `left` the warehouse comes one step further.
    pub fn drive(&self, left: impl Fn(&str) -> bool, now: &str) -> Result<()> {
        if !self.drives {
            return Ok(());
        }
        for label in self.labels()?.iter().filter(|label| left(&label.reference)) {
            let tracker = self.api.get(&format!("/v1/trackers/{}", label.tracking_number))?;
            let (next, description) = match tracker["status"].as_str().unwrap_or_default() {
                "delivered" => continue,
                "in_transit" => ("delivered", "Left at the front desk"),
                _ => ("in_transit", "On its way"),
            };
            let id = tracker["id"].as_str().unwrap_or_default();
            let (date, time) = now.split_once('T').unwrap_or((now, "00:00:00Z"));
            let event = json!({
                "events": [{
                    "date": date, "time": &time[..5], "timestamp": now, "code": next,
                    "status": next, "description": description, "location": "On the road",
                }],
                "status": next,
                "delivered": next == "delivered",
            });
            self.api.post(&format!("/v1/trackers/{id}/inject-events"), &event)?;
        }
        Ok(())
    }
}
