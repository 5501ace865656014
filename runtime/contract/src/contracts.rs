//! Every contract known to a runtime: all packages, all versions side by side, asked by name.

use std::collections::BTreeMap;

use wit_parser::{Resolve, TypeDef, TypeDefKind, TypeOwner};

use crate::convert::{Converter, Refusal, interface_name, type_name};
use crate::decode::{Component, Misfit};
use crate::parse::{self, Problem, Source};
use crate::{InterfaceName, Operation, Type, TypeName, shape};

pub(crate) type Types = BTreeMap<InterfaceName, BTreeMap<String, Type>>;

#[derive(Clone, Debug, Default)]
pub struct Contracts {
    /// As written in WIT: these decide what a name means.
    declared: Types,
    /// Carried by components, for domains that no WIT file declares.
    carried: Types,
    /// What a name without a minor version means, over both.
    named: BTreeMap<TypeName, Type>,
    operations: Vec<Operation>,
    misfits: Vec<Misfit>,
}

impl Contracts {
    /// Parses WIT files; those of one package may come in any order. Reads no file system.
    pub fn parse(sources: &[Source]) -> Result<Contracts, Vec<Problem>> {
        let resolve = parse::resolve(sources)?;
        let (declared, refused) = types_of(&resolve);
        let problems: Vec<Problem> = refused
            .into_iter()
            .filter_map(|(definition, refusal)| {
                if matches!(definition.kind, TypeDefKind::Resource) {
                    return None;
                }
                let name = definition.name.as_deref().unwrap_or_default();
                let message = format!("type `{name}` cannot be part of a message: {}", refusal.0);
                Some(parse::problem_at(sources, &resolve.source_map, definition.span, message))
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut contracts = Contracts { declared, ..Contracts::default() };
        contracts.name_all();
        let mut converter = Converter::new(&resolve);
        for (id, interface) in resolve.interfaces.iter() {
            let Some(name) = interface_name(&resolve, id) else { continue };
            for function in interface.functions.values() {
                match shape::operation(&resolve, &mut converter, &name, function) {
                    Ok(operation) => contracts.operations.push(operation),
                    Err(reason) => contracts.misfits.push(Misfit {
                        interface: Some(name.clone()),
                        function: function.name.clone(),
                        reason,
                    }),
                }
            }
        }
        Ok(contracts)
    }

    /// Adds the types and operations that a component carries, for a domain without WIT files. What
    /// is declared in WIT keeps its meaning.
    pub fn add_component(&mut self, component: &Component) {
        for (interface, types) in &component.types {
            let carried = self.carried.entry(interface.clone()).or_default();
            for (name, ty) in types {
                carried.entry(name.clone()).or_insert_with(|| ty.clone());
            }
        }
        for operation in &component.operations {
            let known = |other: &Operation| {
                other.name == operation.name && other.interface == operation.interface
            };
            if !self.operations.iter().any(known) {
                self.operations.push(operation.clone());
            }
        }
        self.name_all();
    }

    /// The type at the highest version of its major.
    pub fn type_named(&self, name: &TypeName) -> Option<&Type> {
        self.named.get(name)
    }

    /// The type at exactly this version.
    pub fn type_at(&self, interface: &InterfaceName, name: &str) -> Option<&Type> {
        let of = |types: &'_ Types| types.get(interface).is_some_and(|all| all.contains_key(name));
        let types = if of(&self.declared) { &self.declared } else { &self.carried };
        types.get(interface)?.get(name)
    }

    /// Every named type, aliases included, at the highest version of its major.
    pub fn types(&self) -> impl Iterator<Item = (&TypeName, &Type)> {
        self.named.iter()
    }

    /// Every operation of every version.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    /// Functions in WIT that are no operations: host imports, `describe`, and mistakes.
    pub fn misfits(&self) -> &[Misfit] {
        &self.misfits
    }

    fn name_all(&mut self) {
        self.named.clear();
        // Order matters: carried first, so that what is declared replaces it; versions ascend.
        for (interface, types) in self.carried.iter().chain(&self.declared) {
            for (name, ty) in types {
                self.named.insert(interface.type_name(name), ty.clone());
            }
        }
    }
}

/// Every named type but those that a `use` brought in, and those that were refused. The host's
/// platform (`wasi`) is not part of it.
pub(crate) fn types_of(resolve: &Resolve) -> (Types, Vec<(&TypeDef, Refusal)>) {
    let mut converter = Converter::new(resolve);
    let mut types = Types::new();
    let mut refused = Vec::new();
    for (id, definition) in resolve.types.iter() {
        let TypeOwner::Interface(owner) = definition.owner else { continue };
        let Some(interface) = interface_name(resolve, owner) else { continue };
        let Some(name) = type_name(resolve, definition) else { continue };
        if is_use(resolve, definition) || interface.package.starts_with("wasi:") {
            continue;
        }
        match converter.id(id) {
            Ok(ty) => {
                types.entry(interface).or_default().insert(name.name, ty);
            }
            Err(refusal) => refused.push((definition, refusal)),
        }
    }
    (types, refused)
}

pub(crate) fn highest<'a>(types: &'a Types, name: &TypeName) -> Option<&'a Type> {
    types
        .iter()
        .filter(|(interface, _)| interface.type_name(&name.name) == *name)
        .filter_map(|(_, types)| types.get(&name.name))
        .next_back()
}

/// `use other.{name}` makes an alias that points straight into another interface.
fn is_use(resolve: &Resolve, definition: &TypeDef) -> bool {
    let TypeDefKind::Type(wit_parser::Type::Id(target)) = definition.kind else { return false };
    resolve.types[target].owner != definition.owner
        && matches!(resolve.types[target].owner, TypeOwner::Interface(_))
}
