//! Everything that can go wrong, said so that an admin knows the place, the reason and the fix.
//! No payload, key or secret is ever part of a message.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the journal's folder {} does not exist: create it, or correct `data` in the \
         configuration", path.display()
    )]
    FolderMissing { path: PathBuf },
    #[error(
        "the journal {} is in use by {holder}: stop that process first, or give this one another \
         `data` folder", path.display()
    )]
    Locked { path: PathBuf, holder: String },
    #[error(
        "the journal {} was written by a newer Crossdock (format {found}, this one knows up to \
         {known}): start the newer version again, or restore a backup made before the upgrade",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "{} is not a Crossdock journal ({reason}): move it away, or correct `data` in the \
         configuration. If it was one, it is damaged: start from the last backup", path.display()
    )]
    NotAJournal { path: PathBuf, reason: String },
    #[error("the journal {} cannot be opened: {reason}. {fix}", path.display())]
    Open { path: PathBuf, reason: String, fix: &'static str },
    /// A commit failed on its way to disk. What was acknowledged is safe; nothing more is taken.
    #[error("the journal takes nothing more: {reason}")]
    Poisoned { reason: String },
    /// The commit contradicts what is stored. Nothing of it was written; the journal goes on.
    #[error("the journal refused a commit: {reason}")]
    Conflict { reason: String },
    #[error("a commit of {bytes} bytes in {records} records exceeds the journal's limits")]
    TooLarge { records: usize, bytes: usize },
    #[error("the journal {} could not be read: {reason}. {fix}", path.display())]
    Read { path: PathBuf, reason: String, fix: &'static str },
    #[error(
        "the backup was not made: {} exists already; name another file, or move that one away",
        target.display()
    )]
    BackupExists { target: PathBuf },
    #[error(
        "the backup {} was not made: {reason}. Nothing of it was left behind; when the reason is \
         gone, start it again", target.display()
    )]
    Backup { target: PathBuf, reason: String },
    #[error("the journal is closed")]
    Closed,
}

impl Error {
    /// The public code, one for each kind. The `CD08` range is the journal's.
    pub fn code(&self) -> &'static str {
        match self {
            Error::FolderMissing { .. } => "CD0801",
            Error::Locked { .. } => "CD0802",
            Error::Newer { .. } => "CD0803",
            Error::NotAJournal { .. } => "CD0804",
            Error::Open { .. } => "CD0805",
            Error::Poisoned { .. } => "CD0806",
            Error::Conflict { .. } => "CD0807",
            Error::TooLarge { .. } => "CD0808",
            Error::Read { .. } => "CD0809",
            Error::Closed => "CD0810",
            Error::BackupExists { .. } => "CD0811",
            Error::Backup { .. } => "CD0812",
        }
    }

    pub(crate) fn read(path: &Path, error: &rusqlite::Error) -> Error {
        let fix = fix(error.sqlite_error_code());
        Error::Read { path: path.to_owned(), reason: reason(error), fix }
    }

    pub(crate) fn open(path: &Path, error: &rusqlite::Error) -> Error {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                Error::NotAJournal { path, reason: "not an SQLite file".to_owned() }
            }
            code => Error::Open { path, reason: reason(error), fix: fix(code) },
        }
    }

    pub(crate) fn poisoned(path: &Path, error: &rusqlite::Error) -> Error {
        let fix = fix(error.sqlite_error_code());
        let reason = format!(
            "writing {} failed ({}). {fix} Then start again: everything acknowledged is there",
            path.display(),
            reason(error),
        );
        Error::Poisoned { reason }
    }
}

/// What the database says, without parameters or payload.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(message)) => {
            format!("{message}; SQLite code {}", code.extended_code)
        }
        other => other.to_string(),
    }
}

fn fix(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DiskFull) => "Free space on that disk, or raise the journal's size limit.",
        Some(ErrorCode::ReadOnly) => {
            "Give this user write permission on the file and its folder, and check that the disk \
             is not mounted read-only."
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "Check that this user may read and write the folder and the file."
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "Another program holds the file open; close it."
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "The file is damaged: `crossdock journal check` says where. Keep a copy of it, and start \
             from the last backup."
        }
        // SQLite does not say which: some writes of a full disk end here too.
        _ => {
            "Check that the disk is not failing and not full, and that no quota is reached (the \
             system log says more)."
        }
    }
}
