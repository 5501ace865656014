//! Retention: what a policy no longer keeps, dropped in batches so small that no commit waits for
//! long. The reader finds the candidates; each is looked at again here, inside the transaction, so
//! that nothing which came into use meanwhile is lost. Freed pages are used again, not given back:
//! the file stops growing, and a backup is written without them.

use std::collections::{HashSet, VecDeque};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::Digest;
use crate::audit::{self, Audit};

/// Rows that one batch removes before it leaves the rest to the next one.
pub const BATCH_ROWS_MAX: usize = 2_000;
/// A node is in use when a kept exchange has its business key, or that of a node so near.
const NEAR_STEPS: u32 = 4;
const NEAR_NODES_MAX: usize = 1_000;

/// What outlives its exchange: a repeat must still find it. It has spans of its own.
const OUTLIVES: [&str; 2] = ["source_key", "claim"];

/// One batch. What it removed is counted in the same transaction, until `Summed` puts the counts
/// into the audit trail.
#[derive(Clone, Debug)]
pub enum Retention {
    /// Ended exchanges with their outcomes, business keys, tasks and exceptions. Source keys and
    /// claims stay behind, unless the exchange ended before `keys_before_ms`: a repeat may still come.
    Exchanges { exchanges: Vec<u64>, ended_before_ms: u64, keys_before_ms: Option<u64> },
    /// The content of an ended exchange: its message and headers go, its outcomes become the texts
    /// given here, and it is marked.
    Payload { exchange: u64, at_ms: u64, outcomes: Vec<(u32, String)> },
    /// Source keys and settled claims that outlived their exchange. A claim of which nobody knows
    /// whether it took effect stays: who comes next must not do it blindly.
    Keys { ended_before_ms: u64 },
    /// Nodes, with their links, that nothing kept refers to and nobody linked since.
    Nodes { nodes: Vec<u64>, linked_before_ms: u64 },
    /// The oldest entries of the audit trail, up to this one. The chain goes on from its hash.
    Audit { through: u64 },
    /// Notes since when a route version has had no work; a new exchange takes the note back.
    Idle { versions: Vec<Digest>, at_ms: u64 },
    /// Versions that have been idle since before this.
    Versions { versions: Vec<Digest>, idle_before_ms: u64 },
    /// Artifacts by digest. Who asks knows that nothing needs them.
    Artifacts { artifacts: Vec<Digest> },
    /// Writes this entry with what was dropped since the last one as its `detail`, if anything was.
    Summed(Audit),
}

/// Answers the rows that it removed or emptied.
pub(crate) fn apply(to: &Connection, batch: &Retention) -> rusqlite::Result<usize> {
    match batch {
        Retention::Exchanges { exchanges, ended_before_ms, keys_before_ms } => {
            drop_exchanges(to, exchanges, *ended_before_ms, *keys_before_ms)
        }
        Retention::Payload { exchange, at_ms, outcomes } => {
            drop_payload(to, *exchange, *at_ms, outcomes)
        }
        Retention::Keys { ended_before_ms } => {
            let keys = run(
                to,
                "DELETE FROM source_key WHERE (scope, key) IN (SELECT scope, key FROM source_key
                    WHERE ended_at_ms < ?1 ORDER BY ended_at_ms LIMIT ?2)",
                params![signed(*ended_before_ms), BATCH_ROWS_MAX as i64],
            )?;
            let claims = run(
                to,
                "DELETE FROM claim WHERE (scope, key) IN (SELECT scope, key FROM claim
                    WHERE ended_at_ms < ?1 AND value IS NOT NULL ORDER BY ended_at_ms LIMIT ?2)",
                params![signed(*ended_before_ms), (BATCH_ROWS_MAX - keys) as i64],
            )?;
            Ok(count(to, "keys", keys)? + count(to, "claims", claims)?)
        }
        Retention::Nodes { nodes, linked_before_ms } => drop_nodes(to, nodes, *linked_before_ms),
        Retention::Audit { through } => drop_audit(to, *through),
        Retention::Idle { versions, at_ms } => each(versions, |version| {
            run(
                to,
                "UPDATE route_version SET idle_since_ms = ?2
                 WHERE digest = ?1 AND idle_since_ms IS NULL",
                params![version.0, signed(*at_ms)],
            )
        }),
        Retention::Versions { versions, idle_before_ms } => {
            let rows = each(versions, |version| {
                run(
                    to,
                    "DELETE FROM route_version WHERE digest = ?1 AND idle_since_ms < ?2
                     AND id NOT IN (SELECT e.route_version FROM open o
                        JOIN exchange e ON e.id = o.exchange)",
                    params![version.0, signed(*idle_before_ms)],
                )
            })?;
            count(to, "route_versions", rows)
        }
        Retention::Artifacts { artifacts } => {
            let rows = each(artifacts, |digest| {
                run(
                    to,
                    "DELETE FROM artifact WHERE digest = ?1
                     AND NOT EXISTS (SELECT 1 FROM route_version WHERE artifact = ?1)",
                    [digest.0],
                )
            })?;
            count(to, "artifacts", rows)
        }
        Retention::Summed(entry) => sum(to, entry),
    }
}

