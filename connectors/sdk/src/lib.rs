//! What a Crossdock connector is written with: the contracts as Rust types, HTTP with the right
//! faults, config, exact amounts, and the `connector!` macro. A connector then reads as a mapping
//! and nothing else. `connectors/README.md` is the author's guide.

pub mod canonical;
pub mod config;
pub mod decimal;
pub mod describe;
mod fault;
pub mod form;
pub mod http;
pub mod log;
pub mod time;
pub mod wit;

pub use crossdock_sdk_macro::connector;
pub use decimal::Decimal;
pub use describe::{describe, mutation, query};
pub use http::{Response, Upstream};
pub use wit::crossdock::core::connector::Description;
pub use wit::crossdock::core::poll::PollRequest;
pub use wit::crossdock::core::types::{
    Call, Fault, Handle, Identity, Money, Reference, Refusal, Retry,
};
pub use wit::crossdock::core::webhook::WebhookRequest;
pub use {serde, serde_json, wit_bindgen};
