//! A process that we started: its output in a file, ready when it says so, stopped by its id and
//! never left behind.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{interrupt, stop};

/// A cold start compiles every component, on a machine that may be busy.
const READY_TIMEOUT: Duration = Duration::from_secs(600);
/// The runtime drains for 30 s at most.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(20);
/// Lines of its output that are shown when it fails.
const TAIL_LINES: usize = 25;

pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// What to start. `log` takes what it prints.
pub struct Start<'a> {
    pub name: &'static str,
    pub program: &'a Path,
    pub arguments: &'a [String],
    pub environment: &'a [(String, String)],
    pub log: PathBuf,
    /// A line that begins so says that it is ready.
    pub ready: &'a str,
}

impl Process {
    /// Starts it and waits for its ready line, which is answered.
    pub fn start(start: &Start<'_>) -> Result<(Process, String)> {
        let before = std::fs::metadata(&start.log).map_or(0, |found| found.len());
        let mut process = Process::spawn(start)?;
        let line = process.until_ready(start.ready, before)?;
        Ok((process, line))
    }

    /// Starts it and waits for nothing.
    pub fn spawn(start: &Start<'_>) -> Result<Process> {
        let unwritable = |error: &std::io::Error| {
            stop::disk(format!("{} cannot be written", start.log.display()), error)
        };
        // What an earlier start of the same name printed is kept, above.
        let log = File::options().create(true).append(true).open(&start.log);
        let log = log.map_err(|error| unwritable(&error))?;
        let child = Command::new(start.program)
            .args(start.arguments)
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|error| unwritable(&error))?)
            .stderr(log)
            // Its own group: an interrupt at the terminal reaches us, and we stop it in order.
            .process_group(0)
            .spawn();
        let child = child.map_err(|error| {
            stop::surroundings(format!("{} cannot be started: {error}", start.program.display()))
        })?;
        Ok(Process { name: start.name, child, log: start.log.clone() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs; an error with what it said last when it has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended by itself ({status}). It said last:\n{}\n  help: all of it is in {}",
                self.name,
                tail(&self.log, 0),
                self.log.display()
            ),
        }
    }

    /// SIGKILL: it has no time for anything.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and time to end in order; answers whether it did.
    pub fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        if let Ok(Some(_)) = self.child.try_wait() {
            return true;
        }
        // The standard library sends no other signal than SIGKILL; the shell's `kill` is everywhere.
        let _ = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\""])
            .arg(self.child.id().to_string())
            .stderr(Stdio::null())
            .status();
        let end = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < end {
            if let Ok(Some(_)) = self.child.try_wait() {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }

    fn until_ready(&mut self, ready: &str, before: u64) -> Result<String> {
        let end = Instant::now() + READY_TIMEOUT;
        loop {
            let text = since(&self.log, before);
            if let Some(line) = text.lines().find(|line| line.starts_with(ready)) {
                return Ok(line.to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                let said = tail(&self.log, before);
                let text = format!("{} did not start ({status}). It said:\n{said}", self.name);
                // 3 is its own word for a port, the disk or a permission.
                return Err(match status.code() {
                    Some(3) => stop::surroundings(text),
                    _ => anyhow::anyhow!(text),
                });
            }
            if Instant::now() > end {
                bail!("{} was not ready in time; see {}", self.name, self.log.display());
            }
            interrupt::sleep(LOOK)?;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A loopback port that nobody has at this moment.
pub fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .map_err(|error| stop::surroundings(format!("no loopback port is free: {error}")))?;
    Ok(listener.local_addr()?)
}

/// Errors with a sentence that helps when somebody has the port.
pub fn must_be_free(address: SocketAddr, what: &str) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(stop::surroundings(format!(
            "port {} is needed for {what} and cannot be had: {error}\n  help: perhaps an earlier demo still runs, or another server; `ss -ltnp 'sport = :{}'` names the process. Stop it and run this again",
            address.port(),
            address.port()
        ))),
    }
}

fn since(log: &Path, before: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let from = usize::try_from(before).unwrap_or(0).min(bytes.len());
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

fn tail(log: &Path, before: u64) -> String {
    let text = since(log, before);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| format!("  {line}\n")).collect()
}
