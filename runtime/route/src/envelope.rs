//! A message as it was accepted: with what it came and where from.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Value;
use jiff::Timestamp;

use crate::Replay;

#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub message: Value,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Who or what sent it: a client, `connector.operation`, a topic, `schedule`.
    pub source: String,
    /// Who sent it, as `[clients]` of the configuration knows them; none if nobody had to say.
    pub client: Option<String>,
    pub received_at: Timestamp,
    /// W3C trace context, if one came along.
    pub traceparent: Option<String>,
    /// A webhook request that is yet to be translated: `message` is core's `webhook-request`.
    pub raw: bool,
    /// Set where it runs again what another exchange ran.
    pub replay: Option<Arc<Replay>>,
}

impl Envelope {
    /// Where the message came from at first, also when it runs again.
    pub fn origin(&self) -> &str {
        self.replay.as_ref().map_or(&self.source, |replay| &replay.source)
    }
}
