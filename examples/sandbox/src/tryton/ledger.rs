//! Invoices and the ledger behind them: posting, paying, writing off, reconciling and taking back.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::seed::{JOURNAL_CASH, JOURNAL_REVENUE, JOURNAL_WRITE_OFF, RECEIVABLE, REVENUE, TAX};
use super::store::{date, decimal};
use super::{Trouble, Tryton};
use crate::money;
use crate::state::{now_ms, timestamp, today};

const INVOICE: &str = "account.invoice";
const LINE: &str = "account.move.line";
const DAY_MS: u64 = 24 * 3600 * 1000;

/// One line of a move to be: account, party, amount (debit positive), maturity.
pub struct Entry {
    pub account: i64,
    pub party: Option<i64>,
    pub amount: Decimal,
    pub maturity: Option<Value>,
}

/// Money that came in for an invoice, in the invoice's currency.
pub struct Payment {
    pub amount: Decimal,
    /// The part of it that the invoice does not need.
    pub overpayment: Decimal,
    /// `account.invoice.payment.method`.
    pub method: i64,
    pub on: Option<Value>,
    pub description: String,
    pub payee: Option<i64>,
}

impl Tryton {
    /// Untaxed and tax.
    pub fn invoice_amounts(&self, id: i64) -> (Decimal, Decimal) {
        let digits = self.digits(INVOICE, id);
        let lines = self.store.children("account.invoice.line", id).into_iter();
        let untaxed = lines.map(|line| self.line_total("account.invoice.line", line, digits)).sum();
        let taxes = self.store.children("account.invoice.tax", id).into_iter();
        let tax = taxes.map(|tax| self.store.amount("account.invoice.tax", tax, "amount")).sum();
        (untaxed, tax)
    }

    pub fn lines_to_pay(&self, id: i64) -> Vec<i64> {
        let Some(of) = self.store.id_in(INVOICE, id, "move") else {
            return Vec::new();
        };
        let lines = self.store.children(LINE, of).into_iter();
        lines.filter(|line| self.store.id_in(LINE, *line, "account") == Some(RECEIVABLE)).collect()
    }

    fn payment_lines(&self, id: i64) -> Vec<i64> {
        let lines = self.store.get(INVOICE, id, "payment_lines");
        let lines = lines.as_array().into_iter().flatten();
        lines.filter_map(Value::as_i64).collect()
    }

    /// What is open, in the invoice's currency; nothing unless it is posted.
    pub fn amount_to_pay(&self, id: i64, due_only: bool) -> Decimal {
        if self.store.text(INVOICE, id, "state") != "posted" {
            return Decimal::ZERO;
        }
        let currency = self.store.id_in(INVOICE, id, "currency").unwrap_or(1);
        let lines = self.lines_to_pay(id).into_iter();
        let lines = lines.filter(|line| !due_only || self.is_due(*line));
        let open: Decimal = lines
            .chain(self.payment_lines(id))
            .filter(|line| !self.is_reconciled(*line))
            .map(|line| self.balance_in(line, currency))
            .sum();
        money::round(open, money::digits(currency))
    }

    pub fn is_reconciled(&self, line: i64) -> bool {
        self.store.id_in(LINE, line, "reconciliation").is_some()
    }

    /// Debit less credit, in the company's currency.
    pub fn balance(&self, line: i64) -> Decimal {
        self.store.amount(LINE, line, "debit") - self.store.amount(LINE, line, "credit")
    }

    fn balance_in(&self, line: i64, currency: i64) -> Decimal {
        if self.store.id_in(LINE, line, "second_currency") == Some(currency) {
            return self.store.amount(LINE, line, "amount_second_currency");
        }
        money::convert(self.balance(line), 1, currency)
    }

