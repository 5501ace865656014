//! The orders: what each is to go through, which its number decides, its document, and what must be
//! true of it at the end: how its exchanges ended, and every effect in the products, each once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// By card, authorised, shipped, invoiced, captured, paid out.
    Card,
    /// On account.
    Account,
    /// By the storefront's signed webhook, by card.
    Storefront,
    Declined,
    NoCredit,
    /// On account, over the limit: a credit analyst approves.
    Approved,
    /// The same, and the analyst refuses.
    NotApproved,
    /// Out of stock; the customer cancels.
    Cancelled,
    /// By card; one piece comes back.
    Returned,
}

/// By the last two digits of the number, as shares of twenty.
const SHARES: [Kind; 20] = {
    use Kind::*;
    [
        Card,
        Storefront,
        Account,
        Declined,
        Card,
        Returned,
        Account,
        Storefront,
        Card,
        NoCredit,
        Card,
        Cancelled,
        Account,
        Card,
        Storefront,
        Approved,
        Card,
        Account,
        NotApproved,
        Declined,
    ]
};
/// Orders whose every kind goes right by itself, for a run without misbehaviour.
const CRASH: [Kind; 10] = {
    use Kind::*;
    [Card, Card, Card, Card, Card, Card, Account, Account, Declined, NoCredit]
};

#[derive(Clone, Debug)]
pub struct Order {
    pub id: String,
    pub kind: Kind,
}

pub fn mixed(count: usize) -> Vec<Order> {
    (0..count).map(|number| Order::new(number, SHARES[number % SHARES.len()])).collect()
}

pub fn plain(count: usize) -> Vec<Order> {
    (0..count).map(|number| Order::new(number, CRASH[number % CRASH.len()])).collect()
}

const FULFILLED: [&str; 14] = [
    "avatax transaction.commit",
    "avatax transaction.create",
    "inventree allocation.create",
    "inventree order.create",
    "inventree order.issue",
    "inventree shipment.create",
    "karrio shipment.create",
    "karrio shipment.purchase",
    "tryton invoice.create",
    "tryton invoice.post",
    "tryton sale.confirm",
    "tryton sale.create",
    "tryton sale.process",
    "tryton shipment.done",
];
const CARD: [&str; 3] =
    ["stripe payment.authorise", "stripe payment.capture", "stripe payment.create"];
/// Promised stock and a payment, both let go.
const RELEASED: [&str; 6] = [
    "inventree allocation.create",
    "inventree order.cancel",
    "inventree order.create",
    "inventree shipment.create",
    "stripe payment.cancel",
    "stripe payment.create",
];
const CANCELLED: [&str; 11] = [
    "inventree order.cancel",
    "inventree order.create",
    "inventree order.issue",
    "inventree shipment.create",
    "stripe payment.authorise",
    "stripe payment.cancel",
    "stripe payment.create",
    "tryton sale.confirm",
    "tryton sale.create",
    "tryton sale.process",
    "tryton shipment.cancel",
];
/// The credit note is an invoice, the return a sale, and goods that come in a shipment.
const RETURNED: [&str; 9] = [
    "avatax transaction.commit",
    "avatax transaction.create",
    "stripe refund.create",
    "tryton invoice.create",
    "tryton invoice.post",
    "tryton sale.confirm",
    "tryton sale.process",
    "tryton sale.return",
    "tryton shipment.done",
];

impl Order {
    fn new(number: usize, kind: Kind) -> Order {
        Order { id: format!("PC-{number:05}"), kind }
    }

    /// Whether this is the order's, or what was made from its id.
    pub fn id_of(reference: &str) -> Option<&str> {
        reference.get(..8).filter(|id| id.starts_with("PC-"))
    }

