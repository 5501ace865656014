//! A value of an expression made into a value of a contract type at run time: optionals become raw
//! options, maps become records, integers widen, dyn is proven. Reasons name places, never data.

use std::sync::Arc;

use contract::{Decimal, MapKey, Scalar, Type, Value};

/// `Err` is the reason, with the place inside the value.
pub fn convert(value: Value, to: &Type) -> Result<Value, String> {
    let value = match value {
        Value::Optional(Some(inner)) => return convert(Arc::unwrap_or_clone(inner), to),
        Value::Optional(None) => Value::Null,
        other => other,
    };
    let no =
        |value: &Value| Err(format!("expected {}, found {}", crate::fit::show(to), kind(value)));
    match (to, value) {
        (Type::Option(_), Value::Null) => Ok(Value::Null),
        (Type::Option(inner), value) => convert(value, inner),
        (Type::Bool, value @ Value::Bool(_))
        | (Type::Bytes, value @ Value::Bytes(_))
        | (Type::String, value @ Value::String(_))
        | (Type::Scalar(Scalar::Decimal), value @ Value::Decimal(_))
        | (Type::Scalar(Scalar::Timestamp), value @ Value::Timestamp(_))
        | (Type::Scalar(Scalar::Duration), value @ Value::Duration(_)) => Ok(value),
        (Type::S8, value) => integer(value, i8::MIN.into(), i8::MAX.into()),
        (Type::S16, value) => integer(value, i16::MIN.into(), i16::MAX.into()),
        (Type::S32, value) => integer(value, i32::MIN.into(), i32::MAX.into()),
        (Type::S64, value) => integer(value, i64::MIN, i64::MAX),
        (Type::U8, value) => integer(value, 0, u8::MAX.into()),
        (Type::U16, value) => integer(value, 0, u16::MAX.into()),
        (Type::U32, value) => integer(value, 0, u32::MAX.into()),
        (Type::U64, Value::Uint(number)) => Ok(Value::Uint(number)),
        (Type::U64, Value::Int(number)) => u64::try_from(number)
            .map(Value::Uint)
            .map_err(|_| "a negative number does not fit an unsigned one".to_owned()),
        (Type::F32 | Type::F64, Value::Int(number)) => Ok(Value::Double(number as f64)),
        (Type::F32 | Type::F64, Value::Uint(number)) => Ok(Value::Double(number as f64)),
        (Type::F64, value @ Value::Double(_)) => Ok(value),
        (Type::F32, Value::Double(number)) => match number as f32 {
            narrow if narrow.is_finite() || !number.is_finite() => {
                Ok(Value::Double(f64::from(narrow)))
            }
            _ => Err("the number is too large for 32 bits".to_owned()),
        },
        (Type::Scalar(Scalar::Decimal), Value::Int(number)) => {
            Ok(Value::Decimal(Decimal::from(number)))
        }
        (Type::Scalar(Scalar::Decimal), Value::Uint(number)) => {
            Ok(Value::Decimal(Decimal::from(number)))
        }
        (Type::Char, Value::String(text)) => {
            if text.chars().count() == 1 {
                Ok(Value::String(text))
            } else {
                Err("expected a single character".to_owned())
            }
        }
        (Type::Scalar(scalar), Value::String(text)) => contract::check_scalar(*scalar, &text),
        (Type::List(element), Value::List(items)) => {
            let items = Arc::unwrap_or_clone(items);
            let converted = items.into_iter().enumerate().map(|(at, item)| {
                convert(item, element).map_err(|reason| under(&format!("[{at}]"), reason))
            });
            Ok(Value::list(converted.collect::<Result<_, _>>()?))
        }
        (Type::Tuple(wanted), Value::List(items)) if items.len() == wanted.len() => {
            let items = Arc::unwrap_or_clone(items).into_iter().zip(wanted.iter()).enumerate();
            let converted = items.map(|(at, (item, wanted))| {
                convert(item, wanted).map_err(|reason| under(&format!("[{at}]"), reason))
            });
            Ok(Value::list(converted.collect::<Result<_, _>>()?))
        }
        (Type::Record(wanted), Value::Record(record)) => {
            if Arc::ptr_eq(wanted, &record.ty) || *wanted == record.ty {
                return Ok(Value::Record(record));
            }
            build(wanted, &|json| {
                record.ty.field(json).and_then(|at| record.fields.get(at)).cloned()
            })
        }
        (Type::Record(wanted), Value::Map(map)) => {
            for key in map.keys() {
                let known = matches!(key, MapKey::String(name) if wanted.field(name).is_some());
                if !known {
                    return Err(format!(
                        "{} has no such field as one of the map",
                        wanted.name.name
                    ));
                }
            }
            build(wanted, &|json| map.get(&MapKey::String(json.into())).cloned())
        }
        (Type::Variant(wanted), Value::Variant(variant)) => {
            if *wanted == variant.ty {
                return Ok(Value::Variant(variant));
            }
            let Some(case) = variant.ty.cases.get(variant.case) else { return no(&Value::Null) };
            match wanted.case(&case.json) {
                Some(at) => with_payload(wanted, at, variant.payload.clone()),
                None => match wanted.case("other") {
                    Some(at) if wanted.cases[at].payload == Some(Type::String) => Ok(
                        Value::variant(wanted.clone(), at, Some(Value::string(case.json.as_str()))),
                    ),
                    _ => Err(format!("{} has no case `{}`", wanted.name.name, case.json)),
                },
            }
        }
        (Type::Variant(wanted), Value::String(name)) => match wanted.case(&name) {
            Some(at) => with_payload(wanted, at, None),
            None => Err(format!("the text is no case of {}", wanted.name.name)),
        },
        (Type::Variant(wanted), Value::Map(map)) => match map.iter().next() {
            Some((MapKey::String(name), payload)) if map.len() == 1 => match wanted.case(name) {
                Some(at) => with_payload(wanted, at, Some(payload.clone())),
                None => Err(format!("the key is no case of {}", wanted.name.name)),
            },
            _ => Err(format!("{} is written as a map of one case", wanted.name.name)),
        },
        (Type::Result { ok, err }, Value::Result(result)) => {
            let (wanted, payload) = match &result {
                Ok(payload) => (ok, payload),
                Err(payload) => (err, payload),
            };
            let payload = Arc::new(side(wanted, (**payload).clone())?);
            Ok(Value::Result(if result.is_ok() { Ok(payload) } else { Err(payload) }))
        }
        (Type::Result { ok, err }, Value::Map(map)) if map.len() == 1 => match map.iter().next() {
            Some((MapKey::String(name), payload)) if &**name == "ok" => {
                Ok(Value::Result(Ok(Arc::new(side(ok, payload.clone())?))))
            }
            Some((MapKey::String(name), payload)) if &**name == "err" => {
                Ok(Value::Result(Err(Arc::new(side(err, payload.clone())?))))
            }
            _ => Err("a result is written `{'ok': ...}` or `{'err': ...}`".to_owned()),
        },
        (Type::Flags(wanted), Value::Flags(ty, bits)) => {
            let names = ty.flags.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            flags(wanted, names.map(|(_, name)| contract_snake(name)))
        }
        (Type::Flags(wanted), Value::List(items)) => {
            let mut names = Vec::new();
            for item in items.iter() {
                names.push(item.as_str().ok_or("flags are a list of names")?.to_owned());
            }
            flags(wanted, names.into_iter())
        }
        (_, value) => no(&value),
    }
}

