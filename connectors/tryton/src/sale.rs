//! A sale as a canonical order, and an order as the values of a sale.

use crossdock_sdk::canonical::common::{
    Address, Charge, ChargeKind, Consignee, Party, PaymentTerms,
};
use crossdock_sdk::canonical::orders::{
    DeliveryPolicy, InvoiceTrigger, LineProgress, Order, OrderLine, OrderStatus, PaymentArrangement,
};
use crossdock_sdk::canonical::{attribute, price_of_one, quantity, reference};
use crossdock_sdk::{Decimal, Fault, decimal};
use serde_json::{Value, json};

use crate::client::Tryton;
use crate::extra::{ChargeExtra, DiscountExtra, Extra};
use crate::value::{self, Record};
use crate::{SYSTEM, canonical_unit};

/// What `order` reads.
pub const FIELDS: [&str; 34] = [
    "_timestamp",
    "lines._timestamp",
    "number",
    "state",
    "reference",
    "description",
    "shipping_date",
    "shipment_state",
    "create_date",
    "write_date",
    "total_amount",
    "currency.code",
    "party.code",
    "party.name",
    "payment_term.name",
    "shipment_address.street",
    "shipment_address.city",
    "shipment_address.postal_code",
    "shipment_address.country.code",
    "lines.type",
    "lines.sequence",
    "lines.product.code",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.unit_price",
    "lines.description",
    "lines.note",
    "lines.amount",
    "lines.moves.quantity",
    "lines.moves.state",
    "lines.invoice_lines.quantity",
    "lines.invoice_lines.invoice.state",
    "origin",
    "shipments",
];

impl Tryton {
    /// There is one sale for an order's id.
    pub fn sale(&self, order: &str) -> Result<Option<Record>, Fault> {
        let domain = json!([["reference", "=", order], ["company", "=", self.config.company_id]]);
        self.find("sale.sale", domain, &FIELDS)
    }

    /// By Tryton's own number where it is known.
    pub fn sale_of(&self, order: &crossdock_sdk::Identity) -> Result<Option<Record>, Fault> {
        match order.id_in(SYSTEM, "order").and_then(|id| id.parse().ok()) {
            Some(id) => self.read("sale.sale", id, &FIELDS),
            None => self.sale(&order.id),
        }
    }
}

/// How much of a sale line has left, by its moves.
pub fn shipped(line: &Record) -> Decimal {
    moved(line, |state| state == "done")
}

fn moved(line: &Record, counts: impl Fn(&str) -> bool) -> Decimal {
    let moves = line.records("moves");
    let counted = moves.iter().filter(|stock_move| counts(stock_move.state("state")));
    counted.map(|stock_move| stock_move.decimal_or_zero("quantity")).sum()
}

/// The sale's lines that are order lines, with the id of the order line.
pub fn order_lines(sale: &Record) -> Vec<(String, Record)> {
    let mut lines = sale.records("lines");
    lines.sort_by_key(|line| (line.0["sequence"].as_i64(), line.id()));
    lines
        .into_iter()
        .filter(|line| line.many2one("product").is_some())
        .map(|line| {
            let known = Extra::read(&line).line.map(|extra| extra.id);
            (known.unwrap_or_else(|| line.id().to_string()), line)
        })
        .collect()
}

