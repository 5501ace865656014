//! Payment intents: create, confirm, capture (once or several times), cancel.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Failure, form, in_steps, invalid, reference};
use crate::state::{State, now_s};
use crate::world::Step;

const DAY_S: i64 = 24 * 3600;

/// What a test payment method does when it is charged.
enum Fate {
    Authorised,
    Declined { code: &'static str, decline: &'static str, message: &'static str },
    RequiresAction,
    Processing,
}

impl State {
    pub(super) fn create_intent(&mut self, call: &Call) -> Answer {
        let params = call.params;
        let Some(amount) = form::integer(params, "amount")? else {
            return Err(missing("amount"));
        };
        if amount < 1 {
            let message = "This value must be greater than or equal to 1.";
            return Err(invalid(400, Some("parameter_invalid_integer"), message, Some("amount")));
        }
        let Some(currency) = form::text(params, "currency") else {
            return Err(missing("currency"));
        };
        if currency.len() != 3 {
            let message = format!("Invalid currency: {currency}.");
            return Err(invalid(400, None, &message, Some("currency")));
        }
        in_steps(amount, currency, "amount")?;
        let method = form::text(params, "payment_method");
        let manual = form::text(params, "capture_method") == Some("manual");
        let secret = self.word(16);
        let mut kinds = form::strings(params, "payment_method_types");
        if kinds.is_empty() {
            kinds.push("card".to_owned());
        }
        let intent = json!({
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": null,
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": if manual { "manual" } else { "automatic" },
            "confirmation_method": "automatic",
            "created": now_s(),
            "currency": currency.to_lowercase(),
            "customer": form::text(params, "customer"),
            "description": form::text(params, "description"),
            "last_payment_error": null,
            "latest_charge": null,
            "livemode": false,
            "metadata": params.get("metadata").cloned().unwrap_or_else(|| json!({})),
            "next_action": null,
            "payment_method": method,
            "payment_method_options": params.get("payment_method_options").cloned().unwrap_or_else(|| json!({})),
            "payment_method_types": kinds,
            "status": if method.is_some() { "requires_confirmation" } else { "requires_payment_method" },
        });
        let id = self.stripe.intents.insert(intent);
        let row = self.stripe.intents.get_mut(&id)?;
        row["client_secret"] = json!(format!("{id}_secret_{secret}"));
        let reference = reference(params, row);
        self.effects.count("stripe", "payment.create", &reference, call.key);
        if form::flag(params, "confirm") == Some(true) {
            return self.confirm_intent(&id, call);
        }
        Ok(self.stripe.intents.get(&id)?.clone())
    }

    pub(super) fn update_intent(&mut self, id: &str, call: &Call) -> Answer {
        let amount = form::integer(call.params, "amount")?;
        let row = self.stripe.intents.get_mut(id)?;
        if let Some(amount) = amount {
            let status = row["status"].as_str().unwrap_or_default();
            if !matches!(status, "requires_payment_method" | "requires_confirmation") {
                return Err(unexpected(row, "updated"));
            }
            row["amount"] = json!(amount);
        }
        merge_metadata(row, call.params);
        if let Some(text) = form::text(call.params, "description") {
            row["description"] = json!(text);
        }
        Ok(row.clone())
    }

    pub(super) fn confirm_intent(&mut self, id: &str, call: &Call) -> Answer {
        let row = self.stripe.intents.get_mut(id)?;
        if let Some(method) = form::text(call.params, "payment_method") {
            row["payment_method"] = json!(method);
        }
        let status = row["status"].as_str().unwrap_or_default().to_owned();
        let open = ["requires_payment_method", "requires_confirmation", "requires_action"];
        if !open.contains(&status.as_str()) {
            return Err(unexpected(row, "confirmed"));
        }
        let Some(method) = row["payment_method"].as_str().map(str::to_owned) else {
            let message =
                "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(invalid(400, Some("payment_intent_unexpected_state"), message, None));
        };
        match fate(&method) {
            Fate::Authorised => self.authorise(id, Some(call), false),
            Fate::RequiresAction => {
                row["status"] = json!("requires_action");
                row["next_action"] = json!({
                    "type": "redirect_to_url",
                    "redirect_to_url": {
                        "url": format!("https://hooks.stripe.com/redirect/authenticate/{id}"),
                        "return_url": form::text(call.params, "return_url"),
                    },
                });
                let row = row.clone();
                self.stripe_event("payment_intent.requires_action", &row, Some(call));
                Ok(row)
            }
            Fate::Processing => {
                row["status"] = json!("processing");
                let row = row.clone();
                self.stripe_event("payment_intent.processing", &row, Some(call));
                self.schedule(Step::Settle { intent: id.into() });
                Ok(row)
            }
            Fate::Declined { code, decline, message } => {
                let mut error = json!({
                    "type": "card_error", "code": code, "decline_code": decline, "message": message,
                    "payment_method": {"id": method, "object": "payment_method", "type": "card"},
                });
                row["status"] = json!("requires_payment_method");
                row["payment_method"] = Value::Null;
                row["last_payment_error"] = error.clone();
                let row = row.clone();
                self.stripe_event("payment_intent.payment_failed", &row, Some(call));
                error["payment_intent"] = row;
                Err(Failure { status: 402, error })
            }
        }
    }

