//! InvenTree's objects, with the fields that are used here, as its API description names them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crossdock_sdk::{Decimal, decimal};

pub const PENDING: u32 = 10;
pub const IN_PROGRESS: u32 = 15;
pub const ON_HOLD: u32 = 25;
pub const CANCELLED: u32 = 40;

/// Of stock: neither damaged nor in quarantine nor lost.
pub const STOCK_OK: u32 = 10;

fn ok() -> u32 {
    STOCK_OK
}

#[derive(Clone, Debug, Deserialize)]
pub struct Page<T> {
    /// Of all pages.
    pub count: usize,
    pub results: Vec<T>,
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Company {
    pub pk: i64,
    #[serde(default)]
    pub tax_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    pub pk: i64,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub line1: Option<String>,
    #[serde(default)]
    pub line2: Option<String>,
    #[serde(default)]
    pub postal_code: Option<String>,
    #[serde(default)]
    pub postal_city: Option<String>,
    #[serde(default)]
    pub province: Option<String>,
    #[serde(default)]
    pub country: Option<String>,
    #[serde(default)]
    pub shipping_notes: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Part {
    pub pk: i64,
    #[serde(default, rename = "IPN")]
    pub ipn: Option<String>,
    #[serde(default)]
    pub units: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Location {
    pub pk: i64,
    pub name: String,
    #[serde(default)]
    pub pathstring: String,
    #[serde(default)]
    pub parent: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct StockItem {
    pub pk: i64,
    #[serde(deserialize_with = "exact")]
    pub quantity: Decimal,
    #[serde(default, deserialize_with = "exact")]
    pub allocated: Decimal,
    #[serde(default)]
    pub location: Option<i64>,
    #[serde(default = "ok")]
    pub status: u32,
    #[serde(default)]
    pub batch: Option<String>,
    #[serde(default)]
    pub serial: Option<String>,
    #[serde(default)]
    pub expiry_date: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SalesOrder {
    pub pk: i64,
    #[serde(default)]
    pub reference: String,
    /// The canonical order id.
    #[serde(default)]
    pub customer_reference: String,
    pub status: u32,
    #[serde(default)]
    pub customer: Option<i64>,
    #[serde(default)]
    pub address: Option<i64>,
    #[serde(default)]
    pub target_date: Option<String>,
    #[serde(default)]
    pub creation_date: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    pub pk: i64,
    /// None once the part is deleted.
    #[serde(default)]
    pub part: Option<i64>,
    #[serde(deserialize_with = "exact")]
    pub quantity: Decimal,
    /// The canonical line id.
    #[serde(default)]
    pub reference: String,
    #[serde(default)]
    pub notes: String,
    #[serde(default)]
    pub part_detail: Option<Part>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Allocation {
    #[serde(deserialize_with = "exact")]
    pub quantity: Decimal,
    pub line: i64,
    #[serde(default)]
    pub shipment: Option<i64>,
    #[serde(default)]
    pub location: Option<i64>,
    #[serde(default)]
    pub item_detail: Option<StockItem>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Shipment {
    pub pk: i64,
    pub order: i64,
    #[serde(default)]
    pub reference: String,
    #[serde(default)]
    pub tracking_number: Option<String>,
    #[serde(default)]
    pub checked_by: Option<i64>,
    #[serde(default)]
    pub shipment_date: Option<String>,
    #[serde(default)]
    pub delivery_date: Option<String>,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub allocated_items: Option<i64>,
}

/// Quantities come as numbers or strings: both by their digits.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match value {
        Value::Null => Ok(Decimal::ZERO),
        other => decimal::from_json(&other)
            .ok_or_else(|| serde::de::Error::custom(format!("`{other}` is not a quantity"))),
    }
}
