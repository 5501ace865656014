//! Contract values to wasmtime's and back, walking the contract type of the operation. What comes
//! back from a guest is checked on the way: a scalar that is none is a violation, by JSON Pointer.

use std::sync::Arc;

use contract::{Type, Value, Violation, check_scalar};
use wasmtime::component::Val;

/// A guest cannot make the host list more than this.
const VIOLATIONS_MAX: usize = 100;

/// A contract value as the argument of a call. Fields are matched by position where the value has
/// the very type, by name where it has another version of it: extra fields are left out.
pub(crate) fn lower(ty: &Type, value: &Value) -> Result<Val, Violation> {
    let unfit = || Err(violation(format!("is not what the operation takes: {}", named(ty))));
    Ok(match (ty, value) {
        (Type::Option(_), Value::Null) => Val::Option(None),
        (Type::Option(inner), value) => Val::Option(Some(Box::new(lower(inner, value)?))),
        (Type::Bool, Value::Bool(bool)) => Val::Bool(*bool),
        (Type::U64, Value::Uint(number)) => Val::U64(*number),
        (Type::F32, Value::Double(number)) => Val::Float32(*number as f32),
        (Type::F64, Value::Double(number)) => Val::Float64(*number),
        (_, Value::Int(number)) => return integer(ty, *number),
        (_, Value::Uint(number)) => match i64::try_from(*number) {
            Ok(number) => return integer(ty, number),
            Err(_) => return unfit(),
        },
        (Type::Char, Value::String(text)) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(char), None) => Val::Char(char),
                _ => return unfit(),
            }
        }
        (Type::String | Type::Scalar(_), Value::String(text)) => Val::String(text.to_string()),
        (Type::Scalar(_), Value::Decimal(_) | Value::Timestamp(_) | Value::Duration(_)) => {
            Val::String(scalar_text(value))
        }
        (Type::Bytes, Value::Bytes(bytes)) => {
            Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect())
        }
        (Type::List(item), Value::List(items)) => Val::List(
            items
                .iter()
                .enumerate()
                .map(|(at, value)| lower(item, value).map_err(|v| under(at, v)))
                .collect::<Result<_, _>>()?,
        ),
        (Type::Tuple(types), Value::List(items)) if types.len() == items.len() => Val::Tuple(
            types
                .iter()
                .zip(items.iter())
                .enumerate()
                .map(|(at, (ty, value))| lower(ty, value).map_err(|v| under(at, v)))
                .collect::<Result<_, _>>()?,
        ),
        (Type::Record(ty), Value::Record(record)) => {
            let same = Arc::ptr_eq(ty, &record.ty)
                || (ty.fields.len() == record.ty.fields.len()
                    && ty.fields.iter().zip(&record.ty.fields).all(|(a, b)| a.json == b.json));
            let mut fields = Vec::with_capacity(ty.fields.len());
            for (at, field) in ty.fields.iter().enumerate() {
                let at = if same { Some(at) } else { record.ty.field(&field.json) };
                let value = at.and_then(|at| record.fields.get(at)).unwrap_or(&Value::Null);
                let val = lower(&field.ty, value).map_err(|v| under(&field.json, v))?;
                fields.push((field.name.clone(), val));
            }
            Val::Record(fields)
        }
        (Type::Variant(ty), Value::Variant(variant)) => {
            let given = &variant.ty.cases[variant.case].json;
            let at = if Arc::ptr_eq(ty, &variant.ty) { Some(variant.case) } else { ty.case(given) };
            let Some(case) = at.map(|at| &ty.cases[at]) else { return unfit() };
            if ty.is_enum {
                return Ok(Val::Enum(case.name.clone()));
            }
            let payload = match (&case.payload, &variant.payload) {
                (None, _) => None,
                (Some(ty), payload) => {
                    let value = payload.as_ref().unwrap_or(&Value::Null);
                    Some(Box::new(lower(ty, value).map_err(|v| under(&case.json, v))?))
                }
            };
            Val::Variant(case.name.clone(), payload)
        }
        (Type::Result { ok, err }, Value::Result(result)) => Val::Result(match result {
            Ok(value) => Ok(lower_payload(ok.as_deref(), value).map_err(|v| under("ok", v))?),
            Err(value) => Err(lower_payload(err.as_deref(), value).map_err(|v| under("err", v))?),
        }),
        (Type::Flags(ty), Value::Flags(_, bits)) => Val::Flags(
            ty.flags
                .iter()
                .enumerate()
                .filter(|(at, _)| *at < 64 && bits >> at & 1 == 1)
                .map(|(_, name)| name.clone())
                .collect(),
        ),
        _ => return unfit(),
    })
}

