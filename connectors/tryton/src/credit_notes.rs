//! Credit notes: invoices with negative quantities, found again by their reference. What they take
//! back stands in their comment.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::CancelReason;
use crossdock_sdk::canonical::invoices::CreditLine;
use crossdock_sdk::{Call, Decimal, Fault, Refusal, config, decimal, time};
use serde_json::{Value, json};

use crate::client::Tryton;
use crate::exports::crossdock::erp::credit_note_inquiry;
use crate::exports::crossdock::erp::invoicing::{
    CreditInvoiceInput, CreditInvoiceOutcome, CreditInvoiceOutput,
};
use crate::exports::crossdock::erp::invoicing_probe::CreditInvoiceState;
use crate::invoice::{self, FIELDS, MODEL, noted};
use crate::invoices::{is_posted, post};
use crate::lookup::PARTY_FIELDS;
use crate::orders::refusal;
use crate::sale::number;
use crate::value::{self, Record};
use crate::{Connector, SYSTEM};

pub fn credit(
    tryton: &Tryton,
    call: &Call,
    input: &CreditInvoiceInput,
) -> Result<CreditInvoiceOutput, Fault> {
    let nothing = |outcome| Ok(CreditInvoiceOutput { outcome, credit_note: None });
    let Some(original) = tryton.invoice_of(&input.invoice)? else {
        return nothing(CreditInvoiceOutcome::Unknown);
    };
    let ids = tryton.line_ids(&original)?;
    let id = credit_note_id(input, &original);
    let record = match tryton.invoice(&id)? {
        Some(record) => record,
        None => {
            if !is_posted(&original) {
                let refusal = refusal("not-posted", "the invoice is not posted", vec![]);
                return nothing(CreditInvoiceOutcome::Refused(refusal));
            }
            let credited = credited_before(tryton, &original)?;
            if credited >= original.decimal_or_zero("untaxed_amount") {
                return nothing(CreditInvoiceOutcome::AlreadyCredited);
            }
            let today = time::date_of(&call.started_at).unwrap_or_default();
            let values = match credit_values(tryton, &original, &ids, &id, input, today)? {
                Ok(values) => values,
                Err(refusal) => return nothing(CreditInvoiceOutcome::Refused(refusal)),
            };
            match tryton.create(MODEL, &values, &FIELDS)? {
                Ok(record) => record,
                Err(refused) => return nothing(CreditInvoiceOutcome::Refused(refused.into())),
            }
        }
    };
    match post(tryton, record)? {
        Ok(record) => Ok(CreditInvoiceOutput {
            outcome: CreditInvoiceOutcome::Credited,
            credit_note: Some(invoice::credit_note(&record, &original, &ids, &tryton.config)),
        }),
        Err(refusal) => nothing(CreditInvoiceOutcome::Refused(refusal)),
    }
}

pub fn probe(tryton: &Tryton, input: &CreditInvoiceInput) -> Result<CreditInvoiceState, Fault> {
    let Some(original) = tryton.invoice_of(&input.invoice)? else {
        return Ok(CreditInvoiceState::Absent);
    };
    let found = tryton.invoice(&credit_note_id(input, &original))?;
    let Some(record) = found.filter(is_posted) else { return Ok(CreditInvoiceState::Absent) };
    let ids = tryton.line_ids(&original)?;
    Ok(CreditInvoiceState::Applied(CreditInvoiceOutput {
        outcome: CreditInvoiceOutcome::Credited,
        credit_note: Some(invoice::credit_note(&record, &original, &ids, &tryton.config)),
    }))
}

