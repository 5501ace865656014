//! An order from its promise to its delivery, every operation on the way.

use product_suite::Connector;
use serde_json::{Value, json};

use super::{
    described, get_shipment, order, promise, release, request, sales_order, shipment, work,
};

#[test]
fn an_order_goes_from_its_promise_to_its_delivery() {
    described(|wms| {
        let order = order("P-1", &[("DRILL-18V", "3"), ("LADDER-6M", "12")]);
        let promised = promise(wms, &order);
        assert_eq!(promised["outcome"], "promised", "{promised:#}");
        let splits = promised["promise"]["splits"].as_array().expect("splits");
        let sites: Vec<&Value> = splits.iter().map(|split| &split["site"]).collect();
        assert_eq!(sites, ["East", "East", "West"]);
        let probed = wms.call("probe-promise-order", &json!({"order": order}));
        assert_eq!(probed.expect("an answer")["applied"]["outcome"], "promised");
        let asked = wms.call("request-shipment", &request(&order)).expect("an answer");
        assert_eq!(asked["outcome"], "accepted", "{asked:#}");
        assert_eq!(asked["shipment"]["status"], "on_hold");
        let probed = wms.call("probe-request-shipment", &request(&order)).expect("an answer");
        assert_eq!(probed["applied"]["shipment"]["id"], "P-1-S", "{probed:#}");
        let by_id = json!({"shipment": shipment("P-1")});
        let outcome =
            |operation: &str| wms.call(operation, &by_id).expect("an answer")["outcome"].clone();
        assert_eq!(outcome("release-shipment"), "released");
        assert_eq!(sales_order()["status"], 15);
        assert_eq!(outcome("hold-shipment"), "held");
        assert_eq!(sales_order()["status"], 25);
        assert_eq!(outcome("release-shipment"), "released");
        work();
        let found = get_shipment(wms, shipment("P-1"));
        assert_eq!(found["found"]["status"], "delivered", "{found:#}");
        assert_eq!(outcome("hold-shipment"), "too_late");
        assert_eq!(outcome("release-shipment"), "released");
        let input = json!({"company": "crossdock", "order": {"id": "P-1", "references": []}});
        let all = wms.call("list-order-shipments", &input).expect("an answer");
        let ids: Vec<&Value> =
            all["shipments"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, ["P-1-S", "P-1-S-2"]);
        assert_eq!(sales_order()["status"], 30);
    });
}

/// The kinds of the milestones told, with what was told for the first line, and the next cursor.
fn poll(wms: &Connector, shipment: &str, cursor: &Value) -> (Vec<String>, Value) {
    let input = json!({"limit": 50, "cursor": cursor});
    let told = wms.call("poll-shipment-milestones", &input).expect("an answer");
    let items = told["items"].as_array().expect("items").iter();
    let ours = items.map(|item| &item["value"]).filter(|value| value["shipment"] == shipment);
    let kinds = ours.map(|value| {
        let total = value["lines"][0]["quantity"]["value"].as_str().unwrap_or_default();
        format!("{} {total}", value["kind"].as_str().unwrap_or_default())
    });
    (kinds.collect(), told["next_cursor"].clone())
}

#[test]
fn milestones_are_told_as_the_warehouse_works() {
    described(|wms| {
        release(wms, &order("P-1", &[("LADDER-6M", "12")]));
        let (told, cursor) = poll(wms, "P-1-S", &Value::Null);
        assert_eq!(told, ["allocated 12"]);
        super::world().post("/sandbox/advance", &json!({"steps": 2})).json();
        let (told, cursor) = poll(wms, "P-1-S", &cursor);
        assert_eq!(told, ["picked 12", "packed 12"]);
        work();
        let (told, cursor) = poll(wms, "P-1-S", &cursor);
        assert_eq!(told, ["shipped 12", "delivered 12"]);
        assert_eq!(poll(wms, "P-1-S", &cursor).0, [""; 0]);
    });
}

#[test]
fn what_a_shipment_waits_for_is_written_there() {
    described(|wms| {
        let order = order("P-1", &[("DRILL-18V", "3")]);
        assert_eq!(promise(wms, &order)["outcome"], "promised");
        let mut request = request(&order);
        request["ship_on"] = json!("2031-04-02");
        let asked = wms.call("request-shipment", &request).expect("an answer");
        assert_eq!(asked["shipment"]["ship_on"], "2031-04-02", "{asked:#}");
        assert_eq!(sales_order()["target_date"], "2031-04-02");
    });
}

#[test]
fn stock_is_told_by_site() {
    described(|wms| {
        promise(wms, &order("P-1", &[("LADDER-6M", "4")]));
        let item = |item: &str| json!({"company": "crossdock", "item": item});
        let told = wms.call("get-inventory", &item("LADDER-6M")).expect("an answer");
        let positions = told["positions"].as_array().expect("positions").iter();
        let positions: Vec<String> = positions
            .map(|at| {
                format!("{} {} {} {}", at["site"], at["on_hand"], at["allocated"], at["available"])
            })
            .map(|text| text.replace('"', ""))
            .collect();
        assert_eq!(positions, ["East 10 4 6", "West 1000 0 1000"]);
        let nothing = wms.call("get-inventory", &item("NO-SUCH")).expect("an answer");
        assert_eq!(nothing["positions"], json!([]));
    });
}
