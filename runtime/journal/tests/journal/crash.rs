//! Killed at any moment: everything acknowledged is there, and each commit is whole or absent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{Commit, Journal, Record};

use crate::support::*;

const CHILD: &str = "CROSSDOCK_JOURNAL_TEST_CHILD";

#[tokio::test]
async fn a_copy_taken_while_committing_holds_all_that_was_acknowledged() {
    let place = Place::new();
    let journal = place.with_route().await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = {
        let (journal, acknowledged) = (journal.clone(), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for id in 1..=300 {
                let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
                journal.commit(Commit::new(records)).await.unwrap();
                acknowledged.store(id, Ordering::SeqCst);
            }
        })
    };
    let mut seen = 0;
    while seen < 300 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let now = acknowledged.load(Ordering::SeqCst);
        if now < (seen + 60).min(300) {
            assert!(!writer.is_finished() || now == 300, "the writer failed at {now}");
            continue;
        }
        seen = now;
        let copy = copy_of(&place.file());
        let found = whole_exchanges(&copy).await;
        assert!(found >= seen, "{found} recovered of {seen} acknowledged");
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_log_torn_at_any_byte_gives_a_prefix_of_whole_commits() {
    let place = Place::new();
    let journal = place.with_route().await;
    let mut ends = Vec::new();
    let log = place.folder.path().join("journal.db-wal");
    for id in 1..=20 {
        let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
        journal.commit(Commit::new(records)).await.unwrap();
        ends.push((id, std::fs::metadata(&log).unwrap().len()));
    }
    let copy = copy_of(&place.file());
    let whole = std::fs::read(copy.folder.path().join("journal.db-wal")).unwrap();
    let last = ends.last().unwrap().1 as usize;
    let first = ends[0].1 as usize;
    for cut in (first..last).step_by(7_001) {
        let torn = Place::new();
        std::fs::copy(copy.file(), torn.file()).unwrap();
        let log = torn.folder.path().join("journal.db-wal");
        // What lies beyond the cut is garbage, as a disk may leave it.
        let mut bytes = whole[..cut].to_vec();
        bytes.extend((0..5_000).map(|byte| (byte * 31 % 251) as u8));
        std::fs::write(log, bytes).unwrap();
        let safe = ends.iter().filter(|(_, end)| *end as usize <= cut).count() as u64;
        let found = whole_exchanges(&torn).await;
        assert_eq!(found, safe, "cut at {cut}");
    }
}

#[tokio::test]
async fn killed_while_committing_it_has_everything_it_acknowledged() {
    let place = Place::new();
    drop(place.with_route().await);
    let mut all: Vec<u64> = Vec::new();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_commits_until_killed", "--ignored", "--nocapture"])
            .env(CHILD, place.file())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        while acknowledged.len() < 150 + 40 * round {
            let line = lines.next().expect("the child goes on").unwrap();
            acknowledged.extend(id_in(&line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died, not yet read, counts too.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| id_in(&line)));
        all.extend(acknowledged);
        let journal = place.open();
        for id in &all {
            let stored = journal.exchange(*id).await.unwrap().expect("acknowledged");
            assert_eq!(stored.outcomes.len(), 2, "exchange {id} is whole");
        }
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len(), "an id was given out twice");
    }
}

/// Run by the test above in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of the test before it"]
async fn child_commits_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let journal = Journal::open(Path::new(&path), journal::Options::default()).unwrap();
    for _ in 0..8 {
        let journal = journal.clone();
        tokio::spawn(async move {
            loop {
                let id = journal.next_id(NOW);
                let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
                journal.commit(Commit::new(records)).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {id}.").unwrap();
                out.flush().unwrap();
            }
        });
    }
    std::future::pending::<()>().await;
}

/// A line that the kill cut short has no full stop and says nothing.
fn id_in(line: &str) -> Option<u64> {
    line.split_once("acknowledged ")?.1.strip_suffix('.')?.parse().ok()
}

/// As a crash leaves it: the files at this moment, without a clean close.
fn copy_of(file: &Path) -> Place {
    let copy = Place::new();
    // Order matters: the main file stands still until a checkpoint, the log grows meanwhile.
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", file.display());
        std::fs::copy(from, format!("{}{suffix}", copy.file().display())).unwrap();
    }
    copy
}

/// How many exchanges there are; they are numbered without a gap, each with its two outcomes.
async fn whole_exchanges(place: &Place) -> u64 {
    let journal = place.open();
    let open = journal.open_exchanges(0, 10_000).await.unwrap();
    for (position, exchange) in open.iter().enumerate() {
        assert_eq!(exchange.id, position as u64 + 1);
        let stored = journal.exchange(exchange.id).await.unwrap().unwrap();
        assert_eq!(stored.outcomes.len(), 2, "exchange {} is whole", exchange.id);
    }
    open.len() as u64
}
