//! Reads what a configuration names: WIT files, components and route files, as texts and bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Everything on disk that one running set is made of.
pub struct Files {
    pub contracts: Vec<contract::Source>,
    /// Component bytes by alias.
    pub components: BTreeMap<String, Vec<u8>>,
    pub routes: Vec<route::File>,
}

/// Reads all; every problem is reported, not the first.
pub fn read(config: &Config) -> Result<Files, Vec<String>> {
    let mut problems = Vec::new();
    let mut contracts = Vec::new();
    for folder in &config.contracts {
        for path in files_below(folder, "wit", &mut problems) {
            let text = read_text(&path, &mut problems);
            contracts.push(contract::Source { path: shown(&path), text });
        }
    }
    let mut components = BTreeMap::new();
    for (alias, connector) in &config.connectors {
        match std::fs::read(&connector.component) {
            Ok(bytes) => {
                components.insert(alias.clone(), bytes);
            }
            Err(error) => problems.push(format!(
                "error[CD0020]: the component of [connectors.{alias}] cannot be read: {}: {error}\n --> {}\n  help: build the shipped connectors with `cargo xtask connectors`, or correct `component`",
                connector.component.display(),
                config.file.display(),
            )),
        }
    }
    let mut routes = Vec::new();
    for folder in &config.routes {
        for path in files_below(folder, "toml", &mut problems) {
            if path.to_string_lossy().ends_with(".test.toml") {
                continue;
            }
            let text = read_text(&path, &mut problems);
            routes.push(route::File { path: shown(&path), text });
        }
    }
    if problems.is_empty() { Ok(Files { contracts, components, routes }) } else { Err(problems) }
}

fn shown(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

fn read_text(path: &Path, problems: &mut Vec<String>) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| {
        problems.push(format!("error[CD0021]: {} cannot be read: {error}", path.display()));
        String::new()
    })
}

/// Files with this extension in the folder and below, in the order of their names.
fn files_below(folder: &Path, extension: &str, problems: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(format!(
                    "error[CD0022]: the folder {} cannot be read: {error}\n  help: correct `routes` or `contracts` in the configuration; they are relative to its file",
                    folder.display()
                ));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
