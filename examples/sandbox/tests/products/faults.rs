//! Misbehaviour through HTTP: cuts before and after the effect, limits, and the same faults twice.

use serde_json::json;

use crate::client::{Shop, shop, shop_with};
use sandbox::Options;

const FORM: &str =
    "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true&metadata[order_id]=";

async fn fault(shop: &Shop, rule: serde_json::Value) {
    shop.control("POST", "/faults", rule).await.expect(201);
}

#[tokio::test]
async fn a_cut_comes_before_or_after_the_effect() {
    let shop = shop().await;
    fault(&shop, json!({"product": "stripe", "kind": "cut-before", "count": 1})).await;
    let form = format!("{FORM}O-1");
    assert!(shop.try_stripe("POST", "payment_intents", "k-1", &form).await.is_none());
    assert_eq!(shop.counted("payment.create", "O-1"), 0);
    fault(&shop, json!({"product": "stripe", "kind": "cut-after", "count": 1})).await;
    assert!(shop.try_stripe("POST", "payment_intents", "k-1", &form).await.is_none());
    assert_eq!(shop.counted("payment.create", "O-1"), 1);
    let replayed = shop.stripe("POST", "payment_intents", "k-1", &form).await;
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(shop.counted("payment.create", "O-1"), 1);
}

#[tokio::test]
async fn limits_and_errors_speak_the_products_language() {
    let shop = shop().await;
    fault(
        &shop,
        json!({"kind": "rate-limit", "retry_after_s": 3, "count": 1, "product": "inventree"}),
    )
    .await;
    fault(&shop, json!({"kind": "server-error", "status": 503, "count": 1, "product": "avatax"}))
        .await;
    fault(&shop, json!({"kind": "latency", "latency_ms": 120, "count": 1, "product": "karrio"}))
        .await;
    let limited = shop.inventree("GET", "part/", serde_json::Value::Null).await;
    assert_eq!(limited.status, 429);
    assert_eq!(limited.headers["retry-after"], "3");
    assert!(limited.text.contains("throttled"));
    let broken = shop.avatax("GET", "utilities/ping", serde_json::Value::Null).await;
    assert!(broken.expect(503)["error"]["code"].is_string());
    let before = std::time::Instant::now();
    shop.karrio("GET", "trackers", serde_json::Value::Null).await.expect(200);
    assert!(before.elapsed().as_millis() >= 120);
    let wrong = shop.control("POST", "/faults", json!({"kind": "quota"})).await;
    assert_eq!(wrong.status, 400);
    let wrong = shop.control("POST", "/faults", json!({"kind": "latency", "producct": "x"})).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn silence_and_garbage_come_after_the_effect_and_401_before_it() {
    let shop = shop().await;
    let form = format!("{FORM}O-1");
    fault(&shop, json!({"product": "stripe", "kind": "unauthorised", "count": 1})).await;
    shop.stripe("POST", "payment_intents", "k-1", &form).await.expect(401);
    assert_eq!(shop.counted("payment.create", "O-1"), 0);
    fault(&shop, json!({"product": "stripe", "kind": "garbage", "count": 1})).await;
    let garbled = shop.stripe("POST", "payment_intents", "k-1", &form).await;
    assert_eq!(garbled.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&garbled.text).is_err());
    assert_eq!(shop.counted("payment.create", "O-1"), 1);
    fault(&shop, json!({"product": "stripe", "kind": "silence", "count": 1, "latency_ms": 150}))
        .await;
    let before = std::time::Instant::now();
    let form = format!("{FORM}O-2");
    assert!(shop.try_stripe("POST", "payment_intents", "k-2", &form).await.is_none());
    assert!(before.elapsed().as_millis() >= 150);
    assert_eq!(shop.counted("payment.create", "O-2"), 1);
}

