//! W3C trace context: the caller's trace goes on, or the exchange begins one that follows from its id
//! (so that a repeated call carries the same).

use journal::Digest;
use route::{Exchange, ExchangeId};

/// The `traceparent` of calls made for this exchange.
pub fn parent(exchange: &Exchange) -> String {
    parent_of(exchange.id(), exchange.envelope().traceparent.as_deref())
}

/// The same of an exchange that is not at hand; `caller` is what it came with.
pub fn parent_of(exchange: ExchangeId, caller: Option<&str>) -> String {
    let seed = Digest::of(exchange.to_string().as_bytes()).to_string();
    let span = &seed[32..48];
    match caller.and_then(|caller| caller.split('-').nth(1)) {
        Some(trace) => format!("00-{trace}-{span}-01"),
        None => format!("00-{}-{span}-01", &seed[..32]),
    }
}
