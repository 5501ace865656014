//! From `wit_parser` types to ours: aliases are followed, scalars recognised, nesting that a message
//! cannot have is refused with the reason. The same for source WIT and for decoded components.

use std::collections::HashMap;
use std::sync::Arc;

use wit_parser::{Resolve, TypeDef, TypeDefKind, TypeId, TypeOwner};

use crate::{Case, Field, Flags, InterfaceName, Record, Scalar, Type, TypeName, Variant, snake};

/// Bits of a flags type; more would not fit a value.
const FLAGS_MAX: usize = 64;

/// Named and unnamed types within each other; whoever walks a type may recurse that deep.
pub(crate) const DEPTH_MAX: usize = 100;

/// Why a WIT type cannot be part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub String);

pub(crate) struct Converter<'a> {
    resolve: &'a Resolve,
    /// Each definition with its depth.
    known: HashMap<TypeId, (Result<Type, Refusal>, usize)>,
    /// The deepest part of the definition under way.
    deepest: usize,
    /// Definitions under way, one in the other.
    open: usize,
}

impl<'a> Converter<'a> {
    pub fn new(resolve: &'a Resolve) -> Self {
        Converter { resolve, known: HashMap::new(), deepest: 0, open: 0 }
    }

    pub fn ty(&mut self, ty: &wit_parser::Type) -> Result<Type, Refusal> {
        use wit_parser::Type as Wit;
        Ok(match ty {
            Wit::Bool => Type::Bool,
            Wit::U8 => Type::U8,
            Wit::U16 => Type::U16,
            Wit::U32 => Type::U32,
            Wit::U64 => Type::U64,
            Wit::S8 => Type::S8,
            Wit::S16 => Type::S16,
            Wit::S32 => Type::S32,
            Wit::S64 => Type::S64,
            Wit::F32 => Type::F32,
            Wit::F64 => Type::F64,
            Wit::Char => Type::Char,
            Wit::String => Type::String,
            Wit::ErrorContext => return Err(refused("error-context")),
            Wit::Id(id) => return self.id(*id),
        })
    }

    pub fn id(&mut self, id: TypeId) -> Result<Type, Refusal> {
        if let Some((known, depth)) = self.known.get(&id) {
            self.deepest = self.deepest.max(*depth);
            return known.clone();
        }
        let deep = || Refusal(format!("types are nested at most {DEPTH_MAX} deep"));
        if self.open == DEPTH_MAX {
            return Err(deep());
        }
        self.open += 1;
        let before = std::mem::take(&mut self.deepest);
        let mut converted = self.definition(id);
        self.open -= 1;
        let depth = self.deepest + 1;
        self.deepest = before.max(depth);
        if depth > DEPTH_MAX && converted.is_ok() {
            converted = Err(deep());
        }
        self.known.insert(id, (converted.clone(), depth));
        converted
    }

