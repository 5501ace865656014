//! The runtime that all connectors share: one engine, one linker, one bound on instances. Loads a
//! component into a connector, or says everything that keeps it from being one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Val};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::cache::{Cache, digest};
use crate::capability::state::StateStore;
use crate::capability::upstream::Upstream;
use crate::connector::Connector;
use crate::description::Description;
use crate::engine::{self, Options};
use crate::guest::{Circumstances, Grants, Guest, Limits, Traces};
use crate::meter::Meter;
use crate::plan::{Plan, find_export};
use crate::problem::{LoadError, Problem};
use crate::secret::{Secret, redact};
use crate::{capability, config_schema, verify};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the WebAssembly engine cannot be started: {0}")]
    Engine(String),
}

/// `[connectors.ALIAS]`, read.
#[derive(Default)]
pub struct ConnectorConfig {
    /// Handed to the guest as JSON; null is an empty object.
    pub config: serde_json::Value,
    /// For signing, by the name that the guest uses. No guest sees one.
    pub secrets: BTreeMap<String, Secret>,
    /// By the name that the guest uses. More than it needs is fine: it gets those that it describes.
    pub upstreams: BTreeMap<String, Arc<Upstream>>,
    pub limits: Limits,
    /// How many calls one instance serves; 0 and 1: a fresh instance for each call.
    pub reuse: u32,
}

/// How much is in use, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub instances_free: usize,
    pub instances_max: u32,
    /// Instances come from a pool rather than from allocation on demand.
    pub pooled: bool,
}

pub struct Runtime {
    machine: Arc<Machine>,
    cache: Arc<Cache>,
    state: Arc<dyn StateStore>,
}

/// What running a guest takes.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    linker: Linker<Guest>,
    /// One permit for each linear memory of the pool that may be at work.
    pub(crate) at_work: Arc<Semaphore>,
    /// The same for instances kept between calls.
    pub(crate) idle: Arc<Semaphore>,
    pub(crate) options: Options,
    pooled: bool,
}

/// How long `describe` may take, all in all.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);

impl Runtime {
    pub fn new(options: Options, state: Arc<dyn StateStore>) -> Result<Runtime, Error> {
        let failed = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let (engine, pooled) = engine::build(&options).map_err(failed)?;
        let cache = Arc::new(Cache::new(options.cache_dir.clone(), &engine));
        let machine = Machine::new(engine, options, pooled).map_err(failed)?;
        Ok(Runtime { machine: Arc::new(machine), cache, state })
    }

    pub fn usage(&self) -> Usage {
        Usage {
            instances_free: self.machine.at_work.available_permits(),
            instances_max: self.machine.options.instances_max,
            pooled: self.machine.pooled,
        }
    }

    /// Makes a connector of a component. Slow the first time (it is compiled), then milliseconds.
    pub async fn load(
        &self,
        alias: &str,
        wasm: &[u8],
        config: ConnectorConfig,
    ) -> Result<Connector, LoadError> {
        let failed = |problems| LoadError { connector: alias.to_owned(), problems };
        let (cache, bytes) = (self.cache.clone(), wasm.to_vec());
        let compile = move |engine: &Engine| cache.component(engine, &bytes);
        let examined = examine(&self.machine, wasm, compile).await.map_err(failed)?;
        let mut problems = configured(&examined.description, &config);
        let required = examined.compiled.resources_required();
        let pages = required.as_ref().and_then(|r| r.max_initial_memory_size).unwrap_or(0);
        let bytes_max = config.limits.memory_bytes_max.min(self.machine.options.memory_bytes_max);
        if pages.saturating_mul(64 << 10) > bytes_max as u64 {
            problems.push(Problem::new(
                "CD0415",
                format!(
                    "it starts with {} KiB of memory; {} are granted",
                    pages * 64,
                    bytes_max >> 10
                ),
                "raise the connector's memory limit",
            ));
        }
        let mut plans = HashMap::new();
        for described in &examined.description.operations {
            let Some(operation) = examined.component.operation(&described.name) else { continue };
            match Plan::new(&self.machine.engine, &examined.compiled, operation, described) {
                Ok(plan) => drop(plans.insert(described.name.clone(), plan)),
                Err(reason) => problems.push(Problem::new(
                    "CD0418",
                    reason,
                    "build the connector against a version of `crossdock:core` that this host knows",
                )),
            }
        }
        if !problems.is_empty() {
            return Err(failed(problems));
        }
        let needs =
            |name: &str| examined.description.upstreams.iter().any(|need| need.name == name);
        let grants = Grants {
            alias: alias.to_owned(),
            config: match config.config {
                serde_json::Value::Null => "{}".to_owned(),
                config => config.to_string(),
            },
            upstreams: config.upstreams.into_iter().filter(|(name, _)| needs(name)).collect(),
            secrets: config.secrets,
            state: Some(self.state.clone()),
            limits: Limits { memory_bytes_max: bytes_max, ..config.limits },
        };
        let memories = required.map_or(1, |required| required.num_memories.max(1));
        Ok(Connector::new(
            self.machine.clone(),
            digest(wasm),
            examined,
            plans,
            Arc::new(grants),
            memories,
            config.reuse,
        ))
    }
}

