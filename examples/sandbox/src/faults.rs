//! Misbehaviour on request. Whether a request is hit depends only on the seed, the rule's place, what
//! the request says (method, path, query, body) and how often the same was asked of the product
//! before: never on time, on other requests or on the order in which they come.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::wire::{Reply, Request};

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
    Silence,
    Garbage,
    Unauthorised,
    StaleRead,
    Quota,
    WebhookDuplicate,
    WebhookOutOfOrder,
    WebhookLate,
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
    /// Some: reads of this kind may be answered from memory; so old may the memory be now.
    pub stale_ms: Option<u64>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub enum Outcome {
    #[default]
    Normal,
    TooMany {
        retry_after_s: Option<u64>,
    },
    Broken {
        status: u16,
        retry_after_s: Option<u64>,
    },
    Unauthorised,
    CutBefore,
    CutAfter,
    /// The effect happens, and no answer comes for so long.
    Silence {
        ms: u64,
    },
    /// The effect happens, and the answer is not what a client can read.
    Garbage,
}

/// What is to be done to one webhook.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WebhookVerdict {
    pub twice: bool,
    /// Until another one of the product has gone.
    pub held: bool,
    pub late_ms: u64,
}

#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    pub rules: Vec<Rule>,
    /// How often each request was asked.
    asked: HashMap<u64, u64>,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        Faults { seed, rules: Vec::new(), asked: HashMap::new() }
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

    pub fn clear(&mut self) {
        self.rules.clear();
        self.asked.clear();
    }

    /// Judges a request to a product; the rules are asked in their order.
    pub fn judge(&mut self, product: &str, request: &Request, now_ms: u64) -> Verdict {
        let mut verdict = Verdict::default();
        if self.rules.is_empty() {
            return verdict;
        }
        let draw = self.draw(identity(product, request));
        for (place, rule) in self.rules.iter_mut().enumerate() {
            if rule.is_for_webhooks() || !rule.matches(product, &request.method, &request.path) {
                continue;
            }
            if rule.kind == Kind::Quota {
                if !rule.grant(now_ms) && verdict.outcome == Outcome::Normal {
                    verdict.outcome = Outcome::TooMany { retry_after_s: rule.retry_after() };
                }
                continue;
            }
            if rule.kind == Kind::StaleRead && request.method == "GET" {
                verdict.stale_ms = Some(0);
            }
            if !rule.hits(draw, place) {
                continue;
            }
            let outcome = match rule.kind {
                Kind::Latency => {
                    verdict.latency_ms += rule.latency_ms.unwrap_or(200);
                    continue;
                }
                Kind::StaleRead => {
                    let of_reads = verdict.stale_ms.is_some();
                    verdict.stale_ms = of_reads.then(|| rule.latency_ms.unwrap_or(2_000));
                    continue;
                }
                Kind::RateLimit => Outcome::TooMany { retry_after_s: rule.retry_after() },
                Kind::ServerError => Outcome::Broken {
                    status: rule.status.unwrap_or(500),
                    retry_after_s: rule.retry_after_s.filter(|s| *s > 0),
                },
                Kind::Unauthorised => Outcome::Unauthorised,
                Kind::CutBefore => Outcome::CutBefore,
                Kind::Silence => Outcome::Silence { ms: rule.latency_ms.unwrap_or(120_000) },
                Kind::Garbage => Outcome::Garbage,
                _ => Outcome::CutAfter,
            };
            if verdict.outcome == Outcome::Normal {
                verdict.outcome = outcome;
            }
        }
        verdict
    }

    /// Judges a webhook by its id.
    pub fn judge_webhook(&mut self, product: &str, id: &str) -> WebhookVerdict {
        let mut verdict = WebhookVerdict::default();
        if self.rules.is_empty() {
            return verdict;
        }
        let draw = self.draw(hash(&[b"webhook", product.as_bytes(), id.as_bytes()]));
        for (place, rule) in self.rules.iter_mut().enumerate() {
            if !rule.is_for_webhooks()
                || !rule.matches(product, "POST", "")
                || !rule.hits(draw, place)
            {
                continue;
            }
            match rule.kind {
                Kind::WebhookDuplicate => verdict.twice = true,
                Kind::WebhookOutOfOrder => verdict.held = true,
                _ => verdict.late_ms += rule.latency_ms.unwrap_or(3_000),
            }
        }
        verdict
    }

    /// What this request draws from: the same for the n-th time that it is asked.
    fn draw(&mut self, identity: u64) -> u64 {
        let asked = self.asked.entry(identity).or_insert(0);
        *asked += 1;
        mix(self.seed ^ mix(identity) ^ mix(*asked << 20))
    }
}

/// What a request says; who asks, and what the last answer had it carry, is no part of it.
pub fn identity(product: &str, request: &Request) -> u64 {
    let mut parts: Vec<&[u8]> =
        vec![product.as_bytes(), request.method.as_bytes(), request.path.as_bytes()];
    for (name, value) in &request.query {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    parts.push(&request.body);
    hash(&parts)
}

/// FNV-1a over the parts and their lengths.
fn hash(parts: &[&[u8]]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        let length = part.len().to_le_bytes();
        part.iter().fold(length.iter().fold(hash, step), step)
    })
}

impl Rule {
    fn is_for_webhooks(&self) -> bool {
        matches!(self.kind, Kind::WebhookDuplicate | Kind::WebhookOutOfOrder | Kind::WebhookLate)
    }