pub fn order(sale: &Record, company: &str) -> Order {
    let currency = sale.text("currency.code").unwrap_or_default();
    let mut lines = sale.records("lines");
    lines.sort_by_key(|line| (line.0["sequence"].as_i64(), line.id()));
    let extras: Vec<Extra> = lines.iter().map(Extra::read).collect();
    let extra = extras.iter().find_map(|extra| extra.order.as_deref().cloned());
    let discounts = |of: Option<&str>| {
        let found = extras.iter().filter_map(|extra| extra.discount.as_ref());
        found.filter(|d| d.line.as_deref() == of).map(|d| d.discount.clone()).collect::<Vec<_>>()
    };
    let charges = lines.iter().zip(&extras).filter(|(line, extra)| {
        line.many2one("product").is_none()
            && extra.discount.is_none()
            && line.state("type") != "comment"
    });
    let charges = charges.map(|(line, extra)| charge(line, extra, &currency)).collect();
    let order_lines = order_lines(sale)
        .iter()
        .map(|(id, line)| {
            let discounts = discounts(Some(id));
            order_line(id, line, discounts, &currency, sale.state("state") == "cancelled")
        })
        .collect();
    let id = sale.text("reference").unwrap_or_else(|| format!("tryton-{}", sale.id()));
    let mut attributes = Vec::new();
    attributes.extend(sale.text("number").map(|number| attribute("tryton-number", number)));
    Order {
        id,
        company: company.to_owned(),
        references: vec![reference(SYSTEM, "order", sale.id().to_string())],
        attributes,
        version: sale.version(),
        occurred_at: sale.changed_at().unwrap_or_default(),
        channel: extra.as_ref().map_or_else(|| "erp".into(), |extra| extra.channel.clone()),
        customer_order_number: sale.text("description"),
        documents: Vec::new(),
        status: status(sale),
        sold_to: extra.as_ref().map_or_else(|| party(sale), |extra| extra.sold_to.clone()),
        ship_to: extra.as_ref().map_or_else(|| consignee(sale), |extra| extra.ship_to.clone()),
        bill_to: extra.as_ref().and_then(|extra| extra.bill_to.clone()),
        payer: extra.as_ref().and_then(|extra| extra.payer.clone()),
        currency: currency.clone(),
        rate: None,
        requested_on: sale.date("shipping_date"),
        delivery_service: extra.as_ref().and_then(|extra| extra.delivery_service.clone()),
        delivery_policy: extra
            .as_ref()
            .map_or(DeliveryPolicy::Backorder, |extra| extra.delivery_policy.clone()),
        invoice_trigger: extra
            .as_ref()
            .map_or(InvoiceTrigger::Shipment, |extra| extra.invoice_trigger.clone()),
        payment: extra.map_or_else(|| payment(sale), |extra| extra.payment),
        holds: Vec::new(),
        charges,
        discounts: discounts(None),
        lines: order_lines,
        // What Tryton's total leaves out is the tax, which the tax service works out.
        total: None,
    }
}

fn order_line(
    id: &str,
    line: &Record,
    discounts: Vec<crossdock_sdk::canonical::common::Discount>,
    currency: &str,
    cancelled_sale: bool,
) -> OrderLine {
    let extra = Extra::read(line).line;
    let unit = match &extra {
        Some(extra) => extra.unit.clone(),
        None => canonical_unit(line.state("unit.symbol")).to_owned(),
    };
    let ordered = line.decimal_or_zero("quantity");
    let each = line.decimal_or_zero("unit_price");
    let off: Decimal = discounts.iter().filter_map(|d| decimal::parse(&d.amount.amount).ok()).sum();
    let amount = value::round_total(each * ordered, currency) - off;
    let shipped = shipped(line);
    let called_off = match cancelled_sale {
        true => ordered - shipped,
        false => moved(line, |state| state == "cancelled"),
    };
    let invoiced: Decimal = line
        .records("invoice_lines")
        .iter()
        .filter(|invoiced| matches!(invoiced.state("invoice.state"), "posted" | "paid"))
        .map(|invoiced| invoiced.decimal_or_zero("quantity"))
        .sum();
    let mut price = price_of_one(each, currency, &unit);
    if let Some(per) = extra.as_ref().and_then(|extra| decimal::parse(extra.per.as_deref()?).ok()) {
        price = crossdock_sdk::canonical::common::UnitPrice {
            amount: decimal::money(each * per, currency),
            per: quantity(per, &unit),
        };
    }
    OrderLine {
        id: id.to_owned(),
        parent: extra.as_ref().and_then(|extra| extra.parent.clone()),
        item: line.text("product.code").unwrap_or_default(),
        description: line.text("description"),
        quantity: quantity(ordered, &unit),
        price: Some(price),
        discounts,
        amount: Some(decimal::money(amount, currency)),
        tax_code: extra.as_ref().and_then(|extra| extra.tax_code.clone()),
        requested_on: None,
        site: extra.and_then(|extra| extra.site),
        progress: Some(LineProgress {
            ordered: decimal::text(ordered),
            allocated: decimal::text(moved(line, |state| state == "assigned")),
            shipped: decimal::text(shipped),
            invoiced: decimal::text(invoiced),
            cancelled: decimal::text(called_off),
            backordered: "0".into(),
            returned: "0".into(),
        }),
        attributes: Vec::new(),
    }
}

