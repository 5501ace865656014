//! Where things are in this workspace.

use std::path::{Path, PathBuf};

/// The folder of the workspace's Cargo.toml, two above this crate's.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().and_then(Path::parent).unwrap_or(own)
}

/// The guests' workspace.
pub fn connectors() -> PathBuf {
    root().join("connectors")
}

/// The set-up that demo and proofs run.
pub fn example() -> PathBuf {
    root().join("examples/order-to-cash")
}

/// Build products of both workspaces, and the data of demo and proofs.
pub fn target() -> PathBuf {
    root().join("target")
}
