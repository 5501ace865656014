//! Create, write, delete, and the actions of every model: what each one may do and what it calls.

use serde_json::{Map, Value, json};

use super::schema::Kind;
use super::store::{Row, moment};
use super::{Env, Trouble, Tryton, seed};
use crate::state::today;

const SALE_ACTIONS: &[&str] =
    &["quote", "confirm", "process", "draft", "cancel", "manual_invoice", "manual_shipment"];
const SHIPMENT_ACTIONS: &[&str] =
    &["wait", "assign_try", "assign_force", "pick", "pack", "ship", "do", "draft", "cancel"];
const RETURN_ACTIONS: &[&str] = &["receive", "do", "draft", "cancel"];
const INVOICE_ACTIONS: &[&str] = &["validate_invoice", "post", "draft", "cancel", "process"];
const PAYMENT_ACTIONS: &[&str] =
    &["submit", "approve", "proceed", "process_wizard", "succeed", "fail", "draft"];

impl Tryton {
    /// Makes a record and the records inside it.
    pub fn create(
        &mut self,
        model: &'static str,
        values: Map<String, Value>,
        env: &Env,
    ) -> Result<i64, Trouble> {
        let mut row = seed::defaults(model);
        let mut inside = Vec::new();
        for (field, value) in values {
            match self.store.schema.kind(model, &field) {
                None => return Err(Trouble::Server(format!("{model} has no field {field}"))),
                Some(Kind::Many(target, inverse)) => inside.push((target, inverse, value)),
                Some(Kind::Function(_)) => {
                    return Err(Trouble::Server(format!("{model}.{field} has no setter")));
                }
                Some(Kind::One(target)) => {
                    if let Some(id) = value.as_i64() {
                        self.must_exist(model, &field, target, id)?;
                    }
                    row.insert(field, value);
                }
                Some(_) => {
                    row.insert(field, value);
                }
            }
        }
        for (field, shown) in seed::required(model) {
            let text_line = model == "sale.line" && row.get("type") != Some(&json!("line"));
            if row.get(*field).is_none_or(Value::is_null) && !text_line {
                let message = format!("A value is required for field \"{shown}\" in \"{model}\".");
                return Err(Trouble::User(message));
            }
        }
        if model == "sale.line" {
            let sale = row.get("sale").and_then(Value::as_i64).unwrap_or(0);
            if self.store.text("sale.sale", sale, "state") != "draft" {
                let message = format!(
                    "You cannot add lines to sale \"{sale}\" because it is not in \"Draft\" state."
                );
                return Err(Trouble::User(message));
            }
        }
        if model == "account.move" {
            self.must_be_in_period(&mut row)?;
        }
        if model == "account.move.line" {
            let given = |field: &str| row.get(field).is_some_and(|value| !value.is_null());
            if given("amount_second_currency") && !given("second_currency") {
                let message =
                    "A value is required for field \"Second Currency\" in \"Account Move Line\".";
                return Err(Trouble::User(message.into()));
            }
        }
        let id = self.store.insert(model, row);
        for (target, inverse, commands) in inside {
            if let Err(trouble) = self.command(target, inverse, id, &commands, env) {
                // All or nothing, as one transaction.
                self.remove_with_children(model, id);
                return Err(trouble);
            }
        }
        self.count_creation(model, id);
        Ok(id)
    }

    /// A move is of the period that its date lies in; one that says none is of this month's.
    fn must_be_in_period(&self, row: &mut Row) -> Result<(), Trouble> {
        let says = row.get("date").and_then(moment).unwrap_or_default();
        let period = match row.get("period").and_then(Value::as_i64) {
            Some(period) => Some(period),
            None => self.period_of(&today()),
        };
        if period.is_none() || self.period_of(&says) != period {
            let message = "The value for field \"Period\" in \"Account Move\" is not valid according to its domain.";
            return Err(Trouble::User(message.into()));
        }
        row.insert("period".into(), json!(period));
        Ok(())
    }

    /// The period that a day lies in.
    pub fn period_of(&self, day: &str) -> Option<i64> {
        self.store.ids("account.period").into_iter().find(|id| {
            let bound = |field| moment(&self.store.get("account.period", *id, field));
            bound("start_date").is_some_and(|start| start.as_str() <= day)
                && bound("end_date").is_some_and(|end| end.as_str() >= day)
        })
    }

    fn count_creation(&mut self, model: &'static str, id: i64) {
        let effect = match model {
            "sale.sale" if self.store.text(model, id, "origin").starts_with("sale.sale,") => {
                "sale.return"
            }
            "sale.sale" => "sale.create",
            "account.invoice" => "invoice.create",
            "account.payment" => "payment.create",
            _ => return,
        };
        let reference = self.reference(model, id);
        self.count(effect, reference);
    }

