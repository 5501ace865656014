//! `call = "alias.operation"`: asks a connector, with a retry policy and a time-out.

use std::sync::Arc;

use expression::Type;
use toml::de::DeValue;

use super::{Checked, Kind, suggestion};
use crate::check::Checker;
use crate::operation::OperationInfo;
use crate::report::code;
use crate::retry::{ATTEMPTS_MAX, Policy};
use crate::with::With;
use crate::written::{Table, Text, WrittenTree};

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
}

pub(crate) struct Written {
    operation: Text,
    with: Option<WrittenTree>,
    retry: Option<Policy>,
    timeout_ms: u64,
    retry_bad: bool,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let operation = table.text("call");
    let has_with = table.has("with");
    let with = table.tree("with");
    let retry = table.has("retry").then(|| read_retry(table));
    let timeout = table.duration("timeout");
    let operation = operation?;
    let with = match (has_with, with) {
        (true, None) => return None,
        (true, with) => with,
        (false, _) => None,
    };
    Some(Written {
        operation,
        with,
        retry_bad: matches!(retry, Some(None)),
        retry: retry.flatten(),
        timeout_ms: timeout.map_or(TIMEOUT_MS, |timeout| timeout.value),
    })
}

fn read_retry(table: &Table<'_>) -> Option<Policy> {
    if matches!(table.value("retry")?.get_ref(), DeValue::String(_)) {
        let name = table.text("retry")?;
        let policy = Policy::named(&name.value);
        if policy.is_none() {
            let help = format!(
                "write one of {}, or {{ attempts = 5, backoff = \"2s\" }}",
                Policy::NAMES.join(", ")
            );
            let message = format!("no retry policy `{}`", name.value);
            table.sheet.error_help(code::BAD_VALUE, name.span(), message, help);
        }
        return policy;
    }
    let inline = table.table("retry", "`retry`")?;
    let standard = Policy::standard();
    let attempts = inline.integer("attempts", 1..=u64::from(ATTEMPTS_MAX));
    let backoff = inline.duration("backoff");
    let backoff_max = inline.duration("max_backoff");
    let total = inline.duration("total");
    inline.finish();
    let backoff_ms = backoff.map_or(standard.backoff_ms, |backoff| backoff.value);
    Some(Policy {
        name: "inline".to_owned(),
        attempts: attempts.map_or(standard.attempts, |attempts| attempts.value as u32),
        backoff_ms,
        backoff_ms_max: backoff_max
            .map_or(standard.backoff_ms_max.max(backoff_ms), |max| max.value),
        total_ms: total.map(|total| total.value),
    })
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
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
    if written.retry_bad {
        return None;
    }
    let kind = Kind::Call(Call {
        connector: alias.to_owned(),
        operation: Arc::new(info.clone()),
        probe,
        with: with?,
        retry: written.retry.clone().unwrap_or_else(Policy::standard),
        timeout_ms: written.timeout_ms,
    });
    Some(Checked { kind, result: Some(Type::of(&info.operation.output)) })
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
