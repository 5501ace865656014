//! Cash application. Each line of a receipt becomes a payment of its invoice by Tryton's wizard,
//! named `RECEIPT/LINE`; what the service paid out and kept becomes one move named `RECEIPT`. By
//! these names they are found again.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::PaymentMethod;
use crossdock_sdk::canonical::receipts::{Application, Receipt, ReceiptStatus, RemittanceLine};
use crossdock_sdk::canonical::{id_in, reference};
use crossdock_sdk::{Call, Decimal, Fault, Money, Refusal, config, decimal, log};
use serde_json::{Value, json};

use crate::client::{Answer, Tryton};
use crate::credit::in_company_currency;
use crate::exports::crossdock::erp::cash_application::{
    ApplyReceiptInput, ApplyReceiptOutcome, ApplyReceiptOutput, Guest, UnapplyReceiptInput,
    UnapplyReceiptOutcome, UnapplyReceiptOutput,
};
use crate::exports::crossdock::erp::cash_application_probe::{self as probe, ApplyReceiptState};
use crate::invoice;
use crate::orders::refusal;
use crate::value::{self, Record};
use crate::{Connector, SYSTEM};

const MOVE: &str = "account.move";
const MOVE_FIELDS: [&str; 6] =
    ["description", "state", "origin", "lines.debit", "lines.credit", "lines.reconciliation"];

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
        let domain = json!([["description", "like", format!("{like}%")]]);
        let moves = tryton.search(MOVE, domain, json!([["id", "ASC"]]), 1000, &MOVE_FIELDS)?;
        if moves.is_empty() {
            let outcome = UnapplyReceiptOutcome::Unknown;
            return Ok(UnapplyReceiptOutput { outcome, unapplied: None });
        }
        let mut unapplied = Decimal::ZERO;
        for payment in moves {
            let line = payment.state("description").strip_prefix(&prefix).unwrap_or_default();
            let asked = input.only.as_ref().is_none_or(|only| only.iter().any(|id| id == line));
            if !asked {
                continue;
            }
            for id in payment.records("lines").iter().filter_map(|l| l.many2one("reconciliation")) {
                if let Err(refused) = tryton.delete("account.move.reconciliation", id)? {
                    let outcome = UnapplyReceiptOutcome::Refused(refused.into());
                    return Ok(UnapplyReceiptOutput { outcome, unapplied: None });
                }
            }
            unapplied += payment
                .records("lines")
                .iter()
                .map(|l| l.decimal_or_zero("debit"))
                .sum::<Decimal>();
        }
        Ok(UnapplyReceiptOutput {
            outcome: UnapplyReceiptOutcome::Unapplied,
            unapplied: Some(decimal::money(unapplied, &tryton.config.currency)),
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
            let due = match booked.contains_key(&name(&receipt, line)) {
                true => None,
                false => find_invoice(&tryton, &receipt, line)?,
            };
            if due.is_some_and(|record| !open(&record).is_zero()) {
                return Ok(ApplyReceiptState::Absent);
            }
            apply_line(&tryton, &receipt, line, &booked, &mut work)?;
        }
        Ok(ApplyReceiptState::Applied(work.output(receipt)))
    }
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

