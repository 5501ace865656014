//! What goes wrong in the products: every kind of misbehaviour that the sandbox knows, at random. Each
//! is rare for one request and common for one order, which makes about a hundred of them.

use serde_json::{Value, json};

/// A silence is noticed by the runtime's own time-out of an upstream.
pub const UPSTREAM_TIMEOUT: &str = "6s";

/// Rules for `/sandbox/faults`.
pub fn rules() -> Value {
    json!([
        { "kind": "latency", "latency_ms": 40, "probability": 0.2 },
        { "kind": "latency", "latency_ms": 1500, "probability": 0.002 },
        // Rare: each is a pause of everyone who asks that product.
        { "kind": "rate-limit", "retry_after_s": 1, "probability": 0.0004 },
        { "kind": "rate-limit", "retry_after_s": 0, "probability": 0.001 },
        { "kind": "server-error", "status": 500, "probability": 0.002 },
        { "kind": "server-error", "status": 502, "probability": 0.001 },
        { "kind": "server-error", "status": 503, "probability": 0.001 },
        { "kind": "server-error", "status": 503, "retry_after_s": 1, "probability": 0.0003 },
        { "kind": "unauthorised", "probability": 0.001 },
        { "kind": "cut-before", "probability": 0.002 },
        { "kind": "cut-after", "probability": 0.004 },
        { "kind": "garbage", "probability": 0.002 },
        { "kind": "silence", "probability": 0.0005, "latency_ms": 60_000 },
        // What a product documents to be late: a carrier's tracking.
        { "kind": "stale-read", "product": "karrio", "path": "/v1/trackers", "probability": 0.1, "latency_ms": 3000 },
        // A real limit: what it refuses depends on the moment and not on the seed.
        { "kind": "quota", "product": "karrio", "per_second": 150 },
        { "kind": "webhook-duplicate", "probability": 0.2 },
        { "kind": "webhook-out-of-order", "probability": 0.2 },
        { "kind": "webhook-late", "probability": 0.1, "latency_ms": 2500 },
    ])
}

/// Calls take a while, so that a kill finds some of them under way; nothing else goes wrong.
pub fn latency_only() -> Value {
    json!([{ "kind": "latency", "latency_ms": 60, "probability": 0.5 }])
}

/// What "the same seed gives the same faults" means, for the reader of the figures.
pub const SAME: &str = "\
  The same seed gives the same orders, the same kills by progress, and the same faults: whether a
  request is hit is a function of the seed, what the request says, and how often the same was asked
  before, whatever else happens at the same time. Ids and times that products or the runtime make up
  are part of what a request says, so a request that carries one meets its fault by a fresh draw; and
  a quota refuses by the moment.";
