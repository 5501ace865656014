//! Cash application. Each line of a receipt becomes a payment of its invoice by Tryton's wizard, or
//! a move on the customer, named `RECEIPT/LINE`; what the service paid out and kept becomes one move
//! named `RECEIPT`. By these names they are found again.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::receipts::{Application, Receipt, ReceiptStatus, RemittanceLine};
use crossdock_sdk::canonical::{id_in, reference};
use crossdock_sdk::{Call, Decimal, Fault, Refusal, config, decimal, log};
use serde_json::json;

use crate::client::Tryton;
use crate::exports::crossdock::erp::cash_application::{
    ApplyReceiptInput, ApplyReceiptOutcome, ApplyReceiptOutput, Guest, UnapplyReceiptInput,
    UnapplyReceiptOutcome, UnapplyReceiptOutput,
};
use crate::exports::crossdock::erp::cash_application_probe::{self as probe, ApplyReceiptState};
use crate::payments::{self, MOVE, MOVE_FIELDS};
use crate::value::Record;
use crate::{Connector, SYSTEM, invoice};

type Booked = BTreeMap<String, Record>;

impl Guest for Connector {
    fn apply_receipt(_call: Call, input: ApplyReceiptInput) -> Result<ApplyReceiptOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let receipt = input.receipt;
        let booked = booked(&tryton, &receipt)?;
        let mut work = Work::default();
        for line in &receipt.lines {
            apply_line(&tryton, &receipt, line, &booked, &mut work)?;
        }
        if let Some(refusal) = pay_out(&tryton, &receipt, &booked, &mut work)? {
            if work.applications.is_empty() && booked.is_empty() {
                return Ok(refused(receipt, refusal));
            }
            return Err(Fault::never(&refusal.code, refusal.message));
        }
        if let (true, Some(refusal)) = (work.booked == 0, work.refusal.take()) {
            return Ok(refused(receipt, refusal));
        }
        Ok(work.output(receipt))
    }

    fn unapply_receipt(
        _call: Call,
        input: UnapplyReceiptInput,
    ) -> Result<UnapplyReceiptOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let prefix = format!("{}/", input.receipt.id);
        let like = prefix.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let domain = json!([
            ["description", "like", format!("{like}%")],
            ["company", "=", tryton.config.company_id],
        ]);
        let moves = tryton.search(MOVE, domain, json!([["id", "ASC"]]), 1000, &MOVE_FIELDS)?;
        if moves.is_empty() {
            let outcome = UnapplyReceiptOutcome::Unknown;
            return Ok(UnapplyReceiptOutput { outcome, unapplied: None });
        }
        let mut unapplied = Decimal::ZERO;
        let mut currency = tryton.config.currency.clone();
        for payment in moves {
            let line = payment.state("description").strip_prefix(&prefix).unwrap_or_default();
            let asked = input.only.as_ref().is_none_or(|only| only.iter().any(|id| id == line));
            if !asked {
                continue;
            }
            let lines = payment.records("lines");
            if let Some(paid_in) = lines.iter().find_map(|l| l.text("second_currency.code")) {
                currency = paid_in;
            }
            match payments::take_off(&tryton, &payment)? {
                Ok(amount) => unapplied += amount,
                Err(refused) => {
                    let outcome = UnapplyReceiptOutcome::Refused(refused.into());
                    return Ok(UnapplyReceiptOutput { outcome, unapplied: None });
                }
            }
        }
        Ok(UnapplyReceiptOutput {
            outcome: UnapplyReceiptOutcome::Unapplied,
            unapplied: Some(decimal::money(unapplied, &currency)),
        })
    }
}

