//! What a connector says of itself by `describe`, as checked types. Mirrors
//! `crossdock:core/connector.description`; later 1.x fields that this host does not know are ignored.

use wasmtime::component::Val;

#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub name: String,
    pub version: String,
    pub summary: String,
    /// JSON Schema of the connector's configuration; empty when it takes none.
    pub config_schema: String,
    pub upstreams: Vec<UpstreamNeed>,
    pub operations: Vec<OperationDescription>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamNeed {
    /// As in `http://NAME/path`.
    pub name: String,
    pub purpose: String,
    /// Kinds of authentication that the system takes.
    pub auth: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationDescription {
    pub name: String,
    pub effect: Effect,
    pub key: KeyHandling,
    pub settling_ms: u64,
    pub probe: Option<String>,
    pub undo: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Query,
    Mutation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHandling {
    Honoured { lifetime_s: u64 },
    LookedUp,
    None,
}

impl Description {
    pub fn operation(&self, name: &str) -> Option<&OperationDescription> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// Reads the answer of `describe`. The error names the field that is missing or of another type.
    pub(crate) fn read(val: Val) -> Result<Description, String> {
        let mut record = Fields::of(val, "description")?;
        Ok(Description {
            name: record.string("name")?,
            version: record.string("version")?,
            summary: record.string("summary")?,
            config_schema: record.string("config-schema")?,
            upstreams: record.list("upstreams", upstream_need)?,
            operations: record.list("operations", operation)?,
        })
    }
}

fn upstream_need(val: Val) -> Result<UpstreamNeed, String> {
    let mut record = Fields::of(val, "upstream-need")?;
    Ok(UpstreamNeed {
        name: record.string("name")?,
        purpose: record.string("purpose")?,
        auth: record.list("auth", |val| match val {
            Val::String(kind) => Ok(kind),
            _ => Err("`auth` does not list strings".to_owned()),
        })?,
    })
}

fn operation(val: Val) -> Result<OperationDescription, String> {
    let mut record = Fields::of(val, "operation")?;
    Ok(OperationDescription {
        name: record.string("name")?,
        effect: match record.take("effect")? {
            Val::Enum(case) if case == "query" => Effect::Query,
            Val::Enum(case) if case == "mutation" => Effect::Mutation,
            other => return Err(format!("`effect` is {other:?}, not query or mutation")),
        },
        key: match record.take("key")? {
            Val::Variant(case, payload) => match (case.as_str(), payload.map(|val| *val)) {
                ("honoured", Some(Val::U64(lifetime_s))) => KeyHandling::Honoured { lifetime_s },
                ("looked-up", None) => KeyHandling::LookedUp,
                ("none", None) => KeyHandling::None,
                _ => return Err(format!("`key` has an unknown case `{case}`")),
            },
            _ => return Err("`key` is not a variant".to_owned()),
        },
        settling_ms: match record.take("settling-ms")? {
            Val::U64(settling_ms) => settling_ms,
            _ => return Err("`settling-ms` is not a u64".to_owned()),
        },
        probe: record.optional_string("probe")?,
        undo: record.optional_string("undo")?,
    })
}

/// A record's fields, taken out by name.
pub(crate) struct Fields {
    what: &'static str,
    fields: Vec<(String, Val)>,
}

impl Fields {
    pub(crate) fn of(val: Val, what: &'static str) -> Result<Fields, String> {
        match val {
            Val::Record(fields) => Ok(Fields { what, fields }),
            _ => Err(format!("`{what}` is not a record")),
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Result<Val, String> {
        let at = self.fields.iter().position(|(field, _)| field == name);
        let at = at.ok_or_else(|| format!("`{}` has no field `{name}`", self.what))?;
        Ok(self.fields.swap_remove(at).1)
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<String, String> {
        match self.take(name)? {
            Val::String(text) => Ok(text),
            _ => Err(format!("`{}.{name}` is not a string", self.what)),
        }
    }

    fn optional_string(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name)? {
            Val::Option(None) => Ok(None),
            Val::Option(Some(val)) => match *val {
                Val::String(text) => Ok(Some(text)),
                _ => Err(format!("`{}.{name}` is not a string", self.what)),
            },
            _ => Err(format!("`{}.{name}` is not an option", self.what)),
        }
    }

    fn list<T>(
        &mut self,
        name: &str,
        item: impl Fn(Val) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        match self.take(name)? {
            Val::List(items) => items.into_iter().map(item).collect(),
            _ => Err(format!("`{}.{name}` is not a list", self.what)),
        }
    }
}
