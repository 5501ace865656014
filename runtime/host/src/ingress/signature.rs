//! Webhook signatures, verified on the raw bytes before any guest runs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connector::Secret;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha2::Sha256;

use crate::config::WebhookVerify;

/// A checked `[connectors.ALIAS.webhook]` with its key at hand.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub verify: WebhookVerify,
    pub secret: Option<Secret>,
    pub header: String,
    pub tolerance: Duration,
}

/// Why a webhook was turned away. Said to the log; the caller only learns "not verified".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the header {0} is missing")]
    Missing(String),
    #[error("the header {0} is malformed")]
    Malformed(String),
    #[error("the signature does not match: another secret, or the body was changed on its way")]
    Mismatch,
    #[error("the signed timestamp is {0} s away from now: a replay, or a clock that is wrong")]
    Stale(u64),
    #[error("no secret is configured")]
    NoSecret,
}

impl Verifier {
    pub fn check(&self, headers: &HeaderMap, body: &[u8], now_s: u64) -> Result<(), Refusal> {
        if self.verify == WebhookVerify::None {
            return Ok(());
        }
        let key = self.secret.as_ref().ok_or(Refusal::NoSecret)?;
        let name = match self.verify {
            WebhookVerify::Stripe => "stripe-signature",
            WebhookVerify::Shopify => "x-shopify-hmac-sha256",
            _ => self.header.as_str(),
        };
        let value = headers.get(name).ok_or_else(|| Refusal::Missing(name.to_owned()))?;
        let value = value.to_str().map_err(|_| Refusal::Malformed(name.to_owned()))?;
        let malformed = || Refusal::Malformed(name.to_owned());
        match self.verify {
            WebhookVerify::Stripe => self.check_stripe(key, value, body, now_s),
            _ => {
                let signature = decode(value).ok_or_else(malformed)?;
                verify(key, &[body], &signature)
            }
        }
    }

    /// `t=UNIX,v1=HEX[,v1=HEX]` over `t.body`; several signatures while a secret is rotated.
    fn check_stripe(
        &self,
        key: &Secret,
        value: &str,
        body: &[u8],
        now_s: u64,
    ) -> Result<(), Refusal> {
        let malformed = || Refusal::Malformed("stripe-signature".to_owned());
        let mut stamp = None;
        let mut signatures = Vec::new();
        for part in value.split(',') {
            match part.trim().split_once('=') {
                Some(("t", text)) => stamp = Some(text),
                Some(("v1", text)) => signatures.push(decode_hex(text).ok_or_else(malformed)?),
                _ => {}
            }
        }
        let stamp = stamp.ok_or_else(malformed)?;
        let signed_at: u64 = stamp.parse().map_err(|_| malformed())?;
        let away = now_s.abs_diff(signed_at);
        if signatures.is_empty() {
            return Err(malformed());
        }
        let parts = [stamp.as_bytes(), b".", body];
        let good = signatures.iter().any(|signature| verify(key, &parts, signature).is_ok());
        if !good {
            return Err(Refusal::Mismatch);
        }
        if away > self.tolerance.as_secs() {
            return Err(Refusal::Stale(away));
        }
        Ok(())
    }
}

fn verify(key: &Secret, parts: &[&[u8]], signature: &[u8]) -> Result<(), Refusal> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).map_err(|_| Refusal::NoSecret)?;
    parts.iter().for_each(|part| mac.update(part));
    // Constant time.
    mac.verify_slice(signature).map_err(|_| Refusal::Mismatch)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("sha256=").unwrap_or(text);
    decode_hex(text).or_else(|| BASE64.decode(text).ok())
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    bytes.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(verify: WebhookVerify) -> Verifier {
        Verifier {
            verify,
            secret: Some(Secret::new("whsec_of_this_test".to_owned())),
            header: "x-signature".to_owned(),
            tolerance: Duration::from_secs(300),
        }
    }

    fn sign(parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec_of_this_test").unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn stripe_binds_body_time_and_key() {
        let verifier = verifier(WebhookVerify::Stripe);
        let good = format!("t=1000,v1={}", hex(&sign(&[b"1000.", b"{}"])));
        let check = |header: &str, body: &[u8], now| {
            verifier.check(&headers("stripe-signature", header), body, now)
        };
        assert_eq!(check(&good, b"{}", 1100), Ok(()));
        assert_eq!(check(&good, b"{ }", 1100), Err(Refusal::Mismatch));
        assert_eq!(check(&good, b"{}", 1400), Err(Refusal::Stale(400)));
        assert_eq!(check(&good.replace("t=1000", "t=1001"), b"{}", 1100), Err(Refusal::Mismatch));
        assert!(matches!(check("t=1000", b"{}", 1000), Err(Refusal::Malformed(_))));
        let rotated = format!("{good},v1={}", hex(&[0; 32]));
        assert_eq!(check(&rotated, b"{}", 1000), Ok(()));
    }

    #[test]
    fn shopify_signs_the_body_in_base64() {
        let verifier = verifier(WebhookVerify::Shopify);
        let good = BASE64.encode(sign(&[b"{}"]));
        let check = |body: &[u8]| verifier.check(&headers("x-shopify-hmac-sha256", &good), body, 0);
        assert_eq!(check(b"{}"), Ok(()));
        assert_eq!(check(b"{1}"), Err(Refusal::Mismatch));
        let missing = verifier.check(&HeaderMap::new(), b"{}", 0);
        assert!(matches!(missing, Err(Refusal::Missing(_))));
    }

    #[test]
    fn generic_takes_hex_and_base64() {
        let verifier = verifier(WebhookVerify::HmacSha256);
        let signature = sign(&[b"{}"]);
        for text in
            [hex(&signature), format!("sha256={}", hex(&signature)), BASE64.encode(&signature)]
        {
            assert_eq!(verifier.check(&headers("x-signature", &text), b"{}", 0), Ok(()));
        }
    }
}
