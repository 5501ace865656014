//! Shopify as storefront: its order webhooks as canonical orders and cancellations. It only
//! translates: it asks nothing and calls nobody.

mod document;
mod order;
mod payment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::CancelReason;
use crossdock_sdk::canonical::orders::{Cancellation, DeliveryPolicy};
use crossdock_sdk::canonical::reference;
use crossdock_sdk::serde_json;
use crossdock_sdk::{Call, Description, Fault, WebhookRequest, config, describe, query, time};
use document::Document;
use exports::crossdock::core::connector;
use exports::crossdock::storefront::{cancellation_webhook, order_webhook};
use serde::Deserialize;

crossdock_sdk::connector! {
    exports: [
        "crossdock:storefront/order-webhook@1.0.0",
        "crossdock:storefront/cancellation-webhook@1.0.0",
    ]
}

struct Connector;

pub const SYSTEM: &str = "shopify";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The selling company, by its canonical id.
    pub company: String,
    /// The canonical customer of buyers without a customer number.
    #[serde(default)]
    pub guest: Option<String>,
    /// What happens with what is not in stock, unless the order says it.
    #[serde(default)]
    pub delivery_policy: Policy,
    /// The ERP's code of the shop's payment terms, by their name in Shopify.
    #[serde(default)]
    pub terms: BTreeMap<String, String>,
    /// The tax service's code for carriage.
    #[serde(default)]
    pub freight_tax_code: Option<String>,
    /// The tax service's code for goods that the shop does not tax.
    #[serde(default = "untaxed")]
    pub untaxed_tax_code: String,
    /// The payment service behind the checkout, as in references.
    #[serde(default = "stripe")]
    pub payment_system: String,
    #[serde(default)]
    pub notes: Notes,
}

/// Which note attributes of the checkout say what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notes {
    pub customer: String,
    pub payment_token: String,
    pub payment: String,
    pub delivery_policy: String,
    pub requested_on: String,
}

impl Default for Notes {
    fn default() -> Self {
        Notes {
            customer: "customer_code".into(),
            payment_token: "payment_token".into(),
            payment: "stripe_payment_intent".into(),
            delivery_policy: "delivery_policy".into(),
            requested_on: "requested_on".into(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    ShipComplete,
    #[default]
    Backorder,
    CancelRest,
}

impl Policy {
    fn canonical(self) -> DeliveryPolicy {
        match self {
            Policy::ShipComplete => DeliveryPolicy::ShipComplete,
            Policy::Backorder => DeliveryPolicy::Backorder,
            Policy::CancelRest => DeliveryPolicy::CancelRest,
        }
    }

    fn read(word: &str) -> Option<Policy> {
        serde_json::from_value(word.trim().to_lowercase().replace('-', "_").into()).ok()
    }
}

fn untaxed() -> String {
    "NT".into()
}

fn stripe() -> String {
    "stripe".into()
}

impl connector::Guest for Connector {
    fn describe() -> Description {
        describe(SYSTEM, env!("CARGO_PKG_VERSION"), "Orders of a Shopify shop, by its webhooks.")
            .config(include_str!("../config.schema.json"))
            .operations([query("receive-orders"), query("receive-cancellations")])
    }
}

impl order_webhook::Guest for Connector {
    /// The id is the order's and not the delivery's: a webhook that is set up twice or sent anew by
    /// hand places no second order.
    fn receive_orders(
        _call: Call,
        input: WebhookRequest,
    ) -> Result<order_webhook::ReceiveOrdersOutput, Fault> {
        let config: Config = config::get()?;
        let mut items = Vec::new();
        if is_about(&input, "orders/create") {
            let document = read(&input)?;
            items.push(order_webhook::ReceivedOrder {
                id: format!("order/{}", document.id),
                value: order::order(&document, shop(&input), &config)?,
            });
        }
        Ok(order_webhook::ReceiveOrdersOutput { items })
    }
}

impl cancellation_webhook::Guest for Connector {
    fn receive_cancellations(
        _call: Call,
        input: WebhookRequest,
    ) -> Result<cancellation_webhook::ReceiveCancellationsOutput, Fault> {
        let config: Config = config::get()?;
        let mut items = Vec::new();
        if is_about(&input, "orders/cancelled") {
            let document = read(&input)?;
            items.push(cancellation_webhook::ReceivedCancellation {
                id: format!("order/{}/cancelled", document.id),
                value: cancellation(&document, &config, &input),
            });
        }
        Ok(cancellation_webhook::ReceiveCancellationsOutput { items })
    }
}

/// An order is cancelled as a whole, once; a part of it comes as a refund.
fn cancellation(document: &Document, config: &Config, request: &WebhookRequest) -> Cancellation {
    let cancelled_at = document.cancelled_at.as_deref().and_then(time::normalise);
    Cancellation {
        id: document.name.clone(),
        company: config.company.clone(),
        references: vec![reference(SYSTEM, "order", document.id.to_string())],
        attributes: Vec::new(),
        version: 0,
        occurred_at: cancelled_at.unwrap_or_else(|| request.received_at.clone()),
        order: document.name.clone(),
        lines: None,
        reason: document.cancel_reason.as_deref().map(|reason| match reason {
            "customer" => CancelReason::CustomerRequest,
            "inventory" => CancelReason::OutOfStock,
            "declined" => CancelReason::PaymentRefused,
            other => CancelReason::Other(other.to_owned()),
        }),
    }
}

fn header<'a>(request: &'a WebhookRequest, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|header| header.name == name);
    found.map(|header| header.value.as_str())
}

fn is_about(request: &WebhookRequest, topic: &str) -> bool {
    header(request, "x-shopify-topic") == Some(topic)
}

fn shop(request: &WebhookRequest) -> Option<&str> {
    header(request, "x-shopify-shop-domain")
}

fn read(request: &WebhookRequest) -> Result<Document, Fault> {
    serde_json::from_slice(&request.body).map_err(|error| {
        Fault::never("webhook-not-read", format!("not an order of Shopify: {error}"))
    })
}
