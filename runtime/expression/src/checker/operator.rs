//! The types of operators. Decimals go with integers and never with doubles; a comparison that can
//! only be false is a problem; a variant is compared with the names of its cases.

use super::{Checker, Typed, to_decimal};
use crate::Type;
use crate::ast::{Expr, Kind, Op};
use crate::convert::contract_snake;
use crate::fit::{OPTIONAL_HELP, article};
use crate::node::Node;
use crate::problem::{Problem, Span, code, nearest};

impl Checker<'_> {
    pub(super) fn not(&mut self, span: Span, of: &Expr) -> Typed {
        let node = self.condition(of, "`!`");
        Typed { node: Node::Not { of: Box::new(node), span }, ty: Type::Bool }
    }

    pub(super) fn negate(&mut self, span: Span, of: &Expr) -> Typed {
        let typed = self.check(of);
        match typed.ty {
            Type::Int | Type::Double | Type::Decimal | Type::Duration | Type::Dyn | Type::Never => {
                Typed { node: Node::Negate { of: Box::new(typed.node), span }, ty: typed.ty }
            }
            Type::Optional(_) => self.untested(of),
            other => self.report(span.problem(
                code::OVERLOAD,
                format!("`-` does not take {}", article(&other.to_string())),
            )),
        }
    }

    /// A part that must be a bool.
    pub(super) fn condition(&mut self, expr: &Expr, by: &str) -> Node {
        let typed = self.check(expr);
        match typed.ty {
            Type::Bool | Type::Dyn | Type::Never => {}
            Type::Optional(_) => {
                self.untested(expr);
            }
            ref other => {
                let message = format!("{by} takes a bool, not {}", article(&other.to_string()));
                let help = match other {
                    Type::String | Type::List(_) => {
                        Some(format!("write `size({}) > 0`", self.text(expr.span)))
                    }
                    _ => None,
                };
                self.report(expr.span.problem(code::OVERLOAD, message).maybe_help(help));
            }
        }
        typed.node
    }

    pub(super) fn untested(&mut self, expr: &Expr) -> Typed {
        let message = format!("`{}` may be absent", self.text(expr.span));
        self.report(expr.span.problem(code::OPTIONAL, message).help(OPTIONAL_HELP))
    }

    /// What the operands before it prove is known in each operand.
    pub(super) fn logic(&mut self, span: Span, items: &[Expr], is_and: bool) -> Typed {
        let before = self.facts.clone();
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            nodes.push(self.condition(item, if is_and { "`&&`" } else { "`||`" }));
            let proven = self.facts_of(item, is_and);
            self.facts.add(&proven);
        }
        self.facts = before;
        let items = nodes.into();
        let node = if is_and { Node::And { items, span } } else { Node::Or { items, span } };
        Typed { node, ty: Type::Bool }
    }

    pub(super) fn conditional(&mut self, span: Span, [test, then, otherwise]: &[Expr; 3]) -> Typed {
        let condition = self.condition(test, "a condition");
        let yes = self.assuming(test, true, |checker| checker.check(then));
        let no = self.assuming(test, false, |checker| checker.check(otherwise));
        let (yes, no, ty) = self.unify(span, (yes, then), (no, otherwise));
        Typed { node: Node::Conditional { parts: Box::new([condition, yes, no]), span }, ty }
    }

    /// Two parts of which one is taken: an integer beside a decimal becomes one, a literal beside a
    /// variant becomes its case.
    pub(super) fn unify(
        &mut self,
        span: Span,
        (left, left_expr): (Typed, &Expr),
        (right, right_expr): (Typed, &Expr),
    ) -> (Node, Node, Type) {
        let whole = |ty: &Type| matches!(ty, Type::Int | Type::Uint);
        match (&left.ty, &right.ty) {
            (Type::Decimal, ty) if whole(ty) => {
                return (left.node, to_decimal(right.node, right_expr.span), Type::Decimal);
            }
            (ty, Type::Decimal) if whole(ty) => {
                return (to_decimal(left.node, left_expr.span), right.node, Type::Decimal);
            }
            (Type::Optional(_), Type::Null) => return (left.node, Node::OptionalNone, left.ty),
            (Type::Null, Type::Optional(_)) => return (Node::OptionalNone, right.node, right.ty),
            (Type::Variant(variant), Type::String) if right_expr.as_text().is_some() => {
                let node = self.check_to(right_expr, &contract::Type::Variant(variant.clone()));
                return (left.node, node, left.ty);
            }
            (Type::String, Type::Variant(variant)) if left_expr.as_text().is_some() => {
                let node = self.check_to(left_expr, &contract::Type::Variant(variant.clone()));
                return (node, right.node, right.ty);
            }
            _ => {}
        }
        let joined = left.ty.join(&right.ty);
        let lost = joined == Type::Dyn && left.ty != Type::Dyn && right.ty != Type::Dyn;
        if lost {
            let optional = [(&left.ty, left_expr, &right.ty), (&right.ty, right_expr, &left.ty)]
                .into_iter()
                .find_map(|(ty, expr, other)| match ty {
                    Type::Optional(inner) if inner.fits(other) => Some(expr.clone()),
                    _ => None,
                });
            match optional {
                Some(expr) => self.untested(&expr),
                None => {
                    let message = format!(
                        "one value is {}, the other {}",
                        article(&left.ty.to_string()),
                        article(&right.ty.to_string())
                    );
                    self.report(span.problem(code::TYPE, message).help(
                        "make both of one type, or write `dyn(...)` around one if that is meant",
                    ))
                }
            };
        }
        (left.node, right.node, joined)
    }

    pub(super) fn binary(
        &mut self,
        expr: &Expr,
        op: Op,
        op_span: Span,
        left: &Expr,
        right: &Expr,
    ) -> Typed {
        if let Some(problem) = self.hyphenated(expr) {
            return self.report(problem);
        }
        if matches!(op, Op::Equal | Op::NotEqual) {
            return self.equality(expr, op == Op::NotEqual, left, right);
        }
        let (a, b) = (self.check(left), self.check(right));
        for (typed, operand) in [(&a, left), (&b, right)] {
            if matches!(typed.ty, Type::Optional(_))
                && !(op == Op::In && std::ptr::eq(operand, left))
            {
                return self.untested(operand);
            }
        }
        let ty = match op {
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                ordered(&a.ty, &b.ty).then_some(Type::Bool)
            }
            Op::In => match self.membership(left, &a.ty, right, &b.ty) {
                Ok(ty) => ty,
                Err(problem) => return self.report(problem),
            },
            op => arithmetic(op, &a.ty, &b.ty),
        };
        let Some(ty) = ty else {
            let problem = self.no_overload(op, op_span, (left, &a.ty), (right, &b.ty));
            return self.report(problem);
        };
        let span = expr.span;
        Typed { node: Node::Binary { op, sides: Box::new([a.node, b.node]), span }, ty }
    }

    /// `order-desk` without quotes reads as a subtraction of two unknown names.
    fn hyphenated(&self, expr: &Expr) -> Option<Problem> {
        fn names<'e>(checker: &Checker<'_>, expr: &'e Expr) -> Option<&'e str> {
            match &expr.kind {
                Kind::Binary { op: Op::Subtract, left, right, .. } => {
                    names(checker, left)?;
                    names(checker, right)
                }
                Kind::Name(name) => {
                    let known = checker.scope.slot(name).is_some()
                        || checker.locals.iter().any(|local| local.name == *name);
                    (!known).then_some(name)
                }
                _ => None,
            }
        }
        matches!(expr.kind, Kind::Binary { op: Op::Subtract, .. }).then(|| names(self, expr))??;
        let text = self.text(expr.span);
        Some(
            expr.span
                .problem(code::UNKNOWN_NAME, format!("nothing here is called `{text}`"))
                .help(format!("if you mean the text, put it in quotes: '{text}'")),
        )
    }

    fn equality(&mut self, expr: &Expr, negated: bool, left: &Expr, right: &Expr) -> Typed {
        let span = expr.span;
        let not = |node| if negated { Node::Not { of: Box::new(node), span } } else { node };
        // Compared with null, an optional is asked whether it is there.
        for (tested, other) in [(left, right), (right, left)] {
            if other.is_null() && !tested.is_null() {
                let typed = self.check_raw(tested);
                return match typed.ty {
                    Type::Optional(_) => {
                        let there = Node::HasValue(Box::new(typed.node));
                        let node =
                            if negated { there } else { Node::Not { of: Box::new(there), span } };
                        Typed { node, ty: Type::Bool }
                    }
                    Type::Dyn | Type::Never | Type::Null => {
                        let null = Node::Const(contract::Value::Null);
                        let node = Node::Binary {
                            op: Op::Equal,
                            sides: Box::new([typed.node, null]),
                            span,
                        };
                        Typed { node: not(node), ty: Type::Bool }
                    }
                    other => {
                        let message = format!(
                            "`{}` is {}, which is never null",
                            self.text(tested.span),
                            article(&other.to_string())
                        );
                        self.report(span.problem(code::TYPE, message))
                    }
                };
            }
        }
        let (a, b) = (self.check(left), self.check(right));
        let tested = match (&a.ty, right.as_text(), &b.ty, left.as_text()) {
            (Type::Variant(variant), Some(case), ..) => Some((variant, case, right.span, true)),
            (.., Type::Variant(variant), Some(case)) => Some((variant, case, left.span, false)),
            _ => None,
        };
        if let Some((variant, case, case_span, on_left)) = tested {
            let Some(case) = variant.case(case) else {
                let problem = self.unknown_case(variant, case, case_span);
                return self.report(problem);
            };
            self.variant_tests.insert((span.start, span.end));
            let of = Box::new(if on_left { a.node } else { b.node });
            return Typed { node: not(Node::IsCase { of, case }), ty: Type::Bool };
        }
        if !comparable(&a.ty, &b.ty) {
            for ((typed, operand), other) in [((&a, left), &b.ty), ((&b, right), &a.ty)] {
                if let Type::Optional(inner) = &typed.ty {
                    let literal = |expr: &Expr| expr.as_text().is_some();
                    let case =
                        matches!(**inner, Type::Variant(_)) && (literal(left) || literal(right));
                    if comparable(inner, other) || case {
                        return self.untested(operand);
                    }
                }
            }
            let message = format!(
                "{} never equals {}",
                article(&a.ty.to_string()),
                article(&b.ty.to_string())
            );
            let help = conversion_help(&a.ty, &b.ty);
            return self.report(span.problem(code::TYPE, message).maybe_help(help));
        }
        let op = if negated { Op::NotEqual } else { Op::Equal };
        Typed { node: Node::Binary { op, sides: Box::new([a.node, b.node]), span }, ty: Type::Bool }
    }

    fn membership(
        &mut self,
        left: &Expr,
        item: &Type,
        right: &Expr,
        container: &Type,
    ) -> Result<Option<Type>, Problem> {
        // Each literal beside a variant must be one of its cases.
        if let (Type::Variant(variant), Kind::List(elements)) = (item, &right.kind) {
            for element in elements {
                if let Some(case) =
                    element.value.as_text().filter(|case| variant.case(case).is_none())
                {
                    return Err(self.unknown_case(variant, case, element.value.span));
                }
            }
        }
        let element = match container {
            Type::Dyn | Type::Never => return Ok(Some(Type::Bool)),
            Type::List(element) => Type::clone(element),
            Type::Map(key, _) => Type::clone(key),
            Type::Struct(_) => Type::String,
            Type::Flags(flags) => {
                let known: Vec<_> = flags.flags.iter().map(|flag| contract_snake(flag)).collect();
                if let Some(name) =
                    left.as_text().filter(|name| !known.iter().any(|flag| **flag == ***name))
                {
                    let near = nearest(name, known.iter().map(String::as_str));
                    return Err(left
                        .span
                        .problem(
                            code::UNKNOWN_CASE,
                            format!("{} has no flag `{name}`", flags.name.name),
                        )
                        .maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
                }
                Type::String
            }
            _ => return Ok(None),
        };
        if comparable(item, &element) {
            return Ok(Some(Type::Bool));
        }
        if let Type::Optional(inner) = item
            && comparable(inner, &element)
        {
            let message = format!("`{}` may be absent", self.text(left.span));
            return Err(left.span.problem(code::OPTIONAL, message).help(OPTIONAL_HELP));
        }
        Ok(None)
    }

    fn no_overload(
        &self,
        op: Op,
        span: Span,
        left: (&Expr, &Type),
        right: (&Expr, &Type),
    ) -> Problem {
        let (a, b) = (left.1, right.1);
        let symbol = op.symbol();
        let decimal = matches!((a, b), (Type::Decimal, _) | (_, Type::Decimal));
        let double = matches!((a, b), (Type::Double, _) | (_, Type::Double));
        let help = match op {
            Op::Divide if decimal && !double => Some(format!(
                "name the rounding: `{}.div({}, 2, 'half_up')`",
                self.text(left.0.span),
                self.text(right.0.span)
            )),
            _ if decimal && double => {
                Some("floats never carry money; write the number as `decimal('1.50')`".to_owned())
            }
            Op::Add if *a == Type::String => {
                Some(format!("write `string({})`", self.text(right.0.span)))
            }
            Op::Add if *b == Type::String => {
                Some(format!("write `string({})`", self.text(left.0.span)))
            }
            _ => conversion_help(a, b),
        };
        let message = match op {
            Op::Divide if decimal && !double => {
                "`/` does not say how a decimal is rounded".to_owned()
            }
            _ => format!(
                "`{symbol}` does not take {} and {}",
                article(&a.to_string()),
                article(&b.to_string())
            ),
        };
        span.problem(code::OVERLOAD, message).maybe_help(help)
    }
}

