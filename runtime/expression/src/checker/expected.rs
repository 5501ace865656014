//! An expression whose result must be of a contract type. The wanted type goes inwards: a map
//! literal becomes a record, a text a case or a checked scalar, each with its problem at its place.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::{Decimal, Scalar, Type as Wanted, Value};

use super::Checker;
use crate::ast::{Entry, Expr, Kind, Literal};
use crate::convert::convert;
use crate::fit::{Fit, fit, show};
use crate::node::Node;
use crate::problem::{Span, code, nearest};

impl Checker<'_> {
    /// A node whose value is of the contract type.
    pub(super) fn check_to(&mut self, expr: &Expr, to: &Wanted) -> Node {
        match (&expr.kind, to) {
            (Kind::Conditional(parts), _) => {
                let [test, then, otherwise] = &**parts;
                let condition = self.condition(test, "a condition");
                let yes = self.assuming(test, true, |checker| checker.check_to(then, to));
                let no = self.assuming(test, false, |checker| checker.check_to(otherwise, to));
                Node::Conditional { parts: Box::new([condition, yes, no]), span: expr.span }
            }
            (Kind::Literal(Literal::Null), Wanted::Option(_)) => Node::Const(Value::Null),
            (Kind::Literal(_) | Kind::Map(_) | Kind::List(_), Wanted::Option(inner)) => {
                self.check_to(expr, inner)
            }
            (Kind::Literal(literal), _) => self.literal_to(literal, expr.span, to),
            (Kind::Map(entries), Wanted::Record(record)) => self.record(expr.span, entries, record),
            (Kind::Map(entries), Wanted::Variant(variant)) => self.variant(expr, entries, variant),
            (Kind::List(elements), Wanted::List(wanted))
                if !elements.iter().any(|e| e.optional) =>
            {
                self.constructs = true;
                let items =
                    elements.iter().map(|element| (self.check_to(&element.value, wanted), false));
                Node::List { items: items.collect(), span: expr.span }
            }
            (Kind::List(elements), Wanted::Tuple(wanted)) if elements.len() == wanted.len() => {
                let items = elements.iter().zip(wanted.iter());
                let items =
                    items.map(|(element, wanted)| (self.check_to(&element.value, wanted), false));
                Node::List { items: items.collect(), span: expr.span }
            }
            (Kind::Call { function, function_span, target: Some(target), args }, wanted)
                if &**function == "map" && list_element(wanted).is_some() =>
            {
                let typed = list_element(wanted).and_then(|element| {
                    self.comprehension(
                        expr.span,
                        function,
                        *function_span,
                        target,
                        args,
                        Some(element),
                    )
                });
                typed.map_or(Node::Const(Value::Null), |typed| typed.node)
            }
            _ => {
                let typed = self.check(expr);
                match fit(&typed.ty, to) {
                    Ok(Fit::Same) => typed.node,
                    Ok(Fit::Convert) => {
                        Node::Convert { of: Box::new(typed.node), to: to.clone(), span: expr.span }
                    }
                    Err(misfit) => {
                        let message = match misfit.optional {
                            true if misfit.path.is_empty() => {
                                format!(
                                    "`{}` may be absent, but {} is required",
                                    self.text(expr.span),
                                    show(to)
                                )
                            }
                            _ => misfit.to_string(),
                        };
                        let code = if misfit.optional { code::OPTIONAL } else { code::TYPE };
                        self.report(expr.span.problem(code, message).maybe_help(misfit.help));
                        Node::Const(Value::Null)
                    }
                }
            }
        }
    }

    fn literal_to(&mut self, literal: &Literal, span: Span, to: &Wanted) -> Node {
        let made = match (literal, to) {
            (Literal::String(text), Wanted::Variant(variant)) => {
                let Some(at) = variant.case(text) else {
                    let problem = self.unknown_case(variant, text, span);
                    self.report(problem);
                    return Node::Const(Value::Null);
                };
                match &variant.cases[at].payload {
                    None | Some(Wanted::Option(_)) => convert(Value::String(text.clone()), to),
                    Some(payload) => {
                        let message = format!(
                            "the case `{text}` of {} carries {}",
                            variant.name.name,
                            show(payload)
                        );
                        self.report(
                            span.problem(code::TYPE, message)
                                .help(format!("write `{{'{text}': ...}}`")),
                        );
                        return Node::Const(Value::Null);
                    }
                }
            }
            (Literal::String(text), Wanted::Scalar(scalar)) => {
                contract::check_scalar(*scalar, text)
            }
            (Literal::Double(number), Wanted::Scalar(Scalar::Decimal)) => {
                self.report(
                    span.problem(code::TYPE, "expected decimal, found double")
                        .help(format!("write `decimal('{number}')`, which is exact")),
                );
                return Node::Const(Value::Null);
            }
            (literal, to) => {
                let typed = super::constant(literal);
                if let Err(misfit) = fit(&typed.ty, to) {
                    let help = misfit.help.clone();
                    self.report(span.problem(code::TYPE, misfit.to_string()).maybe_help(help));
                    return Node::Const(Value::Null);
                }
                match typed.node {
                    Node::Const(value) => convert(value, to),
                    _ => Ok(Value::Null),
                }
            }
        };
        match made {
            Ok(value) => Node::Const(value),
            Err(reason) => {
                self.report(span.problem(code::LITERAL, reason));
                Node::Const(Value::Null)
            }
        }
    }

    fn record(&mut self, span: Span, entries: &[Entry], record: &Arc<contract::Record>) -> Node {
        self.constructs = true;
        let mut fields: Vec<Option<Node>> = record.fields.iter().map(|_| None).collect();
        let mut seen = BTreeSet::new();
        for entry in entries {
            let Some(name) = entry.key.as_text() else {
                self.report(
                    entry
                        .key
                        .span
                        .problem(
                            code::TYPE,
                            format!("the keys of {} are literal field names", record.name.name),
                        )
                        .help("put the name in quotes: 'name'"),
                );
                continue;
            };
            let Some(at) = record.field(name) else {
                let known = record.fields.iter().map(|field| field.json.as_str());
                let help = match nearest(name, known.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its fields are {}", known.collect::<Vec<_>>().join(", ")),
                };
                self.report(
                    entry
                        .key
                        .span
                        .problem(
                            code::UNKNOWN_FIELD,
                            format!("{} has no field `{name}`", record.name.name),
                        )
                        .help(help),
                );
                continue;
            };
            if !seen.insert(at) {
                self.report(
                    entry
                        .key
                        .span
                        .problem(code::LITERAL, format!("the field `{name}` is there twice")),
                );
            }
            let ty = &record.fields[at].ty;
            if entry.optional && !matches!(ty, Wanted::Option(_)) {
                let message = format!("`{name}` is required, so it cannot be given by `?`");
                self.report(entry.key.span.problem(code::OPTIONAL, message));
            }
            fields[at] = Some(self.check_to(&entry.value, ty));
        }
        let mut missing = Vec::new();
        let fields = fields.into_iter().zip(&record.fields).map(|(node, field)| match node {
            Some(node) => node,
            None => {
                if !matches!(field.ty, Wanted::Option(_)) {
                    missing.push(field.json.as_str());
                }
                Node::Const(Value::Null)
            }
        });
        let fields = fields.collect();
        if !missing.is_empty() {
            let (noun, names) =
                (if missing.len() == 1 { "field" } else { "fields" }, missing.join("`, `"));
            self.report(span.problem(
                code::MISSING_FIELD,
                format!("{} needs the {noun} `{names}`", record.name.name),
            ));
        }
        Node::Record { ty: record.clone(), fields }
    }

    fn variant(
        &mut self,
        expr: &Expr,
        entries: &[Entry],
        variant: &Arc<contract::Variant>,
    ) -> Node {
        let nothing = Node::Const(Value::Null);
        let [Entry { key, value, optional: false }] = entries else {
            let message = format!(
                "{} is written as one case: `{{'case': value}}` or 'case'",
                variant.name.name
            );
            self.report(expr.span.problem(code::TYPE, message));
            return nothing;
        };
        let Some(name) = key.as_text() else {
            self.report(key.span.problem(code::TYPE, "the case is a literal name"));
            return nothing;
        };
        let Some(at) = variant.case(name) else {
            let problem = self.unknown_case(variant, name, key.span);
            self.report(problem);
            return nothing;
        };
        match &variant.cases[at].payload {
            Some(payload) => {
                let payload = Some(Box::new(self.check_to(value, payload)));
                Node::Variant { ty: variant.clone(), case: at, payload }
            }
            None => {
                self.report(
                    expr.span
                        .problem(
                            code::TYPE,
                            format!("the case `{name}` of {} carries no value", variant.name.name),
                        )
                        .help(format!("write '{name}'")),
                );
                nothing
            }
        }
    }
}

fn list_element(wanted: &Wanted) -> Option<&Wanted> {
    match wanted {
        Wanted::List(element) => Some(element),
        Wanted::Option(inner) => list_element(inner),
        _ => None,
    }
}

/// A number as a configuration file writes it, where a decimal is wanted: its digits are what counts.
pub fn decimal_of(number: f64) -> Option<Decimal> {
    format!("{number}").parse().ok()
}
