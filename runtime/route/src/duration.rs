//! Spans of time as route files write them: `500ms`, `10s`, `15m`, `24h`, `7d`, `1h30m`.

/// A year; what is longer is a slip of the pen.
pub const DURATION_MS_MAX: u64 = 366 * 24 * 3_600_000;

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds, at least one.
pub fn parse(text: &str) -> Result<u64, String> {
    let expected = || {
        format!("`{text}` is not a span of time; write for example \"10s\", \"15m\" or \"1h30m\"")
    };
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
        let number: u64 = rest[..digits].parse().map_err(|_| expected())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, unit_ms) =
            UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(expected)?;
        // Large units first, each at most once: `30m1h` is more often a mistake than a wish.
        if *unit_ms >= smallest {
            return Err(expected());
        }
        smallest = *unit_ms;
        total_ms = number
            .checked_mul(*unit_ms)
            .and_then(|ms| ms.checked_add(total_ms))
            .filter(|ms| *ms <= DURATION_MS_MAX)
            .ok_or_else(|| format!("`{text}` is longer than a year"))?;
        rest = &rest[letters..];
    }
    if total_ms == 0 { Err(expected()) } else { Ok(total_ms) }
}

/// The shortest way to write it that `parse` reads back.
pub fn show(mut ms: u64) -> String {
    let mut text = String::new();
    for (unit, unit_ms) in UNITS.iter().rev() {
        if ms >= *unit_ms {
            text.push_str(&format!("{}{unit}", ms / unit_ms));
            ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown() {
        for (text, ms) in [
            ("1ms", 1),
            ("10s", 10_000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1s500ms", 1_500),
        ] {
            assert_eq!(parse(text), Ok(ms), "{text}");
            assert_eq!(show(ms), text);
        }
        assert_eq!(show(0), "0s");
        assert_eq!(show(86_400_000 * 2 + 1), "2d1ms");
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in
            ["", "0s", "10", "s", "10 s", "1.5h", "-1s", "30m1h", "1s1s", "10y", "9999999d", "1h30"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
