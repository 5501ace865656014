//! Where two JSON values differ: by pointer, what was and what is. For people: long values are cut.

use serde_json::Value;

/// Of a value that is shown.
const SHOWN_CHARS_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// RFC 6901; empty for the whole.
    pub pointer: String,
    pub was: Option<Value>,
    pub is: Option<Value>,
}

pub(super) fn differences(was: &Value, is: &Value) -> Vec<Changed> {
    let mut found = Vec::new();
    compare(String::new(), Some(was), Some(is), &mut found);
    found
}

fn compare(pointer: String, was: Option<&Value>, is: Option<&Value>, found: &mut Vec<Changed>) {
    match (was, is) {
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            for (name, value) in was {
                compare(below(&pointer, name), Some(value), is.get(name), found);
            }
            for (name, value) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
                compare(below(&pointer, name), None, Some(value), found);
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) => {
            for index in 0..was.len().max(is.len()) {
                let pointer = below(&pointer, &index.to_string());
                compare(pointer, was.get(index), is.get(index), found);
            }
        }
        // An absent field and a null mean the same: nothing.
        (None | Some(Value::Null), None | Some(Value::Null)) => {}
        (was, is) if was != is => {
            found.push(Changed { pointer, was: was.cloned(), is: is.cloned() });
        }
        _ => {}
    }
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
