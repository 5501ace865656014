//! What follows from an outcome in the same commit: exchanges for the subscribers of a published
//! event and for the items of a source, links between ids, and business keys.

use std::sync::Arc;

use contract::Value;
use journal::{Digest, Node, Record, SourceKey};
use route::{Envelope, ExchangeId, Link, Outcome, OutcomeKind};

use super::{Arrival, Begun, Dispatch, recover};
use crate::clock;
use crate::running::RouteVersion;

impl Dispatch {
    /// The messages that this outcome sends on their way.
    pub(super) fn arrivals(&self, begun: &Begun, outcome: &Outcome) -> Vec<Arrival> {
        match &outcome.kind {
            OutcomeKind::Published { topic, events } => {
                let running = self.running();
                let mut arrivals = Vec::new();
                for version in running.subscribers(topic) {
                    for event in events {
                        arrivals.extend(self.event(begun, version, topic, event.text()));
                    }
                }
                arrivals
            }
            OutcomeKind::Received { items } => {
                // Also a request that is translated again brings each item in once.
                let source = begun.exchange.envelope().origin();
                let scope = format!("{}:{source}", begun.version.plan.name);
                items
                    .iter()
                    .filter_map(|item| {
                        let body = item.value.text().as_bytes();
                        let message = read_message(&begun.version, body, false)
                            .map_err(|reason| tracing::error!(reason, "an item was not readable"))
                            .ok()?;
                        Some(Arrival {
                            version: begun.version.clone(),
                            envelope: envelope(begun, source, message),
                            source_key: Some(SourceKey {
                                scope: scope.clone(),
                                key: item.id.clone(),
                            }),
                            earlier_scope: None,
                            body_digest: None,
                            parent: Some(begun.exchange.id().0),
                            repeats: None,
                        })
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn event(
        &self,
        begun: &Begun,
        version: &Arc<RouteVersion>,
        topic: &str,
        body: &str,
    ) -> Option<Arrival> {
        match read_message(version, body.as_bytes(), false) {
            Ok(message) if has_it_already(begun, &version.plan.name, topic, &message) => None,
            Ok(message) => Some(Arrival {
                version: version.clone(),
                envelope: envelope(begun, &format!("event:{topic}"), message),
                source_key: None,
                earlier_scope: None,
                body_digest: None,
                parent: Some(begun.exchange.id().0),
                repeats: None,
            }),
            // The checker has compared publisher and subscriber; only a stored older publisher
            // with another contract comes here.
            Err(reason) => {
                tracing::error!(
                    route = version.plan.name,
                    topic,
                    reason,
                    "a subscriber cannot read the event"
                );
                None
            }
        }
    }
}

/// Under the keys of its original an exchange tells subscribers nothing that they heard from that one.
fn has_it_already(begun: &Begun, route: &str, topic: &str, message: &Value) -> bool {
    let keys = begun.exchange.envelope().replay.as_ref().and_then(|replay| replay.keys.as_ref());
    keys.is_some_and(|keys| {
        let body = contract::json::write(message);
        keys.delivered.contains(&delivery(route, topic, body.as_bytes()))
    })
}

/// An event that a subscriber took in, by what identifies it among the deliveries of one exchange.
pub(super) fn delivery(route: &str, topic: &str, message: &[u8]) -> String {
    format!("{route} {topic} {}", Digest::of(message))
}

pub(super) fn outcome_record(id: ExchangeId, outcome: &Outcome) -> Record {
    Record::Outcome {
        exchange: id.0,
        sequence: outcome.sequence,
        at_ms: clock::to_ms(outcome.at),
        body: serde_json::to_string(outcome).unwrap_or_default(),
    }
}

fn envelope(begun: &Begun, source: &str, message: Value) -> Envelope {
    Envelope {
        message,
        headers: std::collections::BTreeMap::new(),
        source: source.to_owned(),
        client: None,
        received_at: clock::now(),
        traceparent: Some(crate::trace::parent(&begun.exchange)),
        raw: false,
        replay: None,
    }
}

/// A stored message in the type that its route reads; fields the route does not know are dropped.
pub(super) fn read_message(
    version: &RouteVersion,
    json: &[u8],
    raw: bool,
) -> Result<Value, String> {
    let read = match (raw, recover::message_type(version)) {
        (true, _) => {
            let request = version.source_input().ok_or("the route has no such source")?;
            contract::json::read(request, json)
        }
        (false, Some(ty)) => contract::json::read_with(ty, json, contract::Unknown::Drop),
        (false, None) => contract::json::read_dyn(json),
    };
    read.map_err(|violations| {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    })
}

pub(super) fn link_records(links: &[Link]) -> Vec<Record> {
    links
        .iter()
        .map(|link| Record::Link {
            one: Node::new(&link.company, &link.object, &link.system, &link.id),
            other: Node::new(&link.company, &link.other_object, &link.other_system, &link.other_id),
        })
        .collect()
}

pub(super) fn key_records(id: ExchangeId, keys: &[(String, String)]) -> Vec<Record> {
    keys.iter()
        .map(|(name, value)| Record::Key {
            exchange: id.0,
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}
