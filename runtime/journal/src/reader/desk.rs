//! What waits for people: tasks and exceptions, with the route and age to sort them by.

use rusqlite::types::Value as Sql;
use rusqlite::{Row, params, params_from_iter};

use super::exchange::{unsigned, unsigned_option};
use super::{Reader, key, rows};
use crate::{Error, Pause};

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
    pub hands: Hands,
}

/// In whose hands an open task or exception is, and when it goes to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hands {
    /// The person who has it in hand.
    pub assignee: Option<String>,
    /// When and to which role it is handed on, if nobody acts.
    pub escalate: Option<(u64, String)>,
    /// When it was handed on.
    pub escalated_at_ms: Option<u64>,
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
    pub hands: Hands,
    /// Business keys: name, value.
    pub keys: Vec<(String, String)>,
    /// The message of the exchange, as JSON: what is masked in it is masked in the words above.
    pub document: Vec<u8>,
}

/// What exceptions are summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    Class,
    Owner,
    Route,
    Code,
}

impl GroupBy {
    pub const ALL: [(&'static str, GroupBy); 4] = [
        ("class", GroupBy::Class),
        ("owner", GroupBy::Owner),
        ("route", GroupBy::Route),
        ("code", GroupBy::Code),
    ];

    fn column(self) -> &'static str {
        match self {
            GroupBy::Class => "x.class",
            GroupBy::Owner => "x.owner",
            GroupBy::Route => "v.name",
            GroupBy::Code => "x.code",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionGroup {
    pub name: String,
    pub count: u64,
    pub oldest_ms: u64,
    pub newest_ms: u64,
    /// The owners of these, each once.
    pub owners: Vec<String>,
}

/// Stands past the time that its route allows, and is still where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    pub exchange: u64,
    /// Else an exception.
    pub task: bool,
}

/// Oldest first. The default lists what is open.
#[derive(Clone, Debug)]
pub struct ExceptionFilter {
    pub exchange: Option<u64>,
    pub class: Option<String>,
    pub owner: Option<String>,
    pub route: Option<String>,
    pub code: Option<String>,
    pub assignee: Option<String>,
    /// A business key: name and value.
    pub key: Option<(String, String)>,
    pub since_ms: u64,
    /// Before that time.
    pub until_ms: Option<u64>,
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
            code: None,
            assignee: None,
            key: None,
            since_ms: 0,
            until_ms: None,
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
                t.opened_at_ms, t.closed_at_ms, t.answer, t.by, t.note,
                t.assignee, t.escalate_at_ms, t.escalate_to, t.escalated_at_ms
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
                x.by, x.action, x.closed_at_ms,
                x.assignee, x.escalate_at_ms, x.escalate_to, x.escalated_at_ms, e.message,
                (SELECT json_group_array(json_array(k.name, k.value)) FROM business_key k
                 WHERE k.exchange = x.exchange)
             {} ORDER BY x.id LIMIT ?2",
            matching(&filter)
        );
        self.run(move |from| {
            let mut exceptions = from.prepare_cached(&sql)?;
            let found = exceptions.query_map(params_from_iter(values(&filter)), exception)?;
            found.collect()
        })
        .await
    }

    /// How many there are by class, owner, route or code, the most first. `limit` and `after` of the
    /// filter are not heeded.
    pub async fn exception_groups(
        &self,
        filter: ExceptionFilter,
        by: GroupBy,
    ) -> Result<Vec<ExceptionGroup>, Error> {
        let filter = ExceptionFilter { after: 0, limit: GROUPS_MAX, ..filter };
        let sql = format!(
            "SELECT {column}, count(*), min(x.at_ms), max(x.at_ms),
                json_group_array(DISTINCT x.owner)
             {of} GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT ?2",
            column = by.column(),
            of = matching(&filter)
        );
        self.run(move |from| {
            let mut groups = from.prepare_cached(&sql)?;
            let found = groups.query_map(params_from_iter(values(&filter)), |row| {
                let owners: String = row.get(4)?;
                Ok(ExceptionGroup {
                    name: row.get(0)?,
                    count: unsigned(row, 1)?,
                    oldest_ms: unsigned(row, 2)?,
                    newest_ms: unsigned(row, 3)?,
                    owners: serde_json::from_str(&owners).unwrap_or_default(),
                })
            })?;
            found.collect()
        })
        .await
    }

