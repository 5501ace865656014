//! Trees of TOML into values.

use std::sync::Arc;

use contract::{Type, Value};
use expression::{Tree, compile_tree};

use crate::{shop, show};

fn leaf(source: &str, at: usize) -> Tree {
    Tree::Expression { source: source.into(), at }
}

fn table(entries: &[(&str, usize, Tree)]) -> Tree {
    Tree::Table(
        entries.iter().map(|(key, mark, tree)| ((*key).to_owned(), *mark, tree.clone())).collect(),
    )
}

#[track_caller]
fn check(tree: &Tree, expected: Option<&Type>, expect: &str) {
    let (scope, slots) = shop::scope();
    let found = match compile_tree(tree, &scope, expected) {
        Ok(mapping) => match mapping.evaluate(&slots) {
            Ok(value) => show::value(&value),
            Err(error) => format!("?{:?} {}", error.mark, error.message),
        },
        Err(problems) => problems
            .iter()
            .map(|found| {
                format!("!{:?} {} {}", found.mark, found.problem.code, found.problem.message)
            })
            .collect::<Vec<_>>()
            .join(" | "),
    };
    assert_eq!(found, expect);
}

#[test]
fn a_table_becomes_a_record() {
    let line = Type::Record(shop::line());
    let good = table(&[
        ("sku", 1, leaf("message.id", 2)),
        ("quantity", 3, Tree::Literal(Value::Int(2))),
        ("unit_price", 4, Tree::Literal(Value::Double(0.19))),
    ]);
    check(&good, Some(&line), "line(sku: 'A-1', quantity: 2d, unit_price: 0.19d, weight: null)");
    check(
        &good,
        Some(&shop::option(line.clone())),
        "line(sku: 'A-1', quantity: 2d, unit_price: 0.19d, weight: null)",
    );
    let bad = table(&[
        ("sku", 1, leaf("message.note", 2)),
        ("quantty", 3, Tree::Literal(Value::Int(2))),
        ("unit_price", 4, Tree::Literal(Value::Bool(true))),
        ("weight", 5, leaf("nothing", 6)),
    ]);
    check(
        &bad,
        Some(&line),
        "!Some(2) optional `message.note` may be absent, but string is required | \
         !Some(3) unknown-field line has no field `quantty` | \
         !Some(4) literal expected decimal, found bool | \
         !Some(6) unknown-name nothing here is called `nothing` | \
         !None missing-field line needs the field `quantity`",
    );
}

#[test]
fn nested_tables_arrays_and_cases() {
    let ty = Type::Record(shop::record(
        "outer",
        &[
            ("to", Type::Record(shop::address())),
            ("status", Type::Variant(shop::status())),
            ("tags", shop::list(Type::String)),
        ],
    ));
    let tree = table(&[
        ("to", 1, table(&[("city", 2, leaf("'Köln'", 3))])),
        ("status", 4, table(&[("held", 5, leaf("'why'", 6))])),
        ("tags", 7, Tree::Array(vec![leaf("message.id", 8), leaf("headers.none", 9)])),
    ]);
    check(&tree, Some(&ty), "?Some(9) no such key: `none`");
    let tree = table(&[
        ("to", 1, table(&[])),
        ("status", 4, table(&[("hold", 5, leaf("'why'", 6))])),
        ("tags", 7, table(&[])),
    ]);
    check(
        &tree,
        Some(&ty),
        "!Some(1) missing-field address needs the field `city` | \
         !Some(5) unknown-case status has no case `hold` | \
         !Some(7) type expected list(string), found a table",
    );
}

#[test]
fn without_a_contract_the_type_is_inferred() {
    let tree = table(&[
        ("total", 1, leaf("message.lines.map(l, l.quantity).sum()", 2)),
        ("note", 3, leaf("message.note", 4)),
        ("decision", 5, leaf("credit.decision", 6)),
        ("parts", 7, Tree::Array(vec![leaf("1", 8), leaf("2", 9)])),
        ("inner", 10, table(&[("x", 11, leaf("{'a': 1u}", 12))])),
    ]);
    check(
        &tree,
        None,
        "record(total: 5d, note: null, decision: on_hold, parts: [1, 2], inner: record(x: record(a: 1u)))",
    );
    let (scope, _) = shop::scope();
    let mapping = compile_tree(&tree, &scope, None).unwrap();
    assert!(mapping.contract_type().is_some());
    assert_eq!(mapping.slots_used(), [0, 2]);
    // Something dyn inside: a map, with the optionals taken out.
    let open =
        table(&[("a", 1, leaf("any.n", 2)), ("b", 3, leaf("[optional.of(1), message.note]", 4))]);
    check(&open, None, "{a: 5, b: [1, null]}");
    assert!(compile_tree(&open, &scope, None).unwrap().contract_type().is_none());
    check(&leaf("message.ship_to", 1), None, "address(city: 'Bonn', zone: null)");
    check(
        &table(&[("a-b", 1, leaf("1", 2))]),
        None,
        "!Some(1) unknown-name `a-b` cannot be the name of a field here",
    );
}

#[test]
fn trees_have_a_depth() {
    let deep = (0..100).fold(leaf("1", 0), |tree, _| Tree::Array(vec![tree]));
    let ty = (0..100).fold(Type::S32, |ty, _| Type::List(Arc::new(ty)));
    check(&deep, Some(&ty), "!None too-large nested deeper than 32");
    check(&deep, None, "!None too-large nested deeper than 32");
}
