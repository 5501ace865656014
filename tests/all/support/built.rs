//! What must be built before a test runs: the executable and the guests, each once, by cargo itself,
//! so that no test sees a stale one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("tests/ is below the workspace").to_owned()
}

/// `crossdock` of the same profile as this test. `CROSSDOCK_BIN` names another.
pub fn crossdock() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(path) = std::env::var_os("CROSSDOCK_BIN") {
            return path.into();
        }
        let own = std::env::current_exe().expect("a test has a path");
        let profile = own.parent().and_then(Path::parent).expect("target/PROFILE/deps/all-..");
        let mut cargo = cargo();
        // As the whole workspace: one package alone would resolve features otherwise, and be built
        // twice.
        cargo.args(["build", "--quiet", "--workspace", "--bin", "crossdock"]);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let target = profile.parent().expect("target/PROFILE");
        let built = cargo.arg("--target-dir").arg(target).current_dir(workspace()).status();
        assert!(built.is_ok_and(|status| status.success()), "crossdock does not build");
        profile.join("crossdock")
    })
}

/// Without what cargo told this test of its own package: build scripts that look at it (ring's does)
/// would run again, and everything above them, wasmtime's host included, be compiled again.
fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

/// A component of `tests/guests`. The folder is the one that the tests of crate `connector` use.
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let built = cargo()
            .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"])
            .arg("--target-dir")
            .arg(&folder)
            .current_dir(workspace().join("tests/guests"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the guests do not build");
        folder.join("wasm32-wasip2/release")
    });
    folder.join(name).with_extension("wasm")
}
