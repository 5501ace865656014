//! Fields and elements: names become positions; what may be absent becomes an optional; the payload
//! of a case must have been tested.

use std::sync::Arc;

use contract::{MapKey, Value};

use super::{Checker, Typed};
use crate::Type;
use crate::ast::{Expr, Kind, Literal};
use crate::convert::contract_snake;
use crate::fit::{OPTIONAL_HELP, article};
use crate::node::{Node, Selector};
use crate::problem::{Problem, Span, code, nearest};

/// How a part is reached and what it is.
struct Part {
    by: Selector,
    /// Optional if it may be absent although the whole is there and of the right kind.
    ty: Type,
    /// A variant case or a result side: there only if that was tested.
    case: bool,
}

impl Checker<'_> {
    pub(super) fn select(
        &mut self,
        expr: &Expr,
        of: &Expr,
        field: &Arc<str>,
        field_span: Span,
        optional: bool,
        raw: bool,
    ) -> Typed {
        if let Some(ty) = self.qualified_type(expr) {
            return Typed { node: Node::Const(Value::Type(ty.into())), ty: Type::Type };
        }
        let whole = self.whole(of);
        let (inner, chained) = inner(&whole.ty);
        let part = match self.field(&inner, field, field_span, optional || chained) {
            Ok(part) => part,
            Err(problem) => return self.report(problem),
        };
        if part.case && !optional && !chained && !self.is_case(of, &inner, field) {
            let what = self.text(of.span).to_owned();
            return self.report(
                field_span
                    .problem(code::CASE_UNTESTED, format!("`{what}` may be another case than `{field}`"))
                    .help(format!(
                        "test it first (`{what} == '{field}' ? ... : ...`, `has({what}.{field}) && ...`) or \
                         write `{what}.?{field}`"
                    )),
            );
        }
        let known = !raw
            && !optional
            && self.path(expr).is_some_and(|path| self.facts.present.contains(&path));
        finish(whole.node, part, expr.span, chained, optional, known)
    }

    /// `has(x.f)`.
    pub(super) fn has(&mut self, span: Span, args: &[Expr]) -> Typed {
        let [arg @ Expr { kind: Kind::Select { of, field, field_span, .. }, .. }] = args else {
            return self.report(
                span.problem(code::MACRO, "`has` takes one field, as in `has(message.ship_to)`")
                    .help("test an optional step or variable with `x.hasValue()`, a map key with `'key' in map`"),
            );
        };
        let whole = self.whole(of);
        let (inner, chained) = inner(&whole.ty);
        let part = match self.tested(&inner, field, *field_span) {
            Ok(part) => part,
            Err(problem) => return self.report(problem),
        };
        if part.case {
            self.variant_tests.insert((arg.span.start, arg.span.end));
        }
        let typed = finish(whole.node, part, arg.span, chained, true, false);
        Typed { node: Node::HasValue(Box::new(typed.node)), ty: Type::Bool }
    }

    pub(super) fn index(&mut self, expr: &Expr, of: &Expr, index: &Expr, optional: bool) -> Typed {
        let whole = self.whole(of);
        let (inner, chained) = inner(&whole.ty);
        let part = self.element(&inner, index, optional || chained);
        let part = match part {
            Ok(part) => part,
            Err(problem) => return self.report(problem),
        };
        finish(whole.node, part, expr.span, chained, optional, false)
    }

    fn whole(&mut self, of: &Expr) -> Typed {
        match &of.kind {
            // A name with a field behind it is no forgotten text.
            Kind::Name(name) => self.name(name, of.span, false, false),
            _ => self.check(of),
        }
    }

    fn qualified_type(&self, expr: &Expr) -> Option<&'static str> {
        let path = self.path(expr)?;
        let root = path.split('.').next()?;
        let known = root.contains('#') || self.scope.slot(root).is_some();
        if known { None } else { super::type_value(&path) }
    }

    fn is_case(&self, of: &Expr, ty: &Type, case: &str) -> bool {
        if matches!(ty, Type::Variant(variant) if variant.cases.len() == 1) {
            return true;
        }
        self.path(of)
            .is_some_and(|path| self.facts.cases.get(&path).is_some_and(|known| known == case))
    }

    /// For `has`: a case without payload may be asked for, an unknown key of a known map is false.
    fn tested(&mut self, ty: &Type, field: &Arc<str>, span: Span) -> Result<Part, Problem> {
        match ty {
            Type::Variant(variant) => match variant.case(field) {
                Some(at) => Ok(Part { by: Selector::Case(at), ty: Type::Bool, case: true }),
                None => Err(self.unknown_case(variant, field, span)),
            },
            _ => self.field(ty, field, span, true),
        }
    }

    fn field(
        &mut self,
        ty: &Type,
        field: &Arc<str>,
        span: Span,
        optional: bool,
    ) -> Result<Part, Problem> {
        let key = || Selector::Key(MapKey::String(field.clone()));
        let part = |by, ty| Ok(Part { by, ty, case: false });
        match ty {
            Type::Dyn | Type::Never => part(Selector::Name(field.clone()), Type::Dyn),
            Type::Record(record) => match record.field(field) {
                Some(at) => {
                    let ty = Type::of(&record.fields[at].ty);
                    part(Selector::Field { at, option: matches!(ty, Type::Optional(_)) }, ty)
                }
                None => {
                    let known = record.fields.iter().map(|field| field.json.as_str());
                    Err(unknown_field(&record.name.name, field, known, span))
                }
            },
            Type::Struct(entries) => match entries.iter().find(|(name, _)| name == field) {
                Some((_, ty)) => part(key(), ty.clone()),
                None if optional => part(key(), Type::Never),
                None => Err(unknown_field(
                    "the map",
                    field,
                    entries.iter().map(|(name, _)| &**name),
                    span,
                )),
            },
            Type::Map(keys, value) if Type::String.fits(keys) || keys.fits(&Type::String) => {
                part(key(), Type::clone(value))
            }
            Type::Variant(variant) => {
                let Some(at) = variant.case(field) else {
                    return Err(self.unknown_case(variant, field, span));
                };
                match &variant.cases[at].payload {
                    Some(payload) => {
                        Ok(Part { by: Selector::Case(at), ty: Type::of(payload), case: true })
                    }
                    None => Err(span
                        .problem(
                            code::TYPE,
                            format!("the case `{field}` of {} carries no value", variant.name.name),
                        )
                        .help(format!("compare it: `... == '{field}'`"))),
                }
            }
            Type::Result(ok, err) if matches!(&**field, "ok" | "err") => {
                let is_ok = &**field == "ok";
                let side = if is_ok { ok } else { err };
                Ok(Part { by: Selector::Side { ok: is_ok }, ty: Type::clone(side), case: true })
            }
            Type::Flags(flags) => {
                match flags.flags.iter().position(|flag| contract_snake(flag) == **field) {
                    Some(at) => part(Selector::Flag(at), Type::Bool),
                    None => {
                        let known: Vec<_> =
                            flags.flags.iter().map(|flag| contract_snake(flag)).collect();
                        Err(unknown_field(
                            &flags.name.name,
                            field,
                            known.iter().map(String::as_str),
                            span,
                        ))
                    }
                }
            }
            other => {
                let problem = span.problem(
                    code::UNKNOWN_FIELD,
                    format!("{} has no fields", article(&other.to_string())),
                );
                Err(match other {
                    Type::List(_) => {
                        problem.help("take one element (`x[0]`) or all (`x.map(e, e.field)`)")
                    }
                    _ => problem,
                })
            }
        }
    }

    pub(super) fn unknown_case(
        &self,
        variant: &contract::Variant,
        case: &str,
        span: Span,
    ) -> Problem {
        let known = || variant.cases.iter().map(|case| case.json.as_str());
        let all: Vec<_> = known().collect();
        let help = match nearest(case, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its cases are {}", all.join(", ")),
        };
        span.problem(code::UNKNOWN_CASE, format!("{} has no case `{case}`", variant.name.name))
            .help(help)
    }

    fn element(&mut self, ty: &Type, index: &Expr, lenient: bool) -> Result<Part, Problem> {
        // A literal name in brackets is a field where fields are known.
        if let (Type::Record(_) | Type::Struct(_), Some(name)) = (ty, index.as_text()) {
            return self.field(ty, name, index.span, lenient);
        }
        let at = self.check(index);
        let wrong = |wanted: &str| {
            let problem =
                index.span.problem(code::TYPE, format!("the index is {wanted}, not {}", at.ty));
            match at.ty {
                Type::Optional(_) => {
                    Problem { code: code::OPTIONAL, ..problem }.help(OPTIONAL_HELP)
                }
                _ => problem,
            }
        };
        let element = match ty {
            Type::Dyn | Type::Never => Type::Dyn,
            Type::List(element) => match at.ty {
                Type::Int | Type::Uint | Type::Dyn | Type::Never => Type::clone(element),
                _ => return Err(wrong("an int")),
            },
            Type::Map(..) | Type::Struct(_) => {
                let Some(Type::Map(key, value)) = ty.map_view() else { return Err(wrong("a key")) };
                let numbers = at.ty.is_numeric() && key.is_numeric();
                if !numbers && !at.ty.fits(&key) && !key.fits(&at.ty) {
                    return Err(wrong(&article(&key.to_string())));
                }
                Type::clone(&value)
            }
            Type::Tuple(items) => match index.kind {
                Kind::Literal(Literal::Int(number)) => {
                    match usize::try_from(number).ok().and_then(|number| items.get(number)) {
                        Some(item) => item.clone(),
                        None => {
                            let message = format!("the tuple has {} elements", items.len());
                            return Err(index.span.problem(code::LITERAL, message));
                        }
                    }
                }
                _ => {
                    return Err(index
                        .span
                        .problem(code::TYPE, "a tuple is indexed by a literal number"));
                }
            },
            Type::Record(record) => {
                let message = format!("{} is indexed by a literal field name", record.name.name);
                return Err(index.span.problem(code::TYPE, message));
            }
            other => {
                let problem = index.span.problem(
                    code::TYPE,
                    format!("{} has no elements", article(&other.to_string())),
                );
                return Err(match other {
                    Type::String => {
                        problem.help("a character is `x.charAt(0)`, a part `x.substring(0, 3)`")
                    }
                    _ => problem,
                });
            }
        };
        Ok(Part { by: Selector::Index(Box::new(at.node)), ty: element, case: false })
    }
}

