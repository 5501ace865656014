//! Sales and their shipments: the workflow, the credit limit, and what a processed sale sets off.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::store::date;
use super::{Env, Trouble, Tryton};
use crate::money;
use crate::state::today;

/// The customers' location, where goods go.
const CUSTOMER_LOCATION: i64 = 3;

impl Tryton {
    pub fn act_on_sale(&mut self, id: i64, action: &str, env: &Env) -> Result<(), Trouble> {
        const SALE: &str = "sale.sale";
        let state = self.store.text(SALE, id, "state");
        match action {
            "quote" if state == "draft" => {
                self.store.set(SALE, id, "state", json!("quotation"));
                if self.store.text(SALE, id, "number").is_empty() {
                    let number = self.store.next_number("sale");
                    self.store.set(SALE, id, "number", json!(number));
                }
            }
            "confirm" if state == "quotation" => {
                self.check_credit(id, env)?;
                self.transition(SALE, id, &["quotation"], "confirmed");
                if self.store.get(SALE, id, "sale_date").is_null() {
                    self.store.set(SALE, id, "sale_date", date(&today()));
                }
                let reference = self.reference(SALE, id);
                self.count("sale.confirm", reference);
            }
            "process" if matches!(state.as_str(), "confirmed" | "processing" | "done") => {
                self.go_on(id);
                self.process_sale(id);
            }
            "draft" if matches!(state.as_str(), "cancelled" | "quotation" | "confirmed") => {
                self.store.set(SALE, id, "state", json!("draft"));
            }
            "cancel" if matches!(state.as_str(), "draft" | "quotation") => {
                self.store.set(SALE, id, "state", json!("cancelled"));
                let reference = self.reference(SALE, id);
                self.count("sale.cancel", reference);
            }
            "manual_invoice" if matches!(state.as_str(), "processing" | "done") => {
                self.invoice_sale(id, false);
            }
            "manual_shipment" if matches!(state.as_str(), "processing" | "done") => {
                self.ship_sale(id);
            }
            _ => return Err(self.no_button(SALE, id, action)),
        }
        Ok(())
    }

    /// What Tryton does by itself once it has answered: a confirmed sale is processed.
    pub fn after(&mut self, model: &str, id: i64, action: &str) {
        if (model, action) == ("sale.sale", "confirm") {
            self.go_on(id);
            self.process_sale(id);
        }
    }

    fn go_on(&mut self, id: i64) {
        if self.transition("sale.sale", id, &["confirmed"], "processing") {
            let reference = self.reference("sale.sale", id);
            self.count("sale.process", reference);
        }
    }

    /// Only sales that ship when processed are checked, as the module sale_credit_limit does.
    fn check_credit(&self, id: i64, env: &Env) -> Result<(), Trouble> {
        if self.store.text("sale.sale", id, "shipment_method") != "order" {
            return Ok(());
        }
        let payer = self.store.id_in("sale.sale", id, "invoice_party");
        let payer = payer.or(self.store.id_in("sale.sale", id, "party")).unwrap_or(0);
        let limit = self.store.get("party.party", payer, "credit_limit_amount");
        let Some(limit) = money::read(&limit) else {
            return Ok(());
        };
        let currency = self.store.id_in("sale.sale", id, "currency").unwrap_or(1);
        let amount = money::convert(self.sale_amount(id), currency, 1);
        let exceeded = self.credit_amount(payer) + amount > limit;
        if amount <= Decimal::ZERO || !exceeded || env.skips_warnings() {
            return Ok(());
        }
        let name = self.store.text("party.party", payer, "name");
        Err(Trouble::Warning {
            name: format!("credit_limit_amount.sale.sale,{id}"),
            message: format!(
                "The amount of {amount:.2} exceeds the credit limit of {limit:.2} for party \"{name}\"."
            ),
        })
    }

    /// Ships and invoices as the sale's methods say, and closes the sale when nothing is left.
    fn process_sale(&mut self, id: i64) {
        if self.store.text("sale.sale", id, "shipment_method") == "order" {
            self.ship_sale(id);
        }
        match self.store.text("sale.sale", id, "invoice_method").as_str() {
            "order" => self.invoice_sale(id, false),
            "fulfillment" => self.invoice_sale(id, true),
            _ => {}
        }
        self.close_sale(id);
    }

