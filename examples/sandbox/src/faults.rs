//! Misbehaviour on request. Whether the n-th request that a rule matches is hit depends only on
//! the seed, the rule's place and n: never on time or on other rules.

use serde::{Deserialize, Serialize};

use crate::wire::Reply;

pub const PRODUCTS: [&str; 6] = ["tryton", "inventree", "karrio", "avatax", "stripe", "shopify"];
const RULES_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Latency,
    RateLimit,
    ServerError,
    CutBefore,
    CutAfter,
    Quota,
    WebhookDuplicate,
    WebhookOutOfOrder,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub kind: Kind,
    pub product: Option<String>,
    pub method: Option<String>,
    pub path: Option<String>,
    #[serde(default = "always")]
    pub probability: f64,
    pub count: Option<u64>,
    pub latency_ms: Option<u64>,
    pub retry_after_s: Option<u64>,
    pub status: Option<u16>,
    pub per_second: Option<f64>,
    /// How often the rule was asked and how often it hit; for `GET /sandbox/faults`.
    #[serde(default, skip_deserializing)]
    pub asked: u64,
    #[serde(default, skip_deserializing)]
    pub hit: u64,
    #[serde(skip)]
    tokens: f64,
    #[serde(skip)]
    refilled_ms: u64,
}

/// What is to be done to one request.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Verdict {
    pub latency_ms: u64,
    pub outcome: Outcome,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub enum Outcome {
    #[default]
    Normal,
    TooMany {
        retry_after_s: u64,
    },
    Broken {
        status: u16,
    },
    CutBefore,
    CutAfter,
}

#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    pub rules: Vec<Rule>,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        Faults { seed, rules: Vec::new() }
    }

    pub fn add(&mut self, rule: Rule) -> Result<(), String> {
        if self.rules.len() >= RULES_MAX {
            return Err(format!("there are {RULES_MAX} rules already"));
        }
        if !(0.0..=1.0).contains(&rule.probability) {
            return Err("probability must be between 0 and 1".into());
        }
        if let Some(product) = rule.product.as_deref()
            && !PRODUCTS.contains(&product)
        {
            return Err(format!("product must be one of {}", PRODUCTS.join(", ")));
        }
        if rule.kind == Kind::Quota && !rule.per_second.is_some_and(|rate| rate > 0.0) {
            return Err("a quota needs per_second above 0".into());
        }
        if rule.status.is_some_and(|status| !(500..600).contains(&status)) {
            return Err("status must be 500 to 599".into());
        }
        self.rules.push(rule);
        Ok(())
    }

    /// Judges a request to a product; the rules are asked in their order.
    pub fn judge(&mut self, product: &str, method: &str, path: &str, now_ms: u64) -> Verdict {
        let mut verdict = Verdict::default();
        let seed = self.seed;
        for (place, rule) in self.rules.iter_mut().enumerate() {
            if rule.is_for_webhooks() || !rule.matches(product, method, path) {
                continue;
            }
            if rule.kind == Kind::Quota {
                if !rule.grant(now_ms) && verdict.outcome == Outcome::Normal {
                    verdict.outcome =
                        Outcome::TooMany { retry_after_s: rule.retry_after_s.unwrap_or(1) };
                }
                continue;
            }
            if !rule.hits(seed, place) {
                continue;
            }
            let outcome = match rule.kind {
                Kind::Latency => {
                    verdict.latency_ms += rule.latency_ms.unwrap_or(200);
                    continue;
                }
                Kind::RateLimit => {
                    Outcome::TooMany { retry_after_s: rule.retry_after_s.unwrap_or(1) }
                }
                Kind::ServerError => Outcome::Broken { status: rule.status.unwrap_or(500) },
                Kind::CutBefore => Outcome::CutBefore,
                _ => Outcome::CutAfter,
            };
            if verdict.outcome == Outcome::Normal {
                verdict.outcome = outcome;
            }
        }
        verdict
    }

    /// Judges a webhook: (sent twice, held back).
    pub fn judge_webhook(&mut self, product: &str) -> (bool, bool) {
        let seed = self.seed;
        let mut hit = |kind: Kind| {
            let mut any = false;
            for (place, rule) in self.rules.iter_mut().enumerate() {
                if rule.kind == kind && rule.matches(product, "POST", "") {
                    any |= rule.hits(seed, place);
                }
            }
            any
        };
        (hit(Kind::WebhookDuplicate), hit(Kind::WebhookOutOfOrder))
    }
}

impl Rule {
    fn is_for_webhooks(&self) -> bool {
        matches!(self.kind, Kind::WebhookDuplicate | Kind::WebhookOutOfOrder)
    }