fn conversion_help(a: &Type, b: &Type) -> Option<String> {
    let pair = |x: &Type, y: &Type| (a == x && b == y) || (a == y && b == x);
    let text = if pair(&Type::Int, &Type::Uint) {
        "write the literal with `u` (`1u`) or convert with `int(x)` or `uint(x)`"
    } else if pair(&Type::Int, &Type::Double) || pair(&Type::Uint, &Type::Double) {
        "convert with `double(x)` or `int(x)`"
    } else if pair(&Type::Decimal, &Type::String) {
        "write the number as `decimal('1.50')`"
    } else if pair(&Type::Timestamp, &Type::String) {
        "write `timestamp('2026-01-31T00:00:00Z')`"
    } else if pair(&Type::Duration, &Type::String) {
        "write `duration('24h')`"
    } else if pair(&Type::Decimal, &Type::Double) {
        "floats never carry money; write the number as `decimal('1.50')`"
    } else {
        return None;
    };
    Some(text.to_owned())
}

fn arithmetic(op: Op, a: &Type, b: &Type) -> Option<Type> {
    use Type as T;
    let exact = |ty: &T| matches!(ty, T::Int | T::Uint | T::Decimal);
    Some(match (op, a, b) {
        (Op::Add, T::List(a), T::List(b)) => T::list(a.join(b)),
        (_, T::Dyn | T::Never, other) | (_, other, T::Dyn | T::Never) => {
            let never = match op {
                Op::Add => matches!(
                    other,
                    T::Bool | T::Null | T::Record(_) | T::Variant(_) | T::Map(..) | T::Struct(_)
                ),
                _ => {
                    !(other.is_numeric()
                        || matches!(other, T::Dyn | T::Never | T::Timestamp | T::Duration))
                }
            };
            if never {
                return None;
            }
            T::Dyn
        }
        (Op::Remainder, T::Int, T::Int) => T::Int,
        (Op::Remainder, T::Uint, T::Uint) => T::Uint,
        (Op::Remainder, ..) => return None,
        (_, T::Int, T::Int) => T::Int,
        (_, T::Uint, T::Uint) => T::Uint,
        (_, T::Double, T::Double) => T::Double,
        (Op::Divide, ..) => return None,
        (_, T::Decimal, other) | (_, other, T::Decimal) if exact(other) => T::Decimal,
        (Op::Add, T::String, T::String) => T::String,
        (Op::Add, T::Bytes, T::Bytes) => T::Bytes,
        (Op::Add, T::Timestamp, T::Duration) | (Op::Add, T::Duration, T::Timestamp) => T::Timestamp,
        (Op::Subtract, T::Timestamp, T::Duration) => T::Timestamp,
        (Op::Subtract, T::Timestamp, T::Timestamp) => T::Duration,
        (Op::Add | Op::Subtract, T::Duration, T::Duration) => T::Duration,
        _ => return None,
    })
}

