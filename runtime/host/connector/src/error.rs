//! What can go wrong with a call, told apart so that an exception names its cause, and what it means
//! for the exchange: whether asking again can help, and whether the effect may have happened.

use std::fmt;

use contract::Violation;

use crate::capability::door::Refused;

/// There was no answer. Mirrors `crossdock:core/types.fault`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub retry: Retry,
    /// Kebab-case word, stable.
    pub code: String,
    /// For operators; known secrets are taken out.
    pub message: String,
    /// HTTP status of the system, when it gave one.
    pub status: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Never,
    Later { after_ms: Option<u64> },
    RefreshAuth,
    OutcomeUnknown,
}

/// Why a call has no answer. `sent` says that a request that may change something had left for a
/// system before the call ended (always false for a query), so that its outcome is unknown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    #[error("{}", .0.message)]
    Fault(Fault),
    #[error("the connector trapped: {message}")]
    Trap { message: String, sent: bool },
    #[error("the connector computed for more than {budget_ms} ms and was stopped")]
    Spin { budget_ms: u64, sent: bool },
    #[error("the connector wanted more than {limit_bytes} bytes of memory and was stopped")]
    Memory { limit_bytes: usize, sent: bool },
    #[error("the connector gave no answer within {after_ms} ms and was stopped")]
    Timeout { after_ms: u64, sent: bool },
    #[error(
        "the connector called the host `{host}`, which is not one of the upstreams granted to it"
    )]
    HostNotAllowed { host: String, sent: bool },
    #[error("the connector's answer does not keep its contract: {}", Listed(.violations))]
    OutsideContract { violations: Vec<Violation>, sent: bool },
    /// The input does not have the type of the operation: a bug of whoever called, not of the guest.
    #[error("the input does not fit the operation: {}", Listed(.violations))]
    Input { violations: Vec<Violation> },
    #[error("the connector has no operation `{operation}`")]
    UnknownOperation { operation: String },
    /// The budget of an upstream is spent for longer than a call waits. Nothing has left.
    #[error("the limit `{}` is spent for {} ms", .0.limit, .0.after.as_millis())]
    Held(Refused),
    /// No instance was free in time. Nothing ran.
    #[error("no free instance within {after_ms} ms: all {instances_max} are at work")]
    Unavailable { after_ms: u64, instances_max: u32 },
}

impl CallError {
    /// The stable word for the class of failure, as exceptions and metrics show it.
    pub fn code(&self) -> &str {
        match self {
            CallError::Fault(fault) => &fault.code,
            CallError::Trap { .. } => "guest-trap",
            CallError::Spin { .. } => "guest-cpu",
            CallError::Memory { .. } => "guest-memory",
            CallError::Timeout { .. } => "guest-timeout",
            CallError::HostNotAllowed { .. } => "host-not-allowed",
            CallError::OutsideContract { .. } => "outside-contract",
            CallError::Input { .. } => "input-outside-contract",
            CallError::UnknownOperation { .. } => "unknown-operation",
            CallError::Held(_) => "upstream-limit",
            CallError::Unavailable { .. } => "no-instance",
        }
    }

    /// Whether the effect may have happened although there is no answer.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            CallError::Fault(fault) => fault.retry == Retry::OutcomeUnknown,
            CallError::Trap { sent, .. }
            | CallError::Spin { sent, .. }
            | CallError::Memory { sent, .. }
            | CallError::Timeout { sent, .. }
            | CallError::HostNotAllowed { sent, .. }
            | CallError::OutsideContract { sent, .. } => *sent,
            CallError::Input { .. }
            | CallError::UnknownOperation { .. }
            | CallError::Held(_)
            | CallError::Unavailable { .. } => false,
        }
    }

    /// The same as a fault, for the exchange machine: what may help, and what must be asked first.
    pub fn to_fault(&self) -> Fault {
        let retry = match self {
            CallError::Fault(fault) => return fault.clone(),
            _ if self.outcome_unknown() => Retry::OutcomeUnknown,
            CallError::Held(held) => {
                let after_ms = u64::try_from(held.after.as_millis()).unwrap_or(u64::MAX);
                Retry::Later { after_ms: Some(after_ms) }
            }
            CallError::Timeout { .. } | CallError::Unavailable { .. } => {
                Retry::Later { after_ms: None }
            }
            _ => Retry::Never,
        };
        Fault { retry, code: self.code().to_owned(), message: self.to_string(), status: None }
    }
}

struct Listed<'a>(&'a [Violation]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 5;
        for (at, violation) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            let pointer = if violation.pointer.is_empty() { "(root)" } else { &violation.pointer };
            write!(f, "{comma}{pointer}: {}", violation.reason)?;
        }
        match self.0.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
