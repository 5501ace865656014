//! Whole operations against records as Tryton's REST application writes them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use crossdock_sdk::canonical::common::{
    Address, Charge, ChargeKind, Consignee, Discount, Party, PaymentTerms,
};
use crossdock_sdk::canonical::orders::{
    DeliveryPolicy, InvoiceTrigger, Order, OrderLine, OrderStatus, PaymentArrangement,
};
use crossdock_sdk::canonical::{price_of_one, quantity};
use crossdock_sdk::http::replay::{self, Seen};
use crossdock_sdk::{Call, Decimal, Identity, Money, Retry, config, decimal};
use serde_json::{Value, json};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::erp::credit::{CheckCreditInput, CreditDecision, Guest as _};
use crate::exports::crossdock::erp::order_entry::{
    CancelOrderInput, CancelOrderOutcome, CreateOrderInput, CreateOrderOutcome, Guest as _,
};
use crate::exports::crossdock::erp::order_entry_probe::{CreateOrderState, Guest as _};
use crate::sale;
use crate::value::Record;

mod statuses;

fn call() -> Call {
    config::set(json!({"company": "ACME", "rates": {"EUR": "1.08"}}));
    Call {
        exchange: "0X".into(),
        key: "0X/erp/0".into(),
        attempt: 1,
        started_at: "2026-04-02T10:00:00Z".into(),
        deadline: "2026-04-02T10:01:00Z".into(),
        traceparent: String::new(),
    }
}

fn usd(amount: &str) -> Money {
    Money { amount: amount.into(), currency: "USD".into() }
}

pub fn order() -> Order {
    let address = Address {
        lines: vec!["1 Pier".into()],
        city: "New York".into(),
        region: Some("NY".into()),
        postal_code: Some("10004".into()),
        country: "US".into(),
        time_zone: None,
        residential: None,
        validation: None,
    };
    let line = OrderLine {
        id: "1".into(),
        parent: None,
        item: "DRILL-18V".into(),
        description: None,
        quantity: quantity(Decimal::from(3), "C62"),
        price: Some(price_of_one(Decimal::from(149), "USD", "C62")),
        discounts: vec![Discount {
            code: None,
            description: Some("Spring".into()),
            percent: None,
            amount: usd("7"),
        }],
        amount: Some(usd("440")),
        tax_code: Some("P0000000".into()),
        requested_on: None,
        site: None,
        progress: None,
        attributes: Vec::new(),
    };
    Order {
        id: "O-17".into(),
        company: "ACME".into(),
        references: Vec::new(),
        attributes: Vec::new(),
        version: 0,
        occurred_at: "2026-04-02T10:00:00Z".into(),
        channel: "api".into(),
        customer_order_number: Some("PO-9".into()),
        documents: Vec::new(),
        status: OrderStatus::Received,
        sold_to: Party {
            customer: Some("C-1001".into()),
            name: "Harbour Hardware Ltd".into(),
            contact: None,
            address: None,
            tax_ids: Vec::new(),
            references: Vec::new(),
        },
        ship_to: Consignee {
            customer: Some("C-1001".into()),
            name: "Dock 2".into(),
            contact: None,
            address,
            instructions: None,
        },
        bill_to: None,
        payer: None,
        currency: "USD".into(),
        rate: None,
        requested_on: None,
        delivery_service: None,
        delivery_policy: DeliveryPolicy::ShipComplete,
        invoice_trigger: InvoiceTrigger::Shipment,
        payment: PaymentArrangement::Terms(PaymentTerms {
            code: "NET30".into(),
            net_days: Some(30),
            early_discount: None,
        }),
        holds: Vec::new(),
        charges: vec![Charge {
            id: "f".into(),
            kind: ChargeKind::Freight,
            description: Some("Freight".into()),
            amount: usd("12"),
            tax_code: None,
        }],
        discounts: Vec::new(),
        lines: vec![line],
        total: None,
    }
}

/// The sale that Tryton makes of the order, in a state.
fn sale_of(order: &Order, state: &str) -> Value {
    let mut lines = sale::lines(order, |_| 2, |_| 1).unwrap();
    for (at, line) in lines.iter_mut().enumerate() {
        line["id"] = (at + 1).into();
        if at == 0 {
            line["_timestamp"] = "1775124000.25".into();
        }
        if line["product"] == 2 {
            line["product"] = json!({"id": 2, "code": "DRILL-18V"});
            line["unit"] = json!({"id": 1, "symbol": "u"});
        }
    }
    json!({
        "id": 4, "_timestamp": "1775124000.5", "number": "12", "state": state, "reference": order.id, "description": "PO-9",
        "shipment_state": "none", "party": {"id": 1, "code": "C-1001", "name": "Harbour Hardware Ltd"},
        "currency": {"id": 1, "code": "USD"}, "total_amount": {"__class__": "Decimal", "decimal": "452.00"},
        "create_date": {"__class__": "datetime", "year": 2026, "month": 4, "day": 2, "hour": 10, "minute": 0, "second": 0, "microsecond": 5},
        "write_date": null, "lines": lines, "shipments": [],
    })
}

