//! The balance: a transaction for each movement, fees, and payouts of what has come in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Stripe;
use crate::state::{State, now_s};

impl Stripe {
    /// Books one movement; charges cost 2.9% + 30.
    pub(super) fn book(
        &mut self,
        kind: &str,
        amount: i64,
        currency: &Value,
        source: &str,
    ) -> String {
        let fee = if kind == "charge" { (amount * 29 + 500) / 1000 + 30 } else { 0 };
        let details = if fee > 0 {
            json!([{"amount": fee, "currency": currency, "type": "stripe_fee", "description": "Stripe processing fees"}])
        } else {
            json!([])
        };
        self.transactions.insert(json!({
            "object": "balance_transaction", "amount": amount, "available_on": now_s(),
            "created": now_s(), "currency": currency, "description": null, "exchange_rate": null,
            "fee": fee, "fee_details": details, "net": amount - fee,
            "reporting_category": kind, "source": source, "status": "available", "type": kind,
        }))
    }

    pub(super) fn balance(&self) -> Value {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for (id, row) in &self.transactions.rows {
            if !self.paid_out.contains_key(id) {
                let currency = row["currency"].as_str().unwrap_or_default();
                *sums.entry(currency.to_owned()).or_default() += row["net"].as_i64().unwrap_or(0);
            }
        }
        let available: Vec<Value> = sums
            .iter()
            .map(|(currency, amount)| json!({"amount": amount, "currency": currency, "source_types": {"card": amount}}))
            .collect();
        json!({"object": "balance", "available": available, "pending": [], "livemode": false})
    }
}

impl State {
    /// Pays out all that has not been paid out, one payout for each currency with a positive sum.
    pub fn pay_out(&mut self) -> Vec<Value> {
        let mut waiting: BTreeMap<String, (i64, Vec<String>)> = BTreeMap::new();
        for (id, row) in &self.stripe.transactions.rows {
            if !self.stripe.paid_out.contains_key(id) {
                let currency = row["currency"].as_str().unwrap_or_default();
                let (sum, ids) = waiting.entry(currency.to_owned()).or_default();
                *sum += row["net"].as_i64().unwrap_or(0);
                ids.push(id.clone());
            }
        }
        let mut made = Vec::new();
        for (currency, (sum, ids)) in waiting {
            if sum <= 0 {
                continue;
            }
            let id = self.stripe.payouts.insert(json!({
                "object": "payout", "amount": sum, "arrival_date": now_s(), "automatic": true,
                "balance_transaction": null, "created": now_s(), "currency": currency,
                "description": "STRIPE PAYOUT", "destination": "ba_sandbox", "livemode": false,
                "metadata": {}, "method": "standard", "reconciliation_status": "completed",
                "source_type": "card", "status": "paid", "type": "bank_account",
            }));
            let own = self.stripe.book("payout", -sum, &json!(currency), &id);
            for transaction in ids.into_iter().chain([own.clone()]) {
                self.stripe.paid_out.insert(transaction, id.clone());
            }
            let Some(payout) = self.stripe.payouts.rows.get_mut(&id) else {
                continue;
            };
            payout["balance_transaction"] = json!(own);
            let payout = payout.clone();
            let mut created = payout.clone();
            created["status"] = json!("in_transit");
            self.stripe_event("payout.created", &created, None);
            self.stripe_event("payout.paid", &payout, None);
            made.push(payout);
        }
        made
    }
}