fn numbers(a: &Type, b: &Type) -> bool {
    let mixed = matches!((a, b), (Type::Decimal, Type::Double) | (Type::Double, Type::Decimal));
    a.is_numeric() && b.is_numeric() && !mixed
}

fn ordered(a: &Type, b: &Type) -> bool {
    let orders = |ty: &Type| {
        ty.is_numeric()
            || matches!(
                ty,
                Type::Bool
                    | Type::String
                    | Type::Bytes
                    | Type::Timestamp
                    | Type::Duration
                    | Type::Dyn
                    | Type::Never
            )
    };
    orders(a) && orders(b) && (a.fits(b) || b.fits(a) || numbers(a, b))
}

/// Whether the two can be equal at all.
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    if a.fits(b) || b.fits(a) || numbers(a, b) {
        return true;
    }
    match (a, b) {
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => comparable(a, b),
        (Type::Variant(_), Type::String) | (Type::String, Type::Variant(_)) => true,
        (Type::Struct(_) | Type::Map(..), Type::Struct(_) | Type::Map(..)) => {
            match (a.map_view(), b.map_view()) {
                (Some(Type::Map(ak, av)), Some(Type::Map(bk, bv))) => {
                    comparable(&ak, &bk) && comparable(&av, &bv)
                }
                _ => false,
            }
        }
        _ => false,
    }
}