fn drop_exchanges(
    to: &Connection,
    exchanges: &[u64],
    ended_before_ms: u64,
    keys_before_ms: Option<u64>,
) -> rusqlite::Result<usize> {
    let tables = own_tables(to)?;
    let mut rows = 0;
    let mut dropped = 0;
    for exchange in exchanges.iter().copied().map(signed) {
        let ended = to
            .prepare_cached("SELECT at_ms FROM ended WHERE exchange = ?1 AND at_ms < ?2")?
            .query_row(params![exchange, signed(ended_before_ms)], |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(ended_at_ms) = ended else { continue };
        let outcomes: i64 = to
            .prepare_cached(
                "SELECT coalesce(max(sequence) + 1, 0) FROM outcome WHERE exchange = ?1",
            )?
            .query_row([exchange], |row| row.get(0))?;
        // The newest outcomes first: what a long exchange has left is still a beginning without gaps.
        let room = (BATCH_ROWS_MAX - rows) as i64;
        rows += run(
            to,
            "DELETE FROM outcome WHERE exchange = ?1 AND sequence >= ?2",
            params![exchange, (outcomes - room).max(0)],
        )?;
        if outcomes > room {
            break;
        }
        for table in &tables {
            rows += run(to, &format!("DELETE FROM {table} WHERE exchange = ?1"), [exchange])?;
        }
        let keys_before_ms = keys_before_ms.map_or(i64::MIN, signed);
        rows += run(
            to,
            "DELETE FROM source_key WHERE exchange = ?1 AND (scope, key) =
                (SELECT source_scope, source_key FROM exchange WHERE id = ?1) AND ?2 < ?3",
            params![exchange, ended_at_ms, keys_before_ms],
        )?;
        run(
            to,
            "UPDATE source_key SET ended_at_ms = ?2,
                body_digest = (SELECT body_digest FROM exchange WHERE id = ?1)
             WHERE exchange = ?1 AND (scope, key) =
                (SELECT source_scope, source_key FROM exchange WHERE id = ?1)",
            params![exchange, ended_at_ms],
        )?;
        rows += leave_claims(to, exchange, ended_at_ms, keys_before_ms)?;
        rows += run(to, "DELETE FROM exchange WHERE id = ?1", [exchange])?;
        dropped += 1;
        if rows >= BATCH_ROWS_MAX {
            break;
        }
    }
    count(to, "exchanges", dropped)?;
    Ok(rows)
}

/// What an exchange claimed stays behind with the time of its end, from which its span counts.
fn leave_claims(
    to: &Connection,
    exchange: i64,
    ended_at_ms: i64,
    keys_before_ms: i64,
) -> rusqlite::Result<usize> {
    let claims = if ended_at_ms < keys_before_ms {
        run(
            to,
            "DELETE FROM claim WHERE exchange = ?1 AND ended_at_ms IS NULL AND value IS NOT NULL",
            [exchange],
        )?
    } else {
        0
    };
    let left = run(
        to,
        "UPDATE claim SET ended_at_ms = ?2 WHERE exchange = ?1 AND ended_at_ms IS NULL",
        params![exchange, ended_at_ms],
    )?;
    Ok(count(to, "claims", claims)? + left)
}

/// Tables that hold what goes with its exchange.
fn own_tables(from: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut tables = from.prepare_cached(
        "SELECT s.name FROM sqlite_schema s JOIN pragma_table_info(s.name) c
         WHERE s.type = 'table' AND c.name = 'exchange' ORDER BY s.name",
    )?;
    let found = tables.query_map([], |row| row.get::<_, String>(0))?;
    found.filter(|name| !matches!(name, Ok(name) if OUTLIVES.contains(&name.as_str()))).collect()
}

fn drop_payload(
    to: &Connection,
    exchange: u64,
    at_ms: u64,
    outcomes: &[(u32, String)],
) -> rusqlite::Result<usize> {
    let exchange = signed(exchange);
    let marked = run(
        to,
        "UPDATE ended SET dropped_at_ms = ?2 WHERE exchange = ?1 AND dropped_at_ms IS NULL",
        params![exchange, signed(at_ms)],
    )?;
    if marked == 0 {
        return Ok(0);
    }
    run(to, "UPDATE exchange SET message = x'', headers = '{}' WHERE id = ?1", [exchange])?;
    run(to, "UPDATE task SET show = 'null', note = NULL WHERE exchange = ?1", [exchange])?;
    run(to, "UPDATE exception SET message = '' WHERE exchange = ?1", [exchange])?;
    run(to, "UPDATE replay SET body = '{}' WHERE exchange = ?1", [exchange])?;
    for (sequence, body) in outcomes {
        run(
            to,
            "UPDATE outcome SET body = ?3 WHERE exchange = ?1 AND sequence = ?2",
            params![exchange, sequence, body],
        )?;
    }
    count(to, "payloads", 1)
}

fn drop_nodes(to: &Connection, nodes: &[u64], linked_before_ms: u64) -> rusqlite::Result<usize> {
    let mut dropped = 0;
    for number in nodes.iter().copied() {
        if in_use(to, number, linked_before_ms)? {
            continue;
        }
        let number = signed(number);
        run(
            to,
            "DELETE FROM link WHERE (one, other) IN (SELECT other, one FROM link WHERE one = ?1)",
            [number],
        )?;
        run(to, "DELETE FROM link WHERE one = ?1", [number])?;
        dropped += run(to, "DELETE FROM node WHERE number = ?1", [number])?;
    }
    count(to, "ids", dropped)
}

/// Whether a kept exchange has the business key of this node or of one near it, or a link on the
/// way was made or seen again since. What is further away belongs to other business.
pub(crate) fn in_use(
    from: &Connection,
    node: u64,
    linked_before_ms: u64,
) -> rusqlite::Result<bool> {
    let mut keyed = from.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM node n JOIN business_key k
            ON k.value = n.id AND k.name = n.object WHERE n.number = ?1)",
    )?;
    let mut links = from.prepare_cached("SELECT other, at_ms FROM link WHERE one = ?1 LIMIT ?2")?;
    let start = signed(node);
    let mut seen = HashSet::from([start]);
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((number, steps)) = queue.pop_front() {
        if keyed.query_row([number], |row| row.get(0))? {
            return Ok(true);
        }
        if steps == NEAR_STEPS {
            continue;
        }
        let mut next = links.query(params![number, NEAR_NODES_MAX as i64])?;
        while let Some(row) = next.next()? {
            if row.get::<_, i64>(1)? >= signed(linked_before_ms) {
                return Ok(true);
            }
            let other = row.get(0)?;
            if seen.len() < NEAR_NODES_MAX && seen.insert(other) {
                queue.push_back((other, steps + 1));
            }
        }
    }
    Ok(false)
}

