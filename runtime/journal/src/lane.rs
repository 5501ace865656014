//! Lanes: exchanges of one scope and key go one after the other, the lowest id first. Decided here,
//! in the transaction of the record that moves an exchange, so that no crash and no race can give a
//! lane two holders or leave it without one. What stands aside or queues is a row of `lane`.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::apply::{Applied, conflict, id, run};
use crate::reader::State;
use crate::record::{Lane, Record};

/// `lane.turn`.
const QUEUED: i64 = 0;
const HOLDS: i64 = 1;
const ASIDE: i64 = 2;

/// Who changed places in one commit.
#[derive(Default)]
pub(crate) struct Moves {
    queued: BTreeSet<u64>,
    released: Vec<u64>,
}

impl Moves {
    fn queue(&mut self, exchange: u64) {
        self.made_ready(exchange);
        self.queued.insert(exchange);
    }

    /// By the commit itself: whoever wrote it has the exchange at hand.
    fn made_ready(&mut self, exchange: u64) {
        self.released.retain(|released| *released != exchange);
    }

    /// Queued at the end of the commit, by rising id; and released, in the order of it.
    pub(crate) fn into_parts(self) -> (Vec<u64>, Vec<u64>) {
        (self.queued.into_iter().collect(), self.released)
    }
}

/// A new exchange, stored as ready: it holds its lane if nobody does, and queues otherwise.
pub(crate) fn enter(to: &Connection, exchange: u64, lane: &Lane, moves: &mut Moves) -> Applied {
    let row = id(exchange)?;
    let free = is_free(to, &lane.scope, &lane.key)?;
    run(
        to,
        "INSERT INTO lane (exchange, scope, key, passes, turn) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![row, lane.scope, lane.key, lane.passes, if free { HOLDS } else { QUEUED }],
    )?;
    if !free {
        queue(to, row)?;
        moves.queue(exchange);
    }
    Ok(())
}

/// After a record that may have changed the state of its exchange: the lane follows the state.
pub(crate) fn follow(to: &Connection, record: &Record, moves: &mut Moves) -> Applied {
    let exchange = match record {
        // An Accept enters; the others leave the state as it is.
        Record::Accept(_) | Record::Outcome { .. } | Record::Key { .. } => return Ok(()),
        other => other.exchange(),
    };
    let Some(exchange) = exchange else { return Ok(()) };
    let row = id(exchange)?;
    let mut find = to.prepare_cached(
        "SELECT l.scope, l.key, l.passes, l.turn, o.state
         FROM lane l LEFT JOIN open o ON o.exchange = l.exchange WHERE l.exchange = ?1",
    )?;
    let found = find
        .query_row([row], |row| {
            let lane = Lane { scope: row.get(0)?, key: row.get(1)?, passes: row.get(2)? };
            Ok((lane, row.get::<_, i64>(3)?, row.get::<_, Option<i64>>(4)?))
        })
        .optional()?;
    let Some((lane, turn, state)) = found else { return Ok(()) };
    let Some(state) = state else {
        run(to, "DELETE FROM lane WHERE exchange = ?1", [row])?;
        return if turn == HOLDS { promote(to, &lane, moves) } else { Ok(()) };
    };
    let at_work = state == State::Ready.stored() || state == State::Waiting.stored();
    match turn {
        HOLDS if !at_work && lane.passes => {
            set_turn(to, row, ASIDE)?;
            promote(to, &lane, moves)
        }
        ASIDE if at_work && is_free(to, &lane.scope, &lane.key)? => {
            moves.made_ready(exchange);
            set_turn(to, row, HOLDS)
        }
        ASIDE if at_work => {
            set_turn(to, row, QUEUED)?;
            queue(to, row)?;
            moves.queue(exchange);
            Ok(())
        }
        QUEUED if at_work => {
            queue(to, row)?;
            moves.queue(exchange);
            Ok(())
        }
        QUEUED if state != State::Queued.stored() => {
            conflict(&exchange, format_args!("is queued in its lane and cannot rest elsewhere"))
        }
        _ => Ok(()),
    }
}

/// Whether nobody holds the lane. Then nobody queues in it either.
fn is_free(to: &Connection, scope: &str, key: &str) -> Applied<bool> {
    let mut holder =
        to.prepare_cached("SELECT 1 FROM lane WHERE scope = ?1 AND key = ?2 AND turn = 1 LIMIT 1")?;
    Ok(!holder.exists([scope, key])?)
}

/// The lane has no holder: the longest queued, by id, is the next.
fn promote(to: &Connection, lane: &Lane, moves: &mut Moves) -> Applied {
    let mut first = to.prepare_cached(
        "SELECT min(exchange) FROM lane WHERE scope = ?1 AND key = ?2 AND turn = 0",
    )?;
    let values = [lane.scope.as_str(), lane.key.as_str()];
    let Some(row) = first.query_row(values, |row| row.get::<_, Option<i64>>(0))? else {
        return Ok(());
    };
    set_turn(to, row, HOLDS)?;
    set_state(to, row, State::Ready)?;
    let exchange = row.cast_unsigned();
    // One that this very commit had queued was never seen to be.
    if !moves.queued.remove(&exchange) {
        moves.released.push(exchange);
    }
    Ok(())
}

fn queue(to: &Connection, row: i64) -> Applied {
    set_state(to, row, State::Queued)
}

fn set_turn(to: &Connection, row: i64, turn: i64) -> Applied {
    run(to, "UPDATE lane SET turn = ?2 WHERE exchange = ?1", params![row, turn]).map(drop)
}

fn set_state(to: &Connection, row: i64, state: State) -> Applied {
    run(
        to,
        "UPDATE open SET state = ?2, due_at_ms = NULL, why = NULL WHERE exchange = ?1",
        params![row, state.stored()],
    )
    .map(drop)
}
