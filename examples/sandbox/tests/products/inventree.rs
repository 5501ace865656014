//! The warehouse: released orders are picked, packed, shipped and delivered; sites, shortages, returns.

use sandbox::Options;
use serde_json::{Value, json};

use crate::client::{Shop, shop, shop_with};

async fn order(shop: &Shop, number: i64, lines: &[(i64, f64)]) -> i64 {
    let body = json!({"customer": 1, "reference": format!("SO-{number:04}"), "customer_reference": format!("O-{number}")});
    let made = shop.inventree("POST", "order/so/", body).await.expect(201);
    let order = made["pk"].as_i64().expect("a key");
    for (part, quantity) in lines {
        let line = json!({"order": order, "part": part, "quantity": quantity, "reference": format!("L-{part}")});
        shop.inventree("POST", "order/so-line/", line).await.expect(201);
    }
    order
}

async fn release(shop: &Shop, order: i64) {
    shop.inventree("POST", &format!("order/so/{order}/issue/"), json!({})).await.expect(201);
}

async fn get(shop: &Shop, path: &str) -> Value {
    shop.inventree("GET", path, Value::Null).await.expect(200)
}

#[tokio::test]
async fn a_released_order_goes_step_by_step() {
    let shop = shop().await;
    let order = order(&shop, 1, &[(2, 3.0)]).await;
    shop.advance().await;
    let shipments = format!("order/so/shipment/?order={order}&limit=10");
    assert_eq!(get(&shop, &shipments).await["count"], 0, "nothing moves before the release");
    release(&shop, order).await;
    let step = json!({"steps": 1});
    shop.control("POST", "/advance", step.clone()).await.expect(200);
    let picked = get(&shop, &shipments).await["results"][0].clone();
    assert_eq!(picked["allocated_items"], 1);
    assert!(picked["checked_by"].is_null());
    shop.control("POST", "/advance", step.clone()).await.expect(200);
    assert_eq!(get(&shop, &shipments).await["results"][0]["checked_by"], 1);
    shop.control("POST", "/advance", step.clone()).await.expect(200);
    let shipped = get(&shop, &shipments).await["results"][0].clone();
    assert!(shipped["shipment_date"].is_string() && shipped["delivery_date"].is_null());
    let line = get(&shop, &format!("order/so-line/?order={order}")).await;
    assert_eq!(line[0]["shipped"], 3.0);
    shop.control("POST", "/advance", step).await.expect(200);
    let done = get(&shop, &format!("order/so/{order}/")).await;
    assert_eq!((&done["status"], &done["status_text"]), (&json!(30), &json!("Complete")));
    let stock = get(&shop, "stock/3/").await;
    assert_eq!(stock["quantity"], 997.0);
}

#[tokio::test]
async fn two_sites_make_two_shipments_and_shortages_wait() {
    let shop = shop().await;
    let split = order(&shop, 1, &[(4, 12.0)]).await;
    let scarce = order(&shop, 2, &[(7, 5.0)]).await;
    let short = order(&shop, 3, &[(8, 10.0)]).await;
    for pk in [split, scarce, short] {
        release(&shop, pk).await;
    }
    shop.advance().await;
    let allocations = get(&shop, &format!("order/so-allocation/?order={split}")).await;
    let quantities: Vec<&Value> =
        allocations.as_array().expect("a list").iter().map(|a| &a["quantity"]).collect();
    assert_eq!(quantities, [&json!(10.0), &json!(2.0)]);
    assert_eq!(get(&shop, &format!("order/so/{split}/")).await["shipments_count"], 2);
    let line = get(&shop, &format!("order/so-line/?order={scarce}")).await;
    assert_eq!(line[0]["shipped"], 3.0, "the rest is backordered");
    assert_eq!(get(&shop, &format!("order/so/{scarce}/")).await["status"], 15);
    shop.control("POST", "/stock", json!({"sku": "SAW-BLADE", "quantity": 2})).await.expect(200);
    shop.advance().await;
    assert_eq!(get(&shop, &format!("order/so/{scarce}/")).await["status"], 30);
    let line = get(&shop, &format!("order/so-line/?order={short}")).await;
    assert_eq!(line[0]["shipped"], 9.0, "one less is found than the books say");
}

