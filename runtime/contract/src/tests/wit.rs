//! WIT text to contracts: names, docs, aliases, versions, and what is told when it is wrong.

use std::path::Path;

use super::{CORE, SHOP, contracts, source, ty};
use crate::{Contracts, Scalar, Source, Type};

fn problems(sources: &[Source]) -> Vec<String> {
    let problems = Contracts::parse(sources).expect_err("something is wrong");
    problems.iter().map(ToString::to_string).collect()
}

/// Parses core and one file; the problems, one a line.
fn check(text: &str, expected: &[&str]) {
    let told = problems(&[source("core/1/types.wit", CORE), source("x/1/a.wit", text)]);
    assert_eq!(told, expected);
}

#[test]
fn names_docs_and_scalars_are_kept() {
    let contracts = contracts(&[SHOP, CORE]);
    let Type::Record(item) = ty(&contracts, "shop:goods/stock.item@1") else { panic!() };
    assert_eq!(item.docs, "One thing on a shelf.");
    assert_eq!(item.name.to_string(), "shop:goods/stock.item@1");
    let fields: Vec<String> =
        item.fields.iter().map(|field| format!("{} {}", field.json, field.ty)).collect();
    assert_eq!(
        fields,
        [
            "sku string",
            "unit_price crossdock:core/types.money@1",
            "on_hand decimal",
            "colour shop:goods/stock.colour@1",
            "handling shop:goods/stock.handling@1",
            "seen_at option<timestamp>",
            "picture list<u8>",
            "tags list<tuple<string, s8>>",
            "big u64",
        ]
    );
    assert_eq!(item.fields[0].docs, "Stock keeping unit.");
    assert_eq!(item.fields[1].name, "unit-price");
    let Type::Variant(colour) = ty(&contracts, "shop:goods/stock.colour@1") else { panic!() };
    assert!(colour.is_enum);
    assert_eq!(colour.cases[1].json, "dark_blue");
    // Aliases have names too, a `use` makes none.
    assert_eq!(
        ty(&contracts, "shop:goods/stock.answers@1").to_string(),
        "list<shop:goods/stock.answer@1>"
    );
    assert_eq!(ty(&contracts, "crossdock:core/types.unit@1"), Type::Scalar(Scalar::Unit));
    let names: Vec<String> = contracts.types().map(|(name, _)| name.to_string()).collect();
    assert!(!names.contains(&"shop:goods/stock.money@1".to_owned()), "{names:?}");
    assert!(!names.contains(&"shop:goods/stock.exact@1".to_owned()), "{names:?}");
}

#[test]
fn operations_are_those_of_the_one_shape() {
    let contracts = contracts(&[CORE, SHOP]);
    let operations: Vec<String> = contracts
        .operations()
        .map(|operation| {
            format!(
                "{} {}: {} -> {}",
                operation.interface, operation.name, operation.input, operation.output
            )
        })
        .collect();
    assert_eq!(
        operations,
        ["shop:goods/stock@1.2.0 look: shop:goods/stock.item@1 -> shop:goods/stock.answer@1"]
    );
    assert_eq!(contracts.operations().next().unwrap().docs, "Looks on the shelf.");
    let misfits: Vec<&str> =
        contracts.misfits().iter().map(|misfit| misfit.function.as_str()).collect();
    assert_eq!(misfits, ["describe", "get"]);
}

#[test]
fn a_string_named_like_a_scalar_elsewhere_is_a_string() {
    let text = "package a:b@1.0.0; interface types { type decimal = string; }";
    assert_eq!(ty(&contracts(&[text]), "a:b/types.decimal@1"), Type::String);
}

