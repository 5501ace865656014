//! What becomes of each status, by the tables in README.md: every operation against a warehouse that
//! keeps its state, so that a call goes on after a failure that is an answer.

use crossdock_sdk::http::replay::{Failure, Seen, Served, serve};
use crossdock_sdk::http::statuses::{Failing, Operation, Product, check, path, word};

use super::*;
use crate::exports::crossdock::wms::fulfilment::HoldShipmentInput;
use crate::exports::crossdock::wms::inventory_inquiry::{GetInventoryInput, Guest as _};
use crate::exports::crossdock::wms::shipment_inquiry::ListOrderShipmentsInput;

/// What InvenTree knows of O-17.
#[derive(Clone, Default)]
struct Warehouse {
    /// None before there is a sales order.
    status: Option<u32>,
    lines: Vec<Value>,
    shipments: Vec<Value>,
    allocations: Vec<Value>,
    /// It is on the road: in the list of what left, not of what is open.
    left: bool,
}

const ORDERS: &str = "GET /api/order/so/";
const ORDER: &str = "GET /api/order/so/{id}/";
const SHIPMENTS: &str = "GET /api/order/so/shipment/";
const SHIPMENT: &str = "GET /api/order/so/shipment/{id}/";
const LINES: &str = "GET /api/order/so-line/";
const ALLOCATIONS: &str = "GET /api/order/so-allocation/";
const COMPANIES: &str = "GET /api/company/";
const COMPANY: &str = "GET /api/company/{id}/";
const ADDRESSES: &str = "GET /api/company/address/";
const ADDRESS: &str = "GET /api/company/address/{id}/";
const PARTS: &str = "GET /api/part/";
const STOCK: &str = "GET /api/stock/";
const LOCATIONS: &str = "GET /api/stock/location/";
const MAKE_ORDER: &str = "POST /api/order/so/";
const MAKE_LINE: &str = "POST /api/order/so-line/";
const MAKE_SHIPMENT: &str = "POST /api/order/so/shipment/";
const MAKE_COMPANY: &str = "POST /api/company/";
const MAKE_ADDRESS: &str = "POST /api/company/address/";
const ALLOCATE: &str = "POST /api/order/so/{id}/allocate/";
const ISSUE: &str = "POST /api/order/so/{id}/issue/";
const HOLD: &str = "POST /api/order/so/{id}/hold/";
const CANCEL: &str = "POST /api/order/so/{id}/cancel/";
const CHANGE_ORDER: &str = "PATCH /api/order/so/{id}/";
const CHANGE_LINE: &str = "PATCH /api/order/so-line/{id}/";
const CHANGE_SHIPMENT: &str = "PATCH /api/order/so/shipment/{id}/";
const DROP_LINE: &str = "DELETE /api/order/so-line/{id}/";
const DROP_SHIPMENT: &str = "DELETE /api/order/so/shipment/{id}/";

pub fn name(seen: &Seen) -> String {
    path(
        seen,
        &[
            ORDERS,
            SHIPMENTS,
            ORDER,
            SHIPMENT,
            LINES,
            ALLOCATIONS,
            COMPANIES,
            ADDRESSES,
            COMPANY,
            ADDRESS,
            PARTS,
            STOCK,
            LOCATIONS,
            MAKE_ORDER,
            MAKE_LINE,
            MAKE_SHIPMENT,
            MAKE_COMPANY,
            MAKE_ADDRESS,
            ALLOCATE,
            ISSUE,
            HOLD,
            CANCEL,
            CHANGE_ORDER,
            CHANGE_LINE,
            CHANGE_SHIPMENT,
            DROP_LINE,
            DROP_SHIPMENT,
        ],
    )
}

impl Warehouse {
    /// Promised from two sites.
    fn promised() -> Warehouse {
        let array = |value: Value| value.as_array().unwrap().clone();
        Warehouse {
            status: Some(10),
            lines: array(lines()),
            shipments: vec![shipment(21, "promise-East"), shipment(22, "promise-West")],
            allocations: array(allocations()),
            left: false,
        }
    }

    /// Asked for, with this status of the sales order.
    fn asked(status: u32) -> Warehouse {
        let shipments = vec![shipment(21, "O-17-S"), shipment(22, "O-17-S-2")];
        Warehouse { status: Some(status), shipments, ..Warehouse::promised() }
    }

    fn alone(mut self) -> Warehouse {
        self.shipments.truncate(1);
        self
    }

    /// Plays InvenTree from now on.
    fn open(self) {
        let mut warehouse = self;
        serve(move |seen| warehouse.answer(seen));
    }

