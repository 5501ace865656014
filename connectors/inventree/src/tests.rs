//! Whole operations against documents as InvenTree's API description shows them.

mod description;
mod milestones;
mod samples;
mod statuses;

use crossdock_sdk::canonical::orders::DeliveryPolicy;
use crossdock_sdk::canonical::reference;
use crossdock_sdk::canonical::shipments::ShipmentStatus;
use crossdock_sdk::http::replay;
use crossdock_sdk::{Identity, PollRequest, Retry};
use serde_json::{Value, json};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::wms::fulfilment::{
    CancelShipmentInput, CancelShipmentOutcome, Guest as _, ReleaseShipmentInput,
    ReleaseShipmentOutcome, RequestShipmentInput, RequestShipmentOutcome,
};
use crate::exports::crossdock::wms::fulfilment_probe::{Guest as _, RequestShipmentState};
use crate::exports::crossdock::wms::milestone_feed::Guest as _;
use crate::exports::crossdock::wms::promising::{
    Guest as _, PromiseOrderInput, PromiseOrderOutcome, ReleasePromiseInput, ReleasePromiseOutcome,
};
use crate::exports::crossdock::wms::promising_probe::{Guest as _, PromiseOrderState};
use crate::exports::crossdock::wms::shipment_inquiry::{
    GetShipmentInput, GetShipmentOutput, Guest as _,
};
use samples::*;

fn promise() -> PromiseOrderInput {
    PromiseOrderInput { order: order(DeliveryPolicy::ShipComplete) }
}

#[test]
fn an_order_is_promised_from_two_sites() {
    let call = call();
    sites();
    known(json!([]));
    parts();
    stock(0.0, 1000.0);
    let company = json!([{"pk": 1, "tax_id": "C-1001-X"}, {"pk": 3, "tax_id": "C-1001"}]);
    list("company/", "&search=C-1001&is_customer=true", company);
    list("company/address/", "&company=3", json!([]));
    post("company/address/", json!({"pk": 6, "title": "Dock 2"}));
    post("order/so/", sales_order(10));
    let lines_made = lines();
    post("order/so-line/", lines_made[0].clone());
    post("order/so-line/", lines_made[1].clone());
    post("order/so/shipment/", shipment(21, "promise-East"));
    post("order/so/4/allocate/", json!({}));
    post("order/so/shipment/", shipment(22, "promise-West"));
    post("order/so/4/allocate/", json!({}));
    let held = json!([shipment(21, "promise-East"), shipment(22, "promise-West")]);
    whole(lines(), held, allocations());
    let output = Connector::promise_order(call, promise()).unwrap();
    assert_eq!(output.outcome, PromiseOrderOutcome::Promised);
    let splits: Vec<_> = output.promise.splits.iter().collect();
    let told = |at: usize| {
        let split = splits[at];
        (split.line.as_str(), split.site.as_str(), split.quantity.value.as_str())
    };
    assert_eq!(
        [told(0), told(1), told(2)],
        [("1", "East", "10"), ("1", "West", "2"), ("2", "East", "3")]
    );
    let sent = replay::finish();
    let bodies: Vec<Value> = sent
        .iter()
        .filter(|sent| sent.request.starts_with("POST"))
        .map(|sent| sent.json())
        .collect();
    assert_eq!(bodies[1]["reference"], NUMBER);
    assert_eq!(bodies[1]["customer_reference"], "O-17");
    assert_eq!(bodies[2]["reference"], "1");
    assert_eq!(bodies[2]["quantity"], json!(12));
    assert_eq!(bodies[5]["items"][0], json!({"line_item": 11, "stock_item": 7, "quantity": "10"}));
    assert_eq!(bodies[7]["items"][0], json!({"line_item": 11, "stock_item": 8, "quantity": "2"}));
}