    pub fn act_on_invoice(&mut self, id: i64, action: &str) -> Result<(), Trouble> {
        match action {
            "validate_invoice" => {
                self.transition(INVOICE, id, &["draft"], "validated");
            }
            "draft" => {
                self.transition(INVOICE, id, &["validated"], "draft");
            }
            "post" => self.post_invoice(id)?,
            "cancel" => self.cancel_invoice(id)?,
            _ => self.process_invoice(id),
        }
        Ok(())
    }

    fn post_invoice(&mut self, id: i64) -> Result<(), Trouble> {
        let state = self.store.text(INVOICE, id, "state");
        if !matches!(state.as_str(), "draft" | "validated") {
            return Ok(());
        }
        if self.store.children("account.invoice.line", id).is_empty() {
            return Err(Trouble::User("An invoice without lines cannot be posted.".into()));
        }
        let number = self.store.next_number("invoice");
        if self.store.get(INVOICE, id, "invoice_date").is_null() {
            self.store.set(INVOICE, id, "invoice_date", date(&today()));
        }
        self.store.set(INVOICE, id, "number", json!(number));
        let (untaxed, tax) = self.invoice_amounts(id);
        let party = self.store.id_in(INVOICE, id, "party");
        let currency = self.store.id_in(INVOICE, id, "currency").unwrap_or(1);
        let maturity = self.maturity(id);
        let entry = |account, amount| Entry { account, party: None, amount, maturity: None };
        let mut entries = vec![
            Entry { party, maturity: Some(maturity), ..entry(RECEIVABLE, untaxed + tax) },
            entry(REVENUE, -untaxed),
        ];
        if !tax.is_zero() {
            entries.push(entry(TAX, -tax));
        }
        let origin = format!("{INVOICE},{id}");
        let description = self.store.text(INVOICE, id, "description");
        let posted =
            self.add_move(JOURNAL_REVENUE, None, &description, &origin, currency, &entries);
        self.store.set(INVOICE, id, "move", json!(posted));
        self.store.set(INVOICE, id, "state", json!("posted"));
        let reference = self.reference(INVOICE, id);
        self.count("invoice.post", reference);
        Ok(())
    }

    fn maturity(&self, id: i64) -> Value {
        let term = self.store.id_in(INVOICE, id, "payment_term").unwrap_or(3);
        let days = self.store.get("account.invoice.payment_term", term, "days");
        let days = days.as_u64().unwrap_or(0);
        date(&timestamp(now_ms() + days * DAY_MS)[..10])
    }

    fn cancel_invoice(&mut self, id: i64) -> Result<(), Trouble> {
        let state = self.store.text(INVOICE, id, "state");
        if matches!(state.as_str(), "draft" | "validated") {
            self.store.set(INVOICE, id, "state", json!("cancelled"));
            return Ok(());
        }
        if state != "posted" {
            return Ok(());
        }
        if !self.payment_lines(id).is_empty() {
            return Err(Trouble::User("An invoice with payments cannot be cancelled.".into()));
        }
        let Some(of) = self.store.id_in(INVOICE, id, "move") else {
            return Ok(());
        };
        let reversal = self.reverse(of, "");
        self.store.set(INVOICE, id, "cancel_move", json!(reversal));
        self.store.set(INVOICE, id, "state", json!("cancelled"));
        Ok(())
    }

    /// Paid when nothing is open any more, posted when something is again.
    pub fn process_invoice(&mut self, id: i64) {
        let lines = self.lines_to_pay(id);
        let paid = !lines.is_empty() && lines.iter().all(|line| self.is_reconciled(*line));
        let changed = if paid {
            self.transition(INVOICE, id, &["posted"], "paid")
        } else {
            self.transition(INVOICE, id, &["paid"], "posted")
        };
        if changed {
            for line in self.store.children("account.invoice.line", id) {
                let origin = self.store.text("account.invoice.line", line, "origin");
                let sale = origin.strip_prefix("sale.line,").and_then(|line| line.parse().ok());
                if let Some(sale) =
                    sale.and_then(|line| self.store.id_in("sale.line", line, "sale"))
                {
                    self.close_sale(sale);
                }
            }
        }
    }

