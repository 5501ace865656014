//! A message as it was accepted: with what it came and where from.

use std::collections::BTreeMap;

use contract::Value;
use jiff::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub message: Value,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Who or what sent it: a client, `connector.operation`, a topic, `schedule`.
    pub source: String,
    pub received_at: Timestamp,
    /// W3C trace context, if one came along.
    pub traceparent: Option<String>,
    /// A webhook request that is yet to be translated: `message` is core's `webhook-request`.
    pub raw: bool,
}