/// What of this receipt stands in Tryton, by name.
fn booked(tryton: &Tryton, receipt: &Receipt) -> Result<BTreeMap<String, Record>, Fault> {
    let mut names: Vec<String> = receipt.lines.iter().map(|line| name(receipt, line)).collect();
    names.push(receipt.id.clone());
    let domain = json!([["description", "in", names]]);
    let limit = u32::try_from(names.len() * 2).unwrap_or(u32::MAX);
    let moves = tryton.search(MOVE, domain, json!([["id", "ASC"]]), limit, &MOVE_FIELDS)?;
    Ok(moves.into_iter().filter_map(|m| Some((m.text("description")?, m))).collect())
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

fn apply_line(
    tryton: &Tryton,
    receipt: &Receipt,
    line: &RemittanceLine,
    booked: &BTreeMap<String, Record>,
    work: &mut Work,
) -> Result<(), Fault> {
    let name = name(receipt, line);
    let amount = decimal::parse(&line.amount.amount)?;
    if let Some(payment) = booked.get(&name) {
        let origin =
            payment.state("origin").strip_prefix("account.invoice,").and_then(|id| id.parse().ok());
        work.booked += 1;
        if let Some(record) = match origin {
            Some(id) => tryton.read(invoice::MODEL, id, &invoice::FIELDS)?,
            None => find_invoice(tryton, receipt, line)?,
        } {
            let paid: Decimal =
                payment.records("lines").iter().map(|l| l.decimal_or_zero("debit")).sum();
            // The move is in the company's currency; where the invoice is not, the line's own counts.
            let same = record.state("currency.code") == tryton.config.currency;
            let paid = if same && paid < amount.abs() { paid } else { amount.abs() };
            let paid = if amount.is_sign_negative() { -paid } else { paid };
            work.unapplied += amount - paid;
            work.applications.push(application(line, &record, paid, true));
        }
        return Ok(());
    }
    let Some(record) = find_invoice(tryton, receipt, line)? else {
        work.unmatched.push(line.id.clone());
        work.unapplied += amount;
        return Ok(());
    };
    let due = open(&record);
    // Never more than what is open, on either side of zero.
    let pay = if amount.abs() > due.abs() { due } else { amount };
    let opposite = !pay.is_zero() && due.is_sign_negative() != amount.is_sign_negative();
    if record.state("state") != "posted" || pay.is_zero() || opposite {
        work.unapplied += amount;
        return Ok(());
    }
    let kept_back = kept_back(line)?;
    let closes = !kept_back.is_zero() && pay + kept_back == due;
    match pay_invoice(tryton, receipt, line, &record, pay, closes, &name)? {
        Ok(_) => {
            work.booked += 1;
            work.unapplied += amount - pay;
            let now = tryton.read(invoice::MODEL, record.id(), &invoice::FIELDS)?.unwrap_or(record);
            work.applications.push(application(line, &now, pay, closes));
        }
        Err(refused) => {
            work.unapplied += amount;
            work.refusal = Some(refused.into());
        }
    }
    Ok(())
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

fn is_bank(receipt: &Receipt) -> bool {
    !matches!(receipt.method, PaymentMethod::Card | PaymentMethod::Wallet)
}

/// The wizard: `start`, `choice`, and where the amount is not exact `pay`.
fn pay_invoice(
    tryton: &Tryton,
    receipt: &Receipt,
    line: &RemittanceLine,
    record: &Record,
    amount: Decimal,
    closes: bool,
    name: &str,
) -> Answer<Value> {
    let accounts = &tryton.config.accounts;
    let method = if is_bank(receipt) { &accounts.bank_method } else { &accounts.card_method };
    let method = tryton.named("account.invoice.payment.method", method)?;
    let write_off = match (closes, &line.discount, line.deductions.is_empty()) {
        (false, ..) => None,
        (true, Some(_), _) => Some(&accounts.discount),
        (true, None, false) => Some(&accounts.deduction),
        (true, None, true) => Some(&accounts.write_off),
    };
    let write_off = match write_off {
        Some(name) => Some(tryton.named("account.move.reconcile.write_off", name)?),
        None => None,
    };
    let start = json!({
        "payee": record.many2one("party"), "amount": value::decimal(amount),
        "currency": record.many2one("currency"), "date": value::date(&receipt.received_on),
        "description": name, "payment_method": method,
    });
    tryton.wizard("account.invoice.pay", invoice::MODEL, record.id(), |wizard| {
        if let Err(refused) = wizard.execute("start", json!({}), false)? {
            return Ok(Err(refused));
        }
        let chosen = match wizard.execute("choice", json!({"start": start}), true)? {
            Ok(chosen) => chosen,
            Err(refused) => return Ok(Err(refused)),
        };
        let view = &chosen["view"];
        if view.is_null() {
            return Ok(Ok(chosen));
        }
        let mut ask = view["defaults"].clone();
        if !ask.is_object() {
            ask = json!({});
        }
        ask["type"] = if write_off.is_some() { "writeoff" } else { "partial" }.into();
        if let Some(write_off) = write_off {
            ask["writeoff"] = write_off.into();
            if ask["lines"].as_array().is_none_or(Vec::is_empty) {
                ask["lines"] = ask["lines_to_pay"].clone();
            }
        }
        wizard.execute("pay", json!({"start": start, "ask": ask}), true)
    })
}

/// The move of a payout: out of the clearing account, into the bank and the fees. Fees that a bank
/// kept are taken off the bank.
fn pay_out_lines(tryton: &Tryton, receipt: &Receipt) -> Result<Vec<(String, Decimal)>, Fault> {
    let accounts = &tryton.config.accounts;
    let mut fees = Decimal::ZERO;
    for fee in &receipt.fees {
        fees += decimal::parse(&fee.amount.amount)?;
    }
    let net = decimal::parse(&receipt.amount.amount)?;
    let lines = match is_bank(receipt) {
        true => vec![(accounts.fees.clone(), fees), (accounts.bank.clone(), -fees)],
        false => vec![
            (accounts.bank.clone(), net),
            (accounts.fees.clone(), fees),
            (accounts.clearing.clone(), -net - fees),
        ],
    };
    Ok(lines.into_iter().filter(|(_, amount)| !amount.is_zero()).collect())
}

fn pay_out(
    tryton: &Tryton,
    receipt: &Receipt,
    booked: &BTreeMap<String, Record>,
    work: &mut Work,
) -> Result<Option<Refusal>, Fault> {
    let amounts = pay_out_lines(tryton, receipt)?;
    if amounts.is_empty() {
        return Ok(None);
    }
    let record = match booked.get(&receipt.id) {
        Some(record) => record.clone(),
        None => {
            let foreign = receipt.currency != tryton.config.currency;
            let mut lines = Vec::new();
            let mut balance = Decimal::ZERO;
            let last = amounts.len() - 1;
            for (at, (account, amount)) in amounts.into_iter().enumerate() {
                let money =
                    Money { amount: decimal::text(amount), currency: receipt.currency.clone() };
                let Some(own) = in_company_currency(&money, &tryton.config)? else {
                    let message =
                        format!("no rate for {} in the connector's config", receipt.currency);
                    return Ok(Some(refusal("no-rate", &message, vec![])));
                };
                // Rounding by rate must not unbalance the move: the last line takes the rest.
                let own = if at == last { -balance } else { own };
                balance += own;
                let side = |positive: bool| {
                    let on_it = own.is_sign_negative() != positive;
                    value::decimal(if on_it { own.abs() } else { Decimal::ZERO })
                };
                let mut values = json!({
                    "account": tryton.account(&account)?, "description": receipt.id,
                    "debit": side(true), "credit": side(false),
                });
                if foreign {
                    values["amount_second_currency"] = value::decimal(amount);
                }
                lines.push(values);
            }
            let values = json!({
                "company": tryton.config.company_id, "description": receipt.id,
                "journal": tryton.journal(&tryton.config.accounts.cash_journal)?,
                "date": value::date(&receipt.received_on), "lines": [["create", lines]],
            });
            match tryton.create(MOVE, &values, &MOVE_FIELDS)? {
                Ok(record) => record,
                Err(refused) => return Ok(Some(refused.into())),
            }
        }
    };
    if record.state("state") != "posted"
        && let Err(refused) = tryton.act(MOVE, record.id(), "post", &MOVE_FIELDS)?
    {
        return Ok(Some(refused.into()));
    }
    work.booked += 1;
    Ok(None)
}
