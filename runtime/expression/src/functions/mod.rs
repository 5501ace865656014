//! The functions of the language: one table of overloads, each with its types and its code. The
//! checker chooses by type, the evaluator by value where types are only known then.

mod conversion;
mod encoding;
mod format;
mod list;
mod math;
mod number;
mod text;
mod time;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use contract::Value;

use crate::Type;
use crate::evaluate::Budget;

pub use number::{ROUNDINGS, rounding};
pub use text::pattern;

pub type Args<'a, 'v> = &'a [Cow<'v, Value>];
pub type Result<T = Value> = std::result::Result<T, String>;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `f(a, b)`.
    Function,
    /// `a.f(b)`; the target is the first parameter.
    Method,
    Both,
}

/// A parameter or a result in a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P {
    Any,
    /// One type throughout a signature.
    A,
    Bool,
    Int,
    Uint,
    Double,
    Decimal,
    /// int, uint or decimal.
    Exact,
    String,
    Bytes,
    Timestamp,
    Duration,
    Type,
    Variant,
    List(&'static P),
    Map,
    Flags,
    Optional(&'static P),
}

pub struct Overload {
    pub name: &'static str,
    pub style: Style,
    pub params: &'static [P],
    pub result: P,
    pub run: fn(Args, &Budget) -> Result,
}

impl std::fmt::Debug for Overload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.params)
    }
}

pub const fn row(
    name: &'static str,
    style: Style,
    params: &'static [P],
    result: P,
    run: fn(Args, &Budget) -> Result,
) -> Overload {
    Overload { name, style, params, result, run }
}

static TABLE: LazyLock<BTreeMap<&'static str, Vec<&'static Overload>>> = LazyLock::new(|| {
    let mut table: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for rows in [
        text::ROWS,
        conversion::ROWS,
        time::ROWS,
        list::ROWS,
        number::ROWS,
        math::ROWS,
        encoding::ROWS,
        format::ROWS,
    ] {
        for overload in rows {
            table.entry(overload.name).or_default().push(overload);
        }
    }
    table
});

pub fn named(name: &str) -> &'static [&'static Overload] {
    TABLE.get(name).map_or(&[], Vec::as_slice)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.keys().copied()
}

impl Overload {
    pub fn styled(&self, method: bool) -> bool {
        match self.style {
            Style::Both => true,
            Style::Method => method,
            Style::Function => !method,
        }
    }

    /// Whether arguments of these types may be taken, and what comes out. Dyn fits everywhere.
    pub fn result_for(&self, args: &[Type]) -> Option<Type> {
        if args.len() != self.params.len() {
            return None;
        }
        let mut bound = None;
        let fits = self.params.iter().zip(args).all(|(param, arg)| param.matches(arg, &mut bound));
        fits.then(|| self.result.result(bound.as_ref()))
    }

    /// The same of values, when their types were not known before.
    pub fn takes(&self, args: Args) -> bool {
        args.len() == self.params.len()
            && self.params.iter().zip(args).all(|(param, arg)| param.takes(arg))
    }
}

impl P {
    fn matches(self, arg: &Type, bound: &mut Option<Type>) -> bool {
        match (self, arg) {
            (P::Any, Type::Optional(_)) => true,
            (P::Any, _) | (_, Type::Dyn | Type::Never) => true,
            (P::A, Type::Optional(_)) => false,
            (P::A, arg) => match bound {
                None => {
                    *bound = Some(arg.clone());
                    true
                }
                Some(known) => {
                    let fits = arg.fits(known) || known.fits(arg);
                    *bound = Some(known.join(arg));
                    fits
                }
            },
            (P::Exact, Type::Int | Type::Uint | Type::Decimal) => true,
            (P::List(element), Type::List(arg)) => element.matches(arg, bound),
            (P::Optional(inner), Type::Optional(arg)) => inner.matches(arg, bound),
            (P::Map, Type::Map(..) | Type::Struct(_)) => true,
            (P::Variant, Type::Variant(_)) => true,
            (P::Flags, Type::Flags(_)) => true,
            (P::Bool, Type::Bool)
            | (P::Int, Type::Int)
            | (P::Uint, Type::Uint)
            | (P::Double, Type::Double)
            | (P::Decimal, Type::Decimal)
            | (P::String, Type::String)
            | (P::Bytes, Type::Bytes)
            | (P::Timestamp, Type::Timestamp)
            | (P::Duration, Type::Duration)
            | (P::Type, Type::Type) => true,
            _ => false,
        }
    }

    fn result(self, bound: Option<&Type>) -> Type {
        match self {
            P::A => bound.cloned().unwrap_or(Type::Dyn),
            P::Any | P::Exact | P::Variant | P::Flags => Type::Dyn,
            P::Bool => Type::Bool,
            P::Int => Type::Int,
            P::Uint => Type::Uint,
            P::Double => Type::Double,
            P::Decimal => Type::Decimal,
            P::String => Type::String,
            P::Bytes => Type::Bytes,
            P::Timestamp => Type::Timestamp,
            P::Duration => Type::Duration,
            P::Type => Type::Type,
            P::List(element) => Type::list(element.result(bound)),
            P::Map => Type::map(Type::Dyn, Type::Dyn),
            P::Optional(inner) => Type::optional(inner.result(bound)),
        }
    }

    fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (P::Any | P::A, _) => true,
            (P::Exact, Value::Int(_) | Value::Uint(_) | Value::Decimal(_)) => true,
            (P::List(element), Value::List(items)) => items.iter().all(|item| element.takes(item)),
            (P::Optional(_), Value::Optional(_)) => true,
            (P::Map, Value::Map(_)) => true,
            (P::Variant, Value::Variant(_)) => true,
            (P::Flags, Value::Flags(..)) => true,
            (P::Bool, Value::Bool(_))
            | (P::Int, Value::Int(_))
            | (P::Uint, Value::Uint(_))
            | (P::Double, Value::Double(_))
            | (P::Decimal, Value::Decimal(_))
            | (P::String, Value::String(_))
            | (P::Bytes, Value::Bytes(_))
            | (P::Timestamp, Value::Timestamp(_))
            | (P::Duration, Value::Duration(_))
            | (P::Type, Value::Type(_)) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for P {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            P::Any | P::A => f.write_str("any"),
            P::Exact => f.write_str("int or decimal"),
            P::List(element) => write!(f, "list({element})"),
            P::Optional(inner) => write!(f, "optional({inner})"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

// What a function does with an argument that its overload has already admitted. Under dyn a wrong
// one can still arrive, so each is an error and never a panic.

pub fn string<'v>(args: Args<'_, 'v>, at: usize) -> Result<std::sync::Arc<str>> {
    match args.get(at).map(|arg| &**arg) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(wrong("a string", other)),
    }
}

pub fn int(args: Args, at: usize) -> Result<i64> {
    match args.get(at).map(|arg| &**arg) {
        Some(Value::Int(number)) => Ok(*number),
        other => Err(wrong("an int", other)),
    }
}

pub fn items<'a>(args: Args<'a, '_>, at: usize) -> Result<&'a [Value]> {
    match args.get(at).map(|arg| &**arg) {
        Some(Value::List(items)) => Ok(items),
        other => Err(wrong("a list", other)),
    }
}

pub fn wrong(wanted: &str, found: Option<&Value>) -> String {
    let found = found.map_or("nothing", crate::convert::kind);
    format!("expected {wanted}, found {found}")
}