    /// The business reference of a record, or its own name.
    pub fn reference(&self, model: &str, id: i64) -> String {
        let field = if model == "account.move" { "description" } else { "reference" };
        let text = self.store.text(model, id, field);
        if text.is_empty() { format!("{model},{id}") } else { text }
    }

    fn must_exist(&self, model: &str, field: &str, target: &str, id: i64) -> Result<(), Trouble> {
        self.store.row(target, id).map(|_| ()).map_err(|_| {
            let message =
                format!("The value \"{id}\" for field \"{field}\" in \"{model}\" does not exist.");
            Trouble::User(message)
        })
    }

    /// A one2many's commands: create, write, delete; add and remove are not played.
    fn command(
        &mut self,
        target: &'static str,
        inverse: &'static str,
        parent: i64,
        commands: &Value,
        env: &Env,
    ) -> Result<(), Trouble> {
        let wrong = || Trouble::Server("one2many wants [[\"create\", [{..}]]]".into());
        for command in commands.as_array().ok_or_else(wrong)? {
            let list = |at: usize| command[at].as_array().cloned().ok_or_else(wrong);
            match command[0].as_str() {
                Some("create") => {
                    for value in list(1)? {
                        let Value::Object(mut values) = value else {
                            return Err(wrong());
                        };
                        values.insert(inverse.to_owned(), json!(parent));
                        self.create(target, values, env)?;
                    }
                }
                Some("write") => {
                    let Value::Object(values) = command[2].clone() else {
                        return Err(wrong());
                    };
                    for id in list(1)?.iter().filter_map(Value::as_i64) {
                        self.write(target, id, values.clone(), env)?;
                    }
                }
                Some("delete") => {
                    for id in list(1)?.iter().filter_map(Value::as_i64) {
                        self.delete(target, id)?;
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    pub fn write(
        &mut self,
        model: &'static str,
        id: i64,
        values: Map<String, Value>,
        env: &Env,
    ) -> Result<(), Trouble> {
        self.store.row(model, id)?;
        for field in values.keys() {
            match self.store.schema.kind(model, field) {
                None => return Err(Trouble::Server(format!("{model} has no field {field}"))),
                Some(Kind::Function(_)) => {
                    return Err(Trouble::Server(format!("{model}.{field} has no setter")));
                }
                Some(_) => {}
            }
        }
        let posted = model == "account.move" && self.store.text(model, id, "state") == "posted";
        if posted && values.contains_key("lines") {
            return Err(Trouble::User("You cannot modify a posted move.".into()));
        }
        for (field, value) in values {
            match self.store.schema.kind(model, &field) {
                Some(Kind::Many(target, inverse)) => {
                    self.command(target, inverse, id, &value, env)?
                }
                Some(Kind::One(target)) => {
                    if let Some(other) = value.as_i64() {
                        self.must_exist(model, &field, target, other)?;
                    }
                    self.store.set(model, id, &field, value);
                }
                _ if field == "payment_lines" => self.link_payments(id, &value)?,
                _ if field == "moves_ignored" => {
                    let added = value[0][1].as_array().cloned().unwrap_or_default();
                    let before = self.store.get(model, id, &field);
                    let mut all = before.as_array().cloned().unwrap_or_default();
                    all.extend(added);
                    self.store.set(model, id, &field, all.into());
                }
                _ => self.store.set(model, id, &field, value),
            }
        }
        Ok(())
    }

    /// `[["add", [7]], ["remove", [8]]]` on an invoice that is not paid.
    fn link_payments(&mut self, invoice: i64, commands: &Value) -> Result<(), Trouble> {
        const INVOICE: &str = "account.invoice";
        if self.store.text(INVOICE, invoice, "state") == "paid" {
            let message = "You cannot add or remove payment lines of a paid invoice.";
            return Err(Trouble::User(message.into()));
        }
        let before = self.store.get(INVOICE, invoice, "payment_lines");
        let mut lines = before.as_array().cloned().unwrap_or_default();
        for command in commands.as_array().into_iter().flatten() {
            let named = command[1].as_array().cloned().unwrap_or_default();
            lines.retain(|line| !named.contains(line));
            match command[0].as_str() {
                Some("add") => lines.extend(named),
                Some("remove") => {}
                _ => return Err(Trouble::Server("payment_lines wants add or remove".into())),
            }
        }
        self.store.set(INVOICE, invoice, "payment_lines", Value::Array(lines));
        let open = self.amount_to_pay(invoice, false);
        let (untaxed, tax) = self.invoice_amounts(invoice);
        if open.is_sign_negative() != (untaxed + tax).is_sign_negative() && !open.is_zero() {
            self.store.set(INVOICE, invoice, "payment_lines", before);
            let message = "The payment lines amount is greater than the amount to pay.";
            return Err(Trouble::User(message.into()));
        }
        Ok(())
    }

    pub fn delete(&mut self, model: &'static str, id: i64) -> Result<(), Trouble> {
        self.store.row(model, id)?;
        if model == "account.move.reconciliation" {
            self.unreconcile(id);
            return Ok(());
        }
        let (of, of_id) = match model {
            "sale.line" => ("sale.sale", self.store.id_in(model, id, "sale").unwrap_or(0)),
            _ => (model, id),
        };
        let state = self.store.text(of, of_id, "state");
        if !matches!(state.as_str(), "" | "draft" | "cancelled") {
            let message = format!("To delete \"{model},{id}\" you must cancel it first.");
            return Err(Trouble::User(message));
        }
        self.remove_with_children(model, id);
        Ok(())
    }

    fn remove_with_children(&mut self, model: &'static str, id: i64) {
        let children: &[&'static str] = match model {
            "sale.sale" => &["sale.line"],
            "account.invoice" => &["account.invoice.line", "account.invoice.tax"],
            "account.move" => &["account.move.line"],
            "party.party" => &["party.address", "party.identifier"],
            _ => &[],
        };
        for child in children {
            for child_id in self.store.children(child, id) {
                self.store.remove(child, child_id);
            }
        }
        self.store.remove(model, id);
    }

    pub fn has_action(&self, model: &str, action: &str) -> bool {
        let actions = match model {
            "sale.sale" => SALE_ACTIONS,
            "stock.shipment.out" => SHIPMENT_ACTIONS,
            "stock.shipment.out.return" => RETURN_ACTIONS,
            "account.invoice" => INVOICE_ACTIONS,
            "account.payment" => PAYMENT_ACTIONS,
            "account.move" => &["post"],
            _ => &[],
        };
        actions.contains(&action)
    }

    pub fn act(
        &mut self,
        model: &'static str,
        id: i64,
        action: &str,
        env: &Env,
    ) -> Result<(), Trouble> {
        match (model, action) {
            ("sale.sale", _) => self.act_on_sale(id, action, env),
            ("stock.shipment.out" | "stock.shipment.out.return", _) => {
                self.act_on_shipment(model, id, action)
            }
            ("account.invoice", _) => self.act_on_invoice(id, action),
            ("account.move", _) => self.post_move(id),
            ("account.payment", _) => {
                self.act_on_payment(id, action);
                Ok(())
            }
            _ => Err(Trouble::Forbidden),
        }
    }

    /// What Tryton says of a button that is not there in this state.
    pub fn no_button(&self, model: &'static str, id: i64, action: &str) -> Trouble {
        let (number, reference) = (self.store.text(model, id, "number"), self.reference(model, id));
        let (name, of) = match model {
            "sale.sale" => (format!("{number} [{reference}]"), "Sale"),
            "stock.shipment.out" => (number, "Stock Shipment Out"),
            _ => (number, "Stock Shipment Out Return"),
        };
        Trouble::User(format!("You can not call \"{action}\" on \"{name}\" of \"{of}\"."))
    }

    /// The state of a record, if it is one of `from`, and whether it was.
    pub fn transition(&mut self, model: &'static str, id: i64, from: &[&str], to: &str) -> bool {
        let state = self.store.text(model, id, "state");
        let allowed = from.contains(&state.as_str());
        if allowed {
            self.store.set(model, id, "state", json!(to));
        }
        allowed
    }

    fn act_on_payment(&mut self, id: i64, action: &str) {
        let (from, to): (&[&str], &str) = match action {
            "submit" => (&["draft"], "submitted"),
            "approve" => (&["submitted"], "approved"),
            "proceed" | "process_wizard" => {
                (&["submitted", "approved", "succeeded", "failed"], "processing")
            }
            "succeed" => (&["processing", "failed"], "succeeded"),
            "fail" => (&["processing", "succeeded"], "failed"),
            _ => (&["submitted", "approved"], "draft"),
        };
        if self.transition("account.payment", id, from, to)
            && action == "submit"
            && self.store.text("account.payment", id, "number").is_empty()
        {
            let number = self.store.next_number("payment");
            self.store.set("account.payment", id, "number", json!(number));
        }
    }
}
