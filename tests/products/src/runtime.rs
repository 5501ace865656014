//! A running `crossdock` with one connector and routes of a suite; killed at the end of the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::connector::configuration;
use crate::{Http, told};

/// A product that is busy may tell late.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

pub struct Runtime {
    child: Child,
    /// Where messages come in.
    pub http: String,
    admin: Http,
    _folder: TempDir,
}

impl Runtime {
    /// `settings` as for a `Connector`; `routes` are name and text.
    pub fn start(alias: &str, component: &str, settings: &str, routes: &[(&str, &str)]) -> Runtime {
        let folder = tempfile::tempdir().expect("a folder for the configuration");
        let listen = "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n";
        let head = "data = \"data\"\nroutes = \"routes\"\n";
        let text = configuration(head, &format!("{settings}\n{listen}"), alias, component);
        let write = |path: &str, text: &str| {
            std::fs::write(folder.path().join(path), text).expect("the folder can be written");
        };
        write("crossdock.toml", &text);
        std::fs::create_dir(folder.path().join("routes")).expect("a folder for routes");
        for (name, text) in routes {
            write(&format!("routes/{name}.toml"), text);
        }
        let mut child = Command::new(told("CROSSDOCK"))
            .args(["run", "--config", "crossdock.toml"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("crossdock starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = lines.map_while(Result::ok).find_map(|line| ready(&line));
        let (http, admin) = ready.unwrap_or_else(|| panic!("crossdock did not start:\n{text}"));
        Runtime { child, http, admin: Http::new(admin), _folder: folder }
    }

    /// The admin API.
    pub fn get(&self, path: &str) -> Value {
        self.admin.get(path).json()
    }

    /// Every exchange of a route, whole.
    pub fn exchanges(&self, route: &str) -> Vec<Value> {
        let found = self.get(&format!("/v1/exchanges?route={route}&limit=1000"));
        let found = found["exchanges"].as_array().cloned().expect("a list");
        let whole = |row: &Value| {
            self.get(&format!("/v1/exchanges/{}", row["exchange"].as_str().unwrap_or("")))
        };
        found.iter().map(whole).collect()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something; fails when there is nothing in time.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(LOOK);
    }
}

/// `crossdock is running: messages at URL, admin at URL`
fn ready(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("crossdock is running: messages at ")?;
    let (http, admin) = line.split_once(", admin at ")?;
    Some((http.to_owned(), admin.trim().to_owned()))
}
