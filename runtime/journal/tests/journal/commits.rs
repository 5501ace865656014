//! Group commit, duplicates, conflicts, ids.

use journal::{Commit, Duplicate, Error, ExchangeFilter, Journal, Options, Record, State};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test]
async fn concurrent_commits_share_a_transaction() {
    let place = Place::new();
    let gate = Gate::default();
    let options = Options { fault: Some(gate.fault(1)), ..options() };
    let journal = place.with_route_and(options).await;
    let first = commit_apart(&journal, vec![Record::Accept(accept(1))]);
    let at_gate = gate.clone();
    tokio::task::spawn_blocking(move || at_gate.wait_until_reached()).await.unwrap();
    let mut queued = JoinSet::new();
    for id in 2..=200 {
        let journal = journal.clone();
        let records = vec![Record::Accept(accept(id)), outcome(id, 0)];
        queued.spawn(async move { journal.commit(Commit::new(records)).await });
    }
    while journal.stats().queued < 199 {
        tokio::task::yield_now().await;
    }
    assert!(journal.exchange(1).await.unwrap().is_none(), "visible before it is on disk");
    gate.open();
    first.await.unwrap().unwrap();
    for answer in queued.join_all().await {
        answer.unwrap();
    }
    let stats = journal.stats();
    assert_eq!((stats.transactions, stats.commits), (3, 201));
    assert_eq!(journal.counts().await.unwrap().ready, 200);
}

#[tokio::test]
async fn a_claim_is_the_firsts_until_it_lets_go_and_its_answer_stays() {
    let place = Place::new();
    let journal = place.with_route().await;
    let claim = |exchange, over| {
        let (scope, key) = ("erp.post-invoice".to_owned(), "S-1".to_owned());
        Record::Claim { scope, key, exchange, path: format!("p{exchange}"), over }
    };
    let settled = |exchange, value: Option<&str>| {
        let (scope, key) = ("erp.post-invoice".to_owned(), "S-1".to_owned());
        Record::ClaimSettled { scope, key, exchange, value: value.map(str::to_owned) }
    };
    let accepts = (1..=3).map(|id| Record::Accept(accept(id))).collect();
    journal.commit(Commit::new(accepts)).await.unwrap();
    let after = async |records: Vec<Record>| {
        journal.commit(Commit::new(records)).await.unwrap();
        let found = journal.claim("erp.post-invoice", "S-1").await.unwrap();
        found.map(|claimed| (claimed.exchange, claimed.value, claimed.open))
    };
    assert_eq!(after(vec![claim(1, None)]).await, Some((1, None, true)));
    assert_eq!(after(vec![claim(2, None), claim(1, None)]).await, Some((1, None, true)));
    assert_eq!(after(vec![settled(2, None)]).await, Some((1, None, true)), "not its own");
    assert_eq!(after(vec![settled(1, None)]).await, None);
    assert_eq!(after(vec![claim(2, None), end(2)]).await, Some((2, None, false)));
    assert_eq!(after(vec![claim(1, None)]).await, Some((2, None, false)));
    assert_eq!(after(vec![claim(1, Some(3))]).await, Some((2, None, false)), "not whom it names");
    assert_eq!(after(vec![claim(1, Some(2))]).await, Some((1, None, true)));
    let answer = Some("{}".to_owned());
    assert_eq!(after(vec![settled(1, Some("{}"))]).await, Some((1, answer.clone(), true)));
    assert_eq!(after(vec![claim(3, Some(1)), end(1)]).await, Some((1, answer, false)));
    assert_eq!(journal.claim("erp.post-invoice", "S-2").await.unwrap(), None);
}

