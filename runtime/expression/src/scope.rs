//! What an expression may name: declared slots with their types, and what is already known about
//! them (an optional tested earlier is present, a variant compared is one case).

use std::collections::{BTreeMap, BTreeSet};

use crate::Type;

/// Names in scope. A slot is the position of a name's value in the slice given to `evaluate`.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: Vec<(String, Type)>,
    hints: BTreeMap<String, String>,
    facts: Facts,
}

/// What a condition proves, by path from a name in scope: `credit`, `message.ship_to.zone`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Optional values that are there.
    pub present: BTreeSet<String>,
    /// Variants by the case (snake_case) that they are.
    pub cases: BTreeMap<String, String>,
}

impl Scope {
    pub fn new() -> Scope {
        Scope::default()
    }

    /// Declares a name and returns its slot. A name declared again keeps its slot and takes the new type.
    pub fn declare(&mut self, name: &str, ty: Type) -> usize {
        if let Some(at) = self.slot(name) {
            self.names[at].1 = ty;
            return at;
        }
        self.names.push((name.to_owned(), ty));
        self.names.len() - 1
    }

    /// For a name that exists but not here (a later step): the help that an unknown name gets.
    pub fn hint(&mut self, name: &str, help: &str) {
        self.hints.insert(name.to_owned(), help.to_owned());
    }

    /// The optional at this path is there: `credit` or `message.ship_to`.
    pub fn known_present(&mut self, path: &str) {
        self.facts.add_present(path);
    }

    /// The variant at this path is this case.
    pub fn known_case(&mut self, path: &str, case: &str) {
        self.facts.cases.insert(path.to_owned(), case.to_owned());
    }

    /// Everything that a condition proved: `scope.assume(program.when_true())`.
    pub fn assume(&mut self, facts: &Facts) {
        self.facts.add(facts);
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn slot(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|(known, _)| known == name)
    }

    pub fn ty(&self, slot: usize) -> Option<&Type> {
        self.names.get(slot).map(|(_, ty)| ty)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    /// How many slots `evaluate` expects.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn hint_for(&self, name: &str) -> Option<&str> {
        self.hints.get(name).map(String::as_str)
    }
}

impl Facts {
    pub fn is_empty(&self) -> bool {
        self.present.is_empty() && self.cases.is_empty()
    }

    pub(crate) fn add_present(&mut self, path: &str) {
        // A chain that is there is there all along.
        for (at, _) in path.match_indices('.') {
            self.present.insert(path[..at].to_owned());
        }
        self.present.insert(path.to_owned());
    }

    pub(crate) fn add(&mut self, other: &Facts) {
        self.present.extend(other.present.iter().cloned());
        self.cases.extend(other.cases.iter().map(|(path, case)| (path.clone(), case.clone())));
    }
}
