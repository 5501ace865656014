//! What was promised or asked for, taken back.

use product_suite::Connector;
use serde_json::{Value, json};

use super::{
    described, get_shipment, of_order, order, promise, release, request, sales_order, shipment,
    work,
};

fn called_off(wms: &Connector, shipment: Value) -> Value {
    let output = wms.call("cancel-shipment", &json!({"shipment": shipment}));
    output.expect("an answer")["outcome"].clone()
}

#[test]
fn a_promise_is_given_back_and_promised_anew() {
    described(|wms| {
        let order = order("P-1", &[("LADDER-6M", "12")]);
        assert_eq!(promise(wms, &order)["outcome"], "promised");
        let back = json!({"promise": {"id": "P-1", "references": []}});
        let given_back =
            || wms.call("release-promise", &back).expect("an answer")["outcome"].clone();
        assert_eq!(given_back(), "released");
        assert_eq!(sales_order()["status"], 40);
        assert_eq!(given_back(), "released");
        let probed = wms.call("probe-promise-order", &json!({"order": order}));
        assert_eq!(probed.expect("an answer"), "absent");
        release(wms, &order);
        assert_eq!(given_back(), "too_late");
        let all = super::inventree().get("/api/order/so/?limit=10&search=P-1").json();
        assert_eq!(all["count"], 2, "{all:#}");
    });
}

#[test]
fn one_of_two_shipments_is_called_off_and_the_last_takes_the_order_along() {
    described(|wms| {
        release(wms, &order("P-1", &[("LADDER-6M", "12"), ("DRILL-18V", "1")]));
        let west = json!({"id": "P-1-S-2", "references": shipment("P-1")["references"]});
        assert_eq!(called_off(wms, west.clone()), "cancelled");
        assert_eq!(called_off(wms, west), "cancelled", "again");
        let quantities: Vec<Value> =
            of_order("so-line").iter().map(|line| line["quantity"].clone()).collect();
        assert_eq!(quantities, [json!(10), json!(1)]);
        assert_eq!(of_order("so/shipment").len(), 1);
        assert_eq!(called_off(wms, shipment("P-1")), "cancelled");
        assert_eq!(sales_order()["status"], 40);
        assert_eq!(of_order("so-allocation").len(), 0);
        assert_eq!(get_shipment(wms, shipment("P-1"))["found"]["status"], "cancelled");
    });
}

#[test]
fn what_has_left_is_not_called_off() {
    described(|wms| {
        release(wms, &order("P-1", &[("LADDER-6M", "12")]));
        work();
        assert_eq!(called_off(wms, shipment("P-1")), "too_late");
        assert_eq!(called_off(wms, json!({"id": "NO-SUCH-S", "references": []})), "unknown");
        assert_eq!(of_order("so/shipment").len(), 2);
    });
}

#[test]
fn the_rest_is_given_up_where_the_customer_wants_no_more() {
    described(|wms| {
        let mut order =
            order("P-1", &[("SAW-BLADE", "5"), ("GENERATOR-5K", "1"), ("TAPE-BLUE", "2")]);
        order["delivery_policy"] = json!("cancel_rest");
        let promised = promise(wms, &order);
        assert_eq!(promised["outcome"], "partly", "{promised:#}");
        let mut asked = request(&order);
        asked["lines"] = json!([
            {"order_line": "1", "item": "SAW-BLADE", "quantity": {"value": "3", "unit": "C62"}},
            {"order_line": "3", "item": "TAPE-BLUE", "quantity": {"value": "2", "unit": "C62"}},
        ]);
        let answer = wms.call("request-shipment", &asked).expect("an answer");
        assert_eq!(answer["outcome"], "accepted", "{answer:#}");
        let lines = of_order("so-line");
        let left: Vec<(&Value, &Value)> =
            lines.iter().map(|line| (&line["reference"], &line["quantity"])).collect();
        assert_eq!(left, [(&json!("1"), &json!(3)), (&json!("3"), &json!(2))]);
    });
}

#[test]
fn nothing_is_kept_of_an_order_that_is_to_come_whole_and_cannot() {
    described(|wms| {
        let promised = promise(wms, &order("P-1", &[("DRILL-18V", "1"), ("SAW-BLADE", "5")]));
        assert_eq!(promised["outcome"], "out_of_stock", "{promised:#}");
        let shortage = &promised["promise"]["shortages"][0];
        assert_eq!((&shortage["line"], &shortage["quantity"]["value"]), (&json!("2"), &json!("2")));
        assert_eq!(sales_order(), Value::Null);
    });
}
