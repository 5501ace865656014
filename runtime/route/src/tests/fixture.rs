//! A small shop: its contracts, one connector with an operation of every temper, and helpers.

mod run;

pub use run::Run;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use contract::{Contracts, Source, Value};
use jiff::Timestamp;

use crate::*;

const SHOP: &str = r#"
package acme:shop@1.0.0;

interface orders {
    use crossdock:core/types@1.0.0.{decimal, reference};
    enum channel { web, phone }
    record line { sku: string, quantity: u32, price: decimal }
    record order {
        id: string,
        company: string,
        references: list<reference>,
        customer: option<string>,
        channel: channel,
        total: decimal,
        lines: list<line>,
    }
    record shipment { id: string, company: string, references: list<reference>, order: string }
    record accepted { order: order, total: decimal }
    record counted { sku: string }
}

interface desk {
    use crossdock:core/types@1.0.0.{call, fault, decimal};
    use crossdock:core/webhook@1.0.0.{webhook-request};
    use crossdock:core/poll@1.0.0.{poll-request};
    use orders.{order, shipment};

    enum decision { approved, hold, refused }
    record credit-request { customer: string, amount: decimal }
    record credit { decision: decision, limit: option<decimal> }
    record order-request { order: string, note: option<string> }
    record number { number: string }
    variant probed { applied(number), absent, pending, unknown }
    record cancel-request { number: string, note: option<string> }
    variant cancel-outcome { cancelled, too-late, pending }
    record cancelled { outcome: cancel-outcome }
    variant probed-cancel { applied(cancelled), absent, pending, unknown }
    record order-item { id: string, value: order }
    record order-items { items: list<order-item> }
    record shipment-item { id: string, value: shipment }
    record shipment-items { items: list<shipment-item>, next-cursor: option<string>, more: bool }

    /// query
    check-credit: func(call: call, input: credit-request) -> result<credit, fault>;
    /// mutation, looked up
    create-order: func(call: call, input: order-request) -> result<number, fault>;
    /// mutation, key honoured for an hour
    authorise: func(call: call, input: order-request) -> result<number, fault>;
    /// mutation, no key, a probe
    book-carrier: func(call: call, input: order-request) -> result<number, fault>;
    probe-book-carrier: func(call: call, input: order-request) -> result<probed, fault>;
    /// mutation, neither
    send-letter: func(call: call, input: order-request) -> result<number, fault>;
    /// mutation, a key and a probe
    post-invoice: func(call: call, input: order-request) -> result<number, fault>;
    probe-post-invoice: func(call: call, input: order-request) -> result<probed, fault>;
    /// the undos: looked up, honoured, a probe and no key, neither
    cancel-order: func(call: call, input: cancel-request) -> result<cancelled, fault>;
    void-authorisation: func(call: call, input: cancel-request) -> result<cancelled, fault>;
    cancel-carrier: func(call: call, input: cancel-request) -> result<cancelled, fault>;
    probe-cancel-carrier: func(call: call, input: cancel-request) -> result<probed-cancel, fault>;
    credit-invoice: func(call: call, input: cancel-request) -> result<cancelled, fault>;
    get-order: func(call: call, input: order-request) -> result<order, fault>;
    order-created: func(call: call, input: webhook-request) -> result<order-items, fault>;
    list-shipments: func(call: call, input: poll-request) -> result<shipment-items, fault>;
}
"#;

const CORE: [(&str, &str); 3] = [
    ("wit/core/1.0.0/types.wit", include_str!("../../../../wit/core/1.0.0/types.wit")),
    ("wit/core/1.0.0/webhook.wit", include_str!("../../../../wit/core/1.0.0/webhook.wit")),
    ("wit/core/1.0.0/poll.wit", include_str!("../../../../wit/core/1.0.0/poll.wit")),
];

pub static CONTRACTS: LazyLock<Contracts> = LazyLock::new(|| {
    let sources: Vec<Source> = CORE
        .into_iter()
        .chain([("wit/shop/1.0.0/shop.wit", SHOP)])
        .map(|(path, text)| Source { path: path.to_owned(), text: text.to_owned() })
        .collect();
    Contracts::parse(&sources).unwrap_or_else(|problems| panic!("{problems:?}"))
});

/// How long after `book-carrier` its probe may not see it.
pub const SETTLING_MS: u64 = 5_000;

