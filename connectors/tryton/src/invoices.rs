//! Invoices for what was shipped. Tryton gets them as they were worked out here,
//! with the tax of the tax service as manual taxes, so that its totals must agree before it posts.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::Discount;
use crossdock_sdk::canonical::invoices::{Invoice, InvoiceLine, InvoiceStatus};
use crossdock_sdk::canonical::orders::{Order, OrderLine, PaymentArrangement};
use crossdock_sdk::canonical::shipments::Shipment;
use crossdock_sdk::canonical::{price_each, quantity, reference};
use crossdock_sdk::{Call, Decimal, Fault, Refusal, config, decimal, time};
use serde_json::{Value, json};

use crate::client::Tryton;
use crate::exports::crossdock::erp::invoicing::{
    CreditInvoiceInput, CreditInvoiceOutput, Guest, PostInvoiceInput, PostInvoiceOutcome,
    PostInvoiceOutput, PreviewInvoiceInput, PreviewInvoiceOutcome, PreviewInvoiceOutput,
};
use crate::exports::crossdock::erp::invoicing_probe::{
    self as probe, CreditInvoiceState, PostInvoiceState,
};
use crate::exports::crossdock::erp::{invoice_feed, invoice_inquiry};
use crate::feed::{self, change_id};
use crate::invoice::{self, FIELDS, MODEL};
use crate::lookup::PARTY_FIELDS;
use crate::orders::refusal;
use crate::sale::number;
use crate::value::{self, Record};
use crate::{Connector, credit_notes, payments};

/// Days until an invoice on account is due, where neither order nor terms say it.
const NET_DAYS: u32 = 30;

impl Guest for Connector {
    fn preview_invoice(
        call: Call,
        input: PreviewInvoiceInput,
    ) -> Result<PreviewInvoiceOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        if let Some(posted) = tryton.invoice(&input.id)?.filter(is_posted) {
            let ids = tryton.line_ids(&posted)?;
            let invoice = invoice::invoice(&posted, &ids, &tryton.config);
            return Ok(PreviewInvoiceOutput { outcome: PreviewInvoiceOutcome::Posted, invoice });
        }
        let before = tryton.invoices_of_order(&input.order.id)?;
        let first =
            !before.iter().any(|record| is_posted(record) && !invoice::is_credit_note(record));
        let today = time::date_of(&call.started_at).unwrap_or_default().to_owned();
        let on = input.on.clone().unwrap_or(today);
        let invoice = draft(&input, &on, first, &call.started_at)?;
        let outcome = match invoice.lines.is_empty() {
            true => PreviewInvoiceOutcome::NothingDue,
            false => PreviewInvoiceOutcome::Draft,
        };
        Ok(PreviewInvoiceOutput { outcome, invoice })
    }

    fn post_invoice(_call: Call, input: PostInvoiceInput) -> Result<PostInvoiceOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let refused = |input: PostInvoiceInput, refusal| {
            let outcome = PostInvoiceOutcome::Refused(refusal);
            Ok(PostInvoiceOutput { outcome, invoice: input.invoice })
        };
        let record = match tryton.invoice(&input.invoice.id)? {
            Some(record) => record,
            None => match create(&tryton, &input)? {
                Ok(record) => record,
                Err(refusal) => return refused(input, refusal),
            },
        };
        if !is_posted(&record) {
            let tax = input.tax.as_ref().map_or("0", |tax| tax.tax.amount.as_str());
            let expected = decimal::parse(&input.invoice.net.amount)? + decimal::parse(tax)?;
            let total = record.decimal_or_zero("total_amount");
            if total != expected {
                let message = format!("Tryton's total is {total}, the invoice's {expected}");
                return refused(input, refusal("totals-differ", &message, vec![]));
            }
        }
        match post(&tryton, record)? {
            Ok(record) => Ok(posted(&record, &input, &tryton)),
            Err(refusal) => refused(input, refusal),
        }
    }

    fn credit_invoice(call: Call, input: CreditInvoiceInput) -> Result<CreditInvoiceOutput, Fault> {
        credit_notes::credit(&Tryton::new(config::get()?), &call, &input)
    }
}

impl probe::Guest for Connector {
    fn probe_post_invoice(_call: Call, input: PostInvoiceInput) -> Result<PostInvoiceState, Fault> {
        let tryton = Tryton::new(config::get()?);
        Ok(match tryton.invoice(&input.invoice.id)? {
            Some(record) if is_posted(&record) => {
                PostInvoiceState::Applied(posted(&record, &input, &tryton))
            }
            // A draft of it is gone on with when it is asked for again.
            _ => PostInvoiceState::Absent,
        })
    }

