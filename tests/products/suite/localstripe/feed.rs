//! The feed of payments. localstripe makes events of captures and refused cards; it knows no
//! disputes, and its payouts do not say what they are made of.

use serde_json::{Value, json};

use super::{REFUSED_WHEN_CHARGED, authorisation, authorised, captured, card, fresh, stripe, usd};

fn poll(operation: &str, cursor: Option<&Value>, limit: u32) -> Value {
    let input = json!({"cursor": cursor, "limit": limit});
    stripe().call(operation, &input).expect("an answer")
}

/// What comes after a cursor, page by page, and the cursor at its end.
fn after(mut cursor: Option<Value>, limit: u32) -> (Vec<Value>, Option<Value>) {
    let mut items = Vec::new();
    loop {
        let page = poll("list-changed-payments", cursor.as_ref(), limit);
        let got = page["items"].as_array().cloned().expect("items");
        assert!(got.len() <= limit as usize, "{page:#}");
        items.extend(got);
        if !page["next_cursor"].is_null() {
            cursor = Some(page["next_cursor"].clone());
        }
        if page["more"] != true {
            return (items, cursor);
        }
    }
}

#[test]
fn changes_come_once_each_oldest_first_over_many_pages() {
    // A first event, so that there is a cursor.
    captured(&authorised(&fresh("O"), &usd("1")), &usd("1"), &fresh("INV"));
    let (_, cursor) = after(None, 100);
    let ids: Vec<String> = (0..5).map(|_| fresh("O")).collect();
    for id in &ids {
        captured(&authorised(id, &usd("10")), &usd("7"), &fresh("INV"));
    }
    let refused = fresh("O");
    let input = authorisation(&refused, &usd("10"), &card(REFUSED_WHEN_CHARGED));
    stripe().call("authorise", &input).expect("an answer");

    let (items, end) = after(cursor, 2);
    // Other tests pay at the same time.
    let ours = |item: &&Value| {
        item["value"]["order"]
            .as_str()
            .is_some_and(|id| id == refused || ids.iter().any(|i| i == id))
    };
    let told: Vec<(&str, &str)> = items
        .iter()
        .filter(ours)
        .map(|item| (&item["value"]["order"], &item["value"]["status"]))
        .map(|(order, status)| (order.as_str().unwrap_or(""), status.as_str().unwrap_or("")))
        .collect();
    let mut expected: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "captured")).collect();
    expected.push((&refused, "declined"));
    assert_eq!(told, expected);
    let taken = items.iter().find(|item| item["value"]["order"] == ids[0]).expect("the first");
    assert_eq!(taken["value"]["captured"], usd("7"));
    assert_eq!(taken["value"]["refunded"], usd("0"));

    let (later, _) = after(end, 100);
    assert!(!later.iter().any(|item| items.contains(item)), "nothing comes twice");
}

#[test]
fn a_cursor_that_stripe_has_forgotten_begins_anew() {
    captured(&authorised(&fresh("O"), &usd("1")), &usd("1"), &fresh("INV"));
    let page = poll("list-changed-payments", Some(&json!("evt_forgotten")), 1);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page:#}");
    assert_eq!(page["items"], poll("list-changed-payments", None, 1)["items"]);
}

#[test]
fn without_disputes_their_feed_is_empty() {
    let page = poll("list-changed-disputes", None, 10);
    assert_eq!((&page["items"], &page["more"]), (&json!([]), &json!(false)));
}
