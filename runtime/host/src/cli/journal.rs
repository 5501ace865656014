//! `crossdock journal`: a backup, a check and the size of the journal, also while a runtime uses it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use journal::{Check, Problem, Survey};
use route::ExchangeId;
use serde_json::{Value, json};

use super::{Failure, journal_file};
use crate::clock;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Copy it to a new file: one consistent moment, whole or not there at all.
    Backup {
        /// Must not exist yet.
        target: PathBuf,
        /// A journal other than the configured one.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Look for damage, and for anything that contradicts the journal's own rules.
    Check {
        /// A journal other than the configured one, such as a backup.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Show what it holds and how much room that takes.
    Stats {
        /// A journal other than the configured one, such as a backup.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(config: &Path, json: bool, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Backup { target, file } => {
            let copied = journal::backup(&journal_file(config, file.as_deref())?, target);
            let copied = copied.map_err(unusable)?;
            if json {
                let target = target.display().to_string();
                say!(
                    "{}",
                    json!({ "backup": target, "bytes": copied.bytes, "exchanges": copied.exchanges })
                );
            } else {
                say!(
                    "{}: {} exchanges, {} in {} ms",
                    target.display(),
                    copied.exchanges,
                    size(copied.bytes),
                    copied.took_ms
                );
            }
            Ok(())
        }
        Command::Check { file } => {
            let path = journal_file(config, file.as_deref())?;
            let check = journal::check(&path).map_err(unusable)?;
            report(&path, &check, json)
        }
        Command::Stats { file } => {
            let path = journal_file(config, file.as_deref())?;
            let survey = journal::survey(&path).map_err(unusable)?;
            if json {
                say!("{}", stats(&survey))
            } else {
                print_stats(&path, &survey)
            }
            Ok(())
        }
    }
}

fn report(path: &Path, check: &Check, json: bool) -> Result<(), Failure> {
    if json {
        let problems: Vec<Value> = check
            .problems
            .iter()
            .map(|problem| {
                json!({
                    "what": problem.what, "count": problem.count, "help": problem.fix,
                    "exchanges": shown(problem),
                })
            })
            .collect();
        let head = check.audit.as_ref().map(|verdict| verdict.head.to_string());
        say!("{}", json!({ "rules": check.rules, "problems": problems, "audit_head": head }));
        return if check.problems.is_empty() { Ok(()) } else { Err(Failure::told()) };
    }
    if check.problems.is_empty() {
        say!("{}: sound by {} rules", path.display(), check.rules);
        return Ok(());
    }
    let problems: Vec<String> = check
        .problems
        .iter()
        .map(|problem| {
            let mut text = format!("error[CD0821]: {}\n --> {}", problem.what, path.display());
            if !problem.exchanges.is_empty() {
                let more = match problem.count.saturating_sub(problem.exchanges.len() as u64) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                text.push_str(&format!("\n  exchanges: {}{more}", shown(problem).join(", ")));
            }
            format!("{text}\n  help: {}", problem.fix)
        })
        .collect();
    Err(Failure::failed(problems.join("\n\n")))
}

fn shown(problem: &Problem) -> Vec<String> {
    problem.exchanges.iter().map(|id| ExchangeId(*id).to_string()).collect()
}

fn stats(survey: &Survey) -> Value {
    let tables: Vec<Value> = survey
        .tables
        .iter()
        .map(|table| json!({ "name": table.name, "rows": table.rows, "bytes": table.bytes }))
        .collect();
    let open: serde_json::Map<String, Value> = survey
        .open
        .iter()
        .map(|(state, count)| (state.as_str().to_owned(), (*count).into()))
        .collect();
    let oldest = survey.oldest_open.map(|oldest| {
        json!({
            "exchange": ExchangeId(oldest.exchange).to_string(),
            "received_at": clock::from_ms(oldest.received_at_ms).to_string(),
            "state": oldest.state.as_str(),
        })
    });
    json!({
        "file_bytes": survey.file_bytes,
        "log_bytes": survey.log_bytes,
        "page_bytes": survey.page_bytes,
        "pages": survey.pages,
        "free_pages": survey.free_pages,
        "tables": tables,
        "open": open,
        "ended": survey.ended,
        "payloads_dropped": survey.payloads_dropped,
        "oldest_open": oldest,
        "audit": { "base": survey.audit_base.to_string(), "head": survey.audit_head.to_string() },
    })
}

fn print_stats(path: &Path, survey: &Survey) {
    let free = survey.free_pages * survey.page_bytes;
    say!("{}", path.display());
    say!("  {} in the file, {} of it free for new rows", size(survey.file_bytes), size(free));
    say!("  {} in the write-ahead log", size(survey.log_bytes));
    let open: Vec<String> =
        survey.open.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let open = if open.is_empty() { "none".to_owned() } else { open.join(", ") };
    say!("exchanges");
    say!("  open: {open}");
    say!("  ended and kept: {}, {} of them without payload", survey.ended, survey.payloads_dropped);
    if let Some(oldest) = survey.oldest_open {
        let (id, at) = (ExchangeId(oldest.exchange), clock::from_ms(oldest.received_at_ms));
        say!("  oldest open: {id}, {}, since {at}", oldest.state);
    }
    say!("audit trail");
    say!("  entries {} to {}", survey.audit_base.sequence + 1, survey.audit_head.sequence);
    say!("tables");
    for table in &survey.tables {
        say!("  {:<16} {:>10} rows {:>12}", table.name, table.rows, size(table.bytes));
    }
}

/// `1.5 MiB`
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = bytes as f64;
    let mut unit = 0;
    while left >= 1024.0 && unit + 1 < UNITS.len() {
        left /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{left:.1} {}", UNITS[unit]) }
}

fn unusable(error: journal::Error) -> Failure {
    Failure::surroundings(format!("error[{}]: {error}", error.code()))
}
