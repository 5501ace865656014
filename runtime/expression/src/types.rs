//! The types of expressions: CEL's own, the contract types seen from CEL, and `Dyn` for what is only
//! known when it arrives (gradual typing).

use std::fmt;
use std::sync::Arc;

use contract::{Scalar, TypeName};

/// Cheap to clone. `Never` is the element of an empty list and the value of `optional.none()`: it
/// fits everywhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Dyn,
    Never,
    Null,
    Bool,
    /// Every contract integer but `u64`.
    Int,
    /// `u64`.
    Uint,
    Double,
    Decimal,
    /// Also char, currency, country, unit, date and time-zone.
    String,
    Bytes,
    Timestamp,
    Duration,
    /// The type of type values.
    Type,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Optional(Arc<Type>),
    Record(Arc<contract::Record>),
    Variant(Arc<contract::Variant>),
    Flags(Arc<contract::Flags>),
    Tuple(Arc<[Type]>),
    /// WIT `result`; a side without payload is `Null`.
    Result(Arc<Type>, Arc<Type>),
    /// A map whose keys are known, from a map literal with literal keys. Its value is a map.
    Struct(Arc<[(Arc<str>, Type)]>),
}

impl Type {
    /// A contract type as expressions see it.
    pub fn of(ty: &contract::Type) -> Type {
        use contract::Type as C;
        match ty {
            C::Bool => Type::Bool,
            C::S8 | C::S16 | C::S32 | C::S64 | C::U8 | C::U16 | C::U32 => Type::Int,
            C::U64 => Type::Uint,
            C::F32 | C::F64 => Type::Double,
            C::Char | C::String => Type::String,
            C::Bytes => Type::Bytes,
            C::Scalar(Scalar::Decimal) => Type::Decimal,
            C::Scalar(Scalar::Timestamp) => Type::Timestamp,
            C::Scalar(Scalar::Duration) => Type::Duration,
            C::Scalar(_) => Type::String,
            C::List(element) => Type::list(Type::of(element)),
            C::Option(inner) => Type::optional(Type::of(inner)),
            C::Tuple(items) => Type::Tuple(items.iter().map(Type::of).collect()),
            C::Result { ok, err } => {
                let side = |ty: &Option<Arc<C>>| {
                    Arc::new(ty.as_ref().map_or(Type::Null, |ty| Type::of(ty)))
                };
                Type::Result(side(ok), side(err))
            }
            C::Record(record) => Type::Record(record.clone()),
            C::Variant(variant) => Type::Variant(variant.clone()),
            C::Flags(flags) => Type::Flags(flags.clone()),
        }
    }

    /// A contract type that holds exactly the values of this one; none if there is no such type
    /// (dyn, maps with keys of their own, null). Known keys become an anonymous record.
    pub fn to_contract(&self) -> Option<contract::Type> {
        use contract::Type as C;
        Some(match self {
            Type::Dyn | Type::Never | Type::Null | Type::Type | Type::Map(..) => return None,
            Type::Bool => C::Bool,
            Type::Int => C::S64,
            Type::Uint => C::U64,
            Type::Double => C::F64,
            Type::Decimal => C::Scalar(Scalar::Decimal),
            Type::String => C::String,
            Type::Bytes => C::Bytes,
            Type::Timestamp => C::Scalar(Scalar::Timestamp),
            Type::Duration => C::Scalar(Scalar::Duration),
            Type::List(element) => C::List(Arc::new(element.to_contract()?)),
            Type::Optional(inner) => C::Option(Arc::new(inner.to_contract()?)),
            Type::Record(record) => C::Record(record.clone()),
            Type::Variant(variant) => C::Variant(variant.clone()),
            Type::Flags(flags) => C::Flags(flags.clone()),
            Type::Tuple(items) => {
                C::Tuple(items.iter().map(Type::to_contract).collect::<Option<Vec<_>>>()?.into())
            }
            Type::Result(ok, err) => {
                let side = |ty: &Type| match ty {
                    Type::Null => Some(None),
                    ty => ty.to_contract().map(|ty| Some(Arc::new(ty))),
                };
                C::Result { ok: side(ok)?, err: side(err)? }
            }
            Type::Struct(entries) => {
                let field = |(name, ty): &(Arc<str>, Type)| {
                    Some(contract::Field {
                        name: name.replace('_', "-"),
                        json: name.to_string(),
                        docs: String::new(),
                        ty: ty.to_contract()?,
                    })
                };
                C::Record(Arc::new(contract::Record {
                    name: TypeName {
                        package: "crossdock:route".to_owned(),
                        interface: "anonymous".to_owned(),
                        name: "record".to_owned(),
                        major: 1,
                    },
                    docs: String::new(),
                    fields: entries.iter().map(field).collect::<Option<Vec<_>>>()?,
                }))
            }
        })
    }

    pub fn list(element: Type) -> Type {
        Type::List(Arc::new(element))
    }

    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    /// An optional of an optional is one optional.
    pub fn optional(inner: Type) -> Type {
        match inner {
            Type::Optional(_) => inner,
            inner => Type::Optional(Arc::new(inner)),
        }
    }

