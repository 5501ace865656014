//! How a command ends badly: the exit code goes with the reason, so that a script can tell a failed
//! demonstration from a port that is taken.

use std::fmt;
use std::process::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Code {
    Failed = 1,
    Usage = 2,
    Surroundings = 3,
}

#[derive(Debug)]
struct Stop {
    code: Code,
    text: String,
    /// Something is not there that may be missing: a run of several things goes on without it.
    absent: bool,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Stop {}

/// The command line is wrong.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Stop { code: Code::Usage, text: text.into(), absent: false }.into()
}

/// A port, the disk or the toolchain is in the way; the text says what to do.
pub fn surroundings(text: impl Into<String>) -> anyhow::Error {
    Stop { code: Code::Surroundings, text: text.into(), absent: false }.into()
}

/// Something that not every machine has is not here; the text says what, and how to give it.
pub fn absent(text: impl Into<String>) -> anyhow::Error {
    Stop { code: Code::Surroundings, text: text.into(), absent: true }.into()
}

pub fn is_absent(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Stop>().is_some_and(|stop| stop.absent)
}

/// A file could not be written or read: says so, and knows a full disk when it sees one.
pub fn disk(what: impl fmt::Display, error: &std::io::Error) -> anyhow::Error {
    let help = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room (a built workspace takes about 4 GB in target/), then run it again"
        }
        std::io::ErrorKind::PermissionDenied => {
            "this user may not write there: correct the owner or the permissions"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only: work on a copy elsewhere"
        }
        _ => "see the reason above",
    };
    surroundings(format!("{what}: {error}\n  help: {help}"))
}

pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("\nerror: {error:#}");
    let code = error.downcast_ref::<Stop>().map_or(Code::Failed, |stop| stop.code);
    ExitCode::from(code as u8)
}
