//! The door of a named budget at the way out. The host implements it with its limits; here is only
//! what an upstream needs of one, and what its system lets know of the pace that it bears.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use super::state::BoxFuture;

/// Held while a request is under way; dropping it makes room.
pub type Permit = Box<dyn Send + Sync>;

/// The budget is spent and waiting for it would take too long; nothing has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The name of the budget.
    pub limit: String,
    /// When to come again.
    pub after: Duration,
    /// The quota of the day or month is spent.
    pub quota: bool,
}

/// What an answer says of the pace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub refusal: Option<Refusal>,
    pub allowance: Option<Allowance>,
}

/// The system did not take the request: it has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As `Retry-After` says.
    pub after: Option<Duration>,
    /// Of us (429); else of everyone (503).
    pub too_many: bool,
}

/// What is left to us until the system counts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub left: u64,
    pub reset: Duration,
}

pub trait Door: Send + Sync + 'static {
    /// Waits for a turn while the wait is short.
    fn enter(&self) -> BoxFuture<'_, Result<Permit, Refused>>;

    /// After each answer: what it says is everyone's pace.
    fn hear(&self, heard: &Heard);
}

/// The longest pause that a system's word is taken for; then it is asked again.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// A reset above this is a time since 1970, not from now.
const RESET_S_MAX: u64 = 1_000_000_000;

impl Heard {
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Heard {
        let refusal = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(true),
            StatusCode::SERVICE_UNAVAILABLE => Some(false),
            _ => None,
        };
        let refusal =
            refusal.map(|too_many| Refusal { after: retry_after(headers, now), too_many });
        Heard { refusal, allowance: allowance(headers, now) }
    }
}

/// In seconds, or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, header::RETRY_AFTER.as_str())?;
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            at.duration_since(now).try_into().unwrap_or(Duration::ZERO)
        }
    };
    Some(pause.min(PAUSE_MAX))
}

/// `RateLimit: "default";r=0;t=5` of the present draft, its earlier forms, and what was usual before.
fn allowance(headers: &HeaderMap, now: Timestamp) -> Option<Allowance> {
    if let Some(field) = text(headers, "ratelimit") {
        // An earlier draft had one policy, its parts parted by commas.
        let one = field.contains("remaining=");
        let field = if one { field.replace(',', ";") } else { field.to_owned() };
        // Of several policies, the one that binds: least left, then longest.
        return field
            .split(',')
            .filter_map(policy)
            .min_by_key(|allowance| (allowance.left, std::cmp::Reverse(allowance.reset)));
    }
    ["ratelimit", "x-ratelimit", "x-rate-limit"].iter().find_map(|prefix| {
        let left = text(headers, &format!("{prefix}-remaining"))?.parse().ok()?;
        let reset_s: u64 = text(headers, &format!("{prefix}-reset"))?.parse().ok()?;
        let now_s = u64::try_from(now.as_second()).unwrap_or(0);
        let reset_s = if reset_s > RESET_S_MAX { reset_s.saturating_sub(now_s) } else { reset_s };
        Some(Allowance { left, reset: Duration::from_secs(reset_s).min(PAUSE_MAX) })
    })
}

/// One policy: `"default";r=50;t=30`, or `limit=100;remaining=50;reset=5`.
fn policy(item: &str) -> Option<Allowance> {
    let parameter = |names: [&str; 2]| {
        item.split(';').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            names.contains(&name.trim()).then(|| value.trim().parse::<u64>().ok())?
        })
    };
    let left = parameter(["r", "remaining"])?;
    let reset = Duration::from_secs(parameter(["t", "reset"])?);
    Some(Allowance { left, reset: reset.min(PAUSE_MAX) })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(status: u16, fields: &[(&'static str, &str)]) -> Heard {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        Heard::of(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date() {
        let asked = |status, value| heard(status, &[("retry-after", value)]).refusal;
        let refusal = |after, too_many| Some(Refusal { after, too_many });
        assert_eq!(asked(429, "7"), refusal(Some(s(7)), true));
        assert_eq!(asked(503, "0"), refusal(Some(s(0)), false));
        assert_eq!(asked(429, "999999"), refusal(Some(s(3600)), true));
        assert_eq!(asked(429, "Wed, 21 Oct 2015 07:28:00 GMT"), refusal(Some(s(0)), true));
        assert_eq!(asked(429, "Tue, 14 Nov 2023 22:13:30 GMT"), refusal(Some(s(10)), true));
        assert_eq!(asked(429, "soon"), refusal(None, true));
        assert_eq!(asked(500, "7"), None);
        assert_eq!(heard(429, &[]).refusal, refusal(None, true));
    }

    #[test]
    fn what_is_left_is_read_in_each_of_its_forms() {
        let left = |left, reset_s| Some(Allowance { left, reset: s(reset_s) });
        for (fields, expected) in [
            (&[("ratelimit", "\"default\";r=0;t=5")][..], left(0, 5)),
            (&[("ratelimit", "\"a\";r=9;t=3, \"b\";r=2;t=60;pk=:eA==:")][..], left(2, 60)),
            (&[("ratelimit", "limit=100, remaining=50, reset=5")][..], left(50, 5)),
            (&[("ratelimit-remaining", "1"), ("ratelimit-reset", "30")][..], left(1, 30)),
            (
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000020")][..],
                left(0, 20),
            ),
            (
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1600000000")][..],
                left(0, 0),
            ),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999")][..], left(0, 3600)),
            (&[("x-ratelimit-remaining", "0")][..], None),
            (&[("ratelimit", "\"default\";r=many;t=5")][..], None),
            (&[("ratelimit", ";;=;r")][..], None),
        ] {
            assert_eq!(heard(200, fields).allowance, expected, "{fields:?}");
        }
    }
}
