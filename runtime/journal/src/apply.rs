//! Records to rows: the only place that writes. It runs inside the committer's transaction and
//! never begins or ends one.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Params, params};

use crate::lane::{self, Moves};
use crate::reader::State;
use crate::record::{Accept, Commit, Committed, Duplicate, Exception, Node, Record, Task};
use crate::{Digest, audit, desk, error, retention};

/// Why a commit was not applied.
pub(crate) enum Refusal {
    /// It contradicts what is stored: its own fault.
    Conflict(String),
    /// The file could not be read or written: everyone's fault.
    Disk(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig) => {
                Refusal::Conflict(error::reason(&error))
            }
            _ => Refusal::Disk(error),
        }
    }
}

/// A link that is seen again is noted at most so often.
const LINK_SEEN_MS: i64 = 3_600_000;

pub(crate) type Applied<T = ()> = Result<T, Refusal>;

/// What the writer remembers of the file. A rollback makes it stale: `forget`.
#[derive(Default)]
pub(crate) struct Writer {
    versions: HashMap<Digest, i64>,
    /// By the commit under way.
    hastened: u64,
    /// About now, in ms since 1970: the committer's clock is that of the ids.
    pub(crate) now_ms: u64,
    /// Rows that retention took in this commit.
    dropped: u64,
}

impl Writer {
    pub(crate) fn forget(&mut self) {
        self.versions.clear();
    }

    pub(crate) fn apply(&mut self, to: &Connection, commit: &Commit) -> Applied<Committed> {
        let (duplicates, dropped) = claim_source_keys(to, commit)?;
        self.hastened = 0;
        self.dropped = 0;
        let mut moves = Moves::default();
        for record in &commit.records {
            let parent = match record {
                Record::Accept(accept) => accept.parent,
                _ => None,
            };
            if !dropped.is_empty()
                && [record.exchange(), parent].iter().flatten().any(|id| dropped.contains(id))
            {
                continue;
            }
            self.write(to, record)?;
            match record {
                Record::Accept(Accept { exchange, lane: Some(lane), .. }) => {
                    lane::enter(to, *exchange, lane, &mut moves)?;
                }
                _ => lane::follow(to, record, &mut moves)?,
            }
        }
        let (queued, released) = moves.into_parts();
        let (hastened, dropped) = (self.hastened, self.dropped);
        Ok(Committed { duplicates, hastened, dropped, queued, released })
    }

