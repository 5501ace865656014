//! The command line. One file for each command; exit codes: 0 done, 1 failed at run time, 2 the
//! files are wrong, 3 the surroundings are (port, disk, permission).

/// Prints a line to standard output. A reader that has gone (`| head`) is no failure.
macro_rules! say {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arguments)*);
    }};
}

mod check;
mod client;
mod connector;
mod exceptions;
mod exit;
mod run;
mod tasks;
mod trace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

#[derive(Parser)]
#[command(
    name = "crossdock",
    version,
    about = "Middleware runtime for order-to-cash: typed WebAssembly connectors, TOML routes, nothing lost",
    after_help = "Exit codes: 0 done, 1 failed at run time, 2 the files are wrong, 3 the surroundings are (port, disk, permission)."
)]
struct Arguments {
    /// The configuration of this environment.
    #[arg(long, short, global = true, default_value = "crossdock.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print JSON for machines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the runtime until it is told to stop (Ctrl-C or SIGTERM drains and ends).
    Run,
    /// Check configuration, contracts, connectors and routes, and report every problem. Needs no secret.
    Check,
    /// Show what happened to an exchange (by id) or to a business object (`order=SO-1001`).
    Trace(trace::Arguments),
    /// Work that waits for a person's decision.
    #[command(subcommand)]
    Tasks(tasks::Command),
    /// Exchanges that stand until a person acts.
    #[command(subcommand)]
    Exceptions(exceptions::Command),
    /// Make, inspect and try connectors.
    #[command(subcommand)]
    Connector(connector::Command),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Run => run::run(&arguments.config),
        Command::Check => check::run(&arguments.config, arguments.json),
        Command::Trace(command) => trace::run(&arguments.config, arguments.json, &command),
        Command::Tasks(command) => tasks::run(&arguments.config, arguments.json, &command),
        Command::Exceptions(command) => {
            exceptions::run(&arguments.config, arguments.json, &command)
        }
        Command::Connector(command) => connector::run(&arguments.config, arguments.json, &command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(arguments.json),
    }
}

/// Runs async work of a command that is not the server.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::surroundings(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(work))
}

/// Who decides, for the record.
fn person(by: Option<&str>) -> String {
    by.map(str::to_owned)
        .or_else(|| std::env::var("USER").ok())
        .or_else(|| std::env::var("LOGNAME").ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