/// A guest's answer as a checked contract value, or everything that is wrong with it.
pub(crate) fn lift(ty: &Type, val: Val) -> Result<Value, Vec<Violation>> {
    let mut lifting = Lifting { violations: Vec::new() };
    let value = lifting.lift(ty, val, &Path::Root);
    if lifting.violations.is_empty() {
        contract::check(ty, &value)?;
        Ok(value)
    } else {
        Err(lifting.violations)
    }
}

fn integer(ty: &Type, number: i64) -> Result<Val, Violation> {
    let fits = match ty {
        Type::S8 => i8::try_from(number).ok().map(Val::S8),
        Type::S16 => i16::try_from(number).ok().map(Val::S16),
        Type::S32 => i32::try_from(number).ok().map(Val::S32),
        Type::S64 => Some(Val::S64(number)),
        Type::U8 => u8::try_from(number).ok().map(Val::U8),
        Type::U16 => u16::try_from(number).ok().map(Val::U16),
        Type::U32 => u32::try_from(number).ok().map(Val::U32),
        Type::U64 => u64::try_from(number).ok().map(Val::U64),
        _ => None,
    };
    fits.ok_or_else(|| violation(format!("{number} does not fit {}", named(ty))))
}

fn lower_payload(ty: Option<&Type>, value: &Value) -> Result<Option<Box<Val>>, Violation> {
    ty.map(|ty| lower(ty, value).map(Box::new)).transpose()
}

/// Scalars travel as the text that their JSON form shows.
fn scalar_text(value: &Value) -> String {
    let json = contract::json::write(value);
    json.trim_matches('"').to_owned()
}

/// A type in few words; a whole record would fill the page.
fn named(ty: &Type) -> String {
    match ty {
        Type::List(_) => "a list".to_owned(),
        Type::Option(inner) => format!("an option of {}", named(inner)),
        Type::Tuple(types) => format!("a tuple of {}", types.len()),
        Type::Result { .. } => "a result".to_owned(),
        _ => match ty.name() {
            Some(name) => name.to_string(),
            None => format!("{ty:?}").to_lowercase(),
        },
    }
}

fn violation(reason: String) -> Violation {
    Violation { pointer: String::new(), reason }
}

fn under(segment: impl std::fmt::Display, inner: Violation) -> Violation {
    Violation { pointer: format!("/{segment}{}", inner.pointer), reason: inner.reason }
}

/// Where we are in the answer; written out only when something is wrong.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Field(parent, name) => format!("{}/{name}", parent.pointer()),
            Path::Item(parent, at) => format!("{}/{at}", parent.pointer()),
        }
    }
}

struct Lifting {
    violations: Vec<Violation>,
}