#[test]
fn under_ship_complete_nothing_is_kept_of_what_is_short() {
    let call = call();
    sites();
    known(json!([]));
    parts();
    stock(0.0, 1.0);
    let output = Connector::promise_order(call.clone(), promise()).unwrap();
    assert_eq!(output.outcome, PromiseOrderOutcome::OutOfStock);
    assert_eq!(output.promise.shortages[0].quantity.value, "1");

    // Another order was faster at the second site: what the first attempt kept is given up.
    sites();
    known(json!([sales_order(10)]));
    let kept = json!([allocations()[0], allocations()[2]]);
    whole(lines(), json!([shipment(21, "promise-East")]), kept);
    parts();
    stock(10.0, 0.0);
    cancelled(40);
    let output = Connector::promise_order(call, promise()).unwrap();
    assert_eq!(output.outcome, PromiseOrderOutcome::OutOfStock);
    replay::finish();
}

#[test]
fn a_promise_that_was_cut_goes_on_from_where_it_was() {
    let call = call();
    let before = || {
        known(json!([sales_order(10)]));
        whole(lines(), json!([shipment(21, "promise-East")]), json!([allocations()[0]]));
    };
    before();
    let state = Connector::probe_promise_order(call.clone(), promise()).unwrap();
    assert_eq!(state, PromiseOrderState::Absent);
    sites();
    before();
    parts();
    stock(10.0, 1000.0);
    replay::cut(&format!("POST {}", url("order/so/4/allocate/")));
    let fault = Connector::promise_order(call.clone(), promise()).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);
    let sent = replay::finish();
    // The ladders East are kept already.
    let items = sent.last().unwrap().json()["items"].clone();
    assert_eq!(items[0]["line_item"], 12);
    assert_eq!(items.as_array().unwrap().len(), 1);

    // Somebody else took the stock in between: plan anew, later.
    sites();
    before();
    parts();
    stock(10.0, 1000.0);
    let body = json!({"items": [{}, {"quantity": ["Available quantity (0) exceeded"]}]});
    replay::answer(&format!("POST {}", url("order/so/4/allocate/")), 400, body);
    let fault = Connector::promise_order(call, promise()).unwrap_err();
    assert_eq!((fault.retry, fault.code.as_str()), (Retry::Later(None), "stock-taken"));
    assert_eq!(fault.message, "quantity: Available quantity (0) exceeded");
    replay::finish();
}

#[test]
fn an_order_that_was_given_up_gets_another_number() {
    let release = || ReleasePromiseInput { promise: identity("O-17") };
    let call = call();
    known(json!([sales_order(10)]));
    cancelled(40);
    let output = Connector::release_promise(call.clone(), release()).unwrap();
    assert_eq!(output.outcome, ReleasePromiseOutcome::Released);

    // Issued in the meantime, and past cancelling: InvenTree answers as if it had cancelled.
    known(json!([sales_order(10)]));
    cancelled(20);
    let output = Connector::release_promise(call.clone(), release()).unwrap();
    assert_eq!(output.outcome, ReleasePromiseOutcome::TooLate);

    known(json!([sales_order(40)]));
    list("order/so/", &format!("&reference={NEXT}"), json!([]));
    let output = Connector::release_promise(call.clone(), release()).unwrap();
    assert_eq!(output.outcome, ReleasePromiseOutcome::Released);

    known(json!([sales_order(15)]));
    let output = Connector::release_promise(call, release()).unwrap();
    assert_eq!(output.outcome, ReleasePromiseOutcome::TooLate);
    replay::finish();
}

