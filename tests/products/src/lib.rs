//! What every suite needs: one operation of a connector called as a route would call it, a runtime
//! with routes, and the product asked by its own API. Addresses and credentials come from
//! `cargo xtask products`, by environment variables.

mod connector;
mod cutting;
mod http;
mod runtime;

pub use connector::{Connector, Fault};
pub use cutting::{Cut, Cutting};
pub use http::{Answer, Http};
pub use runtime::{Runtime, wait_for};

/// What `cargo xtask products` tells of a running product.
pub fn told(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run this by `cargo xtask products NAME`, which starts the product")
    })
}
