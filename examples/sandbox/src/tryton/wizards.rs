//! The wizards of JSON-RPC: pay an invoice, credit an invoice, return a sale, cancel a move.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::ledger::Payment;
use super::store::{Row, date, decimal};
use super::{Env, Trouble, Tryton};
use crate::money;
use crate::state::today;

const SESSIONS_MAX: usize = 10_000;

/// A wizard under way and what it was told so far, by state.
#[derive(Debug)]
pub struct Session {
    name: &'static str,
    data: Map<String, Value>,
}

const WIZARDS: [&str; 5] = [
    "account.invoice.pay",
    "account.invoice.credit",
    "sale.return_sale",
    "account.move.cancel",
    "account.move.reconcile_lines",
];

impl Tryton {
    pub fn wizard(
        &mut self,
        name: &str,
        method: &str,
        params: &[Value],
        env: &Env,
    ) -> Result<Value, Trouble> {
        let known = WIZARDS.into_iter().find(|known| *known == name);
        let name = known.ok_or_else(|| Trouble::Server(format!("KeyError: {name}")))?;
        let session = params.first().and_then(Value::as_i64).unwrap_or(0);
        match method {
            "create" => {
                if self.wizards.len() >= SESSIONS_MAX {
                    self.wizards.clear();
                }
                self.last_wizard += 1;
                let session = Session { name, data: Map::new() };
                self.wizards.insert(self.last_wizard, session);
                let start = if name == "account.move.cancel" { "default" } else { "start" };
                Ok(json!([self.last_wizard, start, "end"]))
            }
            "delete" => {
                self.wizards.remove(&session);
                Ok(Value::Null)
            }
            "execute" => {
                let state = params.get(2).and_then(Value::as_str).unwrap_or("");
                let given = params.get(1).cloned().unwrap_or_default();
                let Some(known) = self.wizards.get_mut(&session).filter(|s| s.name == name) else {
                    return Err(Trouble::User("The wizard session does not exist.".into()));
                };
                if let Value::Object(given) = given {
                    known.data.extend(given);
                }
                let data = Value::Object(known.data.clone());
                self.execute(name, state, &data, env)
            }
            _ => Err(Trouble::Forbidden),
        }
    }

