//! A journal in a folder of its own, and records to put into it.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};

use journal::{Accept, Commit, Digest, Fault, Journal, Options, Record, SourceKey};
use tempfile::TempDir;

pub const NOW: u64 = 1_790_000_000_000;

pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub fn open(&self) -> Journal {
        self.open_with(options())
    }

    pub fn open_with(&self, options: Options) -> Journal {
        Journal::open(&self.file(), options).unwrap()
    }

    /// Opened, with the route version that `accept` runs on.
    pub async fn with_route(&self) -> Journal {
        self.with_route_and(options()).await
    }

    pub async fn with_route_and(&self, options: Options) -> Journal {
        let journal = self.open_with(options);
        journal.commit(Commit::new(route("intake"))).await.unwrap();
        journal
    }
}

pub fn options() -> Options {
    Options { now_ms: Some(NOW), ..Options::default() }
}

pub fn version(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

pub fn route(name: &str) -> Vec<Record> {
    let text = format!("[route]\nname = \"{name}\"\n").into_bytes();
    let artifact = Digest::of(&text);
    vec![
        Record::Artifact { digest: artifact, kind: "route".to_owned(), bytes: text },
        Record::RouteVersion { digest: version(name), name: name.to_owned(), artifact },
    ]
}

pub fn accept(exchange: u64) -> Accept {
    Accept {
        exchange,
        route_version: version("intake"),
        parent: None,
        source: "http:/orders".to_owned(),
        client: None,
        earlier_scope: None,
        source_key: None,
        body_digest: None,
        headers: r#"{"idempotency-key":"K"}"#.to_owned(),
        message: br#"{"id":"SO-1"}"#.to_vec(),
        received_at_ms: NOW,
        traceparent: None,
        raw: false,
        replay: None,
        lane: None,
    }
}

pub fn keyed(exchange: u64, key: &str, body: &str) -> Accept {
    let source_key = SourceKey { scope: "http:/orders".to_owned(), key: key.to_owned() };
    let body_digest = Some(Digest::of(body.as_bytes()));
    Accept { source_key: Some(source_key), body_digest, ..accept(exchange) }
}

pub fn outcome(exchange: u64, sequence: u32) -> Record {
    let body = format!(r#"{{"set":{sequence}}}"#);
    Record::Outcome { exchange, sequence, at_ms: NOW + u64::from(sequence), body }
}

pub fn end(exchange: u64) -> Record {
    Record::End { exchange, end: "done".to_owned(), at_ms: NOW + 9 }
}

pub fn key(exchange: u64, name: &str, value: &str) -> Record {
    Record::Key { exchange, name: name.to_owned(), value: value.to_owned() }
}

/// Holds a transaction just before it goes to disk, so that a group can gather behind it.
#[derive(Clone, Default)]
pub struct Gate {
    state: Arc<(Mutex<(bool, bool)>, Condvar)>,
}

impl Gate {
    /// The transaction with this number waits at the gate until `open`.
    pub fn fault(&self, number: u64) -> Fault {
        let gate = self.clone();
        Arc::new(move |transaction| {
            if transaction == number {
                let (state, changed) = &*gate.state;
                let mut held = state.lock().unwrap();
                held.0 = true;
                changed.notify_all();
                while !held.1 {
                    held = changed.wait(held).unwrap();
                }
            }
            Ok(())
        })
    }

    pub fn wait_until_reached(&self) {
        let (state, changed) = &*self.state;
        let mut held = state.lock().unwrap();
        while !held.0 {
            held = changed.wait(held).unwrap();
        }
    }

    pub fn open(&self) {
        let (state, changed) = &*self.state;
        state.lock().unwrap().1 = true;
        changed.notify_all();
    }
}

pub fn task(exchange: u64) -> Record {
    Record::Task(journal::Task {
        exchange,
        step: "review".to_owned(),
        role: "credit-analyst".to_owned(),
        ask: vec!["approve".to_owned()],
        show: "{}".to_owned(),
        due_at_ms: None,
        opened_at_ms: NOW,
    })
}

pub fn exception(exchange: u64) -> Record {
    Record::Exception(journal::Exception {
        exchange,
        class: "mapping".to_owned(),
        owner: "order-desk".to_owned(),
        step: "tax".to_owned(),
        code: "mapping".to_owned(),
        message: "no such field".to_owned(),
        at_ms: NOW,
    })
}

/// By SQLite's check and all of our own rules.
#[track_caller]
pub fn assert_sound(place: &Place) {
    let check = journal::check(&place.file()).unwrap();
    assert_eq!(check.problems, [], "{}", place.file().display());
}

/// Garbage in a page of this table, as a disk may leave it. The journal is closed.
pub fn spoil(place: &Place, table: &str) {
    use std::os::unix::fs::FileExt as _;
    let file = rusqlite::Connection::open(place.file()).unwrap();
    let sql = "SELECT pageno FROM dbstat WHERE name = ?1 ORDER BY pageno DESC LIMIT 1";
    let page: u64 = file.query_row(sql, [table], |row| row.get::<_, i64>(0)).unwrap() as u64;
    drop(file);
    let file = std::fs::OpenOptions::new().write(true).open(place.file()).unwrap();
    let garbage: Vec<u8> = (0..4096_u32).map(|byte| (byte * 31 % 251) as u8).collect();
    file.write_all_at(&garbage, (page - 1) * 4096).unwrap();
}