impl Lifting {
    fn lift(&mut self, ty: &Type, val: Val, path: &Path<'_>) -> Value {
        match (ty, val) {
            (Type::Option(_), Val::Option(None)) => Value::Null,
            (Type::Option(inner), Val::Option(Some(val))) => self.lift(inner, *val, path),
            (Type::Bool, Val::Bool(bool)) => Value::Bool(bool),
            (Type::S8, Val::S8(number)) => Value::Int(number.into()),
            (Type::S16, Val::S16(number)) => Value::Int(number.into()),
            (Type::S32, Val::S32(number)) => Value::Int(number.into()),
            (Type::S64, Val::S64(number)) => Value::Int(number),
            (Type::U8, Val::U8(number)) => Value::Int(number.into()),
            (Type::U16, Val::U16(number)) => Value::Int(number.into()),
            (Type::U32, Val::U32(number)) => Value::Int(number.into()),
            (Type::U64, Val::U64(number)) => Value::Uint(number),
            (Type::F32, Val::Float32(number)) => Value::Double(number.into()),
            (Type::F64, Val::Float64(number)) => Value::Double(number),
            (Type::Char, Val::Char(char)) => Value::string(char.to_string()),
            (Type::String, Val::String(text)) => Value::string(text),
            (Type::Scalar(scalar), Val::String(text)) => match check_scalar(*scalar, &text) {
                Ok(value) => value,
                Err(reason) => self.wrong(path, reason),
            },
            (Type::Bytes, Val::List(items)) => {
                let bytes = items.iter().map(|item| match item {
                    Val::U8(byte) => Some(*byte),
                    _ => None,
                });
                match bytes.collect::<Option<Vec<u8>>>() {
                    Some(bytes) => Value::Bytes(bytes.into()),
                    None => self.wrong(path, "is not a list of bytes".to_owned()),
                }
            }
            (Type::List(item), Val::List(items)) => {
                let items = items.into_iter().enumerate();
                Value::list(
                    items.map(|(at, v)| self.lift(item, v, &Path::Item(path, at))).collect(),
                )
            }
            (Type::Tuple(types), Val::Tuple(items)) if types.len() == items.len() => {
                let items = types.iter().zip(items).enumerate();
                let lifted = items.map(|(at, (ty, v))| self.lift(ty, v, &Path::Item(path, at)));
                Value::list(lifted.collect())
            }
            (Type::Record(record), Val::Record(fields)) if fields.len() == record.fields.len() => {
                let mut values = Vec::with_capacity(fields.len());
                for (field, (name, val)) in record.fields.iter().zip(fields) {
                    if field.name != name {
                        return self.wrong(path, format!("has the field `{name}` out of place"));
                    }
                    values.push(self.lift(&field.ty, val, &Path::Field(path, &field.json)));
                }
                Value::record(record.clone(), values)
            }
            (Type::Variant(variant), Val::Enum(case)) => {
                match variant.cases.iter().position(|known| known.name == case) {
                    Some(at) => Value::variant(variant.clone(), at, None),
                    None => self.wrong(path, format!("has no case `{case}`")),
                }
            }
            (Type::Variant(variant), Val::Variant(case, payload)) => {
                let Some(at) = variant.cases.iter().position(|known| known.name == case) else {
                    return self.wrong(path, format!("has no case `{case}`"));
                };
                let known = &variant.cases[at];
                let payload = match (&known.payload, payload) {
                    (Some(ty), Some(val)) => {
                        Some(self.lift(ty, *val, &Path::Field(path, &known.json)))
                    }
                    _ => None,
                };
                Value::variant(variant.clone(), at, payload)
            }
            (Type::Result { ok, err }, Val::Result(result)) => Value::Result(match result {
                Ok(val) => Ok(Arc::new(self.payload(ok.as_deref(), val, path, "ok"))),
                Err(val) => Err(Arc::new(self.payload(err.as_deref(), val, path, "err"))),
            }),
            (Type::Flags(flags), Val::Flags(set)) => {
                let bits = flags.flags.iter().enumerate().filter(|(_, name)| set.contains(name));
                Value::Flags(flags.clone(), bits.fold(0, |bits, (at, _)| bits | 1u64 << (at % 64)))
            }
            (ty, _) => self.wrong(path, format!("is not {}", named(ty))),
        }
    }

    fn payload(
        &mut self,
        ty: Option<&Type>,
        val: Option<Box<Val>>,
        path: &Path<'_>,
        name: &str,
    ) -> Value {
        match (ty, val) {
            (Some(ty), Some(val)) => self.lift(ty, *val, &Path::Field(path, name)),
            _ => Value::Null,
        }
    }

    fn wrong(&mut self, path: &Path<'_>, reason: String) -> Value {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { pointer: path.pointer(), reason });
        }
        Value::Null
    }
}
