//! A disk that fails at any one operation: whatever was acknowledged is there afterwards, the file
//! is sound, and who was not acknowledged was told why. A shim between SQLite and the operating
//! system strikes at the N-th operation, for every N of a small workload.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use journal::{Commit, Journal, Record};

use crate::support::*;

const CHILD: &str = "CROSSDOCK_JOURNAL_TEST_DISK";
/// Exchanges in the journal before the disk fails, and those that a child tries to add.
const BEFORE: u64 = 3;
const TRIED: u64 = 3;
/// Far more operations than the workload has.
const OPERATIONS_MAX: u32 = 2_000;

#[tokio::test]
async fn a_failed_write_sync_or_cut_loses_nothing_acknowledged() {
    let struck = at_every_operation("any", "eio").await;
    assert!(struck >= 40, "the disk failed at {struck} operations only");
}

#[tokio::test]
async fn a_failed_sync_is_never_taken_for_done() {
    // After a failed fsync the pages count as clean: asking again would say that all is well.
    let struck = at_every_operation("sync", "eio").await;
    assert!(struck >= TRIED as u32, "{struck}");
}

#[tokio::test]
async fn a_disk_that_fills_up_anywhere_loses_nothing_acknowledged() {
    let struck = at_every_operation("write", "full").await;
    assert!(struck >= 30, "the disk filled up at {struck} operations only");
}

#[tokio::test]
async fn a_kill_amid_any_write_or_checkpoint_loses_nothing_acknowledged() {
    let struck = at_every_operation("any", "kill").await;
    assert!(struck >= 40, "killed at {struck} operations only");
}

/// Runs the child once for each operation; answers how many there were.
async fn at_every_operation(kind: &str, how: &str) -> u32 {
    let seed = Place::new();
    let journal = seed.with_route().await;
    for id in 1..=BEFORE {
        let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    drop(journal);
    let (mut refused, mut poisoned) = (0, 0);
    for operation in 1..OPERATIONS_MAX {
        let place = Place::new();
        std::fs::copy(seed.file(), place.file()).unwrap();
        let said = child(&place.file(), &format!("{kind},{operation},{how}"));
        if !said.struck {
            assert!(said.lines.iter().any(|line| line == "closed."), "{:?}", said.lines);
            // Where it fails matters: some at the opening, some at a commit.
            assert!(how == "kill" || poisoned > 0, "no commit failed");
            assert!(how == "kill" || kind == "sync" || refused > 0, "no opening failed");
            return operation - 1;
        }
        let context = || format!("{kind} {operation} {how}: {:#?}", said.lines);
        let mut acknowledged = BEFORE;
        let mut failed = false;
        for line in &said.lines {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            match words.as_slice() {
                ["acknowledged", id, ..] => {
                    assert!(!failed, "acknowledged after a failure: {}", context());
                    acknowledged = id.trim_end_matches('.').parse().unwrap();
                }
                ["refused", code, text] | ["failed", code, text] => {
                    failed = true;
                    let expected = if words[0] == "refused" { "CD0805" } else { "CD0806" };
                    assert_eq!(*code, expected, "{}", context());
                    refused += u32::from(words[0] == "refused");
                    poisoned += u32::from(words[0] == "failed");
                    assert!(text.contains("journal.db"), "no place: {}", context());
                    let full = how == "full" && text.contains("Free space");
                    assert!(full || text.contains("and not full"), "no fix: {}", context());
                }
                _ => {}
            }
        }
        // The disk works again.
        let journal = Journal::open(&place.file(), options())
            .unwrap_or_else(|error| panic!("{error}; {}", context()));
        for id in 1..=BEFORE + TRIED {
            match journal.exchange(id).await.unwrap() {
                Some(stored) => assert_eq!(stored.outcomes.len(), 2, "half: {}", context()),
                None => assert!(id > acknowledged, "exchange {id} is lost: {}", context()),
            }
        }
        let records = vec![Record::Accept(accept(99)), outcome(99, 0)];
        journal.commit(Commit::new(records)).await.unwrap();
        drop(journal);
        assert_sound(&place);
    }
    panic!("the workload does not end");
}

/// A backup to a disk that fails: it is whole, or there is none and the next one is made.
#[tokio::test]
async fn a_backup_to_a_bad_disk_is_whole_or_not_there() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in 1..=BEFORE {
        journal.commit(Record::Accept(accept(id)).into()).await.unwrap();
    }
    for how in ["eio", "full", "kill"] {
        for operation in 1..OPERATIONS_MAX {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("copy.db");
            let said = run_child(
                "disk::child_backs_up_to_a_bad_disk",
                &[("DISK_FAULT_PATH", "copy.db"), ("TARGET", target.to_str().unwrap())],
                &place.file(),
                &format!("any,{operation},{how}"),
            );
            let context = || format!("{how} {operation}: {:#?}", said.lines);
            let told = said.lines.iter().any(|line| line.starts_with("failed CD0812"));
            let done = said.lines.iter().any(|line| line == "closed.");
            assert!(done || target.symlink_metadata().is_err() || how == "kill", "{}", context());
            if how != "kill" {
                assert!(told || done, "{}", context());
                let left = std::fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(left, usize::from(done), "{}", context());
            }
            if target.symlink_metadata().is_err() {
                journal::backup(&place.file(), &target).expect("the disk works again");
            }
            let check = journal::check(&target).unwrap();
            assert_eq!(check.problems, [], "{}", context());
            if !said.struck {
                assert!(operation > 10, "{operation}");
                break;
            }
        }
    }
}

