//! What a retention policy may drop: candidates in the order of their age, a batch at a time. The
//! committer looks at each again before it drops it.

use rusqlite::params;

use super::exchange::{unsigned, unsigned_option};
use super::{Reader, key, rows};
use crate::retention::in_use;
use crate::{Digest, Error};

/// An exchange by when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedAt {
    pub at_ms: u64,
    pub exchange: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptVersion {
    pub digest: Digest,
    pub name: String,
    pub artifact: Digest,
    /// Since when it is noted to have no work.
    pub idle_since_ms: Option<u64>,
    /// An exchange on it has not ended.
    pub open: bool,
}

/// A part of a walk over all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnusedNodes {
    pub nodes: Vec<u64>,
    /// Where the walk goes on, if it is not over.
    pub next: Option<u64>,
}

impl Reader {
    /// Exchanges that ended before a time, the longest ago first.
    pub async fn ended_before(&self, before_ms: u64, limit: usize) -> Result<Vec<u64>, Error> {
        self.run(move |from| {
            let sql = "SELECT exchange FROM ended WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2";
            let mut ended = from.prepare_cached(sql)?;
            ended.query_map(params![key(before_ms), rows(limit)], |row| unsigned(row, 0))?.collect()
        })
        .await
    }

    /// The same, of those that still have their payload, from the one after `after`.
    pub async fn payloads_before(
        &self,
        before_ms: u64,
        after: EndedAt,
        limit: usize,
    ) -> Result<Vec<EndedAt>, Error> {
        self.run(move |from| {
            let mut ended = from.prepare_cached(
                "SELECT at_ms, exchange FROM ended
                 WHERE (at_ms, exchange) > (?3, ?4) AND at_ms < ?1 AND dropped_at_ms IS NULL
                 ORDER BY at_ms, exchange LIMIT ?2",
            )?;
            let values =
                params![key(before_ms), rows(limit), key(after.at_ms), key(after.exchange)];
            let found = ended.query_map(values, |row| {
                Ok(EndedAt { at_ms: unsigned(row, 0)?, exchange: unsigned(row, 1)? })
            })?;
            found.collect()
        })
        .await
    }

    /// Walks over the nodes from the one after `after` and looks at `limit` of them.
    pub async fn unused_nodes(
        &self,
        after: u64,
        limit: usize,
        linked_before_ms: u64,
    ) -> Result<UnusedNodes, Error> {
        self.run(move |from| {
            let sql = "SELECT number FROM node WHERE number > ?1 ORDER BY number LIMIT ?2";
            let numbers = from
                .prepare_cached(sql)?
                .query_map(params![key(after), rows(limit)], |row| unsigned(row, 0))?
                .collect::<rusqlite::Result<Vec<u64>>>()?;
            let next = numbers.last().copied().filter(|_| numbers.len() >= limit);
            let mut unused = UnusedNodes { nodes: Vec::new(), next };
            for number in numbers {
                if !in_use(from, number, linked_before_ms)? {
                    unused.nodes.push(number);
                }
            }
            Ok(unused)
        })
        .await
    }

    /// How far the audit trail is older than this, looking at `limit` entries.
    pub async fn audit_before(&self, before_ms: u64, limit: usize) -> Result<Option<u64>, Error> {
        self.run(move |from| {
            let mut oldest = from
                .prepare_cached("SELECT sequence, at_ms FROM audit ORDER BY sequence LIMIT ?1")?;
            let mut found = oldest.query([rows(limit)])?;
            let mut through = None;
            while let Some(row) = found.next()? {
                if unsigned(row, 1)? >= before_ms {
                    break;
                }
                through = Some(unsigned(row, 0)?);
            }
            Ok(through)
        })
        .await
    }

    pub async fn kept_versions(&self) -> Result<Vec<KeptVersion>, Error> {
        self.run(|from| {
            let mut kept = from.prepare_cached(
                "SELECT v.digest, v.name, v.artifact, v.idle_since_ms, v.id IN
                    (SELECT e.route_version FROM open o JOIN exchange e ON e.id = o.exchange)
                 FROM route_version v ORDER BY v.id",
            )?;
            let found = kept.query_map([], |row| {
                Ok(KeptVersion {
                    digest: Digest(row.get(0)?),
                    name: row.get(1)?,
                    artifact: Digest(row.get(2)?),
                    idle_since_ms: unsigned_option(row, 3)?,
                    open: row.get(4)?,
                })
            })?;
            found.collect()
        })
        .await
    }

    pub async fn artifacts(&self) -> Result<Vec<Digest>, Error> {
        self.run(|from| {
            let mut all = from.prepare_cached("SELECT digest FROM artifact ORDER BY id")?;
            all.query_map([], |row| Ok(Digest(row.get(0)?)))?.collect()
        })
        .await
    }
}
