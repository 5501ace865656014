//! The house as its architecture page says it stands: what is pure is pure, one crate names wasmtime,
//! what the page names is there, and the shipped routes pass their own check.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::built::{crossdock, workspace};

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {error}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every package that `cargo test -p PACKAGE` would compile.
fn tree(package: &str) -> BTreeSet<String> {
    let text = cargo(&["tree", "--edges", "normal,build,dev", "--prefix", "none", "-p", package]);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn metadata() -> Value {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&text).expect("cargo writes JSON")
}

#[test]
fn the_pure_crates_are_pure() {
    const IMPURE: [&str; 5] = ["tokio", "wasmtime", "rusqlite", "hyper", "rand"];
    for package in ["contract", "expression", "route"] {
        let tree = tree(package);
        assert!(tree.contains(package), "{tree:?}");
        for impure in IMPURE {
            // Property tests draw from a generator of their own; it is no dependency of the crate.
            let dev = if impure == "rand" { "normal,build" } else { "normal,build,dev" };
            let text = cargo(&["tree", "--edges", dev, "--prefix", "none", "-p", package]);
            let found = text.lines().find(|line| {
                line.split(' ').next().is_some_and(|name| {
                    name == impure || name.strip_prefix(impure).is_some_and(|r| r.starts_with('-'))
                })
            });
            assert_eq!(found, None, "{package} must not need {impure}");
        }
    }
    // The rule bites: the crate that may, does.
    assert!(tree("connector").contains("wasmtime"));
}

#[test]
fn the_floors_stand_on_each_other_and_one_crate_names_wasmtime() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut with_wasmtime = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let needs: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| dependency["name"].as_str().unwrap())
            .collect();
        if needs.iter().any(|need| need.starts_with("wasmtime")) {
            with_wasmtime.push(name);
        }
        let below: &[&str] = match name {
            "contract" => &[],
            "expression" => &["contract"],
            "route" => &["contract", "expression"],
            "journal" | "connector" => &["contract"],
            _ => continue,
        };
        for need in needs.intersection(&ours) {
            assert!(below.contains(need), "{name} stands on {need}, and must not");
        }
    }
    assert_eq!(with_wasmtime, ["connector"]);
}

#[test]
fn every_path_that_the_architecture_page_names_exists() {
    let page = workspace().join("runtime/ARCHITECTURE.md");
    let text = std::fs::read_to_string(&page).expect("runtime/ARCHITECTURE.md is there");
    let runtime = workspace().join("runtime");
    let files = names_below(&runtime);
    let named = paths(&text);
    let exists = |name: &String| match name.contains('/') {
        true => workspace().join(name).exists() || runtime.join(name).exists(),
        // A file of the folder that the sentence is about.
        false => files.contains(name) || workspace().join(name).exists(),
    };
    let missing: Vec<&String> = named.iter().filter(|name| !exists(name)).collect();
    assert!(named.len() >= 10, "the page names {named:?}: is it still a map?");
    assert!(missing.is_empty(), "runtime/ARCHITECTURE.md names what is not there: {missing:?}");
}

fn names_below(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        names.insert(entry.file_name().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            names.append(&mut names_below(&entry.path()));
        }
    }
    names
}

/// What stands in backticks and looks like a path of this repository.
fn paths(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| {
            let folder = span.contains('/') && !span.starts_with('/') && !span.contains("://");
            let file = [".md", ".rs", ".toml"].iter().any(|end| span.ends_with(end));
            let plain = span.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
            plain && (folder || file)
        })
        // Made by a build or by an admin, not part of the repository.
        .filter(|span| !span.starts_with("target/") && !span.starts_with("crossdock.toml"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn paths_are_told_from_other_words() {
    let text = "see `host/src/main.rs`, `cargo test`, `journal::Error`, `wit/`, `/v1/tasks`, \
                `README.md`, `http://x/y`, `target/x.wasm` and `a/{b}`";
    assert_eq!(paths(text), ["host/src/main.rs", "wit/", "README.md"]);
}

#[test]
fn the_shipped_routes_pass_their_check() {
    let connectors = workspace().join("target/connectors");
    let products = ["avatax", "inventree", "karrio", "shopify", "stripe", "tryton"];
    let built = |name: &&str| connectors.join(name).with_extension("wasm").is_file();
    if !products.iter().all(built) {
        // Under `cargo xtask test` they are there; a test of the host alone need not build them.
        eprintln!("skipped: target/connectors is not built (`cargo xtask connectors`)");
        return;
    }
    let config = Path::new("examples/order-to-cash/crossdock.toml");
    let output = Command::new(crossdock())
        .args(["--config", &config.display().to_string(), "check"])
        .current_dir(workspace())
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let routes = std::fs::read_dir(workspace().join("routes")).unwrap();
    let routes = routes
        .filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|found| found == "toml")
        })
        .count();
    assert!(said.contains(&format!("checked: {routes} routes, 6 connectors")), "{said}");
}

#[test]
fn every_guest_of_these_tests_is_told_about() {
    let folder = workspace().join("tests/guests");
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.join("Cargo.toml").is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(page.contains(&format!("| `{name}` |")), "README.md says nothing of {name}");
        }
    }
}
