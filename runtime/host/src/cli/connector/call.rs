//! `crossdock connector call`: one operation, as a route would call it, without a route. An alias
//! takes component, settings and upstreams from the configuration; a file takes them as arguments.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connector::{
    Auth, CallContext, CallError, Connector, ConnectorConfig, Retry, Upstream, UpstreamOptions,
};

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
    /// When the first attempt of this effect began, as in 2026-04-02T10:00:00Z. Probes look from here
    /// on. [default: now]
    #[arg(long, value_name = "TIME")]
    started_at: Option<jiff::Timestamp>,
}

/// How long the call may take.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(config: &Path, json: bool, arguments: &Arguments) -> Result<(), Failure> {
    let input = input(&arguments.input)?;
    let answer = block_on(async {
        let connector = if arguments.connector.ends_with(".wasm") {
            of_file(&runtime(None)?, arguments).await?
        } else {
            of_alias(config, &arguments.connector).await?
        };
        call(&connector, arguments, &input).await
    })??;
    match answer {
        Ok(value) => say!("{value}"),
        Err(error) if json => {
            say!("{}", fault(&error));
            return Err(Failure::told());
        }
        Err(error) => {
            let doubt =
                if error.outcome_unknown() { " (its effect may have happened)" } else { "" };
            return Err(Failure::failed(format!("{}: {error}{doubt}", error.code())));
        }
    }
    Ok(())
}

fn runtime(cache_dir: Option<PathBuf>) -> Result<connector::Runtime, Failure> {
    let options = connector::Options { cache_dir, instances_max: 8, ..Default::default() };
    connector::Runtime::new(options, Arc::new(NoState)).map_err(Failure::surroundings)
}

/// For machines: what a route would see in place of an answer, shaped as
/// `crossdock:core/types.fault`.
fn fault(error: &CallError) -> serde_json::Value {
    let fault = error.to_fault();
    let (retry, after_ms) = match fault.retry {
        Retry::Never => ("never", None),
        Retry::Later { after_ms } => ("later", after_ms),
        Retry::RefreshAuth => ("refresh-auth", None),
        Retry::OutcomeUnknown => ("outcome-unknown", None),
    };
    serde_json::json!({ "fault": {
        "code": fault.code,
        "message": fault.message,
        "retry": retry,
        "after_ms": after_ms,
        "status": fault.status,
    } })
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

async fn of_alias(config: &Path, alias: &str) -> Result<Connector, Failure> {
    let config = Config::read(config)?;
    // Compiled components are kept if the folder of the data is there; a call makes none.
    let runtime = runtime(config.data.is_dir().then(|| config.data.join("compiled")))?;
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
    running::load_connector(&config, &runtime, &upstreams, Secrets::Read, alias, entry, &bytes)
        .await
        .map_err(failed)
}

async fn call(
    connector: &Connector,
    arguments: &Arguments,
    input: &[u8],
) -> Result<Result<String, CallError>, Failure> {
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
        started_at: arguments.started_at.unwrap_or(now),
        deadline: now + TIMEOUT,
        timeout: TIMEOUT,
        traceparent: "00-00000000000000000000000000000001-0000000000000001-00".to_owned(),
    };
    let answer = connector.call(&arguments.operation, context, &input).await;
    Ok(answer.map(|value| contract::json::write(&value)))
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
