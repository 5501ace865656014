//! Contracts: what a message is. WIT packages become one type model with names kept; values of those
//! types are read from and written to JSON, checked, and resolved from one version to another.
//! Pure: no file system, clock, randomness, tokio or wasmtime.

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
mod check;
mod contracts;
mod convert;
pub mod decimal;
pub mod decode;
pub mod json;
mod name;
mod parse;
pub mod resolve;
pub mod scalar;
pub mod schema;
mod shape;
mod types;
mod value;
mod violation;

#[cfg(test)]
mod tests;

pub use check::check;
pub use contracts::Contracts;
pub use decimal::Decimal;
pub use decode::{Component, Misfit};
pub use json::{Unknown, Violation};
pub use name::{InterfaceName, TypeName, snake};
pub use parse::{Problem, Source};
pub use resolve::{Mismatch, Resolution, resolve};
pub use scalar::check_scalar;
pub use schema::json_schema;
pub use types::{Case, Field, Flags, Operation, Record, Scalar, Type, Variant};
pub use value::{MapKey, RecordValue, Value, VariantValue};
