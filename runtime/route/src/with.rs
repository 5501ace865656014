//! A compiled `with` that knows where its leaves stand, so that a failed evaluation names the line.

use std::fmt;
use std::sync::Arc;

use contract::Value;
use expression::{EvaluationError, Mapping, Program, Type};

#[derive(Debug)]
pub(crate) struct With {
    mapping: Mapping,
    /// Lines in the file, by mark.
    lines: Arc<[u32]>,
}

/// Why an expression gave no value, for operators: the line and the reason, no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub line: u32,
    pub reason: String,
}

impl With {
    /// `lines` is never empty: the first is the line of the `with` itself.
    pub fn new(mapping: Mapping, lines: Vec<u32>) -> With {
        debug_assert!(!lines.is_empty());
        With { mapping, lines: lines.into() }
    }

    pub fn ty(&self) -> &Type {
        self.mapping.ty()
    }

    pub fn evaluate(&self, slots: &[Value]) -> Result<Value, Trouble> {
        self.mapping.evaluate(slots).map_err(|error| {
            let line = error.mark.and_then(|mark| self.lines.get(mark)).or(self.lines.first());
            Trouble::new(line.copied().unwrap_or(1), &error)
        })
    }
}

impl Trouble {
    pub fn new(line: u32, error: &EvaluationError) -> Trouble {
        Trouble { line, reason: error.message.clone() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// A single expression; the line is that of its step.
pub(crate) fn evaluate(program: &Program, slots: &[Value], line: u32) -> Result<Value, Trouble> {
    program.evaluate(slots).map_err(|error| Trouble::new(line, &error))
}
