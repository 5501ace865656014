//! From where an exchange stands to what is to be done next: one match over the standing, one over
//! the kinds of steps. Every turn of the loop either writes an outcome or returns an action.

use contract::Value;

use super::advance::Draft;
use super::apply::Change;
use super::progress::Standing;
use super::{Action, End, Exception, Exchange, FindAction, Json, OutcomeKind, class};
use crate::step::{Fail, Find, Kind, Publish, Set, Step};
use crate::with::{Trouble, evaluate};
use crate::{Fault, links};

impl Exchange {
    pub(super) fn drive(&mut self, draft: &mut Draft) -> Action {
        loop {
            let next = match &self.standing {
                Standing::Ended(end) => return Action::End(end.clone()),
                Standing::Excepted(exception) => return Action::Exception(exception.clone()),
                Standing::Parked(task) => return Action::Task(task.clone()),
                Standing::Ready => self.run(draft),
                Standing::Received => {
                    self.finish_as(End::Done, None, draft);
                    None
                }
                Standing::Attempted { at } => {
                    let at = *at;
                    self.after_fault(at, draft)
                }
                Standing::Doubtful { at } => {
                    let at = *at;
                    self.probe(at, draft)
                }
                Standing::Absent => self.after_absent(draft),
                Standing::Throttled { held, after } => {
                    // What holds it may end early; then it is told to go on before its time.
                    if draft.now < held.until && !draft.fired {
                        let why = held.reason.why(&held.limit);
                        return Action::Wait { until: held.until, why };
                    }
                    self.standing = (**after).clone();
                    None
                }
                Standing::NotUndone { case } => {
                    let case = case.clone();
                    self.park_not_undone(&case, draft);
                    None
                }
                Standing::Undecidable => {
                    let message = "the probe cannot tell whether the call took effect";
                    self.park_in_doubt(message, draft);
                    None
                }
            };
            if let Some(action) = next {
                return action;
            }
        }
    }

    /// The step that is ready. None once an outcome is written.
    pub(super) fn run(&mut self, draft: &mut Draft) -> Option<Action> {
        if self.envelope.raw {
            return self.call_source(draft);
        }
        if self.undo.is_some() {
            return match self.run_undo(draft) {
                Ok(next) => next,
                Err(trouble) => {
                    let message = format!("{} {trouble}", self.plan.file);
                    self.except(class::UNDO_FAILED, class::MAPPING, message, None, draft);
                    None
                }
            };
        }
        let plan = self.plan.clone();
        let Some(step) = plan.steps.get(self.at) else {
            self.finish_as(End::Done, None, draft);
            return None;
        };
        // A message that cannot be ordered does nothing at all.
        if self.at == 0
            && let Err(trouble) = self.find_lane()
        {
            let message = format!("{} {trouble}", self.plan.file);
            self.except(class::MAPPING, class::MAPPING, message, None, draft);
            return None;
        }
        let ran = match self.wanted(step) {
            Ok(false) => {
                self.write(OutcomeKind::Skipped, Change::Skipped, draft);
                return None;
            }
            Ok(true) => self.elements().and_then(|()| match &step.kind {
                Kind::Call(_) => self.run_call(step, draft),
                Kind::Publish(publish) => self.run_publish(step, publish, draft),
                Kind::Set(set) => self.run_set(set, draft),
                Kind::Park(park) => {
                    let task = self.task(draft.now)?;
                    let kind = OutcomeKind::Parked {
                        role: park.role.clone(),
                        ask: park.ask.clone(),
                        show: Json::of(&task.show),
                        due_at: task.due_at,
                    };
                    self.write(kind, Change::Parked(task), draft);
                    Ok(None)
                }
                Kind::End(end) => {
                    self.run_end(&end.end, draft);
                    Ok(None)
                }
                Kind::Fail(fail) => self.run_fail(step, fail, draft),
                Kind::Find(find) => self.run_find(find),
            }),
            Err(trouble) => Err(trouble),
        };
        ran.unwrap_or_else(|trouble| {
            let message = format!("{} {trouble}", self.plan.file);
            self.except(class::MAPPING, class::MAPPING, message, None, draft);
            None
        })
    }

    /// What its `when` says.
    pub(super) fn wanted(&self, step: &Step) -> Result<bool, Trouble> {
        match &step.when {
            None => Ok(true),
            Some(when) => match evaluate(when, &self.slots, step.line)? {
                Value::Bool(wanted) => Ok(wanted),
                _ => Err(Trouble {
                    line: step.line,
                    reason: "`when` is neither true nor false".to_owned(),
                }),
            },
        }
    }

    /// In a saga, an end that says no takes back what was done before it.
    fn run_end(&mut self, end: &End, draft: &mut Draft) {
        let takes_back = self.plan.saga && matches!(end, End::Refused(_) | End::Undone);
        if takes_back && self.past_pivot() {
            let message =
                format!("it would end {end}, and its pivot is passed: nothing is taken back");
            self.except(class::FAILED, "past-pivot", message, None, draft);
        } else if takes_back && !self.to_undo().is_empty() {
            self.compensate(end.clone(), None, draft);
        } else {
            self.finish_as(end.clone(), None, draft);
        }
    }

    fn run_publish(
        &mut self,
        step: &Step,
        publish: &Publish,
        draft: &mut Draft,
    ) -> Result<Option<Action>, Trouble> {
        let mut events = Vec::new();
        match (&step.each, self.progress.elements.clone()) {
            (Some(each), Some(elements)) => {
                for element in elements.iter() {
                    self.slots[each.slot] = element.clone();
                    events.push(publish.with.evaluate(&self.slots)?);
                }
            }
            _ => events.push(publish.with.evaluate(&self.slots)?),
        }
        draft.links.extend(events.iter().flat_map(links));
        let kind = OutcomeKind::Published {
            topic: publish.topic.to_string(),
            events: events.iter().map(Json::of).collect(),
        };
        self.write(kind, Change::Published, draft);
        Ok(None)
    }

    fn run_set(&mut self, set: &Set, draft: &mut Draft) -> Result<Option<Action>, Trouble> {
        let value = set.with.evaluate(&self.slots)?;
        self.write(OutcomeKind::Set, Change::Set(value), draft);
        Ok(None)
    }

    fn run_fail(
        &mut self,
        step: &Step,
        fail: &Fail,
        draft: &mut Draft,
    ) -> Result<Option<Action>, Trouble> {
        let message = match &fail.message {
            None => fail.code.clone(),
            Some(program) => match evaluate(program, &self.slots, step.line)? {
                Value::String(text) => text.to_string(),
                _ => fail.code.clone(),
            },
        };
        self.except(class::FAILED, &fail.code, message, None, draft);
        Ok(None)
    }

    fn run_find(&mut self, find: &Find) -> Result<Option<Action>, Trouble> {
        let query = find.with.evaluate(&self.slots)?;
        let text =
            |field: &str| query.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let action = Action::Find(FindAction {
            company: text("company"),
            object: text("object"),
            system: text("system"),
            id: text("id"),
            wanted_object: find.object.clone(),
        });
        self.under_way = Some(action.clone());
        Ok(Some(action))
    }

    pub(super) fn exception(
        &self,
        class: &str,
        code: &str,
        message: String,
        fault: Option<Fault>,
    ) -> Exception {
        Exception {
            class: class.to_owned(),
            step: self.path(),
            code: code.to_owned(),
            message,
            owner: self.plan.owner.clone(),
            fault,
        }
    }
}