    pub fn document(&self) -> Value {
        let card = |value: &str| json!({ "token": { "method": "card", "value": value } });
        let terms = json!({ "terms": { "code": "NET30", "net_days": 30 } });
        let (customer, payment) = match self.kind {
            Kind::Declined => ("C-2001", card("pm_card_chargeDeclined")),
            Kind::Account => ("C-1001", terms),
            Kind::NoCredit => ("C-1003", terms),
            Kind::Approved | Kind::NotApproved => ("C-1002", terms),
            Kind::Card | Kind::Storefront | Kind::Cancelled | Kind::Returned => {
                ("C-2001", card("pm_card_visa"))
            }
        };
        let (item, quantity) = self.line();
        let address = json!({
            "lines": ["1 Main Street"], "city": "New York", "region": "NY", "postal_code": "10001",
            "country": "US", "time_zone": "America/New_York",
        });
        json!({
            "id": self.id, "company": "crossdock", "references": [], "attributes": [], "version": 0,
            "occurred_at": "2026-04-02T09:00:00Z", "channel": "api", "documents": [],
            "status": "received",
            "sold_to": { "customer": customer, "name": "Chaos", "tax_ids": [], "references": [] },
            "ship_to": { "customer": customer, "name": "Chaos", "address": address },
            "currency": "USD", "delivery_policy": "backorder", "invoice_trigger": "shipment",
            "payment": payment, "holds": [], "charges": [], "discounts": [],
            "lines": [{
                "id": "1", "item": item, "quantity": { "value": quantity.to_string(), "unit": "C62" },
                "discounts": [], "attributes": [],
            }],
        })
    }

    /// What the sandbox's storefront is told to send.
    pub fn storefront(&self) -> Value {
        let (item, quantity) = self.line();
        json!({
            "name": self.id, "customer_code": "C-2001", "payment": "pending",
            "payment_token": "pm_card_visa",
            "lines": [{ "sku": item, "quantity": quantity, "price": "9.90" }],
        })
    }

    pub fn cancellation(&self) -> Value {
        json!({
            "id": self.id, "company": "crossdock", "references": [], "attributes": [], "version": 0,
            "occurred_at": "2026-04-02T10:00:00Z", "order": self.id, "reason": "customer_request",
        })
    }

    pub fn goods_return(&self) -> Value {
        let (item, _) = self.line();
        json!({
            "id": format!("{}-RET", self.id), "company": "crossdock", "references": [],
            "attributes": [], "version": 0, "occurred_at": "2026-04-09T15:00:00Z",
            "order": self.id, "status": "requested", "reason": "defective",
            "lines": [{
                "id": "1", "order_line": "1", "item": item,
                "quantity": { "value": "1", "unit": "C62" }, "lots": [],
            }],
        })
    }

    fn line(&self) -> (&'static str, u32) {
        match self.kind {
            // None of it is in stock, so nothing is shipped before the cancellation.
            Kind::Cancelled => ("GENERATOR-5K", 1),
            _ => ("GLOVE-L", 3),
        }
    }

    /// How the exchanges of these routes end, in alphabetical order.
    pub fn ends(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let processing = match self.kind {
            Kind::Declined => "refused(card-declined)",
            Kind::NoCredit | Kind::NotApproved => "refused(credit)",
            _ => "done",
        };
        let cash = match self.kind {
            Kind::Card | Kind::Storefront => vec!["done"],
            Kind::Returned => vec!["done", "done"],
            _ => Vec::new(),
        };
        let mut ends =
            BTreeMap::from([("order-processing", vec![processing]), ("order-cash", cash)]);
        ends.insert(
            "cancellation",
            if self.kind == Kind::Cancelled { vec!["done"] } else { vec![] },
        );
        ends.insert("return", if self.kind == Kind::Returned { vec!["done"] } else { vec![] });
        ends
    }

    /// Every effect that it must have, and how often.
    pub fn effects(&self) -> BTreeMap<String, u64> {
        let names: Vec<&str> = match self.kind {
            Kind::Card | Kind::Storefront => FULFILLED.into_iter().chain(CARD).collect(),
            Kind::Account | Kind::Approved => FULFILLED.to_vec(),
            Kind::Returned => FULFILLED.into_iter().chain(CARD).chain(RETURNED).collect(),
            Kind::Declined => RELEASED.to_vec(),
            Kind::Cancelled => CANCELLED.to_vec(),
            Kind::NoCredit | Kind::NotApproved => Vec::new(),
        };
        let mut effects: BTreeMap<String, u64> = BTreeMap::new();
        for name in names {
            *effects.entry(name.to_owned()).or_default() += 1;
        }
        effects
    }
}

/// The routes whose ends are compared.
pub const COMPARED: [&str; 4] = ["order-processing", "order-cash", "cancellation", "return"];
