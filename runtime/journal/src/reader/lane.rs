//! Who waits behind whom: lanes as people see them, and ready exchanges for recovery.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::exchange::{State, unsigned};
use super::{Reader, key, rows};
use crate::Error;
use crate::record::Lane;

impl Reader {
    /// How many exchanges wait for this one to let go of its lane; 0 if it holds none.
    pub async fn lane_behind(&self, exchange: u64) -> Result<u64, Error> {
        self.run(move |from| {
            let mut behind = from.prepare_cached(
                "SELECT count(q.exchange) FROM lane h JOIN lane q
                 ON q.scope = h.scope AND q.key = h.key AND q.turn = 0
                 WHERE h.exchange = ?1 AND h.turn = 1",
            )?;
            behind.query_row([key(exchange)], |row| unsigned(row, 0))
        })
        .await
    }

    /// Exchanges that can take a step now, each with its route, by rising id, from the one after
    /// `after` (0: all).
    pub async fn ready(&self, after: u64, limit: usize) -> Result<Vec<(u64, String)>, Error> {
        self.run(move |from| {
            let mut ready = from.prepare_cached(
                "SELECT o.exchange, v.name FROM open o JOIN exchange e ON e.id = o.exchange
                 JOIN route_version v ON v.id = e.route_version
                 WHERE o.exchange > ?1 AND o.state = ?3 ORDER BY o.exchange LIMIT ?2",
            )?;
            let values = params![key(after), rows(limit), State::Ready.stored()];
            ready.query_map(values, |row| Ok((unsigned(row, 0)?, row.get(1)?)))?.collect()
        })
        .await
    }
}

pub(super) fn lane_of(from: &Connection, id: i64) -> rusqlite::Result<Option<Lane>> {
    let mut lane =
        from.prepare_cached("SELECT scope, key, passes FROM lane WHERE exchange = ?1")?;
    lane.query_row([id], |row| {
        Ok(Lane { scope: row.get(0)?, key: row.get(1)?, passes: row.get(2)? })
    })
    .optional()
}