    fn probe_credit_invoice(
        _call: Call,
        input: CreditInvoiceInput,
    ) -> Result<CreditInvoiceState, Fault> {
        credit_notes::probe(&Tryton::new(config::get()?), &input)
    }
}

impl invoice_inquiry::Guest for Connector {
    fn get_invoice(
        _call: Call,
        input: invoice_inquiry::GetInvoiceInput,
    ) -> Result<invoice_inquiry::GetInvoiceOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let Some(record) = tryton.invoice_of(&input.invoice)? else {
            return Ok(invoice_inquiry::GetInvoiceOutput::Unknown);
        };
        let ids = tryton.line_ids(&record)?;
        let invoice = invoice::invoice(&record, &ids, &tryton.config);
        Ok(invoice_inquiry::GetInvoiceOutput::Found(invoice))
    }

    fn list_order_invoices(
        _call: Call,
        input: invoice_inquiry::ListOrderInvoicesInput,
    ) -> Result<invoice_inquiry::ListOrderInvoicesOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let records = tryton.invoices_of_order(&input.order.id)?;
        let ids = match records.first() {
            Some(first) => tryton.line_ids(first)?,
            None => BTreeMap::new(),
        };
        let counts = |record: &&Record| {
            !invoice::is_credit_note(record)
                && matches!(record.state("state"), "posted" | "paid" | "cancelled")
        };
        let invoices = records.iter().filter(counts);
        let invoices =
            invoices.map(|record| invoice::invoice(record, &ids, &tryton.config)).collect();
        Ok(invoice_inquiry::ListOrderInvoicesOutput { invoices })
    }
}

impl invoice_feed::Guest for Connector {
    fn list_changed_invoices(
        _call: Call,
        input: crossdock_sdk::PollRequest,
    ) -> Result<invoice_feed::ListChangedInvoicesOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let ours = json!([["company", "=", tryton.config.company_id], ["type", "=", "out"]]);
        let page = feed::changed(&tryton, MODEL, &ours, &input, &FIELDS)?;
        let mut items = Vec::new();
        for record in page.records.iter().filter(|record| !invoice::is_credit_note(record)) {
            let ids = tryton.line_ids(record)?;
            let value = invoice::invoice(record, &ids, &tryton.config);
            items.push(invoice_feed::ChangedInvoice { id: change_id(record), value });
        }
        let (next_cursor, more) = (page.cursor, page.more);
        Ok(invoice_feed::ListChangedInvoicesOutput { items, next_cursor, more })
    }
}

pub fn is_posted(record: &Record) -> bool {
    matches!(record.state("state"), "posted" | "paid" | "cancelled")
}

pub fn post(tryton: &Tryton, record: Record) -> Result<Result<Record, Refusal>, Fault> {
    if is_posted(&record) {
        return Ok(Ok(record));
    }
    // Warnings are for people at a screen: that a date is past, or that the lines have not the taxes
    // of their products.
    let decided = tryton.with_context("_skip_warnings", true.into());
    match decided.act(MODEL, record.id(), "post", &FIELDS)? {
        // Tryton sees that nothing is to be paid after it has answered.
        Ok(record) if record.decimal_or_zero("total_amount").is_zero() => {
            payments::reread(tryton, record).map(Ok)
        }
        Ok(record) => Ok(Ok(record)),
        Err(refused) => Ok(Err(refused.into())),
    }
}

/// As it was worked out, with Tryton's number and state: the tax by line is ours, Tryton sums it up.
fn posted(record: &Record, input: &PostInvoiceInput, tryton: &Tryton) -> PostInvoiceOutput {
    let read = invoice::invoice(record, &BTreeMap::new(), &tryton.config);
    let asked = input.invoice.clone();
    let invoice = Invoice {
        lines: asked.lines,
        charges: asked.charges,
        tax_lines: input.tax.as_ref().map_or(read.tax_lines, |tax| tax.lines.clone()),
        bill_to: asked.bill_to,
        payer: asked.payer,
        terms: asked.terms,
        due_on: asked.due_on,
        early_discount: asked.early_discount,
        shipment: asked.shipment,
        order: asked.order,
        ..read
    };
    PostInvoiceOutput { outcome: PostInvoiceOutcome::Posted, invoice }
}