    /// Open tasks and exceptions that were to be handed on by `now_ms`, the longest due first.
    pub async fn overdue(&self, now_ms: u64, limit: usize) -> Result<Vec<Overdue>, Error> {
        self.run(move |from| {
            let mut overdue = from.prepare_cached(
                "SELECT exchange, task FROM (
                    SELECT exchange, escalate_at_ms AS at_ms, 1 AS task FROM task
                    WHERE closed_at_ms IS NULL AND escalate_at_ms <= ?1
                    UNION ALL
                    SELECT exchange, escalate_at_ms, 0 FROM exception
                    WHERE closed_at_ms IS NULL AND escalate_at_ms <= ?1
                 ) ORDER BY at_ms LIMIT ?2",
            )?;
            let found = overdue.query_map(params![key(now_ms), rows(limit)], |row| {
                Ok(Overdue { exchange: unsigned(row, 0)?, task: row.get(1)? })
            })?;
            found.collect()
        })
        .await
    }

    /// When the next open task or exception is to be handed on, in milliseconds since 1970.
    pub async fn next_overdue(&self) -> Result<Option<u64>, Error> {
        self.run(move |from| {
            let sql = "SELECT min(at_ms) FROM (
                    SELECT min(escalate_at_ms) AS at_ms FROM task
                    WHERE closed_at_ms IS NULL AND escalate_at_ms IS NOT NULL
                    UNION ALL
                    SELECT min(escalate_at_ms) FROM exception
                    WHERE closed_at_ms IS NULL AND escalate_at_ms IS NOT NULL
                )";
            from.prepare_cached(sql)?.query_row([], |row| unsigned_option(row, 0))
        })
        .await
    }

    /// Everything that is held back.
    pub async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        self.run(|from| {
            let mut pauses = from.prepare_cached(
                "SELECT kind, name, window, by, why, since_ms, until_ms FROM pause
                 ORDER BY kind, name, window",
            )?;
            let found = pauses.query_map([], |row| {
                Ok(Pause {
                    kind: row.get(0)?,
                    name: row.get(1)?,
                    window: row.get(2)?,
                    by: row.get(3)?,
                    why: row.get(4)?,
                    since_ms: unsigned(row, 5)?,
                    until_ms: unsigned_option(row, 6)?,
                })
            })?;
            found.collect()
        })
        .await
    }
}

/// Groups of one summary.
const GROUPS_MAX: usize = 1_000;

/// The exceptions that a filter means. Every placeholder is used, whatever is filtered by.
fn matching(filter: &ExceptionFilter) -> String {
    format!(
        "FROM exception x JOIN exchange e ON e.id = x.exchange
         JOIN route_version v ON v.id = e.route_version
         WHERE x.id > ?1 {open} {of}
         AND (?4 IS NULL OR x.class = ?4) AND (?5 IS NULL OR x.owner = ?5)
         AND (?6 IS NULL OR v.name = ?6) AND x.at_ms >= ?7 AND (?8 IS NULL OR x.at_ms < ?8)
         AND (?9 IS NULL OR x.assignee = ?9) AND (?10 IS NULL OR x.code = ?10)
         AND (?11 IS NULL OR EXISTS (SELECT 1 FROM business_key k
            WHERE k.value = ?12 AND k.name = ?11 AND k.exchange = x.exchange))",
        open = if filter.closed { "" } else { "AND x.closed_at_ms IS NULL" },
        of = only_exchange(filter.exchange, "x"),
    )
}

/// For the placeholders of `matching`, and ?2 for a limit.
fn values(filter: &ExceptionFilter) -> [Sql; 12] {
    let (name, value) = filter.key.clone().unzip();
    [
        key(filter.after).into(),
        rows(filter.limit).into(),
        filter.exchange.map(key).into(),
        filter.class.clone().into(),
        filter.owner.clone().into(),
        filter.route.clone().into(),
        key(filter.since_ms).into(),
        filter.until_ms.map(key).into(),
        filter.assignee.clone().into(),
        filter.code.clone().into(),
        name.into(),
        value.into(),
    ]
}

fn hands(row: &Row<'_>, first: usize) -> rusqlite::Result<Hands> {
    let escalate = unsigned_option(row, first + 1)?.zip(row.get(first + 2)?);
    let escalated_at_ms = unsigned_option(row, first + 3)?;
    Ok(Hands { assignee: row.get(first)?, escalate, escalated_at_ms })
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
        hands: hands(row, 13)?,
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
        hands: hands(row, 12)?,
        document: row.get(16)?,
        keys: serde_json::from_str(&row.get::<_, String>(17)?).unwrap_or_default(),
    })
}