    fn answer(&mut self, seen: &Seen) -> Served {
        let asks = |text: &str| seen.request.contains(text);
        let say = |status, body: Value| (status, Vec::new(), body.to_string().into_bytes());
        let list = |rows: Vec<Value>| {
            let body =
                json!({"count": rows.len(), "next": null, "previous": null, "results": rows});
            say(200, body)
        };
        let order = self.status.map(sales_order);
        let pk = seen.request.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let pk = pk.parse::<i64>().unwrap_or_default();
        match name(seen).as_str() {
            ORDERS if asks(NUMBER) => list(order.into_iter().collect()),
            ORDERS => list(Vec::new()),
            ORDER => say(200, order.unwrap_or_default()),
            SHIPMENTS if asks("shipped=true") != self.left || asks("delivered=true") => {
                match asks("shipped=") || asks("delivered=") {
                    true => list(Vec::new()),
                    false => list(self.shipments.clone()),
                }
            }
            SHIPMENTS => list(self.shipments.clone()),
            SHIPMENT => {
                let found = self.shipments.iter().find(|shipment| shipment["pk"] == pk);
                say(200, found.cloned().unwrap_or_else(|| shipment(pk, "O-17-S")))
            }
            LINES => list(self.lines.clone()),
            ALLOCATIONS => list(self.allocations.clone()),
            COMPANIES | ADDRESSES => list(Vec::new()),
            COMPANY | MAKE_COMPANY => say(200, json!({"pk": 1, "tax_id": "C-1001"})),
            ADDRESS | MAKE_ADDRESS => {
                say(200, json!({"pk": 6, "title": "Dock 2", "country": "US"}))
            }
            PARTS if asks("LADDER") => list(vec![json!({"pk": 4, "IPN": "LADDER-6M"})]),
            PARTS => list(vec![json!({"pk": 2, "IPN": "DRILL-18V"})]),
            STOCK => list(vec![json!({"pk": 7, "quantity": 100, "location": 1})]),
            LOCATIONS => list(vec![
                json!({"pk": 1, "name": "East", "pathstring": "East"}),
                json!({"pk": 2, "name": "West", "pathstring": "West"}),
            ]),
            MAKE_ORDER => {
                self.status = Some(10);
                say(201, sales_order(10))
            }
            MAKE_LINE => {
                let line = lines()[self.lines.len().min(1)].clone();
                self.lines.push(line.clone());
                say(201, line)
            }
            MAKE_SHIPMENT => {
                let made = shipment(21, seen.json()["reference"].as_str().unwrap_or_default());
                self.shipments.push(made.clone());
                say(201, made)
            }
            ALLOCATE => {
                self.allocations = Warehouse::promised().allocations;
                say(201, json!({}))
            }
            ISSUE => self.act(15),
            HOLD => self.act(25),
            CANCEL => self.act(40),
            CHANGE_ORDER => say(200, order.unwrap_or_default()),
            CHANGE_LINE => say(200, lines()[0].clone()),
            CHANGE_SHIPMENT => {
                let renamed = shipment(pk, seen.json()["reference"].as_str().unwrap_or_default());
                self.shipments.retain(|shipment| shipment["pk"] != pk);
                self.shipments.push(renamed.clone());
                say(200, renamed)
            }
            _ => (204, Vec::new(), Vec::new()),
        }
    }

    fn act(&mut self, to: u32) -> Served {
        self.status = Some(to);
        (201, Vec::new(), Vec::new())
    }
}

/// InvenTree's words for a status; its proxy's page for those that do not come from it.
fn refusal(status: u16) -> (&'static str, String) {
    let body = match status {
        400 => json!({"non_field_errors": ["Not as it is."]}),
        401 => json!({"detail": "Invalid token."}),
        403 => json!({"detail": "You do not have permission to perform this action."}),
        404 => json!({"detail": "No SalesOrder matches the given query."}),
        429 => json!({"detail": "Request was throttled."}),
        500 => {
            json!({"error": "OperationalError", "detail": "Error details can be found in the admin panel", "status_code": 500})
        }
        502 | 503 => return ("text/html", "<html><h1>Bad Gateway</h1></html>".into()),
        _ => json!({"detail": "Not as it is."}),
    };
    ("application/json", body.to_string())
}

fn by_order() -> Identity {
    Identity { id: "O-17-S".into(), references: vec![reference("crossdock", "order", "O-17")] }
}

fn by_number(pk: &str) -> Identity {
    let mut identity = by_order();
    identity.references.push(reference("inventree", "shipment", pk));
    identity
}

fn poll(warehouse: Warehouse, cursor: Option<&str>) -> Result<String, crossdock_sdk::Fault> {
    let call = call();
    warehouse.open();
    let input = PollRequest { cursor: cursor.map(str::to_owned), limit: 50 };
    Connector::poll_shipment_milestones(call, input).map(|_| "told".to_owned())
}

