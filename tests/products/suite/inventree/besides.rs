//! What the sandbox plays of InvenTree beside what the connector asks for: as described too, so that a
//! route, a person or a test that uses it learns nothing wrong.

use serde_json::{Value, json};

use super::{described, inventree, order, promise};

fn ask(method: &str, path: &str, body: Value) -> Value {
    let (body, media) = match body {
        Value::Null => (String::new(), None),
        body => (body.to_string(), Some("application/json")),
    };
    let answer = inventree().send(method, &format!("/api/{path}"), &body, media);
    match answer.body.as_str() {
        "" => Value::Null,
        _ => answer.json(),
    }
}

fn get(path: &str) -> Value {
    ask("GET", path, Value::Null)
}

#[test]
fn goods_go_by_hand_and_come_back() {
    described(|wms| {
        assert_eq!(promise(wms, &order("P-1", &[("DRILL-18V", "3")]))["outcome"], "promised");
        ask("POST", "order/so-extra-line/", json!({"order": 1, "quantity": 1, "price": "5"}));
        assert_eq!(get("order/so-extra-line/?limit=5&order=1")["count"], 1);
        assert_eq!(get("order/so-allocation/1/")["quantity"], 3);
        ask("POST", "order/so/1/issue/", Value::Null);
        ask("POST", "order/so/shipment/1/ship/", json!({"tracking_number": "T-1"}));
        ask("POST", "order/so/1/complete/", json!({"accept_incomplete": true}));
        assert_eq!(get("order/so/1/")["status_text"], "Complete");

        let sold = get("stock/?limit=5&sales_order=1")["results"][0]["pk"].clone();
        let back = json!({"reference": "RMA-0001", "customer": 1, "customer_reference": "R-1"});
        ask("POST", "order/ro/", back);
        ask("PATCH", "order/ro/1/", json!({"description": "too many"}));
        ask("POST", "order/ro-line/", json!({"order": 1, "item": sold, "quantity": 2}));
        ask("POST", "order/ro/1/issue/", Value::Null);
        let line = json!({"location": 2, "items": [{"item": 1, "status": 10}]});
        ask("POST", "order/ro/1/receive/", line);
        ask("POST", "order/ro/1/complete/", Value::Null);
        assert_eq!(get("order/ro/?limit=5")["results"][0]["status_text"], "Complete");
        assert_eq!(get("order/ro-line/?limit=5&order=1")["count"], 1);
        assert_eq!(get("part/2/")["in_stock"], 999);
    });
}

#[test]
fn masters_are_read_and_changed() {
    described(|_| {
        ask("PATCH", "company/1/", json!({"phone": "+1 212 555 0100"}));
        assert_eq!(get("company/1/")["phone"], "+1 212 555 0100");
        ask("PATCH", "company/address/1/", json!({"line2": "Gate 4"}));
        assert_eq!(get("company/address/1/")["line2"], "Gate 4");
        assert_eq!(get("stock/location/2/")["name"], "West");
        assert_eq!(get("stock/3/")["part_detail"]["IPN"], "DRILL-18V");
    });
}
