//! Questions to the journal, each on one consistent snapshot, on connections that cannot write.
//! A few connections are kept; who finds none free waits.

mod audit;
mod desk;
mod exchange;
mod lane;
mod retention;
mod store;
mod timeline;

pub(crate) use audit::verify as verify_audit;
pub use audit::{AuditBreak, AuditFilter, AuditVerdict, StoredAudit};
pub use desk::{
    ExceptionFilter, ExceptionGroup, GroupBy, Hands, Overdue, StoredException, StoredTask,
    TaskAnswer, TaskFilter,
};
pub use exchange::{
    Cause, Counts, DueTimer, Ended, ExchangeFilter, OpenExchange, Page, State, StoredExchange,
    StoredOutcome, Summary,
};
pub use retention::{EndedAt, KeptVersion, UnusedNodes};
pub use store::{Artifact, Claimed, KnownSource, RouteVersion};
pub use timeline::{LINKED_NODES_MAX, LINKED_STEPS_MAX, Linked, Timeline};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{Error, schema};

/// No answer has more rows than this, whatever limit was asked for.
pub const ROWS_MAX: usize = 10_000;

/// A handle to read with. Opened alone it needs no lock: it may look at a journal in use.
#[derive(Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    /// The file must exist in the present format. `connections` is at least 1.
    pub fn open(path: &Path, connections: usize) -> Result<Reader, Error> {
        let first = schema::open_reader(path)?;
        let permits = Arc::new(Semaphore::new(connections.max(1)));
        let pool = Pool { path: path.to_owned(), permits, idle: Mutex::new(vec![first]) };
        Ok(Reader { pool: Arc::new(pool) })
    }

    pub fn path(&self) -> &Path {
        &self.pool.path
    }

    /// Closes the connections at rest, so that the writer is the last to leave the file.
    pub(crate) fn close_idle(&self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Runs `read` on a thread that may block, inside one read transaction.
    async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let pool = Arc::clone(&self.pool);
        let permit = Arc::clone(&pool.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::Closed)?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            pool.with(read)
        });
        done.await.unwrap_or(Err(Error::Closed))
    }
}

impl Pool {
    fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let snapshot = connection.unchecked_transaction();
        let answer = snapshot.and_then(|snapshot| {
            let answer = read(&snapshot)?;
            snapshot.finish()?;
            Ok(answer)
        });
        let answer = answer.map_err(|error| Error::read(&self.path, &error))?;
        // A connection that failed is closed instead.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(answer)
    }
}

/// A limit as SQLite takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit.min(ROWS_MAX)).unwrap_or(i64::MAX)
}

/// Where a listing by rising id goes on; nothing lies past the last id.
fn key(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
