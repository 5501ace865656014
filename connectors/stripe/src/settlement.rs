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
use crate::currency::{self, from_stripe};
use crate::map::{self, CREDIT_NOTE_ID, ORDER_ID, PAYMENT_ID, SYSTEM};
use crate::objects::{
    BalanceTransaction, Charge, Dispute, Expandable, PaymentIntent, Payout, Refund, Source,
};

/// Fetches what the payout is made of: the sources and their payments come along with the list, so
/// that there is a request for a page of it and none for a movement.
pub fn of_payout(payout: &Payout, company: &str) -> Result<Settlement, Fault> {
    let query = [("payout", payout.id.as_str()), ("expand[]", "data.source.payment_intent")];
    let movements: Vec<BalanceTransaction> =
        list_all("/v1/balance_transactions", &query, |movement: &BalanceTransaction| &movement.id)?;
    let mut sources = Sources::of_payout(&movements);
    let mut lines = Vec::new();
    let mut rate = None;
    for movement in movements.iter().filter(|movement| movement.kind != "payout") {
        let source = sources.of(movement)?;
        rate = rate.or_else(|| exchange_rate(movement, &source));
        lines.push(line(movement, source));
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
struct Behind {
    payment: Option<String>,
    order: Option<String>,
    invoice: Option<String>,
    credit_note: Option<String>,
    references: Vec<Reference>,
    /// In the customer's currency.
    amount: Option<Money>,
    disputed: bool,
}

/// What was not expanded is asked for once, however many movements it has in one payout.
struct Sources<'a> {
    movements: &'a [BalanceTransaction],
    intents: BTreeMap<String, PaymentIntent>,
    /// By charge: its refunds, and the movements of every payout.
    refunds: BTreeMap<String, Vec<Refund>>,
    of_charges: BTreeMap<String, Vec<BalanceTransaction>>,
}

impl<'a> Sources<'a> {
    fn of_payout(movements: &'a [BalanceTransaction]) -> Self {
        Sources {
            movements,
            intents: BTreeMap::new(),
            refunds: BTreeMap::new(),
            of_charges: BTreeMap::new(),
        }
    }

    fn of(&mut self, movement: &BalanceTransaction) -> Result<Behind, Fault> {
        let Some(source) = &movement.source else { return Ok(Behind::default()) };
        match movement.kind.as_str() {
            "charge" | "payment" => match source {
                Expandable::Id(id) => self.of_charge(movement, &client::charge(id)?),
                Expandable::Object(source) => match &**source {
                    Source::Charge(charge) => self.of_charge(movement, charge),
                    _ => Ok(Behind::default()),
                },
            },
            "refund" | "payment_refund" => match source {
                Expandable::Id(id) if is_charge(id) => self.of_refund_of(movement, id),
                Expandable::Id(id) => {
                    self.of_refund(movement, &get(&format!("/v1/refunds/{}", segment(id)), &[])?)
                }
                Expandable::Object(source) => match &**source {
                    Source::Refund(refund) => self.of_refund(movement, refund),
                    Source::Charge(charge) => {
                        self.remember(charge.payment_intent.as_ref());
                        self.of_refund_of(movement, &charge.id)
                    }
                    _ => Ok(Behind::default()),
                },
            },
            "adjustment" => match source {
                Expandable::Id(id) if is_dispute(id) => {
                    self.of_dispute(&get(&format!("/v1/disputes/{}", segment(id)), &[])?)
                }
                Expandable::Object(source) => match &**source {
                    Source::Dispute(dispute) => self.of_dispute(dispute),
                    _ => Ok(Behind::default()),
                },
                Expandable::Id(_) => Ok(Behind::default()),
            },
            _ => Ok(Behind::default()),
        }
    }

    fn of_charge(
        &mut self,
        movement: &BalanceTransaction,
        charge: &Charge,
    ) -> Result<Behind, Fault> {
        let (mut behind, intent) = self.of_intent(charge.payment_intent.as_ref())?;
        behind.references.push(reference(SYSTEM, "charge", &charge.id));
        if let Some(intent) = intent {
            behind.invoice = self.invoice(movement, &charge.id, &intent)?;
            behind.amount = (intent.currency != movement.currency)
                .then(|| presentment(movement, &intent.currency))
                .flatten();
        }
        Ok(behind)
    }

    fn of_refund(
        &mut self,
        movement: &BalanceTransaction,
        refund: &Refund,
    ) -> Result<Behind, Fault> {
        let (mut behind, _) = self.of_intent(refund.payment_intent.as_ref())?;
        behind.references.push(reference(SYSTEM, "refund", &refund.id));
        behind.credit_note = refund.metadata.get(CREDIT_NOTE_ID).cloned();
        behind.amount = (refund.currency != movement.currency)
            .then(|| from_stripe(-refund.amount, &refund.currency));
        Ok(behind)
    }

    /// Stripe names the refund itself; some accounts' older movements name the charge.
    fn of_refund_of(
        &mut self,
        movement: &BalanceTransaction,
        charge: &str,
    ) -> Result<Behind, Fault> {
        if !self.refunds.contains_key(charge) {
            let refunds =
                list_all("/v1/refunds", &[("charge", charge)], |refund: &Refund| &refund.id)?;
            self.refunds.insert(charge.to_owned(), refunds);
        }
        let refunds = self.refunds.get(charge).into_iter().flatten();
        let ours = |refund: &&Refund| refund.balance_transaction.as_ref() == Some(&movement.id);
        match refunds.clone().find(ours).cloned() {
            Some(refund) => self.of_refund(movement, &refund),
            None => Ok(Behind::default()),
        }
    }

    fn of_dispute(&mut self, dispute: &Dispute) -> Result<Behind, Fault> {
        let (mut behind, _) = self.of_intent(dispute.payment_intent.as_ref())?;
        behind.references.push(reference(SYSTEM, "dispute", &dispute.id));
        behind.disputed = true;
        Ok(behind)
    }

    fn of_intent(
        &mut self,
        intent: Option<&Expandable<PaymentIntent>>,
    ) -> Result<(Behind, Option<PaymentIntent>), Fault> {
        let Some(wanted) = intent else { return Ok((Behind::default(), None)) };
        self.remember(intent);
        let id = wanted.id();
        let intent = match self.intents.get(id) {
            Some(known) => known.clone(),
            None => {
                let intent = client::payment_intent(id)?;
                self.intents.insert(id.to_owned(), intent.clone());
                intent
            }
        };
        let behind = Behind {
            payment: intent.metadata.get(PAYMENT_ID).cloned(),
            order: intent.metadata.get(ORDER_ID).cloned(),
            references: vec![reference(SYSTEM, "payment", id)],
            ..Behind::default()
        };
        Ok((behind, Some(intent)))
    }

    fn remember(&mut self, intent: Option<&Expandable<PaymentIntent>>) {
        if let Some(intent) = intent.and_then(Expandable::object) {
            self.intents.insert(intent.id.clone(), intent.clone());
        }
    }

    /// The invoice that a capture was for. Captures of one payment are told apart by their amounts,
    /// and captures of the same amount by their order.
    fn invoice(
        &mut self,
        movement: &BalanceTransaction,
        charge: &str,
        intent: &PaymentIntent,
    ) -> Result<Option<String>, Fault> {
        let captures = map::captures(&intent.metadata);
        if let [only] = captures.as_slice() {
            return Ok(only.invoice.clone());
        }
        let converted = intent.currency != movement.currency;
        let amount = match presentment(movement, &intent.currency).filter(|_| converted) {
            Some(money) => currency::minor(&money)?,
            None => movement.amount,
        };
        let same: Vec<_> = captures.into_iter().filter(|capture| capture.minor == amount).collect();
        if same.len() <= 1 {
            return Ok(same.into_iter().next().and_then(|capture| capture.invoice));
        }
        let place = self.place(movement, charge, same.len())?;
        Ok(place.and_then(|place| same.get(place)).and_then(|capture| capture.invoice.clone()))
    }

    /// Which of a charge's movements of one amount this is. Where the payout has not all of them,
    /// others had some: then they are asked for.
    fn place(
        &mut self,
        movement: &BalanceTransaction,
        charge: &str,
        captures: usize,
    ) -> Result<Option<usize>, Fault> {
        let alike = |other: &&BalanceTransaction| {
            other.amount == movement.amount && other.kind == movement.kind
        };
        let here = self.movements.iter().filter(|other| is_of_charge(other, charge));
        let mut alike_here: Vec<_> = here.filter(alike).collect();
        if alike_here.len() != captures {
            if !self.of_charges.contains_key(charge) {
                let all = list_all(
                    "/v1/balance_transactions",
                    &[("source", charge)],
                    |movement: &BalanceTransaction| &movement.id,
                )?;
                self.of_charges.insert(charge.to_owned(), all);
            }
            alike_here = self.of_charges.get(charge).into_iter().flatten().filter(alike).collect();
        }
        alike_here.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(alike_here.iter().position(|other| other.id == movement.id))
    }
}

fn is_of_charge(movement: &BalanceTransaction, charge: &str) -> bool {
    match &movement.source {
        Some(Expandable::Id(id)) => id == charge,
        Some(Expandable::Object(source)) => {
            matches!(&**source, Source::Charge(source) if source.id == charge)
        }
        None => false,
    }
}

/// The amount before conversion, from the rate that Stripe gives with the movement.
fn presentment(movement: &BalanceTransaction, currency: &str) -> Option<Money> {
    let rate = decimal::from_json(movement.exchange_rate.as_ref()?)?;
    let converted =
        decimal::parse(&from_stripe(movement.amount, &movement.currency).amount).ok()?;
    let amount = converted.checked_div(rate)?;
    Some(decimal::money(decimal::round_total(amount, currency), currency))
}

fn exchange_rate(movement: &BalanceTransaction, source: &Behind) -> Option<ExchangeRate> {
    let rate = decimal::from_json(movement.exchange_rate.as_ref()?)?;
    Some(ExchangeRate {
        base: source.amount.as_ref()?.currency.clone(),
        quote: movement.currency.to_uppercase(),
        rate: decimal::text(rate),
        at: time::timestamp(movement.created),
    })
}

fn line(movement: &BalanceTransaction, source: Behind) -> SettlementLine {
    let money = |minor| from_stripe(minor, &movement.currency);
    SettlementLine {
        id: movement.id.clone(),
        kind: match movement.kind.as_str() {
            "charge" | "payment" => SettlementLineKind::Capture,
            "refund" | "payment_refund" | "refund_failure" | "payment_failure_refund" => {
                SettlementLineKind::Refund
            }
            "adjustment" if source.disputed => SettlementLineKind::Dispute,
            "adjustment" => SettlementLineKind::Adjustment,
            "stripe_fee" | "stripe_fx_fee" | "tax_fee" => SettlementLineKind::Fee,
            other => SettlementLineKind::Other(other.to_owned()),
        },
        payment: source.payment,
        order: source.order,
        invoice: source.invoice,
        credit_note: source.credit_note,
        references: source.references,
        gross: money(movement.amount),
        fee: money(movement.fee),
        net: money(movement.net),
        presentment: source.amount,
        occurred_at: time::timestamp(movement.created),
    }
}

fn is_charge(id: &str) -> bool {
    id.starts_with("ch_") || id.starts_with("py_")
}

fn is_dispute(id: &str) -> bool {
    id.starts_with("dp_") || id.starts_with("du_")
}
