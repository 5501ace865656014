//! What a repetition from a step takes over: the outcomes before that step, as they were. They must
//! fit the version that it runs on, and that is tried, not assumed.

use std::sync::Arc;

use super::{Exchange, Original, Outcome, OutcomeKind, RestoreError};
use crate::Plan;

/// Why the outcomes before a step cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    #[error("the route has no step `{step}`; it has {}", .known.join(", "))]
    NoStep { step: String, known: Vec<String> },
    #[error(
        "`{step}` stands before it in this version and not in the one that ran: nothing tells its outcome"
    )]
    NewStep { step: String },
    #[error("the exchange never came past `{step}`, which stands before it")]
    NotReached { step: String },
    #[error("`{step}` ran before it and is not in this version: its outcome has no place")]
    GoneStep { step: String },
    #[error("some of its effects were taken back: what came of them before is no longer so")]
    TookBack,
    #[error("a request that is not translated yet has no steps")]
    Raw,
    #[error("the outcomes before it do not fit this version: {0}")]
    DoesNotFit(#[from] RestoreError),
}

impl Original {
    /// The outcomes before `from`, numbered anew for `plan`.
    pub fn carried(&self, plan: &Arc<Plan>, from: &str) -> Result<Vec<Outcome>, CarryError> {
        if self.envelope.raw {
            return Err(CarryError::Raw);
        }
        if self.took_back() {
            return Err(CarryError::TookBack);
        }
        let Some((until, _)) = plan.step(from) else {
            let known = plan.steps.iter().map(|step| step.name.clone()).collect();
            return Err(CarryError::NoStep { step: from.to_owned(), known });
        };
        let before = &plan.steps[..until];
        let mut carried = Vec::new();
        // Where it does not have the step, all that the new version has before it counts.
        let known = self.plan.step(from).is_some();
        let end = self.plan.step(from).map_or(self.plan.steps.len(), |(at, _)| at);
        for outcome in &self.outcomes {
            let at = outcome.step as usize;
            let Some(step) = self.plan.steps.get(at) else { continue };
            if matches!(outcome.kind, OutcomeKind::Ended { .. }) {
                continue;
            }
            match before.iter().position(|kept| kept.name == step.name) {
                Some(index) => carried.push(Outcome {
                    sequence: carried.len() as u32,
                    step: index as u32,
                    ..outcome.clone()
                }),
                // What follows from the rest, or did nothing, may go.
                None if known && at < end && !of_no_weight(&outcome.kind) => {
                    return Err(CarryError::GoneStep { step: step.name.clone() });
                }
                None => {}
            }
        }
        for (index, step) in before.iter().enumerate() {
            if !carried.iter().any(|outcome| outcome.step as usize == index) {
                let step = step.name.clone();
                return Err(match self.plan.step(&step) {
                    Some(_) => CarryError::NotReached { step },
                    None => CarryError::NewStep { step },
                });
            }
        }
        let mut tried = Exchange::start(self.id, plan.clone(), self.envelope.clone());
        for outcome in &carried {
            tried.carry_over(outcome)?;
        }
        match tried.step() {
            Some(at) if at == until => Ok(carried),
            at => {
                let stands = at.map_or(from, |at| plan.steps[at].name.as_str());
                Err(CarryError::NotReached { step: stands.to_owned() })
            }
        }
    }
}

/// What follows from the rest, or did nothing, may go.
fn of_no_weight(kind: &OutcomeKind) -> bool {
    matches!(kind, OutcomeKind::Skipped | OutcomeKind::Set)
}
