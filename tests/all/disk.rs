//! A disk that fails under a running `crossdock`: whoever got 202 finds the message after a restart on
//! a repaired disk, whoever did not was told 503, and the process stops and says why.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::built::workspace;
use crate::support::http::send;
use crate::support::runtime::parcel;
use crate::support::setup::{Said, Setup};

/// A route that needs no system.
const NOTED: &str = r#"
[route]
name = "noted"
owner = "yard"
[from.http]
path = "/parcels"
accept = "any"
[[step]]
name = "seen"
set = "message.id"
"#;
/// Requests after which a disk must have failed.
const POSTS_MAX: usize = 20_000;

#[test]
fn a_full_disk_refuses_and_loses_nothing_acknowledged() {
    let said = posted_until_it_stops(on_bad_disk("write,1500,full"));
    assert!(said.contains("Free space") || said.contains("not full"), "{said}");
}

#[test]
fn a_failed_fsync_stops_it_and_loses_nothing_acknowledged() {
    let said = posted_until_it_stops(on_bad_disk("sync,30,eio"));
    assert!(said.contains("I/O error"), "{said}");
}

#[test]
fn a_file_size_limit_refuses_and_loses_nothing_acknowledged() {
    let mut setup = Setup::new().route("noted", NOTED);
    // A write past the limit fails instead of killing. 512 or 1024 bytes a block, as the shell likes.
    setup.shell = Some("trap '' XFSZ; ulimit -f 4096".to_owned());
    posted_until_it_stops(setup);
}

/// A runtime whose journal's disk fails as the shim is told.
fn on_bad_disk(fault: &str) -> Setup {
    let setup = Setup::new().route("noted", NOTED);
    let preload = shim().to_str().expect("a path").to_owned();
    setup.env("LD_PRELOAD", &preload).env("DISK_FAULT_PATH", "journal.db").env("DISK_FAULT", fault)
}

/// Posts until nothing is taken any more, repairs the disk, starts again, and looks for every message
/// that was acknowledged. Answers what the process said.
#[track_caller]
fn posted_until_it_stops(setup: Setup) -> String {
    let mut runtime = setup.start();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..POSTS_MAX {
        match send(runtime.http, "POST", "/parcels", &[], &parcel(&format!("P-{number}"))) {
            Ok(answer) if answer.status == 202 => {
                assert_eq!(refused, 0, "accepted after a refusal");
                acknowledged.push(answer.exchange());
            }
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{answer:?}");
                refused += 1;
            }
            // It has stopped.
            Err(_) => break,
        }
    }
    assert!(acknowledged.len() > 10, "{} acknowledged", acknowledged.len());
    assert_eq!(runtime.exit(), Some(3), "{}", runtime.log());
    let said = runtime.log();
    for part in ["the journal takes nothing more", "journal.db", "everything acknowledged is there"]
    {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    runtime.setup.environment.clear();
    runtime.setup.shell = None;
    runtime.start_again();
    for id in &acknowledged {
        assert_eq!(runtime.end_of(id), "done");
    }
    let check = runtime.cli(&["journal", "check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    said
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let runtime = Setup::new().route("noted", NOTED).start();
    let second = runtime.setup.crossdock(&["run"], "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(second.code, Some(3), "{second:?}");
    for part in ["CD0802", "journal.db", "in use by process", "stop that process first"] {
        assert!(second.err.contains(part), "`{part}` is not in:\n{}", second.err);
    }
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "done");
}

#[test]
fn a_folder_and_a_file_that_may_not_be_written_are_named() {
    let setup = Setup::new().route("noted", NOTED);
    let data = setup.path().join("data");
    std::fs::create_dir(&data).unwrap();
    mode(setup.path(), 0o755);
    mode(&data, 0o555);
    let Some(said) = run_as_anybody(&setup) else { return };
    assert_eq!(said.code, Some(3), "{said:?}");
    for part in ["CD0805", "data/journal.db", "may write in the folder"] {
        assert!(said.err.contains(part), "`{part}` is not in:\n{}", said.err);
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "it left something");

    // A journal of another user.
    let mut runtime = setup.start();
    runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.stop(), Some(0));
    mode(&data, 0o777);
    mode(&data.join("journal.db"), 0o444);
    std::fs::remove_file(data.join("journal.db.lock")).unwrap();
    let said = run_as_anybody(&runtime.setup).expect("it ran before");
    assert_eq!(said.code, Some(3), "{said:?}");
    for part in ["CD0805", "data/journal.db", "write permission"] {
        assert!(said.err.contains(part), "`{part}` is not in:\n{}", said.err);
    }
}

/// `crossdock run` by a user without privileges; none where that user cannot reach the executable.
fn run_as_anybody(setup: &Setup) -> Option<Said> {
    const NOBODY: u32 = 65_534;
    setup.write_config("crossdock.toml", "127.0.0.1:0", "127.0.0.1:0");
    let mut command = setup.prepared(&["run"]);
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if root {
        command.uid(NOBODY);
    }
    match command.output() {
        Ok(output) => Some(output.into()),
        Err(error) if root && error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("skipped: root may write anywhere, and nobody cannot reach the executable");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("our own file");
}

/// The failing disk that the journal's own tests use.
fn shim() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = workspace().join("runtime/journal/tests/disk_fault.c");
        let process = std::process::id();
        let shim = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk_fault-{process}.so"));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let mut command = Command::new(compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]).args([&shim, &source]).arg("-ldl");
        assert!(command.status().is_ok_and(|status| status.success()), "the shim does not build");
        shim
    })
}