impl probe::Guest for Connector {
    /// All of it is there, or it is asked for again and goes on.
    fn probe_apply_receipt(
        _call: Call,
        input: ApplyReceiptInput,
    ) -> Result<ApplyReceiptState, Fault> {
        let tryton = Tryton::new(config::get()?);
        let receipt = input.receipt;
        let booked = booked(&tryton, &receipt)?;
        let posted = |name: &str| booked.get(name).is_some_and(|m| m.state("state") == "posted");
        if !pay_out_lines(&tryton, &receipt)?.is_empty() && !posted(&receipt.id) {
            return Ok(ApplyReceiptState::Absent);
        }
        let mut work = Work::default();
        for line in &receipt.lines {
            match standing(&tryton, &receipt, line, &booked)? {
                Standing::Set { record, paid } => work.set(line, &record, paid)?,
                Standing::OnAccount { matched } => work.left(line, matched)?,
                Standing::Due { .. } | Standing::Free { .. } => {
                    return Ok(ApplyReceiptState::Absent);
                }
                // What nobody can book stays as it is.
                Standing::Nowhere { record: None } if payer(&receipt, line).is_none() => {
                    work.left(line, false)?;
                }
                Standing::Nowhere { .. } => return Ok(ApplyReceiptState::Absent),
            }
        }
        Ok(ApplyReceiptState::Applied(work.output(receipt)))
    }
}

/// How far a line has come.
enum Standing {
    /// So much of it is set against an invoice.
    Set { record: Record, paid: Decimal },
    /// It is booked on the customer; `matched` when its invoice is known and takes nothing.
    OnAccount { matched: bool },
    /// It is booked on the customer, and an invoice is open for it.
    Free { payment: Record, record: Record },
    /// It is not booked; an invoice is open for it.
    Due { record: Record },
    /// It is not booked, and no invoice takes it.
    Nowhere { record: Option<Record> },
}

fn standing(
    tryton: &Tryton,
    receipt: &Receipt,
    line: &RemittanceLine,
    booked: &Booked,
) -> Result<Standing, Fault> {
    let amount = decimal::parse(&line.amount.amount)?;
    let takes = |record: &Record| {
        let due = open(record);
        record.state("state") == "posted"
            && !due.is_zero()
            && !amount.is_zero()
            && due.is_sign_negative() == amount.is_sign_negative()
    };
    let Some(payment) = booked.get(&name(receipt, line)) else {
        return Ok(match find_invoice(tryton, receipt, line)? {
            Some(record) if takes(&record) => Standing::Due { record },
            record => Standing::Nowhere { record },
        });
    };
    let record = match payments::invoice_of(tryton, payment)? {
        Some(record) => Some(record),
        None => find_invoice(tryton, receipt, line)?,
    };
    let Some(record) = record else { return Ok(Standing::OnAccount { matched: false }) };
    let paid = payments::set_against(payment, &record);
    Ok(match paid.is_zero() {
        false => Standing::Set { record, paid },
        true if takes(&record) => Standing::Free { payment: payment.clone(), record },
        true => Standing::OnAccount { matched: true },
    })
}

fn apply_line(
    tryton: &Tryton,
    receipt: &Receipt,
    line: &RemittanceLine,
    booked: &Booked,
    work: &mut Work,
) -> Result<(), Fault> {
    let name = name(receipt, line);
    let amount = decimal::parse(&line.amount.amount)?;
    let stands = standing(tryton, receipt, line, booked)?;
    work.booked += usize::from(booked.contains_key(&name));
    match stands {
        Standing::Set { record, paid } => work.set(line, &record, paid)?,
        Standing::OnAccount { matched } => work.left(line, matched)?,
        Standing::Free { payment, record } => {
            let kept_back = kept_back(line)?;
            let write_off = write_off(tryton, line)?.map(|id| (id, kept_back));
            match payments::set_again(tryton, &payment, &record, write_off, &receipt.received_on)? {
                Ok(now) => work.set(line, &now, payments::set_against(&payment, &now))?,
                Err(refused) => {
                    log::warn(&format!("{name} stays on the customer: {}", refused.message));
                    work.left(line, true)?;
                }
            }
        }
        Standing::Due { record } => {
            let due = open(&record);
            let kept_back = kept_back(line)?;
            let closes = !kept_back.is_zero() && amount + kept_back == due;
            let write_off = if closes { write_off(tryton, line)? } else { None };
            match payments::pay(tryton, receipt, &record, amount, write_off, &name)? {
                Ok(_) => {
                    work.booked += 1;
                    let paid = if amount.abs() > due.abs() { due } else { amount };
                    work.set(line, &payments::reread(tryton, record)?, paid)?;
                }
                Err(refused) => work.refused(line, refused.into())?,
            }
        }
        Standing::Nowhere { record } => {
            let made = payments::on_account(tryton, receipt, line, record.as_ref(), &name)?;
            match made {
                Ok(made) => work.booked += usize::from(made.is_some()),
                Err(refused) => work.refusal = Some(refused.into()),
            }
            work.left(line, record.is_some())?;
        }
    }
    Ok(())
}

