//! What an order says and Tryton has no field for. It stands as JSON in the `note` of the sale's
//! lines, which Tryton shows to its users and prints nowhere. Without it (a sale entered in Tryton
//! itself) an order has the usual defaults.

use crossdock_sdk::canonical::common::{ChargeKind, Consignee, Discount, Party};
use crossdock_sdk::canonical::orders::{
    DeliveryPolicy, InvoiceTrigger, Order, OrderLine, PaymentArrangement,
};
use serde::{Deserialize, Serialize};

use crate::value::Record;

/// The note of one sale line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Extra {
    /// The canonical id of the order line; absent on a charge or a discount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<LineExtra>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<ChargeExtra>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<DiscountExtra>,
    /// On the first line only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Box<OrderExtra>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LineExtra {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The unit as the channel wrote it.
    pub unit: String,
    /// The quantity that the price is for, where it is not one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChargeExtra {
    pub id: String,
    pub kind: ChargeKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DiscountExtra {
    /// The order line; absent for a discount on the order as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    pub discount: Discount,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderExtra {
    pub channel: String,
    pub sold_to: Party,
    pub ship_to: Consignee,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill_to: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_service: Option<String>,
    pub delivery_policy: DeliveryPolicy,
    pub invoice_trigger: InvoiceTrigger,
    pub payment: PaymentArrangement,
}

impl Extra {
    pub fn of_line(line: &OrderLine) -> Extra {
        let per = line.price.as_ref().map(|price| price.per.value.clone()).filter(|per| per != "1");
        Extra {
            line: Some(LineExtra {
                id: line.id.clone(),
                parent: line.parent.clone(),
                tax_code: line.tax_code.clone(),
                site: line.site.clone(),
                unit: line.quantity.unit.clone(),
                per,
            }),
            ..Extra::default()
        }
    }

    pub fn of_order(order: &Order) -> OrderExtra {
        OrderExtra {
            channel: order.channel.clone(),
            sold_to: order.sold_to.clone(),
            ship_to: order.ship_to.clone(),
            bill_to: order.bill_to.clone(),
            payer: order.payer.clone(),
            delivery_service: order.delivery_service.clone(),
            delivery_policy: order.delivery_policy.clone(),
            invoice_trigger: order.invoice_trigger.clone(),
            payment: order.payment.clone(),
        }
    }

    /// A note that people wrote is no fault: it just says nothing here.
    pub fn read(line: &Record) -> Extra {
        let note = line.text("note").unwrap_or_default();
        serde_json::from_str(&note).unwrap_or_default()
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
