//! What is stored is found again: exchanges, pages, artifacts, state, timelines.

use journal::{Commit, Digest, ExchangeFilter, Linked, Node, Record, State};

use crate::support::*;

#[tokio::test]
async fn an_exchange_comes_back_as_it_was_put_in() {
    let place = Place::new();
    let journal = place.with_route().await;
    let accepted = journal::Accept {
        parent: Some(3),
        traceparent: Some("00-aa-bb-01".to_owned()),
        raw: true,
        message: vec![0, 159, 146, 150],
        ..keyed(7, "K", "body")
    };
    // The outcomes of two commits, written out of order.
    journal
        .commit(Commit::new(vec![Record::Accept(accepted.clone()), outcome(7, 1), outcome(7, 0)]))
        .await
        .unwrap();
    let more = vec![outcome(7, 2), key(7, "order", "SO-1"), key(7, "order", "SO-1"), end(7)];
    journal.commit(Commit::new(more)).await.unwrap();
    drop(journal);
    let journal = place.open();
    let stored = journal.exchange(7).await.unwrap().unwrap();
    assert_eq!(stored.route_version, accepted.route_version);
    assert_eq!(stored.source_key, accepted.source_key);
    assert_eq!(stored.body_digest, accepted.body_digest);
    assert_eq!(stored.headers, accepted.headers);
    assert_eq!(stored.message, accepted.message);
    assert_eq!(stored.traceparent, accepted.traceparent);
    assert!(stored.raw);
    let summary = &stored.summary;
    assert_eq!((summary.route.as_str(), summary.parent), ("intake", Some(3)));
    assert_eq!((summary.source.as_str(), summary.received_at_ms), ("http:/orders", NOW));
    assert_eq!(summary.state, State::Ended);
    let ended = summary.ended.as_ref().unwrap();
    assert_eq!((ended.end.as_str(), ended.at_ms), ("done", NOW + 9));
    let outcomes: Vec<_> =
        stored.outcomes.iter().map(|outcome| (outcome.sequence, outcome.body.as_str())).collect();
    assert_eq!(outcomes, [(0, r#"{"set":0}"#), (1, r#"{"set":1}"#), (2, r#"{"set":2}"#)]);
    assert_eq!(stored.keys, [("order".to_owned(), "SO-1".to_owned())]);
    assert!(journal.exchange(8).await.unwrap().is_none());
    assert!(journal.exchange(u64::MAX).await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_is_filtered_and_paged_newest_first() {
    let place = Place::new();
    let journal = place.with_route().await;
    let mut commit = Commit::new(route("shipment"));
    for id in 1..=20 {
        let name = if id % 2 == 0 { "intake" } else { "shipment" };
        let route_version = version(name);
        let accept = journal::Accept { route_version, received_at_ms: NOW + id, ..accept(id) };
        commit.push(Record::Accept(accept));
        if id > 15 {
            let ends = if id == 20 { "refused(credit)" } else { "done" };
            commit.push(Record::End { exchange: id, end: ends.to_owned(), at_ms: NOW });
        }
    }
    journal.commit(commit).await.unwrap();
    let check = |filter: ExchangeFilter, expect: Vec<u64>, next: Option<u64>| {
        let journal = journal.clone();
        async move {
            let page = journal.exchanges(filter).await.unwrap();
            let ids: Vec<u64> = page.exchanges.iter().map(|found| found.id).collect();
            assert_eq!((ids, page.next), (expect, next));
        }
    };
    let all = ExchangeFilter { limit: 100, ..ExchangeFilter::default() };
    check(all.clone(), (1..=20).rev().collect(), None).await;
    check(ExchangeFilter { limit: 3, ..all.clone() }, vec![20, 19, 18], Some(18)).await;
    let second = ExchangeFilter { limit: 3, before: Some(18), ..all.clone() };
    check(second, vec![17, 16, 15], Some(15)).await;
    let route = Some("shipment".to_owned());
    let since_ms = Some(NOW + 14);
    let some = ExchangeFilter { route, since_ms, ..all.clone() };
    check(some.clone(), vec![19, 17, 15], None).await;
    check(ExchangeFilter { state: Some(State::Ready), ..some.clone() }, vec![15], None).await;
    check(ExchangeFilter { state: Some(State::Ended), ..some }, vec![19, 17], None).await;
    let refused = ExchangeFilter { end: Some("refused(credit)".to_owned()), ..all.clone() };
    check(refused, vec![20], None).await;
    check(ExchangeFilter { state: Some(State::Parked), ..all }, vec![], None).await;
    let counts = journal.counts().await.unwrap();
    assert_eq!(counts.ready, 15);
    assert_eq!(counts.ended, [("done".to_owned(), 4), ("refused(credit)".to_owned(), 1)]);
}

#[tokio::test]
async fn artifacts_state_and_cursors_are_kept_by_name() {
    let place = Place::new();
    let journal = place.with_route().await;
    let bytes = b"\0asm component".to_vec();
    let digest = Digest::of(&bytes);
    for _ in 0..2 {
        let kind = "component".to_owned();
        journal
            .commit(Record::Artifact { digest, kind, bytes: bytes.clone() }.into())
            .await
            .unwrap();
    }
    let found = journal.artifact(digest).await.unwrap().unwrap();
    assert_eq!((found.kind.as_str(), found.bytes), ("component", bytes));
    assert!(journal.artifact(Digest::of(b"")).await.unwrap().is_none());

    let set = |value: Option<&[u8]>| {
        let (connector, key) = ("erp".to_owned(), "token".to_owned());
        journal.commit(Record::State { connector, key, value: value.map(<[u8]>::to_vec) }.into())
    };
    set(Some(b"one")).await.unwrap();
    set(Some(b"two")).await.unwrap();
    assert_eq!(journal.state_get("erp", "token").await.unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(journal.state_get("wms", "token").await.unwrap(), None);
    set(None).await.unwrap();
    assert_eq!(journal.state_get("erp", "token").await.unwrap(), None);

    for value in ["1", "2"] {
        let (source, value) = ("poll:wms".to_owned(), value.to_owned());
        journal.commit(Record::Cursor { source, value }.into()).await.unwrap();
    }
    assert_eq!(journal.cursor("poll:wms").await.unwrap().as_deref(), Some("2"));
    assert_eq!(journal.cursor("poll:erp").await.unwrap(), None);

    let version = journal.route_version(version("intake")).await.unwrap().unwrap();
    assert_eq!(version.name, "intake");
    assert!(journal.artifact(version.artifact).await.unwrap().is_some());
    assert!(journal.route_versions_in_use().await.unwrap().is_empty());
    journal.commit(Record::Accept(accept(1)).into()).await.unwrap();
    assert_eq!(journal.route_versions_in_use().await.unwrap(), [version]);
    journal.commit(end(1).into()).await.unwrap();
    assert!(journal.route_versions_in_use().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_timeline_follows_links_to_what_other_systems_call_it() {
    let place = Place::new();
    let journal = place.with_route().await;
    let node = |object: &str, system: &str, id: &str| Node::new("acme", object, system, id);
    let order = node("order", "crossdock", "SO-1");
    let sale = node("order", "tryton", "42");
    let shipment = node("shipment", "crossdock", "SH-9");
    let picked = node("shipment", "inventree", "77");
    let link = |one: &Node, other: &Node| Record::Link { one: one.clone(), other: other.clone() };
    let mut records = vec![
        Record::Accept(accept(1)),
        key(1, "order", "SO-1"),
        link(&order, &sale),
        link(&sale, &order),
        link(&shipment, &order),
        link(&shipment, &picked),
        // Another company's order of the same number is another order.
        link(&Node::new("other", "order", "tryton", "42"), &node("order", "crossdock", "SO-2")),
        Record::Accept(accept(2)),
        key(2, "shipment", "SH-9"),
        Record::Accept(journal::Accept { parent: Some(2), ..accept(3) }),
        Record::Accept(accept(4)),
        key(4, "order", "SO-2"),
    ];
    records.push(link(&order, &order));
    journal.commit(Commit::new(records)).await.unwrap();

    let found = journal.linked(picked.clone()).await.unwrap();
    let at = |node: &Node, steps| Linked { node: node.clone(), steps };
    assert_eq!(found, [at(&picked, 0), at(&shipment, 1), at(&order, 2), at(&sale, 3)]);
    assert!(journal.linked(node("order", "stripe", "42")).await.unwrap().is_empty());

    let timeline = journal.timeline("order", "SO-1").await.unwrap();
    let ids: Vec<u64> = timeline.exchanges.iter().map(|found| found.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(timeline.nodes.len(), 4);
    let keyed = journal.by_key("order", "SO-1", 10).await.unwrap();
    assert_eq!(keyed.iter().map(|found| found.id).collect::<Vec<_>>(), [1]);
    let children = journal.children(2, 10).await.unwrap();
    assert_eq!(children.iter().map(|found| found.id).collect::<Vec<_>>(), [3]);
}

#[tokio::test]
async fn a_walk_over_links_is_bounded() {
    let place = Place::new();
    let journal = place.open();
    let node = |id: String| Node::new("acme", "order", "crossdock", &id);
    let mut records = Vec::new();
    for leaf in 0..1_500 {
        records.push(Record::Link { one: node("hub".into()), other: node(format!("L{leaf}")) });
    }
    for at in 0..40 {
        let (one, other) = (node(format!("C{at}")), node(format!("C{}", at + 1)));
        records.push(Record::Link { one, other });
    }
    journal.commit(Commit::new(records)).await.unwrap();
    let wide = journal.linked(node("hub".into())).await.unwrap();
    assert_eq!(wide.len(), journal::LINKED_NODES_MAX);
    let long = journal.linked(node("C0".into())).await.unwrap();
    assert_eq!(long.len(), journal::LINKED_STEPS_MAX as usize + 1);
    assert_eq!(long[12].node.id, "C12");
}
