//! `set`: gives a name to a value that later steps use more than once.

use crate::with::With;
use toml::de::DeValue;

use super::{Checked, Kind};
use crate::check::Checker;
use crate::report::code;
use crate::written::{Table, WrittenTree};

#[derive(Debug)]
pub struct Set {
    pub(crate) with: With,
}

pub(crate) struct Written {
    with: WrittenTree,
}

/// `set = true` with a `with`, or shorter the tree itself: `set = "message.lines.size()"`.
pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let value = table.value("set")?;
    let with = match (value.get_ref(), table.has("with")) {
        (DeValue::Boolean(true), true) => table.tree("with"),
        (DeValue::Boolean(_), _) => {
            table.missing("with", "{ total = \"message.total\" }");
            None
        }
        (_, true) => {
            let message = "the value stands twice, in `set` and in `with`";
            let help = "write set = true with a `with`, or the value in `set` alone";
            let span = table.key_span("with").unwrap_or(table.span.clone());
            table.sheet.error_help(code::STEP_KIND, span, message, help);
            None
        }
        (_, false) => table.tree("set"),
    };
    Some(Written { with: with? })
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    let with = checker.mapping(&written.with, None)?;
    let result = with.ty().clone();
    Some(Checked { kind: Kind::Set(Set { with }), result: Some(result) })
}
