//! Tasks, exceptions and timers: the state of an exchange that waits.

use journal::{
    Commit, Error, Exception, ExceptionFilter, GroupBy, Pause, Record, State, Task, TaskAnswer,
    TaskFilter,
};

use crate::support::*;

#[tokio::test]
async fn a_task_parks_until_its_answer_and_takes_only_one() {
    let place = Place::new();
    let journal = place.with_route().await;
    for id in [1, 2] {
        let records = vec![Record::Accept(accept(id)), outcome(id, 0), task(id, "credit-analyst")];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    let parked = journal.exchange(1).await.unwrap().unwrap().summary;
    assert_eq!((parked.state, parked.due_at_ms), (State::Parked, Some(NOW + 500)));
    let role = |role: &str| TaskFilter { role: Some(role.to_owned()), ..TaskFilter::default() };
    assert_eq!(journal.tasks(role("credit-analyst")).await.unwrap().len(), 2);
    assert!(journal.tasks(role("order-desk")).await.unwrap().is_empty());
    let one = TaskFilter { exchange: Some(1), ..TaskFilter::default() };
    let listed = journal.tasks(one.clone()).await.unwrap();
    assert_eq!(listed[0].ask, ["approve", "refuse \"now\""]);
    assert_eq!((listed[0].route.as_str(), listed[0].step.as_str()), ("intake", "review"));

    journal.commit(answer(1, "approve").into()).await.unwrap();
    let second = journal.commit(answer(1, "refuse").into()).await;
    assert!(matches!(second, Err(Error::Conflict { .. })), "{second:?}");
    assert_eq!(state(&journal, 1).await, State::Ready);
    assert!(journal.tasks(one.clone()).await.unwrap().is_empty());
    let closed = journal.tasks(TaskFilter { closed: true, ..one }).await.unwrap();
    let by = "ada".to_owned();
    let expected = TaskAnswer { answer: "approve".to_owned(), by, note: None };
    assert_eq!(closed[0].answer.as_ref(), Some(&expected));

    // Its time is over and the route goes on: nobody is asked any longer.
    journal.commit(Record::Ready { exchange: 2 }.into()).await.unwrap();
    assert!(journal.tasks(TaskFilter::default()).await.unwrap().is_empty());
    assert!(journal.commit(answer(2, "approve").into()).await.is_err());
    let two = TaskFilter { exchange: Some(2), closed: true, ..TaskFilter::default() };
    let closed = journal.tasks(two).await.unwrap();
    assert_eq!((closed[0].closed_at_ms, closed[0].answer.as_ref()), (Some(NOW + 500), None));
}

#[tokio::test]
async fn an_exception_stands_until_it_is_closed_or_the_exchange_ends() {
    let place = Place::new();
    let journal = place.with_route().await;
    for (id, class) in [(1, "mapping"), (2, "in-doubt"), (3, "in-doubt")] {
        let records = vec![Record::Accept(accept(id)), exception(id, class)];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    let class =
        |class: &str| ExceptionFilter { class: Some(class.to_owned()), ..Default::default() };
    assert_eq!(journal.exceptions(class("in-doubt")).await.unwrap().len(), 2);
    let since = ExceptionFilter { since_ms: NOW + 2, ..Default::default() };
    assert_eq!(journal.exceptions(since).await.unwrap().len(), 2);
    let counts = journal.counts().await.unwrap();
    assert_eq!((counts.excepted, counts.ready), (3, 0));

    let close = |exchange| Record::ExceptionClosed {
        exchange,
        by: "ada".to_owned(),
        action: "retry".to_owned(),
        at_ms: NOW + 50,
    };
    journal.commit(close(1).into()).await.unwrap();
    assert!(journal.commit(close(1).into()).await.is_err(), "closed twice");
    assert_eq!(state(&journal, 1).await, State::Ready);
    journal.commit(end(2).into()).await.unwrap();
    let open = journal.exceptions(ExceptionFilter::default()).await.unwrap();
    assert_eq!(open.iter().map(|found| found.exchange).collect::<Vec<_>>(), [3]);
    let all = ExceptionFilter { closed: true, ..ExceptionFilter::default() };
    let all = journal.exceptions(all).await.unwrap();
    let closed: Vec<_> = all.into_iter().map(|found| found.closed).collect();
    assert_eq!(closed[0], Some(("ada".to_owned(), "retry".to_owned(), NOW + 50)));
    assert_eq!(closed[1], Some((String::new(), "superseded".to_owned(), NOW + 9)));
    assert_eq!(closed[2], None);
}

#[tokio::test]
async fn timers_come_in_the_order_of_their_time_and_survive_a_restart() {
    let place = Place::new();
    let journal = place.with_route().await;
    assert_eq!(journal.next_timer(0).await.unwrap(), None);
    for (id, due) in [(1, NOW + 300), (2, NOW + 100), (3, NOW + 200)] {
        let wait = Record::Wait { exchange: id, due_at_ms: due, why: "retry of tax".to_owned() };
        journal.commit(Commit::new(vec![Record::Accept(accept(id)), wait])).await.unwrap();
    }
    journal.commit(Record::Ready { exchange: 3 }.into()).await.unwrap();
    drop(journal);
    let journal = place.open();
    assert_eq!(journal.next_timer(0).await.unwrap(), Some(NOW + 100));
    let due = |now, limit| {
        let journal = journal.clone();
        async move {
            let due = journal.due_timers(now, limit).await.unwrap();
            due.into_iter().map(|timer| timer.exchange).collect::<Vec<_>>()
        }
    };
    assert_eq!(journal.next_timer(NOW + 100).await.unwrap(), Some(NOW + 300));
    assert!(due(NOW + 99, 9).await.is_empty());
    assert_eq!(due(NOW + 100, 9).await, [2]);
    assert_eq!(due(NOW + 9_000, 9).await, [2, 1]);
    assert_eq!(due(NOW + 9_000, 1).await, [2]);
    let open = journal.open_exchanges(1, 10).await.unwrap();
    let open: Vec<_> = open.iter().map(|open| (open.id, open.state, open.why.as_deref())).collect();
    assert_eq!(open, [(2, State::Waiting, Some("retry of tax")), (3, State::Ready, None)]);
    journal.commit(end(2).into()).await.unwrap();
    assert_eq!(due(NOW + 9_000, 9).await, [1], "an ended exchange has no timer");
    journal.commit(task(1, "credit-analyst").into()).await.unwrap();
    assert!(due(NOW + 9_000, 9).await.is_empty(), "a task waits for its role, not for a time");
}

async fn state(journal: &journal::Journal, id: u64) -> State {
    journal.exchange(id).await.unwrap().unwrap().summary.state
}

fn task(exchange: u64, role: &str) -> Record {
    Record::Task(Task {
        exchange,
        step: "review".to_owned(),
        role: role.to_owned(),
        ask: vec!["approve".to_owned(), "refuse \"now\"".to_owned()],
        show: "{}".to_owned(),
        due_at_ms: Some(NOW + 500),
        opened_at_ms: NOW,
    })
}

fn answer(exchange: u64, answer: &str) -> Record {
    Record::TaskAnswered {
        exchange,
        step: "review".to_owned(),
        answer: answer.to_owned(),
        by: "ada".to_owned(),
        note: None,
        at_ms: NOW + 10,
    }
}

fn exception(exchange: u64, class: &str) -> Record {
    Record::Exception(Exception {
        exchange,
        class: class.to_owned(),
        owner: "order-desk".to_owned(),
        step: "tax".to_owned(),
        code: "no-lines".to_owned(),
        message: "message.lines is empty".to_owned(),
        at_ms: NOW + exchange,
    })
}

#[tokio::test]
async fn what_stands_too_long_is_handed_on_once() {
    let place = Place::new();
    let journal = place.with_route().await;
    let escalate = |exchange, at_ms| Record::Escalate { exchange, at_ms, to: "operations".into() };
    for (id, stands) in [(1, exception(1, "mapping")), (2, task(2, "credit-analyst"))] {
        let records = vec![Record::Accept(accept(id)), stands, escalate(id, NOW + 10 * id)];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    let assign = Record::Assign { exchange: 1, assignee: Some("ada".to_owned()) };
    journal.commit(assign.into()).await.unwrap();
    assert_eq!(journal.next_overdue().await.unwrap(), Some(NOW + 10));
    let overdue = async |at_ms| {
        let found = journal.overdue(at_ms, 10).await.unwrap();
        found.iter().map(|found| (found.exchange, found.task)).collect::<Vec<_>>()
    };
    assert_eq!(overdue(NOW + 9).await, []);
    assert_eq!(overdue(NOW + 30).await, [(1, false), (2, true)]);
    let handed = |exchange| Record::Escalated { exchange, at_ms: NOW + 31 };
    journal.commit(handed(1).into()).await.unwrap();
    let one = &journal.exceptions(ExceptionFilter::default()).await.unwrap()[0];
    assert_eq!((one.owner.as_str(), one.hands.escalated_at_ms), ("operations", Some(NOW + 31)));
    assert_eq!((&one.hands.assignee, &one.hands.escalate), (&None, &None));
    assert!(matches!(journal.commit(handed(1).into()).await, Err(Error::Conflict { .. })));
    // One that was answered in time is nobody's any more.
    journal.commit(answer(2, "approve").into()).await.unwrap();
    assert_eq!(overdue(NOW + 30).await, []);
    assert!(matches!(journal.commit(handed(2).into()).await, Err(Error::Conflict { .. })));
    let nobody = Record::Assign { exchange: 2, assignee: None };
    assert!(matches!(journal.commit(nobody.into()).await, Err(Error::Conflict { .. })));
}

#[tokio::test]
async fn exceptions_are_found_and_summed_up() {
    let place = Place::new();
    let journal = place.with_route().await;
    for (id, class) in [(1, "mapping"), (2, "in-doubt"), (3, "in-doubt")] {
        let value = format!("SO-{id}");
        let key = Record::Key { exchange: id, name: "order".to_owned(), value };
        let records = vec![Record::Accept(accept(id)), key, exception(id, class)];
        journal.commit(Commit::new(records)).await.unwrap();
    }
    let all = ExceptionFilter::default;
    let groups = journal.exception_groups(all(), GroupBy::Class).await.unwrap();
    let counted: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.count)).collect();
    assert_eq!(counted, [("in-doubt", 2), ("mapping", 1)]);
    assert_eq!(groups[0].oldest_ms, NOW + 2);
    assert_eq!(groups[0].owners.len(), 1);
    let ids = async |filter| {
        let found = journal.exceptions(filter).await.unwrap();
        found.iter().map(|found| found.exchange).collect::<Vec<_>>()
    };
    let of = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
    assert_eq!(ids(ExceptionFilter { key: of("order", "SO-2"), ..all() }).await, [2]);
    assert_eq!(ids(ExceptionFilter { key: of("parcel", "SO-2"), ..all() }).await, [0; 0]);
    assert_eq!(ids(ExceptionFilter { until_ms: Some(NOW + 3), ..all() }).await, [1, 2]);
    assert_eq!(ids(ExceptionFilter { since_ms: NOW + 3, ..all() }).await, [3]);
    let assign = Record::Assign { exchange: 3, assignee: Some("ada".to_owned()) };
    journal.commit(assign.into()).await.unwrap();
    let mine = ExceptionFilter { assignee: Some("ada".to_owned()), ..all() };
    assert_eq!(ids(mine).await, [3]);
}

#[tokio::test]
async fn what_is_held_back_is_known_after_a_restart() {
    let place = Place::new();
    let pause = |window: &str, why: &str| Pause {
        kind: "route".to_owned(),
        name: "intake".to_owned(),
        window: window.to_owned(),
        by: "ada".to_owned(),
        why: why.to_owned(),
        since_ms: NOW,
        until_ms: Some(NOW + 5),
    };
    {
        let journal = place.open();
        for held in [pause("", "erp migration"), pause("sunday", "patches"), pause("", "again")] {
            journal.commit(Record::Pause(held).into()).await.unwrap();
        }
    }
    let journal = place.open();
    let expected = [pause("", "again"), pause("sunday", "patches")];
    assert_eq!(journal.pauses().await.unwrap(), expected);
    let resume = || Record::Resume {
        kind: "route".to_owned(),
        name: "intake".to_owned(),
        window: String::new(),
    };
    journal.commit(resume().into()).await.unwrap();
    assert_eq!(journal.pauses().await.unwrap(), expected[1..]);
    assert!(matches!(journal.commit(resume().into()).await, Err(Error::Conflict { .. })));
}