    fn execute(
        &mut self,
        name: &'static str,
        state: &str,
        data: &Value,
        env: &Env,
    ) -> Result<Value, Trouble> {
        let id = env.number("active_id").unwrap_or(0);
        let model: &'static str = match name {
            "sale.return_sale" => "sale.sale",
            "account.move.cancel" => "account.move",
            "account.move.reconcile_lines" => "account.move.line",
            _ => "account.invoice",
        };
        self.store
            .row(model, id)
            .map_err(|_| Trouble::User(format!("The record \"{model},{id}\" does not exist.")))?;
        match (name, state) {
            (_, "end") => Ok(json!({})),
            ("account.invoice.pay", "start") => Ok(view(
                "start",
                json!({
                    "payee": self.store.get(model, id, "party"),
                    "payees": [self.store.get(model, id, "party")],
                    "amount": decimal(self.amount_to_pay(id, false), self.digits(model, id)),
                    "currency": self.store.get(model, id, "currency"), "company": 1,
                    "invoice_account": 1, "date": date(&today()),
                    "description": self.store.get(model, id, "number"),
                }),
            )),
            ("account.invoice.pay", "choice") => self.choose_payment(id, data),
            ("account.invoice.pay", "pay") => self.pay(id, data, true),
            ("account.invoice.credit", "start") => {
                let posted = self.store.text(model, id, "state") == "posted";
                let paid = self.store.get(model, id, "payment_lines");
                let untouched = paid.as_array().is_none_or(Vec::is_empty);
                Ok(view(
                    "start",
                    json!({
                        "with_refund": posted && untouched, "with_refund_allowed": posted, "invoice_date": null,
                    }),
                ))
            }
            ("account.invoice.credit", "credit") => self.credit(id, &data["start"]),
            ("sale.return_sale", "start") => Ok(view("start", json!({}))),
            ("sale.return_sale", "return_") => Ok(opened("sale.sale", self.return_sale(id, env)?)),
            ("account.move.cancel", "default") => Ok(view("default", json!({"reversal": true}))),
            ("account.move.cancel", "cancel") => {
                let lines = self.store.children("account.move.line", id);
                if lines.iter().any(|line| self.is_reconciled(*line)) {
                    let message = "You cannot cancel a move with reconciled lines.";
                    return Err(Trouble::User(message.into()));
                }
                let description = data["default"]["description"].as_str().unwrap_or("").to_owned();
                self.reverse(id, &description);
                self.count("move.cancel", description);
                Ok(json!({}))
            }
            ("account.move.reconcile_lines", "start") => {
                let lines = chosen(env);
                let left: Decimal = lines.iter().map(|line| self.balance(*line)).sum();
                if !left.is_zero() {
                    return Ok(view("writeoff", json!({"amount": decimal(left, 2)})));
                }
                self.reconcile(&lines);
                Ok(json!({}))
            }
            ("account.move.reconcile_lines", "reconcile") => {
                let reason = data["writeoff"]["writeoff"].as_i64().unwrap_or(0);
                self.reconcile_with(chosen(env), reason)?;
                Ok(json!({}))
            }
            _ => Err(Trouble::Server(format!("KeyError: {state}"))),
        }
    }

    /// An exact amount is paid at once; for any other the wizard asks what to do with the rest.
    fn choose_payment(&mut self, id: i64, data: &Value) -> Result<Value, Trouble> {
        let amount = money::read(&data["start"]["amount"]).unwrap_or_default();
        let open = self.amount_to_pay(id, false);
        if amount == open && !open.is_zero() {
            return self.pay(id, data, false);
        }
        let kind = if amount >= open { "overpayment" } else { "partial" };
        let digits = self.digits("account.invoice", id);
        let open_lines = |all: bool| {
            let lines = self.lines_to_pay(id).into_iter();
            let open = lines.filter(|line| !self.is_reconciled(*line));
            open.filter(|_| all).collect::<Vec<i64>>()
        };
        let paid = self.open_lines(id).into_iter();
        let own = self.lines_to_pay(id);
        let paid: Vec<i64> = paid.filter(|line| !own.contains(line)).collect();
        Ok(view(
            "ask",
            json!({
                "type": kind, "amount": decimal(amount, digits), "invoice": id, "company": 1,
                "company.": {"rec_name": "Crossdock Distribution"},
                "currency": self.store.get("account.invoice", id, "currency"),
                "lines": open_lines(kind != "partial"), "lines_to_pay": open_lines(true),
                "payment_lines": paid,
            }),
        ))
    }

    fn pay(&mut self, id: i64, data: &Value, asked: bool) -> Result<Value, Trouble> {
        let (start, ask) = (&data["start"], &data["ask"]);
        // Defaults come with the names of records, `company.`; as values Tryton does not know them.
        let fields = ask.as_object().into_iter().flat_map(Map::keys);
        if let Some(name) = fields.into_iter().find(|name| name.ends_with('.')) {
            let why = format!("'account.invoice.pay.ask' object has no attribute '{name}'");
            return Err(Trouble::Server(why));
        }
        if self.store.text("account.invoice", id, "state") != "posted" {
            return Err(Trouble::User("You cannot pay an invoice that is not posted.".into()));
        }
        let amount = money::read(&start["amount"]).unwrap_or_default();
        let open = self.amount_to_pay(id, false);
        let over =
            (open >= Decimal::ZERO && amount > open) || (open <= Decimal::ZERO && amount < open);
        let kind = ask["type"].as_str().unwrap_or("partial");
        if over && kind == "partial" && asked {
            let message = format!(
                "You cannot add a partial payment of more than the amount to pay \"{open}\"."
            );
            return Err(Trouble::User(message));
        }
        let writes_off = asked && kind == "writeoff" && amount != open;
        let reason = ask["writeoff"].as_i64().unwrap_or(0);
        if writes_off && self.store.row("account.move.reconcile.write_off", reason).is_err() {
            return Err(Trouble::User("A value is required for field \"Write Off\".".into()));
        }
        let description = start["description"].as_str().unwrap_or("").to_owned();
        let overpayment = if over && !writes_off { amount - open } else { Decimal::ZERO };
        if !amount.is_zero() {
            let on = start["date"].is_object().then(|| start["date"].clone());
            let payment = Payment {
                amount,
                overpayment,
                method: start["payment_method"].as_i64().unwrap_or(1),
                on,
                description,
                payee: start["payee"].as_i64(),
            };
            self.pay_invoice(id, &payment);
        }
        if writes_off {
            self.write_off(id, reason)?;
        } else if self.amount_to_pay(id, false).is_zero() {
            let lines = self.open_lines(id);
            self.reconcile(&lines);
        }
        Ok(json!({}))
    }

    fn credit(&mut self, id: i64, start: &Value) -> Result<Value, Trouble> {
        const INVOICE: &str = "account.invoice";
        let refund = start["with_refund"] == true;
        if refund && self.store.text(INVOICE, id, "state") != "posted" {
            let message = "You cannot credit with refund an invoice that is not posted.";
            return Err(Trouble::User(message.into()));
        }
        let mut row = copy(self.store.row(INVOICE, id)?);
        for (field, value) in [
            ("state", json!("draft")),
            ("number", Value::Null),
            ("move", Value::Null),
            ("payment_lines", json!([])),
            ("invoice_date", start["invoice_date"].clone()),
        ] {
            row.insert(field.to_owned(), value);
        }
        let reference = self.reference(INVOICE, id);
        let credit = self.store.insert(INVOICE, row);
        for line in self.store.children("account.invoice.line", id) {
            let mut row = copy(self.store.row("account.invoice.line", line)?);
            let quantity = self.store.get("account.invoice.line", line, "quantity").as_f64();
            row.insert("quantity".into(), json!(-quantity.unwrap_or(0.0)));
            row.insert("invoice".into(), json!(credit));
            row.insert("origin".into(), json!(format!("account.invoice.line,{line}")));
            self.store.insert("account.invoice.line", row);
        }
        let digits = self.digits(INVOICE, id);
        for tax in self.store.children("account.invoice.tax", id) {
            let mut row = copy(self.store.row("account.invoice.tax", tax)?);
            for field in ["base", "amount"] {
                let amount = self.store.amount("account.invoice.tax", tax, field);
                row.insert(field.to_owned(), decimal(-amount, digits));
            }
            row.insert("invoice".into(), json!(credit));
            self.store.insert("account.invoice.tax", row);
        }
        self.count("invoice.credit", reference);
        if refund {
            self.act_on_invoice(credit, "post")?;
            let mut lines = self.open_lines(id);
            lines.extend(self.open_lines(credit));
            let of = self.store.get(INVOICE, credit, "move");
            self.store.set(INVOICE, id, "cancel_move", of);
            self.reconcile(&lines);
            self.store.set(INVOICE, id, "state", json!("cancelled"));
        }
        Ok(opened(INVOICE, credit))
    }

    /// A draft sale with negative quantities that names the original.
    fn return_sale(&mut self, id: i64, env: &Env) -> Result<i64, Trouble> {
        let mut row = copy(self.store.row("sale.sale", id)?);
        row.insert("origin".into(), json!(format!("sale.sale,{id}")));
        let mut lines = Vec::new();
        for line in self.store.children("sale.line", id) {
            let mut row = copy(self.store.row("sale.line", line)?);
            let quantity = self.store.get("sale.line", line, "quantity").as_f64();
            row.insert("quantity".into(), json!(-quantity.unwrap_or(0.0)));
            row.remove("sale");
            lines.push(Value::Object(row));
        }
        for field in ["state", "number", "sale_date"] {
            row.remove(field);
        }
        row.insert("lines".into(), json!([["create", lines]]));
        self.create("sale.sale", row, env)
    }
}

/// The records that a wizard works on.
fn chosen(env: &Env) -> Vec<i64> {
    let ids = env.context["active_ids"].as_array().into_iter().flatten();
    ids.filter_map(Value::as_i64).collect()
}

/// The stored fields without those that every record has for itself.
fn copy(row: &Row) -> Row {
    let own = ["id", "create_date", "write_date", "_stamp"];
    row.iter()
        .filter(|(field, _)| !own.contains(&field.as_str()))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

fn view(state: &str, defaults: Value) -> Value {
    json!({"view": {"state": state, "defaults": defaults, "values": {}, "buttons": [], "fields_view": {}}})
}

fn opened(model: &str, id: i64) -> Value {
    json!({"actions": [[{"type": "ir.action.act_window", "res_model": model}, {"res_id": [id]}]]})
}
