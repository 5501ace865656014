//! Every bound of the language, by name. A source or a value past one of them is a Problem or an
//! EvaluationError, never a panic, a stack overflow or a long wait.

/// Bytes of one expression.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Nesting of one expression and height of its syntax tree. Parser, checker and evaluator recurse
/// at most this deep, which fits a 2 MB stack in a dev build several times over.
pub const DEPTH_MAX: usize = 100;
/// Nesting of tables and arrays in a mapping.
pub const TREE_DEPTH_MAX: usize = 32;
/// Problems reported for one expression.
pub const PROBLEMS_MAX: usize = 20;
/// Units of work of one evaluation: one for each node visited, each element built or compared and
/// each 16 bytes of text made.
pub const COST_MAX: u64 = 2_000_000;
/// Bytes of one string or byte string made by an expression.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Elements of one list or map made by an expression.
pub const ELEMENTS_MAX: usize = 200_000;
/// Values inside one result, counted as they would be written (a shared part counts each time).
pub const RESULT_VALUES_MAX: usize = 500_000;
/// Bytes of a regular expression.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Memory of one compiled regular expression.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// What compiling a pattern that is not a literal costs; see [`COST_MAX`].
pub const PATTERN_COST: u64 = 5_000;