/// The invoice for a shipment, or for all that is ordered and not invoiced. Charges of the order go
/// on its first invoice.
fn draft(input: &PreviewInvoiceInput, on: &str, first: bool, now: &str) -> Result<Invoice, Fault> {
    let order = &input.order;
    let currency = &order.currency;
    let mut lines = Vec::new();
    for (line, count, shipment_line) in due(order, input.shipment.as_ref())? {
        let Some(price) = &line.price else { continue };
        let ordered = decimal::parse(&line.quantity.value)?;
        let discounts = part_of(&line.discounts, count, ordered, currency)?;
        let off: Decimal =
            discounts.iter().filter_map(|d| decimal::parse(&d.amount.amount).ok()).sum();
        let amount = value::round_total(price_each(price)? * count, currency) - off;
        lines.push(InvoiceLine {
            id: line.id.clone(),
            order_line: Some(line.id.clone()),
            shipment_line,
            item: line.item.clone(),
            description: line.description.clone(),
            quantity: quantity(count, &line.quantity.unit),
            price: price.clone(),
            discounts,
            amount: decimal::money(amount, currency),
            tax_code: line.tax_code.clone(),
        });
    }
    let charges = if first { order.charges.clone() } else { Vec::new() };
    let mut net = Decimal::ZERO;
    for amount in lines.iter().map(|l| &l.amount).chain(charges.iter().map(|c| &c.amount)) {
        net += decimal::parse(&amount.amount)?;
    }
    let terms = match &order.payment {
        PaymentArrangement::Terms(terms) => Some(terms.clone()),
        _ => None,
    };
    let days = terms.as_ref().map_or(0, |terms| terms.net_days.unwrap_or(NET_DAYS));
    let shipment = input.shipment.as_ref().map(|shipment| shipment.id.clone());
    let mut references = vec![reference("crossdock", "order", &order.id)];
    references.extend(shipment.as_ref().map(|id| reference("crossdock", "shipment", id)));
    let total = decimal::money(net, currency);
    Ok(Invoice {
        id: input.id.clone(),
        company: order.company.clone(),
        references,
        attributes: Vec::new(),
        version: 0,
        occurred_at: now.to_owned(),
        number: None,
        status: InvoiceStatus::Draft,
        order: order.id.clone(),
        shipment,
        original: None,
        bill_to: order.bill_to.clone().unwrap_or_else(|| order.sold_to.clone()),
        payer: order.payer.as_ref().and_then(|payer| payer.customer.clone()),
        issued_on: on.to_owned(),
        due_on: time::add_days(on, i64::from(days)).unwrap_or_else(|| on.to_owned()),
        terms,
        early_discount: None,
        currency: currency.clone(),
        rate: order.rate.clone(),
        lines,
        charges,
        tax_lines: Vec::new(),
        net: total.clone(),
        tax: decimal::money(Decimal::ZERO, currency),
        open: total.clone(),
        total,
    })
}

/// An order line, how much of it is to be invoiced, and the line of the shipment.
type Due<'a> = (&'a OrderLine, Decimal, Option<String>);

fn due<'a>(order: &'a Order, shipment: Option<&Shipment>) -> Result<Vec<Due<'a>>, Fault> {
    let mut due = Vec::new();
    for line in &order.lines {
        let (count, shipment_line) = match shipment {
            Some(shipment) => {
                let sent = shipment.lines.iter().filter(|sent| sent.order_line == line.id);
                let mut count = Decimal::ZERO;
                let mut id = None;
                for sent in sent {
                    count += decimal::parse(&sent.quantity.value)?;
                    id = Some(sent.id.clone());
                }
                (count, id)
            }
            None => {
                let mut count = decimal::parse(&line.quantity.value)?;
                if let Some(progress) = &line.progress {
                    count -= decimal::parse(&progress.invoiced)?;
                    count -= decimal::parse(&progress.cancelled)?;
                }
                (count, None)
            }
        };
        if count > Decimal::ZERO {
            due.push((line, count, shipment_line));
        }
    }
    Ok(due)
}

/// The share of a line's discounts that falls on a part of its quantity.
fn part_of(
    discounts: &[Discount],
    count: Decimal,
    ordered: Decimal,
    currency: &str,
) -> Result<Vec<Discount>, Fault> {
    let share = count.checked_div(ordered).unwrap_or(Decimal::ONE);
    discounts
        .iter()
        .map(|discount| {
            let amount = decimal::parse(&discount.amount.amount)? * share;
            let amount = decimal::money(value::round_total(amount, currency), currency);
            Ok(Discount { amount, ..discount.clone() })
        })
        .collect()
}