#[tokio::test]
async fn holds_stop_the_world_and_cancelling_can_be_too_late() {
    let shop = shop().await;
    let order = order(&shop, 1, &[(2, 1.0)]).await;
    release(&shop, order).await;
    shop.inventree("POST", &format!("order/so/{order}/hold/"), json!({})).await.expect(201);
    shop.advance().await;
    assert_eq!(get(&shop, &format!("order/so/{order}/")).await["shipments_count"], 0);
    release(&shop, order).await;
    shop.advance().await;
    // Too late, which InvenTree does not say.
    shop.inventree("POST", &format!("order/so/{order}/cancel/"), json!({})).await.expect(201);
    assert_eq!(get(&shop, &format!("order/so/{order}/")).await["status"], 30);
    assert_eq!(shop.counted("order.issue", "O-1"), 2);
    assert_eq!(shop.counted("order.cancel", "O-1"), 0);
}

#[tokio::test]
async fn nothing_is_done_once_by_itself_but_the_reference_is_unique() {
    let shop = shop().await;
    order(&shop, 1, &[]).await;
    let body = json!({"customer": 1, "reference": "SO-0001", "customer_reference": "O-1"});
    let again = shop.inventree("POST", "order/so/", body).await.expect(400);
    assert_eq!(again["reference"][0], "This field must be unique.");
    let body = json!({"customer": 1, "reference": "SO-0002", "customer_reference": "O-1"});
    shop.inventree("POST", "order/so/", body).await.expect(201);
    assert_eq!(shop.counted("order.create", "O-1"), 2);
    let page = get(&shop, "order/so/?search=O-1&limit=1&offset=0").await;
    assert_eq!(page["count"], 2);
    let next = page["next"].as_str().expect("a next page");
    assert!(next.contains("/inventree/api/order/so/?") && next.contains("offset=1"), "{next}");
}

#[tokio::test]
async fn what_was_shipped_comes_back() {
    let shop = shop().await;
    let order = order(&shop, 1, &[(2, 3.0)]).await;
    release(&shop, order).await;
    shop.advance().await;
    let sold = get(&shop, &format!("stock/?sales_order={order}")).await[0]["pk"].clone();
    let body = json!({"customer": 1, "reference": "RMA-0001", "customer_reference": "RET-1"});
    let back = shop.inventree("POST", "order/ro/", body).await.expect(201)["pk"].clone();
    let line = json!({"order": back, "item": sold, "quantity": 2});
    let line = shop.inventree("POST", "order/ro-line/", line).await.expect(201)["pk"].clone();
    let receive = json!({"items": [{"item": line, "status": 10}], "location": 1});
    let path = format!("order/ro/{back}/receive/");
    shop.inventree("POST", &path, receive.clone()).await.expect(400);
    shop.inventree("POST", &format!("order/ro/{back}/issue/"), json!({})).await.expect(201);
    shop.inventree("POST", &path, receive.clone()).await.expect(201);
    shop.inventree("POST", &path, receive).await.expect(400);
    assert_eq!(shop.counted("return.receive", "RET-1"), 1);
    assert_eq!(get(&shop, "part/2/").await["in_stock"], 999.0);
}

#[tokio::test]
async fn without_a_token_nothing_is_told() {
    let shop = shop().await;
    let path = "/inventree/api/order/so/";
    let none = shop.try_send("GET", path, &[], "").await.expect("an answer");
    assert_eq!(none.status, 401);
    assert_eq!(none.json()["detail"], "Authentication credentials were not provided.");
    let wrong = [("authorization", "Token nonsense")];
    let wrong = shop.try_send("GET", path, &wrong, "").await.expect("an answer");
    assert_eq!(wrong.json()["detail"], "Invalid token.");
}

