//! Types every part of a syntax tree against a scope and turns it into nodes. All problems are
//! reported at once: a part that cannot be typed is reported and goes on as `dyn`.

mod call;
mod expected;
mod facts;
mod macros;
mod operator;
mod select;

pub use expected::decimal_of;

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::Value;

use crate::ast::{Expr, Kind, Literal};
use crate::limits::PROBLEMS_MAX;
use crate::node::Node;
use crate::problem::{Problem, Span, code, nearest};
use crate::{Facts, Scope, Type};

/// A part with its type.
pub struct Typed {
    pub node: Node,
    pub ty: Type,
}

/// What the checker knows of a whole expression.
pub struct Checked {
    pub node: Node,
    pub ty: Type,
    pub slots: Vec<usize>,
    pub when_true: Facts,
    pub when_false: Facts,
    /// It makes lists or maps, so its result must be weighed.
    pub constructs: bool,
}

pub fn check(
    source: &str,
    expr: &Expr,
    scope: &Scope,
    expected: Option<&contract::Type>,
) -> Result<Checked, Vec<Problem>> {
    let mut checker = Checker {
        source,
        scope,
        locals: Vec::new(),
        bindings: 0,
        facts: scope.facts().clone(),
        variant_tests: BTreeSet::new(),
        problems: Vec::new(),
        slots: BTreeSet::new(),
        constructs: false,
        raw: false,
    };
    let typed = match expected {
        Some(to) => Typed { node: checker.check_to(expr, to), ty: Type::of(to) },
        None => checker.check(expr),
    };
    if !checker.problems.is_empty() {
        checker.problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        checker.problems.dedup();
        checker.problems.truncate(PROBLEMS_MAX);
        return Err(checker.problems);
    }
    Ok(Checked {
        when_true: checker.facts_of(expr, true).public(),
        when_false: checker.facts_of(expr, false).public(),
        node: typed.node,
        ty: typed.ty.settled(),
        slots: checker.slots.into_iter().collect(),
        constructs: checker.constructs,
    })
}

struct Variable {
    name: Arc<str>,
    ty: Type,
    /// Tells apart variables of the same name in paths of facts.
    id: usize,
}

struct Checker<'s> {
    source: &'s str,
    scope: &'s Scope,
    locals: Vec<Variable>,
    bindings: usize,
    facts: Facts,
    /// Where a part was found to compare a variant with a case.
    variant_tests: BTreeSet<(u32, u32)>,
    problems: Vec<Problem>,
    slots: BTreeSet<usize>,
    constructs: bool,
    /// The next name or field keeps its optional although it is known to be present.
    raw: bool,
}

