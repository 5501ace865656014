//! `cargo xtask connectors`: every guest as a component. Those of `connectors/` go to
//! target/connectors/NAME.wasm, where the example's configuration finds them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{stop, toolchain, workspace};

pub fn run() -> Result<()> {
    for component in build()? {
        let size_kib = std::fs::metadata(&component).map(|found| found.len() / 1024).unwrap_or(0);
        let shown = component.strip_prefix(workspace::root()).unwrap_or(&component);
        println!("{} ({size_kib} KiB)", shown.display());
    }
    Ok(())
}

/// Builds and copies; answers the components' paths.
pub fn build() -> Result<Vec<PathBuf>> {
    toolchain::wasm_target()?;
    let folder = workspace::connectors();
    let target = workspace::target();
    toolchain::cargo(
        &folder,
        &[
            "build",
            "--release",
            "--target",
            "wasm32-wasip2",
            "--target-dir",
            &target.display().to_string(),
        ],
    )?;
    let built = target.join("wasm32-wasip2/release");
    let out = target.join("connectors");
    std::fs::create_dir_all(&out)
        .map_err(|error| stop::disk(format!("{} cannot be made", out.display()), &error))?;
    let mut components = Vec::new();
    for (package, library) in guests(&folder)? {
        let component = out.join(format!("{package}.wasm"));
        copy_if_changed(&built.join(format!("{library}.wasm")), &component)?;
        components.push(component);
    }
    Ok(components)
}

/// Package and library name of every member that becomes a component.
fn guests(folder: &Path) -> Result<Vec<(String, String)>> {
    let text = toolchain::cargo_text(folder, &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut guests = Vec::new();
    for package in &packages {
        let targets = package["targets"].as_array().cloned().unwrap_or_default();
        let component = targets.iter().find(|target| {
            target["crate_types"]
                .as_array()
                .is_some_and(|types| types.iter().any(|t| t == "cdylib"))
        });
        if let (Some(name), Some(target)) = (package["name"].as_str(), component) {
            let library = target["name"].as_str().unwrap_or(name).replace('-', "_");
            guests.push((name.to_owned(), library));
        }
    }
    guests.sort();
    Ok(guests)
}

/// An unchanged component keeps its time, so that nothing downstream thinks it new.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from)
        .with_context(|| format!("{} was not built; is the package a `cdylib`?", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(to, bytes)
        .map_err(|error| stop::disk(format!("{} cannot be written", to.display()), &error))
}
