//! Stripe's objects as canonical payments, refunds and disputes. Our own ids stand in `metadata`:
//! `payment_id`, `order_id`, and one entry for each capture.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::disputes::{Dispute, DisputeReason, DisputeStatus};
use crossdock_sdk::canonical::payments::{Payment, PaymentStatus, Refund};
use crossdock_sdk::canonical::{payment_method, reference};
use crossdock_sdk::{Reference, time};

use crate::currency::from_stripe;
use crate::objects::{self, Expandable, PaymentIntent};

pub const SYSTEM: &str = "stripe";

/// Names in `metadata`.
pub const PAYMENT_ID: &str = "payment_id";
pub const ORDER_ID: &str = "order_id";
pub const REFUND_ID: &str = "refund_id";
pub const CREDIT_NOTE_ID: &str = "credit_note_id";
/// What the request is about, for people who read Stripe's dashboard.
pub const REFERENCE: &str = "reference";

/// One capture of a payment, as it is kept in the payment's metadata: `capture_HASH` =
/// `minor units|asked for at|invoice`. There is one capture for an invoice.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    pub name: String,
    pub minor: i64,
    pub asked_at: String,
    pub invoice: Option<String>,
}

impl Capture {
    /// The name does not depend on other captures, so that a repeated request has the same body.
    pub fn new(invoice: Option<&str>, key: &str, minor: i64, asked_at: &str) -> Self {
        let name = format!("capture_{:016x}", hash(invoice.unwrap_or(key)));
        let invoice = invoice.map(str::to_owned);
        Capture { name, minor, asked_at: asked_at.to_owned(), invoice }
    }

    pub fn value(&self) -> String {
        format!("{}|{}|{}", self.minor, self.asked_at, self.invoice.as_deref().unwrap_or_default())
    }

    fn read(name: &str, value: &str) -> Option<Capture> {
        name.strip_prefix("capture_")?;
        let mut parts = value.splitn(3, '|');
        let minor = parts.next()?.parse().ok()?;
        let asked_at = parts.next()?.to_owned();
        let invoice = parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Capture { name: name.to_owned(), minor, asked_at, invoice })
    }
}

/// The captures of a payment, first to last.
pub fn captures(metadata: &BTreeMap<String, String>) -> Vec<Capture> {
    let mut captures: Vec<Capture> =
        metadata.iter().filter_map(|(name, value)| Capture::read(name, value)).collect();
    captures.sort_by(|a, b| (&a.asked_at, &a.name).cmp(&(&b.asked_at, &b.name)));
    captures
}

/// FNV-1a: short, and the same everywhere and always.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// `at`: when this was so, where an event says it.
pub fn payment(intent: &PaymentIntent, company: &str, at: Option<i64>) -> Payment {
    let money = |minor| from_stripe(minor, &intent.currency);
    let charge = intent.charge();
    let card = charge
        .and_then(|charge| charge.payment_method_details.as_ref())
        .and_then(|details| details.card.as_ref());
    let kind = charge
        .and_then(|charge| charge.payment_method_details.as_ref())
        .and_then(|details| details.kind.as_deref())
        .or(intent.payment_method_types.first().map(String::as_str));
    let refunded = intent.given_back();
    let authorised = match intent.status.as_str() {
        "requires_capture" => intent.amount_capturable + intent.amount_received,
        "succeeded" => intent.amount_received,
        _ => 0,
    };
    let order = intent.metadata.get(ORDER_ID).cloned();
    let id = intent.metadata.get(PAYMENT_ID).cloned().unwrap_or_else(|| intent.id.clone());
    let since = at.or(intent.canceled_at).unwrap_or(intent.created);
    Payment {
        id,
        company: company.to_owned(),
        references: references("payment", &intent.id, order.as_deref()),
        attributes: Vec::new(),
        version: 0,
        occurred_at: time::timestamp(since),
        order,
        payer: None,
        method: payment_method(kind.unwrap_or("card")),
        status: status(intent, refunded),
        amount: money(intent.amount),
        authorised: money(authorised),
        captured: money(intent.amount_received),
        refunded: money(refunded),
        remaining: money(intent.amount_capturable),
        several_captures: card
            .and_then(|card| card.multicapture.as_ref())
            .is_some_and(|multicapture| multicapture.status == "available"),
        expires_at: card
            .filter(|_| intent.status == "requires_capture")
            .and_then(|card| card.capture_before)
            .map(time::timestamp),
    }
}

