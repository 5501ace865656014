//! One version of a type read as another, as Avro does: decided once for two types, then applied to
//! values. A reader gets what it needs or the resolution says which field stands in the way.
//!
//! Extra fields are dropped; a missing field must be an option; a case that the reader does not know
//! becomes its `other`; numbers only widen. Whether an operation changed by a minor or a major step
//! follows from two resolutions: the new version reads the old input, the old one the new output.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::check::integer_range;
use crate::violation::{Path, Violation};
use crate::{Flags, Record, Type, Value, Variant};

/// Why a value of the writer cannot be read; `*` in the path stands for every element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub path: String,
    pub reason: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

/// How to turn a value of the writer's type into one of the reader's.
#[derive(Clone, Debug)]
pub struct Resolution(Step);

#[derive(Clone, Debug)]
enum Step {
    /// The value serves as it is.
    Same,
    IntToUint,
    IntToDouble,
    /// Null stays; anything else goes on.
    Option(Arc<Step>),
    List(Arc<Step>),
    Tuple(Arc<[Step]>),
    Result(Arc<Step>, Arc<Step>),
    Record(Arc<Record>, Arc<[From]>),
    Variant(Arc<Variant>, Arc<[To]>),
    /// The reader's bit for each bit of the writer.
    Flags(Arc<Flags>, Arc<[u32]>),
}

/// Where a field of the reader comes from.
#[derive(Clone, Debug)]
enum From {
    Field(usize, Step),
    Absent,
}

/// What a case of the writer becomes.
#[derive(Clone, Debug)]
enum To {
    Case(usize, Option<Step>),
    /// The reader has a place for a payload that the writer did not know.
    CaseWithNone(usize),
    /// The reader's catch-all, with the writer's name for it if there is room.
    Other(usize, Option<Arc<str>>),
}

/// Decides whether and how the reader can read what the writer writes.
pub fn resolve(writer: &Type, reader: &Type) -> Result<Resolution, Vec<Mismatch>> {
    let mut resolver = Resolver::default();
    let step = resolver.step(writer, reader, &Path::Root);
    if resolver.mismatches.is_empty() { Ok(Resolution(step)) } else { Err(resolver.mismatches) }
}

impl Resolution {
    pub fn identity() -> Resolution {
        Resolution(Step::Same)
    }

    /// Nothing needs to be done.
    pub fn is_identity(&self) -> bool {
        matches!(self.0, Step::Same)
    }

    /// Fails only for a value that is not of the writer's type.
    pub fn apply(&self, value: &Value) -> Result<Value, Violation> {
        apply(&self.0, value, &Path::Root)
    }
}

#[derive(Default)]
struct Resolver {
    mismatches: Vec<Mismatch>,
    /// Steps of pairs of named types met before, by address: types share parts, and a part that is
    /// met often is resolved (and complained about) once.
    known: HashMap<(usize, usize), Step>,
}

impl Resolver {
    fn step(&mut self, writer: &Type, reader: &Type, path: &Path) -> Step {
        match (writer, reader) {
            (Type::Option(writer), Type::Option(reader)) => match self.step(writer, reader, path) {
                Step::Same => Step::Same,
                step => Step::Option(step.into()),
            },
            (Type::Option(_), reader) => {
                self.mismatch(path, format!("may be absent, but {reader} is required"))
            }
            (writer, Type::Option(reader)) => self.step(writer, reader, path),
            (Type::List(writer), Type::List(reader)) => {
                match self.step(writer, reader, &Path::Each(path)) {
                    Step::Same => Step::Same,
                    step => Step::List(step.into()),
                }
            }
            (Type::Tuple(writer), Type::Tuple(reader)) if writer.len() == reader.len() => {
                let mut steps = Vec::with_capacity(writer.len());
                for (at, (writer, reader)) in writer.iter().zip(reader.iter()).enumerate() {
                    steps.push(self.step(writer, reader, &Path::Index(path, at)));
                }
                match steps.iter().all(|step| matches!(step, Step::Same)) {
                    true => Step::Same,
                    false => Step::Tuple(steps.into()),
                }
            }
            (Type::Result { ok, err }, Type::Result { ok: reader_ok, err: reader_err }) => {
                let ok = self.side(ok, reader_ok, &Path::Field(path, "ok"));
                let err = self.side(err, reader_err, &Path::Field(path, "err"));
                match (ok, err) {
                    (Step::Same, Step::Same) => Step::Same,
                    (ok, err) => Step::Result(ok.into(), err.into()),
                }
            }
            (Type::Record(writer), Type::Record(reader)) => {
                let key = (Arc::as_ptr(writer).addr(), Arc::as_ptr(reader).addr());
                self.once(key, |this| this.record(writer, reader, path))
            }
            (Type::Variant(writer), Type::Variant(reader)) => {
                let key = (Arc::as_ptr(writer).addr(), Arc::as_ptr(reader).addr());
                self.once(key, |this| this.variant(writer, reader, path))
            }
            (Type::Flags(writer), Type::Flags(reader)) => self.flags(writer, reader, path),
            (writer, reader) => self.primitive(writer, reader, path),
        }
    }

