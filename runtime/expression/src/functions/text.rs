//! Functions on strings and bytes. Positions count characters (Unicode code points).

use contract::Value;
use regex::Regex;

use super::P::{Bool, Bytes, Int, List, String as Str};
use super::Style::{Both, Function, Method};
use super::{Args, Overload, Result, int, items, row, string};
use crate::evaluate::Budget;
use crate::limits::{ELEMENTS_MAX, PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX, PATTERN_COST};

pub const ROWS: &[Overload] = &[
    row("size", Both, &[Str], Int, |args, budget| {
        let text = string(args, 0)?;
        budget.text(text.len())?;
        Ok(Value::Int(text.chars().count() as i64))
    }),
    row("size", Both, &[Bytes], Int, |args, _| match &*args[0] {
        Value::Bytes(bytes) => Ok(Value::Int(bytes.len() as i64)),
        other => Err(super::wrong("bytes", Some(other))),
    }),
    row("contains", Method, &[Str, Str], Bool, |args, budget| {
        test(args, budget, |text, part| text.contains(part))
    }),
    row("startsWith", Method, &[Str, Str], Bool, |args, budget| {
        test(args, budget, |text, part| text.starts_with(part))
    }),
    row("endsWith", Method, &[Str, Str], Bool, |args, budget| {
        test(args, budget, |text, part| text.ends_with(part))
    }),
    row("matches", Both, &[Str, Str], Bool, |args, budget| {
        let text = string(args, 0)?;
        budget.spend(PATTERN_COST as usize)?;
        budget.text(text.len())?;
        Ok(Value::Bool(pattern(&string(args, 1)?)?.is_match(&text)))
    }),
    row("lowerAscii", Method, &[Str], Str, |args, budget| {
        made(string(args, 0)?.to_ascii_lowercase(), budget)
    }),
    row("upperAscii", Method, &[Str], Str, |args, budget| {
        made(string(args, 0)?.to_ascii_uppercase(), budget)
    }),
    row("trim", Method, &[Str], Str, |args, budget| {
        made(string(args, 0)?.trim().to_owned(), budget)
    }),
    row("reverse", Method, &[Str], Str, |args, budget| {
        made(string(args, 0)?.chars().rev().collect(), budget)
    }),
    row("charAt", Method, &[Str, Int], Str, |args, budget| {
        let text = string(args, 0)?;
        let at = position(&text, int(args, 1)?)?;
        made(text[at..].chars().next().map(String::from).unwrap_or_default(), budget)
    }),
    row("indexOf", Method, &[Str, Str], Int, |args, budget| index_of(args, 0, budget)),
    row("indexOf", Method, &[Str, Str, Int], Int, |args, budget| {
        index_of(args, int(args, 2)?, budget)
    }),
    row("lastIndexOf", Method, &[Str, Str], Int, |args, budget| last_index_of(args, None, budget)),
    row("lastIndexOf", Method, &[Str, Str, Int], Int, |args, budget| {
        last_index_of(args, Some(int(args, 2)?), budget)
    }),
    row("substring", Method, &[Str, Int], Str, |args, budget| {
        let text = string(args, 0)?;
        let start = position(&text, int(args, 1)?)?;
        made(text[start..].to_owned(), budget)
    }),
    row("substring", Method, &[Str, Int, Int], Str, |args, budget| {
        let text = string(args, 0)?;
        let (start, end) = (position(&text, int(args, 1)?)?, position(&text, int(args, 2)?)?);
        if start > end {
            return Err("invalid substring range: it ends before it starts".to_owned());
        }
        made(text[start..end].to_owned(), budget)
    }),
    row("replace", Method, &[Str, Str, Str], Str, |args, budget| replace(args, -1, budget)),
    row("replace", Method, &[Str, Str, Str, Int], Str, |args, budget| {
        replace(args, int(args, 3)?, budget)
    }),
    row("split", Method, &[Str, Str], List(&Str), |args, budget| split(args, -1, budget)),
    row("split", Method, &[Str, Str, Int], List(&Str), |args, budget| {
        split(args, int(args, 2)?, budget)
    }),
    row("join", Method, &[List(&Str)], Str, |args, budget| join(args, "", budget)),
    row("join", Method, &[List(&Str), Str], Str, |args, budget| {
        join(args, &string(args, 1)?, budget)
    }),
    row("strings.quote", Function, &[Str], Str, |args, budget| {
        made(quote(&string(args, 0)?), budget)
    }),
];

