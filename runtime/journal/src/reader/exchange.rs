//! Exchanges: for recovery, for the clock, for people.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{ROWS_MAX, Reader, key, rows};
use crate::record::{Lane, Replay, SourceKey};
use crate::{Digest, Error};

/// A listing looks at no more rows than this before it answers with what it has.
const SCAN_ROWS_MAX: usize = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A step can be taken now.
    Ready,
    /// Until its due time.
    Waiting,
    /// A role is asked.
    Parked,
    /// On the exception desk.
    Excepted,
    /// Behind another of its lane.
    Queued,
    Ended,
}

impl State {
    pub const ALL: [State; 6] =
        [State::Ready, State::Waiting, State::Parked, State::Excepted, State::Queued, State::Ended];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Waiting => "waiting",
            State::Parked => "parked",
            State::Excepted => "excepted",
            State::Queued => "queued",
            State::Ended => "ended",
        }
    }

    /// As `open.state`. An ended exchange has no such row.
    pub(crate) fn stored(self) -> i64 {
        match self {
            State::Ready => 0,
            State::Waiting => 1,
            State::Parked => 2,
            State::Excepted => 3,
            State::Queued => 4,
            State::Ended => 5,
        }
    }

    pub(crate) fn of(stored: Option<i64>) -> State {
        match stored {
            Some(0) => State::Ready,
            Some(1) => State::Waiting,
            Some(2) => State::Parked,
            Some(3) => State::Excepted,
            Some(4) => State::Queued,
            _ => State::Ended,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct OpenExchange {
    pub id: u64,
    pub state: State,
    pub due_at_ms: Option<u64>,
    pub why: Option<String>,
    pub route: String,
    pub route_version: Digest,
}

/// An exchange on the way back to where a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub exchange: u64,
    pub source: String,
    pub traceparent: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueTimer {
    pub exchange: u64,
    pub due_at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutcome {
    pub sequence: u32,
    pub at_ms: u64,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub end: String,
    pub at_ms: u64,
}

/// All of an exchange that is needed to go on with it, or to show it.
#[derive(Clone, Debug)]
pub struct StoredExchange {
    pub summary: Summary,
    pub route_version: Digest,
    pub source_key: Option<SourceKey>,
    pub body_digest: Option<Digest>,
    pub headers: String,
    pub message: Vec<u8>,
    pub traceparent: Option<String>,
    pub raw: bool,
    pub replay: Option<Replay>,
    /// In the order of their sequence.
    pub outcomes: Vec<StoredOutcome>,
    /// Business keys: name, value.
    pub keys: Vec<(String, String)>,
    /// When retention dropped the payload: the message is empty and outcomes are without values.
    pub payload_dropped_at_ms: Option<u64>,
    /// While it is open, if it is ordered.
    pub lane: Option<Lane>,
}

/// An exchange in a list.
#[derive(Clone, Debug)]
pub struct Summary {
    pub id: u64,
    pub route: String,
    pub source: String,
    pub client: Option<String>,
    pub parent: Option<u64>,
    pub received_at_ms: u64,
    pub state: State,
    pub due_at_ms: Option<u64>,
    pub why: Option<String>,
    /// Of one that is queued: who holds its lane.
    pub behind: Option<u64>,
    pub ended: Option<Ended>,
}

#[derive(Clone, Debug, Default)]
pub struct ExchangeFilter {
    pub route: Option<String>,
    pub client: Option<String>,
    pub state: Option<State>,
    /// The name of an end, as in `done`.
    pub end: Option<String>,
    /// Accepted at or after.
    pub since_ms: Option<u64>,
    /// Accepted before.
    pub until_ms: Option<u64>,
    /// That stood on the exception desk with this class, now or once.
    pub class: Option<String>,
    /// Only ids below this: the `next` of the page before.
    pub before: Option<u64>,
    pub limit: usize,
}

/// Newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub exchanges: Vec<Summary>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ready: u64,
    pub waiting: u64,
    pub parked: u64,
    pub excepted: u64,
    pub queued: u64,
    /// By the name of the end, since the journal was made.
    pub ended: Vec<(String, u64)>,
}

const SUMMARY: &str = "SELECT e.id, v.name, e.source, e.parent, e.received_at_ms,
        o.state, o.due_at_ms, o.why, n.name, d.at_ms,
        (SELECT h.exchange FROM lane q JOIN lane h
         ON h.scope = q.scope AND h.key = q.key AND h.turn = 1
         WHERE q.exchange = e.id AND q.turn = 0), e.client
    FROM exchange e JOIN route_version v ON v.id = e.route_version
    LEFT JOIN open o ON o.exchange = e.id
    LEFT JOIN ended d ON d.exchange = e.id LEFT JOIN ending n ON n.id = d.ending";

impl Reader {
    /// Exchanges that have not ended, by rising id, from the one after `after` (0: all).
    pub async fn open_exchanges(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OpenExchange>, Error> {
        self.run(move |from| {
            let mut open = from.prepare_cached(
                "SELECT o.exchange, o.state, o.due_at_ms, o.why, v.name, v.digest
                 FROM open o JOIN exchange e ON e.id = o.exchange
                 JOIN route_version v ON v.id = e.route_version
                 WHERE o.exchange > ?1 ORDER BY o.exchange LIMIT ?2",
            )?;
            let found = open.query_map(params![key(after), rows(limit)], |row| {
                Ok(OpenExchange {
                    id: unsigned(row, 0)?,
                    state: State::of(row.get(1)?),
                    due_at_ms: unsigned_option(row, 2)?,
                    why: row.get(3)?,
                    route: row.get(4)?,
                    route_version: Digest(row.get(5)?),
                })
            })?;
            found.collect()
        })
        .await
    }

    pub async fn exchange(&self, id: u64) -> Result<Option<StoredExchange>, Error> {
        self.run(move |from| stored_exchange(from, key(id))).await
    }

    /// The exchange itself, its parent, and so on: at most `limit` of them.
    pub async fn causes(&self, id: u64, limit: usize) -> Result<Vec<Cause>, Error> {
        self.run(move |from| {
            let mut up = from.prepare_cached(
                "WITH RECURSIVE up (id, depth) AS (
                    SELECT ?1, 1
                    UNION ALL
                    SELECT e.parent, up.depth + 1 FROM up JOIN exchange e ON e.id = up.id
                    WHERE e.parent IS NOT NULL AND up.depth < ?2
                 )
                 SELECT e.id, e.source, e.traceparent FROM up JOIN exchange e ON e.id = up.id
                 ORDER BY up.depth",
            )?;
            let found = up.query_map(params![key(id), rows(limit)], |row| {
                Ok(Cause {
                    exchange: unsigned(row, 0)?,
                    source: row.get(1)?,
                    traceparent: row.get(2)?,
                })
            })?;
            found.collect()
        })
        .await
    }

    /// Newest first. A page may hold fewer than asked for although more follow: see `next`.
    pub async fn exchanges(&self, filter: ExchangeFilter) -> Result<Page, Error> {
        self.run(move |from| list(from, &filter)).await
    }

    /// Waits due at `now_ms`, the longest due first. A task whose time is over is no wait: it stays
    /// with its role.
    pub async fn due_timers(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, Error> {
        self.due_timers_after(now_ms, DueTimer { exchange: 0, due_at_ms: 0 }, limit).await
    }

    /// As `due_timers`, from the one after `last` on.
    pub async fn due_timers_after(
        &self,
        now_ms: u64,
        last: DueTimer,
        limit: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        self.run(move |from| {
            let mut due = from.prepare_cached(
                "SELECT exchange, due_at_ms FROM open
                 WHERE due_at_ms <= ?1 AND state = ?3 AND (due_at_ms, exchange) > (?4, ?5)
                 ORDER BY due_at_ms, exchange LIMIT ?2",
            )?;
            let values = params![
                key(now_ms),
                rows(limit),
                State::Waiting.stored(),
                key(last.due_at_ms),
                key(last.exchange)
            ];
            let found = due.query_map(values, |row| {
                Ok(DueTimer { exchange: unsigned(row, 0)?, due_at_ms: unsigned(row, 1)? })
            })?;
            found.collect()
        })
        .await
    }

    /// When the next wait after `after_ms` is due, in milliseconds since 1970.
    pub async fn next_timer(&self, after_ms: u64) -> Result<Option<u64>, Error> {
        self.run(move |from| {
            let sql = "SELECT min(due_at_ms) FROM open WHERE due_at_ms > ?1 AND state = ?2";
            let values = params![key(after_ms), State::Waiting.stored()];
            from.prepare_cached(sql)?.query_row(values, |row| unsigned_option(row, 0))
        })
        .await
    }

    /// The exchanges that repeat this one, oldest first.
    pub async fn replays(&self, of: u64, limit: usize) -> Result<Vec<Summary>, Error> {
        self.run(move |from| {
            let sql = format!(
                "{SUMMARY} JOIN replay r ON r.exchange = e.id WHERE r.of = ?1 ORDER BY e.id LIMIT ?2"
            );
            let mut found = from.prepare_cached(&sql)?;
            found.query_map(params![key(of), rows(limit)], read_summary)?.collect()
        })
        .await
    }

    /// The exchanges whose calls go under the keys of another one that begin so, oldest first.
    pub async fn under_root(&self, root: &str, limit: usize) -> Result<Vec<Summary>, Error> {
        let root = root.to_owned();
        self.run(move |from| {
            let sql = format!(
                "{SUMMARY} JOIN replay r ON r.exchange = e.id
                 WHERE r.key_root = ?1 ORDER BY e.id LIMIT ?2"
            );
            let mut found = from.prepare_cached(&sql)?;
            found.query_map(params![root, rows(limit)], read_summary)?.collect()
        })
        .await
    }

    pub async fn counts(&self) -> Result<Counts, Error> {
        self.run(|from| {
            let mut counts = Counts::default();
            let mut states =
                from.prepare_cached("SELECT state, count(*) FROM open GROUP BY state")?;
            let mut found = states.query([])?;
            while let Some(row) = found.next()? {
                let count = unsigned(row, 1)?;
                match State::of(row.get(0)?) {
                    State::Ready => counts.ready = count,
                    State::Waiting => counts.waiting = count,
                    State::Parked => counts.parked = count,
                    State::Excepted => counts.excepted = count,
                    State::Queued => counts.queued = count,
                    State::Ended => {}
                }
            }
            let mut ended = from.prepare_cached("SELECT name, count FROM ending ORDER BY name")?;
            counts.ended = ended
                .query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
                .collect::<Result<_, _>>()?;
            Ok(counts)
        })
        .await
    }
}

fn stored_exchange(from: &Connection, id: i64) -> rusqlite::Result<Option<StoredExchange>> {
    let Some(summary) = summary(from, id)? else { return Ok(None) };
    let mut outcomes = from.prepare_cached(
        "SELECT sequence, at_ms, body FROM outcome WHERE exchange = ?1 ORDER BY sequence",
    )?;
    let outcomes = outcomes.query_map([id], |row| {
        Ok(StoredOutcome { sequence: row.get(0)?, at_ms: unsigned(row, 1)?, body: row.get(2)? })
    })?;
    let outcomes = outcomes.collect::<Result<_, _>>()?;
    let mut keys = from.prepare_cached(
        "SELECT name, value FROM business_key WHERE exchange = ?1 ORDER BY name, value",
    )?;
    let keys = keys.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let keys = keys.collect::<Result<_, _>>()?;
    let mut replay =
        from.prepare_cached("SELECT of, key_root, body FROM replay WHERE exchange = ?1")?;
    let replay = replay.query_row([id], |row| {
        Ok(Replay { of: unsigned(row, 0)?, key_root: row.get(1)?, body: row.get(2)? })
    });
    let replay = replay.optional()?;
    let lane = super::lane::lane_of(from, id)?;
    let mut accept = from.prepare_cached(
        "SELECT v.digest, e.source_scope, e.source_key, e.body_digest, e.headers, e.message,
            e.traceparent, e.raw, d.dropped_at_ms
         FROM exchange e JOIN route_version v ON v.id = e.route_version
         LEFT JOIN ended d ON d.exchange = e.id WHERE e.id = ?1",
    )?;
    accept
        .query_row([id], |row| {
            let source_key = match (row.get(1)?, row.get(2)?) {
                (Some(scope), Some(key)) => Some(SourceKey { scope, key }),
                _ => None,
            };
            Ok(StoredExchange {
                summary,
                route_version: Digest(row.get(0)?),
                source_key,
                body_digest: row.get::<_, Option<[u8; 32]>>(3)?.map(Digest),
                headers: row.get(4)?,
                message: row.get(5)?,
                traceparent: row.get(6)?,
                raw: row.get(7)?,
                replay,
                outcomes,
                keys,
                payload_dropped_at_ms: unsigned_option(row, 8)?,
                lane,
            })
        })
        .optional()
}

pub(super) fn summary(from: &Connection, id: i64) -> rusqlite::Result<Option<Summary>> {
    let sql = format!("{SUMMARY} WHERE e.id = ?1");
    from.prepare_cached(&sql)?.query_row([id], read_summary).optional()
}

fn list(from: &Connection, filter: &ExchangeFilter) -> rusqlite::Result<Page> {
    let limit = filter.limit.min(ROWS_MAX);
    // Open exchanges are few: a state is found through their table, not by looking at all.
    let by_state = match filter.state {
        None => "",
        Some(State::Ended) => " AND o.exchange IS NULL",
        Some(_) => " AND e.id IN (SELECT exchange FROM open WHERE state = ?2)",
    };
    let by_class = match filter.class {
        None => " AND ?3 IS NULL",
        Some(_) => " AND e.id IN (SELECT exchange FROM exception WHERE class = ?3)",
    };
    let sql =
        format!("{SUMMARY} WHERE e.id < ?1{by_state} AND ?2 = ?2{by_class} ORDER BY e.id DESC");
    let mut statement = from.prepare_cached(&sql)?;
    let before = filter.before.map_or(i64::MAX, key);
    let state = filter.state.map_or(0, State::stored);
    let mut found = statement.query(params![before, state, filter.class])?;
    let mut page = Page { exchanges: Vec::new(), next: None };
    let mut looked_at = 0;
    while let Some(row) = found.next()? {
        let summary = read_summary(row)?;
        let id = summary.id;
        looked_at += 1;
        if matches(filter, &summary) {
            page.exchanges.push(summary);
        }
        if page.exchanges.len() >= limit || looked_at >= SCAN_ROWS_MAX {
            page.next = Some(id);
            break;
        }
    }
    Ok(page)
}

fn matches(filter: &ExchangeFilter, found: &Summary) -> bool {
    let end = found.ended.as_ref().map(|ended| &ended.end);
    filter.route.as_ref().is_none_or(|route| *route == found.route)
        && (filter.client.is_none() || filter.client == found.client)
        && filter.end.as_ref().is_none_or(|wanted| Some(wanted) == end)
        && filter.since_ms.is_none_or(|since| found.received_at_ms >= since)
        && filter.until_ms.is_none_or(|until| found.received_at_ms < until)
}

fn read_summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    let end: Option<String> = row.get(8)?;
    let ended = match (end, unsigned_option(row, 9)?) {
        (Some(end), Some(at_ms)) => Some(Ended { end, at_ms }),
        _ => None,
    };
    Ok(Summary {
        id: unsigned(row, 0)?,
        route: row.get(1)?,
        source: row.get(2)?,
        client: row.get(11)?,
        parent: unsigned_option(row, 3)?,
        received_at_ms: unsigned(row, 4)?,
        state: State::of(row.get(5)?),
        due_at_ms: unsigned_option(row, 6)?,
        why: row.get(7)?,
        behind: unsigned_option(row, 10)?,
        ended,
    })
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn unsigned_option(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|value| value.map(i64::cast_unsigned))
}
