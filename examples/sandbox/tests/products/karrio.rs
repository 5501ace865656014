//! The carrier: rates, label, tracker to delivered, cancellation while it is possible.

use serde_json::{Value, json};

use crate::client::{Shop, shop};

fn shipment(reference: &str) -> Value {
    json!({
        "shipper": {"country_code": "US", "postal_code": "07001"},
        "recipient": {"country_code": "US", "postal_code": "10001", "person_name": "Pat"},
        "parcels": [{"weight": 5.0, "weight_unit": "KG"}], "reference": reference,
    })
}

async fn bought(shop: &Shop, reference: &str) -> Value {
    let made = shop.karrio("POST", "shipments", shipment(reference)).await.expect(201);
    assert_eq!(made["status"], "draft");
    assert_eq!(made["rates"][0]["total_charge"], 12.5);
    let path = format!("shipments/{}/purchase", made["id"].as_str().expect("an id"));
    let buy = json!({"selected_rate_id": made["rates"][0]["id"]});
    let label = shop.karrio("POST", &path, buy.clone()).await.expect(200);
    assert_eq!(label["status"], "created");
    let again = shop.karrio("POST", &path, buy).await.expect(409);
    assert_eq!(again["errors"][0]["code"], "state_error");
    label
}

#[tokio::test]
async fn a_label_is_tracked_to_the_door() {
    let shop = shop().await;
    let label = bought(&shop, "S-1").await;
    let number = label["tracking_number"].as_str().expect("a number");
    let path = format!("trackers/{number}");
    let tracker = shop.karrio("GET", &path, Value::Null).await.expect(200);
    assert_eq!(tracker["status"], "pending");
    shop.advance().await;
    let tracker = shop.karrio("GET", &path, Value::Null).await.expect(200);
    assert_eq!((&tracker["status"], &tracker["delivered"]), (&json!("delivered"), &json!(true)));
    assert_eq!(tracker["events"].as_array().map(Vec::len), Some(4));
    let found = shop.karrio("GET", "shipments?reference=S-1", Value::Null).await.expect(200);
    assert_eq!((&found["count"], &found["results"][0]["status"]), (&json!(1), &json!("delivered")));
    let cancel = format!("shipments/{}/cancel", label["id"].as_str().expect("an id"));
    shop.karrio("POST", &cancel, json!({})).await.expect(409);
    assert_eq!(shop.counted("shipment.purchase", "S-1"), 1);
}

#[tokio::test]
async fn a_label_is_cancelled_once() {
    let shop = shop().await;
    let label = bought(&shop, "S-1").await;
    let cancel = format!("shipments/{}/cancel", label["id"].as_str().expect("an id"));
    assert_eq!(shop.karrio("POST", &cancel, json!({})).await.expect(200)["status"], "cancelled");
    shop.karrio("POST", &cancel, json!({})).await.expect(202);
    assert_eq!(shop.counted("shipment.cancel", "S-1"), 1);
    shop.advance().await;
    let path = format!("trackers/{}", label["tracker_id"].as_str().expect("a tracker"));
    shop.karrio("GET", &path, Value::Null).await.expect(404);
}

#[tokio::test]
async fn the_parcel_waits_for_the_warehouse() {
    let shop = shop().await;
    let label = bought(&shop, "S-1").await;
    let order = json!({"customer": 1, "reference": "SO-0001"});
    let order = shop.inventree("POST", "order/so/", order).await.expect(201)["pk"].clone();
    let held =
        json!({"order": order, "reference": "1", "tracking_number": label["tracking_number"]});
    shop.inventree("POST", "order/so/shipment/", held).await.expect(201);
    shop.advance().await;
    let path = format!("trackers/{}", label["tracking_number"].as_str().expect("a number"));
    let tracker = shop.karrio("GET", &path, Value::Null).await.expect(200);
    assert_eq!(tracker["status"], "pending");
}

