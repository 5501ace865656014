//! Payments in Tryton's ledger: made by its wizard, found again by the description of their move,
//! taken off their invoice and set against it again. Money that no invoice takes is booked on the
//! customer.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_sdk::canonical::common::PaymentMethod;
use crossdock_sdk::canonical::receipts::{Receipt, RemittanceLine};
use crossdock_sdk::{Decimal, Fault, Refusal, decimal};
use serde_json::{Value, json};

use crate::client::{Answer, Refused, Tryton};
use crate::invoice;
use crate::orders::refusal;
use crate::value::{self, Record};

pub const MOVE: &str = "account.move";
pub const MOVE_FIELDS: [&str; 9] = [
    "description",
    "state",
    "origin",
    "lines.debit",
    "lines.credit",
    "lines.amount_second_currency",
    "lines.second_currency.code",
    "lines.account",
    "lines.reconciliation",
];
const LINE: &str = "account.move.line";

/// What of this receipt stands in Tryton, by description.
pub fn booked(tryton: &Tryton, names: &[String]) -> Result<BTreeMap<String, Record>, Fault> {
    let domain = json!([["description", "in", names], ["company", "=", tryton.config.company_id]]);
    let limit = u32::try_from(names.len() * 2).unwrap_or(u32::MAX);
    let moves = tryton.search(MOVE, domain, json!([["id", "ASC"]]), limit, &MOVE_FIELDS)?;
    Ok(moves.into_iter().filter_map(|m| Some((m.text("description")?, m))).collect())
}

/// The invoice that a payment was made for; what was booked on the customer has none.
pub fn invoice_of(tryton: &Tryton, payment: &Record) -> Result<Option<Record>, Fault> {
    match payment.state("origin").strip_prefix("account.invoice,").and_then(|id| id.parse().ok()) {
        Some(id) => tryton.read(invoice::MODEL, id, &invoice::FIELDS),
        None => Ok(None),
    }
}

/// Debit less credit of a line, in the currency that was paid.
fn balance(line: &Record) -> Decimal {
    let own = line.decimal_or_zero("debit") - line.decimal_or_zero("credit");
    line.decimal("amount_second_currency").unwrap_or(own)
}

/// How much of a payment is set against an invoice; negative for a credit note.
pub fn set_against(payment: &Record, invoice: &Record) -> Decimal {
    let closing: Vec<i64> = reconciliations(&invoice.records("lines_to_pay"));
    let linked = invoice.ids("payment_lines");
    let lines = payment.records("lines").into_iter().filter(|line| {
        let closes = line.many2one("reconciliation").is_some_and(|id| closing.contains(&id));
        closes || linked.contains(&line.id())
    });
    -lines.map(|line| balance(&line)).sum::<Decimal>()
}

fn reconciliations(lines: &[Record]) -> Vec<i64> {
    lines.iter().filter_map(|line| line.many2one("reconciliation")).collect()
}

pub fn is_bank(receipt: &Receipt) -> bool {
    !matches!(receipt.method, PaymentMethod::Card | PaymentMethod::Wallet)
}

/// The wizard: `start`, `choice`, and where the amount is not exact `pay`. More than is open stays
/// on the customer, in the same move. `write_off` closes the invoice with what is left.
pub fn pay(
    tryton: &Tryton,
    receipt: &Receipt,
    record: &Record,
    amount: Decimal,
    write_off: Option<i64>,
    name: &str,
) -> Answer<Value> {
    let accounts = &tryton.config.accounts;
    let method = if is_bank(receipt) { &accounts.bank_method } else { &accounts.card_method };
    let method = tryton.named("account.invoice.payment.method", method)?;
    let open = record.decimal_or_zero("amount_to_pay");
    let start = json!({
        "payee": record.many2one("party"), "amount": value::decimal(amount),
        "currency": record.many2one("currency"), "date": value::date(&receipt.received_on),
        "description": name, "payment_method": method,
    });
    tryton.wizard("account.invoice.pay", invoice::MODEL, &[record.id()], |wizard| {
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
        let kind = match write_off {
            Some(_) => "writeoff",
            None if amount.abs() > open.abs() => "overpayment",
            None => "partial",
        };
        // Only what is decided here: the defaults have names of records too, which Tryton does not
        // take back.
        let mut ask = json!({"type": kind});
        if let Some(write_off) = write_off {
            ask["writeoff"] = write_off.into();
        }
        if kind != "partial" {
            ask["lines"] = view["defaults"]["lines_to_pay"].clone();
        }
        wizard.execute("pay", json!({"start": start, "ask": ask}), true)
    })
}

