//! `crossdock connector inspect FILE`

use std::path::Path;

use connector::{Effect, Inspection, KeyHandling, OperationDescription};
use serde_json::{Value, json};

use super::read_component;
use crate::cli::{Failure, block_on};

pub(super) fn run(file: &Path, as_json: bool) -> Result<(), Failure> {
    let bytes = read_component(file)?;
    let found = block_on(connector::inspect(&bytes))?
        .map_err(|error| Failure::files(format!("{}: {error}", file.display())))?;
    if as_json {
        say!("{}", document(&found))
    } else {
        print(&found)
    }
    Ok(())
}

fn document(found: &Inspection) -> Value {
    let operations: Vec<Value> = found
        .operations
        .iter()
        .map(|(operation, described)| {
            json!({
                "name": operation.name,
                "interface": operation.interface.to_string(),
                "effect": effect(described),
                "key": key(described),
                "settling_ms": described.settling_ms,
                "probe": described.probe,
                "undo": described.undo,
            })
        })
        .collect();
    let upstreams: Vec<Value> = found
        .description
        .upstreams
        .iter()
        .map(|need| json!({ "name": need.name, "purpose": need.purpose, "auth": need.auth }))
        .collect();
    json!({
        "name": found.name,
        "version": found.version,
        "summary": found.description.summary,
        "digest": found.digest,
        "size_bytes": found.size_bytes,
        "offers": found.offers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "needs": found.needs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "operations": operations,
        "upstreams": upstreams,
        "config_schema": serde_json::from_str::<Value>(&found.description.config_schema).ok(),
    })
}

fn print(found: &Inspection) {
    say!("{} {} - {}", found.name, found.version, found.description.summary);
    say!("  {} KiB, sha256 {}", found.size_bytes / 1024, found.digest);
    say!("offers");
    found.offers.iter().for_each(|name| say!("  {name}"));
    say!("needs");
    found.needs.iter().for_each(|name| say!("  {name}"));
    say!("operations");
    for (operation, described) in &found.operations {
        let mut notes = vec![effect(described).to_owned()];
        if described.effect == Effect::Mutation {
            notes.push(key(described));
        }
        notes.extend(described.probe.as_ref().map(|probe| format!("probe {probe}")));
        notes.extend(described.undo.as_ref().map(|undo| format!("undo {undo}")));
        say!("  {:<28} {}", operation.name, notes.join(", "));
    }
    say!("upstreams");
    if found.description.upstreams.is_empty() {
        say!("  none");
    }
    for need in &found.description.upstreams {
        say!("  {:<12} {} (auth: {})", need.name, need.purpose, need.auth.join(", "));
    }
    if !found.description.config_schema.is_empty() {
        say!("config (JSON Schema)");
        let schema: Value =
            serde_json::from_str(&found.description.config_schema).unwrap_or_default();
        let pretty = serde_json::to_string_pretty(&schema).unwrap_or_default();
        pretty.lines().for_each(|line| say!("  {line}"));
    }
}

fn effect(described: &OperationDescription) -> &'static str {
    match described.effect {
        Effect::Query => "query",
        Effect::Mutation => "mutation",
    }
}

fn key(described: &OperationDescription) -> String {
    match described.key {
        KeyHandling::Honoured { lifetime_s } => format!("key honoured for {} h", lifetime_s / 3600),
        KeyHandling::LookedUp => "key looked up".to_owned(),
        KeyHandling::None => "no key".to_owned(),
    }
}
