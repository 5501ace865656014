//! What stands behind one running guest: its capabilities, its bounds, and the record of what it did
//! that the end of the call is judged by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::capability::door::Refused;
use crate::capability::http::Egress;
use crate::capability::log::{GuestLog, Output};
use crate::capability::random::Seeded;
use crate::capability::state::StateStore;
use crate::capability::upstream::Upstream;
use crate::connector::Health;
use crate::error::Fault;
use crate::meter::{MemoryLimit, Meter};
use crate::secret::Secret;

/// Bounds of each call of one connector.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes_max: usize,
    /// Time that a call may compute; waiting for a system does not count.
    pub cpu: Duration,
    /// Outgoing requests of one call.
    pub requests_max: u32,
    pub request_body_bytes_max: usize,
    pub response_body_bytes_max: usize,
    pub log_lines_max: u32,
    pub log_line_bytes_max: usize,
    pub state_key_bytes_max: usize,
    pub state_value_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes_max: 64 << 20,
            cpu: Duration::from_secs(1),
            requests_max: 1_000,
            request_body_bytes_max: 8 << 20,
            response_body_bytes_max: 8 << 20,
            log_lines_max: 100,
            log_line_bytes_max: 2_000,
            state_key_bytes_max: 200,
            state_value_bytes_max: 64 << 10,
        }
    }
}

/// What all calls of one connector share.
pub(crate) struct Grants {
    pub(crate) alias: String,
    pub(crate) config: String,
    /// By the name that the guest uses.
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    /// For signing, by the name that the guest uses.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// None while a component is only looked at.
    pub(crate) state: Option<Arc<dyn StateStore>>,
    pub(crate) limits: Limits,
}

/// The circumstances of one call that capabilities need.
pub(crate) struct Circumstances {
    pub(crate) grants: Arc<Grants>,
    pub(crate) operation: String,
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) traceparent: String,
    /// No request may last longer.
    pub(crate) until: Instant,
    pub(crate) traces: Arc<Traces>,
}

/// What a call left behind, kept apart from the guest so that it outlives a trap or a timeout.
#[derive(Default)]
pub(crate) struct Traces {
    /// Requests that may change something and have left (or may have).
    sent: AtomicU32,
    /// Those of them that no whole response came back for.
    unanswered: AtomicU32,
    pub(crate) requests: AtomicU32,
    denied_host: Mutex<Option<String>>,
    /// The host's own reason why a request could not be made: a full budget, refused credentials.
    withheld: Mutex<Option<Fault>>,
    /// The budget that kept the first request from leaving.
    held: Mutex<Option<Refused>>,
    /// The token that each upstream was last sent.
    tokens: Mutex<Vec<(Arc<Upstream>, Secret)>>,
    /// What became of the last request that left: 0 none did, 1 answered, 2 not (yet) or with a 5xx.
    health: AtomicU32,
}

impl Traces {
    /// A request that may change something is about to leave.
    pub(crate) fn leaving(&self) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        self.unanswered.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn answered(&self) {
        self.unanswered.fetch_sub(1, Ordering::SeqCst);
    }

    /// It turned out never to have left.
    pub(crate) fn not_left(&self) {
        self.sent.fetch_sub(1, Ordering::SeqCst);
        self.unanswered.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn unanswered(&self) -> bool {
        self.unanswered.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn deny(&self, host: &str) {
        let mut denied = self.denied_host.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        denied.get_or_insert_with(|| host.to_owned());
    }

    pub(crate) fn denied_host(&self) -> Option<String> {
        self.denied_host.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn withhold(&self, fault: Fault) {
        *self.withheld.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(fault);
    }

    pub(crate) fn hold(&self, refused: Refused) {
        *self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(refused);
    }

    /// Nothing has left, and nothing was tried after it was kept from leaving.
    pub(crate) fn held(&self) -> Option<Refused> {
        let held = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        held.filter(|_| self.requests.load(Ordering::Relaxed) == 1)
    }

    pub(crate) fn used(&self, upstream: &Arc<Upstream>, token: &Secret) {
        let mut tokens = self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        tokens.retain(|(other, _)| !Arc::ptr_eq(other, upstream));
        tokens.push((upstream.clone(), token.clone()));
    }

    /// The call says that its credentials were refused: the tokens that it used are no longer, those
    /// that others have got meanwhile stay.
    pub(crate) fn forget_tokens(&self) {
        let tokens = self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (upstream, token) in tokens.iter() {
            upstream.tokens.forget(token);
        }
    }

    pub(crate) fn ill(&self) {
        self.health.store(2, Ordering::SeqCst);
    }

    pub(crate) fn well(&self) {
        self.health.store(1, Ordering::SeqCst);
    }

    pub(crate) fn health(&self) -> Health {
        match self.health.load(Ordering::SeqCst) {
            0 => Health::Unheard,
            1 => Health::Well,
            _ => Health::Ill,
        }
    }

    pub(crate) fn withheld(&self) -> Option<Fault> {
        self.withheld.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// The data of a store.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    egress: Egress,
    pub(crate) memory: MemoryLimit,
    pub(crate) meter: Arc<Meter>,
    pub(crate) circumstances: Arc<Circumstances>,
    pub(crate) log: GuestLog,
}

impl Guest {
    pub(crate) fn new(circumstances: Arc<Circumstances>, meter: Arc<Meter>) -> Guest {
        let log = GuestLog::new(circumstances.clone());
        Guest {
            wasi: wasi(&circumstances, &log),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            egress: Egress::new(circumstances.clone()),
            memory: MemoryLimit::new(circumstances.grants.limits.memory_bytes_max),
            meter,
            circumstances,
            log,
        }
    }

    /// Makes a reused instance serve another call: nothing of the last one's circumstances stays.
    pub(crate) fn renew(&mut self, circumstances: Arc<Circumstances>, meter: Arc<Meter>) {
        self.log = GuestLog::new(circumstances.clone());
        self.wasi = wasi(&circumstances, &self.log);
        self.egress = Egress::new(circumstances.clone());
        self.meter = meter;
        self.circumstances = circumstances;
    }
}

/// Clock and randomness, nothing else: no files, environment, arguments or sockets.
fn wasi(circumstances: &Circumstances, log: &GuestLog) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .allow_blocking_current_thread(false)
        .max_random_size(1 << 20)
        .secure_random(Seeded::new(&circumstances.key, "secure"))
        .insecure_random(Seeded::new(&circumstances.key, "insecure"))
        .insecure_random_seed(Seeded::new(&circumstances.key, "seed").number())
        .stdout(Output::new(log.clone(), tracing::Level::INFO))
        .stderr(Output::new(log.clone(), tracing::Level::WARN));
    wasi.build()
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.egress, table: &mut self.table, ctx: &mut self.http }
    }
}
