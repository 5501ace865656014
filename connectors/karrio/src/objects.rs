//! Karrio's objects, with the fields that are used here, as its API reference names them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    #[serde(skip_serializing)]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_line1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_line2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    pub country_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residential: Option<bool>,
    #[serde(skip_serializing)]
    pub validation: Option<Validation>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Validation {
    pub success: bool,
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Rate {
    pub id: String,
    pub carrier_name: String,
    #[serde(default)]
    pub carrier_id: String,
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    pub total_charge: Value,
    #[serde(default)]
    pub transit_days: Option<u32>,
    #[serde(default)]
    pub estimated_delivery: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub rates: Vec<Rate>,
    pub messages: Vec<Message>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    #[serde(default)]
    pub message: Option<Value>,
    #[serde(default)]
    pub code: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Shipment {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub carrier_name: Option<String>,
    #[serde(default)]
    pub tracking_number: Option<String>,
    #[serde(default)]
    pub tracking_url: Option<String>,
    #[serde(default)]
    pub tracker_id: Option<String>,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub rates: Option<Vec<Rate>>,
    #[serde(default)]
    pub selected_rate: Option<Rate>,
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub reference: Option<String>,
    #[serde(default)]
    pub order_id: Option<String>,
    #[serde(default)]
    pub label_url: Option<String>,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub messages: Option<Vec<Message>>,
}

impl Shipment {
    /// The canonical order, where the shipment is one of ours.
    pub fn order(&self) -> Option<&str> {
        let noted = self.metadata.as_ref().and_then(|metadata| metadata.get("order_id")?.as_str());
        self.order_id.as_deref().or(noted).filter(|order| !order.is_empty())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Tracker {
    pub id: String,
    pub tracking_number: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub estimated_delivery: Option<String>,
    #[serde(default)]
    pub events: Option<Vec<Event>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    #[serde(default)]
    pub date: Option<String>,
    #[serde(default)]
    pub time: Option<String>,
    #[serde(default)]
    pub timestamp: Option<String>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub location: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Page<T> {
    pub results: Vec<T>,
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct WebhookBody {
    pub event: String,
    pub data: Value,
}
