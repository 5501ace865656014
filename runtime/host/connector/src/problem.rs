//! Everything that keeps a component from being a connector, told at once: what is wrong and what
//! to do about it.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `CD04xx`, stable.
    pub code: &'static str,
    pub what: String,
    pub fix: String,
}

impl Problem {
    pub(crate) fn new(
        code: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem { code, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}\n  = fix: {}", self.code, self.what, self.fix)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The connector's alias, or what was looked at.
    pub connector: String,
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connector `{}` cannot be loaded", self.connector)?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for LoadError {}