/// A component that agrees with its own description.
pub(crate) struct Examined {
    pub(crate) component: contract::Component,
    pub(crate) description: Description,
    pub(crate) compiled: Component,
    pub(crate) pre: InstancePre<Guest>,
}

/// Decodes, compiles, links and describes a component, and checks it against its own words.
pub(crate) async fn examine(
    machine: &Arc<Machine>,
    wasm: &[u8],
    compile: impl FnOnce(&Engine) -> wasmtime::Result<Component> + Send + 'static,
) -> Result<Examined, Vec<Problem>> {
    let component = contract::Component::decode(wasm).map_err(|error| {
        vec![Problem::new(
            "CD0401",
            format!("it is no connector: {error}"),
            "build the crate for `wasm32-wasip2`, and name the resulting .wasm file",
        )]
    })?;
    let mut problems = verify::exports(&component);
    let on = machine.clone();
    let compiled = tokio::task::spawn_blocking(move || compile(&on.engine)).await;
    let compiled = match compiled {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(error)) => {
            problems.push(Problem::new(
                "CD0405",
                format!("it does not compile: {error:#}"),
                "build it again with a current toolchain; it may use features not enabled here",
            ));
            return Err(problems);
        }
        Err(_) => {
            problems.push(Problem::new("CD0405", "compiling it broke off", "try again"));
            return Err(problems);
        }
    };
    let pre = machine.linker.instantiate_pre(&compiled).map_err(|error| {
        Problem::new(
            "CD0404",
            format!("it imports what this host does not offer: {error:#}"),
            "use WASI 0.2, wasi:http and crossdock:core 1.x only",
        )
    });
    let pre = match pre {
        Ok(pre) if component.describes => pre,
        pre => {
            problems.extend(pre.err());
            return Err(problems);
        }
    };
    match describe(machine, &component, &compiled, &pre).await {
        Ok(description) => {
            problems.extend(verify::description(&component, &description));
            match problems.is_empty() {
                true => Ok(Examined { component, description, compiled, pre }),
                false => Err(problems),
            }
        }
        Err(reason) => {
            problems.push(Problem::new(
                "CD0406",
                format!("`describe` failed: {reason}"),
                "`describe` runs without any capability and must answer the same at any time",
            ));
            Err(problems)
        }
    }
}

