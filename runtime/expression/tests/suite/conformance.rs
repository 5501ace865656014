//! The public CEL conformance data, where it lies beside the repository: every test of the sections
//! that need no protobuf messages. Prints the rate by file; what fails is listed with its reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use contract::{MapKey, Value};
use expression::{Scope, Type, compile};

use crate::textproto::{Node, parse};

/// Tests known to differ, by the start of their name, each with its reason. Anything else that fails
/// turns the test red, and so does an entry that no longer fails.
const KNOWN: &[(&str, &str)] = &[
    (
        "fields/qualified_identifier_resolution/",
        "names in scope have no dots: there are no containers",
    ),
    ("optionals/optionals/map_optional_has", "an optional inside an optional is one optional"),
    (
        "timestamps/timestamp_conversions/toString_timestamp_nanos",
        "the last day of 9999 is beyond jiff's range",
    ),
];

#[test]
fn the_public_data_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cel-spec");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("no conformance data in {}; nothing was run", folder.display());
        return;
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let mut unexpected = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "textproto")) {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let (mut passed, mut refused, mut left_out, mut differ) = (0, 0, 0, 0);
        for section in parse(&std::fs::read_to_string(file).unwrap()).fields("section") {
            for test in section.fields("test") {
                let name = format!(
                    "{stem}/{}/{}",
                    section.field("name").unwrap().text(),
                    test.field("name").unwrap().text()
                );
                if needs_protobuf(test) || needs_functions(test) {
                    left_out += 1;
                    continue;
                }
                match (outcome(test), known(&name)) {
                    (Ok(Done::Refused), None) => refused += 1,
                    (Ok(Done::Right), None) => passed += 1,
                    (Err(_), Some(_)) => differ += 1,
                    (Ok(_), Some(reason)) => {
                        passed += 1;
                        // A prefix may cover tests of which some pass; a full name may not.
                        if KNOWN.iter().any(|(known, _)| *known == name) {
                            unexpected.push(format!("{name}: passes now, although {reason}"));
                        }
                    }
                    (Err(reason), None) => {
                        unexpected.push(format!(
                            "{name}: {reason}\n    {}",
                            test.field("expr").unwrap().text()
                        ));
                    }
                }
            }
        }
        println!(
            "{stem}: {passed} as expected, {refused} refused by the check, {differ} differ, {left_out} left out"
        );
    }
    assert!(unexpected.is_empty(), "{} fail:\n{}", unexpected.len(), unexpected.join("\n"));
}

/// What became of a test that did not fail.
enum Done {
    Right,
    /// Meant to run unchecked, and ill-typed: here nothing runs unchecked.
    Refused,
}

fn known(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| name.starts_with(known)).map(|(_, reason)| *reason)
}

fn needs_protobuf(test: &Node) -> bool {
    let text = format!("{test:?}");
    let expr = test.field("expr").map(Node::text).unwrap_or_default();
    let of_values = ["object_value", "message_type", "enum_value", "wrapper"];
    let of_source =
        ["TestAllTypes", "proto2", "proto3", "Value{", "GlobalEnum", "NestedEnum", "Struct{"];
    of_values.iter().any(|word| text.contains(word))
        || of_source.iter().any(|word| expr.contains(word))
}

/// The test declares functions of its own, or calls ones that nobody declared.
fn needs_functions(test: &Node) -> bool {
    test.fields("type_env").any(|declaration| declaration.field("function").is_some())
}

fn outcome(test: &Node) -> Result<Done, String> {
    let mut scope = Scope::new();
    let mut slots = Vec::new();
    for declaration in test.fields("type_env") {
        let name = declaration.field("name").unwrap().text();
        let ty = declaration
            .field("ident")
            .and_then(|ident| ident.field("type"))
            .map_or(Type::Dyn, declared);
        let slot = scope.declare(&name, ty);
        slots.resize(slot + 1, Value::Null);
    }
    for binding in test.fields("bindings") {
        let name = binding.field("key").unwrap().text();
        let value = value(binding.field("value").unwrap().field("value").unwrap());
        let slot = scope.slot(&name).unwrap_or_else(|| scope.declare(&name, Type::Dyn));
        slots.resize(slots.len().max(slot + 1), Value::Null);
        slots[slot] = value;
    }
    let source = test.field("expr").unwrap().text();
    let flag = |name| test.field(name).is_some_and(|flag| flag.text() == "true");
    let wants_error = test.field("eval_error").is_some() || test.field("any_eval_errors").is_some();
    let wanted = match test.field("typed_result") {
        Some(typed) => typed.field("result"),
        None => test.field("value"),
    };
    let program = match compile(&source, &scope) {
        Ok(program) => program,
        Err(_) if wants_error => return Ok(Done::Right),
        Err(_) if flag("disable_check") => return Ok(Done::Refused),
        Err(problems) => {
            return Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        }
    };
    if let Some(deduced) = test.field("typed_result").and_then(|typed| typed.field("deduced_type"))
    {
        let (found, deduced) = (erased(program.ty()), declared(deduced));
        if found != deduced {
            return Err(format!("expected the type {deduced}, found {found}"));
        }
    }
    if flag("check_only") {
        return Ok(Done::Right);
    }
    match (program.evaluate(&slots), wanted) {
        (Err(_), _) if wants_error => Ok(Done::Right),
        (Err(error), _) => Err(error.message),
        (Ok(found), _) if wants_error => Err(format!("an error was expected, found {found:?}")),
        (Ok(found), wanted) => {
            let wanted = wanted.map_or(Value::Bool(true), value);
            if same(&found, &wanted) {
                Ok(Done::Right)
            } else {
                Err(format!("expected {wanted:?}, found {found:?}"))
            }
        }
    }
}

