//! The desk's records to rows: hands, escalation, and what is held back. Runs inside the committer's
//! transaction, as `apply` does.

use rusqlite::{Connection, params};

use crate::apply::{Applied, Refusal, conflict, id, ms, run};
use crate::record::{Pause, Record};

pub(crate) fn write(to: &Connection, record: &Record) -> Applied {
    match record {
        Record::Assign { exchange, assignee } => {
            let row = id(*exchange)?;
            let mut changed = 0;
            for table in DESKS {
                let sql = format!(
                    "UPDATE {table} SET assignee = ?2 WHERE exchange = ?1 AND closed_at_ms IS NULL"
                );
                changed += run(to, &sql, params![row, assignee])?;
            }
            match changed {
                0 => conflict(exchange, format_args!("has no open task or exception")),
                _ => Ok(()),
            }
        }
        Record::Escalate { exchange, at_ms, to: role } => {
            let row = id(*exchange)?;
            for table in DESKS {
                let sql = format!(
                    "UPDATE {table} SET escalate_at_ms = ?2, escalate_to = ?3
                     WHERE exchange = ?1 AND closed_at_ms IS NULL"
                );
                run(to, &sql, params![row, ms(*at_ms), role])?;
            }
            Ok(())
        }
        Record::Escalated { exchange, at_ms } => {
            let row = id(*exchange)?;
            let mut changed = 0;
            for (table, role) in DESKS.into_iter().zip(["role", "owner"]) {
                // Whoever had it in hand has not acted: it lies before the other role.
                let sql = format!(
                    "UPDATE {table} SET {role} = escalate_to, assignee = NULL,
                        escalate_at_ms = NULL, escalated_at_ms = ?2
                     WHERE exchange = ?1 AND closed_at_ms IS NULL AND escalate_at_ms IS NOT NULL"
                );
                changed += run(to, &sql, params![row, ms(*at_ms)])?;
            }
            match changed {
                0 => conflict(exchange, format_args!("has nothing to hand on")),
                _ => Ok(()),
            }
        }
        Record::Pause(pause) => hold(to, pause),
        Record::Resume { kind, name, window } => {
            let sql = "DELETE FROM pause WHERE kind = ?1 AND name = ?2 AND window = ?3";
            match run(to, sql, params![kind, name, window])? {
                0 => Err(Refusal::Conflict(format!("{kind} {name} is not paused"))),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

const DESKS: [&str; 2] = ["task", "exception"];

fn hold(to: &Connection, pause: &Pause) -> Applied {
    run(
        to,
        "INSERT INTO pause (kind, name, window, by, why, since_ms, until_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET by = excluded.by, why = excluded.why,
            since_ms = excluded.since_ms, until_ms = excluded.until_ms",
        params![
            pause.kind,
            pause.name,
            pause.window,
            pause.by,
            pause.why,
            ms(pause.since_ms),
            pause.until_ms.map(ms),
        ],
    )
    .map(drop)
}