#[test]
fn what_was_promised_becomes_the_shipment_the_id_last() {
    let call = call();
    let promised = json!([shipment(21, "promise-East"), shipment(22, "promise-West")]);
    let asked = || json!([shipment(21, "O-17-S"), shipment(22, "O-17-S-2")]);
    parts();
    known(json!([sales_order(10)]));
    whole(lines(), promised, allocations());
    sites();
    let patch = |pk: i64| format!("PATCH {}", url(&format!("order/so/shipment/{pk}/")));
    replay::answer(&patch(22), 200, shipment(22, "O-17-S-2"));
    replay::answer(&patch(21), 200, shipment(21, "O-17-S"));
    whole(lines(), asked(), allocations());
    consignee();
    let output = Connector::request_shipment(call.clone(), request()).unwrap();
    assert_eq!(output.outcome, RequestShipmentOutcome::Accepted);
    let shipment = &output.shipment;
    assert_eq!((shipment.id.as_str(), shipment.site.as_str()), ("O-17-S", "East"));
    assert_eq!(shipment.status, ShipmentStatus::OnHold);
    assert_eq!(shipment.lines[0].quantity.value, "10");
    assert_eq!(shipment.ship_to.address.lines, ["1 Pier"]);
    let sent = replay::finish();
    let renamed: Vec<Value> = sent
        .iter()
        .filter(|sent| sent.request.starts_with("PATCH"))
        .map(|sent| sent.json())
        .collect();
    assert_eq!(renamed, [json!({"reference": "O-17-S-2"}), json!({"reference": "O-17-S"})]);

    known(json!([sales_order(10)]));
    whole(lines(), asked(), allocations());
    consignee();
    let state = Connector::probe_request_shipment(call, request()).unwrap();
    assert_eq!(state, RequestShipmentState::Applied(output));
    replay::finish();
}

#[test]
fn a_shipment_that_inventree_cannot_make_is_refused() {
    let check = |request: RequestShipmentInput, code: &str| {
        let output = Connector::request_shipment(call(), request).unwrap();
        let RequestShipmentOutcome::Refused(refusal) = output.outcome else { panic!("{output:?}") };
        assert_eq!(
            (refusal.code.as_str(), refusal.lines.as_slice()),
            (code, &["2".to_owned()][..])
        );
        replay::finish();
    };
    parts();
    let mut boxes = request();
    boxes.order.lines[1].quantity.unit = "BX".into();
    check(boxes, "unit");

    // The order has lost the line that is asked for.
    list("part/", "&IPN=LADDER-6M", json!([{"pk": 4, "IPN": "LADDER-6M", "units": ""}]));
    let mut lost = request();
    lost.order.lines.remove(1);
    check(lost, "line-unknown");

    list("part/", "&IPN=LADDER-6M", json!([{"pk": 4, "IPN": "LADDER-6M", "units": ""}]));
    list("part/", "&IPN=DRILL-18V", json!([]));
    check(request(), "item-unknown");

    parts();
    known(json!([sales_order(10)]));
    whole(lines(), json!([]), json!([]));
    let mut part_of_it = request();
    part_of_it.lines[1].quantity.value = "2".into();
    check(part_of_it, "quantity");
}

/// What finds a shipment by its id: the search is by substring.
fn searched(id: &str, found: Value, status: u32) {
    list("order/so/shipment/", &format!("&search={id}"), found);
    replay::answer(&format!("GET {}", url("order/so/4/")), 200, sales_order(status));
}