impl Checker<'_> {
    fn report(&mut self, problem: Problem) -> Typed {
        self.problems.push(problem);
        unknown()
    }

    fn text(&self, span: Span) -> &str {
        self.source.get(span.range()).unwrap_or_default()
    }

    fn check(&mut self, expr: &Expr) -> Typed {
        let raw = std::mem::take(&mut self.raw);
        match &expr.kind {
            Kind::Literal(literal) => constant(literal),
            Kind::Name(name) => self.name(name, expr.span, raw, true),
            Kind::Select { of, field, field_span, optional } => {
                self.select(expr, of, field, *field_span, *optional, raw)
            }
            Kind::Index { of, index, optional } => self.index(expr, of, index, *optional),
            Kind::Call { function, function_span, target, args } => {
                self.call(expr, function, *function_span, target.as_deref(), args)
            }
            Kind::Not(of) => self.not(expr.span, of),
            Kind::Negate(of) => self.negate(expr.span, of),
            Kind::Binary { op, op_span, left, right } => {
                self.binary(expr, *op, *op_span, left, right)
            }
            Kind::And(items) => self.logic(expr.span, items, true),
            Kind::Or(items) => self.logic(expr.span, items, false),
            Kind::Conditional(parts) => self.conditional(expr.span, parts),
            Kind::List(elements) => self.list(expr.span, elements),
            Kind::Map(entries) => self.map(expr.span, entries),
        }
    }

    /// As [`check`](Self::check), but an optional stays one although it was tested.
    fn check_raw(&mut self, expr: &Expr) -> Typed {
        self.raw = matches!(expr.kind, Kind::Name(_) | Kind::Select { .. });
        self.check(expr)
    }

    /// `alone`: nothing follows the name, so it may be text without its quotes.
    fn name(&mut self, name: &Arc<str>, span: Span, raw: bool, alone: bool) -> Typed {
        let local = self.locals.iter().enumerate().rev().find(|(_, local)| local.name == *name);
        let (node, ty, path) = if let Some((at, local)) = local {
            let depth = self.locals.len() - 1 - at;
            (Node::Local(depth), local.ty.clone(), local_path(local))
        } else if let Some(slot) = self.scope.slot(name) {
            self.slots.insert(slot);
            (Node::Slot(slot), self.scope.ty(slot).cloned().unwrap_or(Type::Dyn), name.to_string())
        } else if let Some(ty) = type_value(name) {
            return Typed { node: Node::Const(Value::Type(ty.into())), ty: Type::Type };
        } else {
            let problem = self.unknown_name(name, span, alone);
            return self.report(problem);
        };
        match ty {
            Type::Optional(inner) => {
                let lifted = Node::Lift(Box::new(node));
                if !raw && self.facts.present.contains(&path) {
                    let ty = Type::clone(&inner);
                    return Typed { node: Node::Unwrap { of: Box::new(lifted), span }, ty };
                }
                Typed { node: lifted, ty: Type::Optional(inner) }
            }
            ty => Typed { node, ty },
        }
    }

    fn unknown_name(&self, name: &str, span: Span, alone: bool) -> Problem {
        let problem = span.problem(code::UNKNOWN_NAME, format!("nothing here is called `{name}`"));
        if let Some(hint) = self.scope.hint_for(name) {
            return problem.help(hint);
        }
        let known = self.locals.iter().map(|local| &*local.name).chain(self.scope.names());
        let near = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        let quotes = alone.then(|| format!("if you mean the text, put it in quotes: '{name}'"));
        let help = match (near, quotes) {
            (Some(near), Some(quotes)) => Some(format!("{near} {quotes}")),
            (near, quotes) => near.or(quotes),
        };
        let known: Vec<_> = self.scope.names().map(|name| format!("`{name}`")).collect();
        let help = help
            .or_else(|| (!known.is_empty()).then(|| format!("in scope are {}", known.join(", "))));
        problem.maybe_help(help)
    }

    fn list(&mut self, span: Span, elements: &[crate::ast::Element]) -> Typed {
        self.constructs = true;
        let mut items = Vec::with_capacity(elements.len());
        let mut joined = Type::Never;
        let (mut decimals, mut exact) = (false, true);
        for element in elements {
            let typed = self.check(&element.value);
            let ty = if element.optional {
                self.inside(&typed.ty, element.value.span)
            } else {
                typed.ty
            };
            decimals |= ty == Type::Decimal;
            exact &= matches!(ty, Type::Decimal | Type::Int | Type::Uint) && !element.optional;
            joined = joined.join(&ty);
            items.push((typed.node, element.optional, ty));
        }
        // Integers among decimals are decimals.
        let widen = decimals && exact;
        let items = items.into_iter().zip(elements).map(|((node, optional, ty), element)| {
            let node = if widen && ty != Type::Decimal {
                to_decimal(node, element.value.span)
            } else {
                node
            };
            (node, optional)
        });
        let ty = Type::list(if widen { Type::Decimal } else { joined });
        Typed { node: Node::List { items: items.collect(), span }, ty }
    }

    fn map(&mut self, span: Span, entries: &[crate::ast::Entry]) -> Typed {
        self.constructs = true;
        let mut nodes = Vec::with_capacity(entries.len());
        let (mut keys, mut values) = (Type::Never, Type::Never);
        let mut known = Some(Vec::with_capacity(entries.len()));
        let mut seen = BTreeSet::new();
        for entry in entries {
            let key = self.check(&entry.key);
            let allowed = matches!(
                key.ty,
                Type::Bool | Type::Int | Type::Uint | Type::String | Type::Dyn | Type::Never
            );
            if !allowed {
                let message = format!("a map key is a bool, int, uint or string, not {}", key.ty);
                self.report(entry.key.span.problem(code::TYPE, message));
            }
            let value = self.check(&entry.value);
            let ty =
                if entry.optional { self.inside(&value.ty, entry.value.span) } else { value.ty };
            match entry.key.as_text() {
                Some(name) if !seen.insert(name.clone()) => {
                    let message = format!("the map has the key `{name}` twice");
                    self.report(entry.key.span.problem(code::LITERAL, message));
                }
                Some(name) if !entry.optional => {
                    if let Some(known) = &mut known {
                        known.push((name.clone(), ty.clone()));
                    }
                }
                _ => known = None,
            }
            keys = keys.join(&key.ty);
            values = values.join(&ty);
            nodes.push((key.node, value.node, entry.optional));
        }
        let ty = match known {
            Some(known) if !known.is_empty() => Type::Struct(known.into()),
            _ => Type::map(keys, values),
        };
        Typed { node: Node::Map { entries: nodes.into(), span }, ty }
    }

    /// The type inside an optional; a problem where there is none.
    fn inside(&mut self, ty: &Type, span: Span) -> Type {
        match ty {
            Type::Optional(inner) => Type::clone(inner),
            Type::Dyn | Type::Never => Type::Dyn,
            other => {
                let message = format!("`?` takes an optional value, not {other}");
                self.report(span.problem(code::TYPE, message).help("leave out the `?`"));
                Type::Dyn
            }
        }
    }

    /// Declares a variable of a macro; the caller pops it.
    fn push(&mut self, name: &Arc<str>, ty: Type) {
        self.bindings += 1;
        self.locals.push(Variable { name: name.clone(), ty, id: self.bindings });
    }
}