/// Runs `describe` in an instance that can reach nothing.
async fn describe(
    machine: &Machine,
    component: &contract::Component,
    compiled: &Component,
    pre: &InstancePre<Guest>,
) -> Result<Description, String> {
    let interface = component
        .exports
        .iter()
        .filter(|name| name.package == "crossdock:core" && name.interface == "connector")
        .max_by(|a, b| a.version.cmp(&b.version))
        .ok_or("its interface is not exported")?;
    let (_, export) = find_export(&machine.engine, compiled, interface, "describe")
        .ok_or("the function is not exported")?;
    let limits = Limits { memory_bytes_max: machine.options.memory_bytes_max, ..Limits::default() };
    let meter = Arc::new(Meter::new(limits.cpu));
    let circumstances = Arc::new(Circumstances {
        grants: Arc::new(Grants {
            alias: component.name.clone().unwrap_or_else(|| "(unnamed)".to_owned()),
            config: "{}".to_owned(),
            upstreams: BTreeMap::new(),
            secrets: BTreeMap::new(),
            state: None,
            limits,
        }),
        operation: "describe".to_owned(),
        exchange: String::new(),
        key: "describe".to_owned(),
        traceparent: String::new(),
        until: Instant::now() + DESCRIBE_TIMEOUT,
        traces: Arc::new(Traces::default()),
    });
    let memories = compiled.resources_required().map_or(1, |required| required.num_memories.max(1));
    let share = memories.min(machine.options.instances_max);
    let permits = machine.at_work.clone().acquire_many_owned(share);
    let _permits = tokio::time::timeout(DESCRIBE_TIMEOUT, permits)
        .await
        .map_err(|_| "no instance was free in time")?
        .map_err(|_| "the runtime is shutting down")?;
    let run = async {
        let mut store = machine.store(Guest::new(circumstances.clone(), meter.clone()));
        run_once(&mut store, pre, &export).await.map_err(|error| format!("{}", error.root_cause()))
    };
    let answer = tokio::time::timeout(DESCRIBE_TIMEOUT, meter.run(run))
        .await
        .map_err(|_| format!("no answer within {} s", DESCRIBE_TIMEOUT.as_secs()))?;
    Description::read(answer.map_err(|reason| redact(&reason))?)
}

async fn run_once(
    store: &mut Store<Guest>,
    pre: &InstancePre<Guest>,
    export: &ComponentExportIndex,
) -> wasmtime::Result<Val> {
    let instance = pre.instantiate_async(&mut *store).await?;
    let function = instance
        .get_func(&mut *store, export)
        .ok_or_else(|| wasmtime::Error::msg("the export is not a function"))?;
    let mut results = [Val::Bool(false)];
    function.call_async(&mut *store, &[], &mut results).await?;
    let [answer] = results;
    Ok(answer)
}

/// Whether the configuration gives what the connector needs.
fn configured(description: &Description, config: &ConnectorConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    for need in &description.upstreams {
        let name = &need.name;
        let Some(upstream) = config.upstreams.get(name) else {
            problems.push(Problem::new(
                "CD0413",
                format!(
                    "it needs the upstream `{name}` ({}), which is not configured",
                    need.purpose
                ),
                format!("add [upstreams.{name}] with `base_url` and `auth`"),
            ));
            continue;
        };
        let kind = upstream.auth_kind();
        if !need.auth.is_empty() && !need.auth.iter().any(|taken| taken == kind) {
            problems.push(Problem::new(
                "CD0414",
                format!("upstream `{}` has `auth` of kind `{kind}`", upstream.name()),
                format!("the system takes: {}", need.auth.join(", ")),
            ));
        }
    }
    let text = config.config.to_string();
    if redact(&text) != text {
        problems.push(Problem::new(
            "CD0420",
            "its `config` holds a secret, which the guest would see",
            "put secrets into the `auth` of an upstream, or into `secrets` for signing",
        ));
        return problems;
    }
    for what in config_schema::check(&description.config_schema, &config.config) {
        let fix = "see the connector's config schema (`crossdock connector inspect`)";
        problems.push(Problem::new("CD0419", what, fix));
    }
    problems
}

impl Machine {
    pub(crate) fn new(engine: Engine, options: Options, pooled: bool) -> wasmtime::Result<Machine> {
        Ok(Machine {
            linker: capability::linker(&engine)?,
            engine,
            at_work: Arc::new(Semaphore::new(options.instances_max as usize)),
            idle: Arc::new(Semaphore::new(options.idle_max as usize)),
            options,
            pooled,
        })
    }

    /// A store whose guest is bounded in memory and CPU time.
    pub(crate) fn store(&self, guest: Guest) -> Store<Guest> {
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| match context.data().meter.over_budget() {
            true => Ok(UpdateDeadline::Interrupt),
            // Also lets the other tasks of this thread run.
            false => Ok(UpdateDeadline::Yield(1)),
        });
        store
    }
}
