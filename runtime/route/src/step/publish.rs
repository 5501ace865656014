//! `publish = TYPE`: an event for every route that subscribes to its topic.

use crate::with::With;
use contract::{Type, TypeName};

use super::{Checked, Kind};
use crate::check::Checker;
use crate::written::{Table, Text, WrittenTree};

#[derive(Debug)]
pub struct Publish {
    pub topic: TypeName,
    pub ty: Type,
    pub(crate) with: With,
}

pub(crate) struct Written {
    pub topic: Text,
    with: Option<WrittenTree>,
    with_bad: bool,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let topic = table.text("publish");
    let has_with = table.has("with");
    let with = table.tree("with");
    Some(Written { topic: topic?, with_bad: has_with && with.is_none(), with })
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    let named = checker.type_named(&written.topic, &[]);
    let expected = named.as_ref().map(|(_, ty)| ty);
    let with = match (&written.with, expected) {
        _ if written.with_bad => None,
        (None, None) => None,
        (Some(tree), expected) => checker.mapping(tree, expected),
        (None, expected) => checker.mapping(&WrittenTree::empty(written.topic.span()), expected),
    };
    let (topic, ty) = named?;
    Some(Checked { kind: Kind::Publish(Publish { topic, ty, with: with? }), result: None })
}
