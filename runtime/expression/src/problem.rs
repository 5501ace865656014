//! What is wrong with an expression, before it runs (Problem) and while it runs (EvaluationError).
//! Both point into the source by bytes; neither ever holds the data of a message beyond names.

use std::fmt;
use std::ops::Range;

/// Found by parser or checker. `code` is one of [`code`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static str,
    /// Bytes in the source.
    pub span: Range<usize>,
    pub message: String,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
}

/// Why an evaluation stopped. The message never quotes the values of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// Bytes in the source.
    pub span: Range<usize>,
    pub message: String,
    /// The leaf of a mapping whose expression failed, as the caller marked it.
    pub mark: Option<usize>,
}

/// The codes of problems; each has one meaning.
pub mod code {
    /// A character or literal that is not CEL.
    pub const TOKEN: &str = "token";
    /// Tokens in an order that is not CEL.
    pub const SYNTAX: &str = "syntax";
    /// Larger or deeper than a named limit.
    pub const TOO_LARGE: &str = "too-large";
    pub const UNKNOWN_NAME: &str = "unknown-name";
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    pub const UNKNOWN_CASE: &str = "unknown-case";
    pub const UNKNOWN_FUNCTION: &str = "unknown-function";
    /// A function or operator that does not take these types.
    pub const OVERLOAD: &str = "overload";
    /// A value that does not fit where it goes.
    pub const TYPE: &str = "type";
    /// An optional value used as if it were always there.
    pub const OPTIONAL: &str = "optional";
    /// The payload of a case that was not tested.
    pub const CASE_UNTESTED: &str = "case-untested";
    pub const MISSING_FIELD: &str = "missing-field";
    /// A literal that is not a value of its type (currency, timestamp, number out of range).
    pub const LITERAL: &str = "literal";
    /// A macro written in a form that it does not have.
    pub const MACRO: &str = "macro";

    pub const ALL: &[&str] = &[
        TOKEN,
        SYNTAX,
        TOO_LARGE,
        UNKNOWN_NAME,
        UNKNOWN_FIELD,
        UNKNOWN_CASE,
        UNKNOWN_FUNCTION,
        OVERLOAD,
        TYPE,
        OPTIONAL,
        CASE_UNTESTED,
        MISSING_FIELD,
        LITERAL,
        MACRO,
    ];
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// A range of bytes, small and `Copy`; the public form is `Range<usize>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    pub fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub fn problem(self, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { code, span: self.range(), message: message.into(), help: None }
    }
}

impl Problem {
    pub(crate) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Problem {
        self.help = help;
        self
    }
}

/// The candidate most like `name`, if it is like enough to be a slip.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_lowercase();
            if known.replace('-', "_") == lower.replace('-', "_") {
                return Some((1.0, candidate));
            }
            // Both measures: the first ranks, the second keeps short names from matching anything.
            let likeness = strsim::jaro_winkler(&lower, &known);
            let slips = strsim::osa_distance(&lower, &known);
            (likeness >= 0.8 && slips <= 1 + lower.len() / 4).then_some((likeness, candidate))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
