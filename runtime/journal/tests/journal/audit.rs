//! The audit trail: chained in the commit of what it tells of, and whatever was done to it shows.

use journal::{Audit, AuditFilter, AuditHead, Commit, Record};

use crate::support::*;

#[tokio::test]
async fn entries_ride_in_their_commit_and_are_listed_newest_first() {
    let place = Place::new();
    let journal = place.with_route().await;
    journal.commit(Commit::new(vec![Record::Accept(accept(1)), audit("ada", "A")])).await.unwrap();
    // Refused as a whole: its entry leaves neither a row nor a gap.
    let refused = Commit::new(vec![audit("eve", "B"), end(99)]);
    assert!(journal.commit(refused).await.is_err());
    journal.commit(Commit::new(vec![audit("bob", "B"), audit("ada", "C")])).await.unwrap();

    let listed = async |filter: AuditFilter| {
        let found = journal.audit(filter).await.unwrap();
        found.iter().map(|entry| (entry.sequence, entry.audit.target.clone())).collect::<Vec<_>>()
    };
    let all = AuditFilter::default;
    let [a, b, c] = [(1, "A".to_owned()), (2, "B".to_owned()), (3, "C".to_owned())];
    assert_eq!(listed(all()).await, [c.clone(), b.clone(), a.clone()]);
    assert_eq!(listed(AuditFilter { by: Some("ada".into()), ..all() }).await, [c.clone(), a]);
    assert_eq!(
        listed(AuditFilter { target: Some("B".into()), ..all() }).await,
        std::slice::from_ref(&b)
    );
    assert_eq!(listed(AuditFilter { before: Some(3), limit: 1, ..all() }).await, [b]);
    assert_eq!(listed(AuditFilter { since_ms: NOW + 1, ..all() }).await, []);
    let replayed = AuditFilter { action: Some("replay".into()), ..all() };
    assert_eq!(listed(replayed).await, []);

    let verdict = journal.verify_audit().await.unwrap();
    assert_eq!((verdict.entries, verdict.broken), (3, None));
    drop(journal);
    let journal = place.open();
    journal.commit(audit("ada", "D").into()).await.unwrap();
    let later = journal.verify_audit_from(Some(verdict.head)).await.unwrap();
    assert_eq!((later.entries, later.base, later.broken), (1, verdict.head, None));
}

