//! Where a value breaks its type, and why. Shared by reading, checking and resolving; a place is
//! spelled out only when there is something to say about it.

use std::fmt;

/// Violations told about one value; what comes after is not looked at.
pub const VIOLATIONS_MAX: usize = 100;

/// Characters of a name that is quoted back to whoever sent it.
const QUOTE_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) to the value that is wrong or missing; empty for the whole.
    pub pointer: String,
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.reason),
            pointer => write!(f, "{pointer}: {}", self.reason),
        }
    }
}

/// The way down to the value at hand, on the stack of its readers.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
    /// Every element of a list, where only types are compared.
    Each(&'a Path<'a>),
}

impl Path<'_> {
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, out: &mut String) {
        match self {
            Path::Root => {}
            Path::Field(parent, name) => {
                parent.write(out);
                out.push('/');
                for c in name.chars().take(QUOTE_MAX) {
                    match c {
                        '~' => out.push_str("~0"),
                        '/' => out.push_str("~1"),
                        c => out.push(c),
                    }
                }
            }
            Path::Index(parent, at) => {
                parent.write(out);
                out.push('/');
                out.push_str(&at.to_string());
            }
            Path::Each(parent) => {
                parent.write(out);
                out.push_str("/*");
            }
        }
    }
}

/// A name for a message, cut where it would flood it.
pub(crate) fn quoted(name: &str) -> String {
    let cut: String = name.chars().take(QUOTE_MAX).collect();
    if cut.len() < name.len() { format!("`{cut}...`") } else { format!("`{cut}`") }
}

/// `; did you mean ...?` if a known name is near.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    if name.len() > QUOTE_MAX {
        return String::new();
    }
    let near = known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, known)) => format!("; did you mean `{known}`?"),
        None => String::new(),
    }
}