static CONNECTORS: LazyLock<BTreeMap<String, ConnectorTypes>> = LazyLock::new(|| {
    let operations = CONTRACTS
        .operations()
        .filter(|operation| operation.interface.package == "acme:shop")
        .map(|operation| {
            let (effect, key, probe) = match operation.name.as_str() {
                "create-order" => (Effect::Mutation, Key::LookedUp, None),
                "authorise" => (Effect::Mutation, Key::Honoured { lifetime_s: 3_600 }, None),
                "book-carrier" => (Effect::Mutation, Key::None, Some("probe-book-carrier")),
                "send-letter" => (Effect::Mutation, Key::None, None),
                "post-invoice" => (Effect::Mutation, Key::LookedUp, Some("probe-post-invoice")),
                "cancel-order" => (Effect::Mutation, Key::LookedUp, None),
                "void-authorisation" => {
                    (Effect::Mutation, Key::Honoured { lifetime_s: 3_600 }, None)
                }
                "cancel-carrier" => (Effect::Mutation, Key::None, Some("probe-cancel-carrier")),
                "credit-invoice" => (Effect::Mutation, Key::None, None),
                _ => (Effect::Query, Key::None, None),
            };
            let undo = match operation.name.as_str() {
                "create-order" => Some("cancel-order"),
                "authorise" => Some("void-authorisation"),
                "book-carrier" => Some("cancel-carrier"),
                "post-invoice" => Some("credit-invoice"),
                _ => None,
            };
            OperationInfo {
                operation: operation.clone(),
                effect,
                key,
                settling_ms: SETTLING_MS,
                probe: probe.map(str::to_owned),
                undo: undo.map(str::to_owned),
            }
        })
        .collect();
    BTreeMap::from([("shop".to_owned(), ConnectorTypes { operations })])
});

pub fn check_files(files: &[(&str, &str)]) -> Checked {
    let files: Vec<File> = files
        .iter()
        .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
        .collect();
    let limits = ["storefront".to_owned()];
    let slow = Policy { name: "slow".to_owned(), attempts: 3, ..Policy::standard() };
    let policies = BTreeMap::from([("slow".to_owned(), slow)]);
    let environment = Environment {
        contracts: &CONTRACTS,
        connectors: &CONNECTORS,
        limits: Some(&limits),
        policies: &policies,
    };
    check(&files, &environment)
}

/// An HTTP route for orders with these steps; the first line of `rest` is line 8.
pub fn route(rest: &str) -> String {
    format!(
        r#"[route]
name = "intake"
owner = "order-desk"
[from.http]
path = "/orders"
accept = "acme:shop/orders.order@1"

{rest}"#
    )
}

pub fn plan(rest: &str) -> Arc<Plan> {
    plan_of(&route(rest))
}

pub fn plan_of(text: &str) -> Arc<Plan> {
    let checked = check_files(&[("routes/intake.toml", text)]);
    let shown: Vec<String> = checked.reports.iter().map(Report::to_string).collect();
    assert!(shown.is_empty(), "{text}\n{}", shown.join("\n"));
    checked.plans[0].clone()
}

pub fn value(ty: &str, json: &str) -> Value {
    let ty = CONTRACTS.type_named(&ty.parse().unwrap()).unwrap();
    contract::json::read(ty, json.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What an operation of the shop answers.
pub fn answer(operation: &str, json: &str) -> Value {
    let info = CONNECTORS["shop"].operation(operation).unwrap();
    let output = &info.operation.output;
    contract::json::read(output, json.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub fn order() -> Value {
    value(
        "acme:shop/orders.order@1",
        r#"{"id": "O1", "company": "acme", "channel": "web", "total": "30.00",
            "references": [{"system": "shopify", "object": "order", "id": "77"}],
            "lines": [{"sku": "A", "quantity": 1, "price": "10.00"},
                      {"sku": "B", "quantity": 2, "price": "10.00"}]}"#,
    )
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_760_000_000_000 + seconds * 1_000).unwrap()
}

pub fn envelope(message: Value) -> Envelope {
    Envelope {
        message,
        headers: BTreeMap::from([("idempotency-key".to_owned(), "k-1".to_owned())]),
        source: "web".to_owned(),
        client: None,
        received_at: at(0),
        traceparent: None,
        raw: false,
        replay: None,
    }
}
