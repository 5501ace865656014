//! The records: rows by model and id, with two indexes (children of a parent, records by what they
//! refer to) so that a sale with its lines, moves and invoices is found without a scan.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::Trouble;
use super::schema::Schema;
use crate::money;

pub type Row = Map<String, Value>;

#[derive(Debug, Default)]
struct Table {
    last: i64,
    rows: BTreeMap<i64, Row>,
}

#[derive(Debug)]
pub struct Store {
    pub schema: Schema,
    tables: BTreeMap<&'static str, Table>,
    children: HashMap<(&'static str, i64), Vec<i64>>,
    /// (`origin` or `shipment`, what it says) -> who says so.
    referring: HashMap<(&'static str, String), Vec<(&'static str, i64)>>,
    sequences: HashMap<&'static str, i64>,
    last_us: i64,
}

impl Store {
    pub fn new() -> Store {
        Store {
            schema: Schema::new(),
            tables: BTreeMap::new(),
            children: HashMap::new(),
            referring: HashMap::new(),
            sequences: HashMap::new(),
            last_us: 0,
        }
    }

    pub fn insert(&mut self, model: &'static str, mut row: Row) -> i64 {
        let stamp = self.tick();
        let table = self.tables.entry(model).or_default();
        table.last += 1;
        let id = table.last;
        row.insert("id".into(), json!(id));
        row.insert("create_date".into(), datetime(stamp));
        row.insert("write_date".into(), Value::Null);
        row.insert("_stamp".into(), json!(stamp));
        if let Some(parent) = self.schema.parent_field(model)
            && let Some(parent) = row.get(parent).and_then(Value::as_i64)
        {
            self.children.entry((model, parent)).or_default().push(id);
        }
        for field in ["origin", "shipment"] {
            if let Some(text) = row.get(field).and_then(Value::as_str) {
                let place = self.referring.entry((field, text.to_owned()));
                place.or_default().push((model, id));
            }
        }
        table.rows.insert(id, row);
        id
    }

    pub fn row(&self, model: &str, id: i64) -> Result<&Row, Trouble> {
        self.tables.get(model).and_then(|table| table.rows.get(&id)).ok_or(Trouble::NotFound)
    }

    /// A stored field; Null when the record or the field is not there.
    pub fn get(&self, model: &str, id: i64, field: &str) -> Value {
        let row = self.row(model, id).ok();
        row.and_then(|row| row.get(field)).cloned().unwrap_or_default()
    }

    pub fn text(&self, model: &str, id: i64, field: &str) -> String {
        match self.get(model, id, field) {
            Value::String(text) => text,
            _ => String::new(),
        }
    }

    pub fn id_in(&self, model: &str, id: i64, field: &str) -> Option<i64> {
        self.get(model, id, field).as_i64()
    }

    pub fn amount(&self, model: &str, id: i64, field: &str) -> Decimal {
        money::read(&self.get(model, id, field)).unwrap_or_default()
    }

    /// Whether a field is stored as another text, so that the record need not be looked at closely.
    pub fn differs(&self, model: &str, id: i64, plain: &[(&str, &str)]) -> bool {
        let Ok(row) = self.row(model, id) else { return false };
        plain.iter().any(|(field, text)| {
            row.get(*field).and_then(Value::as_str).is_some_and(|stored| stored != *text)
        })
    }

    /// Writes a field and marks the record as written.
    pub fn set(&mut self, model: &'static str, id: i64, field: &str, value: Value) {
        let stamp = self.tick();
        let Some(row) = self.tables.get_mut(model).and_then(|table| table.rows.get_mut(&id)) else {
            return;
        };
        row.insert("write_date".into(), datetime(stamp));
        row.insert("_stamp".into(), json!(stamp));
        for name in ["origin", "shipment"] {
            if field == name
                && let Some(text) = value.as_str()
            {
                let place = self.referring.entry((name, text.to_owned()));
                place.or_default().push((model, id));
            }
        }
        row.insert(field.to_owned(), value);
    }

    pub fn remove(&mut self, model: &'static str, id: i64) {
        if let Some(table) = self.tables.get_mut(model) {
            table.rows.remove(&id);
        }
        for ((of, _), ids) in &mut self.children {
            if *of == model {
                ids.retain(|child| *child != id);
            }
        }
        for ids in self.referring.values_mut() {
            ids.retain(|(of, child)| *of != model || *child != id);
        }
    }

    pub fn ids(&self, model: &str) -> Vec<i64> {
        let table = self.tables.get(model);
        table.map(|table| table.rows.keys().copied().collect()).unwrap_or_default()
    }

    pub fn children(&self, model: &'static str, parent: i64) -> Vec<i64> {
        let ids = self.children.get(&(model, parent));
        ids.cloned().unwrap_or_default()
    }

    /// Records of `model` whose `field` (`origin` or `shipment`) names the record.
    pub fn referring(
        &self,
        model: &'static str,
        field: &'static str,
        to: &str,
        to_id: i64,
    ) -> Vec<i64> {
        let key = (field, format!("{to},{to_id}"));
        let of = self.referring.get(&key).into_iter().flatten();
        of.filter(|(name, id)| *name == model && self.get(model, *id, field) == key.1.as_str())
            .map(|(_, id)| *id)
            .collect()
    }

    pub fn next_number(&mut self, sequence: &'static str) -> String {
        let number = self.sequences.entry(sequence).or_insert(0);
        *number += 1;
        number.to_string()
    }

    /// Microseconds since 1970, never the same twice: `_timestamp` tells two writes apart.
    fn tick(&mut self) -> i64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as i64);
        self.last_us = now.max(self.last_us + 1);
        self.last_us
    }
}

pub fn decimal(amount: Decimal, digits: u32) -> Value {
    let mut amount = money::round(amount, digits);
    amount.rescale(digits);
    json!({"__class__": "Decimal", "decimal": amount.to_string()})
}

/// `2026-04-02` -> Tryton's date.
pub fn date(text: &str) -> Value {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().unwrap_or(0));
    json!({
        "__class__": "date",
        "year": parts.next().unwrap_or(1970),
        "month": parts.next().unwrap_or(1),
        "day": parts.next().unwrap_or(1),
    })
}

fn datetime(stamp_us: i64) -> Value {
    let at = Timestamp::from_microsecond(stamp_us).unwrap_or_default();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    json!({
        "__class__": "datetime", "year": at.year(), "month": at.month(), "day": at.day(),
        "hour": at.hour(), "minute": at.minute(), "second": at.second(),
        "microsecond": stamp_us.rem_euclid(1_000_000),
    })
}

/// A date or datetime as text that sorts as time does; None for anything else.
pub fn moment(value: &Value) -> Option<String> {
    let part = |name: &str| value[name].as_i64().unwrap_or(0);
    let day = format!("{:04}-{:02}-{:02}", part("year"), part("month"), part("day"));
    match value["__class__"].as_str()? {
        "date" => Some(day),
        "datetime" => Some(format!(
            "{day}T{:02}:{:02}:{:02}.{:06}",
            part("hour"),
            part("minute"),
            part("second"),
            part("microsecond")
        )),
        _ => None,
    }
}