    fn definition(&mut self, id: TypeId) -> Result<Type, Refusal> {
        let resolve = self.resolve;
        let definition = &resolve.types[id];
        let docs = docs(&definition.docs);
        Ok(match &definition.kind {
            TypeDefKind::Type(target) => match self.scalar(definition) {
                Some(scalar) => Type::Scalar(scalar),
                None => self.ty(target)?,
            },
            TypeDefKind::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    fields.push(Field {
                        json: snake(&field.name),
                        name: field.name.clone(),
                        docs: self::docs(&field.docs),
                        ty: self.ty(&field.ty).map_err(|why| why.within(&field.name))?,
                    });
                }
                Type::Record(Arc::new(Record { name: self.name(definition)?, docs, fields }))
            }
            TypeDefKind::Variant(variant) => {
                let mut cases = Vec::with_capacity(variant.cases.len());
                for case in &variant.cases {
                    let payload = case.ty.as_ref().map(|ty| self.ty(ty)).transpose();
                    cases.push(Case {
                        json: snake(&case.name),
                        name: case.name.clone(),
                        docs: self::docs(&case.docs),
                        payload: payload.map_err(|why| why.within(&case.name))?,
                    });
                }
                let name = self.name(definition)?;
                Type::Variant(Arc::new(Variant { name, docs, is_enum: false, cases }))
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter().map(|case| Case {
                    json: snake(&case.name),
                    name: case.name.clone(),
                    docs: self::docs(&case.docs),
                    payload: None,
                });
                let cases = cases.collect();
                let name = self.name(definition)?;
                Type::Variant(Arc::new(Variant { name, docs, is_enum: true, cases }))
            }
            TypeDefKind::Flags(flags) => {
                if flags.flags.len() > FLAGS_MAX {
                    return Err(Refusal(format!("flags have at most {FLAGS_MAX} names")));
                }
                let names = flags.flags.iter().map(|flag| flag.name.clone()).collect();
                Type::Flags(Arc::new(Flags { name: self.name(definition)?, docs, flags: names }))
            }
            TypeDefKind::Option(inner) => match self.ty(inner)? {
                Type::Option(_) => {
                    return Err(Refusal(
                        "an option of an option has no JSON form; use a variant with named cases"
                            .into(),
                    ));
                }
                inner => Type::Option(Arc::new(inner)),
            },
            TypeDefKind::List(element) => match self.ty(element)? {
                Type::U8 => Type::Bytes,
                element => Type::List(Arc::new(element)),
            },
            TypeDefKind::Tuple(tuple) => {
                let elements: Result<Vec<_>, _> =
                    tuple.types.iter().map(|ty| self.ty(ty)).collect();
                Type::Tuple(elements?.into())
            }
            TypeDefKind::Result(result) => {
                let mut side = |ty: &Option<wit_parser::Type>| {
                    ty.as_ref().map(|ty| self.ty(ty).map(Arc::new)).transpose()
                };
                Type::Result { ok: side(&result.ok)?, err: side(&result.err)? }
            }
            other => return Err(refused(other.as_str())),
        })
    }

    fn scalar(&self, definition: &TypeDef) -> Option<Scalar> {
        let TypeOwner::Interface(owner) = definition.owner else { return None };
        let TypeDefKind::Type(wit_parser::Type::String) = definition.kind else { return None };
        let owner = interface_name(self.resolve, owner)?;
        if !is_core_types(&owner) {
            return None;
        }
        Scalar::from_name(definition.name.as_deref()?)
    }

    fn name(&self, definition: &TypeDef) -> Result<TypeName, Refusal> {
        type_name(self.resolve, definition)
            .ok_or_else(|| Refusal("the type has no name or no package".into()))
    }
}

/// The name by which a definition is known; none for anonymous types.
pub(crate) fn type_name(resolve: &Resolve, definition: &TypeDef) -> Option<TypeName> {
    let name = definition.name.clone()?;
    let (package, interface) = match definition.owner {
        TypeOwner::Interface(id) => {
            let interface = &resolve.interfaces[id];
            (interface.package?, interface.name.clone()?)
        }
        TypeOwner::World(id) => {
            let world = &resolve.worlds[id];
            (world.package?, world.name.clone())
        }
        TypeOwner::None => return None,
    };
    let package = &resolve.packages[package].name;
    Some(TypeName {
        package: format!("{}:{}", package.namespace, package.name),
        interface,
        name,
        major: package.version.as_ref().map_or(0, |version| version.major),
    })
}

/// None for an interface without name or package; one without a version counts as 0.0.0.
pub(crate) fn interface_name(
    resolve: &Resolve,
    id: wit_parser::InterfaceId,
) -> Option<InterfaceName> {
    let interface = &resolve.interfaces[id];
    let package = &resolve.packages[interface.package?].name;
    Some(InterfaceName {
        package: format!("{}:{}", package.namespace, package.name),
        interface: interface.name.clone()?,
        version: package.version.clone().unwrap_or(semver::Version::new(0, 0, 0)),
    })
}

/// `crossdock:core/types@1`, home of the scalars and of `call` and `fault`.
pub(crate) fn is_core_types(name: &InterfaceName) -> bool {
    name.package == "crossdock:core" && name.interface == "types" && name.version.major == 1
}

pub(crate) fn docs(docs: &wit_parser::Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}

fn refused(kind: &str) -> Refusal {
    Refusal(format!("`{kind}` cannot be part of a message"))
}

impl Refusal {
    fn within(self, name: &str) -> Refusal {
        Refusal(format!("`{name}`: {}", self.0))
    }
}