fn charge(line: &Record, extra: &Extra, currency: &str) -> Charge {
    let known = extra.charge.clone();
    let amount = line.decimal_or_zero("unit_price") * line.decimal_or_zero("quantity");
    Charge {
        id: known.as_ref().map_or_else(|| line.id().to_string(), |charge| charge.id.clone()),
        kind: known
            .as_ref()
            .map_or(ChargeKind::Other("charge".into()), |charge| charge.kind.clone()),
        description: line.text("description"),
        amount: decimal::money(value::round_total(amount, currency), currency),
        tax_code: known.and_then(|charge| charge.tax_code),
    }
}

fn status(sale: &Record) -> OrderStatus {
    match sale.state("state") {
        "draft" | "quotation" => OrderStatus::Received,
        "confirmed" => OrderStatus::Confirmed,
        // Tryton goes on "processing" a sale of which every move was cancelled.
        "processing" if all_called_off(sale) => OrderStatus::Cancelled,
        "processing" => match sale.state("shipment_state") {
            "sent" => OrderStatus::Shipped,
            "partially shipped" => OrderStatus::PartlyShipped,
            _ => OrderStatus::Confirmed,
        },
        "done" => status_when_done(sale),
        "cancelled" => OrderStatus::Cancelled,
        other => OrderStatus::Other(other.to_owned()),
    }
}

fn all_called_off(sale: &Record) -> bool {
    let lines = order_lines(sale);
    let called_off = |line: &Record| {
        let moves = line.records("moves");
        !moves.is_empty() && moves.iter().all(|stock_move| stock_move.state("state") == "cancelled")
    };
    !lines.is_empty() && lines.iter().all(|(_, line)| called_off(line))
}

/// Tryton is done with a sale when all has left; whether it is invoiced and paid, its lines tell.
fn status_when_done(sale: &Record) -> OrderStatus {
    let invoiced_as = |states: &[&str]| {
        order_lines(sale).iter().all(|(_, line)| {
            let counts = |invoiced: &&Record| states.contains(&invoiced.state("invoice.state"));
            let invoiced = line.records("invoice_lines");
            let count: Decimal =
                invoiced.iter().filter(counts).map(|i| i.decimal_or_zero("quantity")).sum();
            count >= line.decimal_or_zero("quantity")
        })
    };
    match (invoiced_as(&["paid"]), invoiced_as(&["posted", "paid"])) {
        (true, _) => OrderStatus::Closed,
        (false, true) => OrderStatus::Invoiced,
        (false, false) => OrderStatus::Shipped,
    }
}

fn party(sale: &Record) -> Party {
    Party {
        customer: sale.text("party.code"),
        name: sale.text("party.name").unwrap_or_default(),
        contact: None,
        address: None,
        tax_ids: Vec::new(),
        references: Vec::new(),
    }
}

fn consignee(sale: &Record) -> Consignee {
    let street = sale.text("shipment_address.street").unwrap_or_default();
    Consignee {
        customer: sale.text("party.code"),
        name: sale.text("party.name").unwrap_or_default(),
        contact: None,
        address: Address {
            lines: street.lines().map(str::to_owned).collect(),
            city: sale.text("shipment_address.city").unwrap_or_default(),
            region: None,
            postal_code: sale.text("shipment_address.postal_code"),
            country: sale.text("shipment_address.country.code").unwrap_or_else(|| "US".into()),
            time_zone: None,
            residential: None,
            validation: None,
        },
        instructions: None,
    }
}

