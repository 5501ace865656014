//! The sandbox: one server that plays the HTTP APIs of the products which the shipped connectors
//! speak, keeps their state in memory, and misbehaves on request. It serves demo and tests; the
//! runtime does not know that it exists. `README.md` tells what is played, field by field.

mod avatax;
mod catalogue;
mod control;
mod effects;
mod faults;
mod inventree;
mod karrio;
mod keep;
mod money;
mod options;
mod server;
mod state;
mod storefront;
mod stripe;
mod tryton;
mod webhooks;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::effects::Effect;
pub use crate::options::{Options, Webhook};
use crate::state::State;

/// Starts sandboxes. Nothing of it is ever used in production.
pub struct Sandbox;

impl Sandbox {
    /// Listens on `addr` (loopback only, port 0 for any free port) and serves until stopped.
    pub async fn start(addr: SocketAddr, options: Options) -> io::Result<Handle> {
        if !addr.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the sandbox listens on loopback only, not on {addr}"),
            ));
        }
        let listener = TcpListener::bind(addr).await?;
        let address = listener.local_addr()?;
        let kept = options.keep.clone();
        let mut state = State::new(options, address);
        if let Some(file) = &kept {
            keep::load(&mut state, file)?;
        }
        let shared = Arc::new(Mutex::new(state));
        let (stop, stopped) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(server::serve(listener, shared.clone(), stopped.clone())),
            tokio::spawn(world::run(shared.clone(), stopped.clone())),
            tokio::spawn(webhooks::send(shared.clone(), stopped)),
        ];
        Ok(Handle { address, shared, stop, tasks })
    }
}

/// A running sandbox. Dropping it leaves the server running until the process ends; `stop` ends it.
pub struct Handle {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of a product: `stripe` -> `http://127.0.0.1:9000/stripe`.
    pub fn url(&self, product: &str) -> String {
        format!("http://{}/{product}", self.address)
    }

    /// Every effect counted so far, in the order in which they first happened.
    pub fn effects(&self) -> Vec<Effect> {
        lock(&self.shared).effects.list()
    }

    /// The same summary as `GET /sandbox/state`.
    pub fn summary(&self) -> Value {
        control::summary(&lock(&self.shared))
    }

    /// Sends the webhooks of a product (`stripe`, `shopify`, `karrio`) to a URL.
    pub fn register_webhook(&self, product: &str, url: &str, secret: Option<&str>) {
        lock(&self.shared).webhooks.register(product, url, secret);
    }

    /// Stops listening, ends open connections, forgets everything but what is to be kept.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        let state = lock(&self.shared);
        match &state.options.keep {
            Some(file) => keep::save(&state, file),
            None => Ok(()),
        }
    }
}

/// A panic in one handler must not silence the server: the state is taken as it is.
fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
