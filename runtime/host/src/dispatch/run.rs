//! Drives one exchange: asks its machine what comes next, makes its outcomes durable where they must
//! be, and performs the action. Leaves memory when the exchange waits, parks or ends.

use std::sync::Arc;

use journal::{Commit, Committed, Record};
use route::{Action, Advance, Effect, Event, Exchange, Link, Outcome, Settled};

use super::call::CallEnd;
use super::{Arrival, Begun, Dispatch, claim, desk, publish};
use crate::clock;
use crate::limits::Room;

/// An exchange in memory: its machine, and what it has decided but not yet journalled.
pub(super) struct Drive {
    pub begun: Begun,
    pending: Vec<Outcome>,
    links: Vec<Link>,
    claims: Vec<Settled>,
    /// Messages that the next commit sends on their way, beside those of its outcomes.
    arrivals: Vec<Arrival>,
    /// What the next commit says after the state of the exchange.
    after: Vec<Record>,
    /// The journal has it as waiting: the next commit says that it goes on.
    waited: bool,
    /// While it runs.
    room: Option<Room>,
}

/// Decided, and not yet to be journalled.
pub(super) struct HeldBack {
    outcomes: Vec<Outcome>,
    links: Vec<Link>,
}

/// The exchange left memory without being on disk as it should: the journal failed.
pub(super) struct Lost;

impl Dispatch {
    pub(super) async fn drive(self: Arc<Self>, begun: Begun, event: Event) {
        let waited = event == Event::Fired;
        let (mut drive, advance) = Drive::begin(begun, event);
        drive.waited = waited;
        self.drive_on(drive, advance).await;
    }

    /// Goes on from an action that the machine has already decided.
    pub(super) async fn drive_on(self: Arc<Self>, mut drive: Drive, advance: Advance) {
        let id = drive.begun.exchange.id();
        // Room to run; given back whenever the exchange leaves memory or waits for a budget. Order
        // matters: who waits for a place in its route takes none from the others.
        let _route_place = self.route_place(&drive.begun).await;
        drive.room = Some(self.rooms.enter().await);
        if !self.stopping() {
            // On Err the journal has failed and said so; what was acknowledged is on disk.
            let _ = self.drive_steps(&mut drive, advance).await;
        }
        drop(drive.room.take());
        self.forget_reply(id);
        self.leave(id.0);
    }

    async fn drive_steps(
        self: &Arc<Self>,
        drive: &mut Drive,
        mut advance: Advance,
    ) -> Result<(), Lost> {
        loop {
            drive.take(&mut advance);
            self.reply_if_ready(drive).await?;
            let event = match advance.action {
                Action::Call(call) => {
                    // Order matters: first its turn, so that a crash meanwhile finds nothing intended;
                    // then what was decided, on disk before the next effect.
                    let Drive { begun, room, .. } = drive;
                    let end = match self.admit(begun, &call.connector, room).await {
                        Err((hold, after)) => CallEnd::Held { hold, after },
                        Ok(_permit) => {
                            if call.effect == Effect::Mutation || call.intent {
                                self.flush(drive, Vec::new()).await?;
                            }
                            self.call(&drive.begun, &call).await
                        }
                    };
                    match end {
                        CallEnd::Answer(value) => Event::Answer(value),
                        CallEnd::Fault(fault) => Event::Fault(fault),
                        CallEnd::Held { hold, after } => {
                            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                            let until = clock::from_ms(clock::now_ms().saturating_add(after_ms));
                            self.metrics.held(&hold);
                            Event::Throttled(hold.until(until))
                        }
                    }
                }
                Action::Claim(asked) => Event::Claimed(self.claim(drive, &asked).await?),
                Action::Find(find) => Event::Found(self.find(&find).await.map_err(|_| Lost)?),
                Action::Wait { until, why } => {
                    let due_at_ms = clock::to_ms(until);
                    return self.wait(drive, due_at_ms, why).await;
                }
                Action::Task(task) => {
                    let at_ms = clock::now_ms();
                    drive.after.extend(desk::task_escalation(&drive.begun, &task));
                    return self
                        .rest(drive, |exchange| {
                            Record::Task(journal::Task {
                                exchange,
                                step: task.step,
                                role: task.role,
                                ask: task.ask,
                                show: contract::json::write(&task.show),
                                due_at_ms: task.due_at.map(clock::to_ms),
                                opened_at_ms: at_ms,
                            })
                        })
                        .await;
                }
                Action::Exception(exception) => {
                    let route = drive.begun.version.plan.name.clone();
                    self.metrics.exception(&route, &exception.class);
                    tracing::warn!(
                        exchange = %drive.begun.exchange.id(), route,
                        step = exception.step, class = exception.class, "an exchange needs a person"
                    );
                    let fault = exception.fault;
                    let exception = journal::Exception {
                        exchange: drive.begun.exchange.id().0,
                        class: exception.class,
                        owner: exception.owner,
                        step: exception.step,
                        code: exception.code,
                        message: connector::redact(&exception.message),
                        at_ms: clock::now_ms(),
                    };
                    let status = fault.and_then(|fault| fault.status);
                    let notice = self.raised(&drive.begun, &exception, status);
                    drive.after.extend(desk::exception_escalation(&drive.begun, exception.at_ms));
                    drive.arrivals = self.arrivals_of(&notice).await.map_err(|_| Lost)?;
                    return self.rest(drive, |_| Record::Exception(exception)).await;
                }
                Action::End(end) => {
                    self.metrics.ended(&drive.begun.version.plan.name, &end);
                    let end = end.to_string();
                    let at_ms = clock::now_ms();
                    return self.rest(drive, |exchange| Record::End { exchange, end, at_ms }).await;
                }
            };
            advance = drive.begun.exchange.advance(event, clock::now());
            if self.stopping() && matches!(advance.action, Action::Call(_) | Action::Find(_)) {
                // Answered while the process stops: the outcome must not be lost. What rests, rests.
                drive.take(&mut advance);
                return self.flush(drive, Vec::new()).await;
            }
        }
    }

