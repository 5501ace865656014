//! What a journal holds and how much room it takes. It only reads, also from a journal in use.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use crate::reader::State;
use crate::{AuditHead, Error, audit, schema};

#[derive(Clone, Debug)]
pub struct Survey {
    pub file_bytes: u64,
    /// The write-ahead log beside it.
    pub log_bytes: u64,
    pub page_bytes: u64,
    pub pages: u64,
    /// Pages that new rows will use before the file grows.
    pub free_pages: u64,
    /// The largest first.
    pub tables: Vec<Table>,
    /// Open exchanges by state.
    pub open: Vec<(State, u64)>,
    /// Ended exchanges still kept, and how many of them without their payload.
    pub ended: u64,
    pub payloads_dropped: u64,
    pub oldest_open: Option<OldestOpen>,
    pub audit_base: AuditHead,
    pub audit_head: AuditHead,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub rows: u64,
    /// With its indexes.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct OldestOpen {
    pub exchange: u64,
    pub received_at_ms: u64,
    pub state: State,
}

/// Blocks; for a large journal it reads for a while.
pub fn survey(path: &Path) -> Result<Survey, Error> {
    let connection = schema::open_reader(path)?;
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let read = || {
        let from = connection.unchecked_transaction()?;
        let number = |sql: &str| -> rusqlite::Result<u64> {
            from.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        Ok(Survey {
            file_bytes: bytes(path),
            log_bytes: bytes(&PathBuf::from(log)),
            page_bytes: number("PRAGMA page_size")?,
            pages: number("PRAGMA page_count")?,
            free_pages: number("PRAGMA freelist_count")?,
            tables: tables(&from)?,
            open: states(&from)?,
            ended: number("SELECT count(*) FROM ended")?,
            payloads_dropped: number("SELECT count(*) FROM ended WHERE dropped_at_ms IS NOT NULL")?,
            oldest_open: oldest_open(&from)?,
            audit_base: audit::mark(&from, "base")?,
            audit_head: audit::mark(&from, "head")?,
        })
    };
    read().map_err(|error: rusqlite::Error| Error::read(path, &error))
}

fn tables(from: &Connection) -> rusqlite::Result<Vec<Table>> {
    let mut sizes = from.prepare(
        "SELECT s.tbl_name, sum(d.pgsize) AS bytes FROM dbstat d
         JOIN sqlite_schema s ON s.name = d.name WHERE d.aggregate = TRUE
         GROUP BY s.tbl_name ORDER BY bytes DESC, s.tbl_name",
    )?;
    let sizes = sizes.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    sizes
        .map(|size| {
            let (name, bytes): (String, i64) = size?;
            // The name comes from the schema, and a name with a quote is none of ours.
            let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            let rows = from.query_row(&sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned();
            Ok(Table { name, rows, bytes: bytes.cast_unsigned() })
        })
        .collect()
}

fn states(from: &Connection) -> rusqlite::Result<Vec<(State, u64)>> {
    let mut states =
        from.prepare("SELECT state, count(*) FROM open GROUP BY state ORDER BY state")?;
    let found = states
        .query_map([], |row| Ok((State::of(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned())))?;
    found.collect()
}

fn oldest_open(from: &Connection) -> rusqlite::Result<Option<OldestOpen>> {
    from.query_row(
        "SELECT o.exchange, e.received_at_ms, o.state FROM open o
         JOIN exchange e ON e.id = o.exchange ORDER BY o.exchange LIMIT 1",
        [],
        |row| {
            Ok(OldestOpen {
                exchange: row.get::<_, i64>(0)?.cast_unsigned(),
                received_at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
                state: State::of(row.get(2)?),
            })
        },
    )
    .optional()
}
