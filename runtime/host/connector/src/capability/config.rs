//! The connector's own configuration, as JSON. Never holds a secret: the host refuses those.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::CORE_VERSION;
use crate::guest::Guest;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut config = linker.instance(&format!("crossdock:core/config@{CORE_VERSION}"))?;
    config.func_wrap("get", |store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data().circumstances.grants.config.clone(),))
    })
}