    fn once(&mut self, key: (usize, usize), resolve: impl FnOnce(&mut Self) -> Step) -> Step {
        if key.0 == key.1 {
            return Step::Same;
        }
        if let Some(step) = self.known.get(&key) {
            return step.clone();
        }
        let step = resolve(self);
        self.known.insert(key, step.clone());
        step
    }

    fn primitive(&mut self, writer: &Type, reader: &Type, path: &Path) -> Step {
        if let Some(from) = integer_range(writer) {
            let fits =
                |to: &RangeInclusive<i128>| to.contains(from.start()) && to.contains(from.end());
            match (reader, integer_range(reader)) {
                (_, Some(to)) if fits(&to) => {
                    return match (writer, reader) {
                        (Type::U64, Type::U64) => Step::Same,
                        (_, Type::U64) => Step::IntToUint,
                        _ => Step::Same,
                    };
                }
                // The integers that a float holds exactly.
                (Type::F64, _) if fits(&(i32::MIN.into()..=u32::MAX.into())) => {
                    return Step::IntToDouble;
                }
                (Type::F32, _) if fits(&(i16::MIN.into()..=u16::MAX.into())) => {
                    return Step::IntToDouble;
                }
                _ => {}
            }
        }
        match (writer, reader) {
            (Type::Bool, Type::Bool)
            | (Type::F32, Type::F32 | Type::F64)
            | (Type::F64, Type::F64)
            | (Type::Char, Type::Char | Type::String)
            | (Type::String, Type::String)
            | (Type::Bytes, Type::Bytes) => Step::Same,
            (Type::Scalar(writer), Type::Scalar(reader)) if writer == reader => Step::Same,
            _ => self.mismatch(path, format!("{writer} is written, {reader} is read")),
        }
    }

    fn side(&mut self, from: &Option<Arc<Type>>, to: &Option<Arc<Type>>, path: &Path) -> Step {
        match (from, to) {
            (Some(from), Some(to)) => self.step(from, to, path),
            (None, None) => Step::Same,
            // What is written carries nothing, which an option can say.
            (None, Some(to)) if matches!(**to, Type::Option(_)) => Step::Same,
            (None, Some(to)) => self.mismatch(path, format!("nothing is written, {to} is read")),
            (Some(from), None) => {
                self.mismatch(path, format!("{from} is written, nothing is read"))
            }
        }
    }

    fn record(&mut self, writer: &Arc<Record>, reader: &Arc<Record>, path: &Path) -> Step {
        let mut from = Vec::with_capacity(reader.fields.len());
        for field in &reader.fields {
            let path = Path::Field(path, &field.json);
            from.push(match writer.field(&field.json) {
                Some(at) => From::Field(at, self.step(&writer.fields[at].ty, &field.ty, &path)),
                None if matches!(field.ty, Type::Option(_)) => From::Absent,
                None => {
                    self.mismatch(&path, "required, but not written".into());
                    From::Absent
                }
            });
        }
        let in_place = |(at, from): (usize, &From)| matches!(from, From::Field(field, Step::Same) if *field == at);
        let same = writer.name == reader.name
            && writer.fields.len() == reader.fields.len()
            && from.iter().enumerate().all(in_place);
        if same { Step::Same } else { Step::Record(reader.clone(), from.into()) }
    }

    fn variant(&mut self, writer: &Arc<Variant>, reader: &Arc<Variant>, path: &Path) -> Step {
        let mut to = Vec::with_capacity(writer.cases.len());
        for case in &writer.cases {
            let path = Path::Field(path, &case.json);
            let Some(at) = reader.case(&case.json) else {
                to.push(self.other(&case.json, reader, &path));
                continue;
            };
            to.push(match (&case.payload, &reader.cases[at].payload) {
                (None, None) => To::Case(at, None),
                (Some(from), Some(ty)) => To::Case(at, Some(self.step(from, ty, &path))),
                (None, Some(Type::Option(_))) => To::CaseWithNone(at),
                (None, Some(ty)) => {
                    self.mismatch(&path, format!("written without a value, {ty} is read"));
                    To::Case(at, None)
                }
                (Some(ty), None) => {
                    self.mismatch(&path, format!("{ty} is written, but read without a value"));
                    To::Case(at, None)
                }
            });
        }
        let in_place = |(at, to): (usize, &To)| matches!(to, To::Case(case, None | Some(Step::Same)) if *case == at);
        let same = writer.name == reader.name
            && writer.cases.len() == reader.cases.len()
            && to.iter().enumerate().all(in_place);
        if same { Step::Same } else { Step::Variant(reader.clone(), to.into()) }
    }

