//! Whether a journal holds what it promises: SQLite's own check, then our rules. It only reads, also
//! from a journal in use, and names every problem with what to do about it.

use std::path::Path;

use rusqlite::Connection;

use crate::{AuditVerdict, Error, error, reader, schema};

/// Exchanges named for one problem; the rest is counted.
const NAMED_MAX: usize = 20;
/// Lines of SQLite's own check.
const DAMAGES_MAX: usize = 50;

#[derive(Clone, Debug)]
pub struct Check {
    /// Rules that were looked at.
    pub rules: usize,
    pub problems: Vec<Problem>,
    /// The audit trail's chain, if it could be read.
    pub audit: Option<AuditVerdict>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    /// The exchanges concerned, the first few of them.
    pub exchanges: Vec<u64>,
    pub count: u64,
    pub fix: &'static str,
}

struct Rule {
    what: &'static str,
    /// Answers an exchange id for each violation.
    sql: &'static str,
    fix: &'static str,
}

const DAMAGED: &str = "The disk or a copy has damaged the file: stop the runtime, keep a copy of it, \
    and start from the last backup.";
const FOREIGN: &str =
    "No Crossdock writes this: something else has changed the file. Start from the last backup.";
const STANDS: &str = "The exchange goes no further by itself: restart the runtime; if it is still \
    reported, retry or discard it as an exception.";

const DOUBTFUL: &str = "Whoever wants it next stands as an exception in doubt: find out whether it took \
    effect, then retry or discard that one.";

const RULES: &[Rule] = &[
    Rule {
        what: "an exchange is neither open nor ended",
        sql: "SELECT id FROM exchange e WHERE NOT EXISTS
                (SELECT 1 FROM open WHERE exchange = e.id)
              AND NOT EXISTS (SELECT 1 FROM ended WHERE exchange = e.id)",
        fix: FOREIGN,
    },
    Rule {
        what: "an exchange is both open and ended",
        sql: "SELECT exchange FROM open WHERE exchange IN (SELECT exchange FROM ended)",
        fix: FOREIGN,
    },
    Rule {
        what: "an exchange that is open or ended was never accepted",
        sql: "SELECT exchange FROM open WHERE exchange NOT IN (SELECT id FROM exchange)
              UNION SELECT exchange FROM ended WHERE exchange NOT IN (SELECT id FROM exchange)",
        fix: FOREIGN,
    },
    Rule {
        what: "the outcomes of an exchange have a gap",
        sql: "SELECT exchange FROM outcome GROUP BY exchange
              HAVING min(sequence) <> 0 OR max(sequence) + 1 <> count(*)",
        fix: FOREIGN,
    },
    Rule {
        what: "there are outcomes, keys, tasks or exceptions of an exchange that is not there",
        sql: "SELECT exchange FROM (SELECT DISTINCT exchange FROM outcome
                UNION SELECT exchange FROM business_key UNION SELECT exchange FROM task
                UNION SELECT exchange FROM exception)
              WHERE exchange NOT IN (SELECT id FROM exchange)",
        fix: FOREIGN,
    },
    Rule {
        what: "an exchange runs on a route version that is not stored",
        sql: "SELECT id FROM exchange WHERE route_version NOT IN (SELECT id FROM route_version)",
        fix: FOREIGN,
    },
    Rule {
        what: "an open exchange runs on a route whose text is not stored",
        sql: "SELECT o.exchange FROM open o JOIN exchange e ON e.id = o.exchange
              JOIN route_version v ON v.id = e.route_version
              WHERE v.artifact NOT IN (SELECT digest FROM artifact)",
        fix: "Start the runtime with the route file of that version once: it is stored again.",
    },
    Rule {
        what: "an exchange is parked and nobody is asked",
        sql: "SELECT exchange FROM open o WHERE state = 2 AND NOT EXISTS
                (SELECT 1 FROM task WHERE exchange = o.exchange AND closed_at_ms IS NULL)",
        fix: STANDS,
    },
    Rule {
        what: "an exchange stands as an exception that the desk does not have",
        sql: "SELECT exchange FROM open o WHERE state = 3 AND NOT EXISTS
                (SELECT 1 FROM exception WHERE exchange = o.exchange AND closed_at_ms IS NULL)",
        fix: STANDS,
    },
    Rule {
        what: "a task or an exception is open, and its exchange does not wait for it",
        sql: "SELECT exchange FROM task t WHERE closed_at_ms IS NULL AND NOT EXISTS
                (SELECT 1 FROM open WHERE exchange = t.exchange AND state = 2)
              UNION SELECT exchange FROM exception x WHERE closed_at_ms IS NULL AND NOT EXISTS
                (SELECT 1 FROM open WHERE exchange = x.exchange AND state = 3)",
        fix: "Discard it: nothing waits for the answer.",
    },
    Rule {
        what: "an exchange waits for no time",
        sql: "SELECT exchange FROM open WHERE state = 1 AND due_at_ms IS NULL",
        fix: STANDS,
    },
    Rule {
        what: "an exchange queues in no lane, or stands in one without being open",
        sql: "SELECT exchange FROM open o WHERE state = 4 AND NOT EXISTS
                (SELECT 1 FROM lane WHERE exchange = o.exchange AND turn = 0)
              UNION SELECT exchange FROM lane l WHERE turn = 0 AND NOT EXISTS
                (SELECT 1 FROM open WHERE exchange = l.exchange AND state = 4)
              UNION SELECT exchange FROM lane WHERE exchange NOT IN (SELECT exchange FROM open)",
        fix: FOREIGN,
    },
    Rule {
        what: "an exchange queues in a lane that nobody holds",
        sql: "SELECT exchange FROM lane q WHERE turn = 0 AND NOT EXISTS
                (SELECT 1 FROM lane WHERE scope = q.scope AND key = q.key AND turn = 1)",
        fix: FOREIGN,
    },
    Rule {
        what: "the key that an exchange came under is not its own: a repeat would count twice",
        sql: "SELECT id FROM exchange e WHERE source_key IS NOT NULL AND NOT EXISTS
                (SELECT 1 FROM source_key k WHERE k.scope = e.source_scope
                 AND k.key = e.source_key AND k.exchange = e.id)",
        fix: FOREIGN,
    },
    Rule {
        what: "a source key belongs to an exchange that is not there",
        sql: "SELECT exchange FROM source_key WHERE ended_at_ms IS NULL
              AND exchange NOT IN (SELECT id FROM exchange)",
        fix: FOREIGN,
    },
    Rule {
        what: "a claim belongs to an exchange that is not there, or has outlived one that is",
        sql: "SELECT exchange FROM claim WHERE ended_at_ms IS NULL
                AND exchange NOT IN (SELECT id FROM exchange)
              UNION SELECT exchange FROM claim WHERE ended_at_ms IS NOT NULL
                AND exchange IN (SELECT id FROM exchange)",
        fix: FOREIGN,
    },
    Rule {
        // A claim in doubt is left by a person only, who discards its exchange.
        what: "an exchange ended, was not given up, and nobody knows what came of its claim",
        sql: "SELECT c.exchange FROM claim c JOIN ended d ON d.exchange = c.exchange
              JOIN ending n ON n.id = d.ending
              WHERE c.value IS NULL AND n.name <> 'discarded'",
        fix: DOUBTFUL,
    },
    Rule {
        what: "an exchange has an id that the journal has not given out yet",
        sql: "SELECT id FROM exchange WHERE (((id >> 22) << 8) | (id & 255)) >
                (SELECT value FROM meta WHERE name = 'id_mark')",
        fix: FOREIGN,
    },
    Rule {
        what: "a link leads nowhere, or one way only",
        sql: "SELECT 0 FROM link l WHERE other NOT IN (SELECT number FROM node)
              OR NOT EXISTS (SELECT 1 FROM link WHERE one = l.other AND other = l.one)",
        fix: FOREIGN,
    },
];

