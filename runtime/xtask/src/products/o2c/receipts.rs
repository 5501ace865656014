//! Customers pay what the ERP has billed them: what the bank and the payment service's payout tell of
//! it, as a bank gateway sends it to the runtime.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::amount::Amount;
use super::books::Invoice;

/// One receipt of each customer on account, and one payout of all cards, in each currency.
pub fn receipts(invoices: &[Invoice], by_card: impl Fn(&str) -> bool, today: &str) -> Vec<Value> {
    let mut grouped: BTreeMap<(Option<&str>, &str), Vec<&Invoice>> = BTreeMap::new();
    for invoice in invoices.iter().filter(|invoice| !invoice.to_pay.is_zero()) {
        let payer = (!by_card(&invoice.order)).then_some(invoice.party.as_str());
        grouped.entry((payer, &invoice.currency)).or_default().push(invoice);
    }
    let receipt = |((payer, currency), invoices): ((Option<&str>, &str), Vec<&Invoice>)| {
        let money = |amount: Amount| json!({ "amount": amount.to_string(), "currency": currency });
        let line = |(number, invoice): (usize, &&Invoice)| {
            json!({
                "id": (number + 1).to_string(), "invoice": invoice.reference,
                "order": invoice.order, "references": [], "amount": money(invoice.to_pay),
                "deductions": [],
            })
        };
        let lines: Vec<Value> = invoices.iter().enumerate().map(line).collect();
        json!({
            "id": format!("{}-{currency}", payer.unwrap_or("PAYOUT")), "company": "crossdock",
            "references": [], "attributes": [], "version": 0,
            "occurred_at": format!("{today}T06:00:00Z"), "status": "received", "payer": payer,
            "method": if payer.is_some() { "bank_transfer" } else { "card" },
            "statement_text": payer.unwrap_or("payout"), "received_on": today,
            "currency": currency,
            "amount": money(invoices.iter().map(|invoice| invoice.to_pay).sum()),
            "fees": [], "lines": lines,
        })
    };
    grouped.into_iter().map(receipt).collect()
}
