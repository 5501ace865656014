//! What a sender signs: a text made of parts of the request, with the time of signing in it, so that
//! an old request is worth nothing. Used for generic webhooks and for clients that sign.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// A checked `signs`: literals and parts of the request, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    parts: Vec<Part>,
    timestamp_header: Option<HeaderName>,
    tolerance: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Timestamp,
    Method,
    Path,
    Body,
    Header(HeaderName),
}

/// A request as its signature covers it.
pub struct Request<'a> {
    pub method: &'a str,
    /// With its query.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Why the time of signing does not hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Time {
    Missing(String),
    Malformed(String),
    /// Seconds away from now.
    Stale(u64),
}

impl Signed {
    /// The error completes "`signs` ...".
    pub fn parse(
        signs: &str,
        timestamp_header: Option<&str>,
        tolerance: Duration,
    ) -> Result<Signed, String> {
        let mut parts = Vec::new();
        let mut rest = signs;
        while let Some(start) = rest.find('{') {
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            let length = rest[start..].find('}').ok_or("has a `{` without its `}`")?;
            parts.push(part(&rest[start + 1..start + length])?);
            rest = &rest[start + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if !parts.contains(&Part::Body) {
            return Err("leaves out {body}, so that anything could be sent".to_owned());
        }
        let timestamp_header = timestamp_header.map(header_name).transpose()?;
        match (parts.contains(&Part::Timestamp), timestamp_header.is_some()) {
            (true, false) => {
                Err("has {timestamp}, and no `timestamp_header` says where it stands".to_owned())
            }
            (false, true) => {
                Err("leaves out {timestamp}, so that the time in `timestamp_header` proves nothing"
                    .to_owned())
            }
            _ => Ok(Signed { parts, timestamp_header, tolerance }),
        }
    }

    /// The signed bytes, piece by piece.
    pub fn pieces<'a>(&'a self, request: &Request<'a>) -> Vec<&'a [u8]> {
        let header = |name: &HeaderName| {
            request.headers.get(name).map_or(&b""[..], http::HeaderValue::as_bytes)
        };
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.as_bytes(),
                Part::Timestamp => self.timestamp_header.as_ref().map_or(&b""[..], header),
                Part::Method => request.method.as_bytes(),
                Part::Path => request.path.as_bytes(),
                Part::Body => request.body,
                Part::Header(name) => header(name),
            })
            .collect()
    }

    /// Whether the request was signed about now. Without a timestamp every time is right.
    pub fn check_time(&self, headers: &HeaderMap, now_s: u64) -> Result<(), Time> {
        let Some(name) = &self.timestamp_header else { return Ok(()) };
        let value = headers.get(name).ok_or_else(|| Time::Missing(name.to_string()))?;
        let signed_at = value.to_str().ok().and_then(seconds);
        let signed_at = signed_at.ok_or_else(|| Time::Malformed(name.to_string()))?;
        match now_s.abs_diff(signed_at) {
            away if away > self.tolerance.as_secs() => Err(Time::Stale(away)),
            _ => Ok(()),
        }
    }
}

fn part(name: &str) -> Result<Part, String> {
    Ok(match name {
        "timestamp" => Part::Timestamp,
        "method" => Part::Method,
        "path" => Part::Path,
        "body" => Part::Body,
        _ => match name.strip_prefix("header:") {
            Some(header) => Part::Header(header_name(header)?),
            None => {
                return Err(format!(
                    "has {{{name}}}; it may have {{timestamp}}, {{method}}, {{path}}, {{body}} and {{header:NAME}}"
                ));
            }
        },
    })
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.to_ascii_lowercase().parse().map_err(|_| format!("names `{name}`, which is no header"))
}

/// Unix seconds or milliseconds, or RFC 3339.
fn seconds(text: &str) -> Option<u64> {
    /// Seconds until the year 5138; a larger number counts milliseconds.
    const SECONDS_MAX: u64 = 100_000_000_000;
    match text.parse::<u64>() {
        Ok(number) if number > SECONDS_MAX => Some(number / 1000),
        Ok(number) => Some(number),
        Err(_) => u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_second()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(300);

    #[test]
    fn a_template_that_proves_nothing_is_refused() {
        for (signs, timestamp, reason) in [
            ("{timestamp}", Some("x-time"), "leaves out {body}"),
            ("{body}", Some("x-time"), "leaves out {timestamp}"),
            ("{timestamp}.{body}", None, "no `timestamp_header`"),
            ("{boddy}", None, "has {boddy}"),
            ("{body", None, "without its"),
            ("{body}{header:a b}", None, "no header"),
        ] {
            let refused = Signed::parse(signs, timestamp, TOLERANCE).unwrap_err();
            assert!(refused.contains(reason), "{signs}: {refused}");
        }
    }

    #[test]
    fn the_pieces_are_those_of_the_template() {
        let signs = "v1:{timestamp}|{method} {path}|{header:X-Key}|{body}";
        let signed = Signed::parse(signs, Some("X-Time"), TOLERANCE).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-time", "1000".parse().unwrap());
        let request = Request { method: "POST", path: "/a?b=1", headers: &headers, body: b"{}" };
        assert_eq!(signed.pieces(&request).concat(), b"v1:1000|POST /a?b=1||{}");
    }

    #[test]
    fn the_time_of_signing_must_be_about_now() {
        let signed = Signed::parse("{timestamp}{body}", Some("x-time"), TOLERANCE).unwrap();
        let check = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-time", text.parse().unwrap());
            signed.check_time(&headers, 2_000_000_000)
        };
        for good in
            ["2000000000", "1999999700", "2000000300", "2000000000000", "2033-05-18T03:33:20Z"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("1999999699"), Err(Time::Stale(301)));
        assert_eq!(check("2000000301"), Err(Time::Stale(301)), "from the future, too");
        assert!(matches!(check("yesterday"), Err(Time::Malformed(_))));
        assert!(matches!(signed.check_time(&HeaderMap::new(), 0), Err(Time::Missing(_))));
    }
}