fn payment(sale: &Record) -> PaymentArrangement {
    match sale.text("payment_term.name") {
        Some(code) => {
            PaymentArrangement::Terms(PaymentTerms { code, net_days: None, early_discount: None })
        }
        None => PaymentArrangement::Other("unknown".into()),
    }
}

/// The lines of a sale for an order: its lines, what is taken off them, and its charges. `products`
/// and `units` are Tryton's ids.
pub fn lines(
    order: &Order,
    product: impl Fn(&OrderLine) -> i64,
    unit: impl Fn(&OrderLine) -> i64,
) -> Result<Vec<Value>, Fault> {
    let mut lines = Vec::new();
    let mut push = |mut values: Value, mut extra: Extra| {
        if lines.is_empty() {
            extra.order = Some(Box::new(Extra::of_order(order)));
        }
        values["type"] = "line".into();
        values["sequence"] = (lines.len() + 1).into();
        values["note"] = extra.write().into();
        lines.push(values);
    };
    for line in &order.lines {
        let Some(price) = &line.price else {
            return Err(Fault::input(format!("line {} has no price", line.id)));
        };
        let each = crossdock_sdk::canonical::price_each(price)?;
        let values = json!({
            "product": product(line), "unit": unit(line), "quantity": number(&line.quantity.value)?,
            "unit_price": value::decimal(each), "description": line.description,
        });
        push(values, Extra::of_line(line));
        for discount in &line.discounts {
            let extra = DiscountExtra { line: Some(line.id.clone()), discount: discount.clone() };
            push(taken_off(discount)?, Extra { discount: Some(extra), ..Extra::default() });
        }
    }
    for charge in &order.charges {
        let label = charge.description.clone().unwrap_or_else(|| label(&charge.kind));
        let amount = decimal::parse(&charge.amount.amount)?;
        let values = json!({
            "quantity": 1, "unit_price": value::decimal(amount), "description": label,
        });
        let extra = ChargeExtra {
            id: charge.id.clone(),
            kind: charge.kind.clone(),
            tax_code: charge.tax_code.clone(),
        };
        push(values, Extra { charge: Some(extra), ..Extra::default() });
    }
    for discount in &order.discounts {
        let extra = DiscountExtra { line: None, discount: discount.clone() };
        push(taken_off(discount)?, Extra { discount: Some(extra), ..Extra::default() });
    }
    Ok(lines)
}

/// What is printed for a charge that the order does not describe.
fn label(kind: &ChargeKind) -> String {
    match kind {
        ChargeKind::Freight => "Freight".into(),
        ChargeKind::Handling => "Handling".into(),
        ChargeKind::Packaging => "Packaging".into(),
        ChargeKind::Insurance => "Insurance".into(),
        ChargeKind::Duty => "Duty".into(),
        ChargeKind::Surcharge => "Surcharge".into(),
        ChargeKind::Other(other) => other.clone(),
    }
}

fn taken_off(discount: &crossdock_sdk::canonical::common::Discount) -> Result<Value, Fault> {
    let amount = decimal::parse(&discount.amount.amount)?;
    let label = discount.description.clone().or(discount.code.clone());
    Ok(json!({
        "quantity": 1, "unit_price": value::decimal(-amount),
        "description": label.unwrap_or_else(|| "Discount".into()),
    }))
}

/// Tryton's quantities are JSON numbers; the digits are written as they are.
pub fn number(text: &str) -> Result<Value, Fault> {
    let plain = decimal::text(decimal::parse(text)?);
    serde_json::from_str(&plain).map_err(|_| Fault::input(format!("`{text}` is not a quantity")))
}