fn status(intent: &PaymentIntent, refunded: i64) -> PaymentStatus {
    match intent.status.as_str() {
        "requires_action" => PaymentStatus::RequiresAction,
        "processing" => PaymentStatus::Pending,
        "requires_capture" if intent.amount_received > 0 => PaymentStatus::PartlyCaptured,
        "requires_capture" => PaymentStatus::Authorised,
        "succeeded" if refunded >= intent.amount_received && refunded > 0 => {
            PaymentStatus::Refunded
        }
        "succeeded" if refunded > 0 => PaymentStatus::PartlyRefunded,
        "succeeded" => PaymentStatus::Captured,
        "canceled" if expired(intent) => PaymentStatus::Expired,
        "canceled" => PaymentStatus::Voided,
        "requires_payment_method" if intent.last_payment_error.is_some() => PaymentStatus::Declined,
        other => PaymentStatus::Other(other.to_owned()),
    }
}

/// Stripe gives up an uncaptured authorisation by itself when it runs out.
pub fn expired(intent: &PaymentIntent) -> bool {
    matches!(intent.cancellation_reason.as_deref(), Some("automatic" | "expired"))
}

/// `payment`: of the intent that it gives back.
pub fn refund(refund: &objects::Refund, company: &str, payment: &Payment) -> Refund {
    let id = refund.metadata.get(REFUND_ID).cloned().unwrap_or_else(|| refund.id.clone());
    let mut references = references("refund", &refund.id, payment.order.as_deref());
    references.extend(
        refund.payment_intent.as_ref().map(|intent| reference(SYSTEM, "payment", intent.id())),
    );
    Refund {
        id,
        company: company.to_owned(),
        references,
        attributes: Vec::new(),
        version: 0,
        occurred_at: time::timestamp(refund.created),
        payment: payment.id.clone(),
        order: payment.order.clone(),
        credit_note: refund.metadata.get(CREDIT_NOTE_ID).cloned(),
        amount: from_stripe(refund.amount, &refund.currency),
    }
}

pub fn dispute(
    dispute: &objects::Dispute,
    company: &str,
    intent: Option<&PaymentIntent>,
) -> Dispute {
    let of_intent = |name: &str| intent.and_then(|intent| intent.metadata.get(name)).cloned();
    let intent_id = dispute.payment_intent.as_ref().map(Expandable::id);
    let payment = of_intent(PAYMENT_ID).or_else(|| intent_id.map(str::to_owned));
    let order = of_intent(ORDER_ID);
    // With one capture it is clear which invoice the money was for.
    let invoice =
        match captures(intent.map_or(&BTreeMap::new(), |intent| &intent.metadata)).as_slice() {
            [only] => only.invoice.clone(),
            _ => None,
        };
    let mut references = references("dispute", &dispute.id, order.as_deref());
    references.extend(intent_id.map(|id| reference(SYSTEM, "payment", id)));
    Dispute {
        id: dispute.id.clone(),
        company: company.to_owned(),
        references,
        attributes: Vec::new(),
        version: 0,
        occurred_at: time::timestamp(dispute.created),
        payment,
        order,
        invoice,
        amount: from_stripe(dispute.amount, &dispute.currency),
        reason: match dispute.reason.as_str() {
            "fraudulent" => DisputeReason::Fraud,
            "duplicate" => DisputeReason::Duplicate,
            "product_not_received" => DisputeReason::NotReceived,
            "product_unacceptable" => DisputeReason::NotAsDescribed,
            "credit_not_processed" => DisputeReason::CreditNotProcessed,
            other => DisputeReason::Other(other.to_owned()),
        },
        status: match dispute.status.as_str() {
            "warning_needs_response" | "warning_under_review" => DisputeStatus::Inquiry,
            "needs_response" => DisputeStatus::NeedsResponse,
            "under_review" => DisputeStatus::UnderReview,
            "won" => DisputeStatus::Won,
            "lost" => DisputeStatus::Lost,
            other => DisputeStatus::Other(other.to_owned()),
        },
        due_by: dispute.evidence_details.as_ref().and_then(|e| e.due_by).map(time::timestamp),
    }
}

fn references(object: &str, id: &str, order: Option<&str>) -> Vec<Reference> {
    let mut references = vec![reference(SYSTEM, object, id)];
    references.extend(order.map(|order| reference("crossdock", "order", order)));
    references
}
