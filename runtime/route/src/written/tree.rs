//! `with`: a tree of TOML whose leaves are expressions, handed to crate `expression` with marks that
//! lead back to the file.

use std::ops::Range;

use contract::Value;
use expression::Tree;
use toml::Spanned;
use toml::de::DeValue;

use super::table::text_of;
use super::{Place, Sheet};
use crate::report::code;

/// Tables and arrays inside each other.
pub(crate) const TREE_DEPTH_MAX: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct WrittenTree {
    pub tree: Tree,
    /// By mark. Mark 0 is the tree's own key.
    pub places: Vec<Place>,
}

impl WrittenTree {
    /// None (and a report) where a leaf cannot be one.
    pub fn read(
        sheet: &Sheet<'_>,
        key: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<WrittenTree> {
        let mut places = vec![Place { span: key, content: None }];
        let tree = read(sheet, &mut places, value, 0)?;
        Some(WrittenTree { tree, places })
    }

    /// What stands for a `with` that was not written.
    pub fn empty(place: Range<usize>) -> WrittenTree {
        WrittenTree {
            tree: Tree::Table(Vec::new()),
            places: vec![Place { span: place, content: None }],
        }
    }

    /// Where a problem at `mark` stands; `range` is inside the mark's string.
    pub fn place(&self, mark: usize, range: Range<usize>) -> Range<usize> {
        let place = self.places.get(mark).unwrap_or(&self.places[0]);
        if place.content.is_some() { place.within(range) } else { place.span.clone() }
    }
}

fn read(
    sheet: &Sheet<'_>,
    places: &mut Vec<Place>,
    value: &Spanned<DeValue<'_>>,
    depth: usize,
) -> Option<Tree> {
    if depth > TREE_DEPTH_MAX {
        let message = format!("more than {TREE_DEPTH_MAX} tables inside each other");
        sheet.error(code::TOO_LARGE, value.span(), message);
        return None;
    }
    let refuse = |message: &str, help: &str| {
        sheet.error_help(code::WRONG_KIND, value.span(), message, help);
        None
    };
    match value.get_ref() {
        DeValue::String(_) => {
            let text = text_of(sheet, value);
            places.push(text.place);
            Some(Tree::Expression { source: text.value, at: places.len() - 1 })
        }
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(Tree::Literal(Value::Int(number))),
            Err(_) => refuse("the number does not fit into 64 bits", "write it as an expression"),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Some(Tree::Literal(Value::Double(number))),
            Err(_) => refuse("not a number", "write it as an expression"),
        },
        DeValue::Boolean(truth) => Some(Tree::Literal(Value::Bool(*truth))),
        DeValue::Datetime(_) => refuse(
            "a TOML date is no expression",
            "write it as one: \"timestamp('2026-03-31T08:15:00Z')\", or \"'2026-03-31'\" for a date",
        ),
        DeValue::Array(items) => {
            let read: Vec<Option<Tree>> =
                items.iter().map(|item| read(sheet, places, item, depth + 1)).collect();
            read.into_iter().collect::<Option<_>>().map(Tree::Array)
        }
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let read: Vec<Option<(String, usize, Tree)>> = entries
                .into_iter()
                .map(|(key, value)| {
                    places.push(Place { span: key.span(), content: None });
                    let mark = places.len() - 1;
                    let tree = read(sheet, places, value, depth + 1)?;
                    Some((key.get_ref().to_string(), mark, tree))
                })
                .collect();
            read.into_iter().collect::<Option<_>>().map(Tree::Table)
        }
    }
}
