//! The example set-up, running: the sandbox that plays the products, and the runtime on
//! examples/order-to-cash with its data in a folder of this run. Demo and proofs work on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http;
use crate::process::{Process, Start};
use crate::runtime::Runtime;
use crate::{connectors, stop, toolchain, workspace};

/// Where everything listens.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub messages: SocketAddr,
    pub admin: SocketAddr,
    pub sandbox: SocketAddr,
}

pub struct SetUp {
    pub at: Addresses,
    /// Dropped, and so stopped, before what it talks to.
    pub runtime: Runtime,
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
        let mut runtime = Runtime::new(programs.runtime, config(), at.messages, at.admin, folder);
        runtime.environment.extend(secrets);
        runtime.environment.push(("SANDBOX".to_owned(), format!("http://{}", at.sandbox)));
        Ok(SetUp { at, runtime, sandbox: process })
    }

    /// Stops both in order.
    pub fn stop(mut self) -> Result<()> {
        let drained = self.runtime.stop();
        self.sandbox.stop();
        drained
    }

    /// An error when one of the two has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        self.sandbox.alive()?;
        self.runtime.alive()
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

/// The shipped routes but for those of reconciliation: they look after days, and would be under way
/// still when all else is over.
pub fn hurried_routes(folder: &Path) -> Result<String> {
    let folder = folder.join("routes");
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir(workspace::root().join("routes"))? {
        let file = entry?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".toml") && !name.starts_with("reconciliation-") {
            std::fs::copy(file.path(), folder.join(&name))?;
        }
    }
    Ok(folder.display().to_string())
}

/// Lines `NAME=value`; what begins with # is a comment.
pub fn read_secrets(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.trim().split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
