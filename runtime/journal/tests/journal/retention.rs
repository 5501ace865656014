//! What a policy no longer keeps goes, whole and in small batches; what may still be asked for stays.

use journal::{
    Accept, Audit, AuditFilter, BATCH_ROWS_MAX, Commit, Digest, EndedAt, Error, Journal, Node,
    Record, Retention, SourceKey,
};

use crate::support::*;

const LATER: u64 = NOW + 1_000_000;

#[tokio::test]
async fn an_ended_exchange_goes_with_all_that_is_its_own_and_an_open_one_stays() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in [1, 2] {
        let mut records = vec![Record::Accept(keyed(id, &format!("K{id}"), "body"))];
        records.extend([outcome(id, 0), key(id, "order", "SO-1"), task(id)]);
        journal.commit(Commit::new(records)).await.unwrap();
        journal.commit(exception(id).into()).await.unwrap();
    }
    journal.commit(end(1).into()).await.unwrap();

    // Not old enough, open, unknown: nothing goes.
    assert_eq!(drop_exchanges(&journal, vec![1], NOW, None).await, 0);
    assert_eq!(drop_exchanges(&journal, vec![2, 99], LATER, None).await, 0);
    assert_eq!(journal.ended_before(LATER, 10).await.unwrap(), [1]);
    assert!(drop_exchanges(&journal, vec![1, 2], LATER, None).await > 0);

    assert!(journal.exchange(1).await.unwrap().is_none());
    assert!(journal.ended_before(LATER, 10).await.unwrap().is_empty());
    let open = journal.exchange(2).await.unwrap().unwrap();
    assert_eq!((open.outcomes.len(), open.keys.len()), (1, 1));
    assert_eq!(journal.by_key("order", "SO-1", 10).await.unwrap().len(), 1);
    // Whatever table a later version adds: no row of the exchange is left in it.
    drop(journal);
    let file = rusqlite::Connection::open(place.file()).unwrap();
    for table in tables_with_exchange(&file) {
        let sql = format!("SELECT count(*) FROM {table} WHERE exchange = 1");
        let left: i64 = file.query_row(&sql, [], |row| row.get(0)).unwrap();
        let stays = KEPT_FOR_REPEATS.contains(&table.as_str());
        assert_eq!(left, i64::from(stays && table == "source_key"), "{table}");
    }
    assert_sound(&place);
}

/// They make "once" true for longer than the exchange is kept.
const KEPT_FOR_REPEATS: [&str; 2] = ["source_key", "claim"];

#[tokio::test]
async fn a_source_key_outlives_its_exchange_as_long_as_told() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in 1..=3 {
        let accept = Record::Accept(keyed(id, &format!("K{id}"), &format!("body {id}")));
        journal.commit(accept.into()).await.unwrap();
    }
    let ends = |id, at_ms| Record::End { exchange: id, end: "done".to_owned(), at_ms };
    journal.commit(Commit::new(vec![ends(1, NOW), ends(2, NOW + 50)])).await.unwrap();
    // Of the first even the key is too old; the second one's stays, with the digest of its body.
    assert!(drop_exchanges(&journal, vec![1, 2], LATER, Some(NOW + 10)).await > 0);
    let again = async |id: u64, of: u64| {
        let accept = Record::Accept(keyed(id, &format!("K{of}"), "again"));
        journal.commit(accept.into()).await.unwrap().duplicates
    };
    assert_eq!(again(11, 1).await, []);
    let known = again(12, 2).await;
    assert_eq!((known[0].exchange, known[0].body_digest), (2, Some(Digest::of(b"body 2"))));
    let source = SourceKey { scope: "http:/orders".to_owned(), key: "K2".to_owned() };
    let found = journal.known_source(source).await.unwrap().unwrap();
    assert_eq!((found.exchange, found.body_digest), (2, Some(Digest::of(b"body 2"))));
    // A key goes by the end of its exchange; that of an open one never.
    assert_eq!(drop_keys(&journal, NOW + 50).await, 0);
    assert_eq!(drop_keys(&journal, LATER).await, 1);
    assert_eq!(again(22, 2).await, []);
    assert_eq!(again(23, 3).await[0].exchange, 3);
    drop(journal);
    assert_sound(&place);
}