#[test]
fn release_issues_the_sales_order_once() {
    let input = || ReleaseShipmentInput { shipment: identity("O-17-S") };
    let call = call();
    let shipments = json!([shipment(21, "O-17-S"), shipment(22, "O-17-S-2")]);
    let begin = |status| {
        searched("O-17-S", shipments.clone(), status);
        whole(lines(), shipments.clone(), allocations());
    };
    let issue = format!("POST {}", url("order/so/4/issue/"));
    let order_now = format!("GET {}", url("order/so/4/"));
    begin(10);
    replay::answer(&issue, 201, json!({}));
    replay::answer(&order_now, 200, sales_order(15));
    consignee();
    let output = Connector::release_shipment(call.clone(), input()).unwrap();
    assert_eq!(output.outcome, ReleaseShipmentOutcome::Released);
    assert_eq!(output.shipment.unwrap().status, ShipmentStatus::Picking);

    begin(15);
    consignee();
    let output = Connector::release_shipment(call.clone(), input()).unwrap();
    assert_eq!(output.outcome, ReleaseShipmentOutcome::Released);

    let refused = json!({"non_field_errors": ["Order cannot be issued"]});
    let check = |now: u32, expect: &str| {
        begin(10);
        replay::answer(&issue, 400, refused.clone());
        replay::answer(&order_now, 200, sales_order(now));
        consignee();
        let output = Connector::release_shipment(call.clone(), input()).unwrap();
        let outcome = match output.outcome {
            ReleaseShipmentOutcome::Refused(refusal) => refusal.message,
            other => format!("{other:?}"),
        };
        assert!(outcome.ends_with(expect), "{outcome}");
    };
    // Another attempt was faster; somebody cancelled it; it cannot be.
    check(15, "::Released");
    check(40, "::Cancelled");
    check(10, "Order cannot be issued");

    // Not allowed, and InvenTree answers as if it were.
    begin(25);
    replay::answer_with(&issue, 201, &[], "");
    replay::answer(&order_now, 200, sales_order(25));
    consignee();
    let output = Connector::release_shipment(call, input()).unwrap();
    let ReleaseShipmentOutcome::Refused(refusal) = output.outcome else { panic!("{output:?}") };
    assert_eq!(refusal.code, "not-issued");
    replay::finish();
}

fn cancel(identity: Identity) -> CancelShipmentOutcome {
    let input = CancelShipmentInput { shipment: identity, reason: None };
    Connector::cancel_shipment(call(), input).unwrap().outcome
}

#[test]
fn the_last_shipment_takes_the_order_along_and_one_that_left_stays() {
    let alone = || json!([shipment(21, "O-17-S")]);
    let begin = || {
        searched("O-17-S", alone(), 15);
        whole(lines(), alone(), allocations());
        consignee();
    };
    let path = format!("GET {}", url("order/so/shipment/21/"));
    begin();
    cancelled(20);
    assert_eq!(cancel(identity("O-17-S")), CancelShipmentOutcome::TooLate);
    begin();
    cancelled(40);
    replay::answer(&path, 200, shipment(21, "O-17-S"));
    assert_eq!(cancel(identity("O-17-S")), CancelShipmentOutcome::Cancelled);
    // It left between the reading and the cancelling, which InvenTree does all the same.
    begin();
    cancelled(40);
    replay::answer(&path, 200, left(21, "O-17-S"));
    assert_eq!(cancel(identity("O-17-S")), CancelShipmentOutcome::TooLate);
    replay::finish();
}

#[test]
fn one_of_several_is_taken_out_and_its_lines_shrink_once() {
    let by_number = || Identity {
        id: "O-17-S-2".into(),
        references: vec![
            reference("inventree", "shipment", "22"),
            reference("crossdock", "order", "O-17"),
        ],
    };
    let both = json!([shipment(21, "O-17-S"), shipment(22, "O-17-S-2")]);
    let path = format!("GET {}", url("order/so/shipment/22/"));
    let begin = |lines: Value| {
        replay::answer(&path, 200, shipment(22, "O-17-S-2"));
        replay::answer(&format!("GET {}", url("order/so/4/")), 200, sales_order(15));
        whole(lines, both.clone(), allocations());
        consignee();
    };
    // InvenTree would delete it when it has left: it is looked at once more.
    let still_there = || replay::answer(&path, 200, shipment(22, "O-17-S-2"));
    let line = format!("PATCH {}", url("order/so-line/11/"));
    let delete = format!("DELETE {}", url("order/so/shipment/22/"));
    begin(lines());
    replay::answer(&line, 200, lines()[0].clone());
    still_there();
    replay::cut(&delete);
    let input = CancelShipmentInput { shipment: by_number(), reason: None };
    let fault = Connector::cancel_shipment(call(), input).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);
    let sent = replay::finish();
    let shrunk = sent.iter().find(|sent| sent.request == line).unwrap().json();
    assert_eq!(shrunk, json!({"quantity": 10, "notes": "[O-17-S-2 called off]"}));

    // The cut was before the effect: the line is not shrunk again.
    let mut marked = lines();
    marked[0]["quantity"] = shrunk["quantity"].clone();
    marked[0]["notes"] = shrunk["notes"].clone();
    begin(marked.clone());
    still_there();
    replay::answer_with(&delete, 204, &[], "");
    assert_eq!(cancel(by_number()), CancelShipmentOutcome::Cancelled);

    // It left in the meantime: the line is as it was.
    begin(marked);
    replay::answer(&path, 200, left(22, "O-17-S-2"));
    replay::answer(&line, 200, lines()[0].clone());
    assert_eq!(cancel(by_number()), CancelShipmentOutcome::TooLate);
    assert_eq!(replay::finish().last().unwrap().json(), json!({"quantity": 12, "notes": ""}));

    // The cut was after the effect: it is gone, and its order tells that it was there.
    replay::answer(&path, 404, json!({"detail": "No SalesOrderShipment matches the given query."}));
    known(json!([sales_order(15)]));
    assert_eq!(cancel(by_number()), CancelShipmentOutcome::Cancelled);
    replay::finish();
}

