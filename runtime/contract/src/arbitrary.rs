//! Proptest strategies: any type that WIT can say, and any value of a given type. The crates above
//! test with them what must hold for every contract.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{
    Case, Decimal, Field, Flags, Record, Scalar, Type, TypeName, Value, Variant, VariantValue,
    snake,
};

/// Parts of a generated type, about.
const NODES_MAX: u32 = 32;
const DEPTH_MAX: u32 = 4;
const PARTS_MAX: usize = 5;

/// 0000-01-01 to the last nanosecond of 9999, the moments that RFC 3339 can write.
const SECONDS_MIN: i64 = -62_167_219_200;
const SECONDS_MAX: i64 = 253_402_207_200;

/// Any type; named types have names of their own unless two happen to be alike.
pub fn any_type() -> impl Strategy<Value = Type> {
    leaf().prop_recursive(DEPTH_MAX, NODES_MAX, PARTS_MAX as u32, |part| {
        let payload = proptest::option::of(part.clone());
        prop_oneof![
            part.clone().prop_map(list),
            part.clone().prop_map(option),
            vec(part.clone(), 1..PARTS_MAX).prop_map(|parts| Type::Tuple(parts.into())),
            (proptest::option::of(part.clone()), proptest::option::of(part.clone())).prop_map(
                |(ok, err)| Type::Result { ok: ok.map(Arc::new), err: err.map(Arc::new) }
            ),
            (type_name(), vec(part, 1..PARTS_MAX)).prop_map(record),
            (type_name(), vec(payload, 1..PARTS_MAX)).prop_map(variant),
        ]
    })
}

/// Any record; what operations and topics carry.
pub fn any_record() -> impl Strategy<Value = Type> {
    (type_name(), vec(any_type(), 1..PARTS_MAX)).prop_map(record)
}

/// Any value of the type, extremes included. Not a number is left out: it equals nothing, so no
/// test could tell whether it survived.
pub fn value_of(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(|n| Value::Int(n.into())).boxed(),
        Type::S16 => any::<i16>().prop_map(|n| Value::Int(n.into())).boxed(),
        Type::S32 => any::<i32>().prop_map(|n| Value::Int(n.into())).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::Int).boxed(),
        Type::U8 => any::<u8>().prop_map(|n| Value::Int(n.into())).boxed(),
        Type::U16 => any::<u16>().prop_map(|n| Value::Int(n.into())).boxed(),
        Type::U32 => any::<u32>().prop_map(|n| Value::Int(n.into())).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::Uint).boxed(),
        Type::F32 => any_f32().prop_map(|n| Value::Double(n.into())).boxed(),
        Type::F64 => any_f64().prop_map(Value::Double).boxed(),
        Type::Char => any::<char>().prop_map(|c| Value::string(c.to_string())).boxed(),
        Type::String => text().prop_map(Value::string).boxed(),
        Type::Bytes => vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Type::Scalar(scalar) => scalar_value(*scalar),
        Type::List(element) => vec(value_of(element), 0..PARTS_MAX).prop_map(Value::list).boxed(),
        Type::Option(inner) => prop_oneof![Just(Value::Null), value_of(inner)].boxed(),
        Type::Tuple(parts) => {
            let parts: Vec<_> = parts.iter().map(value_of).collect();
            parts.prop_map(Value::list).boxed()
        }
        Type::Result { ok, err } => {
            let side = |ty: &Option<Arc<Type>>| match ty {
                Some(ty) => value_of(ty).prop_map(Arc::new).boxed(),
                None => Just(Arc::new(Value::Null)).boxed(),
            };
            prop_oneof![
                side(ok).prop_map(|value| Value::Result(Ok(value))),
                side(err).prop_map(|value| Value::Result(Err(value))),
            ]
            .boxed()
        }
        Type::Record(ty) => {
            let ty = ty.clone();
            let fields: Vec<_> = ty.fields.iter().map(|field| value_of(&field.ty)).collect();
            fields.prop_map(move |fields| Value::record(ty.clone(), fields)).boxed()
        }
        Type::Variant(ty) => {
            let ty = ty.clone();
            (0..ty.cases.len())
                .prop_flat_map(move |case| {
                    let payload = match &ty.cases[case].payload {
                        Some(payload) => value_of(payload).prop_map(Some).boxed(),
                        None => Just(None).boxed(),
                    };
                    let ty = ty.clone();
                    payload.prop_map(move |payload| {
                        let ty = ty.clone();
                        Value::Variant(Arc::new(VariantValue { ty, case, payload }))
                    })
                })
                .boxed()
        }
        Type::Flags(ty) => {
            let ty = ty.clone();
            let mask = 1u64.checked_shl(ty.flags.len() as u32).map_or(u64::MAX, |bit| bit - 1);
            any::<u64>().prop_map(move |bits| Value::Flags(ty.clone(), bits & mask)).boxed()
        }
    }
}

