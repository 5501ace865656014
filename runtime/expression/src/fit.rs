//! Whether a value of an expression type can become a value of a contract type: decided when a
//! route is loaded. `convert` does at run time what is left to do.

use std::fmt;

use contract::{Scalar, Variant};

use crate::Type;
use crate::problem::nearest;

/// How the value gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is one already.
    Same,
    /// `convert` makes it one, and may find a value out of range.
    Convert,
}

/// What stands against it, and where inside the value.
#[derive(Clone, Debug)]
pub struct Misfit {
    pub path: String,
    pub reason: String,
    pub help: Option<String>,
    /// The value is optional and the place is not.
    pub optional: bool,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "at `{path}`: {}", self.reason),
        }
    }
}

/// A contract type as an admin reads it.
pub fn show(ty: &contract::Type) -> String {
    use contract::Type as C;
    match ty {
        C::Scalar(Scalar::Currency) => "currency".to_owned(),
        C::Scalar(Scalar::Country) => "country".to_owned(),
        C::Scalar(Scalar::Unit) => "unit".to_owned(),
        C::Scalar(Scalar::Date) => "date".to_owned(),
        C::Scalar(Scalar::TimeZone) => "time-zone".to_owned(),
        C::Option(inner) => format!("optional({})", show(inner)),
        C::List(element) => format!("list({})", show(element)),
        ty => Type::of(ty).to_string(),
    }
}

pub fn fit(from: &Type, to: &contract::Type) -> Result<Fit, Misfit> {
    use contract::Type as C;
    let no = || Err(misfit(from, to));
    match (from, to) {
        (Type::Never, _) => Ok(Fit::Convert),
        (Type::Dyn, _) => Ok(Fit::Convert),
        (Type::Optional(inner), C::Option(wanted)) => fit(inner, wanted).map(|_| Fit::Convert),
        (Type::Null, C::Option(_)) => Ok(Fit::Same),
        // A plain value is an option that is there; raw options are flat.
        (from, C::Option(wanted)) => fit(from, wanted),
        (Type::Optional(inner), wanted) => {
            fit(inner, wanted)?;
            Err(Misfit {
                path: String::new(),
                reason: format!("the value may be absent, but {} is required", show(to)),
                help: Some(OPTIONAL_HELP.to_owned()),
                optional: true,
            })
        }
        (Type::Bool, C::Bool)
        | (Type::Int, C::S64)
        | (Type::Uint, C::U64)
        | (Type::Double, C::F64)
        | (Type::String, C::String)
        | (Type::Bytes, C::Bytes)
        | (Type::Decimal, C::Scalar(Scalar::Decimal))
        | (Type::Timestamp, C::Scalar(Scalar::Timestamp))
        | (Type::Duration, C::Scalar(Scalar::Duration)) => Ok(Fit::Same),
        (
            Type::Int | Type::Uint,
            C::S8
            | C::S16
            | C::S32
            | C::S64
            | C::U8
            | C::U16
            | C::U32
            | C::U64
            | C::F32
            | C::F64
            | C::Scalar(Scalar::Decimal),
        )
        | (Type::Double, C::F32)
        | (Type::String, C::Char) => Ok(Fit::Convert),
        (
            Type::String,
            C::Scalar(
                Scalar::Currency | Scalar::Country | Scalar::Unit | Scalar::Date | Scalar::TimeZone,
            ),
        ) => Ok(Fit::Convert),
        (Type::String, C::Variant(_)) => Ok(Fit::Convert),
        (Type::List(element), C::List(wanted)) => fit(element, wanted).map_err(|m| m.under("[]")),
        (Type::List(_), C::Flags(_)) => match from {
            Type::List(element) if element.fits(&Type::String) => Ok(Fit::Convert),
            _ => no(),
        },
        (Type::Tuple(items), C::Tuple(wanted)) if items.len() == wanted.len() => {
            let mut worst = Fit::Same;
            for (at, (item, wanted)) in items.iter().zip(wanted.iter()).enumerate() {
                worst = worst.max(fit(item, wanted).map_err(|m| m.under(&format!("[{at}]")))?);
            }
            Ok(worst)
        }
        (Type::List(element), C::Tuple(wanted)) => {
            for (at, wanted) in wanted.iter().enumerate() {
                fit(element, wanted).map_err(|m| m.under(&format!("[{at}]")))?;
            }
            Ok(Fit::Convert)
        }
        (Type::Result(ok, err), C::Result { ok: wanted_ok, err: wanted_err }) => {
            for (side, wanted, name) in [(ok, wanted_ok, "ok"), (err, wanted_err, "err")] {
                if let Some(wanted) = wanted {
                    fit(side, wanted).map_err(|m| m.under(name))?;
                }
            }
            Ok(if from == &Type::of(to) { Fit::Same } else { Fit::Convert })
        }
        (Type::Record(record), C::Record(wanted)) => {
            if record == wanted {
                return Ok(Fit::Same);
            }
            let named = |json: &str| record.field(json).map(|at| Type::of(&record.fields[at].ty));
            fields(wanted, &named)?;
            Ok(Fit::Convert)
        }
        (Type::Struct(entries), C::Record(wanted)) => {
            let named = |json: &str| {
                entries.iter().find(|(name, _)| **name == *json).map(|(_, ty)| ty.clone())
            };
            fields(wanted, &named)?;
            // Written by hand, so a name that goes nowhere is a slip.
            for (name, _) in entries.iter() {
                if wanted.field(name).is_none() {
                    let known = wanted.fields.iter().map(|field| field.json.as_str());
                    return Err(Misfit {
                        path: name.to_string(),
                        reason: format!("{} has no field `{name}`", wanted.name.name),
                        help: nearest(name, known).map(|near| format!("did you mean `{near}`?")),
                        optional: false,
                    });
                }
            }
            Ok(Fit::Convert)
        }
        (Type::Map(key, _), C::Record(_) | C::Variant(_)) if key.fits(&Type::String) => {
            Ok(Fit::Convert)
        }
        (Type::Struct(entries), C::Variant(_) | C::Result { .. }) if entries.len() == 1 => {
            Ok(Fit::Convert)
        }
        (Type::Variant(variant), C::Variant(wanted)) => {
            if variant == wanted {
                return Ok(Fit::Same);
            }
            cases(variant, wanted)?;
            Ok(Fit::Convert)
        }
        (Type::Flags(flags), C::Flags(wanted)) => {
            if flags == wanted {
                Ok(Fit::Same)
            } else if flags.flags.iter().all(|flag| wanted.flags.contains(flag)) {
                Ok(Fit::Convert)
            } else {
                no()
            }
        }
        _ => no(),
    }
}