pub fn operations() -> Vec<Operation> {
    let request = |warehouse: fn() -> Warehouse, policy: DeliveryPolicy| {
        move || {
            let call = call();
            warehouse().open();
            let mut input = request();
            input.order.delivery_policy = policy.clone();
            input.ship_on = Some("2026-04-09".into());
            Ok(word(&Connector::request_shipment(call, input)?.outcome))
        }
    };
    let cancel = |warehouse: fn() -> Warehouse, shipment: fn() -> Identity| {
        move || {
            let call = call();
            warehouse().open();
            let input = CancelShipmentInput { shipment: shipment(), reason: None };
            Ok(word(&Connector::cancel_shipment(call, input)?.outcome))
        }
    };
    let get = |shipment: fn() -> Identity| {
        move || {
            let call = call();
            Warehouse::asked(15).open();
            let input = GetShipmentInput { company: "ACME".into(), shipment: shipment() };
            Ok(word(&Connector::get_shipment(call, input)?))
        }
    };
    /// One line more than is allocated: under `cancel-rest` it falls away.
    fn with_a_rest() -> Warehouse {
        let mut warehouse = Warehouse::asked(10);
        warehouse.lines[0]["quantity"] = json!(20);
        let rest = json!({"pk": 13, "part": 2, "quantity": 1, "reference": "3", "notes": ""});
        warehouse.lines.push(rest);
        warehouse
    }
    /// All of the drills are in the second shipment, and of the ladders a part.
    fn both_lines_in_the_second() -> Warehouse {
        let mut warehouse = Warehouse::asked(15);
        warehouse.allocations[2]["shipment"] = json!(22);
        warehouse
    }
    vec![
        Operation::new("promise-order", || {
            let call = call();
            Warehouse::default().open();
            Ok(word(&Connector::promise_order(call, promise())?.outcome))
        }),
        Operation::new("release-promise", || {
            let call = call();
            Warehouse::promised().open();
            let input = ReleasePromiseInput { promise: identity("O-17") };
            Ok(word(&Connector::release_promise(call, input)?.outcome))
        }),
        Operation::new("probe-promise-order", || {
            let call = call();
            Warehouse::promised().open();
            Ok(word(&Connector::probe_promise_order(call, promise())?))
        }),
        Operation::new("request-shipment", request(Warehouse::promised, DeliveryPolicy::Backorder)),
        Operation::new("request-shipment", request(Warehouse::default, DeliveryPolicy::Backorder)),
        Operation::new("request-shipment", request(with_a_rest, DeliveryPolicy::CancelRest)),
        Operation::new("release-shipment", || {
            let call = call();
            Warehouse::asked(10).open();
            let input = ReleaseShipmentInput { shipment: by_order() };
            Ok(word(&Connector::release_shipment(call, input)?.outcome))
        }),
        Operation::new("hold-shipment", || {
            let call = call();
            Warehouse::asked(15).open();
            let input = HoldShipmentInput { shipment: by_order(), note: None };
            Ok(word(&Connector::hold_shipment(call, input)?.outcome))
        }),
        Operation::new("cancel-shipment", cancel(|| Warehouse::asked(15).alone(), by_order)),
        Operation::new("cancel-shipment", cancel(both_lines_in_the_second, || by_number("22"))),
        Operation::new("probe-request-shipment", || {
            let call = call();
            Warehouse::asked(10).open();
            Ok(word(&Connector::probe_request_shipment(call, super::request())?))
        }),
        Operation::new("get-shipment", get(by_order)),
        Operation::new("get-shipment", get(|| by_number("21"))),
        Operation::new("get-shipment", get(|| identity("O-17-S"))),
        Operation::new("list-order-shipments", || {
            let call = call();
            Warehouse::asked(15).open();
            let input = ListOrderShipmentsInput { company: "ACME".into(), order: identity("O-17") };
            Connector::list_order_shipments(call, input).map(|_| "shipments".to_owned())
        }),
        Operation::new("poll-shipment-milestones", || poll(Warehouse::asked(15), None)),
        Operation::new("poll-shipment-milestones", || {
            let seen = r#"{"day": "2026-04-02", "told": {"25": 1}}"#;
            poll(Warehouse { shipments: Vec::new(), ..Warehouse::asked(15) }, Some(seen))
        }),
        Operation::new("get-inventory", || {
            let call = call();
            Warehouse::default().open();
            let item = "LADDER-6M".to_owned();
            let input = GetInventoryInput { company: "ACME".into(), item, site: None };
            Connector::get_inventory(call, input).map(|_| "positions".to_owned())
        }),
    ]
}

#[test]
fn every_status_becomes_what_the_readme_says() {
    let body = json!({"detail": "API endpoint not found", "url": "http://h/api/order/so/4/"});
    let endpoint = Failure::Answer(404, Vec::new(), body.to_string().into_bytes());
    let own = [ORDER, SHIPMENT, ADDRESS, COMPANY, DROP_LINE, DROP_SHIPMENT];
    let own =
        own.map(|request| Failing { status: "404 `url`", request, failure: endpoint.clone() });
    let product = Product { name, refusal, own: own.into() };
    check(include_str!("../../README.md"), &product, &operations());
}
