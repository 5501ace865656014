//! `prove limits`: ten routes and two connectors share one budget of 50/s with a burst of 10, for 60 s,
//! with more demand than that and a SIGKILL in the middle. Grants are counted where they are given: the
//! runtime logs the instant of each decision (target `crossdock::grant`), the very one that its budget
//! computed with, on the wall clock of its start. A receiver sees them later and closer together, by
//! the jitter of the way; here it counts what came of which route, and that nothing came ungranted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::process::{self, Process, Start};
use crate::{http, interrupt, stop, toolchain, workspace};

const RATE: f64 = 50.0;
const BURST: f64 = 10.0;
const SECONDS: u64 = 60;
const ROUTES: usize = 10;
/// Messages that each route is sent in a second: together 1.6 times the budget.
const DEMAND: f64 = 8.0;
const USED_MIN: f64 = 0.95;
/// The share of the least served route against that of the most served one.
const SHARE_MIN: f64 = 0.7;
/// Instants are logged in microseconds; what rounding may make of a window.
const ROUNDING: f64 = 0.001;

pub fn run(_: &[&str]) -> Result<()> {
    let programs = toolchain::build(&["crossdock"], &[])?;
    let runtime = programs.first().context("cargo built no runtime")?;
    let component = depot()?;
    let folder = workspace::target().join("prove/limits");
    let (messages, admin) = (process::free_port()?, process::free_port()?);
    let system = System::start()?;
    set_up(&folder, &component, messages, admin, system.address)?;
    let arguments = ["run".to_owned()];
    let environment = [
        ("CROSSDOCK_LOG".to_owned(), "warn,crossdock::grant=trace".to_owned()),
        ("NO_COLOR".to_owned(), "1".to_owned()),
    ];
    let log = folder.join("crossdock.log");
    let config = folder.join("crossdock.toml").display().to_string();
    let arguments: Vec<String> =
        ["--config".to_owned(), config].into_iter().chain(arguments).collect();
    let start = || {
        Process::start(&Start {
            name: "crossdock",
            program: runtime,
            arguments: &arguments,
            environment: &environment,
            log: log.clone(),
            ready: "crossdock is running",
        })
    };
    let (process, _) = start()?;
    let done = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..ROUTES).map(|route| send(messages, route, done.clone())).collect();
    // Demand first, so that the measured time has it from its beginning.
    interrupt::sleep(Duration::from_secs(3))?;
    let from = now_s();
    println!("{SECONDS} s of demand for {:.0}/s begin", DEMAND * ROUTES as f64);
    interrupt::sleep(Duration::from_secs(SECONDS / 2))?;
    let killed = now_s();
    process.kill()?;
    let (process, _) = start()?;
    let gap = now_s() - killed;
    println!("killed (SIGKILL) in the middle, and running again after {gap:.1} s");
    let left = (from + SECONDS as f64 + gap - now_s()).max(0.0);
    interrupt::sleep(Duration::from_secs_f64(left))?;
    let until = now_s();
    done.store(true, Ordering::SeqCst);
    process.kill()?;
    for sender in senders {
        let _ = sender.join();
    }
    let all = grants(&log)?;
    let received = system.received();
    let measured = all.iter().filter(|at| (from..until).contains(*at)).count();
    let (widest, over) = worst_window(&all);
    let possible = RATE * (until - from - gap);
    let used = measured as f64 / possible;
    let mut routes: BTreeMap<String, usize> = BTreeMap::new();
    for (route, at) in &received {
        if (from..until).contains(at) {
            *routes.entry(route.clone()).or_default() += 1;
        }
    }
    let least = routes.values().min().copied().unwrap_or(0);
    let most = routes.values().max().copied().unwrap_or(0);
    println!("\nprove limits");
    println!("  grants                          {measured} measured, {} in all", all.len());
    println!("  requests received               {}", received.len());
    println!("  most above rate x T in a window {over:.3}, the burst is {BURST:.0} ({widest})");
    println!("  of the budget used              {:.1} of 100", used * 100.0);
    println!("  not counted: down and starting  {gap:.1} s of {:.1} s", until - from);
    println!("  routes served                   {} of {ROUTES}", routes.len());
    println!("  least and most served           {least} and {most}");
    if over > BURST + ROUNDING {
        bail!("a window had more than burst + rate x T grants: {over:.3} above rate x T");
    }
    if received.len() > all.len() {
        bail!("{} requests on {} grants", received.len(), all.len());
    }
    if used < USED_MIN {
        bail!("only {:.1} of 100 of the budget were used while there was demand", used * 100.0);
    }
    if routes.len() < ROUTES || (least as f64) < SHARE_MIN * most as f64 {
        bail!("a route was starved: {routes:?}");
    }
    Ok(())
}

/// The guest of the tests that stores parcels.
fn depot() -> Result<PathBuf> {
    toolchain::wasm_target()?;
    let folder = workspace::target().join("tmp/guests");
    let target = folder.display().to_string();
    let guests = workspace::root().join("tests/guests");
    toolchain::cargo(
        &guests,
        &["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--target-dir", &target],
    )?;
    Ok(folder.join("wasm32-wasip2/release/depot.wasm"))
}

