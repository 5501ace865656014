//! Whether what a component says of itself by `describe` agrees with what it exports: operations,
//! probes and undos. Every disagreement is listed.

use std::collections::BTreeSet;

use contract::{Component, Operation, Type};

use crate::capability::auth::Auth;
use crate::description::{Description, Effect, OperationDescription};
use crate::problem::Problem;

/// What can be seen before anything runs.
pub(crate) fn exports(component: &Component) -> Vec<Problem> {
    let mut problems = Vec::new();
    for misfit in &component.misfits {
        let place = match &misfit.interface {
            Some(interface) => format!("`{}` of `{interface}`", misfit.function),
            None => format!("`{}`", misfit.function),
        };
        problems.push(Problem::new(
            "CD0403",
            format!(
                "the exported function {place} cannot be called from a route: {}",
                misfit.reason
            ),
            "give it the one shape, `func(call: call, input: I) -> result<O, fault>`, or do not \
             export it",
        ));
    }
    if !component.describes {
        problems.push(Problem::new(
            "CD0402",
            "the component does not describe itself",
            "export `crossdock:core/connector@1.0.0` with its function `describe`",
        ));
    }
    problems
}

/// What `describe` answered, against the exports.
pub(crate) fn description(component: &Component, description: &Description) -> Vec<Problem> {
    let mut problems = Vec::new();
    if description.name.is_empty() {
        problems.push(Problem::new(
            "CD0416",
            "the connector describes itself without a name",
            "set `name` in `describe`",
        ));
    }
    if semver::Version::parse(&description.version).is_err() {
        problems.push(Problem::new(
            "CD0416",
            format!("its version `{}` is not a semantic version", description.version),
            "set `version` in `describe` to something like `1.0.0`",
        ));
    }
    for need in &description.upstreams {
        for kind in need.auth.iter().filter(|kind| !Auth::KINDS.contains(&kind.as_str())) {
            problems.push(Problem::new(
                "CD0417",
                format!("upstream `{}` takes `{kind}`, no kind of authentication", need.name),
                format!("use one of {}", Auth::KINDS.join(", ")),
            ));
        }
    }
    let mut names = BTreeSet::new();
    for described in &description.operations {
        if !names.insert(described.name.as_str()) {
            problems.push(Problem::new(
                "CD0409",
                format!("operation `{}` is described twice", described.name),
                "leave one of the descriptions out",
            ));
        }
        match component.operation(&described.name) {
            Some(operation) => one(component, operation, described, &mut problems),
            None => problems.push(Problem::new(
                "CD0407",
                format!("operation `{}` is described but not exported", described.name),
                "export the interface that it belongs to, or take it out of `describe`",
            )),
        }
    }
    undescribed(component, &names, &mut problems);
    problems
}

fn undescribed(component: &Component, described: &BTreeSet<&str>, problems: &mut Vec<Problem>) {
    let mut seen: Vec<&Operation> = Vec::new();
    for operation in &component.operations {
        if let Some(other) = seen.iter().find(|other| other.name == operation.name) {
            let (one, two) = (&operation.interface, &other.interface);
            // Two versions of one interface side by side are a migration: the higher is called.
            if (&one.package, &one.interface) != (&two.package, &two.interface) {
                problems.push(Problem::new(
                    "CD0410",
                    format!("`{}` is exported by `{one}` and by `{two}`", operation.name),
                    "give one of the two operations another name",
                ));
            }
            continue;
        }
        seen.push(operation);
        if !described.contains(operation.name.as_str()) {
            problems.push(Problem::new(
                "CD0408",
                format!("operation `{}` is exported but not described", operation.name),
                "describe it: query or mutation, what becomes of the key, its probe and its undo",
            ));
        }
    }
}