fn unknown() -> Typed {
    Typed { node: Node::Const(Value::Null), ty: Type::Dyn }
}

fn local_path(local: &Variable) -> String {
    format!("{}#{}", local.name, local.id)
}

fn to_decimal(node: Node, span: Span) -> Node {
    let to = contract::Type::Scalar(contract::Scalar::Decimal);
    Node::Convert { of: Box::new(node), to, span }
}

fn constant(literal: &Literal) -> Typed {
    let (value, ty) = match literal {
        Literal::Null => (Value::Null, Type::Null),
        Literal::Bool(value) => (Value::Bool(*value), Type::Bool),
        Literal::Int(number) => (Value::Int(*number), Type::Int),
        Literal::Uint(number) => (Value::Uint(*number), Type::Uint),
        Literal::Double(number) => (Value::Double(*number), Type::Double),
        Literal::String(text) => (Value::String(text.clone()), Type::String),
        Literal::Bytes(bytes) => (Value::Bytes(bytes.clone()), Type::Bytes),
    };
    Typed { node: Node::Const(value), ty }
}

/// Names of types as values: `type(x) == int`.
fn type_value(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "bool",
        "int" => "int",
        "uint" => "uint",
        "double" => "double",
        "decimal" => "decimal",
        "string" => "string",
        "bytes" => "bytes",
        "list" => "list",
        "map" => "map",
        "null_type" => "null_type",
        "type" => "type",
        "optional_type" => "optional_type",
        "google.protobuf.Timestamp" => "google.protobuf.Timestamp",
        "google.protobuf.Duration" => "google.protobuf.Duration",
        _ => return None,
    })
}