    fn write(&mut self, to: &Connection, record: &Record) -> Applied {
        match record {
            Record::Accept(accept) => self.accept(to, accept),
            Record::Outcome { exchange, sequence, at_ms, body } => {
                outcome(to, *exchange, *sequence, *at_ms, body)
            }
            Record::Wait { exchange, due_at_ms, why } => {
                let (state, due_at_ms) = (State::Waiting, Some(*due_at_ms));
                set_open(to, *exchange, &Next { state, due_at_ms, why: Some(why), at_ms: None })
            }
            Record::Quota { budget, period, count } => run(
                to,
                "INSERT INTO quota (budget, period, reserved) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved",
                params![budget, period, count],
            )
            .map(drop),
            Record::Hasten { why, at_ms, every_us, count } => {
                self.hastened += hasten(to, why, *at_ms, *every_us, *count)? as u64;
                Ok(())
            }
            Record::Ready { exchange } => set_open(to, *exchange, &READY),
            Record::Task(task) => open_task(to, task),
            Record::TaskAnswered { exchange, step, answer, by, note, at_ms } => {
                let closed = run(
                    to,
                    "UPDATE task SET answer = ?3, by = ?4, note = ?5, closed_at_ms = ?6
                     WHERE exchange = ?1 AND step = ?2 AND closed_at_ms IS NULL",
                    params![id(*exchange)?, step, answer, by, note, ms(*at_ms)],
                )?;
                if closed == 0 {
                    return conflict(exchange, format_args!("has no open task at step `{step}`"));
                }
                set_open(to, *exchange, &READY)
            }
            Record::Exception(exception) => open_exception(to, exception),
            Record::ExceptionClosed { exchange, by, action, at_ms } => {
                let closed = run(
                    to,
                    "UPDATE exception SET by = ?2, action = ?3, closed_at_ms = ?4
                     WHERE exchange = ?1 AND closed_at_ms IS NULL",
                    params![id(*exchange)?, by, action, ms(*at_ms)],
                )?;
                if closed == 0 {
                    return conflict(exchange, format_args!("has no open exception"));
                }
                set_open(to, *exchange, &READY)
            }
            Record::Assign { .. }
            | Record::Escalate { .. }
            | Record::Escalated { .. }
            | Record::Pause(_)
            | Record::Resume { .. } => desk::write(to, record),
            Record::End { exchange, end, at_ms } => ended(to, *exchange, end, *at_ms),
            Record::Key { exchange, name, value } => run(
                to,
                "INSERT OR IGNORE INTO business_key (value, name, exchange) VALUES (?1, ?2, ?3)",
                params![value, name, id(*exchange)?],
            )
            .map(drop),
            Record::Claim { scope, key, exchange, path, over } => {
                claim(to, (scope, key), *exchange, path, *over)
            }
            Record::ClaimSettled { scope, key, exchange, value: Some(value) } => run(
                to,
                "UPDATE claim SET value = ?4 WHERE scope = ?1 AND key = ?2 AND exchange = ?3",
                params![scope, key, id(*exchange)?, value],
            )
            .map(drop),
            Record::ClaimSettled { scope, key, exchange, value: None } => run(
                to,
                "DELETE FROM claim WHERE scope = ?1 AND key = ?2 AND exchange = ?3",
                params![scope, key, id(*exchange)?],
            )
            .map(drop),
            Record::Link { one, other } => link(to, one, other, self.now_ms),
            Record::Cursor { source, value } => run(
                to,
                "INSERT INTO cursor (source, value) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                params![source, value],
            )
            .map(drop),
            Record::Artifact { digest, kind, bytes } => run(
                to,
                "INSERT INTO artifact (digest, kind, bytes) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![digest.0, kind, bytes],
            )
            .map(drop),
            Record::RouteVersion { digest, name, artifact } => run(
                to,
                "INSERT INTO route_version (digest, name, artifact) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![digest.0, name, artifact.0],
            )
            .map(drop),
            Record::State { connector, key, value: Some(value) } => run(
                to,
                "INSERT INTO state (connector, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                params![connector, key, value],
            )
            .map(drop),
            Record::State { connector, key, value: None } => {
                run(to, "DELETE FROM state WHERE connector = ?1 AND key = ?2", [connector, key])
                    .map(drop)
            }
            Record::Audit(entry) => Ok(audit::append(to, entry)?),
            Record::Retention(batch) => {
                self.dropped += retention::apply(to, batch)? as u64;
                // A version may have gone, or be idle until the next accept.
                self.forget();
                Ok(())
            }
        }
    }