/// Known keys are our refinement of a map.
fn erased(ty: &Type) -> Type {
    match ty {
        Type::Struct(_) => ty.map_view().map_or(Type::Dyn, |map| erased(&map)),
        Type::List(element) => Type::list(erased(element)),
        Type::Map(key, value) => Type::map(erased(key), erased(value)),
        Type::Optional(inner) => Type::optional(erased(inner)),
        other => other.clone(),
    }
}

fn declared(node: &Node) -> Type {
    if let Some(primitive) = node.field("primitive") {
        return match primitive.text().as_str() {
            "BOOL" => Type::Bool,
            "INT64" => Type::Int,
            "UINT64" => Type::Uint,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            _ => Type::Dyn,
        };
    }
    if let Some(well_known) = node.field("well_known") {
        return match well_known.text().as_str() {
            "TIMESTAMP" => Type::Timestamp,
            "DURATION" => Type::Duration,
            _ => Type::Dyn,
        };
    }
    if let Some(parameter) = node.field("abstract_type").and_then(|ty| ty.field("parameter_types"))
    {
        return Type::Optional(Arc::new(declared(parameter)));
    }
    if node.field("null").is_some() {
        return Type::Null;
    }
    if let Some(list) = node.field("list_type") {
        return Type::list(list.field("elem_type").map_or(Type::Dyn, declared));
    }
    if let Some(map) = node.field("map_type") {
        let side = |name| map.field(name).map_or(Type::Dyn, declared);
        return Type::map(side("key_type"), side("value_type"));
    }
    Type::Dyn
}

fn value(node: &Node) -> Value {
    let Node::Message(fields) = node else { panic!("no value: {node:?}") };
    let Some((kind, node)) = fields.first() else { return Value::Null };
    let text = node.text();
    match kind.as_str() {
        "null_value" => Value::Null,
        "bool_value" => Value::Bool(text == "true"),
        "int64_value" => Value::Int(match text.strip_prefix("-0x") {
            Some(hex) => -i64::from_str_radix(hex, 16).unwrap(),
            None => text
                .strip_prefix("0x")
                .map_or_else(|| text.parse().unwrap(), |hex| i64::from_str_radix(hex, 16).unwrap()),
        }),
        "uint64_value" => Value::Uint(
            text.strip_prefix("0x")
                .map_or_else(|| text.parse().unwrap(), |hex| u64::from_str_radix(hex, 16).unwrap()),
        ),
        "double_value" => Value::Double(match text.as_str() {
            "inf" | "infinity" | "Infinity" => f64::INFINITY,
            "-inf" | "-infinity" | "-Infinity" => f64::NEG_INFINITY,
            "nan" | "NaN" => f64::NAN,
            other => other.parse().unwrap(),
        }),
        "string_value" => Value::string(text),
        "bytes_value" => Value::Bytes(node.bytes().into()),
        "type_value" => Value::Type(text.into()),
        "list_value" => Value::list(node.fields("values").map(value).collect()),
        "map_value" => Value::Map(Arc::new(
            node.fields("entries")
                .map(|entry| {
                    (key(&value(entry.field("key").unwrap())), value(entry.field("value").unwrap()))
                })
                .collect::<BTreeMap<_, _>>(),
        )),
        other => panic!("no such kind of value: {other}"),
    }
}

fn key(value: &Value) -> MapKey {
    match value {
        Value::Bool(value) => MapKey::Bool(*value),
        Value::Int(number) => MapKey::Int(*number),
        Value::Uint(number) => MapKey::Uint(*number),
        Value::String(text) => MapKey::String(text.clone()),
        other => panic!("no key: {other:?}"),
    }
}

/// Equal in kind too; NaN is itself here, and the order of maps made into lists is free.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Double(a), Value::Double(b)) => a == b || a.is_nan() && b.is_nan(),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
