//! What a component is, for an admin who has not installed it yet: read from its bytes, and asked by
//! `describe` in an instance that can reach nothing.

use std::sync::Arc;

use contract::{InterfaceName, Operation};
use wasmtime::component::Component;

use crate::cache::digest;
use crate::description::{Description, OperationDescription};
use crate::engine::{Options, build_small};
use crate::problem::{LoadError, Problem};
use crate::runtime::{Machine, examine};

#[derive(Clone, Debug)]
pub struct Inspection {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub size_bytes: usize,
    /// Interfaces that it exports, with versions.
    pub offers: Vec<InterfaceName>,
    /// Interfaces that it imports, with versions.
    pub needs: Vec<InterfaceName>,
    pub operations: Vec<(Operation, OperationDescription)>,
    pub description: Description,
}

/// Looks at a component without installing it.
pub async fn inspect(wasm: &[u8]) -> Result<Inspection, LoadError> {
    let failed = |problems| LoadError { connector: "(the file)".to_owned(), problems };
    let options = Options { instances_max: 4, idle_max: 0, ..Options::default() };
    let machine = build_small(options.tick)
        .and_then(|engine| Machine::new(engine, options, false))
        .map_err(|error| {
            failed(vec![Problem::new("CD0405", format!("{error:#}"), "try on another machine")])
        })?;
    let bytes = wasm.to_vec();
    let examined =
        examine(&Arc::new(machine), wasm, move |engine| Component::new(engine, &bytes)).await;
    let examined = examined.map_err(failed)?;
    let described = &examined.description.operations;
    let operations = described.iter().filter_map(|described| {
        Some((examined.component.operation(&described.name)?.clone(), described.clone()))
    });
    Ok(Inspection {
        name: examined.description.name.clone(),
        version: examined.description.version.clone(),
        digest: digest(wasm),
        size_bytes: wasm.len(),
        offers: examined.component.exports.clone(),
        needs: examined.component.imports.clone(),
        operations: operations.collect(),
        description: examined.description,
    })
}