    fn accept(&mut self, to: &Connection, accept: &Accept) -> Applied {
        let version = self.version(to, accept)?;
        let exchange = id(accept.exchange)?;
        let key = accept.source_key.as_ref();
        let inserted = run(
            to,
            "INSERT INTO exchange (id, route_version, parent, received_at_ms, raw, source,
                source_scope, source_key, body_digest, traceparent, headers, message, client)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING",
            params![
                exchange,
                version,
                accept.parent.map(id).transpose()?,
                ms(accept.received_at_ms),
                accept.raw,
                accept.source,
                key.map(|key| &key.scope),
                key.map(|key| &key.key),
                accept.body_digest.map(|digest| digest.0),
                accept.traceparent,
                accept.headers,
                accept.message,
                accept.client,
            ],
        )?;
        if inserted == 0 {
            return conflict(&accept.exchange, format_args!("was accepted before"));
        }
        if let Some(replay) = &accept.replay {
            run(
                to,
                "INSERT INTO replay (exchange, of, key_root, body) VALUES (?1, ?2, ?3, ?4)",
                params![exchange, id(replay.of)?, replay.key_root, replay.body],
            )?;
        }
        run(
            to,
            "INSERT INTO open (exchange, state) VALUES (?1, ?2)",
            params![exchange, State::Ready.stored()],
        )
        .map(drop)
    }

    /// The row of a route version. Without it the exchange could not be resumed.
    fn version(&mut self, to: &Connection, accept: &Accept) -> Applied<i64> {
        if let Some(version) = self.versions.get(&accept.route_version) {
            return Ok(*version);
        }
        let mut find =
            to.prepare_cached("SELECT id, idle_since_ms FROM route_version WHERE digest = ?1")?;
        let found: Option<(i64, Option<i64>)> = find
            .query_row([accept.route_version.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((version, idle_since_ms)) = found else {
            return conflict(
                &accept.exchange,
                format_args!("runs on the route version {}, not stored", accept.route_version),
            );
        };
        if idle_since_ms.is_some() {
            let sql = "UPDATE route_version SET idle_since_ms = NULL WHERE id = ?1";
            run(to, sql, [version])?;
        }
        self.versions.insert(accept.route_version, version);
        Ok(version)
    }
}

/// Takes the source keys of all Accepts first, so that the records of a duplicate are known before
/// any of them is written. Answers the duplicates and the ids that never come to exist.
fn claim_source_keys(to: &Connection, commit: &Commit) -> Applied<(Vec<Duplicate>, HashSet<u64>)> {
    let mut duplicates = Vec::new();
    let mut dropped = HashSet::new();
    for (index, record) in commit.records.iter().enumerate() {
        let Record::Accept(accept) = record else { continue };
        if accept.parent.is_some_and(|parent| dropped.contains(&parent)) {
            dropped.insert(accept.exchange);
            continue;
        }
        let Some(key) = &accept.source_key else { continue };
        let earlier = match &accept.earlier_scope {
            Some(scope) => key_holder(to, scope, &key.key)?,
            None => None,
        };
        let claimed = earlier.is_none()
            && run(
                to,
                "INSERT INTO source_key (scope, key, exchange) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![key.scope, key.key, id(accept.exchange)?],
            )? == 1;
        if claimed {
            continue;
        }
        let holder = match earlier {
            Some(holder) => Some(holder),
            None => key_holder(to, &key.scope, &key.key)?,
        };
        let Some((exchange, stored)) = holder else {
            return conflict(&accept.exchange, format_args!("has a key that nobody holds"));
        };
        // Its holder may stand in this very commit, its row not yet written.
        let body_digest = stored.map(Digest).or_else(|| {
            commit.records[..index].iter().find_map(|earlier| match earlier {
                Record::Accept(earlier) if earlier.exchange == exchange => earlier.body_digest,
                _ => None,
            })
        });
        // The very exchange that holds the key, once more: not a duplicate but a second Accept.
        if exchange == accept.exchange {
            return conflict(&exchange, format_args!("was accepted before"));
        }
        dropped.insert(accept.exchange);
        duplicates.push(Duplicate { index, dropped: accept.exchange, exchange, body_digest });
    }
    Ok((duplicates, dropped))
}

/// The exchange that holds a source key, and the digest of the body that it came with.
fn key_holder(to: &Connection, scope: &str, key: &str) -> Applied<Option<(u64, Option<[u8; 32]>)>> {
    let mut holder = to.prepare_cached(
        "SELECT k.exchange, coalesce(e.body_digest, k.body_digest) FROM source_key k
         LEFT JOIN exchange e ON e.id = k.exchange WHERE k.scope = ?1 AND k.key = ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?));
    Ok(holder.query_row(params![scope, key], read).optional()?)
}

