//! The value of any field of any record: stored, or computed as Tryton's function fields are.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::schema::Kind;
use super::seed::{PRICE_LIST, RECEIVABLE};
use super::store::{date, decimal, moment};
use super::{Env, Trouble, Tryton};
use crate::money;
use crate::state::today;

/// From this quantity on, the price list takes ten percent off.
const CONTRACT_QUANTITY: f64 = 100.0;

impl Tryton {
    pub fn value(
        &self,
        model: &'static str,
        id: i64,
        field: &str,
        env: &Env,
    ) -> Result<Value, Trouble> {
        let kind = self.store.schema.kind(model, field);
        let kind = kind.ok_or_else(|| Trouble::Server(format!("{model} has no field {field}")))?;
        let row = self.store.row(model, id)?;
        Ok(match kind {
            Kind::Plain | Kind::One(_) | Kind::Reference => {
                row.get(field).cloned().unwrap_or_default()
            }
            Kind::Many(target, _) => json!(self.store.children(target, id)),
            Kind::Function(_) => self.compute(model, id, field, env),
        })
    }

    fn compute(&self, model: &'static str, id: i64, field: &str, env: &Env) -> Value {
        match (model, field) {
            (_, "rec_name") => self.rec_name(model, id),
            (_, "_timestamp") => {
                let stamp = self.store.get(model, id, "_stamp").as_i64().unwrap_or(0);
                json!(format!("{}.{:06}", stamp / 1_000_000, stamp % 1_000_000))
            }
            ("party.party", "credit_amount") => decimal(self.credit_amount(id), 2),
            ("party.party", "receivable") => decimal(self.receivable(id), 2),
            ("party.party", "full_name") => self.store.get(model, id, "name"),
            ("party.address", "full_address") => {
                let text = |field: &str| self.store.text(model, id, field);
                json!(format!("{}\n{} {}", text("street"), text("postal_code"), text("city")))
            }
            ("product.product", "sale_price_uom") => self.price(id, env),
            ("product.product", "quantity") => json!(env.stock_of(id).0),
            ("product.product", "forecast_quantity") => {
                let (there, allocated) = env.stock_of(id);
                json!(there - allocated)
            }
            ("sale.sale", "untaxed_amount" | "total_amount") => {
                decimal(self.sale_amount(id), self.digits(model, id))
            }
            ("sale.sale", "tax_amount") => decimal(Decimal::ZERO, self.digits(model, id)),
            ("sale.sale", "invoice_state") => json!(self.invoice_state(id)),
            ("sale.sale", "shipment_state") => json!(self.shipment_state(id)),
            ("sale.sale", "invoices") => json!(self.invoices_of(id)),
            ("sale.sale", "shipments") => json!(self.shipments_of(id, "stock.shipment.out")),
            ("sale.sale", "shipment_returns") => {
                json!(self.shipments_of(id, "stock.shipment.out.return"))
            }
            ("sale.sale", "moves") => json!(self.moves_of(id)),
            ("sale.line" | "account.invoice.line", "amount") => self.line_amount(model, id),
            ("sale.line", "invoice_lines") => {
                json!(self.store.referring("account.invoice.line", "origin", model, id))
            }
            ("sale.line", "moves") => {
                json!(self.store.referring("stock.move", "origin", model, id))
            }
            ("sale.line", "actual_quantity") => json!(self.shipped(id)),
            ("stock.shipment.out" | "stock.shipment.out.return", "origins") => {
                let sale = self.sale_of_shipment(model, id);
                json!(sale.map(|sale| self.store.text("sale.sale", sale, "number")))
            }
            ("stock.shipment.out" | "stock.shipment.out.return", _) => {
                json!(self.store.referring("stock.move", "shipment", model, id))
            }
            ("account.invoice", "origins") => json!(self.origins(id)),
            ("account.invoice", _) => self.compute_invoice(id, field),
            ("currency.currency", _) => decimal(money::rate(id), 6),
            ("account.move.line", "date" | "state") => {
                let of = self.store.id_in(model, id, "move").unwrap_or(0);
                self.store.get("account.move", of, field)
            }
            ("account.move.reconciliation", "lines") => {
                let lines = self.store.ids("account.move.line").into_iter();
                let lines = lines.filter(|line| {
                    self.store.id_in("account.move.line", *line, "reconciliation") == Some(id)
                });
                json!(lines.collect::<Vec<i64>>())
            }
            _ => Value::Null,
        }
    }