fn side(wanted: &Option<Arc<Type>>, payload: Value) -> Result<Value, String> {
    wanted.as_ref().map_or(Ok(Value::Null), |wanted| convert(payload, wanted))
}

fn integer(value: Value, min: i64, max: i64) -> Result<Value, String> {
    let number = match value {
        Value::Int(number) => number,
        Value::Uint(number) => i64::try_from(number).map_err(|_| out_of_range(min, max))?,
        other => return Err(format!("expected an integer, found {}", kind(&other))),
    };
    if (min..=max).contains(&number) { Ok(Value::Int(number)) } else { Err(out_of_range(min, max)) }
}

fn out_of_range(min: i64, max: i64) -> String {
    format!("the number is not between {min} and {max}")
}

fn build(
    wanted: &Arc<contract::Record>,
    named: &dyn Fn(&str) -> Option<Value>,
) -> Result<Value, String> {
    let fields = wanted.fields.iter().map(|field| match (named(&field.json), &field.ty) {
        (None, Type::Option(_)) => Ok(Value::Null),
        (None, _) => Err(format!("{} needs the field `{}`", wanted.name.name, field.json)),
        (Some(value), ty) => convert(value, ty).map_err(|reason| under(&field.json, reason)),
    });
    Ok(Value::record(wanted.clone(), fields.collect::<Result<_, _>>()?))
}

fn with_payload(
    wanted: &Arc<contract::Variant>,
    at: usize,
    payload: Option<Value>,
) -> Result<Value, String> {
    let case = &wanted.cases[at];
    let payload = match (&case.payload, payload) {
        (None, _) => None,
        (Some(Type::Option(_)), None) => Some(Value::Null),
        (Some(_), None) => {
            return Err(format!(
                "the case `{}` of {} carries a value",
                case.json, wanted.name.name
            ));
        }
        (Some(ty), Some(payload)) => {
            Some(convert(payload, ty).map_err(|reason| under(&case.json, reason))?)
        }
    };
    Ok(Value::variant(wanted.clone(), at, payload))
}

fn flags(
    wanted: &Arc<contract::Flags>,
    names: impl Iterator<Item = String>,
) -> Result<Value, String> {
    let mut bits = 0;
    for name in names {
        let at = wanted.flags.iter().position(|flag| contract_snake(flag) == contract_snake(&name));
        bits |= 1u64
            << at
                .filter(|at| *at < 64)
                .ok_or_else(|| format!("{} has no such flag", wanted.name.name))?;
    }
    Ok(Value::Flags(wanted.clone(), bits))
}

pub fn contract_snake(kebab: &str) -> String {
    kebab.replace('-', "_")
}

fn under(step: &str, reason: String) -> String {
    match reason.strip_prefix("at `") {
        Some(rest) if rest.starts_with('[') => format!("at `{step}{rest}"),
        Some(rest) => format!("at `{step}.{rest}"),
        None => format!("at `{step}`: {reason}"),
    }
}

/// What a value is, without its data.
pub fn kind(value: &Value) -> &str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Uint(_) => "uint",
        Value::Double(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Decimal(_) => "decimal",
        Value::Timestamp(_) => "timestamp",
        Value::Duration(_) => "duration",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Record(record) => &record.ty.name.name,
        Value::Variant(variant) => &variant.ty.name.name,
        Value::Result(_) => "result",
        Value::Flags(flags, _) => &flags.name.name,
        Value::Optional(_) => "optional",
        Value::Type(_) => "type",
    }
}
