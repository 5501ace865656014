//! What a compiled component is, read from its bytes alone: the operations it offers, what it needs
//! from its host, its name and version. Nothing of it is run.

use std::collections::BTreeMap;
use std::fmt;

use wasmparser::{ComponentName, ComponentNameSectionReader, KnownCustom, Parser, Payload};
use wit_parser::decoding::DecodedWasm;
use wit_parser::{InterfaceId, Resolve, WorldItem, WorldKey};

use crate::convert::{Converter, interface_name};
use crate::{InterfaceName, Operation, Type, TypeName, contracts, shape};

#[derive(Clone, Debug)]
pub struct Component {
    /// Exported functions of the one shape.
    pub operations: Vec<Operation>,
    /// Exported interfaces.
    pub exports: Vec<InterfaceName>,
    /// Imported interfaces, those that hold only types included.
    pub imports: Vec<InterfaceName>,
    /// Exported functions that are not of the one shape.
    pub misfits: Vec<Misfit>,
    /// Exports `describe` in `crossdock:core/connector@1`.
    pub describes: bool,
    /// As packed into the file; what `describe` says comes from running it.
    pub name: Option<String>,
    pub version: Option<String>,
    pub(crate) types: BTreeMap<InterfaceName, BTreeMap<String, Type>>,
}

/// A function that cannot be called from a route, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// None for a function exported by the world itself.
    pub interface: Option<InterfaceName>,
    pub function: String,
    pub reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = &self.interface {
            write!(f, "{interface}: ")?;
        }
        write!(f, "`{}` is not `{}`: {}", self.function, shape::SHAPE, self.reason)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not a WebAssembly component: {0}")]
    Malformed(String),
    #[error("a core WebAssembly module, not a component; build it for the target wasm32-wasip2")]
    Module,
    #[error("a WIT package packed as WebAssembly: it has types, but nothing to run")]
    WitPackage,
}

impl Component {
    pub fn decode(wasm: &[u8]) -> Result<Component, Error> {
        if wasm.get(4..8) == Some(&[1, 0, 0, 0]) {
            return Err(Error::Module);
        }
        let decoded = wit_parser::decoding::decode(wasm)
            .map_err(|error| Error::Malformed(format!("{:#}", error)))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err(Error::WitPackage);
        };
        let mut component = Component {
            operations: Vec::new(),
            exports: Vec::new(),
            imports: Vec::new(),
            misfits: Vec::new(),
            describes: false,
            name: None,
            version: None,
            types: contracts::types_of(&resolve).0,
        };
        for (key, item) in &resolve.worlds[world].imports {
            if let WorldItem::Interface { id, .. } = item {
                component.imports.extend(world_interface(&resolve, key, *id));
            }
        }
        let mut converter = Converter::new(&resolve);
        for (key, item) in &resolve.worlds[world].exports {
            match item {
                WorldItem::Interface { id, .. } => {
                    component.export(&resolve, &mut converter, key, *id);
                }
                WorldItem::Function(function) => component.misfits.push(Misfit {
                    interface: None,
                    function: function.name.clone(),
                    reason: "it is exported by itself; operations belong to an interface".into(),
                }),
                WorldItem::Type { .. } => {}
            }
        }
        component.read_metadata(wasm);
        Ok(component)
    }

    /// A type carried by the component, at the highest version of that major that it has.
    pub fn type_named(&self, name: &TypeName) -> Option<&Type> {
        contracts::highest(&self.types, name)
    }

    /// An operation by its name; a component that exports two versions of an interface offers the
    /// higher.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.name == name)
            .max_by(|a, b| a.interface.version.cmp(&b.interface.version))
    }

    fn export(
        &mut self,
        resolve: &Resolve,
        converter: &mut Converter,
        key: &WorldKey,
        id: InterfaceId,
    ) {
        let functions = &resolve.interfaces[id].functions;
        let Some(name) = world_interface(resolve, key, id) else {
            self.misfits.extend(functions.values().map(|function| Misfit {
                interface: None,
                function: function.name.clone(),
                reason: "its interface has no package, so no route can name it".into(),
            }));
            return;
        };
        let is_connector = name.package == "crossdock:core"
            && name.interface == "connector"
            && name.version.major == 1;
        if is_connector {
            self.describes = functions.contains_key("describe");
        } else {
            for function in functions.values() {
                match shape::operation(resolve, converter, &name, function) {
                    Ok(operation) => self.operations.push(operation),
                    Err(reason) => self.misfits.push(Misfit {
                        interface: Some(name.clone()),
                        function: function.name.clone(),
                        reason,
                    }),
                }
            }
        }
        self.exports.push(name);
    }

    /// The name and version of the outermost component; absent or odd metadata is no error.
    fn read_metadata(&mut self, wasm: &[u8]) {
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload {
                Ok(Payload::Version { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth -= 1,
                Ok(Payload::CustomSection(section)) if depth == 1 => match section.as_known() {
                    KnownCustom::ComponentName(names) => {
                        self.name = component_name(names).or(self.name.take());
                    }
                    _ if section.name() == "version" => {
                        self.version = std::str::from_utf8(section.data()).ok().map(str::to_owned);
                    }
                    _ => {}
                },
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

fn component_name(names: ComponentNameSectionReader) -> Option<String> {
    names.into_iter().find_map(|name| match name {
        Ok(ComponentName::Component { name, .. }) => Some(name.to_owned()),
        _ => None,
    })
}

fn world_interface(resolve: &Resolve, key: &WorldKey, id: InterfaceId) -> Option<InterfaceName> {
    match key {
        WorldKey::Interface(_) => interface_name(resolve, id),
        WorldKey::Name(_) => None,
    }
}
