//! One kind of Stripe object: counted ids that sort by age, and the usual error when absent.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Failure, invalid};

#[derive(Debug)]
pub struct Table {
    prefix: &'static str,
    next: u64,
    pub rows: BTreeMap<String, Value>,
}

impl Table {
    pub fn new(prefix: &'static str) -> Table {
        Table { prefix, next: 1, rows: BTreeMap::new() }
    }

    /// Gives the object its id and keeps it.
    pub fn insert(&mut self, mut object: Value) -> String {
        let id = format!("{}sbx{:08}", self.prefix, self.next);
        self.next += 1;
        object["id"] = json!(id);
        self.rows.insert(id.clone(), object);
        id
    }

    pub fn get(&self, id: &str) -> Result<&Value, Failure> {
        self.rows.get(id).ok_or_else(|| missing(id))
    }

    pub fn get_mut(&mut self, id: &str) -> Result<&mut Value, Failure> {
        self.rows.get_mut(id).ok_or_else(|| missing(id))
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &Value> {
        self.rows.values().rev()
    }

    pub fn count_by(&self, field: &str) -> Value {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for row in self.rows.values() {
            *counts.entry(row[field].as_str().unwrap_or("")).or_default() += 1;
        }
        json!(counts)
    }
}

fn missing(id: &str) -> Failure {
    let kind = match id.split('_').next() {
        Some("pi") => "payment_intent",
        Some("ch") => "charge",
        Some("re") => "refund",
        Some("po") => "payout",
        Some("dp") => "dispute",
        _ => "resource",
    };
    invalid(404, Some("resource_missing"), &format!("No such {kind}: '{id}'"), Some("id"))
}
