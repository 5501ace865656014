//! Compiled components on disk, by what they are and what compiled them. A file is its own SHA-256
//! (32 bytes) followed by wasmtime's artifact; one that does not match is compiled again. The
//! folder must be as trusted as the program itself: it holds machine code.

use std::hash::{Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

pub(crate) struct Cache {
    dir: Option<PathBuf>,
    /// Of the engine: version, target, settings.
    compatibility: String,
}

/// The lower-case hexadecimal SHA-256 of a component.
pub fn digest(wasm: &[u8]) -> String {
    hex(&Sha256::digest(wasm))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Cache {
    pub(crate) fn new(dir: Option<PathBuf>, engine: &Engine) -> Cache {
        let mut hasher = ShaHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Cache { dir, compatibility: hex(&hasher.0.finalize()[..8]) }
    }

    /// The component ready to run, from disk where possible. Blocks: compiling takes a while.
    pub(crate) fn component(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
        let Some(dir) = &self.dir else { return Component::new(engine, wasm) };
        let path = dir.join(format!("{}-{}.cwasm", digest(wasm), self.compatibility));
        if let Some(component) = read(engine, &path) {
            return Ok(component);
        }
        let component = Component::new(engine, wasm)?;
        let artifact = component.serialize()?;
        if let Err(error) = write(dir, &path, &artifact) {
            // Slower at the next start, no more.
            tracing::warn!(path = %path.display(), %error, "a compiled component was not kept");
        }
        Ok(component)
    }
}

fn read(engine: &Engine, path: &Path) -> Option<Component> {
    let file = std::fs::read(path).ok()?;
    let (expected, artifact) = file.split_at_checked(32)?;
    if Sha256::digest(artifact).as_slice() != expected {
        tracing::warn!(path = %path.display(), "a compiled component is damaged; compiling again");
        return None;
    }
    #[allow(
        unsafe_code,
        reason = "deserialize trusts its bytes: the digest above shows that they are what we wrote"
    )]
    // SAFETY: the bytes are an artifact of `Component::serialize`, whole by its digest, in a folder
    // that only this program writes; the engine's compatibility is in the name and checked again.
    let component = unsafe { Component::deserialize(engine, artifact) };
    match component {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a compiled component does not load");
            None
        }
    }
}

/// Whole or not at all: a crash must not leave half a file under the final name.
fn write(dir: &Path, path: &Path, artifact: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let partial = path.with_extension(format!("{}.part", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(&Sha256::digest(artifact))?;
        file.write_all(artifact)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// A hasher whose result is the same in every build, unlike the standard one.
struct ShaHasher(Sha256);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
