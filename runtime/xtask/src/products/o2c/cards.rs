//! The payment service's own word: what was authorised, captured, given back and let go; and the
//! cards that customers have there.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::amount::Amount;
use super::api::Api;
use crate::play::FinalPayment;

/// The cards of the example's orders, by the names that Stripe has for its test cards: their numbers.
const CARDS: [(&str, &str); 4] = [
    ("pm_card_visa", "4242424242424242"),
    ("pm_card_mastercard", "5555555555554444"),
    ("pm_card_jcb", "3566002020360505"),
    ("pm_card_chargeDeclined", "4000000000000341"),
];

pub struct Cards {
    api: Api,
    /// The service's own ids of the cards.
    known: BTreeMap<&'static str, String>,
}

impl Cards {
    pub fn new(url: &str, key: &str) -> Cards {
        let headers = vec![("authorization", format!("Bearer {key}"))];
        Cards { api: Api::new(url, headers), known: BTreeMap::new() }
    }

    /// Customers leave their cards with the payment service, as a shop's checkout lets them.
    pub fn keep_cards(&mut self) -> Result<()> {
        for (name, number) in CARDS {
            let form = format!(
                "type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2034&card[cvc]=123"
            );
            let made = self.api.form("/v1/payment_methods", &form)?;
            let id = made["id"].as_str().context("a payment method without an id")?;
            self.known.insert(name, id.to_owned());
        }
        Ok(())
    }

    /// A text with the cards as the payment service knows them.
    pub fn in_text(&self, text: &str) -> String {
        let named = |text: String, (name, id): (&&str, &String)| text.replace(*name, id);
        self.known.iter().fold(text.to_owned(), named)
    }

    fn all(&self, list: &str) -> Result<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().and_then(|last| last["id"].as_str());
            let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
            let page = self.api.get(&format!("/v1/{list}?limit=100{after}"))?;
            all.extend(page["data"].as_array().cloned().unwrap_or_default());
            if page["has_more"] != true {
                return Ok(all);
            }
        }
    }

    /// Every payment, with the order that it is for.
    pub fn payments(&self) -> Result<Vec<(String, FinalPayment)>> {
        let charges = self.all("charges")?;
        let refunds = self.all("refunds")?;
        let payment = |intent: &Value| {
            let order = intent["metadata"]["order_id"].as_str().unwrap_or_default().to_owned();
            let (mut captured, mut refunded) = (Amount::default(), Amount::default());
            for charge in charges.iter().filter(|charge| charge["payment_intent"] == intent["id"]) {
                let of_charge = refunds.iter().filter(|refund| refund["charge"] == charge["id"]);
                let given_back =
                    of_charge.clone().filter(|refund| refund["metadata"]["refund_id"].is_string());
                refunded = refunded + given_back.map(cents).sum();
                if charge["captured"] == true {
                    // What was not captured of an authorisation is a refund too, one of nobody.
                    let released =
                        of_charge.filter(|refund| refund["metadata"]["refund_id"].is_null());
                    captured = captured + cents(charge) - released.map(cents).sum();
                }
                if let Some(minor) = charge["amount_captured"].as_i64() {
                    captured = Amount::from_cents(minor);
                }
            }
            let shown = |amount: Amount| match amount.is_zero() {
                true => String::new(),
                false => amount.to_string(),
            };
            let status = intent["status"].as_str().unwrap_or_default().to_owned();
            (order, FinalPayment { status, captured: shown(captured), refunded: shown(refunded) })
        };
        Ok(self.all("payment_intents")?.iter().map(payment).collect())
    }
}

fn cents(object: &Value) -> Amount {
    Amount::from_cents(object["amount"].as_i64().unwrap_or_default())
}