    /// Makes the charge; captures it at once unless the intent says manual.
    fn authorise(&mut self, id: &str, call: Option<&Call>, by_channel: bool) -> Answer {
        let row = self.stripe.intents.get_mut(id)?;
        let manual = row["capture_method"] == "manual";
        let multiple = in_parts(row);
        let charge = json!({
            "object": "charge",
            "amount": row["amount"],
            "amount_captured": 0,
            "amount_refunded": 0,
            "balance_transaction": null,
            "billing_details": {},
            "captured": false,
            "created": now_s(),
            "currency": row["currency"],
            "customer": row["customer"],
            "description": row["description"],
            "disputed": false,
            "failure_code": null,
            "livemode": false,
            "metadata": row["metadata"],
            "outcome": {"network_status": "approved_by_network", "risk_level": "normal", "type": "authorized"},
            "paid": true,
            "payment_intent": id,
            "payment_method": row["payment_method"],
            "payment_method_details": {"type": "card", "card": {
                "brand": "visa", "last4": "4242", "country": "US",
                "capture_before": now_s() + 7 * DAY_S,
                "multicapture": {"status": if multiple { "available" } else { "unavailable" }},
            }},
            "refunded": false,
            "status": "succeeded",
        });
        let charge_id = self.stripe.charges.insert(charge);
        let row = self.stripe.intents.get_mut(id)?;
        row["latest_charge"] = json!(charge_id);
        row["last_payment_error"] = Value::Null;
        row["next_action"] = Value::Null;
        row["status"] = json!("requires_capture");
        row["amount_capturable"] = row["amount"].clone();
        let intent = row.clone();
        let (key, own) = (call.map_or("", |c| c.key), Map::new());
        let params = call.map_or(&own, |c| c.params);
        if !by_channel {
            let reference = reference(params, &intent);
            self.effects.count("stripe", "payment.authorise", &reference, key);
        }
        let charge = self.stripe.charges.get(&charge_id)?.clone();
        self.stripe_event("charge.succeeded", &charge, call);
        if manual {
            self.stripe_event("payment_intent.amount_capturable_updated", &intent, call);
            return Ok(intent);
        }
        let amount = intent["amount"].as_i64().unwrap_or(0);
        let effect = if by_channel { "channel.capture" } else { "payment.capture" };
        let reference = reference(params, &intent);
        self.effects.count("stripe", effect, &reference, key);
        self.capture(id, amount, true, call)
    }

    pub(super) fn capture_intent(&mut self, id: &str, call: &Call) -> Answer {
        let amount = form::integer(call.params, "amount_to_capture")?;
        let last = form::flag(call.params, "final_capture").unwrap_or(true);
        let row = self.stripe.intents.get_mut(id)?;
        if row["status"] != "requires_capture" {
            return Err(unexpected(row, "captured"));
        }
        let capturable = row["amount_capturable"].as_i64().unwrap_or(0);
        let amount = amount.unwrap_or(capturable);
        if amount < 1 {
            let message = "Invalid amount_to_capture: must be at least 1.";
            return Err(invalid(
                400,
                Some("parameter_invalid_integer"),
                message,
                Some("amount_to_capture"),
            ));
        }
        if amount > capturable {
            let message = format!(
                "The amount to capture ({amount}) is greater than the capturable amount ({capturable})."
            );
            return Err(invalid(
                400,
                Some("amount_too_large"),
                &message,
                Some("amount_to_capture"),
            ));
        }
        in_steps(amount, row["currency"].as_str().unwrap_or_default(), "amount_to_capture")?;
        let multiple = in_parts(row);
        if !last && !multiple {
            let message = "final_capture can be false only when multicapture is available for this PaymentIntent.";
            return Err(invalid(400, None, message, Some("final_capture")));
        }
        merge_metadata(row, call.params);
        let reference = reference(call.params, row);
        self.effects.count("stripe", "payment.capture", &reference, call.key);
        self.capture(id, amount, last, Some(call))
    }

