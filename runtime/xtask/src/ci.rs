//! `cargo xtask ci`: what CI runs, cheap checks first, so that a slip costs seconds.

use anyhow::{Result, bail};

use crate::{connectors, products, test, toolchain, workspace};

/// Crates that know nothing of the runtime around them.
const PURE: [&str; 3] = ["contract", "expression", "route"];
/// What they must never pull in, by the beginning of a package's name.
const IMPURE: [&str; 4] = ["wasmtime", "tokio", "hyper", "rusqlite"];

pub fn run() -> Result<()> {
    let host = workspace::root();
    let guests = workspace::connectors();
    toolchain::cargo(host, &["fmt", "--all", "--check"])?;
    toolchain::cargo(&guests, &["fmt", "--all", "--check"])?;
    pure()?;
    toolchain::cargo(host, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let native = workspace::target().join("native").display().to_string();
    toolchain::cargo(
        &guests,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--target-dir",
            &native,
            "--",
            "-D",
            "warnings",
        ],
    )?;
    connectors::build()?;
    test::tests()?;
    products::in_ci()?;
    println!(
        "ci: format, lints, pure crates, connectors, tests and the products that are here are in order"
    );
    Ok(())
}

/// The dependency trees of the pure crates, as `cargo test -p contract -p expression -p route`
/// would compile them.
fn pure() -> Result<()> {
    let mut arguments = vec!["tree", "--edges", "normal,build,dev", "--prefix", "none"];
    for package in PURE {
        arguments.extend(["--package", package]);
    }
    let tree = toolchain::cargo_text(workspace::root(), &arguments)?;
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found = names.iter().find(|name| IMPURE.iter().any(|impure| name.starts_with(impure)));
    if let Some(found) = found {
        bail!(
            "{} depend on {found}, and must not\n  help: `cargo tree -p route -i {found} -e normal,build,dev` says by which way",
            PURE.join(", ")
        );
    }
    let count = names.iter().collect::<std::collections::BTreeSet<_>>().len();
    println!("pure: {} need {count} crates, none of {}", PURE.join(", "), IMPURE.join(", "));
    Ok(())
}
