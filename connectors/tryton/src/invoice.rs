//! A Tryton invoice as canonical invoice or credit note. Order and shipment stand in its comment,
//! for those who read the paper and for us: `Order: O-17`, `Shipment: S-17-1`, `Credits: INV-1`.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::{
    CancelReason, Charge, ChargeKind, Party, PaymentTerms, TaxLine,
};
use crossdock_sdk::canonical::invoices::{CreditNote, Invoice, InvoiceLine, InvoiceStatus};
use crossdock_sdk::canonical::{attribute, price_of_one, quantity, reference};
use crossdock_sdk::{Decimal, Fault, Money, Reference, decimal};
use serde_json::json;

use crate::client::Tryton;
use crate::sale::order_lines;
use crate::value::{self, Record};
use crate::{Config, SYSTEM, canonical_unit};

pub const MODEL: &str = "account.invoice";

pub const FIELDS: [&str; 33] = [
    "number",
    "state",
    "reference",
    "description",
    "comment",
    "invoice_date",
    "create_date",
    "write_date",
    "currency.code",
    "party.code",
    "party.name",
    "payment_term.name",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "amount_to_pay",
    "lines.type",
    "lines.product.code",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.unit_price",
    "lines.description",
    "lines.origin",
    "lines.amount",
    "taxes.description",
    "taxes.base",
    "taxes.amount",
    "taxes.account",
    "lines_to_pay.maturity_date",
    "lines_to_pay.reconciliation",
    "payment_lines",
    "account",
    "invoice_address",
];

impl Tryton {
    /// There is one invoice or credit note for an id.
    pub fn invoice(&self, id: &str) -> Result<Option<Record>, Fault> {
        let domain = json!([
            ["reference", "=", id],
            ["company", "=", self.config.company_id],
            ["type", "=", "out"],
        ]);
        self.find(MODEL, domain, &FIELDS)
    }

    pub fn invoice_of(&self, invoice: &crossdock_sdk::Identity) -> Result<Option<Record>, Fault> {
        match invoice.id_in(SYSTEM, "invoice").and_then(|id| id.parse().ok()) {
            Some(id) => self.read(MODEL, id, &FIELDS),
            None => self.invoice(&invoice.id),
        }
    }

    /// Invoices and credit notes of an order, oldest first.
    pub fn invoices_of_order(&self, order: &str) -> Result<Vec<Record>, Fault> {
        let domain = json!([
            ["description", "=", order],
            ["company", "=", self.config.company_id],
            ["type", "=", "out"],
        ]);
        self.search(MODEL, domain, json!([["id", "ASC"]]), 1000, &FIELDS)
    }

    /// The order lines of an invoice's sale, by `sale.line,4`.
    pub fn line_ids(&self, invoice: &Record) -> Result<LineIds, Fault> {
        let Some(order) = invoice.text("description") else { return Ok(LineIds::new()) };
        let Some(sale) = self.sale(&order)? else { return Ok(LineIds::new()) };
        let lines = order_lines(&sale).into_iter();
        Ok(lines.map(|(id, line)| (format!("sale.line,{}", line.id()), id)).collect())
    }
}

/// Canonical order line by origin in Tryton.
pub type LineIds = BTreeMap<String, String>;

/// What the comment says under a name.
pub fn noted(invoice: &Record, name: &str) -> Option<String> {
    let comment = invoice.text("comment")?;
    let found = comment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.map(str::to_owned)
}

pub fn is_credit_note(invoice: &Record) -> bool {
    noted(invoice, "Credits").is_some() || invoice.decimal_or_zero("total_amount") < Decimal::ZERO
}

pub fn invoice(record: &Record, ids: &LineIds, config: &Config) -> Invoice {
    let currency = record.text("currency.code").unwrap_or_default();
    let money = |field: &str| decimal::money(record.decimal_or_zero(field), &currency);
    let order = record.text("description").unwrap_or_default();
    let shipment = noted(record, "Shipment");
    let issued_on = record.date("invoice_date").unwrap_or_default();
    let due_on =
        record.records("lines_to_pay").iter().filter_map(|l| l.date("maturity_date")).max();
    let terms = record.text("payment_term.name");
    let (lines, charges) = lines(record, ids, &currency, Decimal::ONE);
    Invoice {
        id: id(record),
        company: config.company.clone(),
        references: references(record, &order, shipment.as_deref()),
        attributes: Vec::new(),
        version: record.version(),
        occurred_at: record.changed_at().unwrap_or_default(),
        number: record.text("number"),
        status: status(record),
        order,
        shipment,
        original: None,
        bill_to: Party {
            customer: record.text("party.code"),
            name: record.text("party.name").unwrap_or_default(),
            contact: None,
            address: None,
            tax_ids: Vec::new(),
            references: Vec::new(),
        },
        payer: None,
        due_on: due_on.unwrap_or_else(|| issued_on.clone()),
        issued_on,
        terms: terms.map(|code| PaymentTerms { code, net_days: None, early_discount: None }),
        early_discount: None,
        rate: None,
        lines,
        charges,
        tax_lines: tax_lines(record, &currency, Decimal::ONE),
        net: money("untaxed_amount"),
        tax: money("tax_amount"),
        total: money("total_amount"),
        open: money("amount_to_pay"),
        currency,
    }
}