    /// A posted move; amounts are in `currency` and booked in the company's.
    pub fn add_move(
        &mut self,
        journal: i64,
        on: Option<Value>,
        description: &str,
        origin: &str,
        currency: i64,
        entries: &[Entry],
    ) -> i64 {
        let number = self.store.next_number("move");
        let on = on.unwrap_or_else(|| date(&today()));
        let period = super::store::moment(&on).and_then(|day| self.period_of(&day));
        let row = json!({
            "company": 1, "journal": journal, "period": period, "date": on, "number": number,
            "description": (!description.is_empty()).then_some(description),
            "origin": (!origin.is_empty()).then_some(origin), "state": "posted",
        });
        let id = self.insert("account.move", row);
        // The last line takes what rounding leaves, so that the move balances.
        let mut left = Decimal::ZERO;
        for (index, entry) in entries.iter().enumerate() {
            let mut own = money::round(money::convert(entry.amount, currency, 1), 2);
            if index + 1 == entries.len() && currency != 1 {
                own = -left;
            }
            left += own;
            let second = (currency != 1).then(|| decimal(entry.amount, money::digits(currency)));
            let row = json!({
                "move": id, "account": entry.account, "party": entry.party,
                "debit": decimal(own.max(Decimal::ZERO), 2),
                "credit": decimal((-own).max(Decimal::ZERO), 2),
                "amount_second_currency": second, "second_currency": (currency != 1).then_some(currency),
                "description": null, "maturity_date": entry.maturity, "reconciliation": null,
            });
            self.insert(LINE, row);
        }
        id
    }

    pub fn post_move(&mut self, id: i64) -> Result<(), Trouble> {
        if self.store.text("account.move", id, "state") == "posted" {
            return Ok(());
        }
        let lines = self.store.children(LINE, id);
        let sum: Decimal = lines.iter().map(|line| self.balance(*line)).sum();
        if lines.is_empty() || !sum.is_zero() {
            let message =
                format!("The move \"{id}\" cannot be posted because it is empty or not balanced.");
            return Err(Trouble::User(message));
        }
        let number = self.store.next_number("move");
        self.store.set("account.move", id, "number", json!(number));
        self.store.set("account.move", id, "state", json!("posted"));
        let reference = self.reference("account.move", id);
        self.count("move.post", reference);
        Ok(())
    }

    /// The reversing move, reconciled with the original where that is a receivable.
    pub fn reverse(&mut self, id: i64, description: &str) -> i64 {
        let lines = self.store.children(LINE, id);
        let entries: Vec<Entry> = lines
            .iter()
            .map(|line| Entry {
                account: self.store.id_in(LINE, *line, "account").unwrap_or(RECEIVABLE),
                party: self.store.id_in(LINE, *line, "party"),
                amount: -self.balance(*line),
                maturity: None,
            })
            .collect();
        let journal = self.store.id_in("account.move", id, "journal").unwrap_or(1);
        let origin = format!("account.move,{id}");
        let reversal = self.add_move(journal, None, description, &origin, 1, &entries);
        for (own, other) in lines.into_iter().zip(self.store.children(LINE, reversal)) {
            if self.store.id_in(LINE, own, "account") == Some(RECEIVABLE) {
                self.reconcile(&[own, other]);
            }
        }
        reversal
    }

    /// Joins lines that settle each other, and lets the invoices behind them know.
    pub fn reconcile(&mut self, lines: &[i64]) -> i64 {
        let number = self.store.next_number("reconciliation");
        let row = json!({"number": number, "date": date(&today()), "company": 1});
        let id = self.insert("account.move.reconciliation", row);
        for line in lines {
            self.store.set(LINE, *line, "reconciliation", json!(id));
        }
        self.process_invoices_of(lines);
        id
    }

