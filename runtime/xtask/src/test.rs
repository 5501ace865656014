//! `cargo xtask test`: the components first, since tests load them, then every test.

use anyhow::Result;

use crate::{connectors, toolchain, workspace};

pub fn run() -> Result<()> {
    connectors::build()?;
    tests()
}

/// The tests of both workspaces; the components are there already.
pub fn tests() -> Result<()> {
    toolchain::cargo(workspace::root(), &["test", "--workspace"])?;
    let target = workspace::target().join("native").display().to_string();
    toolchain::cargo(&workspace::connectors(), &["test", "--workspace", "--target-dir", &target])
}