fn one(
    component: &Component,
    operation: &Operation,
    described: &OperationDescription,
    problems: &mut Vec<Problem>,
) {
    if let Some(name) = &described.probe {
        match component.operation(name) {
            None => problems.push(Problem::new(
                "CD0411",
                format!("the probe `{name}` of `{}` is not exported", described.name),
                format!("export an operation `{name}` with the same input, or declare no probe"),
            )),
            Some(probe) => {
                if let Err(reason) = probes(operation, probe) {
                    problems.push(Problem::new(
                        "CD0411",
                        format!("`{name}` is not a probe of `{}`: {reason}", described.name),
                        "a probe takes the same input and answers \
                         `variant { applied(O), absent, pending, unknown }`",
                    ));
                }
            }
        }
    }
    if let Some(name) = &described.undo {
        let undo = component.operation(name);
        let what = match (undo, described.effect) {
            (None, _) => Some(format!("the undo `{name}` of `{}` is not exported", described.name)),
            (_, Effect::Query) => {
                Some(format!("`{}` only reads, so `{name}` has nothing to undo", described.name))
            }
            (Some(undo), _) => missing_for_undo(operation, undo).map(|field| {
                format!(
                    "the undo `{name}` needs `{field}`, which is neither in the input nor in the \
                     output of `{}`",
                    described.name
                )
            }),
        };
        problems.extend(what.map(|what| {
            Problem::new("CD0412", what, "export the undo with an input that can be read from both")
        }));
    }
}

fn probes(operation: &Operation, probe: &Operation) -> Result<(), String> {
    if probe.input != operation.input {
        return Err("its input has another type".to_owned());
    }
    let Type::Variant(variant) = &probe.output else {
        return Err("its output is not a variant".to_owned());
    };
    let expected = [
        ("applied", Some(&operation.output)),
        ("absent", None),
        ("pending", None),
        ("unknown", None),
    ];
    let found: Vec<_> =
        variant.cases.iter().map(|case| (case.name.as_str(), case.payload.as_ref())).collect();
    let names = |cases: &[(&str, Option<&Type>)]| {
        cases.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    if names(&found) != names(&expected) {
        return Err(format!("its cases are {}", names(&found).join(", ")));
    }
    match found.iter().zip(&expected).find(|(found, expected)| found.1 != expected.1) {
        Some(((case, _), _)) if *case == "applied" => {
            Err("`applied` does not carry the output of the operation".to_owned())
        }
        Some(((case, _), _)) => Err(format!("`{case}` carries something")),
        None => Ok(()),
    }
}

/// A field that an undo needs and that `{input, output}` of its mutation cannot give. A field is
/// given by one of the same name at any depth: an undo is told of the order, its input of the line.
fn missing_for_undo(operation: &Operation, undo: &Operation) -> Option<String> {
    let Type::Record(input) = &undo.input else { return None };
    if undo.input == operation.input || undo.input == operation.output {
        return None;
    }
    let mut given = BTreeSet::from(["input", "output"]);
    names(&operation.input, &mut given);
    names(&operation.output, &mut given);
    input
        .fields
        .iter()
        .find(|field| {
            !matches!(field.ty, Type::Option(_) | Type::List(_))
                && !given.contains(field.name.as_str())
                && !holds(&operation.input, &field.ty)
                && !holds(&operation.output, &field.ty)
        })
        .map(|field| field.name.clone())
}

/// Whether a value of the wanted type can be read from somewhere in `ty`: `order: identity` from an
/// order. A bare text proves nothing: there is one everywhere.
fn holds(ty: &Type, wanted: &Type) -> bool {
    let readable = wanted.name().is_some() && contract::resolve(ty, wanted).is_ok();
    readable
        || match ty {
            Type::Option(inner) | Type::List(inner) => holds(inner, wanted),
            Type::Record(record) => record.fields.iter().any(|field| holds(&field.ty, wanted)),
            Type::Variant(variant) => {
                variant.cases.iter().filter_map(|c| c.payload.as_ref()).any(|p| holds(p, wanted))
            }
            _ => false,
        }
}

fn names<'a>(ty: &'a Type, given: &mut BTreeSet<&'a str>) {
    match ty {
        Type::Option(inner) | Type::List(inner) => names(inner, given),
        Type::Record(record) => {
            for field in &record.fields {
                given.insert(&field.name);
                names(&field.ty, given);
            }
        }
        Type::Variant(variant) => {
            for case in &variant.cases {
                given.insert(&case.name);
                if let Some(payload) = &case.payload {
                    names(payload, given);
                }
            }
        }
        _ => {}
    }
}