    async fn wait(
        self: &Arc<Self>,
        drive: &mut Drive,
        due_at_ms: u64,
        why: String,
    ) -> Result<(), Lost> {
        self.rest(drive, |exchange| Record::Wait { exchange, due_at_ms, why }).await
    }

    /// The exchange leaves memory in the state that the record says.
    async fn rest(
        self: &Arc<Self>,
        drive: &mut Drive,
        state: impl FnOnce(u64) -> Record,
    ) -> Result<(), Lost> {
        let record = state(drive.begun.exchange.id().0);
        let waits = matches!(record, Record::Wait { .. });
        self.flush(drive, vec![record]).await?;
        self.reply_at_rest(drive);
        if waits {
            self.timers_changed.notify_one();
        }
        Ok(())
    }

    /// Brings the pending outcomes to disk, with all that follows from them: published events become
    /// exchanges, ids are linked, new business keys are noted, in the same commit.
    pub(super) async fn flush(
        self: &Arc<Self>,
        drive: &mut Drive,
        also: Vec<Record>,
    ) -> Result<(), Lost> {
        self.flush_now(drive, also).await.map(drop).map_err(|_| Lost)
    }

    pub(super) async fn flush_now(
        self: &Arc<Self>,
        drive: &mut Drive,
        also: Vec<Record>,
    ) -> Result<Committed, journal::Error> {
        let outcomes = std::mem::take(&mut drive.pending);
        let mut records = Vec::with_capacity(outcomes.len() + also.len() + 4);
        // One that waits again was never on: its turn did not come.
        let waits = also.iter().any(|record| matches!(record, Record::Wait { .. }));
        if std::mem::take(&mut drive.waited) && !waits {
            records.push(Record::Ready { exchange: drive.begun.exchange.id().0 });
        }
        let mut children = Vec::new();
        for outcome in &outcomes {
            records.push(publish::outcome_record(drive.begun.exchange.id(), outcome));
            for arrival in self.arrivals(&drive.begun, outcome) {
                children.push(self.begin_new(arrival, &mut records));
            }
        }
        for arrival in std::mem::take(&mut drive.arrivals) {
            children.push(self.begin_new(arrival, &mut records));
        }
        records.extend(publish::link_records(&std::mem::take(&mut drive.links)));
        let claims = std::mem::take(&mut drive.claims);
        records.extend(claim::settled_records(drive.begun.exchange.id(), claims));
        let keys = drive.begun.exchange.keys();
        let new: Vec<_> =
            keys.iter().filter(|key| !drive.begun.keys.contains(key)).cloned().collect();
        records.extend(publish::key_records(drive.begun.exchange.id(), &new));
        records.extend(also);
        records.append(&mut drive.after);
        if records.is_empty() {
            return Ok(Committed::default());
        }
        let committed = self.commit(Commit::new(records)).await.inspect_err(|error| {
            tracing::error!(exchange = %drive.begun.exchange.id(), %error, "outcomes could not be journalled");
        })?;
        drive.begun.keys = keys;
        self.spawn_all(children, &committed);
        Ok(committed)
    }
}

impl Drive {
    /// Tells the machine the first event; what it decides is pending.
    pub(super) fn begin(mut begun: Begun, event: Event) -> (Drive, Advance) {
        let mut advance = begun.exchange.advance(event, clock::now());
        let mut drive = Drive {
            begun,
            pending: Vec::new(),
            links: Vec::new(),
            claims: Vec::new(),
            arrivals: Vec::new(),
            after: Vec::new(),
            waited: false,
            room: None,
        };
        drive.take(&mut advance);
        (drive, advance)
    }

    /// Takes out what follows from the first outcome, to be put back when it is the exchange's turn.
    pub(super) fn hold_back(&mut self) -> HeldBack {
        let outcomes = self.pending.split_off(self.pending.len().min(1));
        HeldBack { outcomes, links: std::mem::take(&mut self.links) }
    }

    pub(super) fn put_back(&mut self, held: HeldBack) {
        self.pending.extend(held.outcomes);
        self.links.extend(held.links);
    }

    /// Keeps what the machine decided until it is flushed.
    fn take(&mut self, advance: &mut Advance) {
        self.pending.append(&mut advance.outcomes);
        self.links.append(&mut advance.links);
        self.claims.append(&mut advance.claims);
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.begun.exchange
    }
}
