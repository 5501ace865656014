//! A payout as a settlement: each balance transaction becomes a line, and the payment behind it
//! names order and invoice.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::ExchangeRate;
use crossdock_sdk::canonical::payments::{
    Settlement, SettlementLine, SettlementLineKind, SettlementStatus,
};
use crossdock_sdk::canonical::reference;
use crossdock_sdk::form::segment;
use crossdock_sdk::{Fault, Money, Reference, decimal, time};

use crate::client::{self, get, list_all};
use crate::currency::from_stripe;
use crate::map::{self, CREDIT_NOTE_ID, ORDER_ID, PAYMENT_ID, SYSTEM};
use crate::objects::{BalanceTransaction, Dispute, PaymentIntent, Payout, Refund};

/// Fetches what the payout is made of.
pub fn of_payout(payout: &Payout, company: &str) -> Result<Settlement, Fault> {
    let query = [("payout", payout.id.as_str())];
    let movements: Vec<BalanceTransaction> =
        list_all("/v1/balance_transactions", &query, |movement: &BalanceTransaction| &movement.id)?;
    let mut sources = Sources::default();
    let mut lines = Vec::new();
    let mut rate = None;
    for movement in movements.iter().filter(|movement| movement.kind != "payout") {
        let source = sources.of(movement)?;
        rate = rate.or_else(|| exchange_rate(movement, &source));
        lines.push(line(movement, &source));
    }
    let movements = || movements.iter().filter(|movement| movement.kind != "payout");
    let money = |minor| from_stripe(minor, &payout.currency);
    Ok(Settlement {
        id: payout.id.clone(),
        company: company.to_owned(),
        references: vec![reference(SYSTEM, "settlement", &payout.id)],
        attributes: Vec::new(),
        version: 0,
        occurred_at: time::timestamp(payout.created),
        payout: payout.id.clone(),
        status: match payout.status.as_str() {
            "paid" => SettlementStatus::Paid,
            "pending" | "in_transit" => SettlementStatus::InTransit,
            "failed" | "canceled" => SettlementStatus::Failed,
            other => SettlementStatus::Other(other.to_owned()),
        },
        paid_on: time::date_of(&time::timestamp(payout.arrival_date))
            .unwrap_or_default()
            .to_owned(),
        system: SYSTEM.to_owned(),
        currency: payout.currency.to_uppercase(),
        gross: money(movements().map(|movement| movement.amount).sum()),
        fees: money(movements().map(|movement| movement.fee).sum()),
        net: money(movements().map(|movement| movement.net).sum()),
        rate,
        lines,
    })
}

/// The charge, refund or dispute behind a movement, as far as a settlement tells of it.
#[derive(Clone, Debug, Default)]
struct Source {
    payment: Option<String>,
    order: Option<String>,
    invoice: Option<String>,
    credit_note: Option<String>,
    references: Vec<Reference>,
    /// In the customer's currency.
    amount: Option<Money>,
}

/// Payments are asked for once, however many movements they have in one payout.
#[derive(Default)]
struct Sources {
    intents: BTreeMap<String, PaymentIntent>,
}

impl Sources {
    fn of(&mut self, movement: &BalanceTransaction) -> Result<Source, Fault> {
        let Some(id) = movement.source.as_deref() else { return Ok(Source::default()) };
        match movement.kind.as_str() {
            "charge" | "payment" => {
                let charge = client::charge(id)?;
                let (mut source, intent) = self.of_intent(charge.payment_intent.as_deref())?;
                source.references.push(reference(SYSTEM, "charge", id));
                if let Some(intent) = intent {
                    source.invoice = invoice(movement, &intent)?;
                    source.amount = (intent.currency != movement.currency)
                        .then(|| presentment(movement, &intent.currency))
                        .flatten();
                }
                Ok(source)
            }
            "refund" | "payment_refund" => {
                let Some(refund) = refund_behind(movement, id)? else {
                    return Ok(Source::default());
                };
                let (mut source, _) = self.of_intent(refund.payment_intent.as_deref())?;
                source.references.push(reference(SYSTEM, "refund", &refund.id));
                source.credit_note = refund.metadata.get(CREDIT_NOTE_ID).cloned();
                source.amount = (refund.currency != movement.currency)
                    .then(|| from_stripe(-refund.amount, &refund.currency));
                Ok(source)
            }
            "adjustment" if is_dispute(id) => {
                let dispute: Dispute = get(&format!("/v1/disputes/{}", segment(id)), &[])?;
                let (mut source, _) = self.of_intent(dispute.payment_intent.as_deref())?;
                source.references.push(reference(SYSTEM, "dispute", id));
                Ok(source)
            }
            _ => Ok(Source::default()),
        }
    }

