//! Faults: no answer, and whether asking again can help. A business "no" is an answer, never one.

use crate::{Fault, Retry};

impl Fault {
    /// The same call would fail again, and had no effect.
    pub fn never(code: &str, message: impl Into<String>) -> Fault {
        Fault::of(Retry::Never, code, message)
    }

    /// Had no effect; the route's retry policy says when to try again.
    pub fn later(code: &str, message: impl Into<String>) -> Fault {
        Fault::of(Retry::Later(None), code, message)
    }

    /// Had no effect; the system said when to try again, if it did.
    pub fn later_in(code: &str, message: impl Into<String>, after_ms: Option<u64>) -> Fault {
        Fault::of(Retry::Later(after_ms), code, message)
    }

    /// The credential was refused: the host gets a new one.
    pub fn refresh_auth(code: &str, message: impl Into<String>) -> Fault {
        Fault::of(Retry::RefreshAuth, code, message)
    }

    /// May have had its effect: the probe or the key decides.
    pub fn outcome_unknown(code: &str, message: impl Into<String>) -> Fault {
        Fault::of(Retry::OutcomeUnknown, code, message)
    }

    /// The input cannot be sent as it is: say which field, and what would do.
    pub fn input(message: impl Into<String>) -> Fault {
        Fault::never("input", message)
    }

    pub fn with_status(mut self, status: u16) -> Fault {
        self.status = Some(status);
        self
    }

    /// WIT names are kebab-case; products write codes in every other way.
    fn of(retry: Retry, code: &str, message: impl Into<String>) -> Fault {
        let code = code.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        Fault { retry, code, message: message.into(), status: None }
    }
}
