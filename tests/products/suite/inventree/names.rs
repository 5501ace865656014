//! Names and ids of every kind: other scripts, spaces, commas, and as long as they come.

use product_suite::Connector;
use serde_json::{Value, json};

use super::{described, get_shipment, inventree, order, promise, release, request, sales_order};

#[test]
fn other_scripts_and_spaces_are_kept_and_found() {
    described(|wms| {
        let id = "Bestellung Ä-17, 東京 / ½";
        let mut order = order(id, &[("DRILL-18V", "3")]);
        order["sold_to"] = json!({
            "customer": "C-ÅÄÖ 9", "name": "Łódź Żelazo & Söhne (株式会社)", "tax_ids": [], "references": [],
        });
        order["ship_to"]["name"] = json!("Αποθήκη 2");
        release(wms, &order);
        assert_eq!(sales_order()["customer_reference"], id);
        let by_id = json!({"id": format!("{id}-S"), "references": []});
        let found = get_shipment(wms, by_id);
        assert_eq!(found["found"]["order"], id, "{found:#}");
        assert_eq!(found["found"]["ship_to"]["name"], "Αποθήκη 2");
        assert_eq!(found["found"]["ship_to"]["customer"], "C-ÅÄÖ 9");
        // Found again, not made again.
        assert_eq!(promise(wms, &order)["outcome"], "promised");
        let companies =
            inventree().get("/api/company/?limit=10&search=C-%C3%85%C3%84%C3%96").json();
        assert_eq!(companies["count"], 1, "{companies:#}");
    });
}

#[test]
fn long_names_are_cut_and_long_ids_refused() {
    described(|wms| {
        let long = |length: usize| "ü".repeat(length);
        let mut order = order(&long(64), &[("DRILL-18V", "3")]);
        order["customer_order_number"] = json!(long(300));
        order["sold_to"]["customer"] = json!(long(50));
        order["sold_to"]["name"] = json!(long(300));
        order["ship_to"]["name"] = json!(long(300));
        order["ship_to"]["instructions"] = json!(long(300));
        release(wms, &order);
        assert_eq!(sales_order()["description"], long(250));

        let refused = |order: &Value| {
            let asked = wms.call("request-shipment", &request(order)).expect("an answer");
            asked["outcome"]["refused"]["code"].as_str().unwrap_or_default().to_owned()
        };
        order["lines"][0]["id"] = json!(long(101));
        assert_eq!(refused(&order), "line-id");
        order["id"] = json!(long(65));
        assert_eq!(refused(&order), "order-id");
        order["id"] = json!("P-2");
        order["sold_to"]["customer"] = json!(long(51));
        assert_eq!(refused(&order), "customer");
        let mut asked = request(&order);
        asked["id"] = json!(long(99));
        let answer = wms.call("request-shipment", &asked).expect("an answer");
        assert_eq!(answer["outcome"]["refused"]["code"], "shipment-id", "{answer:#}");
    });
}

#[test]
fn an_address_that_inventree_cannot_hold_is_refused() {
    let address = |field: &str, value: Value| {
        described(|wms| {
            let mut order = order("P-1", &[("DRILL-18V", "3")]);
            order["ship_to"]["address"][field] = value;
            assert_eq!(refusal(wms, &order), "address");
            assert_eq!(sales_order(), Value::Null);
        });
    };
    address("postal_code", json!("12345678901"));
    address("lines", json!(["x".repeat(51)]));
    address("lines", json!(["1 Pier", "y".repeat(51)]));
    address("city", json!("z".repeat(51)));
    address("region", json!("z".repeat(51)));
}

fn refusal(wms: &Connector, order: &Value) -> String {
    let asked = wms.call("request-shipment", &request(order)).expect("an answer");
    asked["outcome"]["refused"]["code"].as_str().unwrap_or_default().to_owned()
}
