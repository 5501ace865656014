//! The committer: one thread that drains the queue into one transaction (group commit) and
//! answers once it is on disk. What fails on its way to disk poisons the journal: after a failed
//! fsync nobody knows what the disk holds, so nothing more is promised.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use crate::apply::{Refusal, Writer};
use crate::checkpoint::Checkpointer;
use crate::id::Ids;
use crate::record::{Commit, Committed};
use crate::{Error, Fault};

/// A transaction takes in no further commit past either of these.
const GROUP_COMMITS_MAX: usize = 1024;
const GROUP_BYTES_MAX: usize = 8 << 20;

pub(crate) struct Request {
    pub(crate) commit: Commit,
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Committed, Error>>,
}

/// What the committer and the journal's handles share.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) ids: Ids,
    pub(crate) poison: OnceLock<String>,
    pub(crate) counters: Counters,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) transactions: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) wal_pages: AtomicU64,
}

impl Shared {
    pub(crate) fn poisoned(&self) -> Option<Error> {
        self.poison.get().map(|reason| Error::Poisoned { reason: reason.clone() })
    }

    /// The first reason stands.
    pub(crate) fn set_poison(&self, error: &Error) {
        let reason = match error {
            Error::Poisoned { reason } => reason.clone(),
            other => other.to_string(),
        };
        tracing::error!(code = error.code(), %reason, "journal poisoned");
        let _ = self.poison.set(reason);
    }
}

pub(crate) struct Committer {
    connection: Connection,
    writer: Writer,
    shared: Arc<Shared>,
    checkpointer: Checkpointer,
    faults: Faults,
}

/// Trouble that tests ask for, around the moment when a transaction reaches the disk.
pub(crate) struct Faults {
    pub(crate) before: Option<Fault>,
    pub(crate) after: Option<Fault>,
}

impl Faults {
    fn strike(fault: &Option<Fault>, shared: &Shared) -> Result<(), Error> {
        let Some(fault) = fault else { return Ok(()) };
        fault(shared.counters.transactions.load(Ordering::Relaxed))
            .map_err(|reason| Error::Poisoned { reason })
    }
}

impl Committer {
    pub(crate) fn new(
        mut connection: Connection,
        shared: Arc<Shared>,
        checkpointer: Checkpointer,
        faults: Faults,
    ) -> rusqlite::Result<Committer> {
        let watched = Arc::clone(&shared);
        connection.wal_hook(Some(move |_: &mut _, pages: std::ffi::c_int| {
            let pages = u64::try_from(pages).unwrap_or(0);
            watched.counters.wal_pages.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Committer { connection, writer: Writer::default(), shared, checkpointer, faults })
    }

    /// Until every handle of the journal is gone; what is queued then is still written.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes;
            let mut group = vec![first];
            while bytes < GROUP_BYTES_MAX && group.len() < GROUP_COMMITS_MAX {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.bytes;
                group.push(next);
            }
            self.answer(group);
            self.checkpointer.after_commit(&self.connection, &self.shared);
        }
    }

    fn answer(&mut self, group: Vec<Request>) {
        let (commits, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|request| (request.commit, request.answer)).unzip();
        let verdicts = match self.shared.poisoned() {
            Some(poison) => Err(poison),
            None => self.write(&commits).inspect_err(|error| self.shared.set_poison(error)),
        };
        // Only here, after COMMIT: an answer is a promise. A caller that left does not mind.
        match verdicts {
            Ok(verdicts) => {
                for (answer, verdict) in answers.into_iter().zip(verdicts) {
                    let _ = answer.send(verdict);
                }
            }
            Err(poison) => {
                for answer in answers {
                    let _ = answer.send(Err(poison.clone()));
                }
            }
        }
    }

    /// All commits in one transaction. A commit that contradicts what is stored is left out and
    /// the others are written again without it, so that it harms nobody else.
    fn write(&mut self, commits: &[Commit]) -> Result<Vec<Result<Committed, Error>>, Error> {
        let shared = Arc::clone(&self.shared);
        let failed = |error: rusqlite::Error| Error::poisoned(&shared.path, &error);
        let mut verdicts: Vec<Option<Result<Committed, Error>>> = vec![None; commits.len()];
        'again: loop {
            self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
            self.writer.now_ms = shared.ids.now_ms();
            for (commit, verdict) in commits.iter().zip(&mut verdicts) {
                if matches!(verdict, Some(Err(_))) {
                    continue;
                }
                match self.writer.apply(&self.connection, commit) {
                    Ok(committed) => *verdict = Some(Ok(committed)),
                    Err(Refusal::Conflict(reason)) => {
                        *verdict = Some(Err(Error::Conflict { reason }));
                        self.roll_back();
                        continue 'again;
                    }
                    Err(Refusal::Disk(error)) => {
                        self.roll_back();
                        return Err(failed(error));
                    }
                }
            }
            break;
        }
        self.commit()?;
        let written =
            verdicts.iter().zip(commits).filter(|(verdict, _)| matches!(verdict, Some(Ok(_))));
        let (count, records) = written.fold((0, 0), |(count, records), (_, commit)| {
            (count + 1, records + commit.records.len())
        });
        self.shared.counters.transactions.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.commits.fetch_add(count, Ordering::Relaxed);
        self.shared.counters.records.fetch_add(records as u64, Ordering::Relaxed);
        Ok(verdicts.into_iter().map(|verdict| verdict.unwrap_or(Err(Error::Closed))).collect())
    }

    fn commit(&mut self) -> Result<(), Error> {
        let mark = self.shared.ids.mark_due();
        let written = match mark {
            Some(mark) => store_mark(&self.connection, mark),
            None => Ok(()),
        };
        let committed = Faults::strike(&self.faults.before, &self.shared).and_then(|()| {
            written
                .and_then(|()| self.connection.execute_batch("COMMIT"))
                .map_err(|error| Error::poisoned(&self.shared.path, &error))
        });
        match committed {
            Ok(()) => {
                // Order matters: the ids below the mark are free only once it is on disk.
                if let Some(mark) = mark {
                    self.shared.ids.marked(mark);
                }
                Faults::strike(&self.faults.after, &self.shared)
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Best effort: SQLite may have rolled back by itself. What is left ends with the process.
    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "journal rollback failed");
        }
        self.writer.forget();
    }
}

/// Ids below the mark may be given out from now on.
pub(crate) fn store_mark(connection: &Connection, mark: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES ('id_mark', ?1)
             ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
        )?
        .execute(params![mark.cast_signed()])
        .map(drop)
}