#[tokio::test]
async fn a_contradiction_in_a_group_harms_only_its_own_commit() {
    let place = Place::new();
    let gate = Gate::default();
    let options = Options { fault: Some(gate.fault(1)), ..options() };
    let journal = place.with_route_and(options).await;
    let first = commit_apart(&journal, vec![Record::Accept(accept(1)), outcome(1, 0)]);
    let at_gate = gate.clone();
    tokio::task::spawn_blocking(move || at_gate.wait_until_reached()).await.unwrap();
    let mut answers = Vec::new();
    for (number, records) in [
        vec![Record::Accept(accept(2))],
        vec![key(1, "order", "lost"), outcome(1, 0)],
        vec![Record::Accept(keyed(3, "K", "body")), end(3)],
        vec![end(99)],
        vec![Record::Accept(keyed(4, "K", "body")), outcome(4, 0)],
    ]
    .into_iter()
    .enumerate()
    {
        answers.push(commit_apart(&journal, records));
        while journal.stats().queued < number as u64 + 1 {
            tokio::task::yield_now().await;
        }
    }
    gate.open();
    first.await.unwrap().unwrap();
    let mut verdicts = Vec::new();
    for answer in answers {
        verdicts.push(answer.await.unwrap());
    }
    assert!(verdicts[0].as_ref().unwrap().duplicates.is_empty());
    assert_conflict(&verdicts[1], "exchange 1 has an outcome 0 already");
    assert!(verdicts[2].is_ok());
    assert_conflict(&verdicts[3], "exchange 99 is not open");
    assert_eq!(verdicts[4].as_ref().unwrap().duplicates[0].exchange, 3);
    let stats = journal.stats();
    assert_eq!((stats.transactions, stats.commits), (3, 5));
    assert!(journal.by_key("order", "lost", 10).await.unwrap().is_empty());
    assert!(journal.exchange(4).await.unwrap().is_none());
}

#[tokio::test]
async fn a_known_source_key_drops_its_exchange_and_nothing_else() {
    let place = Place::new();
    let journal = place.with_route().await;
    let first = Record::Accept(keyed(10, "K", "body"));
    assert!(journal.commit(first.into()).await.unwrap().duplicates.is_empty());
    let child = Record::Accept(journal::Accept { parent: Some(11), ..accept(12) });
    let commit = Commit::new(vec![
        Record::Cursor { source: "poll:wms".to_owned(), value: "7".to_owned() },
        Record::Accept(keyed(11, "K", "other body")),
        outcome(11, 0),
        key(11, "order", "SO-1"),
        child,
        outcome(12, 0),
        end(11),
        Record::Accept(keyed(13, "L", "body")),
        outcome(13, 0),
    ]);
    let committed = journal.commit(commit).await.unwrap();
    let body_digest = Some(journal::Digest::of(b"body"));
    assert_eq!(
        committed.duplicates,
        [Duplicate { index: 1, dropped: 11, exchange: 10, body_digest }]
    );
    for dropped in [11, 12] {
        assert!(journal.exchange(dropped).await.unwrap().is_none());
    }
    assert!(journal.by_key("order", "SO-1", 10).await.unwrap().is_empty());
    assert_eq!(journal.cursor("poll:wms").await.unwrap().as_deref(), Some("7"));
    assert_eq!(journal.exchange(13).await.unwrap().unwrap().outcomes.len(), 1);
    // A dropped id may not leave an outcome behind for whoever comes next.
    journal.commit(Commit::new(vec![Record::Accept(accept(12)), outcome(12, 0)])).await.unwrap();
}

#[tokio::test]
async fn a_source_key_twice_in_one_commit_is_one_exchange() {
    let place = Place::new();
    let journal = place.with_route().await;
    let records = [20, 21, 22].map(|id| Record::Accept(keyed(id, "K", &format!("body {id}"))));
    let committed = journal.commit(Commit::new(records.to_vec())).await.unwrap();
    let body_digest = Some(journal::Digest::of(b"body 20"));
    assert_eq!(
        committed.duplicates,
        [
            Duplicate { index: 1, dropped: 21, exchange: 20, body_digest },
            Duplicate { index: 2, dropped: 22, exchange: 20, body_digest },
        ]
    );
    drop(journal);
    let journal = place.open();
    let again = journal.commit(Record::Accept(keyed(23, "K", "")).into()).await.unwrap();
    assert_eq!(again.duplicates[0].exchange, 20);
    let source = journal::SourceKey { scope: "http:/orders".to_owned(), key: "K".to_owned() };
    let known = journal.known_source(source).await.unwrap().unwrap();
    assert_eq!((known.exchange, known.body_digest), (20, body_digest));
}

