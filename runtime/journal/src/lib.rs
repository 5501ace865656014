//! The journal: all that Crossdock must not forget, in one file. A commit is durable when it
//! returns, or the journal is poisoned and promises nothing more. Nothing of SQLite shows
//! outside, so that another store can stand behind the same records and questions.

mod apply;
mod audit;
mod backup;
mod check;
mod checkpoint;
mod committer;
mod desk;
mod digest;
mod error;
mod id;
mod lane;
mod lock;
mod reader;
mod record;
mod retention;
mod schema;
mod survey;

pub use audit::{Audit, AuditHead, NotAHead};
pub use backup::{Backup, backup};
pub use check::{Check, Problem, check};
pub use digest::{Digest, NotADigest};
pub use error::Error;
pub use reader::*;
pub use record::{
    Accept, Commit, Committed, Duplicate, Exception, Lane, Node, Pause, Record, Replay, SourceKey,
    Task,
};
pub use retention::{BATCH_ROWS_MAX, Retention};
pub use survey::{OldestOpen, Survey, Table, survey};

use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::Checkpointer;
use crate::committer::{Committer, Counters, Request, Shared};
use crate::id::{Ids, NODE_MAX};

/// Commits that may wait for the committer; who comes then waits to queue.
const QUEUE_COMMITS_MAX: usize = 1024;
pub const COMMIT_RECORDS_MAX: usize = 100_000;
pub const COMMIT_BYTES_MAX: usize = 128 << 20;

/// For tests: asked before each transaction goes to disk, with the number of those before it. An
/// error is taken as the disk's.
pub type Fault = Arc<dyn Fn(u64) -> Result<(), String> + Send + Sync>;

#[derive(Clone)]
pub struct Options {
    /// Random bytes that name this journal, used once, when the file is made. `None`: from the
    /// operating system.
    pub identity: Option<[u8; 16]>,
    /// Read connections kept.
    pub readers: usize,
    /// Where the main file stops growing. `None`: with the disk.
    pub file_bytes_max: Option<u64>,
    /// The time of opening, in ms since 1970. `None`: the system's clock.
    pub now_ms: Option<u64>,
    pub fault: Option<Fault>,
    /// As `fault`, asked when the transaction is on disk and nobody has been told yet.
    pub fault_after: Option<Fault>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            identity: None,
            readers: 4,
            file_bytes_max: None,
            now_ms: None,
            fault: None,
            fault_after: None,
        }
    }
}

/// The open journal. Clones are handles to the same one; the last to go closes it.
///
/// It answers every question of [`Reader`].
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// Since the journal was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Transactions brought to disk; `commits / transactions` is the size of a group.
    pub transactions: u64,
    pub commits: u64,
    pub records: u64,
    /// Commits in the queue now.
    pub queued: u64,
    /// Pages in the write-ahead log after the last transaction.
    pub wal_pages: u64,
}

struct Inner {
    reader: Reader,
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    // Last: the next process may come in when all else is closed.
    _lock: lock::Lock,
}