/// Of an optional, the type inside.
fn inner(ty: &Type) -> (Type, bool) {
    match ty {
        Type::Optional(inner) => (Type::clone(inner), true),
        ty => (ty.clone(), false),
    }
}

fn finish(
    whole: Node,
    part: Part,
    span: Span,
    chained: bool,
    optional: bool,
    known: bool,
) -> Typed {
    let of = Box::new(whole);
    let by = part.by;
    // Fields that are options come out as optionals by their selector; elements are lifted.
    let field_option = matches!(by, Selector::Field { option: true, .. });
    let lift = matches!(part.ty, Type::Optional(_)) && !field_option;
    let node = match (chained, optional || field_option) {
        (true, _) => Node::ChainSelect { of, by, span },
        (false, true) => Node::TrySelect { of, by, span },
        (false, false) => Node::Select { of, by, span },
    };
    let node = if lift { Node::Lift(Box::new(node)) } else { node };
    let ty = if chained || optional { Type::optional(part.ty) } else { part.ty };
    match ty {
        Type::Optional(inner) if known => {
            Typed { node: Node::Unwrap { of: Box::new(node), span }, ty: Type::clone(&inner) }
        }
        ty => Typed { node, ty },
    }
}

fn unknown_field<'a>(
    of: &str,
    field: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    span: Span,
) -> Problem {
    let help = match nearest(field, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its fields are {}", known.collect::<Vec<_>>().join(", ")),
    };
    span.problem(code::UNKNOWN_FIELD, format!("{of} has no field `{field}`")).help(help)
}