/// What has been done and what remains.
#[derive(Default)]
struct Work {
    applications: Vec<Application>,
    unmatched: Vec<String>,
    unapplied: Decimal,
    /// How many payments and moves stand in Tryton.
    booked: usize,
    refusal: Option<Refusal>,
}

impl Work {
    fn set(&mut self, line: &RemittanceLine, record: &Record, paid: Decimal) -> Result<(), Fault> {
        self.unapplied += decimal::parse(&line.amount.amount)? - paid;
        let closes = record.state("state") == "paid" && !kept_back(line)?.is_zero();
        self.applications.push(application(line, record, paid, closes));
        Ok(())
    }

    fn left(&mut self, line: &RemittanceLine, matched: bool) -> Result<(), Fault> {
        if !matched {
            self.unmatched.push(line.id.clone());
        }
        self.unapplied += decimal::parse(&line.amount.amount)?;
        Ok(())
    }

    fn refused(&mut self, line: &RemittanceLine, refusal: Refusal) -> Result<(), Fault> {
        self.refusal = Some(refusal);
        self.left(line, true)
    }

    fn output(self, mut receipt: Receipt) -> ApplyReceiptOutput {
        let outcome = match (self.applications.is_empty(), self.unapplied.is_zero()) {
            (_, true) => ApplyReceiptOutcome::Applied,
            (false, false) => ApplyReceiptOutcome::PartlyApplied,
            (true, false) => ApplyReceiptOutcome::Unapplied,
        };
        receipt.status = match outcome {
            ApplyReceiptOutcome::Applied => ReceiptStatus::Applied,
            ApplyReceiptOutcome::PartlyApplied => ReceiptStatus::PartlyApplied,
            _ => ReceiptStatus::Unapplied,
        };
        let unapplied = decimal::money(self.unapplied, &receipt.currency);
        ApplyReceiptOutput {
            outcome,
            receipt,
            applications: self.applications,
            unmatched: self.unmatched,
            unapplied,
        }
    }
}

fn refused(receipt: Receipt, refusal: Refusal) -> ApplyReceiptOutput {
    let unapplied = receipt.amount.clone();
    ApplyReceiptOutput {
        outcome: ApplyReceiptOutcome::Refused(refusal),
        receipt,
        applications: Vec::new(),
        unmatched: Vec::new(),
        unapplied,
    }
}

fn name(receipt: &Receipt, line: &RemittanceLine) -> String {
    format!("{}/{}", receipt.id, line.id)
}

fn payer<'a>(receipt: &'a Receipt, line: &'a RemittanceLine) -> Option<&'a String> {
    line.payer.as_ref().or(receipt.payer.as_ref())
}

/// What of this receipt stands in Tryton, by name.
fn booked(tryton: &Tryton, receipt: &Receipt) -> Result<Booked, Fault> {
    let mut names: Vec<String> = receipt.lines.iter().map(|line| name(receipt, line)).collect();
    names.push(receipt.id.clone());
    payments::booked(tryton, &names)
}

fn open(invoice: &Record) -> Decimal {
    invoice.decimal_or_zero("amount_to_pay")
}

/// By the id of invoice or credit note, else an open one of the order with the same sign.
fn find_invoice(
    tryton: &Tryton,
    receipt: &Receipt,
    line: &RemittanceLine,
) -> Result<Option<Record>, Fault> {
    let known = line.invoice.as_deref().or(id_in(&line.references, "crossdock", "invoice"));
    let found = match known {
        Some(id) => tryton.invoice(id)?,
        None => {
            let order = line.order.as_deref().or(id_in(&line.references, "crossdock", "order"));
            let Some(order) = order else { return Ok(None) };
            let amount = decimal::parse(&line.amount.amount)?;
            let fits = |record: &Record| {
                record.state("state") == "posted"
                    && open(record).is_sign_negative() == amount.is_sign_negative()
                    && !open(record).is_zero()
            };
            tryton.invoices_of_order(order)?.into_iter().find(fits)
        }
    };
    let same_currency = |record: &Record| record.state("currency.code") == line.amount.currency;
    if found.as_ref().is_some_and(|record| !same_currency(record)) {
        log::warn(&format!(
            "receipt {}: line {} is in another currency than its invoice",
            receipt.id, line.id
        ));
    }
    Ok(found.filter(same_currency))
}

