//! A compiled expression: checked once, then run for every message.

use std::ops::Range;

use contract::Value;

use crate::checker::{self, Checked};
use crate::evaluate::{Budget, Frame, eval, weigh};
use crate::node::Node;
use crate::problem::{EvaluationError, Problem};
use crate::{Facts, Scope, Type, parser};

/// Names are positions, functions are chosen, constants are made. `Send` and `Sync`.
#[derive(Debug)]
pub struct Program {
    source: String,
    node: Node,
    ty: Type,
    slots: Vec<usize>,
    when_true: Facts,
    when_false: Facts,
    constructs: bool,
}

/// The result is a CEL value of the type that the expression has.
pub fn compile(source: &str, scope: &Scope) -> Result<Program, Vec<Problem>> {
    compile_with(source, scope, None)
}

/// The result is a value of the contract type: integers widen, a literal text is a case or a checked
/// scalar, an optional is an option, a map literal is a record.
pub fn compile_to(
    source: &str,
    scope: &Scope,
    expected: &contract::Type,
) -> Result<Program, Vec<Problem>> {
    compile_with(source, scope, Some(expected))
}

fn compile_with(
    source: &str,
    scope: &Scope,
    expected: Option<&contract::Type>,
) -> Result<Program, Vec<Problem>> {
    let expr = parser::parse(source).map_err(|problem| vec![problem])?;
    let checked = checker::check(source, &expr, scope, expected)?;
    let Checked { node, ty, slots, when_true, when_false, constructs } = checked;
    Ok(Program { source: source.to_owned(), node, ty, slots, when_true, when_false, constructs })
}

impl Program {
    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// Ascending, each once.
    pub fn slots_used(&self) -> &[usize] {
        &self.slots
    }

    /// What is known wherever this condition held.
    pub fn when_true(&self) -> &Facts {
        &self.when_true
    }

    /// What is known wherever it did not.
    pub fn when_false(&self) -> &Facts {
        &self.when_false
    }

    /// `slots[i]` is the value of the name declared i-th, of its declared type. An optional may be
    /// null, the plain value, or a CEL optional.
    pub fn evaluate(&self, slots: &[Value]) -> Result<Value, EvaluationError> {
        let budget = Budget::new();
        let frame = Frame { slots, local: None, budget: &budget };
        let value = eval(&self.node, &frame).map_err(|failure| match failure.span {
            // The budget as a whole is spent: that concerns no part.
            Range { start: 0, end: 0 } => {
                EvaluationError { span: 0..self.source.len(), ..*failure }
            }
            _ => *failure,
        })?;
        let value = value.into_owned();
        if self.constructs {
            weigh(&value).map_err(|message| EvaluationError {
                span: 0..self.source.len(),
                message,
                mark: None,
            })?;
        }
        Ok(value)
    }
}
