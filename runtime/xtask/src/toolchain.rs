//! Cargo and the Wasm target: found, or fetched, or a sentence that says how to get them.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{interrupt, stop, workspace};

const WASM: &str = "wasm32-wasip2";

/// Runs cargo in a folder, its output going where ours goes.
pub fn cargo<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<()> {
    cargo_with(folder, arguments, &[])
}

/// The same with more variables of the environment.
pub fn cargo_with<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: &[S],
    environment: &[(String, String)],
) -> Result<()> {
    let shown = shown(arguments);
    println!("$ cargo {shown}");
    let mut command = command(folder, arguments);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let status = command.status().map_err(|error| no_cargo(&error))?;
    if status.success() {
        return Ok(());
    }
    failed(&shown)
}

/// Builds packages of the host's workspace and names their executables. `options` are cargo's.
pub fn build(packages: &[&str], options: &[&str]) -> Result<Vec<PathBuf>> {
    let mut arguments = vec!["build", "--workspace", "--message-format=json-render-diagnostics"];
    arguments.extend(options);
    // The whole workspace: a build of one package resolves features otherwise and would be made
    // twice, once here and once for the tests.
    let shown = shown(&arguments[..2]);
    println!("$ cargo {shown}");
    let output = command(workspace::root(), &arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| no_cargo(&error))?;
    if !output.status.success() {
        failed(&shown)?;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let made: Vec<(String, PathBuf)> = text.lines().filter_map(executable).collect();
    let found = |package: &&str| {
        let made = made.iter().find(|(name, _)| name == package);
        made.map(|(_, path)| path.clone())
            .ok_or_else(|| anyhow::anyhow!("cargo built no executable `{package}`"))
    };
    packages.iter().map(found).collect()
}

/// The text that a cargo command prints.
pub fn cargo_text(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(folder, arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| no_cargo(&error))?;
    if !output.status.success() {
        failed(&arguments.join(" "))?;
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sees to it that guests can be compiled.
pub fn wasm_target() -> Result<()> {
    let library = sysroot()?.join("lib/rustlib").join(WASM);
    if library.is_dir() {
        return Ok(());
    }
    println!("$ rustup target add {WASM}");
    match Command::new("rustup")
        .args(["target", "add", WASM])
        .current_dir(workspace::root())
        .status()
    {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(stop::surroundings(format!(
            "the target {WASM} could not be added\n  help: check that static.rust-lang.org can be reached, then run `rustup target add {WASM}`"
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(stop::surroundings(format!(
            "connectors are compiled for {WASM}, which this Rust does not have, and there is no rustup to add it\n  help: install Rust by https://rustup.rs, or your distribution's package with the standard library for {WASM}"
        ))),
        Err(error) => Err(stop::surroundings(format!("rustup cannot be started: {error}"))),
    }
}

fn sysroot() -> Result<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| {
            stop::surroundings(format!(
                "rustc cannot be started: {error}\n  help: install Rust by https://rustup.rs"
            ))
        })?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn command<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(folder);
    // What `cargo run` told us about this crate must not reach other builds: build scripts that look
    // at it would run again, and everything above them be compiled again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
}

fn shown<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    arguments.join(" ")
}

fn no_cargo(error: &std::io::Error) -> anyhow::Error {
    stop::surroundings(format!(
        "cargo cannot be started: {error}\n  help: install Rust by https://rustup.rs"
    ))
}

fn failed(shown: &str) -> Result<()> {
    if interrupt::interrupted() {
        bail!("interrupted in `cargo {shown}`");
    }
    if let Some(free_mb) = free_mb(workspace::root())
        && free_mb < 200
    {
        return Err(stop::surroundings(format!(
            "`cargo {shown}` failed, and the disk is full: {free_mb} MB are left\n  help: make room (a built workspace takes about 4 GB in target/), then run it again"
        )));
    }
    bail!("`cargo {shown}` failed; its reason stands above")
}

/// What `df` says, where there is one.
fn free_mb(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pm").arg(folder).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}