#[tokio::test]
async fn whatever_is_done_to_a_row_shows() {
    for (done, sequence, reason) in [
        ("UPDATE audit SET why = 'nobody asked' WHERE sequence = 4", 4, "was changed"),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE sequence = 1", 1, "was changed"),
        ("UPDATE audit SET by = NULL WHERE sequence = 2", 0, ""),
        ("UPDATE audit SET by = x'00' WHERE sequence = 2", 2, "cannot be read"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 9", 9, "was changed"),
        ("UPDATE audit SET hash = zeroblob(5) WHERE sequence = 9", 9, "cannot be read"),
        ("DELETE FROM audit WHERE sequence = 6", 6, "is missing"),
        ("DELETE FROM audit WHERE sequence = 1", 1, "is missing"),
        ("DELETE FROM audit WHERE sequence > 7", 8, "and so is all up to 9"),
        ("DELETE FROM audit", 1, "and so is all up to 9"),
        // Its own hash is right: only the numbers tell.
        (
            "DELETE FROM audit WHERE sequence = 5;
             UPDATE audit SET sequence = sequence - 1 WHERE sequence > 5",
            5,
            "was changed",
        ),
        (
            "INSERT INTO audit SELECT 10, at_ms, 'eve', action, target, why, detail, hash
             FROM audit WHERE sequence = 9",
            10,
            "was changed",
        ),
        (
            "INSERT INTO audit SELECT 0, at_ms, 'eve', action, target, why, detail, hash
             FROM audit WHERE sequence = 9",
            0,
            "before the beginning",
        ),
        (
            "UPDATE audit SET sequence = -1 WHERE sequence = 3;
             UPDATE audit SET sequence = 3 WHERE sequence = 4;
             UPDATE audit SET sequence = 4 WHERE sequence = -1",
            3,
            "was changed",
        ),
        ("UPDATE audit_mark SET sequence = 5 WHERE name = 'head'", 6, "not written by"),
        ("UPDATE audit_mark SET hash = zeroblob(32) WHERE name = 'head'", 10, "not written by"),
    ] {
        let place = Place::new();
        nine_entries(&place).await;
        let file = rusqlite::Connection::open(place.file()).unwrap();
        if let Err(error) = file.execute_batch(done) {
            assert_eq!(reason, "", "{done}: {error}");
            continue;
        }
        drop(file);
        let verdict = place.open().verify_audit().await.unwrap();
        let broken = verdict.broken.unwrap_or_else(|| panic!("nothing shows of: {done}"));
        assert_eq!(broken.sequence, sequence, "{done}: {}", broken.reason);
        assert!(broken.reason.contains(reason), "{done}: {}", broken.reason);
        assert_eq!(verdict.entries, verdict.head.sequence, "{done}");
    }
}

/// Who knows the algorithm can make an entry whose own hash is right. The one after it tells.
#[tokio::test]
async fn an_entry_forged_with_its_hash_breaks_the_next_one() {
    let (place, forger) = (Place::new(), Place::new());
    nine_entries(&place).await;
    let journal = forger.open();
    for target in ["T1", "T2", "T3", "FORGED"] {
        journal.commit(audit("ada", target).into()).await.unwrap();
    }
    drop(journal);
    let file = rusqlite::Connection::open(place.file()).unwrap();
    let from = forger.file();
    file.execute("ATTACH ?1 AS forger", [from.to_str().unwrap()]).unwrap();
    let forged = "DELETE FROM main.audit WHERE sequence = 4;
         INSERT INTO main.audit SELECT * FROM forger.audit WHERE sequence = 4";
    file.execute_batch(forged).unwrap();
    drop(file);
    let broken = place.open().verify_audit().await.unwrap().broken.unwrap();
    assert!(broken.sequence == 5 && broken.reason.contains("was changed"), "{broken:?}");
}

#[tokio::test]
async fn a_noted_head_tells_a_cut_tail_and_a_chain_made_anew() {
    let place = Place::new();
    let noted = nine_entries(&place).await;
    let cut = "DELETE FROM audit WHERE sequence > 7;
         UPDATE audit_mark SET sequence = 7, hash = (SELECT hash FROM audit WHERE sequence = 7)
         WHERE name = 'head'";
    rusqlite::Connection::open(place.file()).unwrap().execute_batch(cut).unwrap();
    let journal = place.open();
    // Cut cleanly, the chain alone knows nothing of it.
    assert_eq!(journal.verify_audit().await.unwrap().broken, None);
    let broken = journal.verify_audit_from(Some(noted)).await.unwrap().broken.unwrap();
    assert!(broken.sequence == 9 && broken.reason.contains("cut"), "{broken:?}");
    // Entries written since do not hide it.
    for target in ["X", "Y", "Z"] {
        journal.commit(audit("eve", target).into()).await.unwrap();
    }
    assert_eq!(journal.verify_audit().await.unwrap().broken, None);
    let broken = journal.verify_audit_from(Some(noted)).await.unwrap().broken.unwrap();
    assert!(broken.sequence == 9 && broken.reason.contains("anew"), "{broken:?}");
}

/// Closed again; the head of its chain.
async fn nine_entries(place: &Place) -> AuditHead {
    let journal = place.open();
    for number in 1..=9 {
        journal.commit(audit("ada", &format!("T{number}")).into()).await.unwrap();
    }
    let verdict = journal.verify_audit().await.unwrap();
    assert_eq!((verdict.entries, verdict.base, verdict.broken), (9, AuditHead::START, None));
    verdict.head
}

fn audit(by: &str, target: &str) -> Record {
    let [by, action, target, why, detail] =
        [by, "exception.retry", target, "the ERP is back", "{}"].map(str::to_owned);
    Record::Audit(Audit { at_ms: NOW, by, action, target, why, detail })
}
