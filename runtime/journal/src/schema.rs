//! The stored format: one SQLite file in WAL mode. Opening, versions, and what each table holds.
//! A step of `STEPS` is never edited once released; a change is a further step.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::Error;

/// "CDJ1" in the file header: tells a journal from any other SQLite file.
const APPLICATION_ID: i64 = 0x4344_4a31;
/// How long a connection waits for SQLite's short internal locks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const STATEMENTS_CACHED: usize = 128;
/// Pages of 4 KiB cached by the writer (as KiB, SQLite's sign convention).
const WRITER_CACHE: i64 = -32 * 1024;

/// One step leads from format N to N + 1. The file's `user_version` is its format.
///
/// All times are milliseconds since 1970 (UTC), all ids are exchange ids (see `id.rs`).
/// `exchange`, `outcome` and `ended` are only appended to. What changes is small and apart:
/// `open` holds a row for each exchange that has not ended, and no other. What has a column
/// `exchange` goes with its exchange when retention drops it, unless `retention.rs` says otherwise.
const STEPS: &[&str] = &[
    "
-- One value a name: `identity` (random, 16 bytes), `node`, `id_mark` (ids below it may be used).
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

-- Bytes by their SHA-256.
CREATE TABLE artifact (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, bytes BLOB NOT NULL
);
-- What an exchange runs on. `artifact` is a digest in the table above.
CREATE TABLE route_version (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, artifact BLOB NOT NULL
);

-- An accepted message. The long columns are last: a listing need not read them.
CREATE TABLE exchange (
    id INTEGER PRIMARY KEY,
    route_version INTEGER NOT NULL,     -- route_version.id
    parent INTEGER,                     -- the exchange that published it
    received_at_ms INTEGER NOT NULL,
    raw INTEGER NOT NULL,               -- 1: a webhook request, not yet translated
    source TEXT NOT NULL,
    source_scope TEXT,
    source_key TEXT,
    body_digest BLOB,                   -- SHA-256 of the body that came under the source key
    traceparent TEXT,
    headers TEXT NOT NULL,              -- JSON object of strings
    message BLOB NOT NULL               -- JSON
);
CREATE INDEX exchange_parent ON exchange (parent) WHERE parent IS NOT NULL;
-- The same key twice is one exchange.
CREATE TABLE source_key (
    scope TEXT NOT NULL, key TEXT NOT NULL, exchange INTEGER NOT NULL, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
-- `body` is the exchange machine's outcome as JSON.
CREATE TABLE outcome (
    exchange INTEGER NOT NULL, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (exchange, sequence)
) WITHOUT ROWID;

-- state: 0 ready, 1 waiting, 2 parked, 3 excepted. `due_at_ms` is its timer, if it has one.
CREATE TABLE open (
    exchange INTEGER PRIMARY KEY, state INTEGER NOT NULL, due_at_ms INTEGER, why TEXT
);
CREATE INDEX open_due ON open (due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE TABLE ended (exchange INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, ending INTEGER NOT NULL);
-- The names of ends, and how many exchanges met each.
CREATE TABLE ending (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, count INTEGER NOT NULL DEFAULT 0
);

-- Questions to people. Answered: `answer`, `by`, `note`, `closed_at_ms`. A task whose exchange
-- went on before an answer has `closed_at_ms` and no answer.
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    exchange INTEGER NOT NULL, step TEXT NOT NULL, role TEXT NOT NULL,
    ask TEXT NOT NULL,                  -- JSON list of strings
    show TEXT NOT NULL,                 -- JSON
    due_at_ms INTEGER, opened_at_ms INTEGER NOT NULL,
    answer TEXT, by TEXT, note TEXT, closed_at_ms INTEGER
);
CREATE INDEX task_exchange ON task (exchange);
CREATE INDEX task_open ON task (id) WHERE closed_at_ms IS NULL;
-- What stands on the exception desk. Closed: `by` (empty: by no person), `action`, `closed_at_ms`.
CREATE TABLE exception (
    id INTEGER PRIMARY KEY,
    exchange INTEGER NOT NULL, class TEXT NOT NULL, owner TEXT NOT NULL, step TEXT NOT NULL,
    code TEXT NOT NULL, message TEXT NOT NULL, at_ms INTEGER NOT NULL,
    by TEXT, action TEXT, closed_at_ms INTEGER
);
CREATE INDEX exception_exchange ON exception (exchange);
CREATE INDEX exception_open ON exception (id) WHERE closed_at_ms IS NULL;

-- Business keys of an exchange.
CREATE TABLE business_key (
    value TEXT NOT NULL, name TEXT NOT NULL, exchange INTEGER NOT NULL,
    PRIMARY KEY (value, name, exchange)
) WITHOUT ROWID;
CREATE INDEX business_key_exchange ON business_key (exchange);
-- Objects as systems know them, and which belong together: each link stands in both directions.
CREATE TABLE node (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL, object TEXT NOT NULL, system TEXT NOT NULL, company TEXT NOT NULL,
    UNIQUE (id, object, system, company)
);
CREATE TABLE link (
    one INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (one, other)
) WITHOUT ROWID;

CREATE TABLE cursor (source TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (
    connector TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (connector, key)
) WITHOUT ROWID;
",
    "
-- What people and policies did, numbered without gaps and chained: see `audit.rs` for `hash`.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL, by TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
    why TEXT NOT NULL,
    detail TEXT NOT NULL,               -- JSON
    hash BLOB NOT NULL
);
CREATE INDEX audit_target ON audit (target);
-- The chain's ends: `base` is the entry before the oldest one kept (0 and zeros at first), `head`
-- the newest one. A new entry continues from `head`, so that a cut tail shows.
CREATE TABLE audit_mark (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, hash BLOB NOT NULL)
    WITHOUT ROWID;
INSERT INTO audit_mark (name, sequence, hash) VALUES ('base', 0, zeroblob(32)),
    ('head', 0, zeroblob(32));
",
    "
-- That an exchange repeats another one (`of`). `key_root`: under the keys of which exchange.
CREATE TABLE replay (
    exchange INTEGER PRIMARY KEY, of INTEGER NOT NULL, key_root TEXT,
    body TEXT NOT NULL                  -- JSON of the exchange machine
);
CREATE INDEX replay_of ON replay (of);
CREATE INDEX replay_key_root ON replay (key_root) WHERE key_root IS NOT NULL;
",
    "
-- Retention. `ended.dropped_at_ms`: its payload went then. A source key that outlives its exchange
-- has `ended_at_ms`, and the digest of the body that came under it. `link.at_ms`: made, or seen
-- again, about then. `route_version.idle_since_ms`: no exchange has begun or been open since.
CREATE INDEX ended_at ON ended (at_ms);
ALTER TABLE ended ADD COLUMN dropped_at_ms INTEGER;
ALTER TABLE source_key ADD COLUMN body_digest BLOB;
ALTER TABLE source_key ADD COLUMN ended_at_ms INTEGER;
CREATE INDEX source_key_ended ON source_key (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
ALTER TABLE link ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE link SET at_ms = unixepoch() * 1000;
ALTER TABLE route_version ADD COLUMN idle_since_ms INTEGER;
-- What was dropped since the last entry `retention.drop` of the audit trail.
CREATE TABLE dropped (what TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
",
    "
-- Open exchanges that go one after the other with those of the same scope and key. turn: 0 queued
-- (then `open.state` is 4), 1 holds the lane, 2 stands aside: it is parked or excepted, and `passes`
-- lets others go on.
CREATE TABLE lane (
    exchange INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL,
    passes INTEGER NOT NULL, turn INTEGER NOT NULL
);
CREATE UNIQUE INDEX lane_holder ON lane (scope, key) WHERE turn = 1;
CREATE INDEX lane_queue ON lane (scope, key, exchange) WHERE turn = 0;
",
    "
-- Who sent the message, as the configuration names its callers.
ALTER TABLE exchange ADD COLUMN client TEXT;
",
    "
-- Effects that are to happen once by a business key (`once` of a step): who has it or did it. The
-- scope is `alias.operation`. `value` is the answer as JSON, once there is one.
CREATE TABLE claim (
    scope TEXT NOT NULL, key TEXT NOT NULL, exchange INTEGER NOT NULL, path TEXT NOT NULL,
    value TEXT, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
",
    "
-- Calendar quotas of budgets: what was reserved of a period (`2026-11-22`, `2026-11`).
CREATE TABLE quota (
    budget TEXT NOT NULL, period TEXT NOT NULL, reserved INTEGER NOT NULL CHECK (reserved >= 0),
    PRIMARY KEY (budget, period)
) WITHOUT ROWID;
",
    "
-- The desk. Who has it in hand; when it is handed on to another role, if nobody acted by then; and
-- that it was. An `owner` or `role` is the one that has it now.
ALTER TABLE exception ADD COLUMN assignee TEXT;
ALTER TABLE exception ADD COLUMN escalate_at_ms INTEGER;
ALTER TABLE exception ADD COLUMN escalate_to TEXT;
ALTER TABLE exception ADD COLUMN escalated_at_ms INTEGER;
ALTER TABLE task ADD COLUMN assignee TEXT;
ALTER TABLE task ADD COLUMN escalate_at_ms INTEGER;
ALTER TABLE task ADD COLUMN escalate_to TEXT;
ALTER TABLE task ADD COLUMN escalated_at_ms INTEGER;
CREATE INDEX exception_overdue ON exception (escalate_at_ms)
    WHERE escalate_at_ms IS NOT NULL AND closed_at_ms IS NULL;
CREATE INDEX task_overdue ON task (escalate_at_ms)
    WHERE escalate_at_ms IS NOT NULL AND closed_at_ms IS NULL;
-- What people, or maintenance windows (`window` is its name, else empty), hold back now. `kind` is
-- route, connector or limit.
CREATE TABLE pause (
    kind TEXT NOT NULL, name TEXT NOT NULL, window TEXT NOT NULL,
    by TEXT NOT NULL, why TEXT NOT NULL, since_ms INTEGER NOT NULL, until_ms INTEGER,
    PRIMARY KEY (kind, name, window)
) WITHOUT ROWID;
",
    "
-- When the exchange of a claim ended, once the exchange is dropped. What was dropped before this
-- step counts from now.
ALTER TABLE claim ADD COLUMN ended_at_ms INTEGER;
UPDATE claim SET ended_at_ms = unixepoch() * 1000 WHERE exchange NOT IN (SELECT id FROM exchange);
CREATE INDEX claim_exchange ON claim (exchange) WHERE ended_at_ms IS NULL;
CREATE INDEX claim_ended ON claim (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
",
];

pub(crate) const FORMAT: i64 = STEPS.len() as i64;

/// The writer's connection: the file is created or brought to the present format. Its folder exists.
pub(crate) fn open_writer(path: &Path, file_bytes_max: Option<u64>) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| Error::open(path, &error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Before anything is written: a foreign or newer file stays as it is.
    let format = check(&connection, path)?;
    // Order matters: the application id and the mode of the file before its first table, and the
    // level of synchronisation before its first transaction.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        let reason = format!("its file system allows no write-ahead log (mode `{mode}`)");
        let fix = "Put `data` on a local disk.";
        return Err(Error::Open { path: path.to_owned(), reason, fix });
    }
    // Checkpoints are the checkpoint thread's: none may delay a commit.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
    // What retention drops is overwritten, not only forgotten.
    connection.pragma_update(None, "secure_delete", "ON").map_err(failed)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE).map_err(failed)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(failed)?;
    if let Some(bytes) = file_bytes_max {
        limit_size(&connection, bytes).map_err(failed)?;
    }
    upgrade(&mut connection, format).map_err(failed)?;
    Ok(connection)
}

/// A connection that cannot write. The file must exist.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| Error::open(path, &error);
    if !path.exists() {
        let reason = "there is no such file".to_owned();
        let fix = "`crossdock run` makes it; or correct `data` in the configuration.";
        return Err(Error::Open { path: path.to_owned(), reason, fix });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    match check(&connection, path)? {
        FORMAT => Ok(connection),
        found => {
            let reason = format!("its format is {found}, this version reads {FORMAT}");
            let fix = "Let `crossdock run` of this version open it once.";
            Err(Error::Open { path: path.to_owned(), reason, fix })
        }
    }
}

/// The format of a file that is a journal, or 0 of an empty one.
fn check(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let failed = |error: rusqlite::Error| Error::open(path, &error);
    let pragma = |name: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let format = pragma("user_version").map_err(failed)?;
    let application = pragma("application_id").map_err(failed)?;
    let table: Option<String> = connection
        .query_row("SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT 1", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(failed)?;
    let path = path.to_owned();
    match (table, application) {
        (None, 0) if format == 0 => Ok(0),
        (_, APPLICATION_ID) if format > FORMAT => {
            Err(Error::Newer { path, found: format, known: FORMAT })
        }
        (_, APPLICATION_ID) => Ok(format),
        (table, _) => {
            let table = table.map_or(String::new(), |table| format!(" with a table `{table}`"));
            let reason = format!("an SQLite file of another program{table}");
            Err(Error::NotAJournal { path, reason })
        }
    }
}

fn upgrade(connection: &mut Connection, format: i64) -> rusqlite::Result<()> {
    let steps = STEPS.iter().skip(usize::try_from(format).unwrap_or(STEPS.len()));
    let transaction = connection.transaction()?;
    let mut reached = format;
    for step in steps {
        transaction.execute_batch(step)?;
        reached += 1;
    }
    if reached != format {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", reached)?;
    }
    transaction.commit()
}

fn limit_size(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}
