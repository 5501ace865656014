//! Timelines: the exchanges of a business key, and the ids that links hold together. Every walk
//! is breadth-first and bounded; nearest first.

use std::collections::{HashSet, VecDeque};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::exchange::{Summary, summary, unsigned};
use super::{ROWS_MAX, Reader, rows};
use crate::Error;
use crate::record::Node;

/// A walk over links stops after so many nodes, and so many steps from its start.
pub const LINKED_NODES_MAX: usize = 1_000;
pub const LINKED_STEPS_MAX: u32 = 12;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    pub node: Node,
    /// How many links away; the start itself is 0.
    pub steps: u32,
}

/// What happened to a business object.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// By the time that they were accepted.
    pub exchanges: Vec<Summary>,
    /// The ids that the object, and what is linked to it, has in the systems.
    pub nodes: Vec<Linked>,
}

impl Reader {
    /// The exchanges that carry this business key, oldest first.
    pub async fn by_key(
        &self,
        name: &str,
        value: &str,
        limit: usize,
    ) -> Result<Vec<Summary>, Error> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run(move |from| {
            let mut found = Vec::new();
            for id in keyed(from, &name, &value, limit)? {
                found.extend(summary(from, id)?);
            }
            Ok(found)
        })
        .await
    }

    /// Everything linked to a node, nearest first; the node itself comes first if it is known.
    pub async fn linked(&self, start: Node) -> Result<Vec<Linked>, Error> {
        self.run(move |from| {
            let mut find = from.prepare_cached(
                "SELECT number FROM node
                 WHERE id = ?1 AND object = ?2 AND system = ?3 AND company = ?4",
            )?;
            let values = params![start.id, start.object, start.system, start.company];
            let number = find.query_row(values, |row| row.get(0)).optional()?;
            walk(from, number.into_iter().collect())
        })
        .await
    }

    /// The exchanges of a business key, of every id linked to the object of that name, and their
    /// children: `timeline("order", "SO-1")` finds its shipments and invoices too.
    pub async fn timeline(&self, name: &str, value: &str) -> Result<Timeline, Error> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.run(move |from| timeline(from, &name, &value)).await
    }

    /// The exchanges that this one published or received, oldest first.
    pub async fn children(&self, parent: u64, limit: usize) -> Result<Vec<Summary>, Error> {
        self.run(move |from| {
            let mut found = Vec::new();
            for id in children(from, super::key(parent), limit)? {
                found.extend(summary(from, id)?);
            }
            Ok(found)
        })
        .await
    }
}

fn timeline(from: &Connection, name: &str, value: &str) -> rusqlite::Result<Timeline> {
    let mut starts =
        from.prepare_cached("SELECT number FROM node WHERE id = ?1 AND object = ?2 LIMIT ?3")?;
    let starts = starts
        .query_map(params![value, name, rows(LINKED_NODES_MAX)], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    let nodes = walk(from, starts)?;
    let mut ids: Vec<i64> = keyed(from, name, value, ROWS_MAX)?;
    for linked in &nodes {
        ids.extend(keyed(from, &linked.node.object, &linked.node.id, ROWS_MAX)?);
    }
    let mut known: HashSet<i64> = HashSet::new();
    let mut queue: VecDeque<i64> = ids.into();
    let mut exchanges = Vec::new();
    while let Some(id) = queue.pop_front() {
        if known.len() >= ROWS_MAX || !known.insert(id) {
            continue;
        }
        exchanges.extend(summary(from, id)?);
        queue.extend(children(from, id, ROWS_MAX)?);
    }
    exchanges.sort_by_key(|exchange| (exchange.received_at_ms, exchange.id));
    Ok(Timeline { exchanges, nodes })
}

fn keyed(from: &Connection, name: &str, value: &str, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let mut keyed = from.prepare_cached(
        "SELECT exchange FROM business_key WHERE value = ?2 AND name = ?1
         ORDER BY exchange LIMIT ?3",
    )?;
    keyed.query_map(params![name, value, rows(limit)], |row| row.get(0))?.collect()
}

fn children(from: &Connection, parent: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let mut children =
        from.prepare_cached("SELECT id FROM exchange WHERE parent = ?1 ORDER BY id LIMIT ?2")?;
    children.query_map(params![parent, rows(limit)], |row| row.get(0))?.collect()
}

fn walk(from: &Connection, starts: Vec<i64>) -> rusqlite::Result<Vec<Linked>> {
    let mut describe =
        from.prepare_cached("SELECT company, object, system, id FROM node WHERE number = ?1")?;
    let mut neighbours = from.prepare_cached("SELECT other FROM link WHERE one = ?1 LIMIT ?2")?;
    let mut seen: HashSet<i64> = starts.iter().copied().collect();
    let mut queue: VecDeque<(i64, u32)> = starts.into_iter().map(|start| (start, 0)).collect();
    let mut found = Vec::new();
    while let Some((number, steps)) = queue.pop_front() {
        let node = describe.query_row([number], |row| {
            let [company, object, system, id] =
                [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
            Ok(Node { company, object, system, id })
        })?;
        found.push(Linked { node, steps });
        if steps == LINKED_STEPS_MAX {
            continue;
        }
        let mut next = neighbours.query(params![number, rows(LINKED_NODES_MAX)])?;
        while let Some(row) = next.next()? {
            let other = unsigned(row, 0)?.cast_signed();
            if seen.len() < LINKED_NODES_MAX && seen.insert(other) {
                queue.push_back((other, steps + 1));
            }
        }
    }
    Ok(found)
}
