//! Tryton's JSON: decimals, dates and datetimes are tagged objects; a record's fields are read by
//! name, dotted fields as nested records.

use crossdock_sdk::{Decimal, decimal, time};
use serde_json::{Value, json};

pub fn decimal(decimal: Decimal) -> Value {
    json!({"__class__": "Decimal", "decimal": decimal::text(decimal)})
}

/// A total as Tryton rounds it to the minor unit of its currency: half to even. Invoices are refused
/// whose totals are not Tryton's.
pub fn round_total(amount: Decimal, currency: &str) -> Decimal {
    amount.round_dp(decimal::exponent(currency))
}

/// `YYYY-MM-DD`, or the date of a timestamp.
pub fn date(text: &str) -> Value {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<u32>().ok());
    match (part(0..4), part(5..7), part(8..10)) {
        (Some(year), Some(month), Some(day)) => {
            json!({"__class__": "date", "year": year, "month": month, "day": day})
        }
        _ => Value::Null,
    }
}

/// A contract timestamp as Tryton's datetime, which is UTC.
pub fn datetime(timestamp: &str) -> Value {
    let Some(utc) = time::normalise(timestamp) else { return Value::Null };
    let part = |from: usize| utc.get(from..from + 2).and_then(|t| t.parse::<u32>().ok());
    let mut value = date(&utc);
    if value.is_null() {
        return value;
    }
    value["__class__"] = "datetime".into();
    value["hour"] = part(11).into();
    value["minute"] = part(14).into();
    value["second"] = part(17).into();
    value["microsecond"] = 0.into();
    value
}

/// A record as REST or JSON-RPC answers it.
#[derive(Clone, Debug)]
pub struct Record(pub Value);

impl Record {
    pub fn id(&self) -> i64 {
        self.0["id"].as_i64().unwrap_or_default()
    }

    pub fn text(&self, field: &str) -> Option<String> {
        let text = self.at(field).as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A selection; empty when it is not set.
    pub fn state(&self, field: &str) -> &str {
        self.at(field).as_str().unwrap_or_default()
    }

    /// On SQLite Tryton answers 1 where it answers `true` on PostgreSQL.
    pub fn flag(&self, field: &str) -> bool {
        let value = self.at(field);
        value.as_bool().or_else(|| Some(value.as_i64()? != 0)).unwrap_or_default()
    }

    /// The id of a many2one, whether it was read plain or with fields of its own.
    pub fn many2one(&self, field: &str) -> Option<i64> {
        let value = self.at(field);
        value.as_i64().or_else(|| value.get("id")?.as_i64())
    }

    /// Amounts are Decimals, quantities plain numbers: both come out exact, by their digits.
    pub fn decimal(&self, field: &str) -> Option<Decimal> {
        decimal::from_json(self.at(field))
    }

    pub fn decimal_or_zero(&self, field: &str) -> Decimal {
        self.decimal(field).unwrap_or_default()
    }

    pub fn date(&self, field: &str) -> Option<String> {
        let value = self.at(field);
        let part = |name: &str| value.get(name)?.as_i64();
        Some(format!("{:04}-{:02}-{:02}", part("year")?, part("month")?, part("day")?))
    }

    pub fn timestamp(&self, field: &str) -> Option<String> {
        let value = self.at(field);
        let part = |name: &str| value.get(name)?.as_i64();
        let date = self.date(field)?;
        let (hour, minute, second) = (part("hour")?, part("minute")?, part("second")?);
        Some(format!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
    }

    /// When the record was last changed; a record that was never changed has only a creation.
    pub fn changed_at(&self) -> Option<String> {
        self.timestamp("write_date").or_else(|| self.timestamp("create_date"))
    }

    /// Rises with each change: microseconds of the last one.
    pub fn version(&self) -> u64 {
        let field =
            if self.timestamp("write_date").is_some() { "write_date" } else { "create_date" };
        let seconds = self.timestamp(field).and_then(|text| time::parse(&text)).unwrap_or_default();
        let micros = self.at(field)["microsecond"].as_i64().unwrap_or_default();
        u64::try_from(seconds * 1_000_000 + micros).unwrap_or_default()
    }

    /// A one2many read with fields of its own.
    pub fn records(&self, field: &str) -> Vec<Record> {
        let Some(items) = self.at(field).as_array() else { return Vec::new() };
        items.iter().filter(|item| item.is_object()).cloned().map(Record).collect()
    }

    /// The ids of a one2many, whether it was read plain or with fields of its own.
    pub fn ids(&self, field: &str) -> Vec<i64> {
        let Some(items) = self.at(field).as_array() else { return Vec::new() };
        items.iter().filter_map(|item| item.as_i64().or_else(|| item["id"].as_i64())).collect()
    }

    /// `party.code` goes through the nested records.
    fn at(&self, field: &str) -> &Value {
        field.split('.').fold(&self.0, |value, part| &value[part])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_rounded_half_to_even() {
        let check = |amount: &str, currency: &str, expect: &str| {
            let rounded = round_total(decimal::parse(amount).unwrap(), currency);
            assert_eq!(decimal::text(rounded), expect, "{amount} {currency}");
        };
        check("112.5", "JPY", "112");
        check("113.5", "JPY", "114");
        check("-0.125", "USD", "-0.12");
        check("0.2325", "KWD", "0.232");
    }

    #[test]
    fn tagged_values_are_read_and_written() {
        assert_eq!(
            date("2026-04-02"),
            json!({"__class__": "date", "year": 2026, "month": 4, "day": 2})
        );
        assert_eq!(datetime("2026-04-02T10:05:07Z")["minute"], 5);
        let record = Record(json!({
            "id": 4, "party": {"id": 1, "code": "C-1001"}, "warehouse": 2,
            "total_amount": {"__class__": "Decimal", "decimal": "447.00"}, "quantity": 3.0,
            "sale_date": {"__class__": "date", "year": 2026, "month": 4, "day": 2},
            "write_date": null,
            "create_date": {"__class__": "datetime", "year": 2026, "month": 4, "day": 2,
                            "hour": 10, "minute": 5, "second": 7, "microsecond": 12},
            "lines": [{"id": 9, "product": 2}], "active": 1, "salable": true, "delivery": 0,
        }));
        assert_eq!(record.text("party.code").as_deref(), Some("C-1001"));
        assert_eq!((record.many2one("party"), record.many2one("warehouse")), (Some(1), Some(2)));
        assert_eq!(record.decimal("total_amount"), decimal::parse("447").ok());
        assert_eq!(record.decimal("quantity"), decimal::parse("3").ok());
        assert_eq!(record.date("sale_date").as_deref(), Some("2026-04-02"));
        assert_eq!(record.changed_at().as_deref(), Some("2026-04-02T10:05:07Z"));
        assert_eq!(record.ids("lines"), [9]);
        let flags = ["active", "salable", "delivery", "none"].map(|field| record.flag(field));
        assert_eq!(flags, [true, true, false, false]);
    }
}
