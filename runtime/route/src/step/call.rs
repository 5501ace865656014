//! `call = "alias.operation"`: asks a connector, with a retry policy and a time-out.

use std::sync::Arc;

use expression::{Program, Type};

use super::{Checked, Kind, OnFault, Pivot, Undo, fault, retrying, suggestion, undo};
use crate::check::Checker;
use crate::operation::OperationInfo;
use crate::report::code;
use crate::retry::Policy;
use crate::with::With;
use crate::written::{Table, Text, Written as At, WrittenTree};

/// How long one attempt may take unless the step says otherwise.
pub const TIMEOUT_MS: u64 = 30_000;

#[derive(Debug)]
pub struct Call {
    /// The alias.
    pub connector: String,
    pub operation: Arc<OperationInfo>,
    /// The operation that tells whether this one took effect.
    pub probe: Option<Arc<OperationInfo>>,
    pub(crate) with: With,
    pub retry: Policy,
    pub timeout_ms: u64,
    pub on_fault: OnFault,
    /// The operation that takes this one back.
    pub undo: Option<Undo>,
    /// Whether there is something to take back, of its answer in the step's own slot.
    pub(crate) undo_when: Option<Box<Program>>,
    pub pivot: Option<Pivot>,
    /// The business key under which its effect is one across exchanges.
    pub(crate) once: Option<Box<Program>>,
}

pub(crate) struct Written {
    operation: Text,
    with: Option<WrittenTree>,
    retry: retrying::Written,
    timeout_ms: u64,
    on_fault: Option<Option<At<fault::Written>>>,
    pub own: Box<undo::Written>,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let operation = table.text("call");
    let has_with = table.has("with");
    let with = table.tree("with");
    let retry = retrying::read(table);
    let timeout = table.duration("timeout");
    let on_fault = fault::read(table);
    let own = Box::new(undo::read(table));
    let operation = operation?;
    let with = match (has_with, with) {
        (true, None) => return None,
        (true, with) => with,
        (false, _) => None,
    };
    Some(Written {
        operation,
        with,
        retry,
        timeout_ms: timeout.map_or(TIMEOUT_MS, |timeout| timeout.value),
        on_fault,
        own,
    })
}

impl Written {
    /// Without an answer that counts, it has no result.
    pub fn skips(&self) -> bool {
        let written = self.on_fault.as_ref().and_then(Option::as_ref);
        written.is_some_and(|written| matches!(written.value, fault::Written::Skip))
    }
}

pub(crate) fn check(written: &Written, repeats: bool, checker: &Checker<'_>) -> Option<Checked> {
    let info = checker.operation(&written.operation);
    let expected = info.as_ref().map(|(_, info)| &info.operation.input);
    let empty;
    let tree = match &written.with {
        Some(tree) => tree,
        None => {
            empty = WrittenTree::empty(written.operation.span());
            &empty
        }
    };
    // Where the operation is unknown, what is wrong inside the expressions is still worth saying.
    let with = match (&written.with, expected) {
        (None, None) => None,
        (_, expected) => checker.mapping(tree, expected),
    };
    let retry = retrying::check(&written.retry, checker);
    let (alias, info) = info?;
    if info.source_kind().is_some() {
        let message =
            format!("`{}` takes messages in; a route cannot call it", written.operation.value);
        let help = "use it under [from.webhook] or [from.poll]";
        checker.sheet.error_help(code::NOT_CALLABLE, written.operation.span(), message, help);
        return None;
    }
    let probe = match &info.probe {
        None => None,
        Some(name) => {
            let Some(probe) = checker.connector(alias).and_then(|types| types.operation(name))
            else {
                let message = format!(
                    "`{}` names a probe that `{alias}` does not offer: `{name}`",
                    written.operation.value
                );
                let help = "export it from the connector, or take it out of its description";
                checker.sheet.error_help(
                    code::NOT_CALLABLE,
                    written.operation.span(),
                    message,
                    help,
                );
                return None;
            };
            Some(Arc::new(probe.clone()))
        }
    };
    let effect = undo::check_effect(&written.own, &written.operation, info, repeats, checker);
    let on_fault = fault::check(&written.on_fault, info, checker);
    let once = match &written.own.once {
        None => None,
        Some(leaf) => Some(Box::new(checker.key(leaf, false)?)),
    };
    if !effect {
        return None;
    }
    let on_fault = on_fault?;
    let result = Type::of(&info.operation.output);
    let result = match on_fault {
        OnFault::Skip(None) => Type::optional(result),
        _ => result,
    };
    let kind = Kind::Call(Call {
        connector: alias.to_owned(),
        operation: Arc::new(info.clone()),
        probe,
        with: with?,
        retry: retry?,
        timeout_ms: written.timeout_ms,
        on_fault,
        undo: undo::find(alias, info, checker),
        undo_when: None,
        pivot: None,
        once,
    });
    Some(Checked { kind, result: Some(result) })
}

/// `alias.operation`, with what is nearest when it does not exist.
pub(crate) fn find<'a>(checker: &Checker<'a>, text: &Text) -> Option<(&'a str, &'a OperationInfo)> {
    let Some((alias, operation)) = text.value.split_once('.') else {
        let message = format!("`{}` is not an operation", text.value);
        let help = "write the connector's alias, a dot, and the operation: \"erp.create-order\"";
        checker.sheet.error_help(code::UNKNOWN_OPERATION, text.span(), message, help);
        return None;
    };
    let alias_span = text.place.within(0..alias.len());
    let (alias, types) = checker.connector_entry(alias, alias_span)?;
    let found = types.operation(operation);
    if found.is_none() {
        let names = types.operations.iter().map(|info| info.operation.name.as_str());
        let listed: Vec<&str> = names.clone().take(12).collect();
        let message = format!("connector `{alias}` has no operation `{operation}`");
        let help = suggestion(operation, names, &format!("it offers {}", listed.join(", ")));
        let span = text.place.within(alias.len() + 1..text.value.len());
        checker.sheet.error_help(code::UNKNOWN_OPERATION, span, message, help);
    }
    found.map(|info| (alias, info))
}