    /// Whether something of it is known only at run time.
    pub fn is_dyn(&self) -> bool {
        matches!(self, Type::Dyn)
    }

    pub fn is_numeric(&self) -> bool {
        matches!(self, Type::Int | Type::Uint | Type::Double | Type::Decimal)
    }

    /// The least type that holds both; `Dyn` where they have nothing in common.
    pub fn join(&self, other: &Type) -> Type {
        match (self, other) {
            (Type::Never, ty) | (ty, Type::Never) => ty.clone(),
            (a, b) if a == b => a.clone(),
            (Type::List(a), Type::List(b)) => Type::list(a.join(b)),
            (Type::Optional(a), Type::Optional(b)) => Type::optional(a.join(b)),
            // Where elements are read, null is an optional that is absent.
            (Type::Optional(a), Type::Null) | (Type::Null, Type::Optional(a)) => {
                Type::Optional(a.clone())
            }
            (Type::Struct(a), Type::Struct(b))
                if a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0) =>
            {
                Type::Struct(
                    a.iter().zip(b.iter()).map(|(a, b)| (a.0.clone(), a.1.join(&b.1))).collect(),
                )
            }
            (Type::Map(ak, av), Type::Map(bk, bv)) => Type::map(ak.join(bk), av.join(bv)),
            (a @ Type::Struct(_), b @ (Type::Struct(_) | Type::Map(..))) => {
                a.map_view().unwrap_or(Type::Dyn).join(&b.map_view().unwrap_or(Type::Dyn))
            }
            (a @ Type::Map(..), b @ Type::Struct(_)) => a.join(&b.map_view().unwrap_or(Type::Dyn)),
            _ => Type::Dyn,
        }
    }

    /// A struct as the map that it is at run time; a map as itself.
    pub fn map_view(&self) -> Option<Type> {
        match self {
            Type::Map(..) => Some(self.clone()),
            Type::Struct(entries) => Some(Type::map(
                Type::String,
                entries.iter().fold(Type::Never, |joined, (_, ty)| joined.join(ty)),
            )),
            _ => None,
        }
    }

    /// Whether a value of this type may stand where `to` is wanted, as CEL's checker decides it:
    /// `Dyn` on either side fits and is checked at run time.
    pub fn fits(&self, to: &Type) -> bool {
        match (self, to) {
            (Type::Dyn | Type::Never, _) | (_, Type::Dyn) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => a.fits(b),
            (Type::Map(ak, av), Type::Map(bk, bv)) => ak.fits(bk) && av.fits(bv),
            (Type::Struct(a), Type::Struct(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0 && a.1.fits(&b.1))
            }
            (Type::Struct(entries), Type::Map(key, value)) => {
                Type::String.fits(key) && entries.iter().all(|(_, ty)| ty.fits(value))
            }
            (Type::Tuple(a), Type::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.fits(b))
            }
            (Type::Result(a, b), Type::Result(c, d)) => a.fits(c) && b.fits(d),
            (a, b) => a == b,
        }
    }

    /// Whether a value of this type can become one of the contract type, and what stands against it.
    pub fn assignable_to(&self, to: &contract::Type) -> Result<(), String> {
        crate::fit::fit(self, to).map(|_| ()).map_err(|misfit| misfit.to_string())
    }

    /// Without `Never`, which only the checker needs.
    pub(crate) fn settled(&self) -> Type {
        match self {
            Type::Never => Type::Dyn,
            Type::List(element) => Type::list(element.settled()),
            Type::Optional(inner) => Type::optional(inner.settled()),
            Type::Map(key, value) => Type::map(key.settled(), value.settled()),
            Type::Struct(entries) => Type::Struct(
                entries.iter().map(|(name, ty)| (name.clone(), ty.settled())).collect(),
            ),
            other => other.clone(),
        }
    }

    /// What `type(x)` says of such a value.
    pub(crate) fn runtime_name(&self) -> Option<&str> {
        Some(match self {
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::Decimal => "decimal",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Timestamp => "google.protobuf.Timestamp",
            Type::Duration => "google.protobuf.Duration",
            Type::Type => "type",
            Type::List(_) => "list",
            Type::Map(..) | Type::Struct(_) => "map",
            Type::Optional(_) => "optional_type",
            _ => return None,
        })
    }
}

/// As an admin reads it: `list(string)`, `optional(order)`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn | Type::Never => f.write_str("dyn"),
            Type::Null => f.write_str("null"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(inner) => write!(f, "optional({inner})"),
            Type::Record(record) => f.write_str(&record.name.name),
            Type::Variant(variant) => f.write_str(&variant.name.name),
            Type::Flags(flags) => f.write_str(&flags.name.name),
            Type::Tuple(items) => {
                f.write_str("tuple(")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Type::Result(ok, err) => write!(f, "result({ok}, {err})"),
            Type::Struct(entries) => {
                f.write_str("{")?;
                for (at, (name, ty)) in entries.iter().enumerate() {
                    write!(f, "{}{name}: {ty}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            other => f.write_str(other.runtime_name().unwrap_or("dyn")),
        }
    }
}