#[tokio::test]
async fn a_claim_outlives_its_exchange_and_goes_only_with_its_answer() {
    let place = Place::new();
    let journal = place.with_route().await;
    let claim = |id: u64, over: Option<u64>| Record::Claim {
        scope: "erp.post".to_owned(),
        key: format!("I{id}"),
        exchange: over.map_or(id, |_| id + 10),
        path: "post".to_owned(),
        over,
    };
    let settled = |id, key: &str, value: Option<&str>| Record::ClaimSettled {
        scope: "erp.post".to_owned(),
        key: key.to_owned(),
        exchange: id,
        value: value.map(str::to_owned),
    };
    let ends = |id, end: &str, at_ms| Record::End { exchange: id, end: end.to_owned(), at_ms };
    for id in 1..=5 {
        let records = vec![Record::Accept(accept(id)), claim(id, None)];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    // 3 and 5 are given up while nobody knows whether it took effect; 4 goes on.
    let mut records: Vec<_> = [1, 2, 4].map(|id| settled(id, &format!("I{id}"), Some("7"))).into();
    records.extend([ends(1, "done", NOW), ends(2, "done", NOW + 50)]);
    records.extend([ends(3, "discarded", NOW), ends(5, "discarded", NOW)]);
    journal.commit(Commit::new(records)).await.unwrap();
    let held = async |id: u64| {
        let found = journal.claim("erp.post", &format!("I{id}")).await.unwrap();
        found.map(|claim| (claim.exchange, claim.value, claim.open))
    };
    assert_sound(&place);
    // Its exchange is there: so is the claim, however old.
    assert_eq!(drop_keys(&journal, LATER).await, 0);

    drop_exchanges(&journal, vec![1, 2, 3, 4, 5], LATER, Some(NOW + 10)).await;
    assert_eq!(held(1).await, None);
    assert_eq!(held(2).await, Some((2, Some("7".to_owned()), false)));
    assert_eq!(held(3).await, Some((3, None, false)));
    assert_eq!(held(4).await, Some((4, Some("7".to_owned()), true)));
    assert_sound(&place);

    // By the end of its exchange; in doubt or open: never.
    assert_eq!(drop_keys(&journal, NOW + 50).await, 0);
    assert_eq!(drop_keys(&journal, LATER).await, 1);
    assert_eq!(held(2).await, None);
    assert_eq!(held(3).await, Some((3, None, false)));
    assert_eq!(held(4).await, Some((4, Some("7".to_owned()), true)));
    retain(&journal, Retention::Summed(audit("retention", 1))).await;
    let told = journal.audit(AuditFilter::default()).await.unwrap();
    assert!(told[0].audit.detail.contains(r#""claims":2"#), "{told:?}");

    // Another takes over what was left in doubt: from then on it is a claim like any other.
    let records = vec![Record::Accept(accept(13)), claim(3, Some(3))];
    journal.commit(Commit::new(records)).await.unwrap();
    assert_eq!(held(3).await, Some((13, None, true)));
    journal.commit(settled(13, "I3", Some("8")).into()).await.unwrap();
    assert_eq!(drop_keys(&journal, LATER).await, 0, "its exchange is open");
    assert_eq!(held(3).await, Some((13, Some("8".to_owned()), true)));
    assert_eq!(held(5).await, Some((5, None, false)));
    drop(journal);
    assert_sound(&place);
}

#[tokio::test]
async fn a_long_exchange_goes_in_parts_that_are_each_a_beginning() {
    let place = Place::new();
    let journal = place.with_route().await;
    let outcomes = BATCH_ROWS_MAX as u32 * 2 + 10;
    let mut records = vec![Record::Accept(accept(1))];
    records.extend((0..outcomes).map(|sequence| outcome(1, sequence)));
    records.push(end(1));
    journal.commit(Commit::new(records)).await.unwrap();
    let mut batches = 0;
    while let Some(stored) = journal.exchange(1).await.unwrap() {
        let sequences = stored.outcomes.iter().map(|outcome| outcome.sequence);
        assert!(sequences.eq(0..stored.outcomes.len() as u32), "a gap");
        let rows = drop_exchanges(&journal, vec![1], LATER, None).await;
        assert!(rows > 0 && rows <= BATCH_ROWS_MAX as u64 + 10, "{rows} rows");
        batches += 1;
    }
    assert_eq!(batches, 3);
}

#[tokio::test]
async fn a_payload_goes_from_the_disk_and_its_exchange_stays() {
    const SECRET: &str = "Ada-Lovelace-12-St-James-Square";
    let place = Place::new();
    let journal = place.with_route().await;
    for id in [1, 2] {
        let message = format!(r#"{{"to":"{}"}}"#, SECRET.repeat(400)).into_bytes();
        let headers = format!(r#"{{"x-to":"{SECRET}"}}"#);
        let body = format!(r#"{{"set":"{SECRET}"}}"#);
        let records = vec![
            Record::Accept(Accept { message, headers, ..accept(id) }),
            Record::Outcome { exchange: id, sequence: 0, at_ms: NOW, body },
        ];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    journal.commit(end(1).into()).await.unwrap();
    journal.commit(end(2).into()).await.unwrap();
    let found = journal.payloads_before(LATER, EndedAt::default(), 10).await.unwrap();
    assert_eq!(found.iter().map(|found| found.exchange).collect::<Vec<_>>(), [1, 2]);
    for exchange in [1, 2, 99] {
        let outcomes = vec![(0, r#"{"set":{}}"#.to_owned())];
        retain(&journal, Retention::Payload { exchange, at_ms: LATER, outcomes }).await;
    }
    let stored = journal.exchange(1).await.unwrap().unwrap();
    assert_eq!((stored.message.len(), stored.headers.as_str()), (0, "{}"));
    assert_eq!(stored.outcomes[0].body, r#"{"set":{}}"#);
    assert_eq!(stored.payload_dropped_at_ms, Some(LATER));
    assert_eq!(journal.payloads_before(LATER, EndedAt::default(), 10).await.unwrap(), []);
    drop(journal);
    let file = std::fs::read(place.file()).unwrap();
    let left = file.windows(SECRET.len()).filter(|found| *found == SECRET.as_bytes()).count();
    assert_eq!(left, 0, "a dropped payload can be read from the file");
    assert_sound(&place);
}

#[tokio::test]
async fn ids_and_links_go_when_nothing_near_them_is_kept() {
    let place = Place::new();
    let journal = place.with_route().await;
    let node = |system: &str, id: &str| Node::new("acme", "order", system, id);
    let link = |one: &Node, other: &Node| Record::Link { one: one.clone(), other: other.clone() };
    let (own, erp, wms) = (node("crossdock", "SO-1"), node("erp", "S7"), node("wms", "7"));
    let (own2, erp2) = (node("crossdock", "SO-2"), node("erp", "S8"));
    let mut records = vec![Record::Accept(accept(1)), key(1, "order", "SO-1"), end(1)];
    records.extend([Record::Accept(accept(2)), key(2, "order", "SO-2")]);
    records.extend([link(&own, &erp), link(&erp, &wms), link(&own2, &erp2)]);
    journal.commit(Commit::new(records)).await.unwrap();
    let linked = async |node: &Node| journal.linked(node.clone()).await.unwrap().len();
    let unused = async || journal.unused_nodes(0, 100, LATER).await.unwrap().nodes;
    assert!(unused().await.is_empty(), "exchange 1 is kept");
    drop_exchanges(&journal, vec![1], LATER, None).await;
    // A link of today stays although nothing refers to it: who needs it may not have come yet.
    assert!(journal.unused_nodes(0, 100, NOW - 1).await.unwrap().nodes.is_empty());
    let found = unused().await;
    assert_eq!(found.len(), 3);
    // What came into use since it was found stays.
    let again = vec![Record::Accept(accept(3)), key(3, "order", "7")];
    journal.commit(Commit::new(again)).await.unwrap();
    let batch = || Retention::Nodes { nodes: found.clone(), linked_before_ms: LATER };
    assert_eq!(retain(&journal, batch()).await, 0);
    assert_eq!(linked(&wms).await, 3);
    journal.commit(end(3).into()).await.unwrap();
    drop_exchanges(&journal, vec![3], LATER, None).await;
    assert_eq!(retain(&journal, batch()).await, 3);
    assert_eq!((linked(&own).await, linked(&own2).await), (0, 2));
    drop(journal);
    assert_sound(&place);
}

#[tokio::test]
async fn an_idle_version_goes_and_one_that_works_again_stays() {
    let place = Place::new();
    let journal = place.with_route().await;
    let versions = || vec![version("intake")];
    let idle = || Retention::Idle { versions: versions(), at_ms: NOW };
    let over = || Retention::Versions { versions: versions(), idle_before_ms: LATER };
    journal.commit(Record::Accept(accept(1)).into()).await.unwrap();
    retain(&journal, idle()).await;
    assert_eq!(retain(&journal, over()).await, 0, "an exchange on it is open");
    journal.commit(end(1).into()).await.unwrap();
    // An exchange that begins takes the note back, although the version was known to the writer.
    journal.commit(Commit::new(vec![Record::Accept(accept(2)), end(2)])).await.unwrap();
    assert_eq!(journal.kept_versions().await.unwrap()[0].idle_since_ms, None);
    assert_eq!(retain(&journal, over()).await, 0, "it worked since");
    drop_exchanges(&journal, vec![1, 2], LATER, None).await;
    let artifacts = journal.artifacts().await.unwrap();
    let unneeded = || Retention::Artifacts { artifacts: artifacts.clone() };
    assert_eq!(retain(&journal, unneeded()).await, 0, "a version needs it");
    retain(&journal, idle()).await;
    assert_eq!(retain(&journal, over()).await, 1);
    assert_eq!(retain(&journal, unneeded()).await, 1);
    let late = journal.commit(Record::Accept(accept(3)).into()).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
}

#[tokio::test]
async fn the_audit_trail_goes_from_its_old_end_and_still_verifies() {
    let place = Place::new();
    let journal = place.open();
    for at_ms in 1..=9 {
        journal.commit(Record::Audit(audit("ada", at_ms)).into()).await.unwrap();
    }
    let before = journal.verify_audit().await.unwrap();
    assert_eq!(journal.audit_before(NOW + 6, 100).await.unwrap(), Some(5));
    assert_eq!(journal.audit_before(NOW + 6, 3).await.unwrap(), Some(3));
    assert_eq!(retain(&journal, Retention::Audit { through: 5 }).await, 5);
    assert_eq!(retain(&journal, Retention::Audit { through: 5 }).await, 0);
    let verdict = journal.verify_audit().await.unwrap();
    assert_eq!((verdict.entries, verdict.base.sequence, verdict.broken), (4, 5, None));
    assert_eq!(verdict.head, before.head);
    // A head noted before the drop: too old now, and the reason says so.
    let noted = before.base;
    let old = journal.verify_audit_from(Some(noted)).await.unwrap().broken.unwrap();
    assert!(old.reason.contains("retention has dropped it"), "{}", old.reason);
    journal.commit(Record::Audit(audit("ada", 10)).into()).await.unwrap();
    assert_eq!(journal.verify_audit().await.unwrap().head.sequence, 10);
    drop(journal);
    // A broken chain is kept: retention may not wash it.
    let file = rusqlite::Connection::open(place.file()).unwrap();
    file.execute("DELETE FROM audit WHERE sequence = 7", []).unwrap();
    drop(file);
    let journal = place.open();
    assert_eq!(retain(&journal, Retention::Audit { through: 8 }).await, 0);
    assert_eq!(journal.verify_audit().await.unwrap().broken.unwrap().sequence, 7);
}

#[tokio::test]
async fn what_was_dropped_is_summed_in_one_entry_also_over_a_restart() {
    let place = Place::new();
    let journal = place.with_route().await;
    let sum = || Retention::Summed(audit("retention", 0));
    retain(&journal, sum()).await;
    assert!(journal.audit(AuditFilter::default()).await.unwrap().is_empty(), "nothing was dropped");
    for id in 1..=3 {
        let records = vec![Record::Accept(keyed(id, &format!("K{id}"), "")), end(id)];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    drop_exchanges(&journal, vec![1], LATER, None).await;
    drop(journal);
    let journal = place.open();
    drop_exchanges(&journal, vec![2, 3], LATER, None).await;
    drop_keys(&journal, LATER).await;
    retain(&journal, sum()).await;
    retain(&journal, sum()).await;
    let entries = journal.audit(AuditFilter::default()).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].audit.detail, r#"{"exchanges":3,"keys":3}"#);
}

#[tokio::test]
async fn in_a_steady_state_the_file_stops_growing() {
    let place = Place::new();
    let journal = place.with_route().await;
    let mut sizes = Vec::new();
    let mut id = 0;
    for round in 0..14_u64 {
        for _ in 0..150 {
            id += 1;
            let message = vec![b'1'; 3_000 + (id as usize * 37) % 4_000];
            let keyed = keyed(id, &format!("K{id}"), "body");
            let mut records = vec![Record::Accept(Accept { message, ..keyed })];
            records.extend((0..6).map(|sequence| outcome(id, sequence)));
            records.push(key(id, "order", &format!("SO-{id}")));
            let at_ms = NOW + round * 1_000;
            records.push(Record::End { exchange: id, end: "done".to_owned(), at_ms });
            journal.commit(Commit::new(records)).await.unwrap();
        }
        let before_ms = (NOW + round * 1_000).saturating_sub(2_000);
        loop {
            let old = journal.ended_before(before_ms, 50).await.unwrap();
            if old.is_empty() {
                break;
            }
            assert!(drop_exchanges(&journal, old, before_ms, Some(before_ms)).await > 0);
        }
        sizes.push(journal::survey(&place.file()).unwrap().pages);
    }
    let (filled, last) = (sizes[5], sizes[13]);
    assert!(last <= filled + filled / 20, "pages after each round: {sizes:?}");
    drop(journal);
    assert_sound(&place);
}

async fn retain(journal: &Journal, batch: Retention) -> u64 {
    journal.commit(Record::Retention(batch).into()).await.unwrap().dropped
}

async fn drop_exchanges(
    journal: &Journal,
    exchanges: Vec<u64>,
    ended_before_ms: u64,
    keys_before_ms: Option<u64>,
) -> u64 {
    retain(journal, Retention::Exchanges { exchanges, ended_before_ms, keys_before_ms }).await
}

async fn drop_keys(journal: &Journal, ended_before_ms: u64) -> u64 {
    retain(journal, Retention::Keys { ended_before_ms }).await
}

fn audit(by: &str, at_ms: u64) -> Audit {
    let [by, action, target, why, detail] =
        [by, "retention.drop", "journal", "", "{}"].map(str::to_owned);
    Audit { at_ms: NOW + at_ms, by, action, target, why, detail }
}

fn tables_with_exchange(file: &rusqlite::Connection) -> Vec<String> {
    let sql = "SELECT s.name FROM sqlite_schema s JOIN pragma_table_info(s.name) c
               WHERE s.type = 'table' AND c.name = 'exchange' ORDER BY s.name";
    let mut tables = file.prepare(sql).unwrap();
    let found = tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<_>, _>>();
    let found = found.unwrap();
    assert!(found.len() >= 7, "{found:?}");
    found
}

/// However much a sweep is told to drop, a commit waits for one batch of it at most.
#[tokio::test]
async fn commits_go_on_beside_a_sweep() {
    const OLD: u64 = 2_000;
    const ROWS_EACH: u64 = 10;
    let place = Place::new();
    let journal = place.with_route().await;
    for first in (1..=OLD).step_by(500) {
        let mut records = Vec::new();
        for id in first..first + 500 {
            records.push(Record::Accept(keyed(id, &format!("K{id}"), "body")));
            records.extend((0..6).map(|sequence| outcome(id, sequence)));
            records.extend([key(id, "order", &format!("SO-{id}")), end(id)]);
        }
        journal.commit(Commit::new(records)).await.unwrap();
    }
    let mut beside = 0;
    loop {
        let old = journal.ended_before(LATER, OLD as usize).await.unwrap();
        let before = old.len() as u64;
        if before == 0 {
            break;
        }
        let id = OLD + 1 + beside;
        let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
        let (rows, committed) = tokio::join!(
            drop_exchanges(&journal, old, LATER, Some(LATER)),
            journal.commit(Commit::new(records)),
        );
        committed.unwrap();
        assert!(rows > 0 && rows <= BATCH_ROWS_MAX as u64 + ROWS_EACH, "{rows} rows");
        let left = journal.ended_before(LATER, OLD as usize).await.unwrap().len() as u64;
        assert!(before - left <= BATCH_ROWS_MAX as u64 / 6, "{before} became {left}");
        beside += 1;
    }
    assert!(beside >= OLD * ROWS_EACH / (BATCH_ROWS_MAX as u64 + ROWS_EACH), "{beside} batches");
    for id in OLD + 1..=OLD + beside {
        assert_eq!(journal.exchange(id).await.unwrap().unwrap().outcomes.len(), 2);
    }
}