    fn compute_invoice(&self, id: i64, field: &str) -> Value {
        let digits = self.digits("account.invoice", id);
        match field {
            "untaxed_amount" => decimal(self.invoice_amounts(id).0, digits),
            "tax_amount" => decimal(self.invoice_amounts(id).1, digits),
            "total_amount" => {
                let (untaxed, tax) = self.invoice_amounts(id);
                decimal(untaxed + tax, digits)
            }
            "amount_to_pay" => decimal(self.amount_to_pay(id, false), digits),
            "amount_to_pay_today" => decimal(self.amount_to_pay(id, true), digits),
            "lines_to_pay" => json!(self.lines_to_pay(id)),
            "reconciliation_lines" => {
                let lines = self.lines_to_pay(id).into_iter();
                let done = lines.filter(|line| self.is_reconciled(*line));
                json!(done.collect::<Vec<i64>>())
            }
            "reconciled" => {
                let lines = self.lines_to_pay(id);
                let all = !lines.is_empty() && lines.iter().all(|line| self.is_reconciled(*line));
                if all { date(&today()) } else { Value::Null }
            }
            _ => Value::Null,
        }
    }

    fn rec_name(&self, model: &'static str, id: i64) -> Value {
        let named = ["number", "name", "code", "street", "description", "reference"]
            .into_iter()
            .map(|field| self.store.text(model, id, field))
            .find(|text| !text.is_empty());
        let party = matches!(model, "account.invoice" | "sale.sale");
        match named {
            Some(text) if party => {
                let party = self.store.id_in(model, id, "party").unwrap_or(0);
                json!(format!("{text} {}", self.store.text("party.party", party, "name")))
            }
            Some(text) => json!(text),
            None => json!(format!("({id})")),
        }
    }

    /// Open receivables, what was owed before, and what is ordered but not invoiced; in dollars.
    pub fn credit_amount(&self, party: i64) -> Decimal {
        let ordered: Decimal = self
            .store
            .ids("sale.sale")
            .into_iter()
            .filter(|sale| {
                let payer = self.store.id_in("sale.sale", *sale, "invoice_party");
                let payer = payer.or(self.store.id_in("sale.sale", *sale, "party"));
                let state = self.store.text("sale.sale", *sale, "state");
                payer == Some(party) && matches!(state.as_str(), "confirmed" | "processing")
            })
            .map(|sale| {
                let currency = self.store.id_in("sale.sale", sale, "currency").unwrap_or(1);
                let open: Decimal = self
                    .store
                    .children("sale.line", sale)
                    .into_iter()
                    .map(|line| {
                        self.not_invoiced(line) * self.store.amount("sale.line", line, "unit_price")
                    })
                    .sum();
                money::convert(open, currency, 1)
            })
            .sum();
        money::round(self.receivable(party) + ordered, 2)
    }

    fn receivable(&self, party: i64) -> Decimal {
        let lines = self.store.ids("account.move.line").into_iter();
        let open: Decimal = lines
            .filter(|line| {
                self.store.id_in("account.move.line", *line, "account") == Some(RECEIVABLE)
                    && self.store.id_in("account.move.line", *line, "party") == Some(party)
                    && !self.is_reconciled(*line)
            })
            .map(|line| self.balance(line))
            .sum();
        open + self.store.amount("party.party", party, "_exposure")
    }

    fn not_invoiced(&self, line: i64) -> Decimal {
        let ordered = self.store.amount("sale.line", line, "quantity");
        let invoiced: Decimal = self
            .store
            .referring("account.invoice.line", "origin", "sale.line", line)
            .into_iter()
            .filter(|invoiced| {
                let invoice = self.store.id_in("account.invoice.line", *invoiced, "invoice");
                invoice.is_some_and(|i| self.store.id_in("account.invoice", i, "move").is_some())
            })
            .map(|invoiced| self.store.amount("account.invoice.line", invoiced, "quantity"))
            .sum();
        (ordered - invoiced).max(Decimal::ZERO)
    }

    /// The sale price for the context's customer, quantity, unit and currency.
    fn price(&self, product: i64, env: &Env) -> Value {
        let mut price = self.store.amount("product.product", product, "list_price");
        if env.number("price_list") == Some(PRICE_LIST)
            && env.context["quantity"].as_f64() >= Some(CONTRACT_QUANTITY)
        {
            price *= Decimal::new(9, 1);
        }
        if let Some(uom) = env.number("uom") {
            let factor = self.store.get("product.uom", uom, "factor").as_f64().unwrap_or(1.0);
            price *= money::number(factor);
        }
        let currency = env.number("currency").unwrap_or(1);
        decimal(money::convert(price, 1, currency), 4)
    }

    pub fn digits(&self, model: &str, id: i64) -> u32 {
        money::digits(self.store.id_in(model, id, "currency").unwrap_or(1))
    }

    fn line_amount(&self, model: &'static str, id: i64) -> Value {
        let parent = match model {
            "sale.line" => ("sale.sale", "sale"),
            _ => ("account.invoice", "invoice"),
        };
        let of = self.store.id_in(model, id, parent.1).unwrap_or(0);
        let digits = self.digits(parent.0, of);
        decimal(self.line_total(model, id, digits), digits)
    }