    pub fn unreconcile(&mut self, id: i64) {
        let all = self.store.ids(LINE).into_iter();
        let lines: Vec<i64> = all
            .filter(|line| self.store.id_in(LINE, *line, "reconciliation") == Some(id))
            .collect();
        for line in &lines {
            self.store.set(LINE, *line, "reconciliation", Value::Null);
        }
        self.store.remove("account.move.reconciliation", id);
        self.process_invoices_of(&lines);
    }

    fn process_invoices_of(&mut self, lines: &[i64]) {
        for line in lines {
            let of = self.store.id_in(LINE, *line, "move").unwrap_or(0);
            let origin = self.store.text("account.move", of, "origin");
            let invoice = origin.strip_prefix("account.invoice,");
            if let Some(invoice) = invoice.and_then(|id| id.parse().ok()) {
                self.process_invoice(invoice);
            }
        }
    }

    /// Books a payment of an invoice. What exceeds the invoice stays on a line of its own.
    /// Returns the lines that count for the invoice.
    pub fn pay_invoice(&mut self, id: i64, payment: &Payment) -> Vec<i64> {
        let (amount, overpayment) = (payment.amount, payment.overpayment);
        let party = payment.payee.or(self.store.id_in(INVOICE, id, "party"));
        let currency = self.store.id_in(INVOICE, id, "currency").unwrap_or(1);
        let bank = self.store.id_in("account.invoice.payment.method", payment.method, "account");
        let receivable = |amount| Entry { account: RECEIVABLE, party, amount, maturity: None };
        let mut entries = vec![receivable(overpayment - amount)];
        if !overpayment.is_zero() {
            entries.push(receivable(-overpayment));
        }
        entries.push(Entry { account: bank.unwrap_or(4), party: None, amount, maturity: None });
        let origin = format!("{INVOICE},{id}");
        let of = self.add_move(
            JOURNAL_CASH,
            payment.on.clone(),
            &payment.description,
            &origin,
            currency,
            &entries,
        );
        let line = self.store.children(LINE, of)[0];
        let mut lines = self.payment_lines(id);
        lines.push(line);
        self.store.set(INVOICE, id, "payment_lines", json!(lines));
        self.count("invoice.pay", payment.description.clone());
        vec![line]
    }

    /// Closes what is left of an invoice against a write-off account.
    pub fn write_off(&mut self, id: i64, reason: i64) -> Result<(), Trouble> {
        self.reconcile_with(self.open_lines(id), reason)
    }

    /// Reconciles lines of one party; what is left goes to a write-off account. The move has no
    /// description: only the payment carries the payer's words.
    pub fn reconcile_with(&mut self, mut lines: Vec<i64>, reason: i64) -> Result<(), Trouble> {
        let account = self.store.id_in("account.move.reconcile.write_off", reason, "account");
        let account =
            account.ok_or_else(|| Trouble::User("A write-off reason is required.".into()))?;
        let party = lines.iter().find_map(|line| self.store.id_in(LINE, *line, "party"));
        let second = lines.iter().find_map(|line| self.store.id_in(LINE, *line, "second_currency"));
        let currency = second.unwrap_or(1);
        let left: Decimal = lines.iter().map(|line| self.balance_in(*line, currency)).sum();
        let entry = |account, party, amount| Entry { account, party, amount, maturity: None };
        let entries = [entry(RECEIVABLE, party, -left), entry(account, None, left)];
        let of = self.add_move(JOURNAL_WRITE_OFF, None, "", "", currency, &entries);
        lines.push(self.store.children(LINE, of)[0]);
        self.reconcile(&lines);
        Ok(())
    }

    /// The invoice's own lines and its payments that nothing has settled yet.
    pub fn open_lines(&self, id: i64) -> Vec<i64> {
        let lines = self.lines_to_pay(id).into_iter();
        lines.chain(self.payment_lines(id)).filter(|line| !self.is_reconciled(*line)).collect()
    }
}
