//! Writes values as JSON. A record, a case and flags know their names, so no schema is needed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::SAFE_INTEGER_MAX;
use crate::{MapKey, Value, snake};

/// An optional field that is absent is left out.
pub fn write(value: &Value) -> String {
    // Fails only on map keys that are no strings and on I/O: neither can be here.
    serde_json::to_string(&Json(value)).unwrap_or_default()
}

/// A value as a part of other JSON, for whoever serialises with serde.
pub struct Json<'a>(pub &'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null | Value::Optional(None) => out.serialize_unit(),
            Value::Bool(bool) => out.serialize_bool(*bool),
            Value::Int(number) if number.unsigned_abs() > SAFE_INTEGER_MAX => {
                out.collect_str(number)
            }
            Value::Int(number) => out.serialize_i64(*number),
            Value::Uint(number) if *number > SAFE_INTEGER_MAX => out.collect_str(number),
            Value::Uint(number) => out.serialize_u64(*number),
            Value::Double(number) if number.is_finite() => out.serialize_f64(*number),
            Value::Double(number) if number.is_nan() => out.serialize_str("NaN"),
            Value::Double(number) if *number > 0.0 => out.serialize_str("Infinity"),
            Value::Double(_) => out.serialize_str("-Infinity"),
            Value::String(text) | Value::Type(text) => out.serialize_str(text),
            Value::Bytes(bytes) => out.serialize_str(&STANDARD.encode(bytes)),
            Value::Decimal(decimal) => out.collect_str(decimal),
            Value::Timestamp(timestamp) => out.collect_str(timestamp),
            Value::Duration(duration) => out.collect_str(duration),
            Value::List(items) => out.collect_seq(items.iter().map(Json)),
            Value::Map(map) => {
                out.collect_map(map.iter().map(|(key, value)| (Key(key), Json(value))))
            }
            Value::Record(record) => {
                let mut object = out.serialize_map(None)?;
                for (field, value) in record.ty.fields.iter().zip(&record.fields) {
                    if !matches!(value, Value::Null | Value::Optional(None)) {
                        object.serialize_entry(&field.json, &Json(value))?;
                    }
                }
                object.end()
            }
            Value::Variant(variant) => {
                let name = variant.ty.cases.get(variant.case).map_or("", |case| &case.json);
                match &variant.payload {
                    None => out.serialize_str(name),
                    Some(payload) => out.collect_map([(name, Json(payload))]),
                }
            }
            Value::Result(Ok(value)) => out.collect_map([("ok", Json(value))]),
            Value::Result(Err(value)) => out.collect_map([("err", Json(value))]),
            Value::Flags(ty, bits) => {
                let set = ty.flags.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                out.collect_seq(set.map(|(_, name)| snake(name)))
            }
            Value::Optional(Some(value)) => Json(value).serialize(out),
        }
    }
}

struct Key<'a>(&'a MapKey);

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            MapKey::Bool(key) => out.collect_str(key),
            MapKey::Int(key) => out.collect_str(key),
            MapKey::Uint(key) => out.collect_str(key),
            MapKey::String(key) => out.serialize_str(key),
        }
    }
}
