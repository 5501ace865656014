//! The runtime as a process of ours, with its two doors: messages and the admin API. What stands behind
//! its upstreams, its configuration says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::{Process, Start};
use crate::{http, interrupt};

pub struct Runtime {
    program: PathBuf,
    config: PathBuf,
    pub messages: SocketAddr,
    pub admin_at: SocketAddr,
    /// Journal, compiled components and the log of this run.
    pub folder: PathBuf,
    /// Variables for its configuration.
    pub environment: Vec<(String, String)>,
    process: Option<Process>,
}

impl Runtime {
    /// Started apart, by `start`.
    pub fn new(
        program: PathBuf,
        config: PathBuf,
        messages: SocketAddr,
        admin_at: SocketAddr,
        folder: PathBuf,
    ) -> Runtime {
        let environment = [
            ("CROSSDOCK_HTTP", messages.to_string()),
            ("CROSSDOCK_ADMIN", admin_at.to_string()),
            ("CROSSDOCK_DATA", folder.join("data").display().to_string()),
            ("NO_COLOR", "1".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Runtime { program, config, messages, admin_at, folder, environment, process: None }
    }

    /// Starts it, or starts it again after `kill`.
    pub fn start(&mut self) -> Result<()> {
        let (process, _) = self.starting(Process::start)?;
        self.process = Some(process);
        Ok(())
    }

    /// Starts it and kills it, ready or not, after so long.
    pub fn start_and_kill(&mut self, after: Duration) -> Result<()> {
        let process = self.starting(Process::spawn)?;
        interrupt::sleep(after)?;
        process.kill()
    }

    fn starting<T>(&self, start: impl FnOnce(&Start<'_>) -> Result<T>) -> Result<T> {
        let arguments =
            ["--config".to_owned(), self.config.display().to_string(), "run".to_owned()];
        start(&Start {
            name: "crossdock",
            program: &self.program,
            arguments: &arguments,
            environment: &self.environment,
            log: self.folder.join("crossdock.log"),
            ready: "crossdock is running",
        })
    }

    /// SIGKILL; answers its process id.
    pub fn kill(&mut self) -> Result<u32> {
        let process = self.process.take().context("the runtime does not run")?;
        let id = process.id();
        process.kill()?;
        Ok(id)
    }

    /// SIGTERM, and an error when it does not drain in time.
    pub fn stop(&mut self) -> Result<()> {
        if !self.process.take().is_none_or(Process::stop) {
            bail!(
                "crossdock did not stop in time; see {}",
                self.folder.join("crossdock.log").display()
            );
        }
        Ok(())
    }

    /// An error when it has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::alive)
    }

    /// A question to the admin API.
    pub fn admin(&self, path: &str) -> Result<Value> {
        let answer = http::get(self.admin_at, path)?;
        match answer.status {
            200 => Ok(answer.json()),
            status => bail!("the admin API answered {status} to {path}: {}", answer.text()),
        }
    }

    pub fn metrics(&self) -> Result<String> {
        Ok(http::get(self.admin_at, "/metrics")?.text())
    }

    /// A person's answer to a task.
    pub fn decide(&self, exchange: &str, answer: &str, by: &str) -> Result<()> {
        let path = format!("/v1/tasks/{exchange}/answer");
        let answered =
            http::post(self.admin_at, &path, &json!({ "answer": answer, "by": by, "note": null }))?;
        match answered.status {
            200 => Ok(()),
            status => bail!("the answer `{answer}` was not taken: {status} {}", answered.text()),
        }
    }
}
