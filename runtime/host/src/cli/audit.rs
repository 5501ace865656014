//! `crossdock audit`: who did what, and whether the trail is whole. It reads the journal's file, so
//! no runtime need be running.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use journal::{AuditFilter, AuditHead, AuditVerdict, Reader, StoredAudit};
use serde_json::{Value, json};

use super::{Failure, block_on, journal_file};
use crate::{admin, clock};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show what people and policies did, newest first.
    List {
        /// An exchange, or as in `route order-intake`.
        #[arg(long)]
        target: Option<String>,
        #[arg(long)]
        by: Option<String>,
        /// As in `exception.retry`, `task.answer`, `retention.drop`.
        #[arg(long)]
        action: Option<String>,
        /// A time (`2026-11-22T14:00:00Z`), or how long ago (`24h`, `7d`).
        #[arg(long, value_parser = super::since_ms)]
        since: Option<u64>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// A journal other than the configured one, such as a backup.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Recompute the chain and name the first entry that does not hold.
    Verify {
        /// A head noted at an earlier check (SEQUENCE:HASH): also tells a trail that was cut or made
        /// anew.
        #[arg(long)]
        from: Option<AuditHead>,
        /// A journal other than the configured one, such as a backup.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(config: &Path, json: bool, command: &Command) -> Result<(), Failure> {
    match command {
        Command::List { target, by, action, since, limit, file } => {
            let filter = AuditFilter {
                target: target.clone(),
                by: by.clone(),
                action: action.clone(),
                since_ms: since.unwrap_or(0),
                before: None,
                limit: *limit,
            };
            let reader = open(config, file.as_deref())?;
            let entries = block_on(reader.audit(filter))?.map_err(unreadable)?;
            if json {
                let entries: Vec<Value> = entries.iter().map(admin::audit_entry).collect();
                say!("{}", json!({ "entries": entries }));
            } else {
                print_list(&entries);
            }
            Ok(())
        }
        Command::Verify { from, file } => {
            let reader = open(config, file.as_deref())?;
            let verdict = block_on(reader.verify_audit_from(*from))?.map_err(unreadable)?;
            if json {
                say!("{}", admin::audit_verdict(&verdict));
            }
            judge(&verdict, json)
        }
    }
}

fn judge(verdict: &AuditVerdict, json: bool) -> Result<(), Failure> {
    if let Some(broken) = &verdict.broken {
        let text = format!(
            "error[CD0820]: entry {} of the audit trail {}\n  {} entries hold, up to {}\n  help: compare with a backup: `crossdock audit list --file BACKUP`",
            broken.sequence, broken.reason, verdict.entries, verdict.head
        );
        return Err(if json { Failure::told() } else { Failure::failed(text) });
    }
    if !json {
        say!("the audit trail holds: {} entries after {}", verdict.entries, verdict.base.sequence);
        say!("head: {}", verdict.head);
        say!("note the head elsewhere; `crossdock audit verify --from HEAD` goes on from it");
    }
    Ok(())
}

fn print_list(entries: &[StoredAudit]) {
    if entries.is_empty() {
        say!("no entries");
    }
    for StoredAudit { sequence, audit, .. } in entries {
        let at = clock::from_ms(audit.at_ms);
        say!(
            "{sequence:>6}  {at}  {}  {}  {}  {}",
            audit.by,
            audit.action,
            audit.target,
            audit.why
        );
    }
}

fn open(config: &Path, file: Option<&Path>) -> Result<Reader, Failure> {
    Reader::open(&journal_file(config, file)?, 1).map_err(unreadable)
}

fn unreadable(error: journal::Error) -> Failure {
    Failure::surroundings(format!("error[{}]: {error}", error.code()))
}
