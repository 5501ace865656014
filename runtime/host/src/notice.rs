//! What the runtime tells its people, in the form of the types of `wit/operations`. How a notice
//! becomes exchanges is in `dispatch/notify.rs`.

use route::ExchangeId;
use serde_json::{Value, json};

use crate::clock;

/// The interface whose types these are, and the version that this host writes.
const TOPICS: &str = "crossdock:operations/notices.";
const MAJOR: u32 = 1;

/// One case for each type of `wit/operations`. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq)]
#[allow(dead_code, reason = "for breakers, escalations, late sources and pauses")]
pub enum Notice {
    ExceptionRaised {
        exchange: ExchangeId,
        route: String,
        class: String,
        owner: String,
        step: String,
        code: String,
        message: String,
        status: Option<u16>,
        keys: Vec<(String, String)>,
        at_ms: u64,
    },
    BreakerOpened {
        connector: String,
        reason: String,
        opened_at_ms: u64,
        retry_at_ms: u64,
    },
    BreakerClosed {
        connector: String,
        opened_at_ms: u64,
        closed_at_ms: u64,
    },
    ExceptionEscalated {
        exchange: ExchangeId,
        route: String,
        class: String,
        step: String,
        message: String,
        owner: String,
        to: String,
        keys: Vec<(String, String)>,
        raised_at_ms: u64,
        at_ms: u64,
    },
    TaskEscalated {
        exchange: ExchangeId,
        route: String,
        step: String,
        ask: Vec<String>,
        role: String,
        to: String,
        keys: Vec<(String, String)>,
        opened_at_ms: u64,
        at_ms: u64,
    },
    SourceLate {
        route: String,
        source: String,
        owner: String,
        last_success_ms: Option<u64>,
        reason: Option<String>,
        late_since_ms: u64,
    },
    SourceRecovered {
        route: String,
        source: String,
        owner: String,
        late_since_ms: u64,
        at_ms: u64,
    },
    Paused {
        /// `route`, `connector` or `limit`.
        kind: &'static str,
        name: String,
        by: String,
        why: String,
        since_ms: u64,
        until_ms: Option<u64>,
    },
    Resumed {
        kind: &'static str,
        name: String,
        by: String,
        why: String,
        at_ms: u64,
    },
}

impl Notice {
    fn name(&self) -> &'static str {
        match self {
            Notice::ExceptionRaised { .. } => "exception-raised",
            Notice::BreakerOpened { .. } => "breaker-opened",
            Notice::BreakerClosed { .. } => "breaker-closed",
            Notice::ExceptionEscalated { .. } => "exception-escalated",
            Notice::TaskEscalated { .. } => "task-escalated",
            Notice::SourceLate { .. } => "source-late",
            Notice::SourceRecovered { .. } => "source-recovered",
            Notice::Paused { .. } => "paused",
            Notice::Resumed { .. } => "resumed",
        }
    }

    /// As a route names it: `crossdock:operations/notices.exception-raised@1`.
    pub fn topic(&self) -> String {
        format!("{TOPICS}{}@{MAJOR}", self.name())
    }

    /// The exchange that it tells of.
    pub fn exchange(&self) -> Option<ExchangeId> {
        match self {
            Notice::ExceptionRaised { exchange, .. }
            | Notice::ExceptionEscalated { exchange, .. }
            | Notice::TaskEscalated { exchange, .. } => Some(*exchange),
            _ => None,
        }
    }

    /// In the JSON form of its type.
    pub fn body(&self) -> Value {
        match self {
            Notice::ExceptionRaised {
                exchange,
                route,
                class,
                owner,
                step,
                code,
                message,
                status,
                keys,
                at_ms,
            } => json!({
                "exchange": exchange.to_string(), "route": route, "class": class, "owner": owner,
                "step": step, "code": code, "message": connector::redact(message),
                "status": status, "keys": listed(keys), "raised_at": time(*at_ms),
            }),
            Notice::BreakerOpened { connector, reason, opened_at_ms, retry_at_ms } => json!({
                "connector": connector, "reason": connector::redact(reason),
                "opened_at": time(*opened_at_ms), "retry_at": time(*retry_at_ms),
            }),
            Notice::BreakerClosed { connector, opened_at_ms, closed_at_ms } => json!({
                "connector": connector, "opened_at": time(*opened_at_ms),
                "closed_at": time(*closed_at_ms),
            }),
            Notice::ExceptionEscalated {
                exchange,
                route,
                class,
                step,
                message,
                owner,
                to,
                keys,
                raised_at_ms,
                at_ms,
            } => json!({
                "exchange": exchange.to_string(), "route": route, "class": class, "step": step,
                "message": connector::redact(message), "owner": owner, "to": to,
                "keys": listed(keys), "raised_at": time(*raised_at_ms),
                "escalated_at": time(*at_ms),
            }),
            Notice::TaskEscalated {
                exchange,
                route,
                step,
                ask,
                role,
                to,
                keys,
                opened_at_ms,
                at_ms,
            } => json!({
                "exchange": exchange.to_string(), "route": route, "step": step, "ask": ask,
                "role": role, "to": to, "keys": listed(keys), "opened_at": time(*opened_at_ms),
                "escalated_at": time(*at_ms),
            }),
            Notice::SourceLate { route, source, owner, last_success_ms, reason, late_since_ms } => {
                json!({
                    "route": route, "source": source, "owner": owner,
                    "last_success": last_success_ms.map(time),
                    "reason": reason.as_deref().map(connector::redact),
                    "late_since": time(*late_since_ms),
                })
            }
            Notice::SourceRecovered { route, source, owner, late_since_ms, at_ms } => json!({
                "route": route, "source": source, "owner": owner,
                "late_since": time(*late_since_ms), "recovered_at": time(*at_ms),
            }),
            Notice::Paused { kind, name, by, why, since_ms, until_ms } => json!({
                "kind": kind, "name": name, "by": by, "why": why, "since": time(*since_ms),
                "until": until_ms.map(time),
            }),
            Notice::Resumed { kind, name, by, why, at_ms } => json!({
                "kind": kind, "name": name, "by": by, "why": why, "resumed_at": time(*at_ms),
            }),
        }
    }
}