    fn matches(&self, product: &str, method: &str, path: &str) -> bool {
        self.product.as_deref().is_none_or(|p| p == product)
            && self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|p| path.starts_with(p))
    }

    fn hits(&mut self, seed: u64, place: usize) -> bool {
        if self.count.is_some_and(|count| self.hit >= count) {
            return false;
        }
        self.asked += 1;
        let drawn = mix(seed ^ mix(place as u64 + 1) ^ mix(self.asked << 20));
        // 53 bits make an exact fraction in [0, 1).
        let hit = ((drawn >> 11) as f64) / ((1u64 << 53) as f64) < self.probability;
        self.hit += u64::from(hit);
        hit
    }

    /// A token bucket of one second's worth.
    fn grant(&mut self, now_ms: u64) -> bool {
        let rate = self.per_second.unwrap_or(1.0);
        let elapsed_s = now_ms.saturating_sub(self.refilled_ms) as f64 / 1000.0;
        self.tokens = (self.tokens + elapsed_s * rate).min(rate.max(1.0));
        self.refilled_ms = now_ms;
        self.asked += 1;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        self.hit += 1;
        false
    }
}

/// SplitMix64: spreads a counter over all 64 bits.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn always() -> f64 {
    1.0
}

/// The answer of a product that is over its limit or broken, in the product's own form.
pub fn reply(product: &str, outcome: &Outcome) -> Option<Reply> {
    let (status, retry_after_s) = match outcome {
        Outcome::TooMany { retry_after_s } => (429, Some(*retry_after_s)),
        Outcome::Broken { status } => (*status, None),
        _ => return None,
    };
    let text = if status == 429 { "Too Many Requests" } else { "Internal Server Error" };
    let body = match product {
        "tryton" => {
            let reply = Reply::html(status, text, "The sandbox was told to answer so.");
            return Some(delay(reply, retry_after_s));
        }
        "inventree" => serde_json::json!({"detail": match retry_after_s {
            Some(s) => format!("Request was throttled. Expected available in {s} seconds."),
            None => text.to_owned(),
        }}),
        "karrio" => serde_json::json!({"errors": [{
            "code": if status == 429 { "throttled" } else { "internal_server_error" },
            "message": text,
        }]}),
        "avatax" => crate::avatax::error_body(
            if status == 429 { "TooManyRequests" } else { "ServerError" },
            text,
        ),
        "stripe" => serde_json::json!({"error": if status == 429 {
            serde_json::json!({"type": "invalid_request_error", "code": "rate_limit", "message": "Request rate limit exceeded."})
        } else {
            serde_json::json!({"type": "api_error", "message": "An unknown error occurred"})
        }}),
        _ => serde_json::json!({"error": text}),
    };
    Some(delay(Reply::json(status, &body), retry_after_s))
}

fn delay(reply: Reply, retry_after_s: Option<u64>) -> Reply {
    match retry_after_s {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64) -> Vec<Outcome> {
        let mut faults = Faults::new(seed);
        let rule = serde_json::from_str(
            r#"{"product": "stripe", "path": "/v1/refunds", "kind": "cut-after", "probability": 0.3}"#,
        );
        faults.add(rule.expect("the rule is right")).expect("the rule is taken");
        (0..200)
            .map(|n| {
                // Traffic that the rule does not match must not change its decisions.
                if seed != 0 && n % 3 == 0 {
                    faults.judge("tryton", "GET", "/v1/refunds", 0);
                }
                faults.judge("stripe", "POST", "/v1/refunds", 0).outcome
            })
            .collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_faults() {
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).iter().filter(|o| **o == Outcome::CutAfter).count();
        assert!((30..=90).contains(&hits), "{hits} of 200 at 0.3");
    }

    #[test]
    fn a_count_ends_a_rule() {
        let mut faults = Faults::new(1);
        let rule = serde_json::from_str(r#"{"kind": "server-error", "count": 2, "status": 503}"#);
        faults.add(rule.expect("the rule is right")).expect("the rule is taken");
        let outcomes: Vec<_> =
            (0..3).map(|_| faults.judge("avatax", "GET", "/", 0).outcome).collect();
        assert_eq!(outcomes[1], Outcome::Broken { status: 503 });
        assert_eq!(outcomes[2], Outcome::Normal);
    }

    #[test]
    fn a_quota_grants_its_rate() {
        let mut faults = Faults::new(1);
        let rule = serde_json::from_str(r#"{"kind": "quota", "per_second": 5}"#);
        faults.add(rule.expect("the rule is right")).expect("the rule is taken");
        let mut granted = 0;
        for now_ms in (1_000_000..1_002_000).step_by(10) {
            let verdict = faults.judge("tryton", "GET", "/", now_ms);
            granted += u32::from(verdict.outcome == Outcome::Normal);
        }
        assert!((10..=15).contains(&granted), "{granted} in 2 s at 5/s");
    }
}
