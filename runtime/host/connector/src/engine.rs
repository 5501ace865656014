//! The wasmtime engine: how guests are compiled, where their memory comes from, and the thread that
//! advances the epoch. Falls back to allocation on demand where the pool cannot be reserved.

use std::path::PathBuf;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::meter::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Bounds of the whole process.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where compiled components are kept; none compiles each time.
    pub cache_dir: Option<PathBuf>,
    /// Calls that run at the same time; the next ones wait.
    pub instances_max: u32,
    /// Instances of connectors with `reuse` that are kept between calls, over all connectors.
    pub idle_max: u32,
    /// The most memory that any connector may be granted.
    pub memory_bytes_max: usize,
    /// How often a computing guest is looked at; also the grain of the CPU budget.
    pub tick: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_dir: None,
            instances_max: 128,
            idle_max: 32,
            memory_bytes_max: 256 << 20,
            tick: Duration::from_millis(5),
        }
    }
}

/// Kept in memory between the users of a pooled slot: zeroing it is cheaper than faulting it in.
const KEEP_RESIDENT_BYTES: usize = 128 << 10;
const GUEST_STACK_BYTES: usize = 512 << 10;
const ASYNC_STACK_BYTES: usize = 1 << 20;

/// Builds the engine and says whether instances come from a pool.
pub(crate) fn build(options: &Options) -> wasmtime::Result<(Engine, bool)> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    let (engine, pooled) = match Engine::new(&config) {
        Ok(engine) => (engine, true),
        Err(error) => {
            tracing::warn!(
                %error,
                "the instance pool could not be reserved; instances are allocated on demand, \
                 which is slower"
            );
            (on_demand()?, false)
        }
    };
    tick(&engine, options.tick);
    Ok((engine, pooled))
}

/// An engine for a single look at a component: nothing reserved.
pub(crate) fn build_small(tick_every: Duration) -> wasmtime::Result<Engine> {
    let engine = on_demand()?;
    tick(&engine, tick_every);
    Ok(engine)
}

fn on_demand() -> wasmtime::Result<Engine> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        .parallel_compilation(true);
    config
}

fn pool(options: &Options) -> PoolingAllocationConfig {
    let slots = options.instances_max + options.idle_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(slots * CORE_INSTANCES_MAX)
        // A permit of the semaphore stands for one memory; see `Runtime::weight`.
        .total_memories(slots)
        .total_tables(slots * TABLES_MAX)
        .total_gc_heaps(slots)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(options.memory_bytes_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}

/// Advances the epoch until the engine is gone.
fn tick(engine: &Engine, every: Duration) {
    let engine = engine.weak();
    let spawned = std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(every);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    });
    if let Err(error) = spawned {
        // Without it a spinning guest would never be stopped.
        panic!("the epoch thread cannot be started: {error}");
    }
}
