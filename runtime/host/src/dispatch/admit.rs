//! What a call passes before it is made: its connector's breaker and budget. Who must wait for the
//! budget waits without room to run; who would wait too long is held in the journal.

use std::sync::Arc;
use std::time::Duration;

use super::{Begun, Dispatch, Hold};
use crate::clock;
use crate::limits::{Ask, Permit, Room, Tenant};

/// A call that was held before waits here for its turn: it comes when its turn is near, and the
/// journal is not written again for a little more.
const RETURNED_PATIENCE: Duration = Duration::from_secs(60);
/// What waited when the runtime was told to stop is due again after this.
const STOP_HOLD: Duration = Duration::from_secs(1);

impl Dispatch {
    /// Waits until the call of an exchange may be made. `room` is given back while it waits, and there
    /// again when it may.
    pub(super) async fn admit(
        &self,
        begun: &Begun,
        alias: &str,
        room: &mut Option<Room>,
    ) -> Result<Option<Permit>, (Hold, Duration)> {
        let now = clock::now();
        let waited = begun.exchange.waited();
        let since = waited.map_or(now, |waited| waited.since);
        let admitted = self.admit_in_turn(begun, alias, room, since).await;
        if room.is_none() && admitted.is_ok() {
            *room = Some(self.rooms.enter_first().await);
        }
        let took = clock::now().duration_since(since);
        if admitted.is_ok() && !took.is_zero() {
            let limit = self.options.connector_limits.get(alias);
            match (waited, limit) {
                (Some(waited), _) => self.metrics.held_for(&waited.last, took),
                (None, Some(limit)) => self.metrics.waited_for(limit, took),
                (None, None) => {}
            }
        }
        admitted
    }

    async fn admit_in_turn(
        &self,
        begun: &Begun,
        alias: &str,
        room: &mut Option<Room>,
        since: jiff::Timestamp,
    ) -> Result<Option<Permit>, (Hold, Duration)> {
        if let Some(held) = self.held_by_pause(alias, &begun.version.plan.name) {
            return Err(held);
        }
        self.look_at_breaker(alias)?;
        let limit = self.options.connector_limits.get(alias);
        let Some(budget) = limit.and_then(|limit| self.limits.get(limit)) else { return Ok(None) };
        let tenant = Tenant::of(&begun.version.plan);
        if room.is_some()
            && let Ok(permit) = budget.try_enter()
        {
            return Ok(Some(permit));
        }
        *room = None;
        let returned = begun.exchange.waited().is_some();
        let patience = self.options.limit_patience;
        let ask = Ask {
            tenant: &tenant,
            patience: if returned { patience.max(RETURNED_PATIENCE) } else { patience },
            waited: Duration::try_from(clock::now().duration_since(since)).unwrap_or_default(),
            rooms: Some(self.rooms.clone()),
        };
        let name = budget.name.clone();
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            entered = budget.enter(ask) => match entered {
                Ok(entered) => {
                    *room = entered.room;
                    Ok(Some(entered.permit))
                }
                Err(refused) if refused.quota => Err((Hold::Quota { name }, refused.after)),
                Err(refused) => Err((Hold::Limit { name }, refused.after)),
            },
            _ = stopped.wait_for(|stopped| *stopped) => Err((Hold::Limit { name }, STOP_HOLD)),
        }
    }

    /// As `admit` for a question of a source, which comes back by itself.
    pub(super) async fn admit_source(
        &self,
        plan: &route::Plan,
        alias: &str,
        patience: Duration,
    ) -> Result<Option<Permit>, Hold> {
        if let Some((hold, _)) = self.held_by_pause(alias, &plan.name) {
            return Err(hold);
        }
        self.look_at_breaker(alias).map_err(|(hold, _)| hold)?;
        let limit = self.options.connector_limits.get(alias);
        let Some(budget) = limit.and_then(|limit| self.limits.get(limit)) else { return Ok(None) };
        let tenant = Tenant::of(plan);
        let ask = Ask { tenant: &tenant, patience, waited: Duration::ZERO, rooms: None };
        let entered = Arc::clone(&budget).enter(ask).await;
        entered
            .map(|entered| Some(entered.permit))
            .map_err(|_| Hold::Limit { name: budget.name.clone() })
    }
}
