//! Lists longer than one page: the connector asks for a thousand at a time.

use serde_json::{Value, json};

use super::{described, get_shipment, order, release, sales_order, shipment, world};

/// So many, and what is asked for comes last.
const MORE_THAN_A_PAGE: usize = 1_001;

#[test]
fn what_stands_on_the_second_page_is_found() {
    described(|wms| {
        release(wms, &order("P-1", &[("DRILL-18V", "3")]));
        let order = sales_order()["pk"].clone();
        // Not through prism, which would take a minute for them.
        let token = format!("Token {}", product_suite::told("INVENTREE_TOKEN"));
        let warehouse = world().with("authorization", token);
        for number in 0..MORE_THAN_A_PAGE {
            let body = json!({"order": order, "reference": format!("box-{number}")});
            warehouse.post("/inventree/api/order/so/shipment/", &body).json();
        }
        let mut last = shipment("P-1");
        last["id"] = json!(format!("box-{}", MORE_THAN_A_PAGE - 1));
        let found = get_shipment(wms, last.clone());
        assert_eq!(found["found"]["id"], last["id"], "{found:#}");
        let first = get_shipment(wms, shipment("P-1"));
        assert_eq!(first["found"]["lines"][0]["quantity"]["value"], "3");
        // Nothing is in the boxes: of all that is open only one shipment has something to tell.
        let told = wms.call("poll-shipment-milestones", &json!({"limit": 50})).expect("an answer");
        let shipments: Vec<&Value> = told["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| &item["value"]["shipment"])
            .collect();
        assert_eq!(shipments, ["P-1-S"]);
    });
}
