//! The example set-up, running: the sandbox that plays the products, and the runtime on
//! examples/order-to-cash with its data in a folder of this run. Demo and proofs work on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http;
use crate::process::{Process, Start};
use crate::{connectors, interrupt, stop, toolchain, workspace};

/// Where everything listens.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub messages: SocketAddr,
    pub admin: SocketAddr,
    pub sandbox: SocketAddr,
}

pub struct SetUp {
    pub at: Addresses,
    /// Journal, compiled components and the logs of this run.
    pub folder: PathBuf,
    programs: Programs,
    secrets: Vec<(String, String)>,
    /// More variables for the runtime's configuration.
    pub environment: Vec<(String, String)>,
    // Dropped in this order: the runtime is stopped before what it talks to.
    runtime: Option<Process>,
    sandbox: Process,
}

#[derive(Clone)]
pub struct Programs {
    pub runtime: PathBuf,
    pub sandbox: PathBuf,
}

impl Programs {
    /// Components and programs, built where they are not yet.
    pub fn build() -> Result<Programs> {
        Programs::build_with(&[])
    }

    /// The same with our own crates optimised too: for runs of many minutes. Dependencies, the long
    /// part of a build, are so in any case.
    pub fn build_fast() -> Result<Programs> {
        Programs::build_with(&["--config", "profile.dev.opt-level=2"])
    }

    fn build_with(options: &[&str]) -> Result<Programs> {
        connectors::build()?;
        let built = toolchain::build(&["crossdock", "sandbox"], options)?;
        let [runtime, sandbox] = <[PathBuf; 2]>::try_from(built)
            .map_err(|_| anyhow::anyhow!("cargo built other programs than asked for"))?;
        Ok(Programs { runtime, sandbox })
    }
}

impl SetUp {
    /// Starts the sandbox; the runtime is started apart. `folder` is emptied first.
    pub fn new(
        programs: Programs,
        at: Addresses,
        folder: PathBuf,
        sandbox: &[&str],
    ) -> Result<SetUp> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|error| {
                stop::disk(format!("{} cannot be emptied", folder.display()), &error)
            })?;
        }
        std::fs::create_dir_all(&folder)
            .map_err(|error| stop::disk(format!("{} cannot be made", folder.display()), &error))?;
        let secrets = read_secrets(&workspace::example().join("sandbox.env"))?;
        let mut arguments = vec!["--listen".to_owned(), at.sandbox.to_string()];
        for product in ["stripe", "shopify"] {
            let url = format!("{product}=http://{}/webhooks/{product}", at.messages);
            arguments.extend(["--webhook".to_owned(), url]);
        }
        arguments.extend(sandbox.iter().map(|argument| (*argument).to_owned()));
        let (process, _) = Process::start(&Start {
            name: "the sandbox",
            program: &programs.sandbox,
            arguments: &arguments,
            environment: &secrets,
            log: folder.join("sandbox.log"),
            ready: "sandbox listening on",
        })?;
        Ok(SetUp {
            at,
            folder,
            programs,
            secrets,
            environment: Vec::new(),
            runtime: None,
            sandbox: process,
        })
    }

    /// Starts the runtime, or starts it again after `kill`.
    pub fn start_runtime(&mut self) -> Result<()> {
        let (process, _) = self.starting(Process::start)?;
        self.runtime = Some(process);
        Ok(())
    }

    /// Starts the runtime and kills it, ready or not, after so long.
    pub fn start_and_kill_runtime(&mut self, after: Duration) -> Result<()> {
        let process = self.starting(Process::spawn)?;
        interrupt::sleep(after)?;
        process.kill()
    }

    fn starting<T>(&self, start: impl FnOnce(&Start<'_>) -> Result<T>) -> Result<T> {
        let mut environment = self.secrets.clone();
        environment.extend(self.environment.iter().cloned());
        environment.extend([
            ("CROSSDOCK_HTTP".to_owned(), self.at.messages.to_string()),
            ("CROSSDOCK_ADMIN".to_owned(), self.at.admin.to_string()),
            ("CROSSDOCK_DATA".to_owned(), self.folder.join("data").display().to_string()),
            ("SANDBOX".to_owned(), format!("http://{}", self.at.sandbox)),
            ("NO_COLOR".to_owned(), "1".to_owned()),
        ]);
        let arguments = ["--config".to_owned(), config().display().to_string(), "run".to_owned()];
        start(&Start {
            name: "crossdock",
            program: &self.programs.runtime,
            arguments: &arguments,
            environment: &environment,
            log: self.folder.join("crossdock.log"),
            ready: "crossdock is running",
        })
    }

    /// Kills the runtime with SIGKILL; answers its process id.
    pub fn kill_runtime(&mut self) -> Result<u32> {
        let process = self.runtime.take().context("the runtime does not run")?;
        let id = process.id();
        process.kill()?;
        Ok(id)
    }

    /// Stops both in order.
    pub fn stop(mut self) -> Result<()> {
        let drained = self.runtime.take().is_none_or(Process::stop);
        self.sandbox.stop();
        if !drained {
            bail!(
                "crossdock did not stop in time; see {}",
                self.folder.join("crossdock.log").display()
            );
        }
        Ok(())
    }

    /// An error when one of the two has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        self.sandbox.alive()?;
        match &mut self.runtime {
            Some(runtime) => runtime.alive(),
            None => Ok(()),
        }
    }

    /// A question to the admin API.
    pub fn admin(&self, path: &str) -> Result<Value> {
        let answer = http::get(self.at.admin, path)?;
        match answer.status {
            200 => Ok(answer.json()),
            status => bail!("the admin API answered {status} to {path}: {}", answer.text()),
        }
    }

    pub fn metrics(&self) -> Result<String> {
        Ok(http::get(self.at.admin, "/metrics")?.text())
    }

    /// A person's answer to a task.
    pub fn decide(&self, exchange: &str, answer: &str, by: &str) -> Result<()> {
        let path = format!("/v1/tasks/{exchange}/answer");
        let answered =
            http::post(self.at.admin, &path, &json!({ "answer": answer, "by": by, "note": null }))?;
        match answered.status {
            200 => Ok(()),
            status => bail!("the answer `{answer}` was not taken: {status} {}", answered.text()),
        }
    }

    /// A control of the sandbox.
    pub fn control(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = http::post(self.at.sandbox, path, body)?;
        match answer.status {
            200..300 => Ok(answer.json()),
            status => bail!("the sandbox answered {status} to {path}: {}", answer.text()),
        }
    }

    /// The sandbox's summary of itself.
    pub fn control_state(&self) -> Result<Value> {
        Ok(http::get(self.at.sandbox, "/sandbox/state")?.json())
    }

    /// The sandbox's rules of misbehaviour, with how often each was asked and hit.
    pub fn control_faults(&self) -> Result<Value> {
        Ok(http::get(self.at.sandbox, "/sandbox/faults")?.json())
    }

    /// What has taken effect in the products.
    pub fn effects(&self) -> Result<Vec<Effect>> {
        let answer = http::get(self.at.sandbox, "/sandbox/effects")?;
        serde_json::from_slice(&answer.body).context("the sandbox's effects cannot be read")
    }
}

/// One kind of effect on one business object under one key.
#[derive(Debug, serde::Deserialize)]
pub struct Effect {
    pub product: String,
    pub effect: String,
    pub reference: String,
    pub key: String,
    pub count: u64,
}

pub fn config() -> PathBuf {
    workspace::example().join("crossdock.toml")
}

/// Lines `NAME=value`; what begins with # is a comment.
fn read_secrets(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.trim().split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
