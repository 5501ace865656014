//! The ERP's own word: sales, goods that moved, invoices and the ledger, read by Tryton's REST
//! application.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::Value;

use super::amount::Amount;
use super::api::Api;
use crate::play::belongs;

/// `{"company":1}`, as Tryton wants a context.
const CONTEXT: &str = "eyJjb21wYW55IjoxfQ==";
const PAGE: usize = 500;

pub struct Books {
    api: Api,
    database: String,
}

/// A sale of an order, or its return.
#[derive(Debug)]
pub struct Sale {
    pub reference: String,
    pub state: String,
}

#[derive(Debug)]
pub struct Invoice {
    /// Our id.
    pub reference: String,
    pub order: String,
    pub party: String,
    pub currency: String,
    pub state: String,
    pub total: Amount,
    pub to_pay: Amount,
}

/// Pieces of an item that have gone to a customer or come back, by the order's id.
#[derive(Debug)]
pub struct Moved {
    pub order: String,
    pub item: String,
    pub left: bool,
    pub done: bool,
    pub quantity: Amount,
}

impl Books {
    pub fn new(url: &str, database: &str, key: &str) -> Books {
        let headers = vec![
            ("authorization", format!("Bearer {key}")),
            ("x-tryton-context", CONTEXT.to_owned()),
        ];
        Books { api: Api::new(url, headers), database: database.to_owned() }
    }

    /// Every record of a model, with these fields.
    fn all(&self, model: &str, fields: &[&str]) -> Result<Vec<Value>> {
        let fields: String = fields.iter().map(|field| format!("&f={field}")).collect();
        let mut all: Vec<Value> = Vec::new();
        loop {
            let path =
                format!("/{}/rest/model/{model}?s={PAGE}&p={}{fields}", self.database, all.len());
            let Value::Array(page) = self.api.get(&path)? else {
                bail!("Tryton answered no list to {path}")
            };
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    pub fn sales(&self) -> Result<Vec<Sale>> {
        let records = self.all("sale.sale", &["reference", "state"])?;
        let sale = |record: &Value| Sale {
            reference: text(&record["reference"]),
            state: text(&record["state"]),
        };
        Ok(records.iter().map(sale).collect())
    }

    pub fn invoices(&self) -> Result<Vec<Invoice>> {
        let fields = [
            "reference",
            "description",
            "party.code",
            "currency.code",
            "state",
            "total_amount",
            "amount_to_pay",
        ];
        let records = self.all("account.invoice", &fields)?;
        let invoice = |record: &Value| Invoice {
            reference: text(&record["reference"]),
            order: text(&record["description"]),
            party: text(&record["party"]["code"]),
            currency: text(&record["currency"]["code"]),
            state: text(&record["state"]),
            total: Amount::of(&record["total_amount"]),
            to_pay: Amount::of(&record["amount_to_pay"]),
        };
        Ok(records.iter().map(invoice).collect())
    }

    /// The outgoing and returned goods of `orders`, whose sales the shipments are of, but for what was
    /// called off.
    pub fn moved(&self, orders: &[&str]) -> Result<Vec<Moved>> {
        let sales = self.all("sale.sale", &["reference", "shipments", "shipment_returns"])?;
        let mut all = Vec::new();
        for (model, list, moves, left) in [
            ("stock.shipment.out", "shipments", "outgoing_moves", true),
            ("stock.shipment.out.return", "shipment_returns", "incoming_moves", false),
        ] {
            let fields =
                ["state", "quantity", "product.code"].map(|field| format!("{moves}.{field}"));
            for shipment in self.all(model, &fields.each_ref().map(String::as_str))? {
                let of_sale = |sale: &&Value| {
                    let mut shipments = sale[list].as_array().into_iter().flatten();
                    shipments.any(|id| *id == shipment["id"])
                };
                let sale = sales.iter().find(of_sale);
                let reference = sale.map(|sale| text(&sale["reference"])).unwrap_or_default();
                let Some(order) = orders.iter().find(|order| belongs(&reference, order)) else {
                    continue;
                };
                let moves = shipment[moves].as_array().into_iter().flatten();
                all.extend(moves.filter(|moved| moved["state"] != "cancelled").map(|moved| {
                    Moved {
                        order: (*order).to_owned(),
                        item: text(&moved["product"]["code"]),
                        left,
                        done: moved["state"] == "done",
                        quantity: Amount::of(&moved["quantity"]),
                    }
                }));
            }
        }
        Ok(all)
    }

    /// Shipments that have left, by our ids.
    pub fn shipped(&self) -> Result<BTreeSet<String>> {
        let all = self.all("stock.shipment.out", &["reference", "state"])?;
        let left = all.iter().filter(|shipment| shipment["state"] == "done");
        Ok(left.map(|shipment| text(&shipment["reference"])).collect())
    }

    /// Entries of the ledger that do not balance, or are not posted. Answers how many there are.
    pub fn ledger(&self, wrong: &mut Vec<String>) -> Result<usize> {
        let mut moves: BTreeMap<i64, (Amount, String)> = BTreeMap::new();
        let fields = ["debit", "credit", "move.state", "move.description"];
        for line in self.all("account.move.line", &fields)? {
            let id = line["move"]["id"].as_i64().unwrap_or_default();
            let entry = moves.entry(id).or_default();
            entry.0 = entry.0 + Amount::of(&line["debit"]) - Amount::of(&line["credit"]);
            entry.1 = text(&line["move"]["state"]);
        }
        for (id, (balance, state)) in &moves {
            if !balance.is_zero() || state != "posted" {
                wrong.push(format!("ledger: move {id} is {state} and out of balance by {balance}"));
            }
        }
        Ok(moves.len())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