#[tokio::test]
async fn validation_and_tokens() {
    let shop = shop().await;
    let bad =
        json!({"shipper": {"country_code": "US"}, "recipient": {}, "parcels": [{"weight": 1.0}]});
    let refused = shop.karrio("POST", "shipments", bad).await.expect(400);
    let message = "recipient.country_code: This field is required.";
    assert_eq!(refused["errors"][0]["message"], message);
    let address = json!({"country_code": "US", "postal_code": "00000", "validate_location": true});
    let address = shop.karrio("POST", "addresses", address).await.expect(201);
    assert_eq!(address["validation"]["success"], false);
    let path = format!("addresses/{}", address["id"].as_str().expect("an id"));
    shop.karrio("DELETE", &path, Value::Null).await.expect(200);
    shop.karrio("DELETE", &path, Value::Null).await.expect(404);
    let login =
        json!({"email": "a@example.com", "password": "karrio_sandbox_password"}).to_string();
    let token = shop.try_send("POST", "/karrio/api/token", &[], &login).await.expect("an answer");
    let token = token.expect(201);
    for (field, status) in [("access", 200), ("refresh", 401)] {
        let bearer = format!("Bearer {}", token[field].as_str().expect("a token"));
        let headers = [("authorization", bearer.as_str())];
        let answer = shop.try_send("GET", "/karrio/v1/shipments", &headers, "").await;
        assert_eq!(answer.expect("an answer").status, status, "{field}");
    }
}

/// What Karrio taught, see connectors/README.md.
#[tokio::test]
async fn it_gives_back_what_it_made_of_what_was_sent() {
    let shop = shop().await;
    let mut draft = shipment("S-1");
    draft["shipper"]["phone_number"] = json!("(973) 555-0100");
    draft["parcels"] = json!([{"weight": 1, "reference_number": "O-1"}, {"weight": 1}]);
    let draft = shop.karrio("POST", "shipments", draft).await.expect(201);
    assert_eq!(draft["shipper"]["phone_number"], "+1 973-555-0100");
    assert!(draft["parcels"][1]["reference_number"].is_string(), "{draft}");
    let path = format!("shipments/{}/purchase", draft["id"].as_str().expect("an id"));
    let buy = json!({"selected_rate_id": draft["rates"][0]["id"]});
    let label = shop.karrio("POST", &path, buy).await.expect(200);
    assert_eq!(label["tracking_number"], "O-1");
    let tracker = shop.karrio("GET", "trackers/O-1", Value::Null).await.expect(200);
    assert_eq!(
        (&tracker["status"], &tracker["events"][0]["status"]),
        (&json!("pending"), &json!("created"))
    );
    let mut long = shipment("S-2");
    long["recipient"]["person_name"] = json!("x".repeat(101));
    let refused = shop.karrio("POST", "shipments", long).await.expect(400);
    let message = "recipient.person_name: Ensure this field has no more than 100 characters.";
    assert_eq!(refused["errors"][0]["message"], message);
}

#[tokio::test]
async fn choices_are_repeated_and_unknown_services_passed_over() {
    let shop = shop().await;
    bought(&shop, "S-1").await;
    let counted = async |query: &str| {
        let found = shop.karrio("GET", &format!("trackers?{query}"), Value::Null).await;
        found.expect(200)["count"].clone()
    };
    assert_eq!(counted("status=delivered").await, 0);
    assert_eq!(counted("status=delivered&status=pending").await, 1);
    assert_eq!(counted("created_after=2000-01-01T00:00:00Z").await, 1);
    assert_eq!(counted("created_after=2999-01-01T00:00:00Z").await, 0);
    shop.karrio("GET", "trackers?status=delivered,pending", Value::Null).await.expect(400);
    let rated = async |service: &str| {
        let mut asked = shipment("S-2");
        asked["services"] = json!([service]);
        let answer = shop.karrio("POST", "proxy/rates", asked).await.expect(200);
        answer["rates"].as_array().map(Vec::len)
    };
    assert_eq!(rated("express_service").await, Some(1));
    assert_eq!(rated("overnight").await, Some(2));
}
