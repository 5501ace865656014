//! InvenTree, as far as it can be had without its database and workers: our sandbox plays it, behind
//! prism, which holds every request and every answer against the description that InvenTree
//! publishes. That description is not part of this repository; without it there is no such product.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use super::Product;
use super::cache::{self, Cache, run};
use super::running::{Place, Program, Running};
use crate::{stop, toolchain, workspace};

pub const PRODUCT: Product = Product {
    name: "inventree",
    says: "WMS: the sandbox's InvenTree behind its published API description",
    install: |cache| description(cache).and_then(|_| sandbox()).map(drop),
    start,
};

/// It protects nothing.
const TOKEN: &str = "inventree_sandbox_token";
/// Names a file that is InvenTree's description in OpenAPI 3, as `invoke dev.schema` prints it.
const VARIABLE: &str = "CROSSDOCK_INVENTREE_SPEC";
const BESIDE: &str = "../shared/specs/inventree.yaml";

/// The sandbox, prism before it, and prism alone, which answers single requests by examples.
fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let prism = cache.node("inventree")?.join("node_modules/.bin/prism");
    let described = description(cache)?;
    let (played, proxy, mock) = (
        place.port("inventree-sandbox")?,
        place.port("inventree-proxy")?,
        place.port("inventree-mock")?,
    );
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let token = [("INVENTREE_TOKEN".to_owned(), TOKEN.to_owned())];
    let sandbox = place.start(&Program {
        name: "inventree-sandbox",
        program: sandbox()?,
        arguments: &[
            "--manual".to_owned(),
            format!("--listen=127.0.0.1:{played}"),
            format!("--keep={}", place.folder("inventree")?.join("kept.json").display()),
        ],
        environment: &token,
        answers: (played, "/sandbox/health"),
    })?;
    // The mock refuses what is wrong in any case; its own examples break the patterns of amounts.
    let prism = |name: &'static str, port: u16, command: [&str; 2], behind: Option<String>| {
        let [command, description] = command;
        let mut arguments = vec![command.to_owned(), "--host=127.0.0.1".to_owned()];
        arguments.extend([format!("--port={port}"), format!("--errors={}", command == "proxy")]);
        arguments.push(described.join(description).display().to_string());
        arguments.extend(behind);
        let environment = [("NO_COLOR".to_owned(), "1".to_owned())];
        let answers = (port, "/api/");
        let program = &prism;
        place.start(&Program {
            name,
            program,
            arguments: &arguments,
            environment: &environment,
            answers,
        })
    };
    let behind = format!("{}/inventree", url(played));
    let running = Running::of(sandbox)
        .with(prism("inventree-proxy", proxy, ["proxy", CLOSED], Some(behind))?)
        .with(prism("inventree-mock", mock, ["mock", OPEN], None)?)
        .tells("INVENTREE_URL", url(proxy))
        .tells("INVENTREE_MOCK_URL", url(mock))
        .tells("INVENTREE_CONTROL", url(played))
        .tells("INVENTREE_TOKEN", TOKEN)
        .tells("INVENTREE_DESCRIPTION", described.join(OPEN).display().to_string())
        .tells("INVENTREE_LOG", place.log("inventree-proxy").display().to_string());
    Ok(running)
}

/// The folder with the published description, reduced to what is used here.
fn description(cache: &Cache) -> Result<PathBuf> {
    let published = published()?;
    let whole = std::fs::read(&published).with_context(|| published.display().to_string())?;
    let script = cache::scripts("inventree").join("reduce.js");
    let reduce = std::fs::read(&script).with_context(|| script.display().to_string())?;
    let packages = cache.node("inventree")?;
    cache.once("inventree-description", &[&whole, &reduce], |folder| {
        let mut node = Command::new("node");
        node.arg(&script).arg(&published).arg(folder).current_dir(&packages);
        let help = "node must be there, and the file be a description in OpenAPI 3";
        run(&mut node, &format!("node {} {}", script.display(), published.display()), help)
    })
}

/// Without and with the rule that nothing is allowed but what is described.
const OPEN: &str = "open.json";
const CLOSED: &str = "closed.json";

fn published() -> Result<PathBuf> {
    let (path, from) = match std::env::var_os(VARIABLE) {
        Some(path) => (PathBuf::from(path), format!("{VARIABLE} names it")),
        None => (workspace::root().join(BESIDE), format!("{BESIDE} is looked at")),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(stop::absent(format!(
        "inventree: its API description is not at {} ({from})\n  help: set {VARIABLE} to InvenTree's description in OpenAPI 3, as `invoke dev.schema` prints it",
        path.display()
    )))
}

/// Built once in a run: whoever stops and starts products again does not wait for cargo.
fn sandbox() -> Result<&'static Path> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if BUILT.get().is_none() {
        let built = toolchain::build(&["sandbox"], &[])?;
        let _ = BUILT.set(built[0].clone());
    }
    BUILT.get().map(PathBuf::as_path).context("the sandbox was not built")
}
