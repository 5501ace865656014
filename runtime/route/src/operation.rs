//! What a route knows of the connectors that it is checked against: their operations, typed and
//! described.

use contract::{Operation, Type, TypeName};

/// The operations behind one alias.
#[derive(Clone, Debug, Default)]
pub struct ConnectorTypes {
    pub operations: Vec<OperationInfo>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OperationInfo {
    pub operation: Operation,
    pub effect: Effect,
    pub key: Key,
    /// How long after a call its effect may still be invisible to the probe.
    pub settling_ms: u64,
    /// The operation that tells whether this one took effect.
    pub probe: Option<String>,
    /// The operation that takes this one back.
    pub undo: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Query,
    Mutation,
}

/// What the system makes of the idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// It gives the first answer again, for so long.
    Honoured {
        lifetime_s: u64,
    },
    /// The connector finds what an earlier call made before it makes anything.
    LookedUp,
    None,
}

impl ConnectorTypes {
    pub fn operation(&self, name: &str) -> Option<&OperationInfo> {
        self.operations.iter().find(|info| info.operation.name == name)
    }
}

/// How a message comes in through an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    Webhook,
    Poll,
}

impl OperationInfo {
    /// Set for operations that are sources, known by the type of their input.
    pub fn source_kind(&self) -> Option<SourceKind> {
        let name = self.operation.input.name()?;
        match (name.package.as_str(), name.name.as_str()) {
            ("crossdock:core", "webhook-request") => Some(SourceKind::Webhook),
            ("crossdock:core", "poll-request") => Some(SourceKind::Poll),
            _ => None,
        }
    }

    /// For a source: the type T of `items: list<record { id: string, value: T }>`.
    pub fn item(&self) -> Option<&Type> {
        let field = |ty: &'_ Type, name: &str| -> Option<Type> {
            let Type::Record(record) = ty else { return None };
            record.field(name).map(|at| record.fields[at].ty.clone())
        };
        let Type::Record(output) = &self.operation.output else { return None };
        let Type::List(item) = &output.fields[output.field("items")?].ty else { return None };
        if field(item, "id") != Some(Type::String) {
            return None;
        }
        let Type::Record(item) = &**item else { return None };
        item.field("value").map(|at| &item.fields[at].ty)
    }
}

/// Whether a type is an object of the canonical model: it has an identity and references.
pub(crate) fn object_name(ty: &Type) -> Option<&TypeName> {
    let Type::Record(record) = ty else { return None };
    let has = |name| record.field(name).is_some();
    (has("id") && has("company") && has("references")).then_some(&record.name)
}