fn encoded(value: &Value) -> String {
    crossdock_sdk::form::segment(&URL_SAFE.encode(value.to_string()))
}

/// The request of a search, as the client writes it.
fn search(model: &str, domain: Value, limit: u32, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("&f={field}")).collect();
    let (domain, order) = (encoded(&domain), encoded(&json!([["id", "ASC"]])));
    format!("GET http://tryton/crossdock/rest/model/{model}?d={domain}&o={order}&s={limit}{fields}")
}

fn sale_search() -> String {
    search("sale.sale", json!([["reference", "=", "O-17"], ["company", "=", 1]]), 2, &sale::FIELDS)
}

fn sale_read() -> String {
    search("sale.sale", json!([["id", "=", 4]]), 1, &sale::FIELDS)
}

const RPC: &str = "POST http://tryton-rpc/crossdock/rpc/";

fn act(path: &str) -> String {
    let fields = sale::FIELDS.map(|field| format!("f={field}")).join("&");
    format!("POST http://tryton/crossdock/rest/model/sale.sale{path}?{fields}")
}

#[test]
fn an_order_survives_tryton() {
    let order = order();
    let read = sale::order(&Record(sale_of(&order, "confirmed")), "ACME");
    assert_eq!(read.lines[0].price, order.lines[0].price);
    assert_eq!(read.lines[0].discounts, order.lines[0].discounts);
    assert_eq!(read.lines[0].amount, order.lines[0].amount);
    assert_eq!(read.lines[0].tax_code, order.lines[0].tax_code);
    assert_eq!(read.charges, order.charges);
    assert_eq!(
        (read.payment, read.ship_to, read.channel),
        (order.payment, order.ship_to, order.channel)
    );
    assert_eq!(read.status, OrderStatus::Confirmed);
    assert_eq!(read.customer_order_number, order.customer_order_number);
    assert_eq!(read.version, 1_775_124_000_000_005);
}

#[test]
fn a_sale_entered_in_tryton_is_read_too() {
    let mut sale = sale_of(&order(), "processing");
    sale["reference"] = Value::Null;
    sale["payment_term"] = json!({"id": 1, "name": "Net 30"});
    sale["shipment_state"] = "partially shipped".into();
    sale["lines"] = json!([{
        "id": 7, "type": "line", "product": {"id": 2, "code": "DRILL-18V"}, "quantity": 3.0,
        "unit": {"id": 1, "symbol": "u"}, "unit_price": {"__class__": "Decimal", "decimal": "149.0000"},
        "note": "by phone", "moves": [{"id": 1, "quantity": 1.0, "state": "done"}, {"id": 2, "quantity": 2.0, "state": "assigned"}],
        "invoice_lines": [{"id": 1, "quantity": 1.0, "invoice": {"id": 1, "state": "posted"}}],
    }]);
    let order = sale::order(&Record(sale), "ACME");
    assert_eq!(order.id, "tryton-4");
    assert_eq!(order.status, OrderStatus::PartlyShipped);
    assert_eq!(order.lines[0].id, "7");
    let progress = order.lines[0].progress.as_ref().unwrap();
    assert_eq!(
        (progress.shipped.as_str(), progress.allocated.as_str(), progress.invoiced.as_str()),
        ("1", "2", "1")
    );
    assert!(matches!(order.payment, PaymentArrangement::Terms(terms) if terms.code == "Net 30"));
}

#[test]
fn an_order_that_exists_is_not_created_again() {
    let call = call();
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "confirmed")]));
    let output = Connector::create_order(call, CreateOrderInput { order: order() }).unwrap();
    assert_eq!(output.outcome, CreateOrderOutcome::Created);
    assert_eq!(output.order.references[0].id, "4");
    assert_eq!(replay::finish().len(), 1);
}

#[test]
fn an_attempt_that_was_cut_goes_on_from_where_it_was() {
    let call = call();
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "draft")]));
    replay::answer(&act("/4/quote"), 200, sale_of(&order(), "quotation"));
    replay::cut(&act("/4/confirm"));
    let fault =
        Connector::create_order(call.clone(), CreateOrderInput { order: order() }).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "quotation")]));
    let state =
        Connector::probe_create_order(call.clone(), CreateOrderInput { order: order() }).unwrap();
    assert_eq!(state, CreateOrderState::Absent);
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "quotation")]));
    replay::answer(&act("/4/confirm"), 200, sale_of(&order(), "confirmed"));
    let output = Connector::create_order(call, CreateOrderInput { order: order() }).unwrap();
    assert_eq!(output.order.status, OrderStatus::Confirmed);
    replay::finish();
}