#[tokio::test]
async fn a_key_kept_in_an_earlier_scope_is_known_in_the_narrower_one() {
    let place = Place::new();
    let journal = place.with_route().await;
    journal.commit(Record::Accept(keyed(30, "old", "body")).into()).await.unwrap();
    let narrow = |exchange: u64, key: &str, client: &str, earlier: Option<&str>| {
        let mut accept = keyed(exchange, key, "body");
        accept.source_key.as_mut().unwrap().scope = format!("http:/orders@{client}");
        accept.client = Some(client.to_owned());
        accept.earlier_scope = earlier.map(str::to_owned);
        Record::Accept(accept)
    };
    let earlier = Some("http:/orders");
    let body_digest = Some(journal::Digest::of(b"body"));
    let known = journal.commit(narrow(31, "old", "shop", earlier).into()).await.unwrap();
    let duplicate = Duplicate { index: 0, dropped: 31, exchange: 30, body_digest };
    assert_eq!(known.duplicates, [duplicate]);
    // What came since is each client's own, and without an earlier scope nothing is looked up there.
    for (exchange, key, client, earlier) in
        [(32, "new", "shop", earlier), (33, "new", "portal", earlier), (34, "old", "shop", None)]
    {
        let taken = journal.commit(narrow(exchange, key, client, earlier).into()).await.unwrap();
        assert_eq!(taken.duplicates, [], "{exchange}");
    }
    let again = journal.commit(narrow(35, "new", "shop", earlier).into()).await.unwrap();
    assert_eq!(again.duplicates[0].exchange, 32);
    let stored = journal.exchange(32).await.unwrap().unwrap();
    assert_eq!(stored.summary.client.as_deref(), Some("shop"));
    let filter =
        ExchangeFilter { client: Some("portal".to_owned()), limit: 9, ..Default::default() };
    let page = journal.exchanges(filter).await.unwrap();
    assert_eq!(page.exchanges.iter().map(|found| found.id).collect::<Vec<_>>(), [33]);
}

