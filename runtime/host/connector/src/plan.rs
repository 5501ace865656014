//! The call plan of an operation, made once when a component is loaded: where its export is, and in
//! which order the fields of `call` go.

use contract::{InterfaceName, Operation};
use wasmtime::Engine;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex, Val};

use crate::connector::CallContext;
use crate::description::OperationDescription;

pub(crate) struct Plan {
    pub(crate) operation: Operation,
    pub(crate) described: OperationDescription,
    pub(crate) export: ComponentExportIndex,
    call: Vec<CallField>,
}

/// A field of `crossdock:core/types.call`, in the order of this component's version of it.
enum CallField {
    Exchange,
    Key,
    Attempt,
    StartedAt,
    Deadline,
    Traceparent,
    /// An option of a later version that this host does not know: none.
    Unknown(String),
}

impl Plan {
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        operation: &Operation,
        described: &OperationDescription,
    ) -> Result<Plan, String> {
        let (item, export) = find_export(engine, component, &operation.interface, &operation.name)
            .ok_or_else(|| format!("`{}` is not among its exports", operation.name))?;
        let ComponentItem::ComponentFunc(function) = item else {
            return Err(format!("`{}` is not a function", operation.name));
        };
        let Some((_, Type::Record(call))) = function.params().next() else {
            return Err(format!("`{}` does not take a `call`", operation.name));
        };
        let call = call.fields().map(|field| {
            Ok(match (field.name, &field.ty) {
                ("exchange", Type::String) => CallField::Exchange,
                ("key", Type::String) => CallField::Key,
                ("attempt", Type::U32) => CallField::Attempt,
                ("started-at", Type::String) => CallField::StartedAt,
                ("deadline", Type::String) => CallField::Deadline,
                ("traceparent", Type::String) => CallField::Traceparent,
                (name, Type::Option(_)) => CallField::Unknown(name.to_owned()),
                (name, _) => return Err(format!("its `call` wants `{name}`, unknown here")),
            })
        });
        Ok(Plan {
            operation: operation.clone(),
            described: described.clone(),
            export,
            call: call.collect::<Result<_, String>>()?,
        })
    }

    /// The first argument.
    pub(crate) fn call(&self, context: &CallContext) -> Val {
        let text = |name: &str, text: &str| (name.to_owned(), Val::String(text.to_owned()));
        let fields = self.call.iter().map(|field| match field {
            CallField::Exchange => text("exchange", &context.exchange),
            CallField::Key => text("key", &context.key),
            CallField::Attempt => ("attempt".to_owned(), Val::U32(context.attempt)),
            CallField::StartedAt => text("started-at", &context.started_at.to_string()),
            CallField::Deadline => text("deadline", &context.deadline.to_string()),
            CallField::Traceparent => text("traceparent", &context.traceparent),
            CallField::Unknown(name) => (name.clone(), Val::Option(None)),
        });
        Val::Record(fields.collect())
    }
}

/// An exported function by the exact name and version of its interface: wasmtime's own lookup takes
/// a compatible version for the one asked for.
pub(crate) fn find_export(
    engine: &Engine,
    component: &Component,
    interface: &InterfaceName,
    function: &str,
) -> Option<(ComponentItem, ComponentExportIndex)> {
    let name = interface.to_string();
    let ty = component.component_type();
    ty.exports(engine).find(|(export, _)| *export == name)?;
    let instance = component.get_export_index(None, name.as_str())?;
    component.get_export(Some(&instance), function)
}
