//! Macros that go over lists and maps, and `cel.bind`. Their variables are typed by what they go
//! over and known inside the body alone.

use std::sync::Arc;

use super::{Checker, Typed};
use crate::Type;
use crate::ast::{Expr, Kind};
use crate::fit::article;
use crate::node::{Comprehension, ComprehensionKind, Node};
use crate::problem::{Span, code};

impl Checker<'_> {
    /// None if `function` is no macro. `element` is the type wanted of the elements that `map` makes.
    pub(super) fn comprehension(
        &mut self,
        span: Span,
        function: &str,
        function_span: Span,
        target: &Expr,
        args: &[Expr],
        element: Option<&contract::Type>,
    ) -> Option<Typed> {
        use ComprehensionKind as C;
        // How many variables, then a filter if there is one more than variables and body.
        let (kind, variables) = match (function, args.len()) {
            ("all", 2) => (C::All, 1),
            ("all", 3) => (C::All, 2),
            ("exists", 2) => (C::Exists, 1),
            ("exists", 3) => (C::Exists, 2),
            ("exists_one" | "existsOne", 2) => (C::ExistsOne, 1),
            ("exists_one" | "existsOne", 3) => (C::ExistsOne, 2),
            ("map", 2 | 3) => (C::Map, 1),
            ("filter", 2) => (C::Filter, 1),
            ("transformList", 3 | 4) => (C::Map, 2),
            ("transformMap", 3 | 4) => (C::TransformMap, 2),
            ("transformMapEntry", 3 | 4) => (C::TransformMapEntry, 2),
            (
                "all" | "exists" | "exists_one" | "map" | "filter" | "transformList"
                | "transformMap",
                count,
            ) => {
                let form = match function {
                    "transformList" | "transformMap" => format!("x.{function}(k, v, ...)"),
                    _ => format!("x.{function}(e, ...)"),
                };
                let message = format!("`{function}` does not take {count} arguments");
                return Some(self.report(
                    function_span.problem(code::MACRO, message).help(format!("write `{form}`")),
                ));
            }
            _ => return None,
        };
        let mut names = Vec::new();
        for arg in &args[..variables] {
            let Kind::Name(name) = &arg.kind else {
                return Some(
                    self.report(
                        arg.span
                            .problem(
                                code::MACRO,
                                format!("`{function}` wants a name for the element here"),
                            )
                            .help(format!("write `x.{function}(e, ...)` and use `e` inside")),
                    ),
                );
            };
            names.push(name);
        }
        let range = self.check(target);
        let Some(types) = self.elements(&range.ty, variables == 2, target, function) else {
            return Some(super::unknown());
        };
        let element_ty = types.last().cloned().unwrap_or(Type::Dyn);
        let key_ty = types.first().cloned().unwrap_or(Type::Dyn);
        for (name, ty) in names.iter().zip(types) {
            self.push(name, ty);
        }
        let (filter, body) = match &args[variables..] {
            [filter, body] => (Some(filter), body),
            [body, ..] => (None, body),
            [] => return Some(super::unknown()),
        };
        let conditional = matches!(kind, C::All | C::Exists | C::ExistsOne | C::Filter);
        let filter_node = filter.map(|filter| self.condition(filter, "the filter"));
        let (node, ty) = {
            let check = |checker: &mut Self| match (conditional, element, kind) {
                (true, ..) => (checker.condition(body, &format!("`{function}`")), Type::Bool),
                (false, Some(to), C::Map) => (checker.check_to(body, to), Type::of(to)),
                _ => {
                    let typed = checker.check(body);
                    (typed.node, typed.ty)
                }
            };
            match filter {
                Some(filter) => self.assuming(filter, true, check),
                None => check(self),
            }
        };
        let result = match kind {
            C::All | C::Exists | C::ExistsOne => Type::Bool,
            C::Map => Type::list(ty),
            C::Filter => Type::list(element_ty),
            C::TransformMap => Type::map(key_ty, ty),
            C::TransformMapEntry => match ty.map_view() {
                Some(map) => map,
                None if matches!(ty, Type::Dyn | Type::Never) => Type::map(Type::Dyn, Type::Dyn),
                None => {
                    let message = format!(
                        "`{function}` wants a map `{{key: value}}`, not {}",
                        article(&ty.to_string())
                    );
                    self.report(body.span.problem(code::TYPE, message));
                    Type::map(Type::Dyn, Type::Dyn)
                }
            },
        };
        self.constructs |= !matches!(result, Type::Bool);
        self.locals.truncate(self.locals.len() - names.len());
        Some(Typed {
            node: Node::Comprehension(Box::new(Comprehension {
                kind,
                range: range.node,
                two: variables == 2,
                filter: filter_node,
                body: node,
                span,
            })),
            ty: result,
        })
    }

    /// The types of the variables: one gets elements or keys, two get index or key and value.
    fn elements(
        &mut self,
        range: &Type,
        two: bool,
        target: &Expr,
        function: &str,
    ) -> Option<Vec<Type>> {
        let pair =
            |key: Type, value: Type, one: Type| if two { vec![key, value] } else { vec![one] };
        Some(match range {
            Type::Dyn | Type::Never => pair(Type::Dyn, Type::Dyn, Type::Dyn),
            Type::List(element) => pair(Type::Int, Type::clone(element), Type::clone(element)),
            Type::Map(..) | Type::Struct(_) => match range.map_view() {
                Some(Type::Map(key, value)) => {
                    pair(Type::clone(&key), Type::clone(&value), Type::clone(&key))
                }
                _ => return None,
            },
            Type::Optional(_) => {
                self.untested(target);
                return None;
            }
            other => {
                let message = format!(
                    "`{function}` goes over a list or a map, not over {}",
                    article(&other.to_string())
                );
                self.report(target.span.problem(code::OVERLOAD, message));
                return None;
            }
        })
    }

    pub(super) fn bind(&mut self, span: Span, args: &[Expr]) -> Typed {
        let [Expr { kind: Kind::Name(name), .. }, init, body] = args else {
            return self.report(
                span.problem(code::MACRO, "`cel.bind` takes a name, a value and an expression")
                    .help("write `cel.bind(total, a + b, total * 2)`"),
            );
        };
        let init = self.check(init);
        self.push(&Arc::clone(name), init.ty);
        let body = self.check(body);
        self.locals.pop();
        let node = Node::Bind { init: Box::new(init.node), body: Box::new(body.node) };
        Typed { node, ty: body.ty }
    }
}
