//! Sample documents of InvenTree's API, and the requests that read them.

use crossdock_sdk::canonical::common::{Address, Consignee, Party, PaymentTerms};
use crossdock_sdk::canonical::orders::{
    DeliveryPolicy, InvoiceTrigger, Order, OrderLine, OrderStatus, PaymentArrangement,
};
use crossdock_sdk::canonical::{price_of_one, quantity};
use crossdock_sdk::http::replay;
use crossdock_sdk::{Call, Decimal, Identity, config};
use serde_json::{Value, json};

use crate::exports::crossdock::wms::fulfilment::{RequestShipmentInput, RequestedLine};

/// The number of sales order O-17, and of the next one after it was given up.
pub const NUMBER: &str = "SO-36982351951598";
pub const NEXT: &str = "SO-38081863579809";

pub fn call() -> Call {
    config::set(json!({"company": "ACME"}));
    Call {
        exchange: "0X".into(),
        key: "0X/wms/0".into(),
        attempt: 1,
        started_at: "2026-04-02T10:00:00Z".into(),
        deadline: "2026-04-02T10:01:00Z".into(),
        traceparent: String::new(),
    }
}

/// 12 ladders and 3 drills for C-1001.
pub fn order(delivery_policy: DeliveryPolicy) -> Order {
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
    let line = |id: &str, item: &str, count: i64| OrderLine {
        id: id.into(),
        parent: None,
        item: item.into(),
        description: None,
        quantity: quantity(Decimal::from(count), "C62"),
        price: Some(price_of_one(Decimal::from(149), "USD", "C62")),
        discounts: Vec::new(),
        amount: None,
        tax_code: None,
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
        delivery_policy,
        invoice_trigger: InvoiceTrigger::Shipment,
        payment: PaymentArrangement::Terms(PaymentTerms {
            code: "NET30".into(),
            net_days: Some(30),
            early_discount: None,
        }),
        holds: Vec::new(),
        charges: Vec::new(),
        discounts: Vec::new(),
        lines: vec![line("1", "LADDER-6M", 12), line("2", "DRILL-18V", 3)],
        total: None,
    }
}

pub fn request() -> RequestShipmentInput {
    let order = order(DeliveryPolicy::ShipComplete);
    let lines = order.lines.iter().map(|line| RequestedLine {
        order_line: line.id.clone(),
        item: line.item.clone(),
        quantity: line.quantity.clone(),
    });
    RequestShipmentInput {
        id: "O-17-S".into(),
        lines: lines.collect(),
        site: None,
        ship_on: None,
        order,
    }
}

pub fn identity(id: &str) -> Identity {
    Identity { id: id.into(), references: Vec::new() }
}

pub fn url(path: &str) -> String {
    format!("http://inventree/api/{path}")
}

/// The next request is for a list, which is one page.
pub fn list(path: &str, query: &str, results: Value) {
    let request = format!("GET {}?limit=1000&offset=0{query}", url(path));
    let count = results.as_array().map(Vec::len);
    let body = json!({"count": count, "next": null, "previous": null, "results": results});
    replay::answer(&request, 200, body);
}

pub fn sites() {
    let east = json!({"pk": 1, "name": "East", "pathstring": "East", "parent": null});
    let shelf = json!({"pk": 7, "name": "Shelf 1", "pathstring": "East/Shelf 1", "parent": 1});
    let west = json!({"pk": 2, "name": "West", "pathstring": "West", "parent": null});
    list("stock/location/", "", json!([east, shelf, west]));
}

pub fn sales_order(status: u32) -> Value {
    json!({"pk": 4, "reference": NUMBER, "customer_reference": "O-17", "status": status,
        "customer": 1, "address": 6, "target_date": null, "creation_date": "2026-04-02"})
}

/// What the search by number finds.
pub fn known(orders: Value) {
    list("order/so/", &format!("&reference={NUMBER}"), orders);
}

pub fn lines() -> Value {
    json!([
        {"pk": 11, "order": 4, "part": 4, "quantity": 12.0, "reference": "1", "notes": "",
            "part_detail": {"pk": 4, "IPN": "LADDER-6M", "units": ""}},
        {"pk": 12, "order": 4, "part": 2, "quantity": 3.0, "reference": "2", "notes": "",
            "part_detail": {"pk": 2, "IPN": "DRILL-18V", "units": ""}},
    ])
}

pub fn shipment(pk: i64, reference: &str) -> Value {
    json!({"pk": pk, "order": 4, "reference": reference, "tracking_number": "", "link": "",
        "checked_by": null, "shipment_date": null, "delivery_date": null, "allocated_items": 1})
}

pub fn left(pk: i64, reference: &str) -> Value {
    let mut left = shipment(pk, reference);
    left["shipment_date"] = json!("2026-04-02");
    left
}

/// The order is to be cancelled, and has this status then. Whether it was, InvenTree does not say.
pub fn cancelled(now: u32) {
    replay::answer_with(&format!("POST {}", url("order/so/4/cancel/")), 201, &[], "");
    replay::answer(&format!("GET {}", url("order/so/4/")), 200, sales_order(now));
}

/// 10 ladders and the drills in shipment 21, 2 ladders in shipment 22.
pub fn allocations() -> Value {
    let of = |pk, line, shipment, location, quantity: f64| {
        json!({"pk": pk, "line": line, "shipment": shipment, "location": location,
            "quantity": quantity, "item_detail": {"pk": 30, "quantity": 1, "batch": null}})
    };
    json!([of(31, 11, 21, 7, 10.0), of(32, 11, 22, 2, 2.0), of(33, 12, 21, 1, 3.0)])
}

/// The reading of all that belongs to the sales order.
pub fn whole(lines: Value, shipments: Value, allocations: Value) {
    list("order/so-line/", "&order=4&part_detail=true", lines);
    list("order/so/shipment/", "&order=4", shipments);
    list("order/so-allocation/", "&order=4&item_detail=true", allocations);
}

pub fn parts() {
    list("part/", "&IPN=LADDER-6M", json!([{"pk": 4, "IPN": "LADDER-6M", "units": ""}]));
    list("part/", "&IPN=DRILL-18V", json!([{"pk": 2, "IPN": "DRILL-18V", "units": ""}]));
}

/// 10 ladders East on a shelf, `held` of them allocated, some more in quarantine there, and `west`
/// ones West; drills East.
pub fn stock(held: f64, west: f64) {
    let item = |pk, location, quantity: f64, status| {
        let allocated = if pk == 7 { held } else { 0.0 };
        json!({"pk": pk, "location": location, "quantity": quantity, "allocated": allocated,
            "status": status, "batch": null, "serial": null})
    };
    list("stock/", "&part=2&in_stock=true", json!([item(3, 1, 1000.0, 10)]));
    let ladders = json!([item(7, 7, 10.0, 10), item(9, 7, 50.0, 75), item(8, 2, west, 10)]);
    list("stock/", "&part=4&in_stock=true", ladders);
}

pub fn post(path: &str, body: Value) {
    replay::answer(&format!("POST {}", url(path)), 201, body);
}

/// The customer and the address of a shipment that is told, and its site.
pub fn consignee() {
    let address = json!({"pk": 6, "title": "Dock 2", "line1": "1 Pier", "line2": "",
        "postal_code": "10004", "postal_city": "New York", "province": "NY", "country": "US"});
    replay::answer(&format!("GET {}", url("company/address/6/")), 200, address);
    let company = json!({"pk": 1, "name": "Harbour Hardware Ltd", "tax_id": "C-1001"});
    replay::answer(&format!("GET {}", url("company/1/")), 200, company);
    sites();
}