#[test]
fn trytons_own_rules_refuse_and_html_is_no_answer() {
    let call = call();
    let input = || CreateOrderInput { order: order() };
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "draft")]));
    replay::answer(
        &act("/4/quote"),
        400,
        json!({"status": 400, "message": "No address.", "description": "Fill it in."}),
    );
    let state = search("sale.sale", json!([["id", "=", 4]]), 1, &["state"]);
    replay::answer(&state, 200, json!([{"id": 4, "state": "draft"}]));
    let output = Connector::create_order(call.clone(), input()).unwrap();
    let CreateOrderOutcome::Refused(refusal) = output.outcome else { panic!("{output:?}") };
    assert_eq!(refusal.message, "No address. Fill it in.");
    replay::answer_with(
        &sale_search(),
        401,
        &[("content-type", "text/html")],
        "<h1>Unauthorized</h1>",
    );
    let fault = Connector::create_order(call, input()).unwrap_err();
    assert_eq!(fault.retry, Retry::RefreshAuth);
    replay::finish();
}

#[test]
fn a_confirmed_order_is_cancelled_and_a_shipped_one_is_not() {
    let input = || CancelOrderInput {
        order: Identity { id: "O-17".into(), references: Vec::new() },
        lines: None,
        reason: None,
    };
    let call = call();
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "confirmed")]));
    for state in ["draft", "cancelled"] {
        replay::answer(RPC, 200, json!({"id": 0, "result": null}));
        replay::answer(&sale_read(), 200, json!([sale_of(&order(), state)]));
    }
    let output = Connector::cancel_order(call.clone(), input()).unwrap();
    assert_eq!(output.outcome, CancelOrderOutcome::Cancelled);
    assert_eq!(output.lines[0].quantity, "3");
    let sent: Vec<Value> =
        replay::finish().iter().filter(|s| s.request == RPC).map(Seen::json).collect();
    let stamps = json!({"sale.sale,4": "1775124000.5", "sale.line,1": "1775124000.25"});
    for (sent, action) in sent.iter().zip(["draft", "cancel"]) {
        assert_eq!(sent["method"], format!("model.sale.sale.{action}"));
        let context = json!({"company": 1, "_timestamp": stamps});
        assert_eq!(sent["params"], json!([[4], context]));
    }

    let mut shipped = sale_of(&order(), "processing");
    shipped["lines"][0]["moves"] = json!([{"id": 1, "quantity": 3.0, "state": "done"}]);
    replay::answer(&sale_search(), 200, json!([shipped.clone()]));
    replay::answer(&sale_read(), 200, json!([shipped]));
    let output = Connector::cancel_order(call, input()).unwrap();
    assert_eq!(output.outcome, CancelOrderOutcome::TooLate);
    replay::finish();
}

#[test]
fn what_somebody_changed_meanwhile_is_left_alone() {
    let input = CancelOrderInput {
        order: Identity { id: "O-17".into(), references: Vec::new() },
        lines: None,
        reason: None,
    };
    let call = call();
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "quotation")]));
    let changed = json!(["ConcurrencyException", "Records were modified in the meanwhile"]);
    replay::answer(RPC, 200, json!({"id": 0, "error": changed}));
    let fault = Connector::cancel_order(call.clone(), input).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry), ("changed-meanwhile", Retry::Later(None)));
    replay::finish();

    // A button that is not there any more, since an earlier attempt or somebody else pressed it.
    replay::answer(&sale_search(), 200, json!([sale_of(&order(), "quotation")]));
    let message = "You can not call \"confirm\" on \"12 [O-17]\" of \"Sale\".";
    let refused = json!({"status": 400, "message": message, "description": ""});
    replay::answer(&act("/4/confirm"), 400, refused);
    let state = search("sale.sale", json!([["id", "=", 4]]), 1, &["state"]);
    replay::answer(&state, 200, json!([{"id": 4, "state": "processing"}]));
    let fault = Connector::create_order(call, CreateOrderInput { order: order() }).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry), ("changed-meanwhile", Retry::Later(None)));
    replay::finish();
}

#[test]
fn credit_in_another_currency_needs_a_rate() {
    let fields = ["code", "credit_amount", "credit_limit_amount"];
    let request = search("party.party", json!([["code", "=", "C-1004"]]), 2, &fields);
    let check = |currency: &str, expect: CreditDecision| {
        let call = call();
        replay::answer(
            &request,
            200,
            json!([{"id": 4, "code": "C-1004",
            "credit_amount": {"__class__": "Decimal", "decimal": "0.00"},
            "credit_limit_amount": {"__class__": "Decimal", "decimal": "1080.00"}}]),
        );
        let amount = Money { amount: "1000".into(), currency: currency.into() };
        let input = CheckCreditInput {
            company: "ACME".into(),
            customer: "C-1004".into(),
            amount,
            order: None,
        };
        assert_eq!(Connector::check_credit(call, input).unwrap().decision, expect, "{currency}");
        replay::finish();
    };
    check("USD", CreditDecision::Approved);
    check("EUR", CreditDecision::Approved);
    check("GBP", CreditDecision::Hold);
}

#[test]
fn the_description_is_whole() {
    let description = Connector::describe();
    let schema: Value = serde_json::from_str(&description.config_schema).unwrap();
    assert_eq!(schema["required"], json!(["company"]));
    let named = |name: &str| description.operations.iter().any(|operation| operation.name == name);
    for operation in &description.operations {
        for other in operation.probe.iter().chain(&operation.undo) {
            assert!(named(other), "{other}");
        }
    }
    assert!(decimal::parse("1.08").is_ok());
}