#[test]
fn a_shipment_that_the_warehouse_made_is_found_by_the_one_asked_for() {
    let all = json!([shipment(21, "O-17-S"), shipment(25, "2")]);
    list("order/so/shipment/", "&search=O-17-S-2", json!([]));
    searched("O-17-S", json!([shipment(21, "O-17-S"), shipment(9, "XO-17-S")]), 15);
    whole(lines(), all, allocations());
    consignee();
    let input = GetShipmentInput { company: "ACME".into(), shipment: identity("O-17-S-2") };
    let output = Connector::get_shipment(call(), input).unwrap();
    let GetShipmentOutput::Found(shipment) = output else { panic!("{output:?}") };
    assert_eq!(shipment.id, "O-17-S-2");
    assert_eq!(shipment.references[0].id, "25");
    replay::finish();
}

/// One poll: the three lists, and what is read when there is something to tell.
fn poll(
    cursor: Option<String>,
    limit: u32,
    lists: [Value; 3],
    told: bool,
) -> (Vec<String>, Option<String>, bool) {
    let call = call();
    let [open, left, arrived] = lists;
    let all = [&open, &left, &arrived].map(|list| list.as_array().unwrap().clone()).concat();
    list("order/so/shipment/", "&order_outstanding=true&shipped=false", open);
    list("order/so/shipment/", "&shipped=true&delivered=false&ordering=-shipment_date", left);
    list("order/so/shipment/", "&delivered=true&ordering=-delivery_date", arrived);
    if told {
        sites();
        replay::answer(&format!("GET {}", url("order/so/4/")), 200, sales_order(15));
        whole(lines(), json!(all), allocations());
    }
    let input = PollRequest { cursor, limit };
    let output = Connector::poll_shipment_milestones(call, input).unwrap();
    replay::finish();
    let items = output.items.iter().map(|item| {
        assert_eq!(item.id, item.value.id);
        let totals = item.value.lines.iter();
        let totals: Vec<String> =
            totals.map(|line| format!("{}:{}", line.order_line, line.quantity.value)).collect();
        format!("{} {}", item.id, totals.join(" "))
    });
    (items.collect(), output.next_cursor, output.more)
}