fn create(tryton: &Tryton, input: &PostInvoiceInput) -> Result<Result<Record, Refusal>, Fault> {
    let invoice = &input.invoice;
    let Some(sale) = tryton.sale(&invoice.order)? else {
        return Ok(Err(refusal("order-unknown", "Tryton knows no such order", vec![])));
    };
    let party = match tryton.party_of(&invoice.bill_to)? {
        Some(party) => Some(party),
        None => tryton.party(sale.state("party.code"), &PARTY_FIELDS)?,
    };
    let Some(party) = party else {
        return Ok(Err(refusal("customer-unknown", "Tryton knows no such customer", vec![])));
    };
    let address = match &invoice.bill_to.address {
        Some(address) => tryton.address(&party, address)?,
        None => tryton.default_address(&party, "invoice")?,
    };
    let currency = tryton.currency(&invoice.currency)?;
    let revenue = tryton.account(&tryton.config.accounts.revenue)?;
    let codes: Vec<&str> = invoice.lines.iter().map(|line| line.item.as_str()).collect();
    let products = tryton.products(&codes, &["code"])?;
    let units = tryton.units()?;
    let origins: BTreeMap<String, i64> =
        crate::sale::order_lines(&sale).into_iter().map(|(id, line)| (id, line.id())).collect();

    let mut lines = Vec::new();
    for line in &invoice.lines {
        let order_line = line.order_line.as_ref().unwrap_or(&line.id);
        lines.push(json!({
            "type": "line", "currency": currency, "account": revenue,
            "product": products.get(&line.item).map(Record::id),
            "unit": units.get(&line.quantity.unit),
            "quantity": number(&line.quantity.value)?,
            "unit_price": value::decimal(price_each(&line.price)?),
            "description": line.description,
            "origin": origins.get(order_line).map(|id| format!("sale.line,{id}")),
        }));
        for discount in &line.discounts {
            let label = discount.description.clone().unwrap_or_else(|| "Discount".into());
            lines.push(plain(&label, -decimal::parse(&discount.amount.amount)?, currency, revenue));
        }
    }
    for charge in &invoice.charges {
        let label = charge.description.clone().unwrap_or_else(|| "Charge".into());
        lines.push(plain(&label, decimal::parse(&charge.amount.amount)?, currency, revenue));
    }
    let mut comment = format!("Order: {}", invoice.order);
    if let Some(shipment) = &invoice.shipment {
        comment.push_str(&format!("\nShipment: {shipment}"));
    }
    let term = match &invoice.terms {
        Some(terms) => tryton.payment_term(&terms.code)?,
        None => None,
    };
    let values = json!({
        "company": tryton.config.company_id, "type": "out", "reference": invoice.id,
        "description": invoice.order, "comment": comment, "party": party.id(),
        "invoice_address": address, "currency": currency, "payment_term": term,
        "journal": tryton.journal(&tryton.config.accounts.revenue_journal)?,
        "account": tryton.account(&tryton.config.accounts.receivable)?,
        "invoice_date": value::date(&invoice.issued_on),
        "lines": [["create", lines]],
        "taxes": [["create", taxes(tryton, input)?]],
    });
    Ok(tryton.create(MODEL, &values, &FIELDS)?.map_err(Refusal::from))
}

fn plain(label: &str, amount: Decimal, currency: i64, account: i64) -> Value {
    json!({
        "type": "line", "quantity": 1, "unit_price": value::decimal(amount),
        "description": label, "currency": currency, "account": account,
    })
}

/// One manual tax for each jurisdiction, summed over the lines.
fn taxes(tryton: &Tryton, input: &PostInvoiceInput) -> Result<Vec<Value>, Fault> {
    let Some(tax) = &input.tax else { return Ok(Vec::new()) };
    let account = tryton.account(&tryton.config.accounts.tax)?;
    let mut sums: BTreeMap<(&str, &str, &str), (Decimal, Decimal)> = BTreeMap::new();
    for line in &tax.lines {
        let name = (line.jurisdiction.as_str(), line.name.as_str(), line.rate.as_str());
        let sum = sums.entry(name).or_default();
        sum.0 += decimal::parse(&line.taxable.amount)?;
        sum.1 += decimal::parse(&line.amount.amount)?;
    }
    let taxes = sums.into_iter().filter(|(_, (_, amount))| !amount.is_zero());
    let taxes = taxes.map(|((_, name, rate), (base, amount))| {
        json!({
            "description": format!("{name} {rate} %"), "account": account, "manual": true,
            "base": value::decimal(base), "amount": value::decimal(amount),
        })
    });
    Ok(taxes.collect())
}
