//! The named scalars: what is one, what is not, and what is said then.

use crate::{Scalar, Value, check_scalar};

fn good(scalar: Scalar, texts: &[&str]) {
    for text in texts {
        if let Err(why) = check_scalar(scalar, text) {
            panic!("{} {text}: {why}", scalar.name());
        }
    }
}

fn bad(scalar: Scalar, texts: &[&str]) {
    for text in texts {
        assert!(check_scalar(scalar, text).is_err(), "{} {text:?}", scalar.name());
    }
}

#[test]
fn decimals() {
    good(Scalar::Decimal, &["0", "-0.00", "10.50", "1234567890123456789012345678", "007"]);
    bad(Scalar::Decimal, &["", "-", ".5", "5.", "1e3", "+1", "1,5", " 1", "1_000", "0x1", "٣"]);
    bad(Scalar::Decimal, &["12345678901234567890123456789012"]);
    assert_eq!(check_scalar(Scalar::Decimal, "10.50").unwrap(), {
        Value::Decimal("10.5".parse().unwrap())
    });
}

#[test]
fn codes() {
    good(Scalar::Currency, &["EUR", "USD", "XTS", "CHF"]);
    bad(Scalar::Currency, &["", "EURO", "ABC", "E", "€"]);
    good(Scalar::Country, &["DE", "US", "XK"]);
    bad(Scalar::Country, &["", "UK", "DEU", "ZZ"]);
    good(Scalar::Unit, &["PCE", "KGM", "a", "012345678901"]);
    bad(Scalar::Unit, &["", "0123456789012", "m²", "a b", "a-b"]);
    let told = check_scalar(Scalar::Currency, "eur").unwrap_err();
    assert_eq!(told, "not an ISO 4217 currency code such as `EUR`: write `EUR`");
}

#[test]
fn dates_and_zones() {
    good(Scalar::Date, &["2026-03-31", "2024-02-29", "0000-01-01"]);
    bad(Scalar::Date, &["2026-02-29", "2026-13-01", "2026-3-31", "20260331", "2026-03-31T00:00"]);
    bad(Scalar::Date, &["-026-03-31", "", "2026-03-31 ", "+002026-03-31"]);
    good(Scalar::TimeZone, &["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"]);
    bad(Scalar::TimeZone, &["", "Berlin", "europe/berlin", "+02:00", "CET0", "Europe/../UTC"]);
}

#[test]
fn timestamps_are_instants_in_utc() {
    let read = |text: &str| match check_scalar(Scalar::Timestamp, text) {
        Ok(Value::Timestamp(timestamp)) => timestamp.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(read("2026-03-31T14:05:00+02:00"), "2026-03-31T12:05:00Z");
    assert_eq!(read("2026-03-31t14:05:00.120z"), "2026-03-31T14:05:00.12Z");
    assert_eq!(read("2026-03-31T14:05:00-00:30"), "2026-03-31T14:35:00Z");
    assert_eq!(read("9999-12-30T22:00:00.999999999Z"), "9999-12-30T22:00:00.999999999Z");
    bad(Scalar::Timestamp, &["2026-03-31T14:05:00", "2026-03-31 14:05:00Z", "2026-03-31"]);
    bad(Scalar::Timestamp, &["2026-03-31T14:05Z", "2026-03-31T14:05:00[UTC]", "", "now"]);
    bad(Scalar::Timestamp, &["2026-03-31T25:05:00Z", "2026-03-31T14:05:00.Z", "1759500000"]);
    bad(Scalar::Timestamp, &["2026-03-31T14:05:00.1234567890Z", "2026-03-31T14:05:00+0200"]);
    bad(Scalar::Timestamp, &["0000-01-01T00:00:00+01:00", "2026-03-31T14:05:00Zü"]);
    bad(Scalar::Timestamp, &["2026-03-31T14:05:0üZ", "üü26-03-31T14:05:00Z"]);
}

#[test]
fn durations() {
    let read = |text: &str| match check_scalar(Scalar::Duration, text) {
        Ok(Value::Duration(duration)) => duration.as_nanos(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(read("P1W"), 7 * 86_400 * 1_000_000_000);
    assert_eq!(read("P1DT1H1M1.5S"), (86_400 + 3_600 + 60 + 1) * 1_000_000_000 + 500_000_000);
    assert_eq!(read("-PT0.000000001S"), -1);
    assert_eq!(read("PT0S"), 0);
    bad(Scalar::Duration, &["", "P", "PT", "P1DT", "1D", "P1Y", "P1M", "P1S", "PT1D", "PT1M1H"]);
    bad(Scalar::Duration, &["PT1.5H", "PT1H1H", "PT-1S", "PT1.S", "PT.5S", "+PT1S", "PT1s"]);
    bad(Scalar::Duration, &["PT99999999999999999999S", "P99999999999999999999W", "PTS", "P1D1W"]);
    bad(Scalar::Duration, &["P1ü", "PüD", "PT1H2", "PT999999999999999999999S"]);
}
