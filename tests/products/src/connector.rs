//! A connector with its configuration, called by `crossdock connector call`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::told;

/// One alias of a configuration of its own.
pub struct Connector {
    folder: TempDir,
    alias: &'static str,
}

/// `crossdock:core/types.fault`, as a route sees it.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub code: String,
    pub message: String,
    /// `never`, `later`, `refresh-auth` or `outcome-unknown`.
    pub retry: String,
    /// HTTP status of the product, if it gave one.
    pub status: Option<u64>,
}

impl Connector {
    /// `component` is a name of target/connectors; `settings` are TOML: the tables
    /// `[connectors.ALIAS.config]`, `[upstreams.NAME]` and what else the connector needs.
    pub fn new(alias: &'static str, component: &str, settings: &str) -> Connector {
        let folder = tempfile::tempdir().expect("a folder for the configuration");
        let head = format!("data = {:?}\nroutes = []\n", compiled());
        let text = configuration(&head, settings, alias, component);
        std::fs::write(folder.path().join("crossdock.toml"), text)
            .expect("the configuration is written");
        Connector { folder, alias }
    }

    /// One call under a key of its own.
    pub fn call(&self, operation: &str, input: &Value) -> Result<Value, Fault> {
        self.call_with(operation, input, &[])
    }

    /// One call under this idempotency key.
    pub fn call_keyed(&self, operation: &str, input: &Value, key: &str) -> Result<Value, Fault> {
        self.call_with(operation, input, &["--key", key])
    }

    /// One call with more options of `crossdock connector call`.
    pub fn call_with(
        &self,
        operation: &str,
        input: &Value,
        options: &[&str],
    ) -> Result<Value, Fault> {
        let output = Command::new(told("CROSSDOCK"))
            .args(["--json", "--config"])
            .arg(self.folder.path().join("crossdock.toml"))
            .args(["connector", "call", self.alias, operation, &input.to_string()])
            .args(options)
            .output()
            .expect("crossdock starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
            let complained = String::from_utf8_lossy(&output.stderr);
            panic!("{operation} answered no JSON ({error}):\n{said}\n{complained}")
        });
        if output.status.success() {
            return Ok(answer);
        }
        let fault = &answer["fault"];
        assert!(fault.is_object(), "{operation} could not be called: {answer:#}");
        let text = |field: &str| fault[field].as_str().unwrap_or_default().to_owned();
        Err(Fault {
            code: text("code"),
            message: text("message"),
            retry: text("retry"),
            status: fault["status"].as_u64(),
        })
    }
}

/// A configuration with one connector. `head` has the keys that stand before every table.
pub(crate) fn configuration(head: &str, settings: &str, alias: &str, component: &str) -> String {
    let root = root();
    let component = root.join("target/connectors").join(format!("{component}.wasm"));
    let contracts = root.join("wit");
    format!(
        "{head}contracts = {contracts:?}\n[connectors.{alias}]\ncomponent = {component:?}\n{settings}"
    )
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("tests/products lies in the workspace")
}

/// Compiled components are kept here from call to call.
fn compiled() -> PathBuf {
    let folder = root().join("target/products-run/data");
    std::fs::create_dir_all(&folder).expect("a folder for compiled components");
    folder
}