/// Whether a source of exchanges, as the journal has it, is a topic of notices.
pub fn is_notice(source: &str) -> bool {
    source.strip_prefix("event:").is_some_and(|topic| topic.starts_with(TOPICS))
}

fn listed(keys: &[(String, String)]) -> Value {
    keys.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn time(ms: u64) -> String {
    clock::from_ms(ms).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Contracts, Source};

    fn contracts() -> Contracts {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
        let file = |path: &str| Source {
            path: path.to_owned(),
            text: std::fs::read_to_string(format!("{folder}/{path}")).unwrap(),
        };
        let sources = [file("core/1.0.0/types.wit"), file("operations/1.0.0/notices.wit")];
        Contracts::parse(&sources).unwrap()
    }

    fn samples() -> Vec<Notice> {
        let text = str::to_owned;
        let keys = || vec![(text("order"), text("SO-1"))];
        vec![
            Notice::ExceptionRaised {
                exchange: ExchangeId(7),
                route: text("orders"),
                class: text("erp-5xx"),
                owner: text("order-desk"),
                step: text("book"),
                code: text("unavailable"),
                message: text("no shelf"),
                status: Some(503),
                keys: keys(),
                at_ms: 1,
            },
            Notice::ExceptionEscalated {
                exchange: ExchangeId(7),
                route: text("orders"),
                class: text("erp-5xx"),
                step: text("book"),
                message: text("no shelf"),
                owner: text("order-desk"),
                to: text("operations"),
                keys: keys(),
                raised_at_ms: 1,
                at_ms: 2,
            },
            Notice::TaskEscalated {
                exchange: ExchangeId(7),
                route: text("orders"),
                step: text("review"),
                ask: vec![text("approve"), text("refuse")],
                role: text("credit-analyst"),
                to: text("operations"),
                keys: Vec::new(),
                opened_at_ms: 1,
                at_ms: 2,
            },
            Notice::BreakerOpened {
                connector: text("erp"),
                reason: text("8 of 10 calls failed"),
                opened_at_ms: 1,
                retry_at_ms: 2,
            },
            Notice::BreakerClosed { connector: text("erp"), opened_at_ms: 1, closed_at_ms: 2 },
            Notice::SourceLate {
                route: text("milestones"),
                source: text("poll wms.list-changed"),
                owner: text("warehouse"),
                last_success_ms: None,
                reason: Some(text("503")),
                late_since_ms: 1,
            },
            Notice::SourceRecovered {
                route: text("milestones"),
                source: text("poll wms.list-changed"),
                owner: text("warehouse"),
                late_since_ms: 1,
                at_ms: 2,
            },
            Notice::Paused {
                kind: "route",
                name: text("orders"),
                by: text("ada"),
                why: text("erp migration"),
                since_ms: 1,
                until_ms: Some(2),
            },
            Notice::Resumed {
                kind: "limit",
                name: text("erp"),
                by: text("crossdock"),
                why: text("its time is over"),
                at_ms: 2,
            },
        ]
    }

    #[test]
    fn what_is_told_is_of_its_type_and_every_type_is_told() {
        let contracts = contracts();
        let mut told = Vec::new();
        for notice in samples() {
            let name = notice.topic().parse().unwrap();
            let ty = contracts.type_named(&name).unwrap_or_else(|| panic!("no type {name}"));
            let body = notice.body().to_string();
            contract::json::read(ty, body.as_bytes())
                .unwrap_or_else(|problems| panic!("{body}: {problems:?}"));
            assert!(is_notice(&format!("event:{name}")));
            told.push(name.to_string());
        }
        // A type with an exchange, a connector, a route or a name is a notice; the others are parts.
        let parts = ["pausable", "business-key"].map(|part| format!("{TOPICS}{part}@1"));
        for (name, _) in contracts.types() {
            let name = name.to_string();
            if name.starts_with(TOPICS) && !parts.contains(&name) {
                assert!(told.contains(&name), "nobody tells {name}");
            }
        }
        assert!(!is_notice("event:crossdock:canonical/orders.order@1"));
    }
}