    pub fn close_sale(&mut self, id: i64) {
        let env = Env { context: json!({}), stock: Default::default() };
        let state = |field: &str| {
            let value = self.value("sale.sale", id, field, &env).unwrap_or_default();
            value.as_str().unwrap_or_default().to_owned()
        };
        let manual = self.store.text("sale.sale", id, "shipment_method") == "manual";
        let shipped = state("shipment_state");
        let shipped = shipped == "sent" || (manual && shipped == "none");
        if shipped && state("invoice_state") == "paid" {
            self.transition("sale.sale", id, &["processing"], "done");
        }
    }

    /// A shipment for what has no move yet, a return shipment for negative quantities. What was
    /// cancelled is not made again unasked.
    fn ship_sale(&mut self, id: i64) {
        let (mut out, mut back) = (Vec::new(), Vec::new());
        for line in self.store.children("sale.line", id) {
            if self.store.id_in("sale.line", line, "product").is_none() {
                continue;
            }
            let ordered = self.store.get("sale.line", line, "quantity").as_f64().unwrap_or(0.0);
            let moved: f64 = self
                .store
                .referring("stock.move", "origin", "sale.line", line)
                .into_iter()
                .filter_map(|id| self.store.get("stock.move", id, "quantity").as_f64())
                .sum();
            let open = ordered.abs() - moved;
            if open > 0.0 {
                if ordered > 0.0 { &mut out } else { &mut back }.push((line, open));
            }
        }
        self.make_shipment("stock.shipment.out", id, &out);
        self.make_shipment("stock.shipment.out.return", id, &back);
    }

    fn make_shipment(&mut self, model: &'static str, sale: i64, lines: &[(i64, f64)]) {
        if lines.is_empty() {
            return;
        }
        let get = |field: &str| self.store.get("sale.sale", sale, field);
        let customer = match get("shipment_party") {
            Value::Null => get("party"),
            party => party,
        };
        let is_out = model == "stock.shipment.out";
        let row = json!({
            "company": 1, "customer": customer, "delivery_address": get("shipment_address"),
            "warehouse": get("warehouse"), "reference": get("reference"),
            "planned_date": date(&today()), "effective_date": null, "carrier": get("carrier"),
            "shipping_reference": null, "state": if is_out { "waiting" } else { "draft" },
        });
        let warehouse = get("warehouse");
        let currency = get("currency");
        let number = self.store.next_number(model);
        let shipment = self.insert(model, row);
        self.store.set(model, shipment, "number", json!(number));
        for (line, quantity) in lines {
            let get = |field: &str| self.store.get("sale.line", *line, field);
            let (from, to) = if is_out {
                (warehouse.clone(), json!(CUSTOMER_LOCATION))
            } else {
                (json!(CUSTOMER_LOCATION), warehouse.clone())
            };
            let row = json!({
                "company": 1, "product": get("product"), "quantity": quantity, "unit": get("unit"),
                "unit_price": get("unit_price"), "currency": currency, "from_location": from,
                "to_location": to, "shipment": format!("{model},{shipment}"),
                "origin": format!("sale.line,{line}"), "state": "draft",
                "planned_date": date(&today()), "effective_date": null,
            });
            self.insert("stock.move", row);
        }
    }