#[tokio::test]
async fn what_contradicts_the_file_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let journal = place.with_route().await;
    journal.commit(Commit::new(vec![Record::Accept(accept(1)), end(1)])).await.unwrap();
    let unknown = journal::Accept { route_version: version("unknown"), ..accept(2) };
    let ready = || Record::Ready { exchange: 1 };
    let wait = Record::Wait { exchange: 1, due_at_ms: NOW, why: "retry".to_owned() };
    for (records, reason) in [
        (vec![Record::Accept(accept(1))], "exchange 1 was accepted before"),
        (vec![Record::Accept(unknown)], "runs on the route version"),
        (vec![end(1)], "exchange 1 is not open"),
        (vec![ready()], "exchange 1 is not open"),
        (vec![wait], "exchange 1 is not open"),
        (vec![Record::Accept(accept(u64::MAX))], "is no exchange id"),
        (vec![key(1, "order", "half"), ready()], "exchange 1 is not open"),
    ] {
        assert_conflict(&journal.commit(Commit::new(records)).await, reason);
    }
    assert!(journal.by_key("order", "half", 1).await.unwrap().is_empty());
    assert_eq!(journal.exchange(1).await.unwrap().unwrap().summary.state, State::Ended);
    assert!(journal.poisoned().is_none());
    let many = vec![ready(); journal::COMMIT_RECORDS_MAX + 1];
    assert!(matches!(journal.commit(Commit::new(many)).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn what_a_refused_commit_brought_is_not_remembered() {
    let place = Place::new();
    let journal = place.open();
    let mut records = route("intake");
    records.extend([Record::Accept(accept(1)), end(99)]);
    assert_conflict(&journal.commit(Commit::new(records)).await, "exchange 99 is not open");
    let accepted = journal.commit(Record::Accept(accept(2)).into()).await;
    assert_conflict(&accepted, "runs on the route version");
}

#[tokio::test]
async fn ids_are_never_repeated_by_a_restart_or_a_clock_that_steps_back() {
    let place = Place::new();
    let mut last = 0;
    let mut node = None;
    for now in [NOW, NOW - 3_600_000, NOW - 7_200_000, NOW + 1, NOW + 86_400_000] {
        let journal = place.open_with(Options { now_ms: Some(now), ..Options::default() });
        if node.is_none() {
            journal.commit(Commit::new(route("intake"))).await.unwrap();
        }
        // The clock runs on for a minute, an exchange each second, and some ids go unused.
        for second in 0..60 {
            let ids: Vec<u64> = (0..50).map(|_| journal.next_id(now + second * 1_000)).collect();
            assert!(ids[0] > last && ids.is_sorted(), "{ids:?} after {last}");
            last = ids[49];
            journal.commit(Record::Accept(accept(ids[0])).into()).await.unwrap();
        }
        let bits = (last >> 8) & ((1 << 14) - 1);
        assert_eq!(*node.get_or_insert(bits), bits, "the identity is the file's");
    }
}

#[tokio::test]
async fn the_identity_may_be_given_once() {
    let place = Place::new();
    let identity = |byte| Options { identity: Some([byte; 16]), ..options() };
    let node = |journal: &Journal| (journal.next_id(NOW) >> 8) & ((1 << 14) - 1);
    assert_eq!(node(&place.open_with(identity(0x11))), 0x1111);
    assert_eq!(node(&place.open_with(identity(0x22))), 0x1111);
}

fn commit_apart(
    journal: &Journal,
    records: Vec<Record>,
) -> tokio::task::JoinHandle<Result<journal::Committed, Error>> {
    let journal = journal.clone();
    tokio::spawn(async move { journal.commit(Commit::new(records)).await })
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(answer: &Result<T, Error>, expected: &str) {
    match answer {
        Err(Error::Conflict { reason }) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("expected a conflict ({expected}), got {other:?}"),
    }
}

#[tokio::test]
async fn what_waits_for_the_same_is_hastened_in_its_order_and_nothing_else_is() {
    let place = Place::new();
    let journal = place.with_route_and(options()).await;
    let wait =
        |exchange, due_at_ms, why: &str| Record::Wait { exchange, due_at_ms, why: why.into() };
    let mut records: Vec<Record> = (1..=6).map(|id| Record::Accept(accept(id))).collect();
    records.extend([
        wait(1, 9_003, "breaker erp"),
        wait(2, 9_001, "breaker erp"),
        wait(3, 9_002, "breaker erp"),
        wait(4, 9_000, "breaker wms"),
        wait(5, 1_000, "breaker erp"),
    ]);
    journal.commit(Commit::new(records)).await.unwrap();
    let hasten = |count| Record::Hasten {
        why: "breaker erp".to_owned(),
        at_ms: 5_000,
        every_us: 1_500,
        count,
    };
    // Two of them: the one that is due already stays, the one that waits longest comes next.
    let committed = journal.commit(hasten(Some(2)).into()).await.unwrap();
    assert_eq!(committed.hastened, 2);
    let due = |due: Vec<journal::DueTimer>| {
        due.iter().map(|timer| (timer.exchange, timer.due_at_ms)).collect::<Vec<_>>()
    };
    let found = due(journal.due_timers(8_000, 10).await.unwrap());
    assert_eq!(found, [(5, 1_000), (2, 5_001)]);
    let committed = journal.commit(hasten(None).into()).await.unwrap();
    assert_eq!(committed.hastened, 4);
    let found = due(journal.due_timers(8_000, 10).await.unwrap());
    assert_eq!(found, [(5, 1_000), (2, 5_001), (3, 5_003), (1, 5_004)]);
    assert_eq!(journal.commit(end(6).into()).await.unwrap().hastened, 0);
}
