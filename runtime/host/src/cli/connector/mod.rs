//! `crossdock connector`: make one, look at one, try one.

mod call;
mod inspect;
mod scaffold;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Failure;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write a new connector: a crate that builds and passes its test.
    New(scaffold::Arguments),
    /// Say what a component is and wants, before it is installed. Runs it without any capability.
    Inspect {
        /// The component, a .wasm file.
        file: PathBuf,
    },
    /// Call one operation, JSON in and JSON out, against an upstream.
    Call(call::Arguments),
}

pub(super) fn run(config: &Path, json: bool, command: &Command) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => scaffold::run(arguments),
        Command::Inspect { file } => inspect::run(file, json),
        Command::Call(arguments) => call::run(config, json, arguments),
    }
}

/// The bytes of a component.
fn read_component(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::files(format!(
            "{} cannot be read: {error}\n  help: name the .wasm file that `cargo build --release --target wasm32-wasip2` wrote",
            file.display()
        ))
    })
}