/// Ten routes, by turns through the one and the other connector.
fn set_up(
    folder: &Path,
    component: &Path,
    messages: SocketAddr,
    admin: SocketAddr,
    system: SocketAddr,
) -> Result<()> {
    let disk = |error: std::io::Error| {
        stop::disk(format!("{} cannot be written", folder.display()), &error)
    };
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(disk)?;
    }
    std::fs::create_dir_all(folder.join("routes")).map_err(disk)?;
    let contracts = workspace::root().join("wit");
    let mut config = format!(
        "environment = \"prove\"\ndata = \"data\"\ncontracts = \"{}\"\n\n[listen]\nhttp = \"{messages}\"\nadmin = \"{admin}\"\n\n[limits.shared]\nrate = \"{RATE}/s\"\nburst = {BURST}\n\n[upstreams.depot]\nbase_url = \"http://{system}\"\n",
        contracts.display()
    );
    for alias in ["one", "two"] {
        config.push_str(&format!(
            "\n[connectors.{alias}]\ncomponent = \"{}\"\nlimit = \"shared\"\n",
            component.display()
        ));
    }
    std::fs::write(folder.join("crossdock.toml"), config).map_err(disk)?;
    for route in 0..ROUTES {
        let alias = if route % 2 == 0 { "one" } else { "two" };
        let text = format!(
            "[route]\nname = \"route-{route}\"\nowner = \"prove\"\n[from.http]\npath = \"/route-{route}\"\naccept = \"acme:depot/parcels.parcel@1\"\n[[step]]\nname = \"stored\"\ncall = \"{alias}.store\"\nwith = \"message\"\n"
        );
        std::fs::write(folder.join(format!("routes/route-{route}.toml")), text).map_err(disk)?;
    }
    Ok(())
}

/// Sends one route its messages, over the restart too: what is not taken is not sent again.
fn send(to: SocketAddr, route: usize, done: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let began = Instant::now();
        let mut number = 0;
        while !done.load(Ordering::SeqCst) {
            number += 1;
            let id = format!("route-{route}.{number}");
            let parcel = json!({ "id": id, "company": "acme", "references": [], "weight": "2.5" });
            let _ = http::post(to, &format!("/route-{route}"), &parcel);
            let due = Duration::from_secs_f64(f64::from(number) / DEMAND);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
    })
}

/// The instants of all grants, in seconds since 1970, in order.
fn grants(log: &Path) -> Result<Vec<f64>> {
    let text = std::fs::read(log).with_context(|| log.display().to_string())?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|line| line.contains("crossdock::grant"));
    let mut all: Vec<f64> = lines
        .filter_map(|line| {
            let (_, at) = line.split_once("at_us=")?;
            let digits = at.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(digits.parse::<u64>().ok()? as f64 / 1e6)
        })
        .collect();
    all.sort_by(f64::total_cmp);
    Ok(all)
}

/// The window with the most grants above rate x T, in words, and by how many.
fn worst_window(all: &[f64]) -> (String, f64) {
    let Some(&first) = all.first() else { return ("no grants".to_owned(), 0.0) };
    // Of a window from grant i to grant j: (j - i + 1) - rate x (t_j - t_i).
    let above = |index: usize| index as f64 - RATE * (all[index] - first);
    let (mut lowest, mut worst, mut window) = (0, 0.0, (0, 0));
    for end in 0..all.len() {
        if above(end) < above(lowest) {
            lowest = end;
        }
        let over = above(end) - above(lowest) + 1.0;
        if over > worst {
            (worst, window) = (over, (lowest, end));
        }
    }
    let (from, to) = window;
    (format!("{} in {:.3} s", to - from + 1, all[to] - all[from]), worst)
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What stands behind the connectors: it answers at once and notes of which route each request is.
struct System {
    address: SocketAddr,
    received: Arc<Mutex<Vec<(String, f64)>>>,
}

impl System {
    fn start() -> Result<System> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let received: Arc<Mutex<Vec<(String, f64)>>> = Arc::default();
        let log = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                // A connection that the kill broke is no affair of ours.
                std::thread::spawn(move || drop(serve(&stream, &log)));
            }
        });
        Ok(System { address, received })
    }

    fn received(&self) -> Vec<(String, f64)> {
        self.received.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<(String, f64)>>) -> std::io::Result<()> {
    const BODY_MAX: usize = 1 << 16;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap_or(0).min(BODY_MAX);
            }
        }
        let at = now_s();
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body);
        let id = body.strip_prefix("id=").unwrap_or_default();
        let route = id.split('.').next().unwrap_or_default().to_owned();
        log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((route, at));
        let answer = "HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nD-1";
        (&mut &*stream).write_all(answer.as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_window_is_found() {
        let even: Vec<f64> = (0..100).map(|n| f64::from(n) / RATE).collect();
        assert!((worst_window(&even).1 - 1.0).abs() < 1e-6);
        let mut burst = vec![0.5; 10];
        burst.extend(&even);
        burst.sort_by(f64::total_cmp);
        let (window, over) = worst_window(&burst);
        assert!((over - 11.0).abs() < 1e-6, "{window}: {over}");
        assert_eq!(worst_window(&[]).1, 0.0);
    }
}