impl Journal {
    /// Opens or makes the file; its folder must exist. Beside it stand `-wal`, `-shm` and `.lock`.
    pub fn open(path: &Path, options: Options) -> Result<Journal, Error> {
        // Before the lock, whose own file would fail for the same reason in other words.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && !folder.is_dir()
        {
            return Err(Error::FolderMissing { path: folder.to_owned() });
        }
        let lock = lock::Lock::take(path)?;
        let connection = schema::open_writer(path, options.file_bytes_max)?;
        let now_ms = options.now_ms.unwrap_or_else(system_now_ms);
        let ids = begin(&connection, options.identity, now_ms)
            .map_err(|error| Error::open(path, &error))?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            ids,
            poison: OnceLock::new(),
            counters: Counters::default(),
        });
        let reader = Reader::open(path, options.readers)?;
        let checkpointer = Checkpointer::start(path, Arc::clone(&shared))?;
        let faults = committer::Faults { before: options.fault, after: options.fault_after };
        let committer = Committer::new(connection, Arc::clone(&shared), checkpointer, faults)
            .map_err(|error| Error::open(path, &error))?;
        let (queue, requests) = mpsc::channel(QUEUE_COMMITS_MAX);
        let thread = std::thread::Builder::new()
            .name("journal-commit".to_owned())
            .spawn(move || committer.run(requests))
            .map_err(|error| thread_failed(path, &error))?;
        let (queue, thread) = (Some(queue), Some(thread));
        Ok(Journal { inner: Arc::new(Inner { reader, queue, thread, shared, _lock: lock }) })
    }

    /// A new exchange id: time-ordered, positive as an `i64`, never given out before by this
    /// journal, also after a restart and when the clock steps back. Never blocks.
    pub fn next_id(&self, now_ms: u64) -> u64 {
        self.inner.shared.ids.next(now_ms)
    }

    /// Durable as a whole when it returns `Ok`. On `Conflict` and `TooLarge` nothing of it was
    /// written; on `Poisoned` it may or may not be found after a restart. A caller that gives up
    /// waiting does not take the commit back.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        let records = commit.records.len();
        let bytes = commit.records.iter().map(Record::weight).sum();
        if records > COMMIT_RECORDS_MAX || bytes > COMMIT_BYTES_MAX {
            return Err(Error::TooLarge { records, bytes });
        }
        let shared = &self.inner.shared;
        let closed = || shared.poisoned().unwrap_or(Error::Closed);
        if let Some(poison) = shared.poisoned() {
            return Err(poison);
        }
        if records == 0 {
            return Ok(Committed::default());
        }
        let (answer, answered) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(Request { commit, bytes, answer }).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Why the journal takes nothing more, once that is so. The host must stop then.
    pub fn poisoned(&self) -> Option<String> {
        self.inner.shared.poison.get().cloned()
    }

    pub fn stats(&self) -> Stats {
        let counters = &self.inner.shared.counters;
        let queued =
            self.inner.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        Stats {
            transactions: counters.transactions.load(Ordering::Relaxed),
            commits: counters.commits.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            queued: queued as u64,
            wal_pages: counters.wal_pages.load(Ordering::Relaxed),
        }
    }

    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }
}

impl Deref for Journal {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.inner.reader
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Order matters: the writer leaves the file last, so that the log is folded into it.
        self.reader.close_idle();
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The journal's identity and its first reserved ids, on disk before the first id is given out.
fn begin(
    connection: &Connection,
    identity: Option<[u8; 16]>,
    now_ms: u64,
) -> rusqlite::Result<Ids> {
    let transaction = connection.unchecked_transaction()?;
    let stored: Option<[u8; 16]> = transaction
        .query_row("SELECT value FROM meta WHERE name = 'identity'", [], |row| row.get(0))
        .optional()?;
    let identity = match (stored, identity) {
        (Some(stored), _) => stored,
        (None, given) => {
            let random = transaction.query_row("SELECT randomblob(16)", [], |row| row.get(0))?;
            let identity = given.unwrap_or(random);
            let sql = "INSERT INTO meta (name, value) VALUES ('identity', ?1)";
            transaction.execute(sql, [identity])?;
            identity
        }
    };
    note_restore(&transaction, now_ms)?;
    let node = u16::from_be_bytes([identity[0], identity[1]]) & NODE_MAX;
    let mark: Option<i64> = transaction
        .query_row("SELECT value FROM meta WHERE name = 'id_mark'", [], |row| row.get(0))
        .optional()?;
    let ids = Ids::new(node, mark.unwrap_or(0).cast_unsigned(), now_ms);
    committer::store_mark(&transaction, ids.first_mark())?;
    transaction.commit()?;
    Ok(ids)
}

/// The first opening of a backup goes on record: what happened after it happened without it.
fn note_restore(to: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM meta WHERE name = ?1 RETURNING value";
    let made: Option<i64> = to.query_row(sql, [backup::MARK], |row| row.get(0)).optional()?;
    let Some(made_at_ms) = made else { return Ok(()) };
    tracing::warn!(
        made_at_ms,
        "this journal is a backup: effects since then are repeated under their own keys, and what \
         was accepted since then is not here"
    );
    let [by, action, target, why] =
        ["journal", "journal.restore", "journal", "started from a backup"].map(str::to_owned);
    let detail = format!(r#"{{"backup_at_ms":{made_at_ms}}}"#);
    audit::append(to, &Audit { at_ms: now_ms, by, action, target, why, detail })
}

pub(crate) fn system_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn thread_failed(path: &Path, error: &std::io::Error) -> Error {
    let fix = "The system is short of threads or memory.";
    Error::Open { path: path.to_owned(), reason: error.to_string(), fix }
}