/// Discount, deductions and write-off together.
fn kept_back(line: &RemittanceLine) -> Result<Decimal, Fault> {
    let amounts = line.discount.iter().chain(line.write_off.iter());
    let amounts = amounts.chain(line.deductions.iter().map(|deduction| &deduction.amount));
    let mut sum = Decimal::ZERO;
    for money in amounts {
        sum += decimal::parse(&money.amount)?;
    }
    Ok(sum)
}

fn application(line: &RemittanceLine, record: &Record, paid: Decimal, closes: bool) -> Application {
    let currency = record.state("currency.code");
    Application {
        line: line.id.clone(),
        invoice: invoice::id(record),
        references: vec![reference(SYSTEM, "invoice", record.id().to_string())],
        amount: decimal::money(paid, currency),
        discount: line.discount.clone().filter(|_| closes),
        deductions: if closes { line.deductions.clone() } else { Vec::new() },
        write_off: line.write_off.clone().filter(|_| closes),
        open: decimal::money(open(record), currency),
    }
}

/// How what a payer kept back is written off; nothing when nothing was.
fn write_off(tryton: &Tryton, line: &RemittanceLine) -> Result<Option<i64>, Fault> {
    let accounts = &tryton.config.accounts;
    let name = match (&line.discount, line.deductions.is_empty(), &line.write_off) {
        (Some(_), ..) => &accounts.discount,
        (None, false, _) => &accounts.deduction,
        (None, true, Some(_)) => &accounts.write_off,
        (None, true, None) => return Ok(None),
    };
    tryton.named("account.move.reconcile.write_off", name).map(Some)
}

/// The move of a payout: out of the clearing account, into the bank and the fees. Fees that a bank
/// kept are taken off the bank.
fn pay_out_lines(tryton: &Tryton, receipt: &Receipt) -> Result<Vec<(String, Decimal)>, Fault> {
    let accounts = &tryton.config.accounts;
    let mut fees = Decimal::ZERO;
    for fee in &receipt.fees {
        fees += decimal::parse(&fee.amount.amount)?;
    }
    if payments::is_bank(receipt) {
        let lines = vec![(accounts.fees.clone(), fees), (accounts.bank.clone(), -fees)];
        return Ok(if fees.is_zero() { Vec::new() } else { lines });
    }
    let net = decimal::parse(&receipt.amount.amount)?;
    let mut cleared = Vec::new();
    for line in &receipt.lines {
        cleared.push(decimal::parse(&line.amount.amount)?);
    }
    // By line, where each payment was rounded by itself from another currency: so nothing is left.
    let own = receipt.currency == tryton.config.currency;
    if own || cleared.iter().sum::<Decimal>() != net + fees {
        cleared = vec![net + fees];
    }
    // What rounding leaves falls on the last one.
    let mut lines: Vec<(String, Decimal)> =
        cleared.into_iter().map(|amount| (accounts.clearing.clone(), -amount)).collect();
    lines.push((accounts.bank.clone(), net));
    lines.push((accounts.fees.clone(), fees));
    Ok(lines.into_iter().filter(|(_, amount)| !amount.is_zero()).collect())
}

fn pay_out(
    tryton: &Tryton,
    receipt: &Receipt,
    booked: &Booked,
    work: &mut Work,
) -> Result<Option<Refusal>, Fault> {
    let amounts = pay_out_lines(tryton, receipt)?;
    if amounts.is_empty() {
        return Ok(None);
    }
    let record = match booked.get(&receipt.id) {
        Some(record) => record.clone(),
        None => {
            let mut lines = Vec::new();
            for (account, amount) in amounts {
                lines.push((tryton.account(&account)?, None, amount));
            }
            match payments::book(tryton, receipt, &receipt.id, &lines)? {
                Ok(record) => record,
                Err(refusal) => return Ok(Some(refusal)),
            }
        }
    };
    if let Err(refused) = payments::post(tryton, record)? {
        return Ok(Some(refused.into()));
    }
    work.booked += 1;
    Ok(None)
}