/// Takes a payment off its invoice: it stays booked on the customer. How much was set against
/// invoices is answered, in the currency that was paid.
pub fn take_off(tryton: &Tryton, payment: &Record) -> Answer<Decimal> {
    let lines = payment.records("lines");
    let decided = tryton.with_context("_skip_warnings", true.into());
    for id in reconciliations(&lines) {
        let fields = ["move.origin", "move.journal.type"];
        let domain = json!([["reconciliation", "=", id]]);
        let joined = tryton.search(LINE, domain, json!([["id", "ASC"]]), 1000, &fields)?;
        if let Err(refused) = decided.delete("account.move.reconciliation", id)? {
            return Ok(Err(refused));
        }
        // What was written off, or came of another rate, came with the reconciliation.
        let with_it = |line: &&Record| {
            line.text("move.origin").is_none() && line.state("move.journal.type") == "write-off"
        };
        let moves = joined.iter().filter(with_it).filter_map(|line| line.many2one("move"));
        for id in moves.collect::<BTreeSet<i64>>() {
            if let Err(refused) = cancel(&decided, id)? {
                return Ok(Err(refused));
            }
        }
    }
    if let Some(record) = invoice_of(tryton, payment)? {
        // Tryton opens a paid invoice again by itself, sooner or later.
        if record.state("state") == "paid"
            && let Err(refused) = tryton.act(invoice::MODEL, record.id(), "process", &["state"])?
        {
            return Ok(Err(refused));
        }
        let ids: Vec<i64> = lines.iter().map(Record::id).collect();
        let linked = record.ids("payment_lines");
        if linked.iter().any(|line| ids.contains(line)) {
            let off: Vec<i64> = linked.into_iter().filter(|line| ids.contains(line)).collect();
            let values = json!({"payment_lines": [["remove", off]]});
            if let Err(refused) = tryton.update(invoice::MODEL, record.id(), &values, &["state"])? {
                return Ok(Err(refused));
            }
        }
    }
    Ok(Ok(lines.iter().map(balance).filter(|amount| *amount > Decimal::ZERO).sum()))
}

/// Reverses a move; what of it can be reconciled is.
fn cancel(tryton: &Tryton, id: i64) -> Answer<Value> {
    tryton.wizard("account.move.cancel", MOVE, &[id], |wizard| {
        if let Err(refused) = wizard.execute("default", json!({}), false)? {
            return Ok(Err(refused));
        }
        wizard.execute("cancel", json!({"default": {"reversal": true}}), true)
    })
}

/// Sets money that stands on the customer against an invoice; closes it if nothing is open then, or
/// only what `write_off` takes. The invoice as it is then.
pub fn set_again(
    tryton: &Tryton,
    payment: &Record,
    record: &Record,
    write_off: Option<(i64, Decimal)>,
    on: &str,
) -> Answer<Record> {
    let account = record.many2one("account");
    let free = |line: &&Record| {
        line.many2one("account") == account && line.many2one("reconciliation").is_none()
    };
    let lines: Vec<i64> = payment.records("lines").iter().filter(free).map(Record::id).collect();
    let values = json!({"payment_lines": [["add", lines]]});
    let now = match tryton.update(invoice::MODEL, record.id(), &values, &invoice::FIELDS)? {
        Ok(now) => now,
        Err(refused) => return Ok(Err(refused)),
    };
    let left = now.decimal_or_zero("amount_to_pay");
    let write_off = write_off.filter(|(_, amount)| *amount == left).map(|(id, _)| id);
    if !left.is_zero() && write_off.is_none() {
        return Ok(Ok(now));
    }
    let to_pay = now.records("lines_to_pay").into_iter();
    let to_pay = to_pay.filter(|line| line.many2one("reconciliation").is_none());
    let lines: Vec<i64> = to_pay.map(|line| line.id()).chain(now.ids("payment_lines")).collect();
    let closed = tryton.wizard("account.move.reconcile_lines", LINE, &lines, |wizard| {
        let started = wizard.execute("start", json!({}), true)?;
        match (started, write_off) {
            (Ok(_), Some(id)) => {
                let values = json!({"writeoff": id, "date": value::date(on)});
                wizard.execute("reconcile", json!({"writeoff": values}), true)
            }
            (started, _) => Ok(started),
        }
    })?;
    match closed {
        Ok(_) => reread(tryton, now).map(Ok),
        Err(refused) => Ok(Err(refused)),
    }
}

/// Tryton sees an invoice as paid after it has answered that its lines are reconciled.
pub fn reread(tryton: &Tryton, record: Record) -> Result<Record, Fault> {
    Ok(tryton.read(invoice::MODEL, record.id(), &invoice::FIELDS)?.unwrap_or(record))
}