#[test]
fn versions_stand_side_by_side() {
    let version = |version: &str, fields: &str| {
        format!("package a:b@{version}; interface i {{ record r {{ {fields} }} }}")
    };
    let texts = [
        version("1.10.0", "a: string, b: string, c: string"),
        version("1.2.0", "a: string, b: string"),
        version("2.0.0", "z: string"),
        version("1.0.0", "a: string"),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let contracts = contracts(&texts);
    let fields = |ty: &Type| match ty {
        Type::Record(record) => record.fields.len(),
        _ => panic!(),
    };
    assert_eq!(fields(&ty(&contracts, "a:b/i.r@1")), 3);
    assert_eq!(fields(&ty(&contracts, "a:b/i.r@2")), 1);
    let exact = crate::InterfaceName {
        package: "a:b".into(),
        interface: "i".into(),
        version: semver::Version::new(1, 2, 0),
    };
    assert_eq!(fields(contracts.type_at(&exact, "r").unwrap()), 2);
}

#[test]
fn a_package_may_be_spread_over_files() {
    let sources = [
        source(
            "b/1.0.0/one.wit",
            "// first\n/* a /* b */ */\npackage a:b@1.0.0;\ninterface i { type t = string; }",
        ),
        source("b/1.0.0/two.wit", "interface j { use i.{t}; record r { t: t } }"),
        source("b/1.0.0/three.wit", "package a : b@1.0.0 ;\ninterface k {}"),
    ];
    let contracts = Contracts::parse(&sources).unwrap();
    assert!(contracts.type_named(&"a:b/j.r@1".parse().unwrap()).is_some());
}

#[test]
fn problems_say_file_line_and_column() {
    check(
        "package a:b@1.0.0;\ninterface i {\n    record ü { }\n}",
        &["x/1/a.wit:3:12: invalid character in identifier 'ü'"],
    );
    check(
        "package a:b@1.0.0;\ninterface i {\n  /* ü */ record r { x: mony }\n}",
        &["x/1/a.wit:3:25: type `mony` does not exist"],
    );
    check(
        "package a:b@1.0.0;\ninterface i { record r { list: u8 } }",
        &[
            "x/1/a.wit:2:26: expected an identifier or string, found keyword `list` (as a name it is \
           written `%list`)",
        ],
    );
    check(
        "package a:b;\ninterface i {}",
        &["x/1/a.wit:1:1: package `a:b` has no version (write `package a:b@1.0.0;`)"],
    );
    check(
        "interface i {}",
        &[
            "x/1/a.wit:1:1: neither this file nor one beside it declares its package (begin it with \
           `package namespace:name@1.0.0;`)",
        ],
    );
    check(
        "package a:b@1.0.0;\ninterface i { record r {\n x: option<option<string>> } }",
        &["x/1/a.wit:2:22: type `r` cannot be part of a message: `x`: an option of an option has \
           no JSON form; use a variant with named cases"],
    );
}

#[test]
fn a_package_that_is_not_there_is_named() {
    let text = "package a:b@1.0.0;\ninterface i { use crossdock:core/types@1.7.0.{money}; }";
    let told = problems(&[source("core/t.wit", CORE), source("x/a.wit", text)]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("x/a.wit:2:"), "{told:?}");
    assert!(told[0].contains("crossdock:core@1.7.0"), "{told:?}");
    assert!(told[0].contains("crossdock:core@1.0.0"), "{told:?}");
}

#[test]
fn every_package_is_heard_and_nothing_twice() {
    let told = problems(&[
        source("core/t.wit", &CORE.replace("record money {", "record money ")),
        source("shop/t.wit", SHOP),
        source("x/t.wit", "package a:b@1.0.0; interface i { record r { a: nothing } }"),
        source("y/t.wit", "package a:c@1.0.0; interface i { use a:d/i@1.0.0.{r}; }"),
        source("z/t.wit", "package a:d@1.0.0; interface i { type r = u8; type r = u8; }"),
    ]);
    let paths: Vec<&str> = told.iter().map(|told| told.split(':').next().unwrap()).collect();
    assert_eq!(paths, ["x/t.wit", "z/t.wit", "core/t.wit"], "{told:#?}");
}

#[test]
fn circles_are_found() {
    let told = problems(&[
        source("x/t.wit", "package a:b@1.0.0; interface i { use a:c/i@1.0.0.{r}; type s = r; }"),
        source("y/t.wit", "package a:c@1.0.0; interface i { use a:b/i@1.0.0.{s}; type r = s; }"),
    ]);
    assert!(told[0].contains("a:b@1.0.0, a:c@1.0.0"), "{told:?}");
}

/// The contracts that ship. Each function in a domain package is an operation.
#[test]
fn the_shipped_contracts_parse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut sources = Vec::new();
    collect(&folder, &mut sources);
    assert!(!sources.is_empty(), "no WIT files in {}", folder.display());
    let contracts = match Contracts::parse(&sources) {
        Ok(contracts) => contracts,
        Err(problems) => {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    };
    for misfit in contracts.misfits() {
        let package = &misfit.interface.as_ref().unwrap().package;
        assert_eq!(package, "crossdock:core", "{misfit}");
    }
    let mut homes = std::collections::BTreeMap::new();
    for operation in contracts.operations() {
        let home = (operation.interface.package.clone(), operation.interface.interface.clone());
        let first = homes.entry(operation.name.clone()).or_insert_with(|| home.clone());
        assert_eq!(*first, home, "`{}` is declared twice", operation.name);
        let Some(probed) = operation.name.strip_prefix("probe-") else { continue };
        let probed = contracts.operations().find(|other| other.name == probed);
        let probed = probed.unwrap_or_else(|| panic!("`{}` probes nothing", operation.name));
        assert_eq!(probed.input, operation.input, "`{}` asks otherwise", operation.name);
        let Type::Variant(answer) = &operation.output else { panic!("{}", operation.name) };
        let cases: Vec<&str> = answer.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(cases, ["applied", "absent", "pending", "unknown"], "{}", operation.name);
        assert_eq!(answer.cases[0].payload.as_ref(), Some(&probed.output), "{}", operation.name);
    }
    for (name, ty) in contracts.types() {
        assert!(crate::json_schema(ty).is_object(), "{name}");
        assert!(crate::resolve(ty, ty).unwrap().is_identity(), "{name}");
    }
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            let text = std::fs::read_to_string(&path).unwrap();
            sources.push(Source { path: path.display().to_string(), text });
        }
    }
}
