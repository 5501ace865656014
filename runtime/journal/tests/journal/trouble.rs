//! Disks and files that are not as they should be: a clear word, no lie to a caller.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::{Commit, Error, Journal, Options, Reader, Record};

use crate::support::*;

#[tokio::test]
async fn a_failed_commit_poisons_until_the_next_start() {
    let place = Place::new();
    let fault: journal::Fault = Arc::new(|transaction| match transaction {
        2 => Err("fsync: input/output error".to_owned()),
        _ => Ok(()),
    });
    let journal = place.with_route_and(Options { fault: Some(fault), ..options() }).await;
    journal.commit(Record::Accept(accept(1)).into()).await.unwrap();
    for id in [2, 3] {
        let answer = journal.commit(Record::Accept(accept(id)).into()).await;
        let Err(Error::Poisoned { reason }) = answer else { panic!("{answer:?}") };
        assert!(reason.contains("fsync"), "{reason}");
    }
    assert!(journal.poisoned().is_some());
    assert!(journal.exchange(1).await.unwrap().is_some(), "readers still see what is safe");
    drop(journal);
    let journal = place.open();
    assert!(journal.exchange(1).await.unwrap().is_some());
    for id in [2, 3] {
        assert!(journal.exchange(id).await.unwrap().is_none());
    }
    journal.commit(Record::Accept(accept(2)).into()).await.unwrap();
}

#[tokio::test]
async fn what_queued_behind_a_failed_commit_is_not_written_either() {
    let place = Place::new();
    let gate = Gate::default();
    let hold = gate.fault(1);
    let once = std::sync::atomic::AtomicBool::new(true);
    // The disk works again after one failure, as disks do; nothing may be built on that.
    let fault: journal::Fault = Arc::new(move |transaction| {
        hold(transaction)?;
        let fails = transaction == 1 && once.swap(false, std::sync::atomic::Ordering::SeqCst);
        if fails { Err("fsync: input/output error".to_owned()) } else { Ok(()) }
    });
    let journal = place.with_route_and(Options { fault: Some(fault), ..options() }).await;
    let commit = |id| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.commit(Record::Accept(accept(id)).into()).await })
    };
    let held = commit(1);
    let at_gate = gate.clone();
    tokio::task::spawn_blocking(move || at_gate.wait_until_reached()).await.unwrap();
    let queued = commit(2);
    while journal.stats().queued < 1 {
        tokio::task::yield_now().await;
    }
    gate.open();
    for answer in [held.await.unwrap(), queued.await.unwrap()] {
        assert!(matches!(answer, Err(Error::Poisoned { .. })), "{answer:?}");
    }
    drop(journal);
    assert_eq!(place.open().counts().await.unwrap().ready, 0);
}

