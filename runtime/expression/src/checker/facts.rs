//! What a condition proves: after `has(x.f) &&` the optional is there, after `v == 'hold' ?` the
//! variant is that case.

use super::{Checker, local_path};
use crate::Facts;
use crate::ast::{Expr, Kind, Op};

impl Facts {
    /// Without facts about variables of macros, which mean nothing outside.
    pub(super) fn public(mut self) -> Facts {
        self.present.retain(|path| !path.contains('#'));
        self.cases.retain(|path, _| !path.contains('#'));
        self
    }
}

impl Checker<'_> {
    /// `message.ship_to.zone`, if the part is a name or fields of one.
    pub(super) fn path(&self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            Kind::Name(name) => {
                Some(match self.locals.iter().rev().find(|local| local.name == *name) {
                    Some(local) => local_path(local),
                    None => name.to_string(),
                })
            }
            Kind::Select { of, field, .. } => Some(format!("{}.{field}", self.path(of)?)),
            _ => None,
        }
    }

    /// Runs `check` with what is known if `condition` is `truth`.
    pub(super) fn assuming<T>(
        &mut self,
        condition: &Expr,
        truth: bool,
        check: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.facts.clone();
        let proven = self.facts_of(condition, truth);
        self.facts.add(&proven);
        let checked = check(self);
        self.facts = before;
        checked
    }

    /// Only of parts that were checked before: that is where comparisons with cases are known.
    pub(super) fn facts_of(&self, expr: &Expr, truth: bool) -> Facts {
        let mut facts = Facts::default();
        match &expr.kind {
            Kind::Not(of) => return self.facts_of(of, !truth),
            Kind::And(items) if truth => {
                items.iter().for_each(|item| facts.add(&self.facts_of(item, true)))
            }
            Kind::Or(items) if !truth => {
                items.iter().for_each(|item| facts.add(&self.facts_of(item, false)))
            }
            Kind::Call { function, target: None, args, .. } if truth && &**function == "has" => {
                if let [Expr { kind: Kind::Select { of, field, .. }, span, .. }] = &args[..]
                    && let Some(path) = self.path(of)
                {
                    if self.variant_tests.contains(&(span.start, span.end)) {
                        facts.cases.insert(path.clone(), field.to_string());
                        facts.add_present(&path);
                    } else {
                        facts.add_present(&format!("{path}.{field}"));
                    }
                }
            }
            Kind::Call { function, target: Some(target), args, .. }
                if truth && &**function == "hasValue" && args.is_empty() =>
            {
                if let Some(path) = self.path(target) {
                    facts.add_present(&path);
                }
            }
            Kind::Binary { op: op @ (Op::Equal | Op::NotEqual), left, right, .. } => {
                let equal = (*op == Op::Equal) == truth;
                for (tested, other) in [(left, right), (right, left)] {
                    let Some(path) = self.path(tested) else { continue };
                    if other.is_null() && !equal {
                        facts.add_present(&path);
                    }
                    let compared = self.variant_tests.contains(&(expr.span.start, expr.span.end));
                    if let (Some(case), true, true) = (other.as_text(), equal, compared) {
                        facts.cases.insert(path, case.to_string());
                    }
                }
            }
            _ => {}
        }
        facts
    }
}
