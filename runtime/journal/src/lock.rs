//! One process a journal: a lock file beside it, held for as long as the journal is open. The
//! lock is the operating system's, so a killed process leaves none behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::Error;

/// A process id, with room to spare: what of a lock file is read at most.
const HOLDER_BYTES_MAX: u64 = 32;

/// Dropping it lets the next process in.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(journal: &Path) -> Result<Lock, Error> {
        let path = lock_path(journal);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|error| refused(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&file);
                return Err(Error::Locked { path: journal.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(refused(&path, &error)),
        }
        // The id is for people; the lock holds without it. A full disk is told by the journal.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }
}

fn lock_path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn holder(file: &File) -> String {
    let mut text = String::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    match read.ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(process) if process == std::process::id() => {
            format!("this very process ({process})")
        }
        Some(process) => format!("process {process}"),
        None => "another process".to_owned(),
    }
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    Error::Open {
        path: path.to_owned(),
        reason: error.to_string(),
        fix: "Check that this user may write in the folder and that its disk is not full or \
              mounted read-only.",
    }
}
