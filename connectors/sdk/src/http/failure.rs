//! What a failed request means: could it have had its effect, and can it be repeated?

use serde_json::Value;

use super::Response;
use crate::{Fault, time};

/// The product's own words for an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub code: Option<String>,
    pub message: String,
}

impl Problem {
    /// The places where products usually put it: `error.message`, `message`, `detail`, `errors[0]`.
    pub fn guess(response: &Response) -> Option<Problem> {
        let body: Value = serde_json::from_slice(&response.body).ok()?;
        let first = |value: &Value| match value {
            Value::Array(items) => items.first().cloned(),
            other => Some(other.clone()),
        };
        let holder = ["error", "errors"]
            .iter()
            .find_map(|key| body.get(key).and_then(first))
            .unwrap_or_else(|| body.clone());
        let message = ["message", "detail", "error_description", "title"]
            .iter()
            .find_map(|key| holder.get(key).or_else(|| body.get(key))?.as_str())
            .or_else(|| holder.as_str())?
            .to_owned();
        let code = holder.get("code").and_then(Value::as_str).map(str::to_owned);
        Some(Problem { code, message })
    }
}

/// No answer, or not the whole of it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "replay knows two of them"))]
pub(super) enum Transport {
    /// Nothing was sent: it certainly had no effect.
    NotSent(String),
    /// Sent, at least in part, and then silence.
    Cut(String),
    /// The host will never let it out.
    Denied(String),
    /// An answer came and is longer than this connector reads.
    TooLarge(String),
}

impl Transport {
    pub(super) fn fault(self, place: &str, mutates: bool) -> Fault {
        match self {
            Transport::NotSent(why) => Fault::later("unreachable", format!("{place}: {why}")),
            Transport::Denied(why) => Fault::never("not-allowed", format!("{place}: {why}")),
            Transport::Cut(why) if mutates => {
                Fault::outcome_unknown("no-answer", format!("{place}: {why}"))
            }
            Transport::Cut(why) => Fault::later("no-answer", format!("{place}: {why}")),
            Transport::TooLarge(why) if mutates => {
                Fault::outcome_unknown("answer-too-large", format!("{place}: {why}"))
            }
            Transport::TooLarge(why) => Fault::never("answer-too-large", format!("{place}: {why}")),
        }
    }
}

/// The fault of a status that is no answer.
pub(super) fn of_status(response: &Response, problem: Option<Problem>) -> Fault {
    let status = response.status;
    let (code, said) = match problem {
        Some(problem) => (problem.code, problem.message),
        None => (None, plain(&response.body)),
    };
    let message = format!("{} answered {status}: {said}", response.place);
    let retry_after = response.header("retry-after").and_then(retry_after_ms);
    let fault = match status {
        401 => Fault::refresh_auth("unauthorised", message),
        // The system says that it did not take the request, and when it will.
        429 => Fault::later_in("throttled", message, retry_after),
        503 if retry_after.is_some() => Fault::later_in("unavailable", message, retry_after),
        408 | 500..=599 if response.mutated => Fault::outcome_unknown("server-error", message),
        408 | 500..=599 => Fault::later_in("server-error", message, retry_after),
        // Too early, and locked by somebody else: refused as yet.
        423 | 425 => Fault::later_in("busy", message, retry_after),
        _ => Fault::never(code.as_deref().unwrap_or("rejected"), message),
    };
    fault.with_status(status)
}

/// Seconds, or an HTTP date.
fn retry_after_ms(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let at = time::parse_http_date(text)?;
    Some(u64::try_from(at - time::now_s()).unwrap_or(0) * 1000)
}

/// The text of an error page, without its markup.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    fn answer(status: u16, mutated: bool, headers: &[(&str, &str)]) -> Fault {
        let headers = headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let mut response = Response::new(status, headers, b"<html><h1>Sorry</h1></html>".to_vec());
        response.mutated = mutated;
        of_status(&response, None)
    }

    #[test]
    fn a_status_says_whether_a_retry_helps() {
        let check = |status, mutated, headers: &[(&str, &str)], expect: Retry| {
            assert_eq!(answer(status, mutated, headers).retry, expect, "{status} {mutated}");
        };
        check(400, true, &[], Retry::Never);
        check(401, true, &[], Retry::RefreshAuth);
        check(403, false, &[], Retry::Never);
        check(409, true, &[], Retry::Never);
        check(429, true, &[("retry-after", "7")], Retry::Later(Some(7000)));
        check(429, true, &[], Retry::Later(None));
        check(500, true, &[], Retry::OutcomeUnknown);
        check(500, false, &[], Retry::Later(None));
        check(503, true, &[("retry-after", "2")], Retry::Later(Some(2000)));
        check(503, true, &[], Retry::OutcomeUnknown);
        check(502, false, &[], Retry::Later(None));
        check(
            429,
            false,
            &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")],
            Retry::Later(Some(0)),
        );
    }

    #[test]
    fn a_cut_mutation_is_in_doubt_and_a_refused_connection_is_not() {
        let cut = || Transport::Cut("connection reset".into());
        assert_eq!(cut().fault("POST x", true).retry, Retry::OutcomeUnknown);
        assert_eq!(cut().fault("GET x", false).retry, Retry::Later(None));
        let refused = Transport::NotSent("connection refused".into());
        assert_eq!(refused.fault("POST x", true).retry, Retry::Later(None));
    }

    #[test]
    fn the_products_words_are_kept() {
        assert!(answer(400, false, &[]).message.ends_with("Sorry"));
        let says = |body: &str| Problem::guess(&Response::new(400, vec![], body.into()));
        let problem = says(r#"{"error":{"code":"card_declined","message":"No."}}"#).unwrap();
        assert_eq!(problem, Problem { code: Some("card_declined".into()), message: "No.".into() });
        assert_eq!(says(r#"{"detail":"Not found."}"#).unwrap().message, "Not found.");
        assert_eq!(says(r#"{"errors":[{"message":"x"}]}"#).unwrap().message, "x");
        assert_eq!(says(r#"{"error":"bad"}"#).unwrap().message, "bad");
        assert_eq!(says("<p>no</p>"), None);
    }
}