impl credit_note_inquiry::Guest for Connector {
    fn get_credit_note(
        _call: Call,
        input: credit_note_inquiry::GetCreditNoteInput,
    ) -> Result<credit_note_inquiry::GetCreditNoteOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let number = input.credit_note.id_in(SYSTEM, "credit-note").and_then(|id| id.parse().ok());
        let found = match number {
            Some(number) => tryton.read(MODEL, number, &FIELDS)?,
            None => tryton.invoice(&input.credit_note.id)?,
        };
        let original = match found.as_ref().and_then(|found| noted(found, "Credits")) {
            Some(id) => tryton.invoice(&id)?,
            None => None,
        };
        let (Some(found), Some(original)) = (found, original) else {
            return Ok(credit_note_inquiry::GetCreditNoteOutput::Unknown);
        };
        let ids = tryton.line_ids(&original)?;
        let note = invoice::credit_note(&found, &original, &ids, &tryton.config);
        Ok(credit_note_inquiry::GetCreditNoteOutput::Found(note))
    }
}

fn credit_note_id(input: &CreditInvoiceInput, original: &Record) -> String {
    input.credit_note.clone().unwrap_or_else(|| format!("{}-CN", invoice::id(original)))
}

fn credit_notes_of(tryton: &Tryton, original: &Record) -> Result<Vec<Record>, Fault> {
    let Some(order) = original.text("description") else { return Ok(Vec::new()) };
    let id = invoice::id(original);
    let mut notes = tryton.invoices_of_order(&order)?;
    notes.retain(|note| noted(note, "Credits").as_deref() == Some(id.as_str()));
    Ok(notes)
}

/// Net amount of the credit notes that there are for an invoice.
fn credited_before(tryton: &Tryton, original: &Record) -> Result<Decimal, Fault> {
    let notes = credit_notes_of(tryton, original)?.into_iter();
    Ok(notes.map(|note| -note.decimal_or_zero("untaxed_amount")).sum())
}

/// How much of each line the credit notes that there are take back, by its origin.
fn credited_by_line(
    tryton: &Tryton,
    original: &Record,
) -> Result<BTreeMap<String, Decimal>, Fault> {
    let mut credited = BTreeMap::new();
    for note in credit_notes_of(tryton, original)? {
        for line in note.records("lines") {
            let Some(origin) = line.text("origin") else { continue };
            *credited.entry(origin).or_default() -= line.decimal_or_zero("quantity");
        }
    }
    Ok(credited)
}

