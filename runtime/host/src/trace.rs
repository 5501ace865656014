//! W3C trace context: the caller's trace goes on, or the exchange begins one that follows from its id
//! (so that a repeated call carries the same).

use journal::Digest;
use route::Exchange;

/// The `traceparent` of calls made for this exchange.
pub fn parent(exchange: &Exchange) -> String {
    let seed = Digest::of(exchange.id().to_string().as_bytes()).to_string();
    let span = &seed[32..48];
    match exchange.envelope().traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)) {
        Some(trace) => format!("00-{trace}-{span}-01"),
        None => format!("00-{}-{span}-01", &seed[..32]),
    }
}
