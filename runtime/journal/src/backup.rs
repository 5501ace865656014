//! A copy of a journal, also of one in use: one consistent moment, whole or not there at all. It is
//! written beside its final name and takes that name only once it is on disk.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::{Connection, params};

use crate::{Error, error, schema, system_now_ms};

/// Under this name in `meta`: when the copy was made. The first opening takes it out and says so.
pub(crate) const MARK: &str = "backup_at_ms";

#[derive(Clone, Copy, Debug)]
pub struct Backup {
    pub bytes: u64,
    pub exchanges: u64,
    pub took_ms: u128,
}

/// Copies the journal at `path` to `target`, which must not exist. Blocks; needs no lock. Started
/// again after a failure it begins anew.
pub fn backup(path: &Path, target: &Path) -> Result<Backup, Error> {
    let begun = Instant::now();
    let source = schema::open_reader(path)?;
    if target.symlink_metadata().is_ok() {
        return Err(Error::BackupExists { target: target.to_owned() });
    }
    let partial = beside(target);
    let failed = |reason: String| Error::Backup { target: target.to_owned(), reason };
    let io = |error: std::io::Error| failed(error.to_string());
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).open(&partial);
    let file = opened.map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(failed("another backup to the same name is under way".to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    let written = write(&source, path, &partial, &file)
        .map_err(failed)
        .and_then(|exchanges| publish(&partial, target).map(|()| exchanges));
    // Nothing of a failed copy stays; after a good one this is its first name.
    let _ = std::fs::remove_file(&partial);
    let exchanges = written?;
    // Order matters: the name is on disk before anyone is told.
    sync_folder(target).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    Ok(Backup { bytes, exchanges, took_ms: begun.elapsed().as_millis() })
}

fn write(source: &Connection, path: &Path, partial: &Path, file: &File) -> Result<u64, String> {
    let sql = |error: rusqlite::Error| error::reason(&error);
    let name = partial.to_str().ok_or("its name is not UTF-8")?;
    file.set_len(0).map_err(|error| error.to_string())?;
    // Payload is in it: nobody may read the copy who may not read the journal.
    if let Ok(of) = std::fs::metadata(path) {
        file.set_permissions(of.permissions()).map_err(|error| error.to_string())?;
    }
    source.execute("VACUUM INTO ?1", [name]).map_err(sql)?;
    let copy = Connection::open(partial).map_err(sql)?;
    // Not yet published: what fails here is thrown away, so no file for a way back.
    copy.pragma_update(None, "journal_mode", "MEMORY").map_err(sql)?;
    let whole: String =
        copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql)?;
    if whole != "ok" {
        return Err(format!("the copy is damaged ({whole}): run `crossdock journal check`"));
    }
    let marked = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    copy.execute(marked, params![MARK, system_now_ms().cast_signed()]).map_err(sql)?;
    let exchanges: i64 =
        copy.query_row("SELECT count(*) FROM exchange", [], |row| row.get(0)).map_err(sql)?;
    copy.close().map_err(|(_, error)| error::reason(&error))?;
    file.sync_all().map_err(|error| error.to_string())?;
    Ok(exchanges.cast_unsigned())
}

/// Gives the finished copy its name, if that is still free.
fn publish(partial: &Path, target: &Path) -> Result<(), Error> {
    match std::fs::hard_link(partial, target) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Error::BackupExists { target: target.to_owned() })
        }
        // A file system without links.
        Err(_) => std::fs::rename(partial, target).map_err(|error| Error::Backup {
            target: target.to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn sync_folder(of: &Path) -> std::io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::publish;
    use crate::Error;

    #[test]
    fn a_file_that_appeared_while_the_copy_was_made_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (partial, target) = (folder.path().join("copy.partial"), folder.path().join("copy"));
        std::fs::write(&partial, "ours").unwrap();
        std::fs::write(&target, "theirs").unwrap();
        let refused = publish(&partial, &target);
        assert!(matches!(refused, Err(Error::BackupExists { .. })), "{refused:?}");
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
    }
}
