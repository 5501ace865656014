//! The one shape of an operation: `func(call: call, input: I) -> result<O, fault>`. Says why a
//! function does not fit, so that its author can mend it.

use wit_parser::{Function, FunctionKind, Resolve, TypeDefKind};

use crate::convert::{Converter, docs};
use crate::{InterfaceName, Operation, Type};

pub(crate) const SHAPE: &str = "func(call: call, input: I) -> result<O, fault>";

pub(crate) fn operation(
    resolve: &Resolve,
    converter: &mut Converter,
    interface: &InterfaceName,
    function: &Function,
) -> Result<Operation, String> {
    match function.kind {
        FunctionKind::Freestanding => {}
        FunctionKind::AsyncFreestanding => {
            return Err("it is async; operations are synchronous".into());
        }
        _ => return Err("it belongs to a resource; operations are plain functions".into()),
    }
    let [call, input] = function.params.as_slice() else {
        return Err(format!("it takes {} parameters instead of two", function.params.len()));
    };
    if !is_core(&converter.ty(&call.ty).map_err(|why| why.0)?, "call") {
        return Err("its first parameter is not `call` of crossdock:core/types@1".into());
    }
    for (param, name) in [(call, "call"), (input, "input")] {
        if param.name != name {
            return Err(format!("its parameter `{}` should be named `{name}`", param.name));
        }
    }
    let input = converter.ty(&input.ty).map_err(|why| format!("its input: {}", why.0))?;
    let Some(result) = &function.result else {
        return Err("it returns nothing instead of a result".into());
    };
    let (ok, err) = match result_of(resolve, result) {
        Some(sides) => sides,
        None => return Err("it does not return a result".into()),
    };
    let err = err.as_ref().map(|err| converter.ty(err)).transpose().map_err(|why| why.0)?;
    if !err.is_some_and(|err| is_core(&err, "fault")) {
        return Err("its error is not `fault` of crossdock:core/types@1".into());
    }
    let Some(ok) = ok else {
        return Err("its result carries no output; declare what it answers".into());
    };
    let output = converter.ty(&ok).map_err(|why| format!("its output: {}", why.0))?;
    Ok(Operation {
        interface: interface.clone(),
        name: function.name.clone(),
        docs: docs(&function.docs),
        input,
        output,
    })
}

fn result_of(
    resolve: &Resolve,
    ty: &wit_parser::Type,
) -> Option<(Option<wit_parser::Type>, Option<wit_parser::Type>)> {
    let mut ty = *ty;
    loop {
        let wit_parser::Type::Id(id) = ty else { return None };
        match &resolve.types[id].kind {
            TypeDefKind::Type(target) => ty = *target,
            TypeDefKind::Result(result) => return Some((result.ok, result.err)),
            _ => return None,
        }
    }
}

fn is_core(ty: &Type, name: &str) -> bool {
    ty.name().is_some_and(|named| {
        named.package == "crossdock:core"
            && named.interface == "types"
            && named.name == name
            && named.major == 1
    })
}
