//! `find = "order"`: from an id in one system to our own id and those in all others, by the links
//! that the journal keeps. A link may come later than the message that needs it, so it waits a while.

use std::sync::Arc;

use contract::{Field, Record, TypeName};
use expression::{Tree, Type};

use super::{Checked, Kind, suggestion};
use crate::check::Checker;
use crate::operation::object_name;
use crate::plan::MessageType;
use crate::report::code;
use crate::with::With;
use crate::written::{Table, Text, WrittenTree};

/// How long a link may be missing unless the step says otherwise.
pub const WITHIN_MS: u64 = 15 * 60_000;

#[derive(Debug)]
pub struct Find {
    /// The object that is wanted.
    pub object: String,
    /// A record of company, object, system, id.
    pub(crate) with: With,
    pub within_ms: u64,
}

pub(crate) struct Written {
    object: Text,
    with: Option<WrittenTree>,
    within_ms: u64,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let object = table.text("find");
    if !table.has("with") {
        table.missing("with", "{ system = \"'inventree'\", id = \"message.order_number\" }");
    }
    let with = table.tree("with");
    let within = table.duration("within");
    Some(Written {
        object: object?,
        with,
        within_ms: within.map_or(WITHIN_MS, |within| within.value),
    })
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    check_object(checker, &written.object);
    let mut with = written.with.clone()?;
    if let Tree::Table(entries) = &mut with.tree {
        let mut default = |key: &str, source: String| {
            if !entries.iter().any(|(name, _, _)| name == key) {
                entries.push((key.to_owned(), 0, Tree::Expression { source, at: 0 }));
            }
        };
        default("object", format!("'{}'", written.object.value));
        if message_has_company(checker.message()) {
            default("company", "message.company".to_owned());
        }
    }
    let with = checker.mapping(&with, Some(&contract::Type::Record(query_record())))?;
    let find = Find { object: written.object.value.clone(), with, within_ms: written.within_ms };
    Some(Checked { kind: Kind::Find(find), result: Some(result()) })
}

/// id, and ids by system.
pub(crate) fn result() -> Type {
    Type::Struct(Arc::from([
        (Arc::from("id"), Type::String),
        (Arc::from("ids"), Type::Map(Arc::new(Type::String), Arc::new(Type::String))),
    ]))
}

fn check_object(checker: &Checker<'_>, object: &Text) {
    let mut objects: Vec<&str> = checker
        .environment
        .contracts
        .types()
        .filter_map(|(_, ty)| object_name(ty))
        .map(|name| name.name.as_str())
        .collect();
    objects.sort_unstable();
    objects.dedup();
    if !objects.contains(&object.value.as_str()) {
        let message = format!("no contract has an object `{}`", object.value);
        let known = format!("there are {}", objects.join(", "));
        let help = suggestion(&object.value, objects.iter().copied(), &known);
        checker.sheet.error_help(code::UNKNOWN_OBJECT, object.span(), message, help);
    }
}

fn message_has_company(message: &MessageType) -> bool {
    match message {
        MessageType::Typed(contract::Type::Record(record)) => {
            record.field("company").is_some_and(|at| record.fields[at].ty == contract::Type::String)
        }
        _ => false,
    }
}

/// In the order that the machine reads.
fn query_record() -> Arc<Record> {
    let field = |name: &str| Field {
        name: name.to_owned(),
        json: name.to_owned(),
        docs: String::new(),
        ty: contract::Type::String,
    };
    Arc::new(Record {
        name: TypeName {
            package: "crossdock:runtime".to_owned(),
            interface: "scope".to_owned(),
            name: "find".to_owned(),
            major: 1,
        },
        docs: String::new(),
        fields: ["company", "object", "system", "id"].map(field).to_vec(),
    })
}
