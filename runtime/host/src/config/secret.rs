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

const FORM: &str = "a secret is named, never written: { env = \"NAME\" } or { file = \"PATH\" }";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let written = Written::deserialize(deserializer).map_err(|_| D::Error::custom(FORM))?;
        match (written.env, written.file) {
            (Some(name), None) => Ok(SecretSource::Env(name)),
            (None, Some(path)) => Ok(SecretSource::File(path)),
            _ => Err(D::Error::custom(FORM)),
        }
    }
}

/// Several secrets that hold at the same time, so that one can replace another; written as one, or
/// as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretSources(Vec<SecretSource>);

/// More than this is no rotation.
const SECRETS_MAX: usize = 4;

impl<'de> Deserialize<'de> for SecretSources {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let one = |value: toml::Value| value.try_into().map_err(|_| D::Error::custom(FORM));
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Array(values) if values.len() > SECRETS_MAX => {
                Err(D::Error::custom(format!("no more than {SECRETS_MAX} secrets hold at once")))
            }
            toml::Value::Array(values) => {
                values.into_iter().map(one).collect::<Result<_, _>>().map(SecretSources)
            }
            value => one(value).map(|source| SecretSources(vec![source])),
        }
    }
}

impl SecretSources {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them; see [`SecretSource::read`].
    pub fn read(&self, base: &Path) -> Result<Vec<Secret>, String> {
        self.0.iter().map(|source| source.read(base)).collect()
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
