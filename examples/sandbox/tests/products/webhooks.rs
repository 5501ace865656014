//! Webhooks: signed as the product signs, tried again, doubled and out of order on request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{receiver, shop, wait_for};

fn hmac(secret: &str, data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn stripe_signs_and_tries_again() {
    let shop = shop().await;
    let (url, received) = receiver(2).await;
    shop.handle.register_webhook("stripe", &url, None);
    let form = "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true";
    shop.stripe("POST", "payment_intents", "k-7", form).await.expect(200);
    shop.advance().await;
    let got = wait_for(&received, 5).await;
    let mut types: Vec<String> = Vec::new();
    for (headers, body) in &got {
        let signature = headers["stripe-signature"].to_str().expect("text");
        let (at, mac) = signature.split_once(",v1=").expect("a scheme");
        let at = at.strip_prefix("t=").expect("a time");
        let signed = [at.as_bytes(), b".", body].concat();
        let expected: String =
            hmac("whsec_sandbox", &signed).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(mac, expected);
        let event: Value = serde_json::from_slice(body).expect("JSON");
        types.push(event["type"].as_str().expect("a type").to_owned());
    }
    types.sort();
    let expected = [
        "charge.captured",
        "charge.succeeded",
        "payment_intent.succeeded",
        "payout.created",
        "payout.paid",
    ];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn the_storefront_signs_its_orders() {
    let shop = shop().await;
    let (url, received) = receiver(0).await;
    let hook = json!({"product": "shopify", "url": url, "secret": "shpss_other"});
    shop.control("POST", "/webhooks", hook).await.expect(201);
    let order = json!({"lines": [{"sku": "DRILL-18V", "quantity": 2}], "payment": "paid", "shipping": "12.00"});
    let sent = shop.control("POST", "/storefront/orders", order).await.expect(202);
    let (headers, body) = wait_for(&received, 1).await.remove(0);
    assert_eq!(headers["x-shopify-topic"], "orders/create");
    assert_eq!(headers["x-shopify-webhook-id"], sent["webhook_id"].as_str().expect("an id"));
    let expected = STANDARD.encode(hmac("shpss_other", &body));
    assert_eq!(headers["x-shopify-hmac-sha256"], expected.as_str());
    let document: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(document, sent["order"]);
    assert_eq!(document["total_price"], "310.00");
    // The channel has captured: the money is there and counted as the channel's.
    assert_eq!(shop.counted("channel.capture", "#1001"), 1);
    let notes = document["note_attributes"].as_array().expect("a list");
    let intent = notes.iter().find(|n| n["name"] == "stripe_payment_intent").expect("an intent");
    let path = format!("payment_intents/{}", intent["value"].as_str().expect("text"));
    let intent = shop.stripe("GET", &path, "", "").await.expect(200);
    assert_eq!(
        (&intent["status"], &intent["amount_received"]),
        (&json!("succeeded"), &json!(31_000))
    );
}

#[tokio::test]
async fn duplicates_share_their_id_and_held_ones_come_later() {
    let shop = shop().await;
    let (url, received) = receiver(0).await;
    shop.handle.register_webhook("shopify", &url, None);
    let rules = json!([
        {"product": "shopify", "kind": "webhook-out-of-order", "count": 1},
        {"product": "shopify", "kind": "webhook-duplicate", "count": 1},
    ]);
    shop.control("POST", "/faults", rules).await.expect(201);
    for _ in 0..2 {
        let order = json!({"lines": [{"sku": "GLOVE-L"}]});
        shop.control("POST", "/storefront/orders", order).await.expect(202);
    }
    let names: Vec<Value> = wait_for(&received, 3)
        .await
        .iter()
        .map(|(_, body)| serde_json::from_slice::<Value>(body).expect("JSON")["name"].clone())
        .collect();
    assert_eq!(names, ["#1002", "#1001", "#1001"]);
}
