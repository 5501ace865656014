//! Signatures of webhooks and clients, verified on the raw bytes before any guest runs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connector::Secret;
use hmac::{Hmac, Mac};
use http::HeaderName;
use sha2::Sha256;

use super::signed::{Request, Signed, Time};

/// A checked `[connectors.ALIAS.webhook]` with its secrets at hand.
#[derive(Clone, Debug)]
pub enum Verifier {
    Stripe {
        secrets: Vec<Secret>,
        tolerance: Duration,
    },
    Shopify {
        secrets: Vec<Secret>,
    },
    Hmac(Scheme),
    /// The secret itself stands in a header, as Karrio sends it: it says who posts, and binds nothing.
    Token {
        secrets: Vec<Secret>,
        header: HeaderName,
    },
    /// A network that vouches for its callers.
    None,
}

/// Signatures in one header: each costs a hash of the body for every secret.
const SIGNATURES_MAX: usize = 8;

/// Why a signed request was turned away. Said to the log; the caller only learns "not verified".
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
    pub fn check(&self, request: &Request<'_>, now_s: u64) -> Result<(), Refusal> {
        match self {
            Verifier::None => Ok(()),
            Verifier::Stripe { secrets, tolerance } => {
                check_stripe(secrets, *tolerance, request, now_s)
            }
            Verifier::Shopify { secrets } => {
                let given = signature(request, &SHOPIFY)?;
                verify(secrets, &[request.body], &given)
            }
            Verifier::Hmac(scheme) => scheme.check(request, now_s),
            Verifier::Token { secrets, header } => {
                // Hashes are compared: how long it takes says nothing of the secret.
                let given = hash(text(request, header)?)?.finalize().into_bytes();
                for secret in secrets {
                    if hash(secret.expose())?.verify_slice(&given).is_ok() {
                        return Ok(());
                    }
                }
                Err(Refusal::Mismatch)
            }
        }
    }
}

fn hash(text: &str) -> Result<Hmac<Sha256>, Refusal> {
    let mut mac = Hmac::new_from_slice(b"webhook token").map_err(|_| Refusal::NoSecret)?;
    mac.update(text.as_bytes());
    Ok(mac)
}

/// A signature in a header over a text that the configuration says.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// Any of them is right: the present one, and the one that it replaces.
    pub secrets: Vec<Secret>,
    pub header: HeaderName,
    pub signed: Signed,
}

impl Scheme {
    pub fn check(&self, request: &Request<'_>, now_s: u64) -> Result<(), Refusal> {
        let given = signature(request, &self.header)?;
        // The signature first: nobody learns how old is too old without a secret.
        verify(&self.secrets, &self.signed.pieces(request), &given)?;
        self.signed.check_time(request.headers, now_s).map_err(|time| match time {
            Time::Missing(name) => Refusal::Missing(name),
            Time::Malformed(name) => Refusal::Malformed(name),
            Time::Stale(away) => Refusal::Stale(away),
        })
    }
}

const STRIPE: HeaderName = HeaderName::from_static("stripe-signature");
const SHOPIFY: HeaderName = HeaderName::from_static("x-shopify-hmac-sha256");

fn text<'a>(request: &Request<'a>, name: &HeaderName) -> Result<&'a str, Refusal> {
    let value = request.headers.get(name).ok_or_else(|| Refusal::Missing(name.to_string()))?;
    value.to_str().map_err(|_| Refusal::Malformed(name.to_string()))
}

fn signature(request: &Request<'_>, name: &HeaderName) -> Result<Vec<u8>, Refusal> {
    decode(text(request, name)?).ok_or_else(|| Refusal::Malformed(name.to_string()))
}

/// `t=UNIX,v1=HEX[,v1=HEX]` over `t.body`; several signatures while a secret is rotated.
fn check_stripe(
    secrets: &[Secret],
    tolerance: Duration,
    request: &Request<'_>,
    now_s: u64,
) -> Result<(), Refusal> {
    let malformed = || Refusal::Malformed(STRIPE.to_string());
    let mut stamp = None;
    let mut signatures = Vec::new();
    for part in text(request, &STRIPE)?.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => stamp = Some(text),
            Some(("v1", _)) if signatures.len() >= SIGNATURES_MAX => return Err(malformed()),
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
    let pieces = [stamp.as_bytes(), b".", request.body];
    let good = signatures.iter().any(|signature| verify(secrets, &pieces, signature).is_ok());
    if !good {
        return Err(Refusal::Mismatch);
    }
    if away > tolerance.as_secs() {
        return Err(Refusal::Stale(away));
    }
    Ok(())
}