fn outcome(to: &Connection, exchange: u64, sequence: u32, at_ms: u64, body: &str) -> Applied {
    let inserted = run(
        to,
        "INSERT INTO outcome (exchange, sequence, at_ms, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![id(exchange)?, sequence, ms(at_ms), body],
    )?;
    if inserted == 0 {
        return conflict(&exchange, format_args!("has an outcome {sequence} already"));
    }
    Ok(())
}

/// What an open exchange comes to next.
struct Next<'a> {
    state: State,
    due_at_ms: Option<u64>,
    why: Option<&'a str>,
    /// When, if the record tells.
    at_ms: Option<u64>,
}

/// An hour apart: a product with any number of rows stays within 64 bits.
const HASTEN_EVERY_US_MAX: u64 = 3_600_000_000;

const READY: Next<'static> = Next { state: State::Ready, due_at_ms: None, why: None, at_ms: None };

fn set_open(to: &Connection, exchange: u64, next: &Next<'_>) -> Applied {
    let row = id(exchange)?;
    let mut find = to.prepare_cached("SELECT state FROM open WHERE exchange = ?1")?;
    let Some(state) = find.query_row([row], |row| row.get(0)).optional()? else {
        return conflict(&exchange, format_args!("is not open"));
    };
    if state != next.state.stored() {
        leave(to, row, state, next.at_ms)?;
    }
    run(
        to,
        "UPDATE open SET state = ?2, due_at_ms = ?3, why = ?4 WHERE exchange = ?1",
        params![row, next.state.stored(), next.due_at_ms.map(ms), next.why],
    )
    .map(drop)
}

/// Nobody is asked for what no longer waits: a task left without an answer, or an exception left
/// without a word, is closed. Without a time, the task's own due time stands for it.
fn leave(to: &Connection, exchange: i64, state: i64, at_ms: Option<u64>) -> Applied {
    let values = params![exchange, at_ms.map(ms)];
    if state == State::Parked.stored() {
        run(
            to,
            "UPDATE task SET closed_at_ms = coalesce(?2, due_at_ms, opened_at_ms)
             WHERE exchange = ?1 AND closed_at_ms IS NULL",
            values,
        )?;
    } else if state == State::Excepted.stored() {
        run(
            to,
            "UPDATE exception SET by = '', action = 'superseded',
                closed_at_ms = coalesce(?2, at_ms)
             WHERE exchange = ?1 AND closed_at_ms IS NULL",
            values,
        )?;
    }
    Ok(())
}

fn open_task(to: &Connection, task: &Task) -> Applied {
    let ask = serde_json::Value::from(task.ask.clone()).to_string();
    run(
        to,
        "INSERT INTO task (exchange, step, role, ask, show, due_at_ms, opened_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            id(task.exchange)?,
            task.step,
            task.role,
            ask,
            task.show,
            task.due_at_ms.map(ms),
            ms(task.opened_at_ms),
        ],
    )?;
    let next = Next {
        state: State::Parked,
        due_at_ms: task.due_at_ms,
        why: Some(&task.step),
        at_ms: Some(task.opened_at_ms),
    };
    set_open(to, task.exchange, &next)
}

fn open_exception(to: &Connection, exception: &Exception) -> Applied {
    run(
        to,
        "INSERT INTO exception (exchange, class, owner, step, code, message, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            id(exception.exchange)?,
            exception.class,
            exception.owner,
            exception.step,
            exception.code,
            exception.message,
            ms(exception.at_ms),
        ],
    )?;
    let next = Next {
        state: State::Excepted,
        due_at_ms: None,
        why: Some(&exception.class),
        at_ms: Some(exception.at_ms),
    };
    set_open(to, exception.exchange, &next)
}

fn ended(to: &Connection, exchange: u64, end: &str, at_ms: u64) -> Applied {
    let row = id(exchange)?;
    let mut remove = to.prepare_cached("DELETE FROM open WHERE exchange = ?1 RETURNING state")?;
    let Some(state) = remove.query_row([row], |row| row.get(0)).optional()? else {
        return conflict(&exchange, format_args!("is not open"));
    };
    leave(to, row, state, Some(at_ms))?;
    let mut count = to.prepare_cached(
        "INSERT INTO ending (name, count) VALUES (?1, 1)
         ON CONFLICT DO UPDATE SET count = count + 1 RETURNING id",
    )?;
    let ending: i64 = count.query_row([end], |row| row.get(0))?;
    run(
        to,
        "INSERT INTO ended (exchange, at_ms, ending) VALUES (?1, ?2, ?3)",
        params![row, ms(at_ms), ending],
    )
    .map(drop)
}

