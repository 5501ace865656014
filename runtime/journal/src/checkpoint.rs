//! Checkpoints: the write-ahead log is copied into the main file by a thread of its own, so that
//! no commit waits for it. Only a log that grew out of bounds is finished by the committer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::Error;
use crate::committer::Shared;

/// 16 MiB of log: then the thread starts.
const PAGES_START: u64 = 4096;
/// 256 MiB of log: then the committer stops to finish it, and the log begins anew.
const PAGES_MAX: u64 = 16 * PAGES_START;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path, shared: Arc<Shared>) -> Result<Checkpointer, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| Error::open(path, &error))?;
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("journal-checkpoint".to_owned())
            .spawn(move || run(&connection, &shared, &woken))
            .map_err(|error| crate::thread_failed(path, &error))?;
        Ok(Checkpointer { wake: Some(wake), thread: Some(thread) })
    }

    /// Called by the committer between two transactions.
    pub(crate) fn after_commit(&self, committer: &Connection, shared: &Shared) {
        let pages = shared.counters.wal_pages.load(Ordering::Relaxed);
        if pages < PAGES_START {
            return;
        }
        if let Some(wake) = &self.wake {
            // Full: it is awake already.
            let _ = wake.try_send(());
        }
        if pages >= PAGES_MAX {
            checkpoint(committer, shared);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, shared: &Shared, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        if shared.poison.get().is_none() {
            checkpoint(connection, shared);
        }
    }
}

/// Passive: copies what it can without holding up a reader or the writer.
fn checkpoint(connection: &Connection, shared: &Shared) {
    let done = connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE);
    match done {
        Ok((pages, copied)) => tracing::debug!(pages, copied, "journal checkpoint"),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {}
            _ => shared.set_poison(&Error::poisoned(&shared.path, &error)),
        },
    }
}
