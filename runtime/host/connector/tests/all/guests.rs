//! Builds the guests of `tests/guests` once, and loads them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use connector::{
    BoxFuture, CallContext, CallError, Connector, ConnectorConfig, Options, Runtime, StateStore,
    Upstream,
};
use contract::Value;

pub fn wasm(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/guests/Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--target", "wasm32-wasip2", "--manifest-path", manifest])
            .arg("--target-dir")
            .arg(&dir)
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the guests do not build");
        dir.join("wasm32-wasip2/release")
    });
    std::fs::read(dir.join(name).with_extension("wasm")).unwrap()
}

/// State in memory, for tests.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<(String, String), Vec<u8>>>);

impl StateStore for Memory {
    fn get<'a>(
        &'a self,
        connector: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        let found = self.0.lock().unwrap().get(&(connector.into(), key.into())).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn set<'a>(
        &'a self,
        connector: &'a str,
        key: &'a str,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let mut state = self.0.lock().unwrap();
            match value {
                Some(value) => drop(state.insert((connector.into(), key.into()), value)),
                None => drop(state.remove(&(connector.into(), key.into()))),
            }
            Ok(())
        })
    }
}

/// A runtime small enough that every test can have its own; compiled guests are shared by the cache.
pub fn runtime() -> Runtime {
    runtime_with(4)
}

pub fn runtime_with(instances_max: u32) -> Runtime {
    let options = Options {
        cache_dir: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
        instances_max,
        idle_max: 2,
        ..Options::default()
    };
    Runtime::new(options, Arc::new(Memory::default())).unwrap()
}

pub async fn hostile(runtime: &Runtime, upstream: Option<Arc<Upstream>>) -> Connector {
    hostile_with(runtime, upstream, ConnectorConfig::default()).await
}

pub async fn hostile_with(
    runtime: &Runtime,
    upstream: Option<Arc<Upstream>>,
    mut config: ConnectorConfig,
) -> Connector {
    let upstream = upstream.unwrap_or_else(|| {
        use connector::{Auth, UpstreamOptions};
        Upstream::new("victim", UpstreamOptions::new("http://127.0.0.1:9", Auth::None)).unwrap()
    });
    config.upstreams.insert("victim".into(), upstream);
    runtime.load("hostile", &wasm("hostile"), config).await.unwrap()
}

pub fn context(key: &str) -> CallContext {
    CallContext {
        exchange: "0000000000001".into(),
        key: key.into(),
        attempt: 1,
        started_at: "2026-03-31T08:15:00Z".parse().unwrap(),
        deadline: "2026-03-31T08:15:10Z".parse().unwrap(),
        timeout: Duration::from_secs(20),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
    }
}

/// Calls an operation of `hostile`.
pub async fn act(
    connector: &Connector,
    operation: &str,
    what: &str,
    arg: &str,
) -> Result<String, CallError> {
    act_in(connector, operation, what, arg, context("k/1/0")).await
}

pub async fn act_in(
    connector: &Connector,
    operation: &str,
    what: &str,
    arg: &str,
    context: CallContext,
) -> Result<String, CallError> {
    let input = input(connector, operation, &serde_json::json!({"what": what, "arg": arg}));
    let output = connector.call(operation, context, &input).await?;
    Ok(output.get("text").and_then(Value::as_str).unwrap().to_owned())
}

pub fn input(connector: &Connector, operation: &str, json: &serde_json::Value) -> Value {
    let (operation, _) = connector.operation(operation).unwrap();
    contract::json::read(&operation.input, json.to_string().as_bytes()).unwrap()
}
