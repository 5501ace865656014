//! Customers pay what the ERP has billed them: what the bank and the payment service's payout tell of
//! it, as a bank gateway sends it to the runtime.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::amount::Amount;
use super::books::Invoice;

/// An ERP books each line by several requests: more of them than this take longer than a call has.
const LINES_MAX: usize = 3;

/// Receipts of each customer on account, and payouts of all cards, in each currency.
pub fn receipts(invoices: &[Invoice], by_card: impl Fn(&str) -> bool, today: &str) -> Vec<Value> {
    let mut grouped: BTreeMap<(Option<&str>, &str), Vec<&Invoice>> = BTreeMap::new();
    for invoice in invoices.iter().filter(|invoice| !invoice.to_pay.is_zero()) {
        let payer = (!by_card(&invoice.order)).then_some(invoice.party.as_str());
        grouped.entry((payer, &invoice.currency)).or_default().push(invoice);
    }
    let receipt = |payer: Option<&str>, currency: &str, part: usize, invoices: &[&Invoice]| {
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
            "id": format!("{}-{currency}-{}", payer.unwrap_or("PAYOUT"), part + 1), "company": "crossdock",
            "references": [], "attributes": [], "version": 0,
            "occurred_at": format!("{today}T06:00:00Z"), "status": "received", "payer": payer,
            "method": if payer.is_some() { "bank_transfer" } else { "card" },
            "statement_text": payer.unwrap_or("payout"), "received_on": today,
            "currency": currency,
            "amount": money(invoices.iter().map(|invoice| invoice.to_pay).sum()),
            "fees": [], "lines": lines,
        })
    };
    let parts = |((payer, currency), invoices): (&(Option<&str>, &str), &Vec<&Invoice>)| {
        let parts = invoices.chunks(LINES_MAX).enumerate();
        parts.map(|(part, some)| receipt(*payer, currency, part, some)).collect::<Vec<_>>()
    };
    grouped.iter().flat_map(parts).collect()
}