    fn capture(&mut self, id: &str, amount: i64, last: bool, call: Option<&Call>) -> Answer {
        let row = self.stripe.intents.get_mut(id)?;
        let received = row["amount_received"].as_i64().unwrap_or(0) + amount;
        let left = if last { 0 } else { row["amount_capturable"].as_i64().unwrap_or(0) - amount };
        row["amount_received"] = json!(received);
        row["amount_capturable"] = json!(left);
        let done = left == 0;
        if done {
            row["status"] = json!("succeeded");
        }
        let intent = row.clone();
        let charge_id = intent["latest_charge"].as_str().unwrap_or_default().to_owned();
        let transaction = self.stripe.book("charge", amount, &intent["currency"], &charge_id);
        let charge = self.stripe.charges.get_mut(&charge_id)?;
        charge["amount_captured"] = json!(received);
        charge["captured"] = json!(done);
        charge["balance_transaction"] = json!(transaction);
        let charge = charge.clone();
        self.stripe_event("charge.captured", &charge, call);
        if done {
            self.release(&charge_id, intent["amount"].as_i64().unwrap_or(0) - received, call)?;
            self.stripe_event("payment_intent.succeeded", &intent, call);
        }
        if intent["payment_method"] == "pm_card_createDispute" && done {
            self.schedule(Step::Dispute { charge: charge_id });
        }
        self.schedule(Step::Payout);
        Ok(intent)
    }

    pub(super) fn cancel_intent(&mut self, id: &str, call: &Call) -> Answer {
        let row = self.stripe.intents.get_mut(id)?;
        let status = row["status"].as_str().unwrap_or_default();
        if matches!(status, "succeeded" | "canceled" | "processing") || row["amount_received"] != 0
        {
            return Err(unexpected(row, "canceled"));
        }
        row["status"] = json!("canceled");
        row["amount_capturable"] = json!(0);
        row["canceled_at"] = json!(now_s());
        row["cancellation_reason"] = json!(form::text(call.params, "cancellation_reason"));
        let row = row.clone();
        let reference = reference(call.params, &row);
        self.effects.count("stripe", "payment.cancel", &reference, call.key);
        if let Some(charge) = row["latest_charge"].as_str() {
            self.release(charge, row["amount"].as_i64().unwrap_or(0), Some(call))?;
        }
        self.stripe_event("payment_intent.canceled", &row, Some(call));
        Ok(row)
    }

    pub fn world_settles(&mut self, id: &str) {
        if self.stripe.intents.get(id).is_ok_and(|row| row["status"] == "processing") {
            let _ = self.authorise(id, None, false);
        }
    }

    /// An intent that the channel made before the order came to us.
    pub fn channel_intent(
        &mut self,
        order: &str,
        amount: i64,
        currency: &str,
        paid: bool,
    ) -> String {
        let id = self.stripe.intents.insert(json!({
            "object": "payment_intent", "amount": amount, "amount_capturable": 0, "amount_received": 0,
            "canceled_at": null, "cancellation_reason": null,
            "capture_method": if paid { "automatic" } else { "manual" },
            "created": now_s(), "currency": currency.to_lowercase(), "customer": null,
            "description": "made by the storefront", "last_payment_error": null, "latest_charge": null,
            "livemode": false, "metadata": {"order_id": order, "channel": "shopify"}, "next_action": null,
            "payment_method": "pm_card_visa",
            "payment_method_options": {"card": {"request_multicapture": "if_available"}},
            "payment_method_types": ["card"], "status": "requires_confirmation",
        }));
        let _ = self.authorise(&id, None, true);
        id
    }
}

fn fate(method: &str) -> Fate {
    let declined = |code, decline, message| Fate::Declined { code, decline, message };
    match method {
        "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => {
            declined("card_declined", "generic_decline", "Your card was declined.")
        }
        "pm_card_chargeDeclinedInsufficientFunds"
        | "pm_card_visa_chargeDeclinedInsufficientFunds" => {
            declined("card_declined", "insufficient_funds", "Your card has insufficient funds.")
        }
        "pm_card_chargeDeclinedExpiredCard" => {
            declined("expired_card", "expired_card", "Your card has expired.")
        }
        "pm_card_authenticationRequired" => Fate::RequiresAction,
        "pm_usBankAccount_processing" => Fate::Processing,
        _ => Fate::Authorised,
    }
}

fn merge_metadata(row: &mut Value, params: &Map<String, Value>) {
    let Some(given) = params.get("metadata").and_then(Value::as_object) else {
        return;
    };
    for (name, value) in given {
        row["metadata"][name.as_str()] = value.clone();
    }
}

fn unexpected(row: &Value, what: &str) -> Failure {
    let status = row["status"].as_str().unwrap_or_default();
    let message =
        format!("This PaymentIntent could not be {what} because it has a status of {status}.");
    let mut failure = invalid(400, Some("payment_intent_unexpected_state"), &message, None);
    failure.error["payment_intent"] = row.clone();
    failure
}

/// Whether it may be captured in parts: asked for, and the card's network does it.
fn in_parts(intent: &Value) -> bool {
    intent["payment_method_options"]["card"]["request_multicapture"] == "if_available"
        && intent["payment_method"] != "pm_card_jcb"
}

fn missing(name: &str) -> Failure {
    invalid(400, Some("parameter_missing"), &format!("Missing required param: {name}."), Some(name))
}
