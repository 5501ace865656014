//! What a guest may reach through its host. Each capability is one file; everything not granted here
//! is absent.

pub mod auth;
pub(crate) mod config;
pub mod door;
pub(crate) mod http;
mod knocks;
pub(crate) mod log;
pub(crate) mod random;
pub(crate) mod resolver;
pub mod signing;
pub mod state;
mod token;
pub mod upstream;

use wasmtime::component::Linker;

use crate::guest::Guest;

/// The version that imports of `crossdock:core` are defined at; the linker serves every 1.x.
pub(crate) const CORE_VERSION: &str = "1.0.0";

/// Everything that a component may import.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    // The whole of WASI 0.2 is there to be linked, since what cargo builds imports it; the context
    // behind it grants nothing but clock and randomness.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    linker.instance(&format!("crossdock:core/types@{CORE_VERSION}"))?;
    config::add_to_linker(&mut linker)?;
    log::add_to_linker(&mut linker)?;
    state::add_to_linker(&mut linker)?;
    signing::add_to_linker(&mut linker)?;
    Ok(linker)
}