#[tokio::test]
async fn a_full_disk_poisons_and_keeps_what_was_acknowledged() {
    let place = Place::new();
    let limit = Options { file_bytes_max: Some(400 << 10), ..options() };
    let journal = place.with_route_and(limit).await;
    let mut acknowledged = 0;
    let reason = loop {
        let big = journal::Accept { message: vec![b'1'; 20_000], ..accept(acknowledged + 1) };
        match journal.commit(Record::Accept(big).into()).await {
            Ok(_) => acknowledged += 1,
            Err(Error::Poisoned { reason }) => break reason,
            Err(other) => panic!("{other}"),
        }
        assert!(acknowledged < 100, "the limit does not hold");
    };
    assert!(acknowledged > 5);
    for part in ["journal.db", "full", "Free space", "start again"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert!(!reason.contains("111"), "a payload in the message: {reason}");
    drop(journal);
    let journal = place.open();
    assert_eq!(journal.counts().await.unwrap().ready, acknowledged);
    journal.commit(Record::Accept(accept(acknowledged + 1)).into()).await.unwrap();
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_gone() {
    let place = Place::new();
    let journal = place.with_route().await;
    let refused = Journal::open(&place.file(), options()).err().unwrap();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    let process = std::process::id().to_string();
    for part in ["journal.db", &process, "stop that process", "`data`"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    // Who only reads need not wait.
    let reader = Reader::open(&place.file(), 1).unwrap();
    journal.commit(Record::Accept(accept(1)).into()).await.unwrap();
    assert!(reader.exchange(1).await.unwrap().is_some());
    let clone = journal.clone();
    drop(journal);
    assert!(Journal::open(&place.file(), options()).is_err(), "a handle is left");
    drop(clone);
    Journal::open(&place.file(), options()).unwrap();
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    let file = rusqlite::Connection::open(place.file()).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    drop(file);
    let before = std::fs::read(place.file()).unwrap();
    check_refused(&place.file(), "CD0803", &["newer Crossdock", "999", "backup"]);
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
}

#[test]
fn what_is_not_a_journal_is_left_alone() {
    let place = Place::new();
    std::fs::write(place.file(), "a letter to a friend, longer than a header".repeat(50)).unwrap();
    let before = std::fs::read(place.file()).unwrap();
    check_refused(&place.file(), "CD0804", &["journal.db", "not an SQLite file", "move it away"]);
    assert_eq!(std::fs::read(place.file()).unwrap(), before);

    let place = Place::new();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    drop(other);
    let before = std::fs::read(place.file()).unwrap();
    check_refused(&place.file(), "CD0804", &["another program", "`songs`"]);
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
}

#[test]
fn places_that_cannot_hold_a_journal_are_named() {
    let place = Place::new();
    let missing = place.folder.path().join("nowhere/journal.db");
    check_refused(&missing, "CD0801", &["nowhere does not exist", "create it", "`data`"]);
    std::fs::create_dir(place.file()).unwrap();
    check_refused(&place.file(), "CD0805", &["journal.db", "unable to open", "read and write"]);
    // A folder that takes no file, not even from root.
    #[cfg(target_os = "linux")]
    check_refused(Path::new("/proc/journal.db"), "CD0805", &["/proc/journal.db.lock", "write"]);
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_told_at_once() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.open());
    std::fs::set_permissions(place.file(), PermissionsExt::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(place.file()).is_ok() {
        return; // Root writes where it likes: the place above stands for it.
    }
    check_refused(&place.file(), "CD0805", &["journal.db", "readonly", "write permission"]);
}

#[tokio::test]
async fn a_garbage_page_is_told_apart_from_an_empty_answer() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in 1..=100 {
        let records = vec![Record::Accept(accept(id)), key(id, "order", &format!("SO-{id}"))];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    drop(journal);
    for (table, read) in [("exchange", true), ("business_key", false), ("open", false)] {
        let damaged = Place::new();
        std::fs::copy(place.file(), damaged.file()).unwrap();
        spoil(&damaged, table);
        // Nothing is mended in silence: a reader is told, and a writer takes nothing more.
        let journal = damaged.open();
        if read {
            let mut answers = Vec::new();
            for id in 1..=100 {
                answers.push(journal.exchange(id).await);
            }
            let told = answers.into_iter().find_map(Result::err).expect("an error");
            assert_eq!(told.code(), "CD0809", "{told}");
            for part in ["journal.db", "malformed", "journal check", "last backup"] {
                assert!(told.to_string().contains(part), "{told}");
            }
        } else {
            let mut refused = None;
            for id in 1..=100 {
                let records = vec![key(id, "invoice", "INV"), end(id)];
                refused = journal.commit(Commit::new(records)).await.err().or(refused);
            }
            let told = refused.unwrap_or_else(|| panic!("{table}: nothing was noticed"));
            assert_eq!(told.code(), "CD0806", "{told}");
            assert!(told.to_string().contains("last backup"), "{told}");
        }
        drop(journal);
        let check = journal::check(&damaged.file()).unwrap();
        assert!(!check.problems.is_empty(), "{table}");
    }
    // The first page: not even a journal any more.
    let mut bytes = std::fs::read(place.file()).unwrap();
    bytes[..4096].fill(0x5a);
    std::fs::write(place.file(), &bytes).unwrap();
    check_refused(&place.file(), "CD0804", &["journal.db", "it is damaged", "last backup"]);
    assert_eq!(std::fs::read(place.file()).unwrap(), bytes);
}

#[tokio::test]
async fn a_long_log_is_folded_into_the_file_without_a_pause() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in 1..=30 {
        let big = journal::Accept { message: vec![b'1'; 1 << 20], ..accept(id) };
        journal.commit(Record::Accept(big).into()).await.unwrap();
    }
    let mut waited = 0;
    while std::fs::metadata(place.file()).unwrap().len() < 12 << 20 {
        assert!(waited < 600, "no checkpoint in 30 s");
        waited += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for id in 31..=90 {
        let big = journal::Accept { message: vec![b'1'; 1 << 20], ..accept(id) };
        journal.commit(Record::Accept(big).into()).await.unwrap();
    }
    assert_eq!(journal.counts().await.unwrap().ready, 90);
    drop(journal);
    assert!(!place.folder.path().join("journal.db-wal").exists(), "a clean close leaves no log");
    assert_eq!(place.open().exchange(90).await.unwrap().unwrap().message.len(), 1 << 20);
}

#[tokio::test]
async fn queued_commits_are_written_although_their_callers_left() {
    let place = Place::new();
    let gate = Gate::default();
    let options = Options { fault: Some(gate.fault(1)), ..options() };
    let journal = place.with_route_and(options).await;
    let held = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.commit(Record::Accept(accept(1)).into()).await })
    };
    let at_gate = gate.clone();
    tokio::task::spawn_blocking(move || at_gate.wait_until_reached()).await.unwrap();
    let commit = Commit::from(Record::Accept(accept(2)));
    let left = tokio::time::timeout(Duration::from_millis(20), journal.commit(commit)).await;
    assert!(left.is_err(), "nothing is acknowledged before the disk has it");
    gate.open();
    held.await.unwrap().unwrap();
    drop(journal);
    assert!(place.open().exchange(2).await.unwrap().is_some());
}

#[track_caller]
fn check_refused(path: &Path, code: &str, parts: &[&str]) {
    let Err(error) = Journal::open(path, options()) else { panic!("{} opened", path.display()) };
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