#[test]
fn a_state_tells_all_milestones_before_it_in_their_order_and_once() {
    call();
    let today = crossdock_sdk::time::now();
    let today = &today[..10];
    let mut first = shipment(21, "O-17-S");
    first["checked_by"] = json!(1);
    first["shipment_date"] = json!(today);
    let second = shipment(22, "O-17-S-2");
    let promised = shipment(23, "promise-East");
    let mut old = shipment(3, "O-2-S");
    old["shipment_date"] = json!("2020-01-01");
    let lists = || [json!([second, promised]), json!([first, old]), json!([])];

    let (items, cursor, more) = poll(None, 3, lists(), true);
    let expect = [
        "inventree-21-allocated 1:12 2:3",
        "inventree-21-picked 1:10 2:3",
        "inventree-21-packed 1:10 2:3",
    ];
    assert_eq!(items, expect);
    assert!(more);
    let (items, cursor, more) = poll(cursor, 3, lists(), true);
    assert_eq!(items, ["inventree-21-shipped 1:10 2:3", "inventree-22-allocated 1:12"]);
    assert!(!more);
    let (items, unchanged, _) = poll(cursor.clone(), 3, lists(), false);
    assert!(items.is_empty() && unchanged.is_none());

    // Packed, shipped and arrived between two polls.
    let mut second = second.clone();
    second["checked_by"] = json!(1);
    second["shipment_date"] = json!(today);
    second["delivery_date"] = json!(today);
    let lists = [json!([]), json!([second, first]), json!([second])];
    let (items, ..) = poll(cursor, 9, lists, true);
    let expect = [
        "inventree-22-picked 1:12",
        "inventree-22-packed 1:12",
        "inventree-22-shipped 1:12",
        "inventree-22-delivered 1:2",
    ];
    assert_eq!(items, expect);
}

#[test]
fn a_shipment_whose_order_was_cancelled_is_told_once_and_others_are_not_ours() {
    let open = shipment(21, "O-17-S");
    let (_, cursor, _) = poll(None, 9, [json!([open]), json!([]), json!([])], true);
    let empty = || {
        list("order/so/shipment/", "&order_outstanding=true&shipped=false", json!([]));
        list(
            "order/so/shipment/",
            "&shipped=true&delivered=false&ordering=-shipment_date",
            json!([]),
        );
        list("order/so/shipment/", "&delivered=true&ordering=-delivery_date", json!([]));
    };
    let call = call();
    empty();
    replay::answer(&format!("GET {}", url("order/so/shipment/21/")), 200, open.clone());
    sites();
    replay::answer(&format!("GET {}", url("order/so/4/")), 200, sales_order(40));
    whole(lines(), json!([open]), json!([]));
    let input = PollRequest { cursor, limit: 9 };
    let output = Connector::poll_shipment_milestones(call.clone(), input).unwrap();
    let ids: Vec<&str> = output.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["inventree-21-cancelled"]);
    empty();
    let input = PollRequest { cursor: output.next_cursor, limit: 9 };
    let output = Connector::poll_shipment_milestones(call.clone(), input).unwrap();
    assert!(output.items.is_empty() && output.next_cursor.is_none());
    replay::finish();

    // Somebody's own sales order, with their customer's number on it.
    let mut theirs = sales_order(15);
    theirs["reference"] = json!("SO-0042");
    list("order/so/shipment/", "&order_outstanding=true&shipped=false", json!([open]));
    list("order/so/shipment/", "&shipped=true&delivered=false&ordering=-shipment_date", json!([]));
    list("order/so/shipment/", "&delivered=true&ordering=-delivery_date", json!([]));
    sites();
    replay::answer(&format!("GET {}", url("order/so/4/")), 200, theirs);
    whole(lines(), json!([open]), allocations());
    let input = PollRequest { cursor: None, limit: 9 };
    assert!(Connector::poll_shipment_milestones(call, input).unwrap().items.is_empty());
    replay::finish();
}

#[test]
fn the_description_is_whole() {
    let description = Connector::describe();
    let schema: Value = serde_json::from_str(&description.config_schema).unwrap();
    let config: crate::Config = serde_json::from_value(json!({"company": "ACME"})).unwrap();
    assert_eq!(schema["required"], json!(["company"]));
    assert_eq!(schema["properties"]["reference_prefix"]["default"], config.reference_prefix);
    assert_eq!(schema["properties"]["country"]["default"], config.country);
    let named = |name: &str| description.operations.iter().any(|operation| operation.name == name);
    for operation in &description.operations {
        for other in operation.probe.iter().chain(&operation.undo) {
            assert!(named(other), "{other}");
        }
    }
}