    /// 0 asks for an answer without the header.
    fn retry_after(&self) -> Option<u64> {
        Some(self.retry_after_s.unwrap_or(1)).filter(|seconds| *seconds > 0)
    }

    fn matches(&self, product: &str, method: &str, path: &str) -> bool {
        self.product.as_deref().is_none_or(|p| p == product)
            && self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|p| path.starts_with(p))
    }

    fn hits(&mut self, draw: u64, place: usize) -> bool {
        if self.count.is_some_and(|count| self.hit >= count) {
            return false;
        }
        self.asked += 1;
        let drawn = mix(draw ^ mix(place as u64 + 1));
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
        Outcome::TooMany { retry_after_s } => (429, *retry_after_s),
        Outcome::Broken { status, retry_after_s } => (*status, *retry_after_s),
        Outcome::Unauthorised => (401, None),
        _ => return None,
    };
    let text = match status {
        401 => "Unauthorized",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let body = match product {
        "tryton" => {
            let reply = Reply::html(status, text, "The sandbox was told to answer so.");
            return Some(delay(reply, retry_after_s));
        }
        "inventree" => serde_json::json!({"detail": match retry_after_s {
            Some(s) if status == 429 => {
                format!("Request was throttled. Expected available in {s} seconds.")
            }
            _ => text.to_owned(),
        }}),
        "karrio" => serde_json::json!({"errors": [{
            "code": match status {
                401 => "invalid_token",
                429 => "throttled",
                _ => "internal_server_error",
            },
            "message": text,
        }]}),
        "avatax" => crate::avatax::error_body(
            match status {
                401 => "AuthenticationException",
                429 => "TooManyRequests",
                _ => "ServerError",
            },
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

/// What a proxy may make of an answer: a page of its own, or half of the body.
pub fn garble(mut reply: Reply) -> Reply {
    if reply.body.len() % 2 == 1 {
        let page = "<html><body><h1>upstream connect error</h1></body></html>";
        return Reply { body: page.as_bytes().to_vec(), ..reply };
    }
    reply.body.truncate(reply.body.len() / 2);
    reply
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

    fn request(method: &str, path: &str, body: &str) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            base: String::new(),
        }
    }

    fn rules(seed: u64, rules: &[&str]) -> Faults {
        let mut faults = Faults::new(seed);
        for rule in rules {
            let rule = serde_json::from_str(rule).expect("the rule is right");
            faults.add(rule).expect("the rule is taken");
        }
        faults
    }

    /// 300 requests, each of them asked three times, in an order that `shuffle` decides; the verdicts
    /// in the order of request and turn.
    fn run(seed: u64, shuffle: u64) -> Vec<Outcome> {
        let mut faults = rules(
            seed,
            &[
                r#"{"product": "stripe", "kind": "cut-after", "probability": 0.15}"#,
                r#"{"kind": "rate-limit", "probability": 0.15}"#,
            ],
        );
        let mut turns: Vec<(u64, usize)> =
            (0..900).map(|n| (mix(shuffle ^ mix(n as u64)), n % 300)).collect();
        turns.sort_unstable();
        let mut seen: Vec<Vec<Outcome>> = vec![Vec::new(); 300];
        for (_, number) in turns {
            let body = format!("metadata[order_id]=O-{number}");
            let asked = request("POST", "/v1/payment_intents", &body);
            seen[number].push(faults.judge("stripe", &asked, 0).outcome);
            // Others' traffic changes nothing.
            faults.judge("tryton", &request("GET", "/x", ""), 0);
        }
        seen.into_iter().flatten().collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_faults_in_any_order_of_arrival() {
        assert_eq!(run(7, 1), run(7, 2));
        assert_ne!(run(7, 1), run(8, 1));
        let hits = run(7, 1).iter().filter(|o| **o == Outcome::CutAfter).count();
        assert!((90..=180).contains(&hits), "{hits} of 900 at 0.15");
    }

    #[test]
    fn webhooks_draw_by_their_id() {
        let draw = |ids: &[&str]| {
            let mut faults = rules(
                3,
                &[r#"{"kind": "webhook-duplicate", "product": "stripe", "probability": 0.5}"#],
            );
            let mut twice: Vec<(String, bool)> = ids
                .iter()
                .map(|id| ((*id).to_owned(), faults.judge_webhook("stripe", id).twice))
                .collect();
            twice.sort();
            twice
        };
        assert_eq!(draw(&["a", "b", "c", "d", "e"]), draw(&["e", "c", "a", "d", "b"]));
    }

    #[test]
    fn a_count_ends_a_rule() {
        let mut faults = rules(1, &[r#"{"kind": "server-error", "count": 2, "status": 503}"#]);
        let asked = request("GET", "/", "");
        let outcomes: Vec<_> = (0..3).map(|_| faults.judge("avatax", &asked, 0).outcome).collect();
        assert_eq!(outcomes[1], Outcome::Broken { status: 503, retry_after_s: None });
        assert_eq!(outcomes[2], Outcome::Normal);
    }

    #[test]
    fn a_quota_grants_its_rate() {
        let mut faults = rules(1, &[r#"{"kind": "quota", "per_second": 5}"#]);
        let mut granted = 0;
        for now_ms in (1_000_000..1_002_000).step_by(10) {
            let verdict = faults.judge("tryton", &request("GET", "/", ""), now_ms);
            granted += u32::from(verdict.outcome == Outcome::Normal);
        }
        assert!((10..=15).contains(&granted), "{granted} in 2 s at 5/s");
    }
}