#[test]
#[ignore = "a part of the test before it"]
fn child_backs_up_to_a_bad_disk() {
    let (Some(path), Some(target)) = (std::env::var_os(CHILD), std::env::var_os("TARGET")) else {
        return;
    };
    println!();
    match journal::backup(Path::new(&path), Path::new(&target)) {
        Ok(_) => println!("closed."),
        Err(error) => println!("failed {} {error}", error.code()),
    }
}

struct ChildSaid {
    lines: Vec<String>,
    struck: bool,
}

fn child(file: &Path, fault: &str) -> ChildSaid {
    let test = "disk::child_works_on_a_bad_disk";
    run_child(test, &[("DISK_FAULT_PATH", "journal.db")], file, fault)
}

fn run_child(test: &str, variables: &[(&str, &str)], file: &Path, fault: &str) -> ChildSaid {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(CHILD, file)
        .env("LD_PRELOAD", shim())
        .envs(variables.iter().copied())
        .env("DISK_FAULT", fault)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let lines = out.lines().filter(|line| {
        ["acknowledged ", "refused ", "failed ", "closed."]
            .iter()
            .any(|word| line.starts_with(word))
    });
    let struck = String::from_utf8_lossy(&output.stderr).contains("disk fault");
    ChildSaid { lines: lines.map(str::to_owned).collect(), struck }
}

/// Built once, by the C compiler that built SQLite.
fn shim() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disk_fault.c");
        let process = std::process::id();
        let shim = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk_fault-{process}.so"));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let built = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&shim, &source])
            .arg("-ldl")
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the shim does not build");
        shim
    })
}

/// Run by the tests above in a process of its own.
#[tokio::test]
#[ignore = "a part of the tests before it"]
async fn child_works_on_a_bad_disk() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    println!();
    let journal = match Journal::open(Path::new(&path), options()) {
        Ok(journal) => journal,
        Err(error) => return println!("refused {} {error}", error.code()),
    };
    for id in BEFORE + 1..=BEFORE + TRIED {
        let records = vec![Record::Accept(accept(id)), outcome(id, 0), outcome(id, 1)];
        match journal.commit(Commit::new(records)).await {
            Ok(_) => println!("acknowledged {id}."),
            Err(error) => println!("failed {} {error}", error.code()),
        }
    }
    // The log is folded into the file.
    drop(journal);
    println!("closed.");
}