fn verify(secrets: &[Secret], pieces: &[&[u8]], signature: &[u8]) -> Result<(), Refusal> {
    for secret in secrets {
        let key = secret.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Refusal::NoSecret)?;
        pieces.iter().for_each(|piece| mac.update(piece));
        // Constant time.
        if mac.verify_slice(signature).is_ok() {
            return Ok(());
        }
    }
    Err(if secrets.is_empty() { Refusal::NoSecret } else { Refusal::Mismatch })
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
    use http::HeaderMap;

    const TOLERANCE: Duration = Duration::from_secs(300);

    fn secrets() -> Vec<Secret> {
        ["whsec_of_next_year", "whsec_of_this_test"].map(|text| Secret::new(text.to_owned())).into()
    }

    fn sign(parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec_of_this_test").unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(
        verifier: &Verifier,
        headers: &[(&'static str, &str)],
        body: &[u8],
        now_s: u64,
    ) -> Result<(), Refusal> {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        let headers = HeaderMap::from_iter(headers);
        let request = Request { method: "POST", path: "/hook", headers: &headers, body };
        verifier.check(&request, now_s)
    }

    fn generic(signs: &str, timestamp: Option<&str>) -> Verifier {
        Verifier::Hmac(Scheme {
            secrets: secrets(),
            header: HeaderName::from_static("x-signature"),
            signed: Signed::parse(signs, timestamp, TOLERANCE).unwrap(),
        })
    }

    #[test]
    fn stripe_binds_body_time_and_key() {
        let verifier = Verifier::Stripe { secrets: secrets(), tolerance: TOLERANCE };
        let good = format!("t=1000,v1={}", hex(&sign(&[b"1000.", b"{}"])));
        let check = |header: &str, body: &[u8], now| {
            check(&verifier, &[("stripe-signature", header)], body, now)
        };
        assert_eq!(check(&good, b"{}", 1100), Ok(()));
        assert_eq!(check(&good, b"{ }", 1100), Err(Refusal::Mismatch));
        assert_eq!(check(&good, b"{}", 1400), Err(Refusal::Stale(400)));
        assert_eq!(check(&good.replace("t=1000", "t=1001"), b"{}", 1100), Err(Refusal::Mismatch));
        assert!(matches!(check("t=1000", b"{}", 1000), Err(Refusal::Malformed(_))));
        let rotated = format!("{good},v1={}", hex(&[0; 32]));
        assert_eq!(check(&rotated, b"{}", 1000), Ok(()));
        let many = format!("{good}{}", ",v1=00".repeat(SIGNATURES_MAX));
        assert!(matches!(check(&many, b"{}", 1000), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn shopify_signs_the_body_in_base64() {
        let verifier = Verifier::Shopify { secrets: secrets() };
        let good = BASE64.encode(sign(&[b"{}"]));
        let check = |body: &[u8]| check(&verifier, &[("x-shopify-hmac-sha256", &good)], body, 0);
        assert_eq!(check(b"{}"), Ok(()));
        assert_eq!(check(b"{1}"), Err(Refusal::Mismatch));
        let missing = super::tests::check(&verifier, &[], b"{}", 0);
        assert!(matches!(missing, Err(Refusal::Missing(_))));
    }

    #[test]
    fn a_token_is_the_secret_itself() {
        let header = HeaderName::from_static("x-event-id");
        let verifier = Verifier::Token { secrets: secrets(), header };
        let check = |token: &str| check(&verifier, &[("x-event-id", token)], b"{}", 0);
        assert_eq!(check("whsec_of_this_test"), Ok(()));
        assert_eq!(check("whsec_of_next_year"), Ok(()));
        for wrong in ["", "whsec_of_this_tes", "whsec_of_this_test2"] {
            assert_eq!(check(wrong), Err(Refusal::Mismatch));
        }
        let missing = super::tests::check(&verifier, &[], b"{}", 0);
        assert!(matches!(missing, Err(Refusal::Missing(_))));
    }

    #[test]
    fn generic_takes_hex_and_base64() {
        let signature = sign(&[b"{}"]);
        let verifier = generic("{body}", None);
        for text in
            [hex(&signature), format!("sha256={}", hex(&signature)), BASE64.encode(&signature)]
        {
            assert_eq!(check(&verifier, &[("x-signature", &text)], b"{}", 0), Ok(()));
        }
    }

    #[test]
    fn generic_binds_the_time_of_signing() {
        let verifier = generic("{timestamp}.{body}", Some("x-time"));
        let good = hex(&sign(&[b"1000.", b"{}"]));
        let at = |time: &'static str, now| {
            check(&verifier, &[("x-signature", &good), ("x-time", time)], b"{}", now)
        };
        assert_eq!(at("1000", 1300), Ok(()));
        assert_eq!(at("1000", 1301), Err(Refusal::Stale(301)));
        assert_eq!(at("1200", 1301), Err(Refusal::Mismatch), "the time is signed");
        let unstamped = check(&verifier, &[("x-signature", &good)], b"{}", 1000);
        assert_eq!(unstamped, Err(Refusal::Mismatch));
    }
}