    pub fn line_total(&self, model: &str, id: i64, digits: u32) -> Decimal {
        let quantity = self.store.amount(model, id, "quantity");
        money::round(quantity * self.store.amount(model, id, "unit_price"), digits)
    }

    pub fn sale_amount(&self, sale: i64) -> Decimal {
        let digits = self.digits("sale.sale", sale);
        let lines = self.store.children("sale.line", sale).into_iter();
        lines.map(|line| self.line_total("sale.line", line, digits)).sum()
    }

    fn invoice_state(&self, sale: i64) -> &'static str {
        let states: Vec<String> = self
            .invoices_of(sale)
            .into_iter()
            .map(|invoice| self.store.text("account.invoice", invoice, "state"))
            .filter(|state| state != "cancelled")
            .collect();
        let paid = states.iter().filter(|state| *state == "paid").count();
        if states.is_empty() {
            "none"
        } else if paid == states.len() {
            "paid"
        } else if paid > 0 {
            "partially paid"
        } else if states.iter().any(|state| state == "posted") {
            "awaiting payment"
        } else {
            "pending"
        }
    }

    fn shipment_state(&self, sale: i64) -> &'static str {
        let moves = self.moves_of(sale);
        let is = |id: &i64, state: &str| self.store.text("stock.move", *id, "state") == state;
        let done = |id: &i64| is(id, "done");
        // Cancelled moves wait for a word: made again, or ignored.
        let ignored = self.ignored_moves(sale);
        let (cancelled, moves): (Vec<i64>, Vec<i64>) =
            moves.into_iter().partition(|id| is(id, "cancelled"));
        if cancelled.iter().any(|id| !ignored.contains(id)) {
            "exception"
        } else if moves.is_empty() {
            "none"
        } else if moves.iter().all(done) {
            "sent"
        } else if moves.iter().any(done) {
            "partially shipped"
        } else {
            "waiting"
        }
    }

    fn ignored_moves(&self, sale: i64) -> Vec<i64> {
        let lines = self.store.children("sale.line", sale).into_iter();
        let ignored = lines.map(|line| self.store.get("sale.line", line, "moves_ignored"));
        ignored
            .flat_map(|ids| ids.as_array().cloned().unwrap_or_default())
            .filter_map(|id| id.as_i64())
            .collect()
    }

    pub fn invoices_of(&self, sale: i64) -> Vec<i64> {
        let mut found = BTreeSet::new();
        for line in self.store.children("sale.line", sale) {
            for invoiced in
                self.store.referring("account.invoice.line", "origin", "sale.line", line)
            {
                found.extend(self.store.id_in("account.invoice.line", invoiced, "invoice"));
            }
        }
        found.into_iter().collect()
    }

    pub fn moves_of(&self, sale: i64) -> Vec<i64> {
        let lines = self.store.children("sale.line", sale).into_iter();
        lines
            .flat_map(|line| self.store.referring("stock.move", "origin", "sale.line", line))
            .collect()
    }

    pub fn shipments_of(&self, sale: i64, model: &str) -> Vec<i64> {
        let found: BTreeSet<i64> = self
            .moves_of(sale)
            .into_iter()
            .filter_map(|id| {
                let shipment = self.store.text("stock.move", id, "shipment");
                let (name, id) = shipment.split_once(',')?;
                (name == model).then(|| id.parse().ok())?
            })
            .collect();
        found.into_iter().collect()
    }

    /// What has left for a sale line.
    pub fn shipped(&self, line: i64) -> f64 {
        self.store
            .referring("stock.move", "origin", "sale.line", line)
            .into_iter()
            .filter(|id| self.store.text("stock.move", *id, "state") == "done")
            .filter_map(|id| self.store.get("stock.move", id, "quantity").as_f64())
            .sum()
    }

    fn origins(&self, invoice: i64) -> Option<String> {
        let lines = self.store.children("account.invoice.line", invoice).into_iter();
        let numbers: BTreeSet<String> = lines
            .filter_map(|line| {
                let origin = self.store.text("account.invoice.line", line, "origin");
                let line = origin.strip_prefix("sale.line,")?.parse().ok()?;
                let sale = self.store.id_in("sale.line", line, "sale")?;
                Some(self.store.text("sale.sale", sale, "number"))
            })
            .collect();
        (!numbers.is_empty()).then(|| numbers.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// A line is due today when it has no later maturity.
    pub fn is_due(&self, line: i64) -> bool {
        let due = moment(&self.store.get("account.move.line", line, "maturity_date"));
        due.is_none_or(|due| due <= today())
    }
}
