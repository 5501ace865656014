//! A small store for a connector between calls. Scoped by alias: no connector reads another's.

use std::future::Future;
use std::pin::Pin;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::CORE_VERSION;
use crate::guest::Guest;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where state is kept. The host implements it over the journal. An error text is shown to the
/// guest, so it tells nothing about the host.
pub trait StateStore: Send + Sync + 'static {
    fn get<'a>(
        &'a self,
        connector: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>>;

    /// None removes the key. Durable when it returns. Bounds the number of keys.
    fn set<'a>(
        &'a self,
        connector: &'a str,
        key: &'a str,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<(), String>>;
}

const NOT_GRANTED: &str = "state is not granted here";

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut state = linker.instance(&format!("crossdock:core/state@{CORE_VERSION}"))?;
    state.func_wrap_async("get", |store: StoreContextMut<'_, Guest>, (key,): (String,)| {
        let circumstances = store.data().circumstances.clone();
        Box::new(async move {
            let grants = &circumstances.grants;
            let got = match (&grants.state, key_fits(&key, grants.limits.state_key_bytes_max)) {
                (None, _) => Err(NOT_GRANTED.to_owned()),
                (_, Err(reason)) => Err(reason),
                (Some(state), Ok(())) => state.get(&grants.alias, &key).await,
            };
            Ok((got,))
        })
    })?;
    state.func_wrap_async(
        "set",
        |store: StoreContextMut<'_, Guest>, (key, value): (String, Option<Vec<u8>>)| {
            let circumstances = store.data().circumstances.clone();
            Box::new(async move {
                let grants = &circumstances.grants;
                let bytes_max = grants.limits.state_value_bytes_max;
                let bytes = value.as_ref().map_or(0, Vec::len);
                let set = match (&grants.state, key_fits(&key, grants.limits.state_key_bytes_max)) {
                    (None, _) => Err(NOT_GRANTED.to_owned()),
                    (_, Err(reason)) => Err(reason),
                    _ if bytes > bytes_max => {
                        Err(format!("the value has {bytes} bytes; at most {bytes_max} are kept"))
                    }
                    (Some(state), Ok(())) => state.set(&grants.alias, &key, value).await,
                };
                Ok((set,))
            })
        },
    )
}

fn key_fits(key: &str, bytes_max: usize) -> Result<(), String> {
    match key.len() {
        0 => Err("the key is empty".to_owned()),
        bytes if bytes > bytes_max => {
            Err(format!("the key has {bytes} bytes; at most {bytes_max} are allowed"))
        }
        _ => Ok(()),
    }
}
