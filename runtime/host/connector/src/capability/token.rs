//! Tokens that a system gives for credentials: fetched once for everyone who waits, kept until they
//! run out, fetched again when the system refuses them. A service that gives none is not asked by
//! every message, but after pauses that grow.

mod fetch;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::door::Refused;
use super::upstream::Upstream;
use crate::secret::Secret;

/// The tokens of one upstream, shared by all calls.
#[derive(Default)]
pub(crate) struct Tokens {
    state: Mutex<State>,
    /// Held while a token is fetched, so that the others wait for this one instead of asking too.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cause {
    /// The service refused the credentials: a person must act.
    Definite,
    /// It is down or busy; `after`, when it says how long.
    Passing { after: Option<Duration> },
    /// The upstream's own budget did not let the question out.
    Budget(Refused),
}

#[derive(Clone, Debug)]
struct Fetched {
    secret: Secret,
    until: Instant,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The last word of the service, while it gives no token.
    refusal: Option<Told>,
    refusals_in_a_row: u32,
    /// Tokens that the system refused soon after they were fetched.
    early_in_a_row: u32,
}

struct Token {
    secret: Secret,
    /// Not used from here on.
    until: Instant,
    got_at: Instant,
    refused: bool,
}

struct Told {
    refusal: Refusal,
    at: Instant,
    /// The service is not asked before.
    until: Instant,
}

/// After the first refusal of credentials, and at most: a service may lock out who knocks on.
const PAUSE_REFUSED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// While the service is down.
const PAUSE_DOWN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Between tokens that the system refuses though they are new. The first is replaced at once.
const PAUSE_EARLY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Tokens {
    /// The current token, if this kind of credential has any.
    pub(crate) async fn get(upstream: &Arc<Upstream>) -> Result<Option<Secret>, Refusal> {
        let Some(request) = fetch::request(upstream.auth()) else { return Ok(None) };
        let tokens = &upstream.tokens;
        let asked_at = Instant::now();
        if let Some(known) = tokens.state().known(asked_at, asked_at) {
            return known.map(Some);
        }
        let turn = tokens.turn.clone().lock_owned().await;
        if let Some(known) = tokens.state().known(asked_at, Instant::now()) {
            return known.map(Some);
        }
        let (request, upstream) = (request?, upstream.clone());
        // A task of its own: the call that asks may end before the answer, and others wait for it.
        let fetching = tokio::spawn(async move {
            let fetched = fetch::fetch(&upstream, request).await;
            if let Err(refusal) = &fetched {
                let (upstream, reason) = (upstream.name(), refusal.message.as_str());
                tracing::warn!(upstream, reason, "no token");
            }
            let kept = upstream.tokens.state().keep(fetched, Instant::now());
            drop(turn);
            kept
        });
        let fetched = fetching.await;
        fetched.unwrap_or_else(|_| Err(fetch::passing("the runtime is stopping"))).map(Some)
    }

    /// The system refused `used`: whoever asks now gets a new one. A token that was renewed meanwhile
    /// stays, and so does for a while one that is refused as early as the one before.
    pub(crate) fn forget(&self, used: &Secret) {
        self.state().forget(used, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// What one who came at `asked_at` gets without asking the service. Who waited while others asked
    /// gets what they got.
    fn known(&self, asked_at: Instant, now: Instant) -> Option<Result<Secret, Refusal>> {
        if let Some(token) = &self.token
            && (now < token.until || asked_at <= token.got_at && !token.refused)
        {
            return Some(Ok(token.secret.clone()));
        }
        let told = self.refusal.as_ref()?;
        if now >= told.until && asked_at > told.at {
            return None;
        }
        let mut refusal = told.refusal.clone();
        let left = told.until.saturating_duration_since(now);
        match &mut refusal.cause {
            Cause::Passing { after } => *after = Some(left),
            Cause::Definite => {
                let message = format!("{}; asked again in {} s", refusal.message, left.as_secs());
                refusal.message = message;
            }
            Cause::Budget(_) => {}
        }
        Some(Err(refusal))
    }

    fn keep(&mut self, fetched: Result<Fetched, Refusal>, now: Instant) -> Result<Secret, Refusal> {
        match fetched {
            Ok(Fetched { secret, until }) => {
                self.early_in_a_row = match &self.token {
                    Some(before) if before.refused => self.early_in_a_row,
                    _ => 0,
                };
                let token = Token { secret: secret.clone(), until, got_at: now, refused: false };
                self.token = Some(token);
                self.refusal = None;
                self.refusals_in_a_row = 0;
                Ok(secret)
            }
            Err(refusal) => {
                self.refusals_in_a_row += 1;
                let pause = match &refusal.cause {
                    Cause::Definite => growing(PAUSE_REFUSED, self.refusals_in_a_row),
                    Cause::Passing { after: Some(after) } => *after,
                    Cause::Passing { after: None } => growing(PAUSE_DOWN, self.refusals_in_a_row),
                    Cause::Budget(_) => Duration::ZERO,
                };
                self.refusal = Some(Told { refusal: refusal.clone(), at: now, until: now + pause });
                Err(refusal)
            }
        }
    }

    fn forget(&mut self, used: &Secret, now: Instant) {
        let Some(token) = self.token.as_mut() else { return };
        if token.refused || token.secret != *used {
            return;
        }
        token.refused = true;
        let age = now.saturating_duration_since(token.got_at);
        if age >= PAUSE_EARLY.1 {
            self.early_in_a_row = 0;
        }
        // A system that refuses every token must not make us ask for one with every message.
        let pause = match self.early_in_a_row {
            0 => Duration::ZERO,
            before => growing(PAUSE_EARLY, before),
        };
        token.until = token.until.min(token.got_at + pause);
        self.early_in_a_row += 1;
    }
}

/// Doubled with each time in a row, from the first on.
pub(super) fn growing((first, max): (Duration, Duration), times: u32) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(10)).min(max)
}

#[cfg(test)]
mod tests;
