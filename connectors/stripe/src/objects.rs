//! Stripe's objects, with the fields that are used here, as the API reference names them.

use std::collections::BTreeMap;

use crossdock_sdk::serde_json::Value;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct PaymentIntent {
    pub id: String,
    pub amount: i64,
    #[serde(default)]
    pub amount_capturable: i64,
    #[serde(default)]
    pub amount_received: i64,
    pub currency: String,
    pub status: String,
    pub created: i64,
    #[serde(default)]
    pub canceled_at: Option<i64>,
    #[serde(default)]
    pub cancellation_reason: Option<String>,
    #[serde(default)]
    pub latest_charge: Option<Expandable<Charge>>,
    #[serde(default)]
    pub last_payment_error: Option<ApiError>,
    #[serde(default)]
    pub next_action: Option<NextAction>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub payment_method_types: Vec<String>,
}

impl PaymentIntent {
    /// The charge, where it was asked for with `expand[]=latest_charge`.
    pub fn charge(&self) -> Option<&Charge> {
        self.latest_charge.as_ref().and_then(Expandable::object)
    }

    /// What was given back of what was captured. A charge counts as refunded also what was released
    /// since the capture was for less, or since the authorisation was given up.
    pub fn given_back(&self) -> i64 {
        let refunded = self.charge().map_or(0, |charge| charge.amount_refunded);
        let released = match self.status.as_str() {
            "succeeded" | "canceled" => self.amount - self.amount_received,
            _ => 0,
        };
        if refunded < released { refunded } else { refunded - released }
    }

    /// As it is after this refund, which was not counted yet: to ask once more could fail, and the
    /// money has moved.
    pub fn refunded_by(mut self, refund: &Refund) -> PaymentIntent {
        if let Some(Expandable::Object(charge)) = &mut self.latest_charge
            && !refund.is_refused()
        {
            charge.amount_refunded += refund.amount;
        }
        self
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Charge {
    pub id: String,
    /// With what was released because it was not captured, see `PaymentIntent::given_back`.
    #[serde(default)]
    pub amount_refunded: i64,
    #[serde(default)]
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    #[serde(default)]
    pub payment_method_details: Option<PaymentMethodDetails>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PaymentMethodDetails {
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub card: Option<CardDetails>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct CardDetails {
    #[serde(default)]
    pub capture_before: Option<i64>,
    #[serde(default)]
    pub multicapture: Option<Multicapture>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Multicapture {
    pub status: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct NextAction {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub redirect_to_url: Option<Redirect>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Redirect {
    #[serde(default)]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Refund {
    pub id: String,
    #[serde(default)]
    pub balance_transaction: Option<String>,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Refund {
    pub fn is_refused(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Payout {
    pub id: String,
    pub currency: String,
    pub status: String,
    pub created: i64,
    pub arrival_date: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct BalanceTransaction {
    pub id: String,
    pub amount: i64,
    pub fee: i64,
    pub net: i64,
    pub currency: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub created: i64,
    /// What is behind it.
    #[serde(default)]
    pub source: Option<Expandable<Source>>,
    #[serde(default)]
    pub exchange_rate: Option<Value>,
}

/// One of Stripe's objects, by its `object`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "object", rename_all = "snake_case")]
pub enum Source {
    Charge(Charge),
    Refund(Refund),
    Dispute(Dispute),
    /// A payout, a transfer, a fee.
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Dispute {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub reason: String,
    pub status: String,
    #[serde(default)]
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    #[serde(default)]
    pub evidence_details: Option<EvidenceDetails>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct EvidenceDetails {
    #[serde(default)]
    pub due_by: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub created: i64,
    pub data: EventData,
}

#[derive(Clone, Debug, Deserialize)]
pub struct EventData {
    pub object: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ErrorBody {
    pub error: ApiError,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ApiError {
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub decline_code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    /// What the request was about, as it is now.
    #[serde(default)]
    pub payment_intent: Option<Box<PaymentIntent>>,
    /// The charge that failed, where the bank said no.
    #[serde(default)]
    pub charge: Option<String>,
    #[serde(skip)]
    pub status: u16,
}

impl ApiError {
    /// The parameters were right and the bank said no.
    pub fn is_decline(&self) -> bool {
        self.status == 402 || self.kind == "card_error"
    }
}

/// An id, or with `expand[]` the object itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl<T> Expandable<T> {
    pub fn object(&self) -> Option<&T> {
        match self {
            Expandable::Id(_) => None,
            Expandable::Object(object) => Some(object),
        }
    }
}

impl Expandable<PaymentIntent> {
    pub fn id(&self) -> &str {
        match self {
            Expandable::Id(id) => id,
            Expandable::Object(intent) => &intent.id,
        }
    }
}
