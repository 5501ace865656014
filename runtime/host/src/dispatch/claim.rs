//! `once`: claims an effect for an exchange in the journal, and looks at who has it. The claim is on
//! disk, with all that was decided before it, when the answer is given.

use std::sync::Arc;

use journal::Record;
use route::{Claim, ClaimAction, ExchangeId, Settled};

use super::Dispatch;
use super::run::{Drive, Lost};

/// How often a claim that was let go between asking and looking is asked for again at once.
const TRIES_MAX: usize = 3;

impl Dispatch {
    pub(super) async fn claim(
        self: &Arc<Self>,
        drive: &mut Drive,
        asked: &ClaimAction,
    ) -> Result<Claim, Lost> {
        let id = drive.exchange().id();
        for _ in 0..TRIES_MAX {
            let record = Record::Claim {
                scope: asked.scope.clone(),
                key: asked.key.clone(),
                exchange: id.0,
                path: asked.path.clone(),
                over: asked.over.map(|over| over.0),
            };
            self.flush(drive, vec![record]).await?;
            let found = self.journal.claim(&asked.scope, &asked.key).await;
            let found = found.map_err(|error| {
                tracing::error!(exchange = %id, %error, "a claim could not be read");
                self.fail(error);
                Lost
            })?;
            let Some(claimed) = found else { continue };
            let exchange = ExchangeId(claimed.exchange);
            return Ok(match claimed.value {
                Some(value) => Claim::Done { exchange, value },
                None if exchange == id => Claim::Mine,
                None if claimed.open => Claim::Held { exchange },
                None => Claim::Doubtful { exchange },
            });
        }
        Ok(Claim::Held { exchange: id })
    }
}

pub(super) fn settled_records(id: ExchangeId, claims: Vec<Settled>) -> Vec<Record> {
    let record = |claim: Settled| Record::ClaimSettled {
        scope: claim.scope,
        key: claim.key,
        exchange: id.0,
        value: claim.value.map(|value| value.text().to_owned()),
    };
    claims.into_iter().map(record).collect()
}
