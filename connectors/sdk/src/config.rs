//! The connector's own `config` table, as a type: `#[derive(Deserialize)] struct Config`, with
//! `#[serde(deny_unknown_fields)]`, so that a misspelt key is a fault with its name.

use serde::de::DeserializeOwned;

use crate::Fault;

/// Never holds a secret: those stay with the host.
pub fn get<T: DeserializeOwned>() -> Result<T, Fault> {
    serde_json::from_str(&text()).map_err(|error| {
        Fault::never("config", format!("[connectors.ALIAS] config does not fit: {error}"))
    })
}

#[cfg(target_arch = "wasm32")]
fn text() -> String {
    crate::wit::crossdock::core::config::get()
}

#[cfg(not(target_arch = "wasm32"))]
pub use native::set;
#[cfg(not(target_arch = "wasm32"))]
use native::text;

/// The config of native tests.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;

    thread_local! {
        static CONFIG: RefCell<String> = RefCell::new("{}".to_owned());
    }

    /// For this test, which is this thread.
    pub fn set(config: serde_json::Value) {
        CONFIG.set(config.to_string());
    }

    pub(super) fn text() -> String {
        CONFIG.with_borrow(Clone::clone)
    }
}