pub const OPTIONAL_HELP: &str = "test it first (`has(x.y) && ...`, `has(x.y) ? ... : ...`) or give a default with `.orValue(...)`";

fn fields(wanted: &contract::Record, named: &dyn Fn(&str) -> Option<Type>) -> Result<(), Misfit> {
    for field in &wanted.fields {
        match named(&field.json) {
            Some(ty) => {
                fit(&ty, &field.ty).map_err(|misfit| misfit.under(&field.json))?;
            }
            None if matches!(field.ty, contract::Type::Option(_)) => {}
            None => {
                return Err(Misfit {
                    path: field.json.clone(),
                    reason: format!("{} needs the field `{}`", wanted.name.name, field.json),
                    help: None,
                    optional: false,
                });
            }
        }
    }
    Ok(())
}

/// As Avro does: each case exists over there, or the reader has `other`.
fn cases(from: &Variant, wanted: &Variant) -> Result<(), Misfit> {
    for case in &from.cases {
        let Some(at) = wanted.case(&case.json) else {
            if wanted
                .case("other")
                .is_some_and(|at| wanted.cases[at].payload == Some(contract::Type::String))
            {
                continue;
            }
            return Err(Misfit {
                path: case.json.clone(),
                reason: format!("{} has no case `{}` and no `other`", wanted.name.name, case.json),
                help: None,
                optional: false,
            });
        };
        match (&case.payload, &wanted.cases[at].payload) {
            (_, None) => {}
            (Some(payload), Some(wanted)) => {
                fit(&Type::of(payload), wanted).map_err(|misfit| misfit.under(&case.json))?;
            }
            (None, Some(contract::Type::Option(_))) => {}
            (None, Some(_)) => {
                return Err(Misfit {
                    path: case.json.clone(),
                    reason: format!(
                        "the case `{}` of {} carries a value",
                        case.json, wanted.name.name
                    ),
                    help: None,
                    optional: false,
                });
            }
        }
    }
    Ok(())
}

pub fn article(noun: &str) -> String {
    match noun {
        "dyn" | "null" | "bytes" => noun.to_owned(),
        _ if noun.starts_with('{') => "a map".to_owned(),
        // Not `u`: "a uint".
        _ if noun.starts_with(['a', 'e', 'i', 'o']) => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}

fn misfit(from: &Type, to: &contract::Type) -> Misfit {
    use contract::Type as C;
    let help = match (from, to) {
        (Type::Double, C::Scalar(Scalar::Decimal)) => {
            Some("floats never carry money; write the number as `decimal('1.50')`".to_owned())
        }
        (Type::String, C::Scalar(Scalar::Decimal)) => Some("write `decimal(x)`".to_owned()),
        (Type::String, C::Scalar(Scalar::Timestamp)) => Some("write `timestamp(x)`".to_owned()),
        (Type::String, C::Scalar(Scalar::Duration)) => Some("write `duration(x)`".to_owned()),
        (Type::Timestamp, C::Scalar(Scalar::Date)) => {
            Some("write `date(x)` or `date(x, 'Europe/Berlin')`".to_owned())
        }
        (_, C::String)
            if !matches!(
                from,
                Type::List(_) | Type::Record(_) | Type::Struct(_) | Type::Map(..)
            ) =>
        {
            Some("write `string(x)`".to_owned())
        }
        (
            Type::Decimal | Type::Double | Type::String,
            C::S8 | C::S16 | C::S32 | C::S64 | C::U8 | C::U16 | C::U32,
        ) => Some("write `int(x)`".to_owned()),
        (_, C::List(_)) => Some("a list is written `[...]`".to_owned()),
        _ => None,
    };
    Misfit {
        path: String::new(),
        reason: format!("expected {}, found {from}", show(to)),
        help,
        optional: false,
    }
}

impl Misfit {
    fn under(mut self, step: &str) -> Misfit {
        self.path = match self.path.as_str() {
            "" => step.to_owned(),
            path if path.starts_with('[') => format!("{step}{path}"),
            path => format!("{step}.{path}"),
        };
        self
    }
}