fn drop_audit(to: &Connection, through: u64) -> rusqlite::Result<usize> {
    let through = signed(through);
    let hash: Option<[u8; 32]> = to
        .prepare_cached("SELECT hash FROM audit WHERE sequence = ?1")?
        .query_row([through], |row| row.get(0))
        .optional()?;
    let Some(hash) = hash else { return Ok(0) };
    let base = audit::mark(to, "base")?.sequence;
    // A chain that is broken already is kept as it is: nobody may wash it by retention.
    let kept: i64 = to
        .prepare_cached("SELECT count(*) FROM audit WHERE sequence <= ?1")?
        .query_row([through], |row| row.get(0))?;
    if kept != through - signed(base) {
        return Ok(0);
    }
    let rows = run(to, "DELETE FROM audit WHERE sequence <= ?1", [through])?;
    run(
        to,
        "UPDATE audit_mark SET sequence = ?1, hash = ?2 WHERE name = 'base'",
        params![through, hash],
    )?;
    count(to, "audit_entries", rows)
}

fn sum(to: &Connection, entry: &Audit) -> rusqlite::Result<usize> {
    let mut dropped = to.prepare_cached("SELECT what, count FROM dropped ORDER BY what")?;
    let counts = dropped
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.into())))?
        .collect::<rusqlite::Result<serde_json::Map<String, serde_json::Value>>>()?;
    if counts.is_empty() {
        return Ok(0);
    }
    let detail = serde_json::Value::from(counts).to_string();
    audit::append(to, &Audit { detail, ..entry.clone() })?;
    run(to, "DELETE FROM dropped", [])
}

fn count(to: &Connection, what: &str, rows: usize) -> rusqlite::Result<usize> {
    if rows > 0 {
        run(
            to,
            "INSERT INTO dropped (what, count) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
            params![what, rows as i64],
        )?;
    }
    Ok(rows)
}

fn each<T>(
    items: &[T],
    mut act: impl FnMut(&T) -> rusqlite::Result<usize>,
) -> rusqlite::Result<usize> {
    items.iter().try_fold(0, |rows, item| Ok(rows + act(item)?))
}

fn run(to: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<usize> {
    to.prepare_cached(sql)?.execute(values)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
