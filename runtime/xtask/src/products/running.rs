//! Products that run: where this run keeps their data, on which ports they listen, what whoever
//! uses them must know. Stopped by process id, in the opposite order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::{Process, Start, free_port};
use crate::{http, interrupt, stop};

/// The slowest, a Python server with some hundred modules, on a machine that may be busy.
const READY_TIMEOUT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);

/// One run: its folder, and the ports that its products keep when they are stopped and started.
pub struct Place {
    root: PathBuf,
    ports: RefCell<BTreeMap<&'static str, u16>>,
}

/// A server to start. `answers` is a port and a path: any HTTP status there says that it is ready.
pub struct Program<'a> {
    pub name: &'static str,
    pub program: &'a Path,
    pub arguments: &'a [String],
    pub environment: &'a [(String, String)],
    pub answers: (u16, &'a str),
}

impl Place {
    /// An empty folder; what an earlier run left there is removed.
    pub fn new(root: PathBuf) -> Result<Place> {
        if root.exists() {
            std::fs::remove_dir_all(&root).map_err(|error| {
                stop::disk(format!("{} cannot be emptied", root.display()), &error)
            })?;
        }
        std::fs::create_dir_all(&root)
            .map_err(|error| stop::disk(format!("{} cannot be made", root.display()), &error))?;
        Ok(Place { root, ports: RefCell::default() })
    }

    /// The folder for what one product stores; it outlives a stop and a start of the product.
    pub fn folder(&self, product: &str) -> Result<PathBuf> {
        let folder = self.root.join(product);
        std::fs::create_dir_all(&folder)
            .map_err(|error| stop::disk(format!("{} cannot be made", folder.display()), &error))?;
        Ok(folder)
    }

    /// A loopback port of this run, the same for the same name.
    pub fn port(&self, name: &'static str) -> Result<u16> {
        if let Some(port) = self.ports.borrow().get(name) {
            return Ok(*port);
        }
        let port = free_port()?.port();
        self.ports.borrow_mut().insert(name, port);
        Ok(port)
    }

    /// Starts a server and waits until it answers. Its output goes to NAME.log in this run's folder.
    pub fn start(&self, program: &Program<'_>) -> Result<Process> {
        let mut process = self.spawn(program)?;
        let (port, path) = program.answers;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let end = Instant::now() + READY_TIMEOUT;
        while http::get(address, path).is_err() {
            process.alive()?;
            if Instant::now() > end {
                bail!(
                    "{} was not ready in time; see {}",
                    program.name,
                    self.log(program.name).display()
                );
            }
            interrupt::sleep(LOOK)?;
        }
        Ok(process)
    }

    /// Starts a server and waits for nothing; the port of `answers` is not looked at.
    pub fn spawn(&self, program: &Program<'_>) -> Result<Process> {
        Process::spawn(&Start {
            name: program.name,
            program: program.program,
            arguments: program.arguments,
            environment: program.environment,
            log: self.log(program.name),
            ready: "",
        })
    }

    /// Where what a program prints goes, by its name.
    pub fn log(&self, program: &str) -> PathBuf {
        self.root.join(format!("{program}.log"))
    }
}

/// A product that runs, and what to know of it.
pub struct Running {
    processes: Vec<Process>,
    told: Vec<(String, String)>,
}

impl Running {
    pub fn of(process: Process) -> Running {
        Running { processes: vec![process], told: Vec::new() }
    }

    pub fn with(mut self, process: Process) -> Running {
        self.processes.push(process);
        self
    }

    /// An address or a credential, by the name of the environment variable that suites read.
    pub fn tells(mut self, variable: &str, value: impl Into<String>) -> Running {
        self.told.push((variable.to_owned(), value.into()));
        self
    }

    pub fn told(&self) -> &[(String, String)] {
        &self.told
    }

    /// An error when one of its processes has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::alive)
    }

    /// SIGTERM, last started first.
    pub fn stop(mut self) {
        while let Some(process) = self.processes.pop() {
            process.stop();
        }
    }
}