/// Linear in the text, whatever the pattern; its compiled size is bounded.
pub fn pattern(source: &str) -> Result<Regex> {
    if source.len() > PATTERN_BYTES_MAX {
        return Err(format!("the pattern has more than {PATTERN_BYTES_MAX} bytes"));
    }
    regex::RegexBuilder::new(source).size_limit(PATTERN_COMPILED_BYTES_MAX).build().map_err(
        |error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("it is not understood");
            format!("this is no regular expression: {}", reason.trim_start_matches("error: "))
        },
    )
}

fn made(text: String, budget: &Budget) -> Result {
    budget.text(text.len())?;
    Ok(Value::string(text))
}

fn test(args: Args, budget: &Budget, holds: fn(&str, &str) -> bool) -> Result {
    let (text, part) = (string(args, 0)?, string(args, 1)?);
    budget.text(text.len())?;
    Ok(Value::Bool(holds(&text, &part)))
}

/// Bytes before the character at `index`, which may be the end.
fn position(text: &str, index: i64) -> Result<usize> {
    let index = usize::try_from(index).map_err(|_| format!("index out of range: {index}"))?;
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(index)
        .ok_or_else(|| format!("index out of range: {index}"))
}

fn characters(text: &str) -> Value {
    Value::Int(text.chars().count() as i64)
}

fn index_of(args: Args, from: i64, budget: &Budget) -> Result {
    let (text, part) = (string(args, 0)?, string(args, 1)?);
    budget.text(text.len())?;
    let start = position(&text, from)?;
    Ok(text[start..].find(&*part).map_or(Value::Int(-1), |at| characters(&text[..start + at])))
}

fn last_index_of(args: Args, until: Option<i64>, budget: &Budget) -> Result {
    let (text, part) = (string(args, 0)?, string(args, 1)?);
    budget.text(text.len())?;
    let last = until.map_or(Ok(text.len()), |until| position(&text, until))?;
    // A match may start at `last` at the latest.
    let found = if part.is_empty() {
        Some(last)
    } else {
        let end = text.ceil_char_boundary(last.saturating_add(part.len()));
        text[..end].rmatch_indices(&*part).map(|(at, _)| at).find(|at| *at <= last)
    };
    Ok(found.map_or(Value::Int(-1), |at| characters(&text[..at])))
}

fn replace(args: Args, limit: i64, budget: &Budget) -> Result {
    let (text, from, to) = (string(args, 0)?, string(args, 1)?, string(args, 2)?);
    budget.text(text.len())?;
    let found = text.matches(&*from).count().min(usize::try_from(limit).unwrap_or(usize::MAX));
    // Known before it is made: a large replacement is refused, not attempted.
    budget
        .text(text.len() - (found * from.len()).min(text.len()) + found.saturating_mul(to.len()))?;
    Ok(Value::string(text.replacen(&*from, &to, found)))
}

fn split(args: Args, limit: i64, budget: &Budget) -> Result {
    let (text, by) = (string(args, 0)?, string(args, 1)?);
    budget.text(text.len())?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let parts: Vec<Value> = if limit == 0 {
        Vec::new()
    } else if by.is_empty() {
        let mut rest = &*text;
        let mut parts = Vec::new();
        while let Some(first) = rest.chars().next() {
            if parts.len() + 1 >= limit {
                break;
            }
            let (head, tail) = rest.split_at(first.len_utf8());
            parts.push(Value::string(head));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Value::string(rest));
        }
        parts
    } else {
        text.splitn(limit, &*by).take(ELEMENTS_MAX + 1).map(Value::string).collect()
    };
    if parts.len() > ELEMENTS_MAX {
        return Err(format!("the list has more than {ELEMENTS_MAX} elements"));
    }
    budget.spend(parts.len())?;
    Ok(Value::list(parts))
}

fn join(args: Args, by: &str, budget: &Budget) -> Result {
    let items = items(args, 0)?;
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let Value::String(part) = item else {
            return Err(super::wrong("a list of strings", Some(item)));
        };
        let between = if at == 0 { "" } else { by };
        budget.spend(1)?;
        if text.len() + between.len() + part.len() > crate::limits::TEXT_BYTES_MAX {
            return Err(format!("the text has more than {} bytes", crate::limits::TEXT_BYTES_MAX));
        }
        text.push_str(between);
        text.push_str(part);
    }
    made(text, budget)
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
