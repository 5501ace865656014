//! The command line. One file for each command; exit codes: 0 done, 1 failed at run time, 2 the
//! files are wrong, 3 the surroundings are (port, disk, permission).

/// Prints a line to standard output. A reader that has gone (`| head`) is no failure.
macro_rules! say {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arguments)*);
    }};
}

mod audit;
mod check;
mod client;
mod connector;
mod exceptions;
mod exit;
mod journal;
mod limits;
mod moment;
mod pauses;
mod pinned;
mod replay;
mod run;
mod sources;
mod tasks;
mod trace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock;
use crate::config::{Config, Span};

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
    /// Hold a route, a connector or a limit back until a time.
    Pause(pauses::Pause),
    /// Let go on what was paused.
    Resume(pauses::Resume),
    /// Show what is held back, until when, why, by whom.
    Pauses,
    /// What people and policies did, and whether that record is whole. Needs no running runtime.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Back up, check and measure the journal, also while a runtime uses it.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Run an exchange, or a range of them, once more: as a rehearsal, or for real.
    Replay(replay::Arguments),
    /// Budgets with what they allow now and who waits for them, and the breakers of connectors.
    Limits,
    /// The sources of routes: last message, last success and lag.
    Sources,
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
        Command::Pause(wanted) => pauses::pause(&arguments.config, arguments.json, &wanted),
        Command::Resume(wanted) => pauses::resume(&arguments.config, arguments.json, &wanted),
        Command::Pauses => pauses::list(&arguments.config, arguments.json),
        Command::Audit(command) => audit::run(&arguments.config, arguments.json, &command),
        Command::Journal(command) => journal::run(&arguments.config, arguments.json, &command),
        Command::Replay(command) => replay::run(&arguments.config, arguments.json, &command),
        Command::Limits => limits::run(&arguments.config, arguments.json),
        Command::Sources => sources::run(&arguments.config, arguments.json),
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

/// The journal's file: the one named, or the configured one.
fn journal_file(config: &Path, file: Option<&Path>) -> Result<PathBuf, Failure> {
    match file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(Config::read(config)?.data.join("journal.db")),
    }
}

/// A time (`2026-11-22T14:00:00Z`), or how long ago (`24h`), as milliseconds since 1970.
fn since_ms(text: &str) -> Result<u64, String> {
    if let Ok(span) = text.parse::<Span>() {
        let ago = u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
        return Ok(clock::now_ms().saturating_sub(ago));
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        format!("`{text}` is neither a time like 2026-11-22T14:00:00Z nor a span like 24h or 7d")
    })?;
    Ok(clock::to_ms(at))
}

/// Who decides, for the record.
fn person(by: Option<&str>) -> String {
    by.map(str::to_owned)
        .or_else(|| std::env::var("USER").ok())
        .or_else(|| std::env::var("LOGNAME").ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
