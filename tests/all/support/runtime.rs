//! A running `crossdock`: started, spoken to, killed without warning, and started again on the same
//! folder. Ports are the system's choice, told by the line that says it is ready.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{Answer, send};
use super::setup::{Said, Setup};
use super::{wait_for, wait_until};

const ANY: &str = "127.0.0.1:0";

pub struct Runtime {
    pub setup: Setup,
    child: Child,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Runtime {
    #[track_caller]
    pub fn start(setup: Setup) -> Runtime {
        let log = Arc::new(Mutex::new(String::new()));
        let (child, http, admin) = launch(&setup, &log);
        Runtime { setup, child, http, admin, log }
    }

    /// As `start`; the set-up comes back where the runtime ended before it was ready.
    pub fn try_start(setup: Setup) -> Result<Runtime, Setup> {
        let log = Arc::new(Mutex::new(String::new()));
        match launched(&setup, &log) {
            Ok((child, http, admin)) => Ok(Runtime { setup, child, http, admin, log }),
            Err(_) => Err(setup),
        }
    }

    /// Whether it has ended by itself.
    pub fn ended_by_itself(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    #[track_caller]
    pub fn start_again(&mut self) {
        (self.child, self.http, self.admin) = launch(&self.setup, &self.log);
    }

    #[track_caller]
    pub fn crash(&mut self) {
        self.kill();
        self.start_again();
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.is_ok_and(|status| status.success()), "kill -TERM {pid}");
        let ended = wait_for("end after SIGTERM", || self.child.try_wait().expect("a child"));
        ended.code()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn exit(&mut self) -> Option<i32> {
        wait_for("end of the process", || self.child.try_wait().expect("a child")).code()
    }

    /// Everything that it and its predecessors wrote to standard error.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body)
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        match send(self.http, method, path, headers, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}\n{}", self.log()),
        }
    }

    /// A parcel for the routes of these tests; the exchange that has it.
    #[track_caller]
    pub fn parcel(&self, path: &str, id: &str) -> String {
        self.post(path, &parcel(id)).exchange()
    }

    #[track_caller]
    pub fn ask(&self, path: &str) -> Answer {
        match send(self.admin, "GET", path, &[], "") {
            Ok(answer) => answer,
            Err(error) => panic!("GET {path}: {error}\n{}", self.log()),
        }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    #[track_caller]
    pub fn decide(&self, path: &str, body: &Value) -> Answer {
        send(self.admin, "POST", path, &[], &body.to_string()).expect("the admin API answers")
    }

    #[track_caller]
    pub fn answer_task(&self, exchange: &str, answer: &str) {
        let body = json!({ "answer": answer, "by": "ada" });
        // It is listed a moment before its exchange has left memory.
        wait_until("answered task", || {
            self.decide(&format!("/v1/tasks/{exchange}/answer"), &body).status == 200
        });
    }

    #[track_caller]
    pub fn exchange(&self, id: &str) -> Value {
        self.get(&format!("/v1/exchanges/{id}"))
    }

    /// Waits until the exchange has ended, and says how.
    #[track_caller]
    pub fn end_of(&self, id: &str) -> String {
        wait_for("end of the exchange", || {
            let exchange = self.exchange(id);
            assert_ne!(exchange["state"], "excepted", "{exchange:#}\n{}", self.log());
            exchange["end"].as_str().map(str::to_owned)
        })
    }

    /// Waits until the exchange is in this state, and shows it.
    #[track_caller]
    pub fn in_state(&self, id: &str, state: &str) -> Value {
        wait_for(&format!("exchange in state `{state}`"), || {
            Some(self.exchange(id)).filter(|exchange| exchange["state"] == state)
        })
    }

    /// The open exception of an exchange.
    #[track_caller]
    pub fn exception(&self, id: &str) -> Value {
        self.in_state(id, "excepted");
        self.get(&format!("/v1/exceptions/{id}"))
    }

    /// Every exchange of a route.
    #[track_caller]
    pub fn of_route(&self, route: &str) -> Vec<Value> {
        let found = self.get(&format!("/v1/exchanges?route={route}&limit=1000"));
        found["exchanges"].as_array().cloned().expect("a list")
    }

    /// Waits until the route has `count` exchanges that ended so.
    #[track_caller]
    pub fn ended(&self, route: &str, end: &str, count: usize) {
        wait_until(&format!("count of {count} x {end} in {route}"), || {
            self.of_route(route).iter().filter(|found| found["end"] == end).count() >= count
        });
    }

    /// `crossdock ARGUMENTS` against this runtime, as its admin would type it.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Said {
        self.setup.write_config("cli.toml", &self.http.to_string(), &self.admin.to_string());
        let all: Vec<&str> = ["--config", "cli.toml"].iter().chain(arguments).copied().collect();
        self.setup.command(&all).into()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of crossdock ---\n{}", self.log());
        }
    }
}

/// A message of type `acme:depot/parcels.parcel@1`.
pub fn parcel(id: &str) -> String {
    json!({ "id": id, "company": "acme", "references": [], "weight": "2.5" }).to_string()
}

#[track_caller]
fn launch(setup: &Setup, log: &Arc<Mutex<String>>) -> (Child, SocketAddr, SocketAddr) {
    launched(setup, log).unwrap_or_else(|ended| {
        wait_until("last word", || !log.lock().expect("the log").is_empty());
        panic!("crossdock did not start ({ended}):\n{}", log.lock().expect("the log"))
    })
}

/// How it ended, where it was never ready.
fn launched(
    setup: &Setup,
    log: &Arc<Mutex<String>>,
) -> Result<(Child, SocketAddr, SocketAddr), ExitStatus> {
    setup.write_config("crossdock.toml", ANY, ANY);
    let mut child = setup
        .prepared(&["run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("crossdock starts");
    let mut stderr = child.stderr.take().expect("piped");
    let sink = log.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut bytes) {
            sink.lock().expect("the log").push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    });
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    match stdout.lines().map_while(Result::ok).find_map(|line| ready(&line)) {
        Some((http, admin)) => Ok((child, http, admin)),
        None => Err(child.wait().expect("it ends")),
    }
}

/// `crossdock is running: messages at http://ADDRESS, admin at http://ADDRESS`, or by https.
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line = line.strip_prefix("crossdock is running: messages at ")?;
    let (http, admin) = line.split_once(", admin at ")?;
    let address = |url: &str| url.split_once("://")?.1.parse().ok();
    Some((address(http)?, address(admin)?))
}