/// The original's lines with negative quantities, all of them or so much as is asked for, and its
/// taxes by the same share.
fn credit_values(
    tryton: &Tryton,
    original: &Record,
    ids: &invoice::LineIds,
    id: &str,
    input: &CreditInvoiceInput,
    today: &str,
) -> Result<Result<Value, Refusal>, Fault> {
    let party = tryton.party(original.state("party.code"), &PARTY_FIELDS)?;
    let Some(party) = party else {
        return Ok(Err(refusal("customer-unknown", "Tryton knows no such customer", vec![])));
    };
    let code = original.state("currency.code");
    let currency = tryton.currency(code)?;
    let revenue = tryton.account(&tryton.config.accounts.revenue)?;
    let units = tryton.units()?;
    let before = credited_by_line(tryton, original)?;
    if input.credits.is_none() && !before.is_empty() {
        let message = "some of it is credited already; name the lines and how much of them";
        return Ok(Err(refusal("partly-credited", message, vec![])));
    }
    let mut lines = Vec::new();
    let mut net = Decimal::ZERO;
    // The share of the product line before, which the discounts that follow it take as well.
    let mut share_before = None;
    for line in original.records("lines") {
        let there = line.decimal_or_zero("quantity");
        let is_discount = line.many2one("product").is_none()
            && line.decimal_or_zero("unit_price") < Decimal::ZERO;
        let count = match &input.credits {
            None => there,
            Some(_) if is_discount => match share_before {
                Some(_) => there,
                None => continue,
            },
            Some(credits) => match asked_for(&line, ids, credits)? {
                Some(count)
                    if count
                        > there - before.get(line.state("origin")).copied().unwrap_or_default() =>
                {
                    let lines = vec![ids.get(line.state("origin")).cloned().unwrap_or_default()];
                    let message = "more than was invoiced";
                    return Ok(Err(refusal("too-much", message, lines)));
                }
                Some(count) => {
                    share_before = count.checked_div(there);
                    count
                }
                None => {
                    share_before = None;
                    continue;
                }
            },
        };
        let each = line.decimal_or_zero("unit_price");
        let each = match share_before.filter(|_| is_discount) {
            Some(share) => value::round_total(each * share, code),
            None => each,
        };
        net += value::round_total(each * count, code);
        lines.push(json!({
            "type": "line", "currency": currency, "account": revenue,
            "product": line.many2one("product"),
            "unit": units.get(crate::canonical_unit(line.state("unit.symbol"))),
            "quantity": number(&decimal::text(-count))?,
            "unit_price": value::decimal(each),
            "description": line.text("description"), "origin": line.text("origin"),
        }));
    }
    if lines.is_empty() {
        return Ok(Err(refusal(
            "nothing-to-credit",
            "none of the lines are on the invoice",
            vec![],
        )));
    }
    let whole = original.decimal_or_zero("untaxed_amount");
    let share = net.checked_div(whole).unwrap_or(Decimal::ONE);
    let account = tryton.account(&tryton.config.accounts.tax)?;
    let taxes = original.records("taxes").into_iter().map(|tax| {
        let part = |field: &str| value::round_total(-tax.decimal_or_zero(field) * share, code);
        json!({
            "description": tax.text("description"), "manual": true,
            "account": tax.many2one("account").unwrap_or(account),
            "base": value::decimal(part("base")), "amount": value::decimal(part("amount")),
        })
    });
    let mut comment =
        format!("Order: {}\nCredits: {}", original.state("description"), invoice::id(original));
    if let Some(goods_return) = &input.goods_return {
        comment.push_str(&format!("\nReturn: {goods_return}"));
    }
    if let Some(reason) = &input.reason {
        comment.push_str(&format!("\nReason: {}", write_reason(reason)));
    }
    let address = match original.many2one("invoice_address") {
        Some(address) => address,
        None => tryton.default_address(&party, "invoice")?,
    };
    Ok(Ok(json!({
        "company": tryton.config.company_id, "type": "out", "reference": id,
        "description": original.text("description"), "comment": comment, "party": party.id(),
        "invoice_address": address, "currency": currency,
        "journal": tryton.journal(&tryton.config.accounts.revenue_journal)?,
        "account": tryton.account(&tryton.config.accounts.receivable)?,
        "invoice_date": value::date(today),
        "lines": [["create", lines]],
        "taxes": [["create", taxes.collect::<Vec<_>>()]],
    })))
}

/// How much of this line is asked for, by the id of the invoice line or of the order line.
fn asked_for(
    line: &Record,
    ids: &invoice::LineIds,
    credits: &[CreditLine],
) -> Result<Option<Decimal>, Fault> {
    let own = line.id().to_string();
    let order_line = ids.get(line.state("origin"));
    let names = |credit: &&CreditLine| Some(&credit.line) == order_line || credit.line == own;
    let found = credits.iter().find(names);
    found.map(|credit| decimal::parse(&credit.quantity)).transpose()
}

fn write_reason(reason: &CancelReason) -> &str {
    match reason {
        CancelReason::CustomerRequest => "customer request",
        CancelReason::OutOfStock => "out of stock",
        CancelReason::PaymentRefused => "payment refused",
        CancelReason::Mistake => "mistake",
        CancelReason::Compensation => "compensation",
        CancelReason::Returned => "returned",
        CancelReason::Other(other) => other,
    }
}

pub fn read_reason(text: &str) -> CancelReason {
    match text {
        "customer request" => CancelReason::CustomerRequest,
        "out of stock" => CancelReason::OutOfStock,
        "payment refused" => CancelReason::PaymentRefused,
        "mistake" => CancelReason::Mistake,
        "compensation" => CancelReason::Compensation,
        "returned" => CancelReason::Returned,
        other => CancelReason::Other(other.to_owned()),
    }
}
