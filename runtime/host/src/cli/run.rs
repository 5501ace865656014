//! `crossdock run`

use std::io::IsTerminal;
use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::config::Config;
use crate::server;

pub(super) fn run(config: &Path) -> Result<(), Failure> {
    let config = Config::read(config)?;
    log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::surroundings(format!("cannot start: {error}")))?;
    runtime.block_on(server::run(config))
}

/// `CROSSDOCK_LOG=debug` says more; payloads are never logged.
fn log_to_stderr() {
    let wanted = std::env::var("CROSSDOCK_LOG").unwrap_or_else(|_| "info".to_owned());
    // Below `warn` these print arguments of calls and headers of requests.
    let capped = "wasmtime=warn,wasmtime_wasi=warn,wasmtime_wasi_http=warn,hyper=warn,hyper_util=warn,rustls=warn";
    let filter = EnvFilter::new(format!("{wanted},{capped}"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
}
