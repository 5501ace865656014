//! CEL over contract types: what is checked is what runs. A source is parsed with full ranges, typed
//! against a [`Scope`], and becomes a [`Program`] in which every name is a position.
//! Pure: no file system, clock, randomness, tokio or wasmtime. Nothing here panics on input; every
//! loop, depth and size has a limit in [`limits`].

mod ast;
mod checker;
mod convert;
mod evaluate;
mod fit;
mod functions;
mod lexer;
pub mod limits;
mod literal;
mod mapping;
mod node;
mod parser;
mod problem;
mod program;
mod scope;
mod types;

pub use mapping::{Mapping, Tree, TreeProblem, compile_tree};
pub use parser::RESERVED;
pub use problem::{EvaluationError, Problem, code, nearest};
pub use program::{Program, compile, compile_to};
pub use scope::{Facts, Scope};
pub use types::Type;
