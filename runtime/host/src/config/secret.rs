//! Where a secret comes from. The configuration names the place; the bytes are read when the runtime
//! starts and live only in `connector::Secret`, which never prints them.

use std::path::{Path, PathBuf};

use connector::Secret;
use serde::Deserialize;

/// `{ env = "NAME" }` or `{ file = "PATH" }`; a secret written in place is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        const FORM: &str =
            "a secret is named, never written: { env = \"NAME\" } or { file = \"PATH\" }";
        let written = Written::deserialize(deserializer).map_err(|_| D::Error::custom(FORM))?;
        match (written.env, written.file) {
            (Some(name), None) => Ok(SecretSource::Env(name)),
            (None, Some(path)) => Ok(SecretSource::File(path)),
            _ => Err(D::Error::custom(FORM)),
        }
    }
}

impl SecretSource {
    /// `base` is the folder of the configuration file. The error names the place, not the bytes.
    pub fn read(&self, base: &Path) -> Result<Secret, String> {
        match self {
            SecretSource::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(format!(
                    "the environment variable {name}, which holds a secret, is not set"
                )),
            },
            SecretSource::File(path) => {
                let path = base.join(path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    format!("cannot read the secret in {}: {error}", path.display())
                })?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
        }
    }
}
