//! The description of a connector, written as a chain. The host compares it with what the component
//! exports when it is loaded.

use crate::wit::crossdock::core::connector::{
    Description, Effect, KeyHandling, Operation, UpstreamNeed,
};

/// `describe("stripe", env!("CARGO_PKG_VERSION"), "...")`
pub fn describe(name: &str, version: &str, summary: &str) -> Description {
    Description {
        name: name.into(),
        version: version.into(),
        summary: summary.into(),
        config_schema: String::new(),
        upstreams: Vec::new(),
        operations: Vec::new(),
    }
}

/// An operation that only reads.
pub fn query(name: &str) -> Operation {
    operation(name, Effect::Query)
}

/// An operation that changes something. Without more it has no key and no probe: the host then
/// journals the intent first and never repeats it by itself.
pub fn mutation(name: &str) -> Operation {
    operation(name, Effect::Mutation)
}

fn operation(name: &str, effect: Effect) -> Operation {
    Operation {
        name: name.into(),
        effect,
        key: KeyHandling::None,
        settling_ms: 0,
        probe: None,
        undo: None,
    }
}

impl Description {
    /// JSON Schema of the `config` table.
    pub fn config(mut self, schema: &str) -> Self {
        self.config_schema = schema.trim().into();
        self
    }

    /// `auth`: the kinds that the product takes, as in `auth = { kind = ... }`.
    pub fn upstream(mut self, name: &str, purpose: &str, auth: &[&str]) -> Self {
        self.upstreams.push(UpstreamNeed {
            name: name.into(),
            purpose: purpose.into(),
            auth: auth.iter().map(|kind| (*kind).into()).collect(),
        });
        self
    }

    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations.extend(operations);
        self
    }
}

impl Operation {
    /// The product answers a repeated key with its first answer, for this long.
    pub fn key_honoured_s(mut self, lifetime_s: u64) -> Self {
        self.key = KeyHandling::Honoured(lifetime_s);
        self
    }

    /// The connector finds the effect before it causes it.
    pub fn looked_up(mut self) -> Self {
        self.key = KeyHandling::LookedUp;
        self
    }

    /// The operation `probe-NAME`, which this component exports too. `settling_ms`: how long the
    /// product may take until a search finds what was created.
    pub fn probed(mut self, settling_ms: u64) -> Self {
        self.probe = Some(format!("probe-{}", self.name));
        self.settling_ms = settling_ms;
        self
    }

    pub fn undone_by(mut self, undo: &str) -> Self {
        self.undo = Some(undo.into());
        self
    }
}
