//! AvaTax's documents, with the fields that are used here, as the REST v2 reference names them.

use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    pub id: Value,
    #[serde(default)]
    pub code: Option<String>,
    pub date: String,
    pub status: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub currency_code: Option<String>,
    #[serde(default)]
    pub version: Option<u64>,
    #[serde(default)]
    pub modified_date: Option<String>,
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub customer_code: Option<String>,
    /// What `customerCode` was called before.
    #[serde(default)]
    pub customer_vendor_code: Option<String>,
    #[serde(default)]
    pub tax_date: Option<String>,
    #[serde(default)]
    pub reference_code: Option<String>,
    #[serde(default)]
    pub addresses: Option<Vec<Address>>,
    pub total_amount: Value,
    pub total_tax: Value,
    #[serde(default)]
    pub lines: Option<Vec<Line>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    #[serde(default)]
    pub line_number: Option<String>,
    #[serde(default)]
    pub line_amount: Value,
    #[serde(default)]
    pub quantity: Value,
    #[serde(default)]
    pub item_code: Option<String>,
    #[serde(default)]
    pub tax_code: Option<String>,
    #[serde(default)]
    pub details: Option<Vec<Detail>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    #[serde(default)]
    pub juris_type: Option<String>,
    #[serde(default)]
    pub juris_code: Option<String>,
    #[serde(default)]
    pub juris_name: Option<String>,
    #[serde(default)]
    pub tax_name: Option<String>,
    #[serde(default)]
    pub rate: Value,
    #[serde(default)]
    pub taxable_amount: Value,
    #[serde(default)]
    pub exempt_amount: Value,
    #[serde(default)]
    pub non_taxable_amount: Value,
    #[serde(default)]
    pub tax: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Address {
    pub line1: Option<String>,
    pub line2: Option<String>,
    pub line3: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    #[serde(default)]
    pub validated_addresses: Option<Vec<Address>>,
    #[serde(default)]
    pub messages: Option<Vec<AddressMessage>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AddressMessage {
    pub summary: Option<String>,
    pub details: Option<String>,
    pub severity: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ErrorBody {
    pub error: ApiError,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ApiError {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub details: Vec<ErrorDetail>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ErrorDetail {
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}
