//! What becomes of each webhook, by the table in README.md.

use crossdock_sdk::http::statuses::{Row, compare, told};

use super::*;

type Operation = fn(Call, WebhookRequest) -> Result<String, crossdock_sdk::Fault>;

fn orders(call: Call, request: WebhookRequest) -> Result<String, crossdock_sdk::Fault> {
    let items = Connector::receive_orders(call, request)?.items;
    Ok(items.first().map_or("nothing".to_owned(), |item| item.id.clone()))
}

fn cancellations(call: Call, request: WebhookRequest) -> Result<String, crossdock_sdk::Fault> {
    let items = Connector::receive_cancellations(call, request)?.items;
    Ok(items.first().map_or("nothing".to_owned(), |item| item.id.clone()))
}

#[test]
fn every_webhook_becomes_what_the_readme_says() {
    let operations: [(&str, &str, Operation); 2] = [
        ("receive-orders", "orders/create", orders),
        ("receive-cancellations", "orders/cancelled", cancellations),
    ];
    let mut rows = Vec::new();
    for (operation, topic, receive) in operations {
        let mut tried = |status: &str, call: Call, request: WebhookRequest| {
            let becomes = match receive(call, request) {
                Ok(answer) => format!("answer {answer}"),
                Err(fault) => told(&fault),
            };
            rows.push(Row {
                operation: operation.into(),
                request: "webhook".into(),
                nth: 1,
                status: status.into(),
                becomes,
            });
        };
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut document = document();
            change(&mut document);
            webhook(topic, &document)
        };
        let whole = || webhook(topic, &document());
        let untold = WebhookRequest { headers: Vec::new(), ..whole() };
        let page = WebhookRequest { body: b"<html>".to_vec(), ..whole() };
        tried(topic, call(), whole());
        tried("another topic", call(), webhook("orders/updated", &document()));
        tried("no topic", call(), untold);
        tried("no JSON", call(), page);
        tried("another document", call(), webhook(topic, &json!({"id": 1, "title": "a product"})));
        let free = |document: &mut Value| document["total_price"] = "free".into();
        tried("an amount that is none", call(), changed(&free));
        let nowhere = |document: &mut Value| {
            document["shipping_address"] = Value::Null;
            document["billing_address"] = Value::Null;
        };
        tried("no address", call(), changed(&nowhere));
        let stateless = |document: &mut Value| {
            document["shipping_address"]["country_code"] = Value::Null;
        };
        tried("no country", call(), changed(&stateless));
        let timeless = |document: &mut Value| {
            document["processed_at"] = "yesterday".into();
            document["cancelled_at"] = "yesterday".into();
        };
        tried("a time that is none", call(), changed(&timeless));
        let call = call();
        config::set(json!({}));
        tried("no company", call, whole());
    }
    compare(include_str!("../../README.md"), &rows);
}
