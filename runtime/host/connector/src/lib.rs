//! Connectors: WebAssembly components that speak to one system each, loaded, checked, bounded and
//! called. The only crate that names wasmtime. It decides nothing about routes, retries or journals:
//! a call has an answer, or an error that says what happened and whether its effect may have.

mod cache;
mod capability;
mod config_schema;
mod connector;
mod convert;
mod description;
mod engine;
mod error;
mod guest;
mod inspect;
mod meter;
mod plan;
mod problem;
mod runtime;
mod secret;
mod verify;

pub use cache::digest;
pub use capability::auth::{Auth, Encoding, HmacAuth, OAuth2, TokenLogin};
pub use capability::door::{Allowance, Door, Heard, Permit, Refusal, Refused};
pub use capability::signing;
pub use capability::state::{BoxFuture, StateStore};
pub use capability::upstream::{Upstream, UpstreamError, UpstreamOptions};
pub use connector::{CallContext, Connector, Health};
pub use description::{Description, Effect, KeyHandling, OperationDescription, UpstreamNeed};
pub use engine::Options;
pub use error::{CallError, Fault, Retry};
pub use guest::Limits;
pub use inspect::{Inspection, inspect};
pub use problem::{LoadError, Problem};
pub use runtime::{ConnectorConfig, Error, Runtime, Usage};
pub use secret::{Secret, constant_time_eq, redact};
