//! A TOML table read key by key. What is not read is unknown: strict keys need no list of their own.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Place, Sheet, WrittenTree, nearest};
use crate::duration;
use crate::report::code;

pub(crate) struct Table<'s> {
    pub sheet: &'s Sheet<'s>,
    /// As an admin would call it: `[from.http]`, "step `tax`".
    pub what: String,
    /// What to point at when a key is missing.
    pub span: Range<usize>,
    /// In the order of the file.
    entries: Vec<Entry<'s>>,
    asked: RefCell<Vec<&'static str>>,
}

struct Entry<'s> {
    key: &'s str,
    key_span: Range<usize>,
    value: &'s Spanned<DeValue<'s>>,
}

/// Something with its place.
#[derive(Clone, Debug)]
pub(crate) struct Written<T> {
    pub value: T,
    pub place: Place,
}

pub(crate) type Text = Written<String>;
/// A CEL expression that has not been looked at yet.
pub(crate) type Leaf = Written<String>;

impl<T> Written<T> {
    pub fn span(&self) -> Range<usize> {
        self.place.span.clone()
    }
}

impl<'s> Table<'s> {
    pub fn new(
        sheet: &'s Sheet<'s>,
        what: impl Into<String>,
        span: Range<usize>,
        table: &'s DeTable<'s>,
    ) -> Table<'s> {
        let mut entries: Vec<Entry<'s>> = table
            .iter()
            .map(|(key, value)| Entry { key: key.get_ref(), key_span: key.span(), value })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Table { sheet, what: what.into(), span, entries, asked: RefCell::default() }
    }

    fn take(&self, key: &'static str) -> Option<&Entry<'s>> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether the key is there; it then counts as read.
    pub fn has(&self, key: &'static str) -> bool {
        self.take(key).is_some()
    }

    pub fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span.clone())
    }

    pub fn value(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.take(key).map(|entry| entry.value)
    }

    pub fn text(&self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        self.as_text(key, value)
    }

    pub fn required_text(&self, key: &'static str, example: &str) -> Option<Text> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// A string that holds an expression.
    pub fn leaf(&self, key: &'static str) -> Option<Leaf> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(_) => Some(text_of(self.sheet, value)),
            other => {
                self.sheet.error_help(
                    code::WRONG_KIND,
                    value.span(),
                    format!("`{key}` takes an expression, not {}", kind(other)),
                    format!("put it between quotes: {key} = \"...\""),
                );
                None
            }
        }
    }

    pub fn duration(&self, key: &'static str) -> Option<Written<u64>> {
        let text = self.text(key)?;
        match duration::parse(&text.value) {
            Ok(ms) => Some(Written { value: ms, place: text.place }),
            Err(message) => {
                self.sheet.error(code::BAD_VALUE, text.span(), message);
                None
            }
        }
    }

    pub fn integer(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Written<u64>> {
        let value = self.value(key)?;
        let refuse = |got: &str| {
            let (low, high) = (range.start(), range.end());
            let message = format!("`{key}` takes a whole number from {low} to {high}, not {got}");
            self.sheet.error(code::BAD_VALUE, value.span(), message);
        };
        match value.get_ref() {
            DeValue::Integer(written) => {
                match u64::from_str_radix(written.as_str(), written.radix()) {
                    Ok(number) if range.contains(&number) => Some(Written {
                        value: number,
                        place: Place { span: value.span(), content: None },
                    }),
                    _ => {
                        refuse(&format!("`{written}`"));
                        None
                    }
                }
            }
            other => {
                refuse(kind(other));
                None
            }
        }
    }

    pub fn boolean(&self, key: &'static str) -> Option<Written<bool>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => {
                Some(Written { value: *truth, place: Place { span: value.span(), content: None } })
            }
            other => {
                let message = format!("`{key}` takes true or false, not {}", kind(other));
                self.sheet.error(code::WRONG_KIND, value.span(), message);
                None
            }
        }
    }

    pub fn texts(&self, key: &'static str) -> Option<Written<Vec<Text>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let message = format!("`{key}` takes a list of strings, not {}", kind(value.get_ref()));
            self.sheet.error(code::WRONG_KIND, value.span(), message);
            return None;
        };
        let texts = items.iter().filter_map(|item| self.as_text(key, item)).collect();
        Some(Written { value: texts, place: Place { span: value.span(), content: None } })
    }

    /// A table below this one.
    pub fn table(&self, key: &'static str, what: impl Into<String>) -> Option<Table<'s>> {
        let entry = self.take(key)?;
        match entry.value.get_ref() {
            DeValue::Table(table) => {
                Some(Table::new(self.sheet, what, entry.key_span.clone(), table))
            }
            other => {
                let message = format!("`{key}` takes a table, not {}", kind(other));
                self.sheet.error(code::WRONG_KIND, entry.value.span(), message);
                None
            }
        }
    }

    /// Each table of an array of tables.
    pub fn tables(&self, key: &'static str) -> Vec<(Range<usize>, &'s DeTable<'s>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wrong = |span, found: &DeValue<'_>| {
            let message = format!("`{key}` is a list of tables, not {}", kind(found));
            self.sheet.error_help(code::WRONG_KIND, span, message, format!("write [[{key}]]"));
        };
        let DeValue::Array(items) = value.get_ref() else {
            wrong(value.span(), value.get_ref());
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| match item.get_ref() {
                DeValue::Table(table) => Some((item.span(), table)),
                other => {
                    wrong(item.span(), other);
                    None
                }
            })
            .collect()
    }

    /// A tree whose leaves are expressions.
    pub fn tree(&self, key: &'static str) -> Option<WrittenTree> {
        let entry = self.take(key)?;
        WrittenTree::read(self.sheet, entry.key_span.clone(), entry.value)
    }

    /// Every key with its expression: for tables whose keys are the admin's own.
    pub fn leaves(&self) -> Vec<(Text, Leaf)> {
        let mut leaves = Vec::new();
        for entry in &self.entries {
            let name = Written {
                value: entry.key.to_owned(),
                place: Place { span: entry.key_span.clone(), content: None },
            };
            match entry.value.get_ref() {
                DeValue::String(_) => leaves.push((name, text_of(self.sheet, entry.value))),
                other => self.sheet.error(
                    code::WRONG_KIND,
                    entry.value.span(),
                    format!("`{}` takes an expression, not {}", entry.key, kind(other)),
                ),
            }
        }
        leaves
    }

    pub fn missing(&self, key: &str, example: &str) {
        let message = format!("{} has no `{key}`", self.what);
        self.sheet.error_help(
            code::MISSING_KEY,
            self.span.clone(),
            message,
            format!("for example: {key} = {example}"),
        );
    }

    /// Reports every key that nothing has asked for.
    pub fn finish(self) {
        let asked = self.asked.into_inner();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key)) {
            let message = format!("{} has no key `{}`", self.what, entry.key);
            let help = match nearest(entry.key, asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let mut known: Vec<&str> = asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("it takes {}", known.join(", "))
                }
            };
            self.sheet.error_help(code::UNKNOWN_KEY, entry.key_span.clone(), message, help);
        }
    }

    pub fn as_text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Text> {
        match value.get_ref() {
            DeValue::String(_) => Some(text_of(self.sheet, value)),
            other => {
                let message = format!("`{key}` takes a string, not {}", kind(other));
                self.sheet.error(code::WRONG_KIND, value.span(), message);
                None
            }
        }
    }
}

/// The string of a value that is one, with the place of its content.
pub(crate) fn text_of(sheet: &Sheet<'_>, value: &Spanned<DeValue<'_>>) -> Text {
    let text = value.get_ref().as_str().unwrap_or_default();
    let span = value.span();
    Written {
        value: text.to_owned(),
        place: Place { content: content(sheet.text, &span, text), span },
    }
}

/// Where the content of a quoted string begins in the file, if it stands there byte by byte.
fn content(file: &str, span: &Range<usize>, text: &str) -> Option<usize> {
    let raw = file.get(span.clone())?;
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| raw.starts_with(quotes))?;
    let mut inner = raw.get(quotes.len()..raw.len().checked_sub(quotes.len())?)?;
    let mut start = span.start + quotes.len();
    if quotes.len() == 3 {
        // TOML drops a line break right after the opening quotes.
        let trimmed = inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n'));
        if let Some(trimmed) = trimmed {
            start += inner.len() - trimmed.len();
            inner = trimmed;
        }
    }
    (inner == text).then_some(start)
}

/// A TOML value's kind, as in "not a number".
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
