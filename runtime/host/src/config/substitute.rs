//! Reads the file with spans, puts `${VAR}` and `${VAR:-default}` in place after parsing (so that a
//! value can never change the structure), then into the written types. Errors keep line and column.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Error, Written};

pub fn parse(
    path: &Path,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Written, Error> {
    let at = |span: Option<std::ops::Range<usize>>, message: &str| {
        let reason = message.trim_end();
        let (line, column, source) = position(text, span.map_or(0, |span| span.start));
        format!(
            "error[CD0010]: {reason}\n --> {}:{line}:{column}\n  |\n{line:>3} | {source}",
            path.display()
        )
    };
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let reports = errors.iter().map(|error| at(error.span(), error.message())).collect();
        return Err(Error::Wrong(reports));
    }
    let mut missing = Vec::new();
    substitute_table(table.get_mut(), variable, &mut missing);
    if !missing.is_empty() {
        let reports = missing
            .into_iter()
            .map(|(span, name)| {
                let report = at(Some(span), &format!("the environment variable {name} is not set"));
                format!("{report}\n  help: set it, or give a default: ${{{name}:-default}}")
            })
            .collect();
        return Err(Error::Wrong(reports));
    }
    Written::deserialize(toml::de::Deserializer::from(table)).map_err(|error| {
        let report = at(error.span(), error.message());
        Error::Wrong(vec![match misspelt(error.message()) {
            Some(known) => format!("{report}\n  help: did you mean `{known}`?"),
            None => report,
        }])
    })
}

/// Serde lists what it knows: "unknown field `x`, expected one of `a`, `b`".
fn misspelt(message: &str) -> Option<&str> {
    let (unknown, known) = message.split_once(", expected one of ")?;
    let name = unknown.split('`').nth(1)?;
    crate::suggest::nearest(name, known.split('`').skip(1).step_by(2))
}

type Missing = Vec<(std::ops::Range<usize>, String)>;

fn substitute_table(
    table: &mut DeTable<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
    missing: &mut Missing,
) {
    for (_, value) in table.iter_mut() {
        substitute_value(value, variable, missing);
    }
}

fn substitute_value(
    value: &mut Spanned<DeValue<'_>>,
    variable: &dyn Fn(&str) -> Option<String>,
    missing: &mut Missing,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) => match expand(text, variable) {
            Ok(Some(expanded)) => *text = Cow::Owned(expanded),
            Ok(None) => {}
            Err(name) => missing.push((span, name)),
        },
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                substitute_value(item, variable, missing);
            }
        }
        DeValue::Table(table) => substitute_table(table, variable, missing),
        _ => {}
    }
}

/// `None` when there is nothing to expand; the name of a variable that is not set as the error.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('}') else { break };
        let inner = &rest[start + 2..start + length];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        match variable(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => expanded.push_str(&value),
            None => return Err(name.to_owned()),
        }
        rest = &rest[start + length + 1..];
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}

fn position(text: &str, offset: usize) -> (usize, usize, &str) {
    let offset = offset.min(text.len());
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line = text[..offset].matches('\n').count() + 1;
    let source = text[start..].lines().next().unwrap_or("");
    (line, text[start..offset].chars().count() + 1, source)
}