#[tokio::test]
async fn what_inventree_does_not_know_it_passes_over() {
    let shop = shop().await;
    order(&shop, 1, &[]).await;
    order(&shop, 2, &[]).await;
    let found = async |query: &str| get(&shop, &format!("order/so/?limit=9&{query}")).await;
    assert_eq!(found("reference=SO-0002").await["count"], 1);
    assert_eq!(found("customer_reference=O-2").await["count"], 2, "there is no such filter");
    assert_eq!(found("ordering=-reference").await["results"][0]["reference"], "SO-0002");
    assert_eq!(found("ordering=-pk").await["results"][0]["reference"], "SO-0001");
    assert_eq!(found("search=O-2%20SO-0002").await["count"], 1, "each word stands somewhere");
    let path = "order/so-line/?limit=9&order=7";
    let unknown = shop.inventree("GET", path, Value::Null).await.expect(400);
    assert!(unknown["order"][0].as_str().expect("why").starts_with("Select a valid choice"));
    let nowhere = shop.inventree("GET", "order/sales/", Value::Null).await.expect(404);
    assert!(nowhere["url"].is_string(), "{nowhere}");
}

#[tokio::test]
async fn what_inventree_refuses_and_where_it_says_so() {
    let shop = shop().await;
    let order = order(&shop, 1, &[(2, 3.0)]).await;
    let refused = async |path: &str, body: Value| {
        let said = shop.inventree("POST", path, body).await;
        match said.status {
            400 => said.json(),
            status => json!(status),
        }
    };
    let long = |length: usize| "x".repeat(length);
    let line = |quantity: f64| json!({"order": order, "part": 2, "quantity": quantity});
    assert_eq!(refused("order/so-line/", line(0.0)).await, 201);
    let below = "Ensure this value is greater than or equal to 0.";
    assert_eq!(refused("order/so-line/", line(-1.0)).await, json!({"quantity": [below]}));
    let mut noted = line(1.0);
    noted["notes"] = json!(long(501));
    assert!(refused("order/so-line/", noted).await["notes"].is_array());
    let company = json!({"name": "Long", "tax_id": long(51)});
    assert!(refused("company/", company).await["tax_id"].is_array());
    let address = json!({"company": 1, "title": "Dock", "postal_code": long(11)});
    assert!(refused("company/address/", address).await["postal_code"].is_array());
    let item = |quantity: &str| json!({"line_item": 1, "stock_item": 3, "quantity": quantity});
    let allocate = format!("order/so/{order}/allocate/");
    let too_much = refused(&allocate, json!({"items": [item("1"), item("5000")]})).await;
    assert_eq!(too_much["items"][0], json!({}), "{too_much}");
    assert_eq!(too_much["items"][1]["quantity"][0], "Available quantity (1000) exceeded");
    let too_fine = refused(&allocate, json!({"items": [item("0.000001")]})).await;
    assert!(too_fine["items"][0]["quantity"].is_array(), "{too_fine}");
}

#[tokio::test]
async fn what_it_knows_outlives_a_stop() {
    let folder = std::env::temp_dir().join(format!("sandbox-keep-{}", std::process::id()));
    let options = || Options { manual: true, keep: Some(folder.clone()), ..Options::default() };
    let shop = shop_with(options()).await;
    let kept = order(&shop, 1, &[(2, 3.0)]).await;
    release(&shop, kept).await;
    shop.handle.stop().await.expect("it is kept");
    let shop = shop_with(options()).await;
    shop.advance().await;
    let again = get(&shop, &format!("order/so/{kept}/")).await;
    assert_eq!((&again["status"], &again["line_items"]), (&json!(30), &json!(1)));
    assert_eq!(shop.counted("order.create", "O-1"), 1);
    order(&shop, 2, &[]).await;
    std::fs::remove_file(&folder).expect("it was kept there");
}