/// Blocks; for a large journal it reads for a while.
pub fn check(path: &Path) -> Result<Check, Error> {
    let connection = schema::open_reader(path)?;
    // One moment for all rules.
    let from = connection.unchecked_transaction().map_err(|error| Error::read(path, &error))?;
    let mut problems = Vec::new();
    match damages(&from) {
        Ok(found) => problems.extend(found),
        Err(error) => problems.push(unreadable("the file", &error)),
    }
    for rule in RULES {
        match violations(&from, rule) {
            Ok(found) => problems.extend(found),
            Err(error) => problems.push(unreadable(rule.what, &error)),
        }
    }
    let audit = reader::verify_audit(&from, None);
    match &audit {
        Ok(verdict) => problems.extend(verdict.broken.as_ref().map(|broken| Problem {
            what: format!("entry {} of the audit trail {}", broken.sequence, broken.reason),
            exchanges: Vec::new(),
            count: 1,
            fix: "Compare with a backup (`crossdock audit verify` on its copy): the entries up to \
                  that one hold.",
        })),
        Err(error) => problems.push(unreadable("the audit trail", error)),
    }
    Ok(Check { rules: RULES.len() + 2, problems, audit: audit.ok() })
}

fn damages(from: &Connection) -> rusqlite::Result<Vec<Problem>> {
    let mut check = from.prepare(&format!("PRAGMA integrity_check({DAMAGES_MAX})"))?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.filter(|line| !matches!(line, Ok(line) if line == "ok"));
    lines
        .map(|line| Ok(Problem { what: line?, exchanges: Vec::new(), count: 1, fix: DAMAGED }))
        .collect()
}

fn violations(from: &Connection, rule: &Rule) -> rusqlite::Result<Option<Problem>> {
    let mut found = from.prepare(rule.sql)?;
    let mut rows = found.query([])?;
    let (mut exchanges, mut count) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        count += 1;
        let exchange = row.get::<_, i64>(0)?.cast_unsigned();
        if exchange != 0 && exchanges.len() < NAMED_MAX {
            exchanges.push(exchange);
        }
    }
    let problem = Problem { what: rule.what.to_owned(), exchanges, count, fix: rule.fix };
    Ok((count > 0).then_some(problem))
}

fn unreadable(what: &str, error: &rusqlite::Error) -> Problem {
    let what = format!("could not look whether {what}: {}", error::reason(error));
    Problem { what, exchanges: Vec::new(), count: 1, fix: DAMAGED }
}
