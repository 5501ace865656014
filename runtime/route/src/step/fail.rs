//! `fail`: a defect that the route itself noticed; the exchange goes to the exception desk.

use contract::Type;
use expression::Program;

use super::{Checked, Kind, check_code};
use crate::check::Checker;
use crate::written::{Leaf, Table, Text};

#[derive(Debug)]
pub struct Fail {
    pub code: String,
    /// A text for the exception desk.
    pub message: Option<Program>,
}

pub(crate) struct Written {
    code: Text,
    message: Option<Leaf>,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let fail = table.table("fail", "`fail`")?;
    let code = fail.required_text("code", "\"no-lines\"");
    let message = fail.leaf("message");
    fail.finish();
    Some(Written { code: code?, message })
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    check_code(checker, &written.code);
    let message = match &written.message {
        Some(leaf) => Some(checker.program_to(leaf, &Type::String)?),
        None => None,
    };
    let fail = Fail { code: written.code.value.clone(), message };
    Some(Checked { kind: Kind::Fail(fail), result: None })
}