    fn other(&mut self, case: &str, reader: &Variant, path: &Path) -> To {
        let other = reader.case("other").map(|at| (at, &reader.cases[at].payload));
        match other {
            Some((at, None)) => To::Other(at, None),
            Some((at, Some(Type::String))) => To::Other(at, Some(case.into())),
            Some((at, Some(Type::Option(inner)))) if **inner == Type::String => {
                To::Other(at, Some(case.into()))
            }
            _ => {
                self.mismatch(path, "the reader knows neither this case nor `other`".into());
                To::Case(0, None)
            }
        }
    }

    fn flags(&mut self, writer: &Arc<Flags>, reader: &Arc<Flags>, path: &Path) -> Step {
        if writer.name == reader.name && writer.flags == reader.flags {
            return Step::Same;
        }
        let mut bits = Vec::with_capacity(writer.flags.len());
        for flag in &writer.flags {
            match reader.flags.iter().position(|known| known == flag) {
                Some(bit) => bits.push(bit as u32),
                None => {
                    let path = Path::Field(path, flag);
                    self.mismatch(&path, "the reader does not know this flag".into());
                }
            }
        }
        Step::Flags(reader.clone(), bits.into())
    }

    fn mismatch(&mut self, path: &Path, reason: String) -> Step {
        self.mismatches.push(Mismatch { path: path.pointer(), reason });
        Step::Same
    }
}

fn apply(step: &Step, value: &Value, path: &Path) -> Result<Value, Violation> {
    let not_of_writer = || Violation {
        pointer: path.pointer(),
        reason: "the value is not of the type that was to be resolved".into(),
    };
    Ok(match (step, value) {
        (Step::Same, value) => value.clone(),
        (Step::IntToUint, Value::Int(number)) => {
            Value::Uint(u64::try_from(*number).map_err(|_| not_of_writer())?)
        }
        (Step::IntToDouble, Value::Int(number)) => Value::Double(*number as f64),
        (Step::Option(_), Value::Null) => Value::Null,
        (Step::Option(step), value) => apply(step, value, path)?,
        (Step::List(step), Value::List(items)) => {
            let apply_at = |(at, item)| apply(step, item, &Path::Index(path, at));
            Value::list(items.iter().enumerate().map(apply_at).collect::<Result<_, _>>()?)
        }
        (Step::Tuple(steps), Value::List(items)) if steps.len() == items.len() => {
            let each = steps.iter().zip(items.iter()).enumerate();
            let apply_at = |(at, (step, item))| apply(step, item, &Path::Index(path, at));
            Value::list(each.map(apply_at).collect::<Result<_, _>>()?)
        }
        (Step::Result(ok, err), Value::Result(result)) => Value::Result(match result {
            Ok(value) => Ok(apply(ok, value, &Path::Field(path, "ok"))?.into()),
            Err(value) => Err(apply(err, value, &Path::Field(path, "err"))?.into()),
        }),
        (Step::Record(ty, from), Value::Record(record)) => {
            let mut fields = Vec::with_capacity(from.len());
            for (field, from) in ty.fields.iter().zip(from.iter()) {
                fields.push(match from {
                    From::Absent => Value::Null,
                    From::Field(at, step) => {
                        let value = record.fields.get(*at).ok_or_else(not_of_writer)?;
                        apply(step, value, &Path::Field(path, &field.json))?
                    }
                });
            }
            Value::record(ty.clone(), fields)
        }
        (Step::Variant(ty, to), Value::Variant(variant)) => {
            let (case, payload) = match to.get(variant.case).ok_or_else(not_of_writer)? {
                To::Case(case, None) => (*case, None),
                To::Case(case, Some(step)) => {
                    let payload = variant.payload.as_ref().ok_or_else(not_of_writer)?;
                    let path = Path::Field(path, &ty.cases[*case].json);
                    (*case, Some(apply(step, payload, &path)?))
                }
                To::CaseWithNone(case) => (*case, Some(Value::Null)),
                To::Other(case, name) => (*case, name.clone().map(Value::String)),
            };
            Value::variant(ty.clone(), case, payload)
        }
        (Step::Flags(ty, to), Value::Flags(_, bits)) => {
            let set = to.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            Value::Flags(ty.clone(), set.fold(0, |all, (_, bit)| all | 1 << bit))
        }
        _ => return Err(not_of_writer()),
    })
}
