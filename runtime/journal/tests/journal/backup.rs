//! Backup, check and survey of a journal in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{AuditFilter, Commit, Record, State};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_one_moment_and_a_journal_that_goes_on() {
    let place = Place::new();
    let journal = place.with_route().await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicU64::new(0));
    let writer = {
        let (journal, acknowledged, stop) =
            (journal.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut id = 0;
            while stop.load(Ordering::SeqCst) == 0 {
                id += 1;
                let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
                journal.commit(Commit::new(records)).await.unwrap();
                acknowledged.store(id, Ordering::SeqCst);
            }
        })
    };
    while acknowledged.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    let copy = Place::new();
    let told = acknowledged.load(Ordering::SeqCst);
    let (from, to) = (place.file(), copy.file());
    let made = tokio::task::spawn_blocking(move || journal::backup(&from, &to)).await.unwrap();
    let made = made.unwrap();
    let later = acknowledged.load(Ordering::SeqCst);
    stop.store(1, Ordering::SeqCst);
    writer.await.unwrap();
    assert!(
        (told..=later + 1).contains(&made.exchanges),
        "{told} <= {} <= {later}",
        made.exchanges
    );
    assert_eq!(made.bytes, std::fs::metadata(copy.file()).unwrap().len());
    assert_eq!(std::fs::read_dir(copy.folder.path()).unwrap().count(), 1, "nothing else is left");
    assert_sound(&copy);
    // It opens as a journal of its own, says what it is, and gives out no id twice.
    let restored = copy.open();
    assert_eq!(restored.counts().await.unwrap().ready, made.exchanges);
    for id in 1..=made.exchanges {
        assert_eq!(restored.exchange(id).await.unwrap().unwrap().outcomes.len(), 2);
    }
    assert!(restored.next_id(NOW) > journal.next_id(NOW) - (1 << 36));
    let entries = restored.audit(AuditFilter::default()).await.unwrap();
    assert_eq!(entries[0].audit.action, "journal.restore");
    restored.commit(end(1).into()).await.unwrap();
    drop(restored);
    assert_eq!(copy.open().audit(AuditFilter::default()).await.unwrap().len(), 1, "noted once");
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_half() {
    let place = Place::new();
    let journal = place.with_route().await;
    journal.commit(Record::Accept(accept(1)).into()).await.unwrap();
    let copy = Place::new();
    std::fs::write(copy.file(), "the only copy of something").unwrap();
    let refused = journal::backup(&place.file(), &copy.file()).unwrap_err();
    assert_eq!(refused.code(), "CD0811", "{refused}");
    assert_eq!(std::fs::read(copy.file()).unwrap(), b"the only copy of something");
    // What an interrupted backup left is no obstacle.
    let target = copy.folder.path().join("two.db");
    std::fs::write(copy.folder.path().join("two.db.partial"), vec![7; 100_000]).unwrap();
    assert_eq!(journal::backup(&place.file(), &target).unwrap().exchanges, 1);
    let mut left: Vec<_> = std::fs::read_dir(copy.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["journal.db", "two.db"]);
    // One at a time to one name.
    let held = std::fs::File::create(copy.folder.path().join("three.db.partial")).unwrap();
    held.try_lock().unwrap();
    let busy = journal::backup(&place.file(), &copy.folder.path().join("three.db")).unwrap_err();
    assert!(busy.to_string().contains("under way"), "{busy}");
    let nowhere = place.folder.path().join("no/such/folder.db");
    let refused = journal::backup(&place.file(), &nowhere).unwrap_err();
    assert_eq!(refused.code(), "CD0812", "{refused}");
    for part in ["folder.db", "No such file", "Nothing of it was left"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[tokio::test]
async fn a_damaged_journal_is_not_copied_as_a_good_one() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in 1..=200 {
        journal.commit(Record::Accept(keyed(id, &format!("K{id}"), "")).into()).await.unwrap();
    }
    drop(journal);
    spoil(&place, "source_key");
    let copy = Place::new();
    let refused = journal::backup(&place.file(), &copy.file()).unwrap_err();
    assert_eq!(refused.code(), "CD0812", "{refused}");
    assert_eq!(std::fs::read_dir(copy.folder.path()).unwrap().count(), 0);
    let check = journal::check(&place.file()).unwrap();
    assert!(!check.problems.is_empty());
    assert!(check.problems[0].fix.contains("last backup"), "{:?}", check.problems[0]);
}

#[tokio::test]
async fn a_check_names_what_contradicts_the_rules() {
    for (done, what, exchanges) in [
        ("DELETE FROM open WHERE exchange = 1", "neither open nor ended", vec![1]),
        ("INSERT INTO ended (exchange, at_ms, ending) VALUES (1, 1, 1)", "both open and", vec![1]),
        ("INSERT INTO open (exchange, state) VALUES (77, 0)", "never accepted", vec![77]),
        ("DELETE FROM outcome WHERE exchange = 1 AND sequence = 1", "have a gap", vec![1]),
        ("DELETE FROM outcome WHERE exchange = 2 AND sequence = 0", "have a gap", vec![2]),
        (
            "INSERT INTO task (exchange, step, role, ask, show, opened_at_ms, answer, closed_at_ms)
                SELECT 77, step, role, ask, show, 1, 'a', 1 FROM task",
            "that is not there",
            vec![77],
        ),
        ("UPDATE exchange SET route_version = 55 WHERE id = 3", "that is not stored", vec![3]),
        ("DELETE FROM artifact", "text is not stored", vec![1, 2, 3]),
        ("UPDATE open SET state = 2 WHERE exchange = 1", "nobody is asked", vec![1]),
        ("DELETE FROM task", "nobody is asked", vec![2]),
        ("DELETE FROM exception", "the desk does not have", vec![3]),
        ("UPDATE open SET state = 0 WHERE exchange = 3", "does not wait for it", vec![3]),
        ("UPDATE open SET state = 1 WHERE exchange = 1", "waits for no time", vec![1]),
        ("UPDATE open SET state = 4 WHERE exchange = 1", "queues in no lane", vec![1]),
        (
            "INSERT INTO lane (exchange, scope, key, passes, turn) VALUES (99, 'a', 'b', 0, 1)",
            "without being open",
            vec![99],
        ),
        (
            "INSERT INTO lane (exchange, scope, key, passes, turn) VALUES (1, 'a', 'b', 0, 0)",
            "that nobody holds",
            vec![1],
        ),
        ("DELETE FROM source_key WHERE key = 'K1'", "would count twice", vec![1]),
        ("UPDATE source_key SET exchange = 2 WHERE key = 'K1'", "would count twice", vec![1]),
        (
            "INSERT INTO source_key (scope, key, exchange) VALUES ('a', 'b', 88)",
            "belongs to an exchange that is not there",
            vec![88],
        ),
        (
            "INSERT INTO claim (scope, key, exchange, path) VALUES ('a', 'b', 66, 'post')",
            "a claim belongs to an exchange that is not there",
            vec![66],
        ),
        (
            "INSERT INTO claim (scope, key, exchange, path, ended_at_ms)
                VALUES ('a', 'b', 1, 'post', 5)",
            "has outlived one that is",
            vec![1],
        ),
        (
            "INSERT INTO claim (scope, key, exchange, path) VALUES ('a', 'b', 1, 'post');
             INSERT INTO claim (scope, key, exchange, path, value) VALUES ('a', 'c', 1, 'post', '7');
             DELETE FROM open WHERE exchange = 1;
             INSERT INTO ending (id, name, count) VALUES (99, 'failed', 1);
             INSERT INTO ended (exchange, at_ms, ending) VALUES (1, 1, 99)",
            "nobody knows what came of its claim",
            vec![1],
        ),
        ("UPDATE meta SET value = 0 WHERE name = 'id_mark'", "not given out yet", vec![]),
        ("DELETE FROM link WHERE one = 1", "one way only", vec![]),
        ("UPDATE audit SET by = 'eve'", "entry 1 of the audit trail", vec![]),
        ("DROP TABLE link", "could not look whether a link", vec![]),
    ] {
        let place = Place::new();
        a_bit_of_everything(&place).await;
        assert_sound(&place);
        rusqlite::Connection::open(place.file()).unwrap().execute_batch(done).expect(done);
        let check = journal::check(&place.file()).unwrap();
        let problem = check.problems.iter().find(|problem| problem.what.contains(what));
        let problem = problem.unwrap_or_else(|| panic!("{done}: {:?}", check.problems));
        if !exchanges.is_empty() {
            assert_eq!(problem.exchanges, exchanges, "{done}");
        }
        assert!(problem.count > 0 && !problem.fix.is_empty(), "{done}");
    }
}

#[tokio::test]
async fn a_survey_counts_what_is_there() {
    let place = Place::new();
    a_bit_of_everything(&place).await;
    let survey = journal::survey(&place.file()).unwrap();
    assert_eq!(survey.open, [(State::Ready, 1), (State::Parked, 1), (State::Excepted, 1)]);
    assert_eq!((survey.ended, survey.payloads_dropped), (1, 0));
    assert_eq!(survey.oldest_open.unwrap().exchange, 1);
    assert_eq!(survey.audit_head.sequence, 1);
    assert_eq!(survey.file_bytes, survey.pages * survey.page_bytes);
    let table = |name: &str| survey.tables.iter().find(|table| table.name == name).unwrap();
    assert_eq!((table("exchange").rows, table("outcome").rows), (4, 9));
    assert!(table("exchange").bytes > 0);
    let whole: u64 = survey.tables.iter().map(|table| table.bytes).sum();
    assert!(whole <= survey.file_bytes, "{whole} of {}", survey.file_bytes);
    let missing = journal::survey(&place.folder.path().join("other.db")).unwrap_err();
    assert!(missing.to_string().contains("no such file"), "{missing}");
}

/// Exchange 1 is ready, 2 parked, 3 excepted, and one with an id of today has ended.
async fn a_bit_of_everything(place: &Place) {
    let journal = place.with_route().await;
    for id in 1..=3 {
        let accept = Record::Accept(keyed(id, &format!("K{id}"), "body"));
        let mut records = vec![accept, key(id, "order", "SO-1")];
        records.extend((0..3).map(|sequence| outcome(id, sequence)));
        journal.commit(Commit::new(records)).await.unwrap();
    }
    let id = journal.next_id(NOW);
    journal.commit(Commit::new(vec![Record::Accept(accept(id)), end(id)])).await.unwrap();
    let node = |system: &str| journal::Node::new("acme", "order", system, "SO-1");
    let link = Record::Link { one: node("crossdock"), other: node("erp") };
    let audit = journal::Audit {
        at_ms: NOW,
        by: "ada".to_owned(),
        action: "exception.retry".to_owned(),
        target: "X".to_owned(),
        why: String::new(),
        detail: "{}".to_owned(),
    };
    let records = vec![task(2), exception(3), link, Record::Audit(audit)];
    journal.commit(Commit::new(records)).await.unwrap();
}
