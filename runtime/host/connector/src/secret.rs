//! Secrets: values that no guest, log, error or answer may hold. Making one makes its bytes known to
//! `redact` and `scrub`, so that no part of the host can forget to protect it. Never prints one.

use std::fmt;
use std::sync::{Arc, RwLock, Weak};

/// Shorter texts are not searched for: they would turn up everywhere by chance.
pub const REDACTED_BYTES_MIN: usize = 6;

/// A secret text. `Debug` and `Display` show `[secret]`; `expose` is the only way to the bytes.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        let text: Arc<str> = text.into();
        if text.len() >= REDACTED_BYTES_MIN {
            let mut known = KNOWN.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            known.retain(|other| other.strong_count() > 0);
            known.push(Arc::downgrade(&text));
        }
        Secret(text)
    }

    /// The text itself. Only for what signs or authenticates.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        constant_time_eq(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

/// The text with every known secret in it replaced by `[secret]`.
pub fn redact(text: &str) -> String {
    let mut clean = text.to_owned();
    for secret in known() {
        if memchr::memmem::find(clean.as_bytes(), secret.as_bytes()).is_some() {
            clean = clean.replace(&*secret, "[secret]");
        }
    }
    clean
}

/// Overwrites every known secret in `bytes` by asterisks; the length stays. Says whether it did.
pub fn scrub(bytes: &mut [u8]) -> bool {
    let mut found = false;
    for secret in known() {
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&bytes[from..], secret.as_bytes()) {
            bytes[from + at..from + at + secret.len()].fill(b'*');
            from += at + secret.len();
            found = true;
        }
    }
    found
}

/// Compares without a hint of where the difference is.
pub fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).fold(0u8, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// Every secret alive in this process. Weak, so that a rotated one is forgotten.
static KNOWN: RwLock<Vec<Weak<str>>> = RwLock::new(Vec::new());

fn known() -> Vec<Arc<str>> {
    let known = KNOWN.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    // The longest first: one secret may be part of another (a token inside a header).
    let mut alive: Vec<Arc<str>> = known.iter().filter_map(Weak::upgrade).collect();
    alive.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    alive.dedup();
    alive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_and_is_taken_out_of_texts_while_it_lives() {
        let secret = Secret::new("s3cr3t-token-of-this-test");
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
        assert_eq!(redact("key=s3cr3t-token-of-this-test;"), "key=[secret];");
        let mut bytes = b"<s3cr3t-token-of-this-test>".to_vec();
        assert!(scrub(&mut bytes));
        assert_eq!(bytes, format!("<{}>", "*".repeat(25)).as_bytes());
        drop(secret);
        assert_eq!(redact("s3cr3t-token-of-this-test"), "s3cr3t-token-of-this-test");
    }
}
