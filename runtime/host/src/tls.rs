//! TLS of our own listeners: certificate and key from PEM, checked before the first connection, so
//! that what is wrong is said at the start and not to a caller.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::cli::Failure;
use crate::config::{Config, Tls};

/// The certificates of a listener's file, leaf first; checked for `now`.
pub fn certificates(
    tls: &Tls,
    table: &str,
    config: &Config,
    now: Timestamp,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let path = tls.certificate.display();
    let place = place(config, table);
    let text = std::fs::read(&tls.certificate).map_err(|error| {
        Failure::surroundings(format!(
            "error[CD0026]: the certificate {path} cannot be read: {error}\n{place}\n  help: correct `certificate`, which is relative to the configuration, or the permissions"
        ))
    })?;
    let wrong = |reason: String, help: &str| {
        Failure::files(format!("error[CD0027]: {reason}\n{place}\n  help: {help}"))
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = match chain {
        Ok(chain) if !chain.is_empty() => chain,
        _ => {
            let help = "it must hold the certificate and its chain as PEM, `-----BEGIN CERTIFICATE-----`, the own one first";
            return Err(wrong(format!("{path} holds no certificate"), help));
        }
    };
    for certificate in &chain {
        let Some((from, until)) = validity(certificate) else {
            return Err(wrong(
                format!("{path} holds a certificate that cannot be read"),
                "replace it",
            ));
        };
        if now < from {
            let help = "correct the clock, or wait until then";
            return Err(wrong(format!("the certificate {path} holds from {from} on"), help));
        }
        if now > until {
            let help = "renew it; every caller would refuse to speak to this address";
            return Err(wrong(format!("the certificate {path} expired at {until}"), help));
        }
    }
    Ok(chain)
}

/// What a listener accepts connections with.
pub fn acceptor(tls: &Tls, table: &str, config: &Config) -> Result<TlsAcceptor, Failure> {
    let chain = certificates(tls, table, config, crate::clock::now())?;
    let place = place(config, table);
    let folder = config.file.parent().unwrap_or(Path::new(""));
    let key = tls
        .key
        .read(folder)
        .map_err(|reason| Failure::surroundings(format!("error[CD0030]: {reason}\n{place} key")))?;
    let wrong = |reason: &str, help: &str| {
        Failure::files(format!("error[CD0028]: {reason}\n{place} key\n  help: {help}"))
    };
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
        let help = "it must be PEM without a password: `-----BEGIN PRIVATE KEY-----`";
        wrong("the key of the certificate cannot be read", help)
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::failed)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong(
                "the key does not belong to the certificate",
                "the first certificate of the file must be the one that was made for this key",
            ),
            error => wrong(&format!("certificate and key cannot be used: {error}"), "replace them"),
        })?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn place(config: &Config, table: &str) -> String {
    format!(" --> {} [listen] {table}", config.file.display())
}

/// From when until when a certificate holds (X.509, RFC 5280).
fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (tag, mut fields, _) = element(certificate)?;
    if tag != SEQUENCE {
        return None;
    }
    if fields.first() == Some(&VERSION) {
        (_, _, fields) = element(fields)?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (_, times, _) = element(fields)?;
    let (tag, from, times) = element(times)?;
    let from = time(tag, from)?;
    let (tag, until, _) = element(times)?;
    Some((from, time(tag, until)?))
}

/// The first element of DER: its tag, what it holds, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (held, rest) = rest.split_at_checked(length)?;
    Some((*tag, held, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    let civil = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let read = |tag, text: &str| time(tag, text.as_bytes()).map(|time| time.to_string());
        assert_eq!(read(0x17, "240229235959Z").as_deref(), Some("2024-02-29T23:59:59Z"));
        assert_eq!(read(0x17, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(read(0x18, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        for (tag, text) in [(0x17, "240230000000Z"), (0x18, "2050"), (0x16, "240229235959Z")] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let cut: &[&[u8]] =
            &[b"", b"\x30", b"\x30\x05\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80"];
        for bytes in cut {
            assert_eq!(validity(bytes), None, "{bytes:?}");
        }
    }
}
