//! The audit trail: listed, and its chain recomputed.

use rusqlite::{Connection, Row, params};

use super::exchange::unsigned;
use super::{Reader, key, rows};
use crate::audit::{self, Audit, AuditHead};
use crate::{Digest, Error};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAudit {
    /// 1, 2, 3, ... without gaps.
    pub sequence: u64,
    pub audit: Audit,
    pub hash: Digest,
}

/// Newest first.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    pub target: Option<String>,
    pub by: Option<String>,
    pub action: Option<String>,
    pub since_ms: u64,
    /// Only entries below this: the sequence of the last one seen.
    pub before: Option<u64>,
    pub limit: usize,
}

impl Default for AuditFilter {
    fn default() -> AuditFilter {
        AuditFilter { target: None, by: None, action: None, since_ms: 0, before: None, limit: 1000 }
    }
}

/// What a recomputation of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerdict {
    /// Entries that hold, up to the first broken one.
    pub entries: u64,
    /// Where the chain began: what is kept of it, or the noted head.
    pub base: AuditHead,
    /// The last entry that holds. Worth noting somewhere else.
    pub head: AuditHead,
    pub broken: Option<AuditBreak>,
}

/// The first place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBreak {
    pub sequence: u64,
    pub reason: String,
}

impl Reader {
    pub async fn audit(&self, filter: AuditFilter) -> Result<Vec<StoredAudit>, Error> {
        self.run(move |from| {
            let of = if filter.target.is_some() { "AND target = ?3" } else { "AND ?3 IS NULL" };
            let mut found = from.prepare_cached(&format!(
                "SELECT sequence, at_ms, by, action, target, why, detail, hash FROM audit
                 WHERE sequence < ?1 {of} AND (?4 IS NULL OR by = ?4)
                 AND (?5 IS NULL OR action = ?5) AND at_ms >= ?6
                 ORDER BY sequence DESC LIMIT ?2"
            ))?;
            let values = params![
                filter.before.map_or(i64::MAX, key),
                rows(filter.limit),
                filter.target,
                filter.by,
                filter.action,
                key(filter.since_ms),
            ];
            found.query_map(values, entry)?.collect()
        })
        .await
    }

    /// Recomputes the whole chain.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, Error> {
        self.verify_audit_from(None).await
    }

    /// Recomputes the chain from a head that was noted earlier: also tells a chain that was made
    /// anew, or whose tail was cut before the noted entry.
    pub async fn verify_audit_from(&self, noted: Option<AuditHead>) -> Result<AuditVerdict, Error> {
        self.run(move |from| verify(from, noted)).await
    }
}

pub(crate) fn verify(
    from: &Connection,
    noted: Option<AuditHead>,
) -> rusqlite::Result<AuditVerdict> {
    let (oldest, newest) = (audit::mark(from, "base")?, audit::mark(from, "head")?);
    let base = noted.unwrap_or(oldest);
    let mut verdict = AuditVerdict { entries: 0, base, head: base, broken: None };
    verdict.broken = match noted {
        Some(noted) => against(from, noted, oldest, newest)?,
        None => None,
    };
    if verdict.broken.is_some() {
        return Ok(verdict);
    }
    let mut kept = from.prepare_cached(
        "SELECT sequence, at_ms, by, action, target, why, detail, hash FROM audit
         WHERE sequence > ?1 ORDER BY sequence",
    )?;
    // Without a noted head every row counts, also one that claims to be older than the base.
    let after = noted.map_or(i64::MIN, |noted| key(noted.sequence));
    let mut found = kept.query([after])?;
    while let Some(row) = found.next()? {
        let stored = match entry(row) {
            Ok(stored) => stored,
            // A column of another type or length: no journal wrote that.
            Err(error) => {
                let reason = format!("cannot be read ({error}): it was changed");
                verdict.broken = Some(AuditBreak { sequence: unsigned(row, 0)?, reason });
                return Ok(verdict);
            }
        };
        let next = verdict.head.then(&stored.audit);
        let reason = if stored.sequence > next.sequence {
            "is missing"
        } else if stored.sequence < next.sequence {
            "stands before the beginning of the chain"
        } else if stored.hash != next.hash {
            "does not match its hash: it, or the entry before it, was changed"
        } else {
            verdict.entries += 1;
            verdict.head = next;
            continue;
        };
        let sequence = stored.sequence.min(next.sequence);
        verdict.broken = Some(AuditBreak { sequence, reason: reason.to_owned() });
        return Ok(verdict);
    }
    if verdict.head != newest {
        let reason = match verdict.head.sequence < newest.sequence {
            true => format!("is missing, and so is all up to {}", newest.sequence),
            false => "was not written by the journal".to_owned(),
        };
        let sequence = verdict.head.sequence.min(newest.sequence) + 1;
        verdict.broken = Some(AuditBreak { sequence, reason });
    }
    Ok(verdict)
}

/// Whether the noted head is still part of the chain.
fn against(
    from: &Connection,
    noted: AuditHead,
    oldest: AuditHead,
    newest: AuditHead,
) -> rusqlite::Result<Option<AuditBreak>> {
    let breaks =
        |reason: &str| Ok(Some(AuditBreak { sequence: noted.sequence, reason: reason.to_owned() }));
    if noted.sequence > newest.sequence {
        return breaks("was noted, and is missing: the end of the trail was cut");
    }
    if noted.sequence < oldest.sequence {
        return breaks("was noted, and retention has dropped it since: note a newer head");
    }
    if noted.sequence == oldest.sequence {
        return match noted == oldest {
            true => Ok(None),
            false => breaks("was noted with another hash: the trail was made anew"),
        };
    }
    let mut find = from.prepare_cached("SELECT hash FROM audit WHERE sequence = ?1")?;
    let mut found = find.query([key(noted.sequence)])?;
    match found.next()? {
        None => breaks("was noted, and is missing"),
        Some(row) if Digest(row.get(0)?) != noted.hash => {
            breaks("was noted with another hash: the trail was made anew")
        }
        Some(_) => Ok(None),
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<StoredAudit> {
    let audit = Audit {
        at_ms: unsigned(row, 1)?,
        by: row.get(2)?,
        action: row.get(3)?,
        target: row.get(4)?,
        why: row.get(5)?,
        detail: row.get(6)?,
    };
    Ok(StoredAudit { sequence: unsigned(row, 0)?, audit, hash: Digest(row.get(7)?) })
}