    /// A draft invoice of what is not invoiced yet: all that was ordered, or only what has left.
    fn invoice_sale(&mut self, id: i64, only_shipped: bool) {
        let mut open = Vec::new();
        for line in self.store.children("sale.line", id) {
            let ordered = self.store.get("sale.line", line, "quantity").as_f64().unwrap_or(0.0);
            let wanted = if only_shipped && self.store.id_in("sale.line", line, "product").is_some()
            {
                self.shipped(line).min(ordered.abs()) * ordered.signum()
            } else {
                ordered
            };
            let invoiced: f64 = self
                .store
                .referring("account.invoice.line", "origin", "sale.line", line)
                .into_iter()
                .filter_map(|id| self.store.get("account.invoice.line", id, "quantity").as_f64())
                .sum();
            if (wanted - invoiced).abs() > f64::EPSILON {
                open.push((line, wanted - invoiced));
            }
        }
        if open.is_empty() {
            return;
        }
        let get = |field: &str| self.store.get("sale.sale", id, field);
        let party = match get("invoice_party") {
            Value::Null => get("party"),
            party => party,
        };
        let mut row = super::seed::defaults("account.invoice");
        let own = json!({
            "party": party, "invoice_address": get("invoice_address"), "currency": get("currency"),
            "payment_term": get("payment_term"), "reference": get("reference"),
        });
        row.extend(own.as_object().cloned().unwrap_or_default());
        let invoice = self.store.insert("account.invoice", row);
        for (line, quantity) in open {
            let get = |field: &str| self.store.get("sale.line", line, field);
            let row = json!({
                "invoice": invoice, "type": "line", "product": get("product"), "quantity": quantity,
                "unit": get("unit"), "unit_price": get("unit_price"), "description": get("description"),
                "account": super::seed::REVENUE, "origin": format!("sale.line,{line}"),
            });
            self.insert("account.invoice.line", row);
        }
        let reference = self.reference("account.invoice", invoice);
        self.count("invoice.create", reference);
    }

    pub fn act_on_shipment(
        &mut self,
        model: &'static str,
        id: i64,
        action: &str,
    ) -> Result<(), Trouble> {
        let (from, to): (&[&str], &str) = match (model, action) {
            ("stock.shipment.out", "wait") => {
                (&["draft", "waiting", "assigned", "packed"], "waiting")
            }
            ("stock.shipment.out", "assign_try" | "assign_force") => (&["waiting"], "assigned"),
            ("stock.shipment.out", "pick") => (&["waiting", "assigned", "packed"], "picked"),
            ("stock.shipment.out", "pack") => (&["assigned", "picked"], "packed"),
            ("stock.shipment.out", "ship") => (&["packed"], "shipped"),
            ("stock.shipment.out", "do") => (&["packed", "shipped"], "done"),
            ("stock.shipment.out", "draft") => (&["waiting", "cancelled"], "draft"),
            ("stock.shipment.out", _) => {
                (&["draft", "waiting", "assigned", "picked", "packed", "shipped"], "cancelled")
            }
            (_, "receive") => (&["draft"], "received"),
            (_, "do") => (&["received"], "done"),
            (_, "draft") => (&["received", "cancelled"], "draft"),
            (_, _) => (&["draft", "received"], "cancelled"),
        };
        if !self.transition(model, id, from, to) {
            return Err(self.no_button(model, id, action));
        }
        if !matches!(to, "done" | "cancelled") {
            return Ok(());
        }
        let sale = self.sale_of_shipment(model, id);
        for moved in self.store.referring("stock.move", "shipment", model, id) {
            self.store.set("stock.move", moved, "state", json!(to));
            if to == "done" {
                self.store.set("stock.move", moved, "effective_date", date(&today()));
            }
        }
        if to == "done" {
            self.store.set(model, id, "effective_date", date(&today()));
            let reference = self.reference(model, id);
            self.count("shipment.done", reference);
        } else {
            let reference = self.reference(model, id);
            self.count("shipment.cancel", reference);
        }
        if let Some(sale) = sale
            && matches!(self.store.text("sale.sale", sale, "state").as_str(), "processing")
        {
            self.process_sale(sale);
        }
        Ok(())
    }

    pub fn sale_of_shipment(&self, model: &'static str, id: i64) -> Option<i64> {
        let moves = self.store.referring("stock.move", "shipment", model, id);
        let origin = self.store.text("stock.move", *moves.first()?, "origin");
        let line = origin.strip_prefix("sale.line,")?.parse().ok()?;
        self.store.id_in("sale.line", line, "sale")
    }

    /// Inserts a row that was written as JSON.
    pub fn insert(&mut self, model: &'static str, row: Value) -> i64 {
        let row = match row {
            Value::Object(row) => row,
            _ => Map::new(),
        };
        self.store.insert(model, row)
    }
}
