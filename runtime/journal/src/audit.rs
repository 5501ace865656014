//! The audit trail: who did what to what, when and why. Each entry's hash covers the one before it,
//! so that a changed, lost or moved entry shows. Whoever can rewrite the whole file can rewrite the
//! whole chain: a head noted elsewhere is what proves more.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, params};

use crate::Digest;

/// An action on record. It rides in the commit of what it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    pub at_ms: u64,
    /// A person, or the policy that acted.
    pub by: String,
    /// A word like `exception.retry`, `route.pause`, `retention.drop`.
    pub action: String,
    /// An exchange as people see it, or `route NAME`, `connector NAME`, `limit NAME`.
    pub target: String,
    pub why: String,
    /// JSON: what was decided, without payload.
    pub detail: String,
}

/// A place in the chain. Shown, and read again, as `SEQUENCE:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    pub sequence: u64,
    pub hash: Digest,
}

impl AuditHead {
    /// Before the first entry.
    pub const START: AuditHead = AuditHead { sequence: 0, hash: Digest([0; 32]) };

    /// The place of an entry that follows this one. Part of the stored format: never changed.
    pub(crate) fn then(self, audit: &Audit) -> AuditHead {
        let sequence = self.sequence + 1;
        let (number, at_ms) = (sequence.to_le_bytes(), audit.at_ms.to_le_bytes());
        let hash = Digest::of_parts([
            &self.hash.0[..],
            &number,
            &at_ms,
            audit.by.as_bytes(),
            audit.action.as_bytes(),
            audit.target.as_bytes(),
            audit.why.as_bytes(),
            audit.detail.as_bytes(),
        ]);
        AuditHead { sequence, hash }
    }
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

/// The text is not a noted head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a noted head is SEQUENCE:HASH, as `crossdock audit verify` prints it")]
pub struct NotAHead;

impl FromStr for AuditHead {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<AuditHead, NotAHead> {
        let (sequence, hash) = text.trim().split_once(':').ok_or(NotAHead)?;
        let sequence = sequence.parse().map_err(|_| NotAHead)?;
        Ok(AuditHead { sequence, hash: hash.parse().map_err(|_| NotAHead)? })
    }
}

/// Writes the next entry. The committer alone calls it, so that numbers have no gaps.
pub(crate) fn append(to: &Connection, audit: &Audit) -> rusqlite::Result<()> {
    let head = mark(to, "head")?.then(audit);
    let sequence = head.sequence.cast_signed();
    to.prepare_cached(
        "INSERT INTO audit (sequence, at_ms, by, action, target, why, detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        sequence,
        audit.at_ms.cast_signed(),
        audit.by,
        audit.action,
        audit.target,
        audit.why,
        audit.detail,
        head.hash.0,
    ])?;
    to.prepare_cached("UPDATE audit_mark SET sequence = ?1, hash = ?2 WHERE name = 'head'")?
        .execute(params![sequence, head.hash.0])
        .map(drop)
}

/// An end of the chain: `base` or `head`.
pub(crate) fn mark(from: &Connection, name: &str) -> rusqlite::Result<AuditHead> {
    from.prepare_cached("SELECT sequence, hash FROM audit_mark WHERE name = ?1")?.query_row(
        [name],
        |row| {
            let sequence = row.get::<_, i64>(0)?.cast_unsigned();
            Ok(AuditHead { sequence, hash: Digest(row.get(1)?) })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(by: &str, why: &str) -> Audit {
        let [by, action, target, why, detail] =
            [by, "exception.retry", "7ZZZ", why, "{}"].map(str::to_owned);
        Audit { at_ms: 1_790_000_000_000, by, action, target, why, detail }
    }

    /// A stored format: if this fails, files of released versions no longer verify.
    #[test]
    fn the_hash_of_an_entry_stays_what_it_was() {
        let head = AuditHead::START.then(&entry("ada", "the ERP is back"));
        assert_eq!(
            head.to_string(),
            "1:196d658ed4a6d86d6e36adb11b028ec4d96fa05c3e3e9d8e21f86782281b4d27"
        );
    }

    #[test]
    fn fields_and_places_do_not_run_together() {
        let one = AuditHead::START.then(&entry("ada", "x"));
        assert_ne!(one, AuditHead::START.then(&entry("adax", "")));
        assert_ne!(one.then(&entry("ada", "x")).hash, one.hash);
        let moved = AuditHead { sequence: 5, ..AuditHead::START };
        assert_ne!(one.hash, moved.then(&entry("ada", "x")).hash);
    }

    #[test]
    fn a_noted_head_is_read_again() {
        let head = AuditHead::START.then(&entry("ada", ""));
        assert_eq!(head.to_string().parse(), Ok(head));
        for wrong in ["", "7", "7:", "x:00", ":"] {
            assert_eq!(wrong.parse::<AuditHead>(), Err(NotAHead), "{wrong}");
        }
    }
}
