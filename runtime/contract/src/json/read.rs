//! Reads JSON straight into values of a type, in one pass and without a tree in between. A wrong
//! part is noted and skipped, so that one run finds everything that is wrong.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Reading, SAFE_INTEGER_MAX, Unknown};
use crate::check::{expected, float_fits, integer_range, one_of};
use crate::scalar::check_scalar;
use crate::violation::{Path, quoted, suggestion};
use crate::{Flags, Record, Type, Value, Variant, snake};

/// Reads one value of `ty`; the seed and the visitor in one.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    pub ty: &'a Type,
    pub path: Path<'a>,
    pub reading: &'a Reading,
}

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.reading.count(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Typed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&expected(self.ty))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        match self.ty {
            Type::Option(_) => Ok(Value::Null),
            _ => self.wrong("null"),
        }
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Value, E> {
        match self.some() {
            Type::Bool => Ok(Value::Bool(bool)),
            _ => self.wrong("a boolean"),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.integer(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        self.integer(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        let whole = number.fract() == 0.0 && number.abs() <= SAFE_INTEGER_MAX as f64;
        match self.some() {
            Type::F32 | Type::F64 => self.float(number),
            // `1.0` is a whole number to JSON; beyond 2^53 digits may have been lost.
            ty if integer_range(ty).is_some() && whole => self.integer(number as i128),
            _ => self.wrong("a number with a fraction or an exponent"),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.some() {
            Type::String => Ok(Value::string(text)),
            Type::Char => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(_), None) => Ok(Value::string(text)),
                    _ => self.wrong("a string of another length"),
                }
            }
            Type::Bytes => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Value::Bytes(bytes.into())),
                Err(why) => self.violation(format!("not base64: {why}")),
            },
            Type::Scalar(scalar) => match check_scalar(*scalar, text) {
                Ok(value) => Ok(value),
                Err(why) => self.violation(why),
            },
            Type::S64 | Type::U64 => match text.strip_prefix('+').is_none().then(|| text.parse()) {
                Some(Ok(number)) => self.integer(number),
                _ => self.wrong("a string that is no whole number"),
            },
            Type::F32 | Type::F64 => match text {
                "NaN" => Ok(Value::Double(f64::NAN)),
                "Infinity" => Ok(Value::Double(f64::INFINITY)),
                "-Infinity" => Ok(Value::Double(f64::NEG_INFINITY)),
                _ => self.wrong("a string"),
            },
            Type::Variant(variant) => self.named_case(variant, text),
            _ => self.wrong("a string"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        match self.some() {
            Type::List(element) => self.list(element, seq),
            Type::Tuple(elements) => self.tuple(elements, seq),
            Type::Flags(flags) => self.flags(flags, seq),
            _ => {
                skip_seq(seq)?;
                self.wrong("an array")
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match self.some() {
            Type::Record(record) => self.record(record, map),
            Type::Variant(variant) => self.case_with_payload(variant, map),
            Type::Result { ok, err } => self.result(ok.as_deref(), err.as_deref(), map),
            _ => {
                skip_map(map)?;
                self.wrong("an object")
            }
        }
    }
}

impl<'a> Typed<'a> {
    /// The type of a value that is there.
    fn some(&self) -> &'a Type {
        match self.ty {
            Type::Option(inner) => inner,
            ty => ty,
        }
    }

    fn wrong<E: Error>(&self, found: &str) -> Result<Value, E> {
        self.violation(format!("expected {}, found {found}", expected(self.ty)))
    }

    fn violation<E: Error>(&self, reason: String) -> Result<Value, E> {
        self.reading.violation(&self.path, reason)
    }

    fn integer<E: Error>(&self, number: i128) -> Result<Value, E> {
        let ty = self.some();
        if matches!(ty, Type::F32 | Type::F64) {
            return self.float(number as f64);
        }
        let Some(range) = integer_range(ty) else { return self.wrong("a number") };
        if !range.contains(&number) {
            return self.wrong(&number.to_string());
        }
        // In range, so neither conversion can lose anything.
        Ok(match ty {
            Type::U64 => Value::Uint(number as u64),
            _ => Value::Int(number as i64),
        })
    }

    fn float<E: Error>(&self, number: f64) -> Result<Value, E> {
        match self.some() {
            Type::F32 if !float_fits(number) => self.wrong("a number beyond it"),
            Type::F32 => Ok(Value::Double(f64::from(number as f32))),
            _ => Ok(Value::Double(number)),
        }
    }

    fn list<'de, A: SeqAccess<'de>>(&self, ty: &Type, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let path = Path::Index(&self.path, items.len());
            match seq.next_element_seed(Typed { ty, path, reading: self.reading })? {
                Some(item) => items.push(item),
                None => return Ok(Value::list(items)),
            }
        }
    }

    fn tuple<'de, A: SeqAccess<'de>>(&self, types: &[Type], mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(types.len());
        for (at, ty) in types.iter().enumerate() {
            let path = Path::Index(&self.path, at);
            match seq.next_element_seed(Typed { ty, path, reading: self.reading })? {
                Some(item) => items.push(item),
                None => return self.wrong("a shorter one"),
            }
        }
        if seq.next_element::<IgnoredAny>()?.is_some() {
            skip_seq(seq)?;
            return self.wrong("a longer one");
        }
        Ok(Value::list(items))
    }

    fn flags<'de, A: SeqAccess<'de>>(
        &self,
        flags: &Arc<Flags>,
        mut seq: A,
    ) -> Result<Value, A::Error> {
        let mut bits = 0;
        for at in 0.. {
            let path = Path::Index(&self.path, at);
            let name = Typed { ty: &Type::String, path, reading: self.reading };
            let Some(name) = seq.next_element_seed(name)? else { break };
            let Value::String(name) = name else { continue };
            match flags.flags.iter().position(|flag| same_name(flag, &name)) {
                Some(bit) => bits |= 1 << bit,
                None => {
                    let known: Vec<String> = flags.flags.iter().map(|flag| snake(flag)).collect();
                    let near = suggestion(&name, known.iter().map(String::as_str));
                    let reason = format!("unknown flag {}{near}", quoted(&name));
                    self.reading.violation(&path, reason)?;
                }
            }
        }
        Ok(Value::Flags(flags.clone(), bits))
    }

    fn record<'de, A: MapAccess<'de>>(
        &self,
        record: &Arc<Record>,
        mut map: A,
    ) -> Result<Value, A::Error> {
        self.reading.count(record.fields.len())?;
        let mut fields: Vec<Option<Value>> = vec![None; record.fields.len()];
        let mut next = 0;
        while let Some(key) = map.next_key_seed(FieldName { record, next })? {
            let at = match key {
                Key::Known(at) => at,
                Key::Unknown(_) if self.reading.unknown == Unknown::Drop => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Key::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    let known = record.fields.iter().map(|field| field.json.as_str());
                    let reason = format!("unknown field{}", suggestion(&name, known));
                    self.reading.violation(&Path::Field(&self.path, &name), reason)?;
                    continue;
                }
            };
            next = at + 1;
            let field = &record.fields[at];
            let path = Path::Field(&self.path, &field.json);
            if fields[at].is_some() {
                map.next_value::<IgnoredAny>()?;
                self.reading.violation(&path, "given twice".into())?;
                continue;
            }
            let seed = Typed { ty: &field.ty, path, reading: self.reading };
            fields[at] = Some(map.next_value_seed(seed)?);
        }
        // Collected in place: no second allocation.
        let complete = fields.into_iter().enumerate().map(|(at, value)| match value {
            Some(value) => Ok(value),
            None if matches!(record.fields[at].ty, Type::Option(_)) => Ok(Value::Null),
            None => {
                let field = &record.fields[at];
                let path = Path::Field(&self.path, &field.json);
                let reason = format!("missing; expected {}", expected(&field.ty));
                self.reading.violation(&path, reason)
            }
        });
        let values = complete.collect::<Result<Vec<Value>, A::Error>>()?;
        Ok(Value::record(record.clone(), values))
    }

    /// A case given by its name alone: without payload, or with an optional one that is absent.
    fn named_case<E: Error>(&self, variant: &Arc<Variant>, name: &str) -> Result<Value, E> {
        let Some(at) = variant.case(name) else { return self.unknown_case(variant, name) };
        match &variant.cases[at].payload {
            None => Ok(Value::variant(variant.clone(), at, None)),
            Some(Type::Option(_)) => Ok(Value::variant(variant.clone(), at, Some(Value::Null))),
            Some(payload) => self.violation(format!(
                "case `{name}` carries a value: write {{\"{name}\": ...}} with {}",
                expected(payload)
            )),
        }
    }

    fn case_with_payload<'de, A: MapAccess<'de>>(
        &self,
        variant: &Arc<Variant>,
        mut map: A,
    ) -> Result<Value, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return self.wrong("an empty object");
        };
        let path = Path::Field(&self.path, &name);
        let case = variant.case(&name);
        let value = match case.map(|at| (at, &variant.cases[at].payload)) {
            Some((at, Some(ty))) => {
                let payload = Typed { ty, path, reading: self.reading };
                let payload = map.next_value_seed(payload)?;
                Value::variant(variant.clone(), at, Some(payload))
            }
            Some((_, None)) => {
                map.next_value::<IgnoredAny>()?;
                self.violation(format!("case `{name}` carries no value: write \"{name}\""))?
            }
            None => {
                map.next_value::<IgnoredAny>()?;
                self.unknown_case(variant, &name)?
            }
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value::<IgnoredAny>()?;
            skip_map(map)?;
            return self.violation("a case is an object with exactly one key".into());
        }
        Ok(value)
    }

    fn unknown_case<E: Error>(&self, variant: &Variant, name: &str) -> Result<Value, E> {
        let near = suggestion(name, variant.cases.iter().map(|case| case.json.as_str()));
        let other = match (near.as_str(), variant.case("other")) {
            ("", Some(at)) if variant.cases[at].payload == Some(Type::String) => {
                "; what is not listed is written {\"other\": \"...\"}"
            }
            _ => "",
        };
        self.violation(format!("{} is not {}{near}{other}", quoted(name), one_of(variant)))
    }

    fn result<'de, A: MapAccess<'de>>(
        &self,
        ok: Option<&Type>,
        err: Option<&Type>,
        mut map: A,
    ) -> Result<Value, A::Error> {
        let name = map.next_key::<String>()?;
        let side = match name.as_deref() {
            Some("ok") => ok,
            Some("err") => err,
            Some(_) => {
                map.next_value::<IgnoredAny>()?;
                skip_map(map)?;
                return self.wrong("another key");
            }
            None => return self.wrong("an empty object"),
        };
        let is_ok = name.as_deref() == Some("ok");
        let path = Path::Field(&self.path, if is_ok { "ok" } else { "err" });
        let value = match side {
            Some(ty) => map.next_value_seed(Typed { ty, path, reading: self.reading })?,
            None => {
                if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                    self.reading.violation(&path, "expected null: it carries no value".into())?;
                }
                Value::Null
            }
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value::<IgnoredAny>()?;
            skip_map(map)?;
            return self.wrong("an object with more keys");
        }
        Ok(Value::Result(if is_ok { Ok(value.into()) } else { Err(value.into()) }))
    }
}

/// Finds a field by its JSON name, trying first the one after the last: most writers keep the order.
struct FieldName<'a> {
    record: &'a Record,
    next: usize,
}

enum Key {
    Known(usize),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for FieldName<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        let fields = &self.record.fields;
        if fields.get(self.next).is_some_and(|field| field.json == name) {
            return Ok(Key::Known(self.next));
        }
        Ok(match self.record.field(name) {
            Some(at) => Key::Known(at),
            None => Key::Unknown(name.to_owned()),
        })
    }
}

fn same_name(kebab: &str, json: &str) -> bool {
    kebab.len() == json.len() && snake(kebab) == json
}

fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}
