//! What happens to money after it was captured: refunds and disputes.

use serde_json::{Value, json};

use super::{Answer, Call, Failure, form, in_steps, invalid, reference};
use crate::state::{State, now_s};

const EVIDENCE_S: i64 = 7 * 24 * 3600;
const DISPUTE_FEE: i64 = 1500;

impl State {
    pub(super) fn create_refund(&mut self, call: &Call) -> Answer {
        let params = call.params;
        let charge_id = match (form::text(params, "charge"), form::text(params, "payment_intent")) {
            (Some(charge), _) => charge.to_owned(),
            (None, Some(intent)) => {
                match self.stripe.intents.get(intent)?["latest_charge"].as_str() {
                    Some(charge) => charge.to_owned(),
                    None => {
                        let message =
                            "This PaymentIntent does not have a successful charge to refund.";
                        return Err(invalid(400, Some("charge_not_refundable"), message, None));
                    }
                }
            }
            (None, None) => {
                let message = "One of the following params should be provided for this request: payment_intent or charge.";
                return Err(invalid(400, Some("parameter_missing"), message, None));
            }
        };
        let wanted = form::integer(params, "amount")?;
        let charge = self.stripe.charges.get(&charge_id)?.clone();
        let captured = charge["amount_captured"].as_i64().unwrap_or(0);
        let refunded = charge["amount_refunded"].as_i64().unwrap_or(0);
        // What was released counts as refunded, see `release`.
        let left = if charge["captured"] == true {
            charge["amount"].as_i64().unwrap_or(0) - refunded
        } else {
            captured - refunded
        };
        let amount = wanted.unwrap_or(left);
        if left <= 0 {
            let (code, message) = if captured == 0 {
                ("charge_not_refundable", "This charge has not been captured.".to_owned())
            } else {
                (
                    "charge_already_refunded",
                    format!("Charge {charge_id} has already been refunded."),
                )
            };
            return Err(invalid(400, Some(code), &message, None));
        }
        if amount < 1 || amount > left {
            let message = format!(
                "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            );
            return Err(invalid(400, None, &message, Some("amount")));
        }
        in_steps(amount, charge["currency"].as_str().unwrap_or_default(), "amount")?;
        let id = self.stripe.refunds.insert(json!({
            "object": "refund", "amount": amount, "balance_transaction": null,
            "charge": charge_id, "created": now_s(), "currency": charge["currency"],
            "metadata": params.get("metadata").cloned().unwrap_or_else(|| json!({})),
            "payment_intent": charge["payment_intent"], "reason": form::text(params, "reason"),
            "receipt_number": null, "status": "succeeded",
        }));
        let transaction = self.stripe.book("refund", -amount, &charge["currency"], &id);
        let refund = self.stripe.refunds.get_mut(&id)?;
        refund["balance_transaction"] = json!(transaction);
        let refund = refund.clone();
        let row = self.stripe.charges.get_mut(&charge_id)?;
        row["amount_refunded"] = json!(refunded + amount);
        row["refunded"] = json!(amount == left);
        let row = row.clone();
        let reference = reference(params, &row);
        self.effects.count("stripe", "refund.create", &reference, call.key);
        self.stripe_event("refund.created", &refund, Some(call));
        self.stripe_event("charge.refunded", &row, Some(call));
        Ok(refund)
    }

    /// What is not captured goes back to the card. Stripe keeps that as a refund of the charge, though
    /// the money never moved: it has no balance transaction.
    pub(super) fn release(
        &mut self,
        charge_id: &str,
        amount: i64,
        call: Option<&Call>,
    ) -> Result<(), Failure> {
        if amount == 0 {
            return Ok(());
        }
        let charge = self.stripe.charges.get_mut(charge_id)?;
        charge["amount_refunded"] = json!(charge["amount_refunded"].as_i64().unwrap_or(0) + amount);
        charge["refunded"] = json!(charge["amount_refunded"] == charge["amount"]);
        let charge = charge.clone();
        self.stripe.refunds.insert(json!({
            "object": "refund", "amount": amount, "balance_transaction": null,
            "charge": charge_id, "created": now_s(), "currency": charge["currency"],
            "metadata": {}, "payment_intent": charge["payment_intent"], "reason": null,
            "receipt_number": null, "status": "succeeded",
        }));
        self.stripe_event("charge.refunded", &charge, call);
        Ok(())
    }

    /// A customer disputes a charge; None when there is no such charge or it is disputed already.
    pub fn open_dispute(&mut self, charge_id: &str, reason: &str, status: &str) -> Option<Value> {
        let charge = self.stripe.charges.rows.get_mut(charge_id)?;
        if charge["disputed"] == true {
            return None;
        }
        charge["disputed"] = json!(true);
        let charge = charge.clone();
        let amount = charge["amount_captured"].as_i64().unwrap_or(0);
        let id = self.stripe.disputes.insert(json!({
            "object": "dispute", "amount": amount, "balance_transactions": [],
            "charge": charge_id, "created": now_s(), "currency": charge["currency"],
            "evidence": {}, "evidence_details": {"due_by": now_s() + EVIDENCE_S, "has_evidence": false,
                "past_due": false, "submission_count": 0},
            "is_charge_refundable": false, "livemode": false, "metadata": charge["metadata"],
            "payment_intent": charge["payment_intent"], "reason": reason, "status": status,
        }));
        let transaction = self.stripe.book("adjustment", -amount, &charge["currency"], &id);
        let row = self.stripe.transactions.rows.get_mut(&transaction)?;
        row["fee"] = json!(DISPUTE_FEE);
        row["net"] = json!(-amount - DISPUTE_FEE);
        let dispute = self.stripe.disputes.rows.get_mut(&id)?;
        dispute["balance_transactions"] = json!([transaction]);
        let dispute = dispute.clone();
        self.stripe_event("charge.dispute.created", &dispute, None);
        Some(dispute)
    }

    pub(super) fn answer_dispute(&mut self, id: &str, call: &Call) -> Answer {
        let row = self.stripe.disputes.get_mut(id)?;
        if matches!(row["status"].as_str(), Some("won" | "lost")) {
            return Err(closed(id));
        }
        if let Some(evidence) = call.params.get("evidence").and_then(Value::as_object) {
            for (name, value) in evidence {
                row["evidence"][name.as_str()] = value.clone();
            }
            row["evidence_details"]["has_evidence"] = json!(true);
            if form::flag(call.params, "submit").unwrap_or(true) {
                row["status"] = json!("under_review");
                row["evidence_details"]["submission_count"] = json!(1);
            }
        }
        Ok(row.clone())
    }

    /// Ends a dispute as `won` or `lost`; what was won comes back to the balance.
    pub fn close_dispute(&mut self, id: &str, status: &str) -> Option<Value> {
        let row = self.stripe.disputes.rows.get_mut(id)?;
        if matches!(row["status"].as_str(), Some("won" | "lost")) {
            return None;
        }
        row["status"] = json!(status);
        let mut row = row.clone();
        if status == "won" {
            let amount = row["amount"].as_i64().unwrap_or(0);
            let back = self.stripe.book("adjustment", amount, &row["currency"], id);
            if let Some(list) = row["balance_transactions"].as_array_mut() {
                list.push(json!(back));
            }
            self.stripe.disputes.rows.insert(id.to_owned(), row.clone());
        }
        self.stripe_event("charge.dispute.closed", &row, None);
        Some(row)
    }
}

fn closed(id: &str) -> Failure {
    let message = format!("The dispute {id} is already closed.");
    invalid(400, Some("dispute_already_closed"), &message, None)
}