/// A type together with a value of it.
pub fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(|ty| {
        let value = value_of(&ty);
        (Just(ty), value)
    })
}

fn leaf() -> impl Strategy<Value = Type> {
    prop_oneof![
        4 => select(vec![
            Type::Bool, Type::S8, Type::S16, Type::S32, Type::S64, Type::U8, Type::U16, Type::U32,
            Type::U64, Type::F32, Type::F64, Type::Char, Type::String, Type::Bytes,
        ]),
        2 => select(Scalar::ALL.to_vec()).prop_map(Type::Scalar),
        1 => (type_name(), 1..=64usize).prop_map(|(name, count)| {
            let flags = (0..count).map(|at| format!("flag-{at}")).collect();
            Type::Flags(Arc::new(Flags { name, docs: String::new(), flags }))
        }),
    ]
}

fn type_name() -> impl Strategy<Value = TypeName> {
    (any::<u32>(), 1..4u64).prop_map(|(id, major)| TypeName {
        package: "test:generated".into(),
        interface: "types".into(),
        name: format!("t{id}"),
        major,
    })
}

fn list(element: Type) -> Type {
    match element {
        Type::U8 => Type::Bytes,
        element => Type::List(element.into()),
    }
}

fn option(inner: Type) -> Type {
    match inner {
        Type::Option(_) => inner,
        inner => Type::Option(inner.into()),
    }
}

fn record((name, parts): (TypeName, Vec<Type>)) -> Type {
    let named = |(at, ty)| {
        let name = format!("field-{at}");
        Field { json: snake(&name), name, docs: String::new(), ty }
    };
    let fields = parts.into_iter().enumerate().map(named).collect();
    Type::Record(Arc::new(Record { name, docs: String::new(), fields }))
}

fn variant((name, parts): (TypeName, Vec<Option<Type>>)) -> Type {
    let is_enum = parts.iter().all(Option::is_none);
    let named = |(at, payload)| {
        let name = format!("case-{at}");
        Case { json: snake(&name), name, docs: String::new(), payload }
    };
    let cases = parts.into_iter().enumerate().map(named).collect();
    Type::Variant(Arc::new(Variant { name, docs: String::new(), is_enum, cases }))
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

fn any_f32() -> impl Strategy<Value = f32> {
    use proptest::num::f32::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE
}

fn any_f64() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE
}

fn scalar_value(scalar: Scalar) -> BoxedStrategy<Value> {
    let one_of = |texts: &'static [&'static str]| select(texts).prop_map(Value::string).boxed();
    match scalar {
        Scalar::Decimal => any_decimal().prop_map(Value::Decimal).boxed(),
        Scalar::Currency => one_of(&["EUR", "USD", "JPY", "KWD", "CLF", "ZWG"]),
        Scalar::Country => one_of(&["DE", "US", "GB", "JP", "XK", "AD", "ZW"]),
        Scalar::Unit => one_of(&["PCE", "KGM", "box", "m3", "X"]),
        Scalar::Date => {
            (0..=9999i16, 1..=12i8, 1..=28i8).prop_map(|(year, month, day)| {
                Value::string(format!("{year:04}-{month:02}-{day:02}"))
            })
        }
        .boxed(),
        Scalar::Timestamp => (SECONDS_MIN..SECONDS_MAX, 0..1_000_000_000i32)
            .prop_filter_map("out of range", |(seconds, nanos)| {
                Timestamp::new(seconds, nanos).ok().map(Value::Timestamp)
            })
            .boxed(),
        Scalar::Duration => (any::<i64>(), 0..1_000_000_000i32)
            .prop_map(|(seconds, nanos)| {
                let nanos = if seconds < 0 { -nanos } else { nanos };
                Value::Duration(SignedDuration::new(seconds, nanos))
            })
            .boxed(),
        Scalar::TimeZone => one_of(&["Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"]),
    }
}

/// Up to 28 digits, with up to as many after the point.
pub fn any_decimal() -> impl Strategy<Value = Decimal> {
    let digits = vec(0..=9u8, 1..=28)
        .prop_map(|digits| digits.iter().map(|digit| char::from(b'0' + digit)).collect::<String>());
    (digits, 0..=27usize, any::<bool>()).prop_filter_map(
        "no decimal",
        |(digits, point, negative)| {
            let at = digits.len().saturating_sub(point).max(1);
            let (whole, fraction) = digits.split_at(at);
            let sign = if negative { "-" } else { "" };
            let dot = if fraction.is_empty() { "" } else { "." };
            format!("{sign}{whole}{dot}{fraction}").parse().ok()
        },
    )
}
