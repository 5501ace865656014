//! The JSON form of values, both ways, guided by the type. Every violation is told by JSON Pointer;
//! what comes from outside is bounded in depth and in the number of values it makes.
//!
//! kebab-case becomes snake_case; `none` is absent or null; a case is its name, or a one-key object
//! with its payload; 64-bit integers beyond +-2^53 are strings; bytes are base64; a result is
//! `{"ok": ..}` or `{"err": ..}`; tuples are arrays, flags arrays of names; a float that is no number
//! is `"NaN"`, `"Infinity"` or `"-Infinity"`.

mod dynamic;
mod read;
mod write;

use std::cell::{Cell, RefCell};

use serde::de::DeserializeSeed;

pub use crate::check::check;
pub use crate::scalar::check_scalar;
use crate::violation::Path;
pub use crate::violation::{VIOLATIONS_MAX, Violation};
pub use write::{Json, write};

use crate::{Type, Value};

/// Nesting of JSON that is read; the limit of serde_json.
pub const DEPTH_MAX: usize = 127;

/// Values that one text may become, fields left out included: a few bytes of JSON can stand for a
/// record of many optional fields.
pub const VALUES_MAX: usize = 4_000_000;

/// Integers beyond this are not exact in most JSON readers.
pub(crate) const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// What to do with a field that the type does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is a violation: from people and clients, a misspelt field must not vanish.
    Refuse,
    /// It is left out: from systems that add fields as they like.
    Drop,
}

/// Reads a value of a type; an unknown field is a violation.
pub fn read(ty: &Type, json: &[u8]) -> Result<Value, Vec<Violation>> {
    read_with(ty, json, Unknown::Refuse)
}

pub fn read_with(ty: &Type, json: &[u8], unknown: Unknown) -> Result<Value, Vec<Violation>> {
    let reading = Reading::new(unknown);
    let seed = read::Typed { ty, path: Path::Root, reading: &reading };
    reading.run(json, seed)
}

/// Reads JSON that no contract describes.
pub fn read_dyn(json: &[u8]) -> Result<Value, Vec<Violation>> {
    let reading = Reading::new(Unknown::Refuse);
    let seed = dynamic::Untyped { path: Path::Root, reading: &reading };
    reading.run(json, seed)
}

/// What one run over a text has found and used up so far.
struct Reading {
    unknown: Unknown,
    violations: RefCell<Vec<Violation>>,
    values: Cell<usize>,
    stopped: Cell<bool>,
}

impl Reading {
    fn new(unknown: Unknown) -> Self {
        Reading {
            unknown,
            violations: RefCell::new(Vec::new()),
            values: Cell::new(0),
            stopped: Cell::new(false),
        }
    }

    fn run<'de, S>(&self, json: &'de [u8], seed: S) -> Result<Value, Vec<Violation>>
    where
        S: DeserializeSeed<'de, Value = Value>,
    {
        let mut text = serde_json::Deserializer::from_slice(json);
        let value = seed.deserialize(&mut text).and_then(|value| text.end().map(|()| value));
        let violations = self.violations.take();
        match value {
            Ok(value) if violations.is_empty() => Ok(value),
            Ok(_) => Err(violations),
            Err(_) if self.stopped.get() => Err(violations),
            // What is no JSON at all has no fields to talk about.
            Err(error) => Err(vec![Violation {
                pointer: String::new(),
                reason: format!("not valid JSON: {error}"),
            }]),
        }
    }

    /// Notes a violation and goes on with a placeholder, unless enough were found.
    fn violation<E: serde::de::Error>(&self, path: &Path, reason: String) -> Result<Value, E> {
        let mut violations = self.violations.borrow_mut();
        violations.push(Violation { pointer: path.pointer(), reason });
        if violations.len() >= VIOLATIONS_MAX {
            self.stopped.set(true);
            return Err(E::custom("too many violations"));
        }
        Ok(Value::Null)
    }

    fn count<E: serde::de::Error>(&self, values: usize) -> Result<(), E> {
        self.values.set(self.values.get() + values);
        if self.values.get() <= VALUES_MAX {
            return Ok(());
        }
        self.stopped.set(true);
        self.violations.borrow_mut().push(Violation {
            pointer: String::new(),
            reason: format!("it holds more than {VALUES_MAX} values"),
        });
        Err(E::custom("too many values"))
    }
}