    fn of_intent(&mut self, id: Option<&str>) -> Result<(Source, Option<PaymentIntent>), Fault> {
        let Some(id) = id else { return Ok((Source::default(), None)) };
        let intent = match self.intents.get(id) {
            Some(known) => known.clone(),
            None => {
                let intent = client::payment_intent(id)?;
                self.intents.insert(id.to_owned(), intent.clone());
                intent
            }
        };
        let source = Source {
            payment: intent.metadata.get(PAYMENT_ID).cloned(),
            order: intent.metadata.get(ORDER_ID).cloned(),
            references: vec![reference(SYSTEM, "payment", id)],
            ..Source::default()
        };
        Ok((source, Some(intent)))
    }
}

/// Stripe names the refund itself; some accounts' older movements name the charge.
fn refund_behind(movement: &BalanceTransaction, source: &str) -> Result<Option<Refund>, Fault> {
    if !source.starts_with("ch_") && !source.starts_with("py_") {
        return get(&format!("/v1/refunds/{}", segment(source)), &[]).map(Some);
    }
    let refunds = list_all("/v1/refunds", &[("charge", source)], |refund: &Refund| &refund.id)?;
    let ours = |refund: &Refund| refund.balance_transaction.as_ref() == Some(&movement.id);
    Ok(refunds.into_iter().find(ours))
}

/// The invoice that a capture was for. Captures of one payment are told apart by their amounts, and
/// captures of the same amount by their order.
fn invoice(movement: &BalanceTransaction, intent: &PaymentIntent) -> Result<Option<String>, Fault> {
    let captures = map::captures(&intent.metadata);
    if let [only] = captures.as_slice() {
        return Ok(only.invoice.clone());
    }
    let converted = intent.currency != movement.currency;
    let amount = match presentment(movement, &intent.currency).filter(|_| converted) {
        Some(money) => crate::currency::to_stripe(&money)?,
        None => movement.amount,
    };
    let same: Vec<_> = captures.into_iter().filter(|capture| capture.minor == amount).collect();
    if same.len() <= 1 {
        return Ok(same.into_iter().next().and_then(|capture| capture.invoice));
    }
    let Some(source) = movement.source.as_deref() else { return Ok(None) };
    let mut of_charge: Vec<BalanceTransaction> = list_all(
        "/v1/balance_transactions",
        &[("source", source)],
        |movement: &BalanceTransaction| &movement.id,
    )?;
    of_charge.retain(|other| other.amount == movement.amount && other.kind == movement.kind);
    of_charge.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let place = of_charge.iter().position(|other| other.id == movement.id);
    Ok(place.and_then(|place| same.get(place)).and_then(|capture| capture.invoice.clone()))
}

/// The amount before conversion, from the rate that Stripe gives with the movement.
fn presentment(movement: &BalanceTransaction, currency: &str) -> Option<Money> {
    let rate = decimal::from_json(movement.exchange_rate.as_ref()?)?;
    let converted =
        decimal::parse(&from_stripe(movement.amount, &movement.currency).amount).ok()?;
    let amount = converted.checked_div(rate)?;
    Some(decimal::money(decimal::round_total(amount, currency), currency))
}

fn exchange_rate(movement: &BalanceTransaction, source: &Source) -> Option<ExchangeRate> {
    let rate = decimal::from_json(movement.exchange_rate.as_ref()?)?;
    Some(ExchangeRate {
        base: source.amount.as_ref()?.currency.clone(),
        quote: movement.currency.to_uppercase(),
        rate: decimal::text(rate),
        at: time::timestamp(movement.created),
    })
}

fn line(movement: &BalanceTransaction, source: &Source) -> SettlementLine {
    let money = |minor| from_stripe(minor, &movement.currency);
    SettlementLine {
        id: movement.id.clone(),
        kind: match movement.kind.as_str() {
            "charge" | "payment" => SettlementLineKind::Capture,
            "refund" | "payment_refund" | "refund_failure" | "payment_failure_refund" => {
                SettlementLineKind::Refund
            }
            "adjustment" if movement.source.as_deref().is_some_and(is_dispute) => {
                SettlementLineKind::Dispute
            }
            "adjustment" => SettlementLineKind::Adjustment,
            "stripe_fee" | "stripe_fx_fee" | "tax_fee" => SettlementLineKind::Fee,
            other => SettlementLineKind::Other(other.to_owned()),
        },
        payment: source.payment.clone(),
        order: source.order.clone(),
        invoice: source.invoice.clone(),
        credit_note: source.credit_note.clone(),
        references: source.references.clone(),
        gross: money(movement.amount),
        fee: money(movement.fee),
        net: money(movement.net),
        presentment: source.amount.clone(),
        occurred_at: time::timestamp(movement.created),
    }
}

fn is_dispute(id: &str) -> bool {
    id.starts_with("dp_") || id.starts_with("du_")
}
