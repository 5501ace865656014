//! What waits for people: tasks and exceptions, with the route and age to sort them by.

use rusqlite::{Row, params};

use super::exchange::{unsigned, unsigned_option};
use super::{Reader, key, rows};
use crate::Error;

#[derive(Clone, Debug)]
pub struct StoredTask {
    /// Rises with time; for paging. A person names a task by exchange and step.
    pub number: u64,
    pub exchange: u64,
    pub route: String,
    pub step: String,
    pub role: String,
    pub ask: Vec<String>,
    /// JSON.
    pub show: String,
    pub due_at_ms: Option<u64>,
    pub opened_at_ms: u64,
    pub closed_at_ms: Option<u64>,
    /// `None` on a closed task: its exchange went on without an answer.
    pub answer: Option<TaskAnswer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskAnswer {
    pub answer: String,
    pub by: String,
    pub note: Option<String>,
}

/// Oldest first. The default lists what is open.
#[derive(Clone, Debug)]
pub struct TaskFilter {
    pub exchange: Option<u64>,
    pub role: Option<String>,
    pub route: Option<String>,
    /// Closed ones too.
    pub closed: bool,
    /// The `number` of the last one seen.
    pub after: u64,
    pub limit: usize,
}

impl Default for TaskFilter {
    fn default() -> TaskFilter {
        TaskFilter { exchange: None, role: None, route: None, closed: false, after: 0, limit: 1000 }
    }
}

#[derive(Clone, Debug)]
pub struct StoredException {
    /// Rises with time; for paging. A person names an exception by its exchange.
    pub number: u64,
    pub exchange: u64,
    pub route: String,
    pub class: String,
    pub owner: String,
    pub step: String,
    pub code: String,
    pub message: String,
    pub at_ms: u64,
    /// By whom, with which action, when.
    pub closed: Option<(String, String, u64)>,
}

/// Oldest first. The default lists what is open.
#[derive(Clone, Debug)]
pub struct ExceptionFilter {
    pub exchange: Option<u64>,
    pub class: Option<String>,
    pub owner: Option<String>,
    pub route: Option<String>,
    pub since_ms: u64,
    /// Closed ones too.
    pub closed: bool,
    /// The `number` of the last one seen.
    pub after: u64,
    pub limit: usize,
}

impl Default for ExceptionFilter {
    fn default() -> ExceptionFilter {
        ExceptionFilter {
            exchange: None,
            class: None,
            owner: None,
            route: None,
            since_ms: 0,
            closed: false,
            after: 0,
            limit: 1000,
        }
    }
}

impl Reader {
    pub async fn tasks(&self, filter: TaskFilter) -> Result<Vec<StoredTask>, Error> {
        let sql = format!(
            "SELECT t.id, t.exchange, v.name, t.step, t.role, t.ask, t.show, t.due_at_ms,
                t.opened_at_ms, t.closed_at_ms, t.answer, t.by, t.note
             FROM task t JOIN exchange e ON e.id = t.exchange
             JOIN route_version v ON v.id = e.route_version
             WHERE t.id > ?1 {open} {of}
             AND (?4 IS NULL OR t.role = ?4) AND (?5 IS NULL OR v.name = ?5)
             ORDER BY t.id LIMIT ?2",
            open = if filter.closed { "" } else { "AND t.closed_at_ms IS NULL" },
            of = only_exchange(filter.exchange, "t"),
        );
        self.run(move |from| {
            let mut tasks = from.prepare_cached(&sql)?;
            let exchange = filter.exchange.map(key);
            let (after, limit) = (key(filter.after), rows(filter.limit));
            let found = tasks
                .query_map(params![after, limit, exchange, filter.role, filter.route], task)?;
            found.collect()
        })
        .await
    }

    pub async fn exceptions(&self, filter: ExceptionFilter) -> Result<Vec<StoredException>, Error> {
        let sql = format!(
            "SELECT x.id, x.exchange, v.name, x.class, x.owner, x.step, x.code, x.message, x.at_ms,
                x.by, x.action, x.closed_at_ms
             FROM exception x JOIN exchange e ON e.id = x.exchange
             JOIN route_version v ON v.id = e.route_version
             WHERE x.id > ?1 {open} {of}
             AND (?4 IS NULL OR x.class = ?4) AND (?5 IS NULL OR x.owner = ?5)
             AND (?6 IS NULL OR v.name = ?6) AND x.at_ms >= ?7
             ORDER BY x.id LIMIT ?2",
            open = if filter.closed { "" } else { "AND x.closed_at_ms IS NULL" },
            of = only_exchange(filter.exchange, "x"),
        );
        self.run(move |from| {
            let mut exceptions = from.prepare_cached(&sql)?;
            let values = params![
                key(filter.after),
                rows(filter.limit),
                filter.exchange.map(key),
                filter.class,
                filter.owner,
                filter.route,
                key(filter.since_ms),
            ];
            let found = exceptions.query_map(values, exception)?;
            found.collect()
        })
        .await
    }
}

/// Written so that the index by exchange serves it; without an exchange `?3` is NULL.
fn only_exchange(exchange: Option<u64>, table: &str) -> String {
    match exchange {
        Some(_) => format!("AND {table}.exchange = ?3"),
        None => "AND ?3 IS NULL".to_owned(),
    }
}

fn task(row: &Row<'_>) -> rusqlite::Result<StoredTask> {
    let ask: String = row.get(5)?;
    let answer = match (row.get(10)?, row.get(11)?) {
        (Some(answer), Some(by)) => Some(TaskAnswer { answer, by, note: row.get(12)? }),
        _ => None,
    };
    Ok(StoredTask {
        number: unsigned(row, 0)?,
        exchange: unsigned(row, 1)?,
        route: row.get(2)?,
        step: row.get(3)?,
        role: row.get(4)?,
        ask: serde_json::from_str(&ask).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, error.into())
        })?,
        show: row.get(6)?,
        due_at_ms: unsigned_option(row, 7)?,
        opened_at_ms: unsigned(row, 8)?,
        closed_at_ms: unsigned_option(row, 9)?,
        answer,
    })
}

fn exception(row: &Row<'_>) -> rusqlite::Result<StoredException> {
    let closed = match (row.get(9)?, row.get(10)?, unsigned_option(row, 11)?) {
        (Some(by), Some(action), Some(at_ms)) => Some((by, action, at_ms)),
        _ => None,
    };
    Ok(StoredException {
        number: unsigned(row, 0)?,
        exchange: unsigned(row, 1)?,
        route: row.get(2)?,
        class: row.get(3)?,
        owner: row.get(4)?,
        step: row.get(5)?,
        code: row.get(6)?,
        message: row.get(7)?,
        at_ms: unsigned(row, 8)?,
        closed,
    })
}
