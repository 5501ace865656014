//! Messages for operators. Nothing of a message's payload belongs here.

#[cfg(target_arch = "wasm32")]
use crate::wit::crossdock::core::log::{Level, log};

/// Something an admin should look at, though the call goes on.
pub fn warn(message: &str) {
    #[cfg(target_arch = "wasm32")]
    log(Level::Warn, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("warn: {message}");
}

pub fn info(message: &str) {
    #[cfg(target_arch = "wasm32")]
    log(Level::Info, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("info: {message}");
}
