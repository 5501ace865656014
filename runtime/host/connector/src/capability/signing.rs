//! Keyed digests (HMAC): the key stays with the host. Also for the host's own use, where it verifies
//! webhooks before any guest runs.

use hmac::{Hmac, Mac};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Val};

use super::CORE_VERSION;
use crate::guest::Guest;
use crate::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    HmacSha256,
    HmacSha512,
    HmacSha1,
}

impl Algorithm {
    /// `hmac-sha256`, `hmac-sha512`, `hmac-sha1`, as in WIT and in configuration.
    pub fn named(name: &str) -> Option<Algorithm> {
        match name {
            "hmac-sha256" => Some(Algorithm::HmacSha256),
            "hmac-sha512" => Some(Algorithm::HmacSha512),
            "hmac-sha1" => Some(Algorithm::HmacSha1),
            _ => None,
        }
    }
}

pub fn sign(algorithm: Algorithm, key: &Secret, data: &[u8]) -> Vec<u8> {
    let key = key.expose().as_bytes();
    match algorithm {
        Algorithm::HmacSha256 => digest::<Hmac<sha2::Sha256>>(key, data),
        Algorithm::HmacSha512 => digest::<Hmac<sha2::Sha512>>(key, data),
        Algorithm::HmacSha1 => digest::<Hmac<sha1::Sha1>>(key, data),
    }
}

/// Whether `signature` is that of `data`, in constant time.
pub fn verify(algorithm: Algorithm, key: &Secret, data: &[u8], signature: &[u8]) -> bool {
    crate::secret::constant_time_eq(&sign(algorithm, key, data), signature)
}

fn digest<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length: the error case does not exist.
    let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return Vec::new() };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut signing = linker.instance(&format!("crossdock:core/signing@{CORE_VERSION}"))?;
    signing.func_new("sign", |store: StoreContextMut<'_, Guest>, _, params, results| {
        let [name, algorithm, data] = params else { return Err(shape()) };
        let (algorithm, data) = (read_algorithm(algorithm)?, read_bytes(data)?);
        results[0] = Val::Result(match key(&store, name) {
            Ok(key) => {
                let signature = sign(algorithm, &key, &data);
                Ok(Some(Box::new(Val::List(signature.into_iter().map(Val::U8).collect()))))
            }
            Err(reason) => Err(Some(Box::new(Val::String(reason)))),
        });
        Ok(())
    })?;
    signing.func_new("verify", |store: StoreContextMut<'_, Guest>, _, params, results| {
        let [name, algorithm, data, signature] = params else { return Err(shape()) };
        let algorithm = read_algorithm(algorithm)?;
        let (data, signature) = (read_bytes(data)?, read_bytes(signature)?);
        results[0] = Val::Result(match key(&store, name) {
            Ok(key) => Ok(Some(Box::new(Val::Bool(verify(algorithm, &key, &data, &signature))))),
            Err(reason) => Err(Some(Box::new(Val::String(reason)))),
        });
        Ok(())
    })
}

fn key(store: &StoreContextMut<'_, Guest>, name: &Val) -> Result<Secret, String> {
    let Val::String(name) = name else { return Err("the name is not a string".to_owned()) };
    let secrets = &store.data().circumstances.grants.secrets;
    secrets.get(name).cloned().ok_or_else(|| format!("no secret is called `{name}` here"))
}

fn read_algorithm(val: &Val) -> wasmtime::Result<Algorithm> {
    match val {
        Val::Enum(name) => Algorithm::named(name).ok_or_else(shape),
        _ => Err(shape()),
    }
}

fn read_bytes(val: &Val) -> wasmtime::Result<Vec<u8>> {
    let Val::List(items) = val else { return Err(shape()) };
    let bytes = items.iter().map(|item| match item {
        Val::U8(byte) => Ok(*byte),
        _ => Err(shape()),
    });
    bytes.collect()
}

fn shape() -> wasmtime::Error {
    wasmtime::Error::msg("the arguments are not those of crossdock:core/signing@1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::hex;

    #[test]
    fn digests_are_those_of_rfc_4231_and_rfc_2202() {
        let key = Secret::new("Jefe");
        let data = b"what do ya want for nothing?";
        assert_eq!(
            hex(&sign(Algorithm::HmacSha256, &key, data)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&sign(Algorithm::HmacSha1, &key, data)),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(sign(Algorithm::HmacSha512, &key, data).len(), 64);
        let signature = sign(Algorithm::HmacSha256, &key, data);
        assert!(verify(Algorithm::HmacSha256, &key, data, &signature));
        assert!(!verify(Algorithm::HmacSha256, &key, b"else", &signature));
        assert!(!verify(Algorithm::HmacSha256, &key, data, &signature[..31]));
    }
}