#[tokio::test]
async fn a_stale_read_is_the_last_answer() {
    let shop = shop().await;
    let all = async || {
        let list = shop.stripe("GET", "payment_intents", "", "").await.expect(200);
        list["data"].as_array().map(Vec::len)
    };
    fault(&shop, json!({"product": "stripe", "kind": "stale-read", "latency_ms": 60_000})).await;
    assert_eq!(all().await, Some(0));
    shop.stripe("POST", "payment_intents", "k-1", &format!("{FORM}O-1")).await.expect(200);
    assert_eq!(all().await, Some(0), "as it was");
    shop.control("DELETE", "/faults", json!({})).await;
    assert_eq!(all().await, Some(1));
}

#[tokio::test]
async fn a_429_may_say_nothing_of_when() {
    let shop = shop().await;
    fault(&shop, json!({"kind": "rate-limit", "retry_after_s": 0, "count": 1})).await;
    let limited = shop.karrio("GET", "trackers", serde_json::Value::Null).await;
    assert!(limited.status == 429 && !limited.headers.contains_key("retry-after"));
    let rule = json!({"kind": "server-error", "status": 503, "retry_after_s": 2, "count": 1});
    fault(&shop, rule).await;
    let down = shop.karrio("GET", "trackers", serde_json::Value::Null).await;
    assert!(down.status == 503 && down.headers["retry-after"] == "2");
}

/// Which of 40 requests are answered, and the ids that they got.
async fn traffic(seed: u64) -> Vec<(bool, String)> {
    let shop = shop_with(Options { seed, manual: true, ..Options::default() }).await;
    fault(&shop, json!({"product": "stripe", "kind": "cut-after", "probability": 0.3})).await;
    let mut seen = Vec::new();
    for n in 0..40 {
        let answer = shop.try_stripe("POST", "payment_intents", "", &format!("{FORM}O-{n}")).await;
        let id = answer.as_ref().map(|a| a.json()["client_secret"].to_string());
        seen.push((answer.is_some(), id.unwrap_or_default()));
    }
    seen
}

#[tokio::test]
async fn the_same_seed_plays_the_same() {
    let first = traffic(7).await;
    assert_eq!(first, traffic(7).await);
    assert_ne!(first, traffic(8).await);
    assert!(first.iter().any(|(answered, _)| !answered));
}

#[tokio::test]
async fn reset_forgets_everything() {
    let shop = shop().await;
    fault(&shop, json!({"kind": "latency", "count": 1})).await;
    let form = format!("{FORM}O-1");
    shop.stripe("POST", "payment_intents", "k-1", &form).await.expect(200);
    shop.control("POST", "/reset", json!({"seed": 9})).await.expect(200);
    assert!(shop.handle.effects().is_empty());
    let state = shop.control("GET", "/state", json!({})).await.expect(200);
    assert_eq!((&state["seed"], &state["faults"]), (&json!(9), &json!(0)));
    let intents = shop.stripe("GET", "payment_intents", "", "").await.expect(200);
    assert_eq!(intents["data"], json!([]));
    let again = shop.stripe("POST", "payment_intents", "k-1", &form).await;
    assert!(!again.headers.contains_key("idempotent-replayed"), "keys are forgotten too");
}

#[tokio::test]
async fn delays_end_by_themselves() {
    let options =
        Options { pick_ms: 1, pack_ms: 1, ship_ms: 1, deliver_ms: 1, ..Options::default() };
    let shop = shop_with(options).await;
    let order = json!({"customer": 1, "reference": "SO-0001"});
    let order = shop.inventree("POST", "order/so/", order).await.expect(201)["pk"].clone();
    let line = json!({"order": order, "part": 2, "quantity": 1});
    shop.inventree("POST", "order/so-line/", line).await.expect(201);
    let path = format!("order/so/{order}/issue/");
    shop.inventree("POST", &path, json!({})).await.expect(201);
    for _ in 0..500 {
        if shop.handle.summary()["inventree"]["delivered"] == 1 {
            shop.handle.stop().await.expect("it stops");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("not delivered: {}", shop.handle.summary());
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let open = sandbox::Sandbox::start(([0, 0, 0, 0], 0).into(), Options::default()).await;
    assert!(open.is_err());
}
