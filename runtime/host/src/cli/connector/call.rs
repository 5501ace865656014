//! `crossdock connector call`: one operation, as a route would call it, without a route. An alias
//! takes component, settings and upstreams from the configuration; a file takes them as arguments.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connector::{Auth, CallContext, Connector, ConnectorConfig, Upstream, UpstreamOptions};

use super::read_component;
use crate::cli::{Failure, block_on};
use crate::clock;
use crate::config::Config;
use crate::limits::Limits;
use crate::running::{self, Secrets};
use crate::state::NoState;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// An alias of the configuration, or a .wasm file.
    connector: String,
    /// The operation, as in `erp.create-order` after the dot.
    operation: String,
    /// The input as JSON; `@FILE` reads a file, `-` standard input.
    #[arg(default_value = "{}")]
    input: String,
    /// For a file: NAME=URL, without credentials. May be repeated.
    #[arg(long, value_name = "NAME=URL")]
    upstream: Vec<String>,
    /// For a file: the connector's settings as JSON.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// The idempotency key. The same key is the same effect.
    #[arg(long)]
    key: Option<String>,
}

/// How long the call may take.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(config: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let input = input(&arguments.input)?;
    let answer = block_on(async {
        let runtime = connector::Runtime::new(
            connector::Options { instances_max: 8, ..Default::default() },
            Arc::new(NoState),
        )
        .map_err(Failure::surroundings)?;
        let connector = if arguments.connector.ends_with(".wasm") {
            of_file(&runtime, arguments).await?
        } else {
            of_alias(&runtime, config, &arguments.connector).await?
        };
        call(&connector, arguments, &input).await
    })??;
    say!("{answer}");
    Ok(())
}

async fn of_file(
    runtime: &connector::Runtime,
    arguments: &Arguments,
) -> Result<Connector, Failure> {
    let bytes = read_component(&PathBuf::from(&arguments.connector))?;
    let mut upstreams = BTreeMap::new();
    for upstream in &arguments.upstream {
        let (name, url) = upstream.split_once('=').ok_or_else(|| {
            Failure::files(format!(
                "--upstream {upstream}: write NAME=URL, as in erp=http://127.0.0.1:9000/erp"
            ))
        })?;
        let options = UpstreamOptions::new(url, Auth::None);
        upstreams.insert(name.to_owned(), Upstream::new(name, options).map_err(Failure::files)?);
    }
    let settings = match &arguments.settings {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| Failure::files(format!("--settings is not JSON: {error}")))?,
        None => serde_json::Value::Null,
    };
    let config = ConnectorConfig { config: settings, upstreams, ..ConnectorConfig::default() };
    runtime.load("connector", &bytes, config).await.map_err(Failure::files)
}

async fn of_alias(
    runtime: &connector::Runtime,
    config: &Path,
    alias: &str,
) -> Result<Connector, Failure> {
    let config = Config::read(config)?;
    let entry = config.connectors.get(alias).ok_or_else(|| {
        let known = config.connectors.keys().map(String::as_str);
        let help =
            crate::suggest::help(alias, known, "name an alias of [connectors], or a .wasm file");
        Failure::files(format!(
            "there is no [connectors.{alias}] in {}\n  help: {help}",
            config.file.display()
        ))
    })?;
    let bytes = read_component(&entry.component)?;
    let limits = Limits::build(&config.limits);
    let failed = |problems: Vec<String>| Failure::files(problems.join("\n\n"));
    let upstreams = running::upstreams(&config, &limits, Secrets::Read).map_err(failed)?;
    running::load_connector(&config, runtime, &upstreams, Secrets::Read, alias, entry, &bytes)
        .await
        .map_err(failed)
}

async fn call(
    connector: &Connector,
    arguments: &Arguments,
    input: &[u8],
) -> Result<String, Failure> {
    let Some((operation, _)) = connector.operation(&arguments.operation) else {
        let known =
            connector.description.operations.iter().map(|described| described.name.as_str());
        let listed: Vec<&str> = known.clone().collect();
        let otherwise = format!("it offers {}", listed.join(", "));
        return Err(Failure::files(format!(
            "the connector has no operation `{}`\n  help: {}",
            arguments.operation,
            crate::suggest::help(&arguments.operation, known, &otherwise)
        )));
    };
    let input = contract::json::read(&operation.input, input).map_err(|violations| {
        let listed: Vec<String> = violations.iter().map(|v| format!("  {v}")).collect();
        Failure::files(format!("the input does not keep its contract:\n{}", listed.join("\n")))
    })?;
    let now = clock::now();
    let context = CallContext {
        exchange: "0000000000000".to_owned(),
        key: arguments.key.clone().unwrap_or_else(|| format!("call/{now}")),
        attempt: 1,
        started_at: now,
        deadline: now + TIMEOUT,
        timeout: TIMEOUT,
        traceparent: "00-00000000000000000000000000000001-0000000000000001-00".to_owned(),
    };
    match connector.call(&arguments.operation, context, &input).await {
        Ok(value) => Ok(contract::json::write(&value)),
        Err(error) => {
            let doubt =
                if error.outcome_unknown() { " (its effect may have happened)" } else { "" };
            Err(Failure::failed(format!("{}: {error}{doubt}", error.code())))
        }
    }
}

fn input(argument: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |name: &str, error: std::io::Error| {
        Failure::files(format!("the input {name} cannot be read: {error}"))
    };
    match argument.strip_prefix('@') {
        Some(file) => std::fs::read(file).map_err(|error| unreadable(file, error)),
        None if argument == "-" => {
            let mut bytes = Vec::new();
            let mut stdin = std::io::stdin();
            stdin.read_to_end(&mut bytes).map_err(|error| unreadable("-", error))?;
            Ok(bytes)
        }
        None => Ok(argument.as_bytes().to_vec()),
    }
}