/// Money for a line that no invoice takes, on the customer; `Ok(None)` where nobody can say whose
/// it is.
pub fn on_account(
    tryton: &Tryton,
    receipt: &Receipt,
    line: &RemittanceLine,
    invoice: Option<&Record>,
    name: &str,
) -> Answer<Option<Record>> {
    let payer = line.payer.as_ref().or(receipt.payer.as_ref());
    let party = match (invoice.and_then(|record| record.many2one("party")), payer) {
        (Some(party), _) => Some(party),
        (None, Some(code)) => tryton.party(code, &["id"])?.map(|party| party.id()),
        (None, None) => None,
    };
    let amount = decimal::parse(&line.amount.amount)?;
    let Some(party) = party.filter(|_| !amount.is_zero()) else { return Ok(Ok(None)) };
    let accounts = &tryton.config.accounts;
    let money = if is_bank(receipt) { &accounts.bank } else { &accounts.clearing };
    let lines = [
        (tryton.account(money)?, None, amount),
        (tryton.account(&accounts.receivable)?, Some(party), -amount),
    ];
    let made = match book(tryton, receipt, name, &lines)? {
        Ok(made) => made,
        Err(refusal) => return Ok(Err(Refused { message: refusal.message })),
    };
    Ok(post(tryton, made)?.map(Some))
}

pub fn post(tryton: &Tryton, record: Record) -> Answer<Record> {
    match record.state("state") {
        "posted" => Ok(Ok(record)),
        _ => tryton.act(MOVE, record.id(), "post", &MOVE_FIELDS),
    }
}

/// A move of these lines, not posted: account, party, amount in the receipt's currency (debit
/// positive).
pub fn book(
    tryton: &Tryton,
    receipt: &Receipt,
    name: &str,
    lines: &[(i64, Option<i64>, Decimal)],
) -> Result<Result<Record, Refusal>, Fault> {
    let Some(period) = tryton.period(&receipt.received_on)? else {
        let message = format!("Tryton has no open period for {}", receipt.received_on);
        return Ok(Err(refusal("period-closed", &message, vec![])));
    };
    let foreign = (receipt.currency != tryton.config.currency)
        .then(|| tryton.currency(&receipt.currency))
        .transpose()?;
    let rate = tryton.rate(&receipt.currency, &receipt.received_on)?;
    let Some(rate) = rate else {
        let message = format!("Tryton has no rate for {}", receipt.currency);
        return Ok(Err(refusal("no-rate", &message, vec![])));
    };
    let mut values = Vec::new();
    let mut left = Decimal::ZERO;
    for (at, (account, party, amount)) in lines.iter().enumerate() {
        let own = value::round_total(*amount * rate, &tryton.config.currency);
        // Rounding by rate must not unbalance the move: the last line takes the rest.
        let own = if at + 1 == lines.len() { -left } else { own };
        left += own;
        let mut line = json!({
            "account": account, "party": party, "description": name,
            "debit": value::decimal(own.max(Decimal::ZERO)),
            "credit": value::decimal((-own).max(Decimal::ZERO)),
        });
        if let Some(currency) = foreign {
            line["second_currency"] = currency.into();
            line["amount_second_currency"] = value::decimal(*amount);
        }
        values.push(line);
    }
    let values = json!({
        "company": tryton.config.company_id, "description": name, "period": period,
        "journal": tryton.journal(&tryton.config.accounts.cash_journal)?,
        "date": value::date(&receipt.received_on), "lines": [["create", values]],
    });
    Ok(tryton.create(MOVE, &values, &MOVE_FIELDS)?.map_err(Refusal::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_for_an_invoice_is_linked_or_reconciled_with_it() {
        let tagged = |text: &str| json!({"__class__": "Decimal", "decimal": text});
        // 150 for an invoice of 149: Tryton keeps what is too much on a line of its own.
        let payment = |reconciliation: Value, sign: &str| {
            let amount = |text: &str| tagged(&format!("{sign}{text}"));
            Record(json!({"lines": [
                {"id": 1, "debit": tagged("0"), "credit": amount("149.00"), "reconciliation": reconciliation},
                {"id": 2, "debit": tagged("0"), "credit": amount("1.00"), "reconciliation": null},
                {"id": 3, "debit": amount("150.00"), "credit": tagged("0"), "reconciliation": null},
            ]}))
        };
        let invoice = |reconciliation: Value, linked: Value| {
            Record(json!({
                "lines_to_pay": [{"id": 9, "reconciliation": reconciliation}], "payment_lines": linked,
            }))
        };
        let check = |payment: &Record, invoice: &Record, expect: &str| {
            assert_eq!(decimal::text(set_against(payment, invoice)), expect);
        };
        let open = payment(Value::Null, "");
        check(&open, &invoice(Value::Null, json!([1])), "149");
        check(&payment(json!(5), ""), &invoice(json!(5), json!([])), "149");
        check(&payment(json!(5), "-"), &invoice(json!(5), json!([1])), "-149");
        // Taken off, or set against another invoice since.
        check(&open, &invoice(Value::Null, json!([])), "0");
        check(&payment(json!(6), ""), &invoice(json!(5), json!([])), "0");
        // In the currency that was paid.
        let mut foreign = open;
        foreign.0["lines"][0]["amount_second_currency"] = tagged("-137.08");
        check(&foreign, &invoice(Value::Null, json!([1])), "137.08");
    }
}
