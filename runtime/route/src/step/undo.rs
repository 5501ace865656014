//! What a call says of being taken back, or of being one by a business key: `pivot`, `undo_when`,
//! `once`; and the operation that its connector declares as its undo.

use std::sync::Arc;

use contract::Type as ContractType;
use expression::{Program, Type};
use toml::de::DeValue;

use super::Call;
use crate::check::Checker;
use crate::operation::{Effect, OperationInfo};
use crate::report::code;
use crate::written::{Leaf, Place, Table, Text, text_of};

/// The operation that takes a call back.
#[derive(Debug)]
pub struct Undo {
    pub operation: Arc<OperationInfo>,
    pub probe: Option<Arc<OperationInfo>>,
}

/// A step after which nothing is taken back.
#[derive(Debug)]
pub enum Pivot {
    /// Once it is answered.
    Answered,
    /// Once this is true of its answer.
    When(Box<Program>),
}

#[derive(Default)]
pub(crate) struct Written {
    pub pivot: Option<WrittenPivot>,
    pub undo_when: Option<Leaf>,
    pub once: Option<Leaf>,
    /// A report says what is wrong with one of them.
    bad: bool,
}

pub(crate) enum WrittenPivot {
    Always(Place),
    When(Leaf),
}

pub(crate) fn read(table: &Table<'_>) -> Written {
    let before = table.sheet.count();
    let pivot = table.value("pivot").and_then(|value| {
        let place = Place { span: value.span(), content: None };
        match value.get_ref() {
            DeValue::Boolean(true) => Some(WrittenPivot::Always(place)),
            DeValue::Boolean(false) => None,
            DeValue::String(_) => Some(WrittenPivot::When(text_of(table.sheet, value))),
            _ => {
                let message = "`pivot` takes true or an expression";
                let help =
                    "pivot = true, or what its answer must be: \"released.outcome == 'released'\"";
                table.sheet.error_help(code::WRONG_KIND, value.span(), message, help);
                None
            }
        }
    });
    let undo_when = if table.has("undo_when") { table.leaf("undo_when") } else { None };
    let once = if table.has("once") { table.leaf("once") } else { None };
    Written { pivot, undo_when, once, bad: table.sheet.count() > before }
}

/// Only an effect can be taken back, be the last that is, or be one by a key.
pub(crate) fn check_effect(
    written: &Written,
    operation: &Text,
    info: &OperationInfo,
    repeats: bool,
    checker: &Checker<'_>,
) -> bool {
    let mutates = info.effect == Effect::Mutation;
    let before = checker.sheet.count();
    let refuse = |span, message: String, help: &str| {
        checker.sheet.error_help(code::SAGA, span, message, help);
    };
    let name = &operation.value;
    if let Some(pivot) = &written.pivot {
        let span = match pivot {
            WrittenPivot::Always(place) => place.span.clone(),
            WrittenPivot::When(leaf) => leaf.span(),
        };
        if !checker.saga {
            let help = "write saga = true under [route], or drop `pivot`";
            refuse(span, "only a saga has a pivot".to_owned(), help);
        } else if checker.pivot != Some(checker.steps.len()) {
            let help = "one step is the one after which nothing is taken back";
            refuse(span, "this is the second pivot".to_owned(), help);
        } else if !mutates {
            let help = "it is a step that changes something: \"wms.release-shipment\"";
            refuse(span, format!("`{name}` only reads, so it is no pivot"), help);
        } else if repeats {
            refuse(span, "a pivot cannot have `each`".to_owned(), "make it a step of its own");
        }
    }
    if let Some(undo_when) = &written.undo_when
        && info.undo.is_none()
    {
        let message = format!("`{name}` has no undo, so `undo_when` says nothing");
        refuse(undo_when.span(), message, "drop it");
    }
    if let Some(once) = &written.once
        && !mutates
    {
        let message = format!("`{name}` only reads, so there is no effect to be one");
        checker.sheet.error_help(code::ONCE, once.span(), message, "drop `once`");
    }
    if mutates && info.undo.is_none() && checker.before_pivot() && written.pivot.is_none() {
        let message = format!("`{name}` has no undo, and this saga may have to take it back");
        let help = "make it the pivot, move it behind the pivot, or drop `saga`";
        refuse(operation.span(), message, help);
    }
    checker.sheet.count() == before && !written.bad
}

/// The undo that the connector declares. One that it does not offer was refused at its load.
pub(crate) fn find(alias: &str, info: &OperationInfo, checker: &Checker<'_>) -> Option<Undo> {
    let types = checker.connector(alias)?;
    let operation = types.operation(info.undo.as_deref()?)?;
    let probe = operation.probe.as_deref().and_then(|name| types.operation(name));
    let probe = probe.map(|probe| Arc::new(probe.clone()));
    Some(Undo { operation: Arc::new(operation.clone()), probe })
}

/// Expressions over the step's own answer, which has the step's name. Of an `each`, the answer for
/// one element.
pub(crate) fn check_own(
    written: &Written,
    name: &str,
    checker: &mut Checker<'_>,
    call: &mut Call,
) -> bool {
    let outside = checker.scope.clone();
    checker.scope.declare(name, Type::of(&call.operation.operation.output));
    let is_true =
        |leaf: &Leaf, checker: &Checker<'_>| checker.program_to(leaf, &ContractType::Bool);
    let mut fine = true;
    call.pivot = written.pivot.as_ref().and_then(|pivot| match pivot {
        WrittenPivot::Always(_) => Some(Pivot::Answered),
        WrittenPivot::When(leaf) => {
            let program = is_true(leaf, checker);
            fine &= program.is_some();
            program.map(|program| Pivot::When(Box::new(program)))
        }
    });
    if let Some(leaf) = &written.undo_when {
        call.undo_when = is_true(leaf, checker).map(Box::new);
        fine &= call.undo_when.is_some();
    }
    checker.scope = outside;
    fine
}