/// Tryton keeps a credit note as an invoice with negative amounts; ours are positive.
pub fn credit_note(
    record: &Record,
    original: &Record,
    ids: &LineIds,
    config: &Config,
) -> CreditNote {
    let currency = record.text("currency.code").unwrap_or_default();
    let money = |field: &str| decimal::money(-record.decimal_or_zero(field), &currency);
    let order = record.text("description").unwrap_or_default();
    let (lines, charges) = lines(record, ids, &currency, -Decimal::ONE);
    let mut references = references(record, &order, None);
    references[0].object = "credit-note".into();
    references.push(reference("crossdock", "invoice", id(original)));
    let mut attributes = Vec::new();
    attributes.extend(record.text("number").map(|number| attribute("tryton-number", number)));
    CreditNote {
        id: id(record),
        company: config.company.clone(),
        references,
        attributes,
        version: record.version(),
        occurred_at: record.changed_at().unwrap_or_default(),
        number: record.text("number"),
        original: id(original),
        order,
        goods_return: noted(record, "Return"),
        reason: match noted(record, "Reason") {
            Some(reason) => crate::credit_notes::read_reason(&reason),
            None => CancelReason::Other("not noted".into()),
        },
        issued_on: record.date("invoice_date").unwrap_or_default(),
        original_issued_on: original.date("invoice_date").unwrap_or_default(),
        lines,
        charges,
        tax_lines: tax_lines(record, &currency, -Decimal::ONE),
        net: money("untaxed_amount"),
        tax: money("tax_amount"),
        total: money("total_amount"),
        open: money("amount_to_pay"),
        currency,
    }
}

pub fn id(record: &Record) -> String {
    record.text("reference").unwrap_or_else(|| format!("tryton-{}", record.id()))
}

fn references(record: &Record, order: &str, shipment: Option<&str>) -> Vec<Reference> {
    let mut references = vec![reference(SYSTEM, "invoice", record.id().to_string())];
    if !order.is_empty() {
        references.push(reference("crossdock", "order", order));
    }
    references.extend(shipment.map(|shipment| reference("crossdock", "shipment", shipment)));
    references
}

fn status(record: &Record) -> InvoiceStatus {
    let (total, open) =
        (record.decimal_or_zero("total_amount"), record.decimal_or_zero("amount_to_pay"));
    match record.state("state") {
        "draft" | "validated" => InvoiceStatus::Draft,
        "posted" if open != total => InvoiceStatus::PartlyPaid,
        "posted" => InvoiceStatus::Posted,
        "paid" => InvoiceStatus::Paid,
        "cancelled" => InvoiceStatus::Credited,
        other => InvoiceStatus::Other(other.to_owned()),
    }
}

/// `sign`: -1 turns the lines of a credit note round.
fn lines(
    record: &Record,
    ids: &LineIds,
    currency: &str,
    sign: Decimal,
) -> (Vec<InvoiceLine>, Vec<Charge>) {
    let mut lines = Vec::new();
    let mut charges = Vec::new();
    for line in record.records("lines").iter().filter(|line| line.state("type") != "comment") {
        let each = line.decimal_or_zero("unit_price");
        let count = line.decimal_or_zero("quantity") * sign;
        let amount = line.decimal("amount").map(|amount| amount * sign);
        let amount = amount.unwrap_or_else(|| value::round_total(each * count, currency));
        let Some(item) = line.text("product.code") else {
            charges.push(Charge {
                id: line.id().to_string(),
                kind: ChargeKind::Other("charge".into()),
                description: line.text("description"),
                amount: decimal::money(amount, currency),
                tax_code: None,
            });
            continue;
        };
        let order_line = ids.get(line.state("origin")).cloned();
        let unit = canonical_unit(line.state("unit.symbol"));
        lines.push(InvoiceLine {
            id: order_line.clone().unwrap_or_else(|| line.id().to_string()),
            order_line,
            shipment_line: None,
            item,
            description: line.text("description"),
            quantity: quantity(count, unit),
            price: price_of_one(each, currency, unit),
            discounts: Vec::new(),
            amount: decimal::money(amount, currency),
            tax_code: None,
        });
    }
    (lines, charges)
}

fn tax_lines(record: &Record, currency: &str, sign: Decimal) -> Vec<TaxLine> {
    let taxes = record.records("taxes").into_iter().map(|tax| {
        let money = |field: &str| decimal::money(tax.decimal_or_zero(field) * sign, currency);
        let (base, amount) = (tax.decimal_or_zero("base"), tax.decimal_or_zero("amount"));
        let percent = amount * Decimal::from(100);
        let rate = percent.checked_div(base).unwrap_or_default().round_dp(4);
        let name = tax.text("description").unwrap_or_default();
        TaxLine {
            line: None,
            jurisdiction: name.clone(),
            level: "special".into(),
            name,
            rate: decimal::text(rate),
            taxable: money("base"),
            exempt: Money { amount: "0".into(), currency: currency.to_owned() },
            amount: money("amount"),
        }
    });
    taxes.collect()
}
