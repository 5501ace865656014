//! Functions: the macros and optional functions that shape the tree themselves, and the overload of
//! a table function that takes the arguments.

use std::borrow::Cow;

use super::{Checker, Typed};
use crate::Type;
use crate::ast::{Expr, Kind};
use crate::evaluate::Budget;
use crate::fit::OPTIONAL_HELP;
use crate::functions::{self, Overload, ROUNDINGS};
use crate::node::Node;
use crate::problem::{Span, code, nearest};

/// Names that the tables do not hold.
const SPECIAL: &[&str] = &[
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "hasValue",
    "orValue",
    "or",
    "value",
    "optMap",
    "optFlatMap",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "cel.bind",
];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        function: &str,
        function_span: Span,
        target: Option<&Expr>,
        args: &[Expr],
    ) -> Typed {
        let Some(target) = target else {
            return match function {
                "has" => self.has(expr.span, args),
                "dyn" if args.len() == 1 => {
                    Typed { node: self.check(&args[0]).node, ty: Type::Dyn }
                }
                _ => self.function(expr, function, function_span, None, args),
            };
        };
        if let Some(qualified) = self.qualified(target, function) {
            return match qualified.as_str() {
                "optional.none" if args.is_empty() => {
                    Typed { node: Node::OptionalNone, ty: Type::optional(Type::Never) }
                }
                "optional.of" | "optional.ofNonZeroValue" if args.len() == 1 => {
                    let typed = self.check(&args[0]);
                    let of = Box::new(typed.node);
                    let zero_is_none = qualified.ends_with("ofNonZeroValue");
                    let node = if zero_is_none {
                        Node::OptionalOfNonZero(of)
                    } else {
                        Node::OptionalOf(of)
                    };
                    Typed { node, ty: Type::Optional(std::sync::Arc::new(typed.ty)) }
                }
                "cel.bind" => self.bind(expr.span, args),
                "math.least" | "math.greatest" => self.extreme(expr.span, &qualified, args),
                name => self.function(expr, name, target.span.to(function_span), None, args),
            };
        }
        if let Some(typed) =
            self.comprehension(expr.span, function, function_span, target, args, None)
        {
            return typed;
        }
        match (function, args) {
            ("hasValue", []) => self.optional_target(target, function, |node, _| {
                (Node::HasValue(Box::new(node)), Type::Bool)
            }),
            ("value", []) => {
                let span = expr.span;
                self.optional_target(target, function, |node, inner| {
                    (Node::Unwrap { of: Box::new(node), span }, inner)
                })
            }
            ("orValue", [default]) => self.or_value(expr.span, target, default),
            ("or", [other]) => self.or_optional(target, other),
            ("optMap" | "optFlatMap", _) => {
                self.opt_map(expr.span, function == "optFlatMap", target, args)
            }
            _ => self.function(expr, function, function_span, Some(target), args),
        }
    }

    /// `math.abs`, unless `math` is a name in scope.
    pub(super) fn qualified(&self, target: &Expr, function: &str) -> Option<String> {
        let path = self.path(target)?;
        let root = path.split('.').next()?;
        if root.contains('#') || self.scope.slot(root).is_some() {
            return None;
        }
        let name = format!("{path}.{function}");
        (SPECIAL.contains(&name.as_str()) || !functions::named(&name).is_empty()).then_some(name)
    }

    /// A method of optionals; on a value that is always there it is a problem.
    fn optional_target(
        &mut self,
        target: &Expr,
        function: &str,
        build: impl FnOnce(Node, Type) -> (Node, Type),
    ) -> Typed {
        let Some((node, inner)) = self.optional(target, function) else { return super::unknown() };
        let (node, ty) = build(node, inner);
        Typed { node, ty }
    }

    fn optional(&mut self, target: &Expr, function: &str) -> Option<(Node, Type)> {
        let typed = self.check_raw(target);
        match typed.ty {
            Type::Optional(inner) => Some((typed.node, Type::clone(&inner))),
            Type::Dyn | Type::Never => Some((typed.node, Type::Dyn)),
            other => {
                let text = self.text(target.span);
                let problem = target
                    .span
                    .problem(code::OVERLOAD, format!("`{function}` takes an optional value; `{text}` ({other}) is always there"))
                    .help(format!("leave out `.{function}(...)`"));
                self.report(problem);
                None
            }
        }
    }

    fn or_value(&mut self, span: Span, target: &Expr, default: &Expr) -> Typed {
        let Some((of, inner)) = self.optional(target, "orValue") else {
            self.check(default);
            return super::unknown();
        };
        let shaped =
            matches!(default.kind, Kind::Map(_) | Kind::List(_)) || default.as_text().is_some();
        let wanted = match &inner {
            Type::Record(_) | Type::Variant(_) | Type::List(_) if shaped => inner.to_contract(),
            _ => None,
        };
        if let Some(to) = wanted {
            let default = Box::new(self.check_to(default, &to));
            return Typed { node: Node::OrValue { of: Box::new(of), default }, ty: inner };
        }
        let plain = self.check(default);
        let (of_int, default_decimal) =
            (matches!(inner, Type::Int | Type::Uint), plain.ty == Type::Decimal);
        if of_int && default_decimal {
            let widened = Box::new(super::to_decimal(Node::Local(0), target.span));
            let of = Box::new(Node::OptMap { of: Box::new(of), body: widened, flat: false });
            return Typed {
                node: Node::OrValue { of, default: Box::new(plain.node) },
                ty: Type::Decimal,
            };
        }
        if let Type::Optional(_) = plain.ty {
            let problem = default
                .span
                .problem(code::OPTIONAL, format!("the default `{}` may be absent too", self.text(default.span)))
                .help("write `.or(...)` between optionals, and `.orValue(...)` with a plain value last");
            return self.report(problem);
        }
        let (of, default, ty) =
            self.unify(span, (Typed { node: of, ty: inner }, target), (plain, default));
        Typed { node: Node::OrValue { of: Box::new(of), default: Box::new(default) }, ty }
    }

    fn or_optional(&mut self, target: &Expr, other: &Expr) -> Typed {
        let left = self.optional(target, "or");
        let right = self.optional(other, "or");
        let (Some((of, a)), Some((other, b))) = (left, right) else { return super::unknown() };
        let node = Node::OrOptional { of: Box::new(of), other: Box::new(other) };
        Typed { node, ty: Type::optional(a.join(&b)) }
    }

    fn opt_map(&mut self, span: Span, flat: bool, target: &Expr, args: &[Expr]) -> Typed {
        let [Expr { kind: Kind::Name(variable), .. }, body] = args else {
            return self.report(span.problem(
                code::MACRO,
                "this takes a name and an expression: `x.optMap(v, v.field)`",
            ));
        };
        let name = if flat { "optFlatMap" } else { "optMap" };
        let Some((of, inner)) = self.optional(target, name) else { return super::unknown() };
        self.push(variable, inner);
        let result = self.check(body);
        self.locals.pop();
        let of = Box::new(of);
        let ty = match (flat, result.ty) {
            (true, ty @ (Type::Optional(_) | Type::Dyn | Type::Never)) => ty,
            (true, other) => {
                let message = format!("`optFlatMap` wants an optional result, not {other}");
                return self.report(body.span.problem(code::TYPE, message).help("write `optMap`"));
            }
            (false, ty) => Type::Optional(std::sync::Arc::new(ty)),
        };
        let ty = if ty == Type::Dyn { Type::optional(Type::Dyn) } else { ty };
        Typed { node: Node::OptMap { of, body: Box::new(result.node), flat }, ty }
    }

    /// `math.least(a, b, ...)` is the least of a list.
    fn extreme(&mut self, span: Span, name: &str, args: &[Expr]) -> Typed {
        let mut joined = Type::Never;
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            let typed = self.check(arg);
            let list = args.len() == 1 && matches!(typed.ty, Type::List(_));
            let element = match &typed.ty {
                Type::List(element) if list => Type::clone(element),
                ty => ty.clone(),
            };
            if let Type::Optional(_) = element {
                return self.untested(arg);
            }
            if !element.is_numeric() && !matches!(element, Type::Dyn | Type::Never) {
                let message = format!("`{name}` takes numbers, not {element}");
                return self.report(arg.span.problem(code::OVERLOAD, message));
            }
            if list {
                return extreme_of(name, typed.node, element, span);
            }
            joined = joined.join(&element);
            nodes.push((typed.node, false));
        }
        if nodes.is_empty() {
            return self.report(
                span.problem(code::OVERLOAD, format!("`{name}` takes at least one number")),
            );
        }
        extreme_of(name, Node::List { items: nodes.into(), span }, joined, span)
    }

    fn function(
        &mut self,
        expr: &Expr,
        name: &str,
        name_span: Span,
        target: Option<&Expr>,
        args: &[Expr],
    ) -> Typed {
        let method = target.is_some();
        let all = functions::named(name);
        if all.is_empty() {
            return self.unknown_function(name, name_span, target, args);
        }
        let exprs: Vec<&Expr> = target.into_iter().chain(args).collect();
        let (nodes, types): (Vec<Node>, Vec<Type>) =
            exprs.iter().map(|expr| self.check(expr)).map(|typed| (typed.node, typed.ty)).unzip();
        let styled: Vec<_> =
            all.iter().copied().filter(|overload| overload.styled(method)).collect();
        if styled.is_empty() {
            let right = if method { format!("{name}(...)") } else { format!("x.{name}(...)") };
            return self.report(
                name_span
                    .problem(code::OVERLOAD, format!("`{name}` is not called like this"))
                    .help(format!("write `{right}`")),
            );
        }
        let candidates: Vec<(&'static Overload, Type)> = styled
            .iter()
            .filter_map(|overload| Some((*overload, overload.result_for(&types)?)))
            .collect();
        let Some((first, first_ty)) = candidates.first() else {
            return self.no_overload_of(name, name_span, &styled, &exprs, &types);
        };
        if !self.literals_fit(name, &exprs) {
            return super::unknown();
        }
        if name == "matches" {
            if let Some(typed) = self.matches(expr.span, &exprs, nodes.into_iter()) {
                return typed;
            }
            return super::unknown();
        }
        let open = types.iter().any(has_dyn) && candidates.len() > 1;
        let (overloads, ty): (Vec<_>, Type) = if open {
            let ty = candidates.iter().fold(Type::Never, |joined, (_, ty)| joined.join(ty));
            (candidates.iter().map(|(overload, _)| *overload).collect(), ty)
        } else {
            (vec![*first], first_ty.clone())
        };
        self.constructs |= matches!(ty, Type::List(_) | Type::Dyn);
        // A literal that is no timestamp is better known now than later.
        if let ("timestamp" | "duration" | "decimal", [Node::Const(value)]) = (name, &nodes[..]) {
            return match (first.run)(&[Cow::Borrowed(value)], &Budget::new()) {
                Ok(value) => Typed { node: Node::Const(value), ty },
                Err(message) => self.report(exprs[0].span.problem(code::LITERAL, message)),
            };
        }
        Typed {
            node: Node::Call { overloads: overloads.into(), args: nodes.into(), span: expr.span },
            ty,
        }
    }

    /// The name of a rounding, where it is written down.
    fn literals_fit(&mut self, name: &str, args: &[&Expr]) -> bool {
        let (true, Some(last)) = (matches!(name, "div" | "round"), args.last()) else {
            return true;
        };
        let Some(text) = last.as_text() else { return true };
        let Err(message) = functions::rounding(text) else { return true };
        let near =
            nearest(text, ROUNDINGS.iter().copied()).map(|near| format!("did you mean '{near}'?"));
        self.report(last.span.problem(code::LITERAL, message).maybe_help(near));
        false
    }

    /// A pattern that is a literal is compiled once, here.
    fn matches(
        &mut self,
        span: Span,
        exprs: &[&Expr],
        mut nodes: impl Iterator<Item = Node>,
    ) -> Option<Typed> {
        let (text, pattern) = (nodes.next()?, nodes.next()?);
        let node = match exprs.get(1).and_then(|expr| expr.as_text()) {
            Some(literal) => match functions::pattern(literal) {
                Ok(pattern) => {
                    Node::Matches { of: Box::new(text), pattern: Box::new(pattern), span }
                }
                Err(message) => {
                    self.report(exprs[1].span.problem(code::LITERAL, message));
                    return None;
                }
            },
            None => {
                let overloads = functions::named("matches").to_vec().into();
                Node::Call { overloads, args: [text, pattern].into(), span }
            }
        };
        Some(Typed { node, ty: Type::Bool })
    }

    fn unknown_function(
        &mut self,
        name: &str,
        span: Span,
        target: Option<&Expr>,
        args: &[Expr],
    ) -> Typed {
        // Arguments of what may be a misspelt macro would only add noise.
        if let Some(target) = target {
            self.check(target);
        }
        let known = functions::names().chain(SPECIAL.iter().copied());
        let help = match (name, nearest(name, known)) {
            ("if", _) => Some("write `condition ? then : otherwise`".to_owned()),
            ("len" | "length" | "count", _) => Some("write `size(x)`".to_owned()),
            ("concat", _) => Some("write `a + b`".to_owned()),
            ("lower" | "toLower" | "toLowerCase", _) => Some("write `x.lowerAscii()`".to_owned()),
            ("upper" | "toUpper" | "toUpperCase", _) => Some("write `x.upperAscii()`".to_owned()),
            ("any" | "some", _) => Some("write `x.exists(e, ...)`".to_owned()),
            ("now", _) => {
                Some("a retry must see the same time: write `meta.received_at`".to_owned())
            }
            (_, Some(near)) if SPECIAL.contains(&name) => {
                Some(format!("`{near}` takes other arguments"))
            }
            (_, Some(near)) => Some(format!("did you mean `{near}`?")),
            _ => None,
        };
        let message = match SPECIAL.contains(&name) {
            true => format!("`{name}` does not take {} arguments like this", args.len()),
            false => format!("there is no function `{name}`"),
        };
        self.report(span.problem(code::UNKNOWN_FUNCTION, message).maybe_help(help))
    }

    fn no_overload_of(
        &mut self,
        name: &str,
        span: Span,
        overloads: &[&'static Overload],
        exprs: &[&Expr],
        types: &[Type],
    ) -> Typed {
        // With the optionals there, would it fit? Then that is what is wrong.
        let inside: Vec<Type> = types
            .iter()
            .map(|ty| match ty {
                Type::Optional(inner) => Type::clone(inner),
                ty => ty.clone(),
            })
            .collect();
        if inside != types
            && overloads.iter().any(|overload| overload.result_for(&inside).is_some())
        {
            for (expr, ty) in exprs.iter().zip(types) {
                if matches!(ty, Type::Optional(_)) {
                    self.untested(expr);
                }
            }
            return super::unknown();
        }
        let list_of_optionals = types
            .iter()
            .any(|ty| matches!(ty, Type::List(element) if matches!(**element, Type::Optional(_))));
        let forms: Vec<String> = overloads
            .iter()
            .map(|overload| {
                let params: Vec<_> = overload.params.iter().map(ToString::to_string).collect();
                format!("({})", params.join(", "))
            })
            .collect();
        let found: Vec<_> = types.iter().map(ToString::to_string).collect();
        let help = match name {
            _ if list_of_optionals => {
                format!(
                    "elements may be absent: {OPTIONAL_HELP}; for a list, `x.map(e, e.f.orValue(...))`"
                )
            }
            "div" => "write `a.div(b, 2, 'half_up')`".to_owned(),
            "round" => "write `a.round(2, 'half_up')`".to_owned(),
            _ => format!("it takes {}", forms.join(" or ")),
        };
        let message = format!("`{name}` does not take ({})", found.join(", "));
        self.report(span.problem(code::OVERLOAD, message).help(help))
    }
}

fn extreme_of(name: &str, list: Node, ty: Type, span: Span) -> Typed {
    let overloads = functions::named(name).to_vec().into();
    Typed { node: Node::Call { overloads, args: [list].into(), span }, ty }
}

fn has_dyn(ty: &Type) -> bool {
    match ty {
        Type::Dyn | Type::Never => true,
        Type::List(element) | Type::Optional(element) => has_dyn(element),
        _ => false,
    }
}
