//! The type model: what WIT says, with every name and comment kept. Types are trees (WIT forbids
//! recursion) shared by `Arc`, so cloning one is cheap.

use std::fmt;
use std::sync::Arc;

use crate::{InterfaceName, TypeName};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`.
    Bytes,
    /// A named alias of `string` from `crossdock:core/types`, checked at every border.
    Scalar(Scalar),
    List(Arc<Type>),
    Option(Arc<Type>),
    Tuple(Arc<[Type]>),
    Result {
        ok: Option<Arc<Type>>,
        err: Option<Arc<Type>>,
    },
    Record(Arc<Record>),
    /// A WIT variant or enum.
    Variant(Arc<Variant>),
    Flags(Arc<Flags>),
}

/// Scalars with a meaning; on the wire all are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// Exact decimal number, e.g. `"10.50"`.
    Decimal,
    /// ISO 4217 code.
    Currency,
    /// ISO 3166-1 alpha-2 code.
    Country,
    /// Unit of measure: UN/ECE Recommendation 20 code or an agreed short name.
    Unit,
    /// RFC 3339 full-date.
    Date,
    /// RFC 3339 date-time.
    Timestamp,
    /// ISO 8601 duration of weeks to seconds; a day is 24 hours.
    Duration,
    /// IANA zone name.
    TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: TypeName,
    pub docs: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Kebab-case, as in WIT.
    pub name: String,
    /// snake_case, as in JSON and in expressions.
    pub json: String,
    pub docs: String,
    pub ty: Type,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    pub name: TypeName,
    pub docs: String,
    /// Declared as `enum` in WIT: no case has a payload.
    pub is_enum: bool,
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub json: String,
    pub docs: String,
    pub payload: Option<Type>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flags {
    pub name: TypeName,
    pub docs: String,
    /// Kebab-case, in WIT order.
    pub flags: Vec<String>,
}

/// A function of the one shape: `func(call: call, input: I) -> result<O, fault>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub interface: InterfaceName,
    pub name: String,
    pub docs: String,
    pub input: Type,
    pub output: Type,
}

impl Record {
    /// Position of a field by its JSON name.
    pub fn field(&self, json: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.json == json)
    }
}

impl Variant {
    /// Position of a case by its JSON name.
    pub fn case(&self, json: &str) -> Option<usize> {
        self.cases.iter().position(|case| case.json == json)
    }
}

impl Scalar {
    pub const ALL: [Scalar; 8] = [
        Scalar::Decimal,
        Scalar::Currency,
        Scalar::Country,
        Scalar::Unit,
        Scalar::Date,
        Scalar::Timestamp,
        Scalar::Duration,
        Scalar::TimeZone,
    ];

    /// As declared in `crossdock:core/types`.
    pub fn name(self) -> &'static str {
        match self {
            Scalar::Decimal => "decimal",
            Scalar::Currency => "currency",
            Scalar::Country => "country",
            Scalar::Unit => "unit",
            Scalar::Date => "date",
            Scalar::Timestamp => "timestamp",
            Scalar::Duration => "duration",
            Scalar::TimeZone => "time-zone",
        }
    }

    pub fn from_name(name: &str) -> Option<Scalar> {
        Scalar::ALL.into_iter().find(|scalar| scalar.name() == name)
    }
}

/// As WIT writes it, named types by their full name: `list<crossdock:canonical/orders.line@1>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::S8 => f.write_str("s8"),
            Type::S16 => f.write_str("s16"),
            Type::S32 => f.write_str("s32"),
            Type::S64 => f.write_str("s64"),
            Type::U8 => f.write_str("u8"),
            Type::U16 => f.write_str("u16"),
            Type::U32 => f.write_str("u32"),
            Type::U64 => f.write_str("u64"),
            Type::F32 => f.write_str("f32"),
            Type::F64 => f.write_str("f64"),
            Type::Char => f.write_str("char"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("list<u8>"),
            Type::Scalar(scalar) => f.write_str(scalar.name()),
            Type::List(element) => write!(f, "list<{element}>"),
            Type::Option(inner) => write!(f, "option<{inner}>"),
            Type::Tuple(elements) => {
                f.write_str("tuple<")?;
                for (at, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(">")
            }
            Type::Result { ok: None, err: None } => f.write_str("result"),
            Type::Result { ok: Some(ok), err: None } => write!(f, "result<{ok}>"),
            Type::Result { ok: None, err: Some(err) } => write!(f, "result<_, {err}>"),
            Type::Result { ok: Some(ok), err: Some(err) } => write!(f, "result<{ok}, {err}>"),
            Type::Record(record) => record.name.fmt(f),
            Type::Variant(variant) => variant.name.fmt(f),
            Type::Flags(flags) => flags.name.fmt(f),
        }
    }
}

impl Type {
    /// The name of a named type, none for primitives and containers.
    pub fn name(&self) -> Option<&TypeName> {
        match self {
            Type::Record(record) => Some(&record.name),
            Type::Variant(variant) => Some(&variant.name),
            Type::Flags(flags) => Some(&flags.name),
            _ => None,
        }
    }
}
