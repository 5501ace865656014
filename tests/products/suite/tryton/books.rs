//! The ledger as Tryton tells it to a colleague: invoices, moves and their lines.

use serde_json::{Value, json};

use super::world::{Tryton, tryton};

pub struct Books(Tryton);

impl Books {
    pub fn open() -> Books {
        Books(tryton())
    }

    /// Records in the order of their creation.
    #[track_caller]
    pub fn all(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        self.0.search(model, domain, fields)
    }

    #[track_caller]
    pub fn one(&self, model: &str, domain: Value, fields: &[&str]) -> Value {
        self.0.find(model, domain, fields)
    }

    /// The invoice or credit note with our id, as it stands in the ledger.
    #[track_caller]
    pub fn invoice(&self, id: &str) -> Value {
        const FIELDS: [&str; 12] = [
            "number",
            "state",
            "type",
            "description",
            "comment",
            "invoice_date",
            "untaxed_amount",
            "tax_amount",
            "total_amount",
            "amount_to_pay",
            "move",
            "reconciled",
        ];
        self.one("account.invoice", json!([["reference", "=", id]]), &FIELDS)
    }

    /// The lines of a posted move that balances, as (account, debit, credit, in the second
    /// currency), by account.
    #[track_caller]
    pub fn entries(&self, move_id: &Value) -> Vec<Entry> {
        let domain = json!([["move", "=", move_id]]);
        let fields =
            ["account.name", "debit", "credit", "amount_second_currency", "reconciliation"];
        let lines = self.all("account.move.line", domain, &fields);
        let state = self.one("account.move", json!([["id", "=", move_id]]), &["state"]);
        assert_eq!(state["state"], "posted", "move {move_id}");
        let mut entries: Vec<Entry> = lines.iter().map(Entry::read).collect();
        let balance: i64 = entries.iter().map(|entry| entry.amount).sum();
        assert_eq!(balance, 0, "move {move_id} does not balance: {lines:#?}");
        entries.sort_by(|a, b| (&a.account, a.amount).cmp(&(&b.account, b.amount)));
        entries
    }

    /// Moves whose description is this.
    pub fn moves(&self, description: &str) -> Vec<Value> {
        let found = self.all("account.move", json!([["description", "=", description]]), &["id"]);
        found.into_iter().map(|found| found["id"].clone()).collect()
    }
}

/// One line of a move, in mills (thousandths) of its currency: positive is debit.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub account: String,
    pub amount: i64,
    pub in_second_currency: Option<i64>,
    pub reconciled: bool,
}

impl Entry {
    fn read(line: &Value) -> Entry {
        let second = &line["amount_second_currency"];
        Entry {
            account: line["account"]["name"].as_str().unwrap_or_default().to_owned(),
            amount: mills(&line["debit"]) - mills(&line["credit"]),
            in_second_currency: (!second.is_null()).then(|| mills(second)),
            reconciled: !line["reconciliation"].is_null(),
        }
    }
}

/// (account, amount in mills) of each.
pub fn plainly(entries: &[Entry]) -> Vec<(&str, i64)> {
    entries.iter().map(|entry| (entry.account.as_str(), entry.amount)).collect()
}

/// Thousandths of Tryton's `{"__class__": "Decimal", "decimal": "12.50"}`, or of a text `12.50`.
pub fn mills(decimal: &Value) -> i64 {
    let text = decimal["decimal"].as_str().or(decimal.as_str());
    let text = text.unwrap_or_else(|| panic!("{decimal} is no decimal"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let part = format!("{:0<3}", part);
    assert!(part[3..].bytes().all(|digit| digit == b'0'), "{text} is finer than a thousandth");
    let number = |text: &str| text.parse::<i64>().unwrap_or_else(|_| panic!("{text}: no number"));
    number(whole) * 1000 + sign * number(&part[..3])
}