/// The first has it. One that a person set aside is taken over, unless it has an answer after all.
fn claim(
    to: &Connection,
    (scope, key): (&str, &str),
    exchange: u64,
    path: &str,
    over: Option<u64>,
) -> Applied {
    let exchange = id(exchange)?;
    if let Some(over) = over {
        run(
            to,
            "UPDATE claim SET exchange = ?3, path = ?4, ended_at_ms = NULL
             WHERE scope = ?1 AND key = ?2 AND exchange = ?5 AND value IS NULL",
            params![scope, key, exchange, path, id(over)?],
        )?;
    }
    run(
        to,
        "INSERT INTO claim (scope, key, exchange, path) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![scope, key, exchange, path],
    )
    .map(drop)
}

/// Answers how many waits there are for that, up to `count`.
fn hasten(
    to: &Connection,
    why: &str,
    at_ms: u64,
    every_us: u64,
    count: Option<u32>,
) -> Applied<usize> {
    run(
        to,
        "UPDATE open SET due_at_ms = min(due_at_ms, ?2 + held.place * ?3 / 1000)
         FROM (SELECT exchange AS id, row_number() OVER (ORDER BY due_at_ms, exchange) - 1 AS place
               FROM open WHERE state = ?5 AND why = ?1 ORDER BY place LIMIT ?4) AS held
         WHERE open.exchange = held.id",
        params![
            why,
            ms(at_ms),
            ms(every_us.min(HASTEN_EVERY_US_MAX)),
            count.map_or(-1, i64::from),
            State::Waiting.stored()
        ],
    )
}

fn link(to: &Connection, one: &Node, other: &Node, now_ms: u64) -> Applied {
    let (one, other) = (node(to, one)?, node(to, other)?);
    if one == other {
        return Ok(());
    }
    run(
        to,
        "INSERT INTO link (one, other, at_ms) VALUES (?1, ?2, ?3), (?2, ?1, ?3)
         ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms WHERE excluded.at_ms > at_ms + ?4",
        params![one, other, ms(now_ms), LINK_SEEN_MS],
    )
    .map(drop)
}

fn node(to: &Connection, node: &Node) -> Applied<i64> {
    let values = params![node.id, node.object, node.system, node.company];
    let mut find = to.prepare_cached(
        "SELECT number FROM node WHERE id = ?1 AND object = ?2 AND system = ?3 AND company = ?4",
    )?;
    if let Some(number) = find.query_row(values, |row| row.get(0)).optional()? {
        return Ok(number);
    }
    run(to, "INSERT INTO node (id, object, system, company) VALUES (?1, ?2, ?3, ?4)", values)?;
    Ok(to.last_insert_rowid())
}

/// One statement, prepared once. Answers the rows changed.
pub(crate) fn run(to: &Connection, sql: &str, values: impl Params) -> Applied<usize> {
    Ok(to.prepare_cached(sql)?.execute(values)?)
}

pub(crate) fn conflict<T>(exchange: &u64, what: std::fmt::Arguments<'_>) -> Applied<T> {
    Err(Refusal::Conflict(format!("exchange {exchange} {what}")))
}

pub(crate) fn id(exchange: u64) -> Applied<i64> {
    i64::try_from(exchange)
        .map_err(|_| Refusal::Conflict(format!("{exchange} is no exchange id (63 bits)")))
}

/// A time as SQLite keeps it; one past its range never comes.
pub(crate) fn ms(at_ms: u64) -> i64 {
    i64::try_from(at_ms).unwrap_or(i64::MAX)
}
