//! Shopify's order document, as its webhooks of API version 2026-01 send it; only what is read.

use crossdock_sdk::serde_json::Value;
use crossdock_sdk::{Decimal, decimal};
use serde::{Deserialize, Deserializer};

#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    pub id: u64,
    /// `#1001`: what the customer, the shop and the payment service call it.
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub created_at: String,
    pub processed_at: Option<String>,
    pub cancelled_at: Option<String>,
    pub cancel_reason: Option<String>,
    /// The shop's currency; every plain amount is in it.
    pub currency: String,
    pub customer_locale: Option<String>,
    pub financial_status: Option<String>,
    #[serde(deserialize_with = "amount")]
    pub total_price: Decimal,
    #[serde(default, deserialize_with = "amount")]
    pub total_tip_received: Decimal,
    #[serde(default)]
    pub taxes_included: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub payment_gateway_names: Vec<String>,
    pub payment_terms: Option<PaymentTerms>,
    pub customer: Option<Customer>,
    pub billing_address: Option<Address>,
    pub shipping_address: Option<Address>,
    pub line_items: Vec<LineItem>,
    #[serde(default, deserialize_with = "or_default")]
    pub shipping_lines: Vec<ShippingLine>,
    #[serde(default, deserialize_with = "or_default")]
    pub discount_applications: Vec<DiscountApplication>,
    pub note: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub note_attributes: Vec<Note>,
    pub po_number: Option<String>,
    pub tags: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub test: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PaymentTerms {
    pub payment_terms_name: String,
    pub due_in_days: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Customer {
    pub id: u64,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    pub name: Option<String>,
    pub company: Option<String>,
    pub address1: Option<String>,
    pub address2: Option<String>,
    pub city: Option<String>,
    pub province_code: Option<String>,
    pub zip: Option<String>,
    pub country_code: Option<String>,
    pub phone: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct LineItem {
    pub id: u64,
    pub sku: Option<String>,
    pub variant_id: Option<u64>,
    /// With the variant's words: `Glove - L`.
    pub name: Option<String>,
    pub quantity: u32,
    #[serde(deserialize_with = "amount")]
    pub price: Decimal,
    /// Only what was taken off this line by hand; empty once there are allocations.
    #[serde(default, deserialize_with = "amount")]
    pub total_discount: Decimal,
    #[serde(default, deserialize_with = "or_default")]
    pub discount_allocations: Vec<DiscountAllocation>,
    #[serde(default = "yes")]
    pub taxable: bool,
    #[serde(default = "yes")]
    pub requires_shipping: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub tax_lines: Vec<TaxLine>,
    #[serde(default, deserialize_with = "or_default")]
    pub properties: Vec<Note>,
}

/// What a discount of the order takes off one line.
#[derive(Clone, Debug, Deserialize)]
pub struct DiscountAllocation {
    #[serde(deserialize_with = "amount")]
    pub amount: Decimal,
    #[serde(default)]
    pub discount_application_index: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DiscountApplication {
    pub code: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub value_type: Option<String>,
    #[serde(default, deserialize_with = "amount")]
    pub value: Decimal,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ShippingLine {
    pub id: Option<u64>,
    pub code: Option<String>,
    pub title: Option<String>,
    #[serde(deserialize_with = "amount")]
    pub price: Decimal,
    /// After what was taken off the carriage.
    #[serde(default, deserialize_with = "some_amount")]
    pub discounted_price: Option<Decimal>,
    #[serde(default, deserialize_with = "or_default")]
    pub tax_lines: Vec<TaxLine>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct TaxLine {
    #[serde(deserialize_with = "amount")]
    pub price: Decimal,
}

/// A note attribute, or a property of a line: whatever the shop's apps put there.
#[derive(Clone, Debug, Deserialize)]
pub struct Note {
    pub name: String,
    #[serde(default)]
    pub value: Value,
}

impl Note {
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Null => None,
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            other => Some(other.to_string()),
        }
    }
}

impl Document {
    /// What a note attribute says; none when it is absent or empty.
    pub fn noted(&self, name: &str) -> Option<String> {
        self.note_attributes.iter().find(|note| note.name == name)?.text()
    }
}

fn yes() -> bool {
    true
}

/// Shopify writes amounts as strings, `"149.00"`; null stands for none.
fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    Ok(some_amount(from)?.unwrap_or_default())
}

fn some_amount<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
    let value = Value::deserialize(from)?;
    if value.is_null() {
        return Ok(None);
    }
    let read = decimal::from_json(&value);
    read.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{value} is not an amount")))
}

/// Shopify writes null for what it has not.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
