//! What belongs together: each canonical object in a message ties its own id to its ids in other
//! systems, and to the objects that it refers to. Timelines and `find` follow these ties.

use contract::{RecordValue, Value};
use serde::{Deserialize, Serialize};

/// The system of an object's own id.
pub const OWN_SYSTEM: &str = "crossdock";
/// Links taken out of one value; more than any document of ours holds.
pub const LINKS_MAX: usize = 10_000;

/// (company, object, system, id) and (company, other_object, other_system, other_id) belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    pub company: String,
    pub object: String,
    pub system: String,
    pub id: String,
    pub other_object: String,
    pub other_system: String,
    pub other_id: String,
}

/// The links of every canonical object anywhere in the value, each once, in the order they stand.
pub fn links(value: &Value) -> Vec<Link> {
    let mut found = Vec::new();
    collect(value, &mut found);
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|link| seen.insert(link.clone()));
    found
}

fn collect(value: &Value, found: &mut Vec<Link>) {
    if found.len() >= LINKS_MAX {
        return;
    }
    match value {
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Map(map) => map.values().for_each(|item| collect(item, found)),
        Value::Record(record) => {
            of_object(record, found);
            record.fields.iter().for_each(|field| collect(field, found));
        }
        Value::Variant(variant) => {
            if let Some(payload) = &variant.payload {
                collect(payload, found);
            }
        }
        Value::Result(Ok(inner) | Err(inner)) | Value::Optional(Some(inner)) => {
            collect(inner, found);
        }
        _ => {}
    }
}

/// A record is a canonical object if it has an id, a company and references.
fn of_object(record: &RecordValue, found: &mut Vec<Link>) {
    let field = |name: &str| record.ty.field(name).map(|at| &record.fields[at]);
    let text = |name: &str| field(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(id), Some(company), Some(Value::List(references))) =
        (text("id"), text("company"), field("references"))
    else {
        return;
    };
    for reference in references.iter() {
        let part = |name: &str| {
            reference.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
        };
        if found.len() >= LINKS_MAX {
            return;
        }
        if let (Some(system), Some(object), Some(other_id)) =
            (part("system"), part("object"), part("id"))
        {
            let itself = object == record.ty.name.name && system == OWN_SYSTEM && other_id == id;
            if itself {
                continue;
            }
            found.push(Link {
                company: company.to_owned(),
                object: record.ty.name.name.clone(),
                system: OWN_SYSTEM.to_owned(),
                id: id.to_owned(),
                other_object: object.to_owned(),
                other_system: system.to_owned(),
                other_id: other_id.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Field, Record, Type, TypeName};
    use std::sync::Arc;

    fn record(name: &str, fields: Vec<(&str, Value)>) -> Value {
        let ty = Record {
            name: TypeName {
                package: "crossdock:canonical".into(),
                interface: "orders".into(),
                name: name.into(),
                major: 1,
            },
            docs: String::new(),
            fields: fields
                .iter()
                .map(|(field, _)| Field {
                    name: (*field).into(),
                    json: (*field).into(),
                    docs: String::new(),
                    ty: Type::String,
                })
                .collect(),
        };
        Value::record(Arc::new(ty), fields.into_iter().map(|(_, value)| value).collect())
    }

    fn reference(system: &str, object: &str, id: &str) -> Value {
        record(
            "reference",
            vec![
                ("system", Value::string(system)),
                ("object", Value::string(object)),
                ("id", Value::string(id)),
            ],
        )
    }

    fn object(name: &str, id: &str, references: Vec<Value>) -> Value {
        record(
            name,
            vec![
                ("id", Value::string(id)),
                ("company", Value::string("acme")),
                ("references", Value::list(references)),
            ],
        )
    }

    fn shown(value: &Value) -> Vec<String> {
        links(value)
            .iter()
            .map(|l| {
                let own = format!("{}/{}/{}/{}", l.company, l.object, l.system, l.id);
                format!("{own} = {}/{}/{}", l.other_object, l.other_system, l.other_id)
            })
            .collect()
    }

    #[test]
    fn an_object_is_tied_to_its_numbers_and_to_what_it_refers_to() {
        let invoice = object(
            "invoice",
            "I1",
            vec![
                reference("tryton", "invoice", "17"),
                reference("crossdock", "shipment", "S1"),
                reference("tryton", "invoice", "17"),
                reference("crossdock", "invoice", "I1"),
                reference("", "invoice", "18"),
            ],
        );
        assert_eq!(
            shown(&invoice),
            [
                "acme/invoice/crossdock/I1 = invoice/tryton/17",
                "acme/invoice/crossdock/I1 = shipment/crossdock/S1",
            ]
        );
    }

    #[test]
    fn objects_are_found_anywhere_inside() {
        let order = object("order", "O1", vec![reference("shopify", "order", "5")]);
        let wrapped = Value::list(vec![Value::Optional(Some(Arc::new(record(
            "answer",
            vec![("order", order)],
        ))))]);
        assert_eq!(shown(&wrapped), ["acme/order/crossdock/O1 = order/shopify/5"]);
        assert!(links(&reference("a", "b", "c")).is_empty());
    }
}
