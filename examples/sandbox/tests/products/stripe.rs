//! Payments: authorise, capture once or several times, decline, refund, payout, dispute; the key is honoured.

use serde_json::{Value, json};

use crate::client::{Shop, shop};

async fn authorised(shop: &Shop, order: &str, amount: i64, more: &str) -> String {
    let form = format!(
        "amount={amount}&currency=usd&capture_method=manual&payment_method=pm_card_visa&confirm=true&metadata[order_id]={order}{more}"
    );
    let intent = shop.stripe("POST", "payment_intents", "", &form).await.expect(200);
    assert_eq!(intent["status"], "requires_capture");
    intent["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_same_key_is_one_effect_and_one_answer() {
    let shop = shop().await;
    let form =
        "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true&metadata[order_id]=O-1";
    let first = shop.stripe("POST", "payment_intents", "k-1", form).await;
    let again = shop.stripe("POST", "payment_intents", "k-1", form).await;
    assert_eq!(first.text, again.text);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = shop.stripe("POST", "payment_intents", "k-1", &form.replace("500", "501")).await;
    assert_eq!(other.expect(400)["error"]["type"], "idempotency_error");
    assert_eq!(shop.counted("payment.capture", "O-1"), 1);
    let effects = shop.handle.effects();
    assert!(effects.iter().any(|e| e.effect == "payment.create" && e.key == "k-1" && e.count == 1));
    shop.stripe("POST", "payment_intents", "", form).await.expect(200);
    assert_eq!(shop.counted("payment.capture", "O-1"), 2, "without a key it is done again");
}

#[tokio::test]
async fn one_authorisation_is_captured_for_each_shipment_and_paid_out() {
    let shop = shop().await;
    let multiple = "&payment_method_options[card][request_multicapture]=if_available";
    let id = authorised(&shop, "O-1", 10_000, multiple).await;
    let capture = format!("payment_intents/{id}/capture");
    let part = "amount_to_capture=4000&final_capture=false&metadata[reference]=S-1";
    let open = shop.stripe("POST", &capture, "", part).await.expect(200);
    assert_eq!(
        (&open["status"], &open["amount_capturable"]),
        (&json!("requires_capture"), &json!(6000))
    );
    let much = shop.stripe("POST", &capture, "", "amount_to_capture=6001").await.expect(400);
    assert_eq!(much["error"]["code"], "amount_too_large");
    let rest =
        "amount_to_capture=5000&metadata[reference]=S-2&expand[]=latest_charge.balance_transaction";
    let done = shop.stripe("POST", &capture, "", rest).await.expect(200);
    assert_eq!((&done["status"], &done["amount_received"]), (&json!("succeeded"), &json!(9000)));
    assert_eq!(done["latest_charge"]["balance_transaction"]["fee"], 175);
    shop.stripe("POST", &capture, "", "").await.expect(400);
    assert_eq!(
        (shop.counted("payment.capture", "S-1"), shop.counted("payment.capture", "S-2")),
        (1, 1)
    );
    // The rest was released: for Stripe a refund of the charge, and no movement of money.
    let released = shop.stripe("GET", "refunds", "", "").await.expect(200)["data"][0].clone();
    assert_eq!(
        (&released["amount"], &released["balance_transaction"]),
        (&json!(1000), &Value::Null)
    );
    let charge = shop.stripe("GET", "charges", "", "").await.expect(200)["data"][0].clone();
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(1000), &json!(false)));
    let refund = format!("payment_intent={id}&amount=1000&metadata[reference]=RET-1");
    shop.stripe("POST", "refunds", "", &refund).await.expect(200);
    shop.stripe("POST", "refunds", "", &format!("payment_intent={id}&amount=8001"))
        .await
        .expect(400);
    shop.advance().await;
    let payout = shop.stripe("GET", "payouts", "", "").await.expect(200)["data"][0].clone();
    // 4000 + 5000 - 1000 less the fees of the captures, 146 and 175.
    assert_eq!(payout["amount"], 7679);
    let path =
        format!("balance_transactions?payout={}&limit=100", payout["id"].as_str().expect("an id"));
    let lines = shop.stripe("GET", &path, "", "").await.expect(200);
    let nets: i64 =
        lines["data"].as_array().expect("a list").iter().filter_map(|l| l["net"].as_i64()).sum();
    assert_eq!(nets, 0, "the payout's own line balances the others");
}

#[tokio::test]
async fn a_declined_card_says_why_and_is_remembered() {
    let shop = shop().await;
    let form = "amount=500&currency=usd&payment_method=pm_card_chargeDeclinedInsufficientFunds&confirm=true&metadata[order_id]=O-1";
    let declined = shop.stripe("POST", "payment_intents", "k-1", form).await.expect(402);
    assert_eq!(declined["error"]["decline_code"], "insufficient_funds");
    assert_eq!(declined["error"]["payment_intent"]["status"], "requires_payment_method");
    shop.stripe("POST", "payment_intents", "k-1", form).await.expect(402);
    assert_eq!(shop.counted("payment.create", "O-1"), 1);
    assert_eq!(shop.counted("payment.authorise", "O-1"), 0);
    let listed = shop.stripe("GET", "payment_intents", "", "").await.expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn voids_disputes_debits_and_cursors() {
    let shop = shop().await;
    let id = authorised(&shop, "O-1", 700, "").await;
    let path = format!("payment_intents/{id}/cancel");
    assert_eq!(shop.stripe("POST", &path, "", "").await.expect(200)["status"], "canceled");
    let again = shop.stripe("POST", &path, "", "").await.expect(400);
    assert_eq!(again["error"]["code"], "payment_intent_unexpected_state");
    let form = "amount=900&currency=usd&confirm=true&payment_method=";
    shop.stripe("POST", "payment_intents", "", &format!("{form}pm_card_createDispute"))
        .await
        .expect(200);
    let form = format!("{form}pm_usBankAccount_processing");
    let debit = shop.stripe("POST", "payment_intents", "", &form).await.expect(200);
    assert_eq!(debit["status"], "processing");
    shop.advance().await;
    let path = format!("payment_intents/{}", debit["id"].as_str().expect("an id"));
    assert_eq!(shop.stripe("GET", &path, "", "").await.expect(200)["status"], "succeeded");
    let disputes = shop.stripe("GET", "disputes", "", "").await.expect(200);
    assert_eq!(disputes["data"][0]["status"], "needs_response");
    let first = shop.stripe("GET", "payment_intents?limit=2", "", "").await.expect(200);
    assert_eq!(first["has_more"], true);
    let last = first["data"][1]["id"].as_str().expect("an id").to_owned();
    let path = format!("payment_intents?limit=2&starting_after={last}");
    let second = shop.stripe("GET", &path, "", "").await.expect(200);
    assert_eq!((&second["data"][0]["id"], &second["has_more"]), (&json!(id), &Value::Bool(false)));
    let wrong = [("authorization", "Bearer sk_live_other")];
    let wrong = shop.try_send("GET", "/stripe/v1/balance", &wrong, "").await.expect("an answer");
    assert_eq!(wrong.status, 401);
}

#[tokio::test]
async fn thousandths_move_in_steps_of_ten() {
    let shop = shop().await;
    let form =
        "currency=kwd&payment_method=pm_card_visa&confirm=true&capture_method=manual&amount=";
    let refused = shop.stripe("POST", "payment_intents", "", &format!("{form}1234")).await;
    assert_eq!(refused.expect(400)["error"]["param"], "amount");
    let taken =
        shop.stripe("POST", "payment_intents", "", &format!("{form}1230")).await.expect(200);
    let path = format!("payment_intents/{}/capture", taken["id"].as_str().expect("an id"));
    shop.stripe("POST", &path, "", "amount_to_capture=1229").await.expect(400);
    shop.stripe("POST", &path, "", "amount_to_capture=1220").await.expect(200);
}

#[tokio::test]
async fn a_payouts_sources_are_expanded_with_their_payments() {
    let shop = shop().await;
    let id = authorised(&shop, "O-1", 700, "").await;
    shop.stripe("POST", &format!("payment_intents/{id}/capture"), "", "").await.expect(200);
    shop.stripe("POST", "refunds", "", &format!("payment_intent={id}&amount=100"))
        .await
        .expect(200);
    let charge = shop.stripe("GET", "charges", "", "").await.expect(200)["data"][0]["id"].clone();
    shop.control("POST", "/dispute", json!({"charge": charge})).await.expect(200);
    // Enough to be paid out after the dispute.
    let form =
        "amount=90000&currency=usd&confirm=true&payment_method=pm_card_visa&metadata[order_id]=O-2";
    shop.stripe("POST", "payment_intents", "", form).await.expect(200);
    shop.advance().await;
    let payout = shop.stripe("GET", "payouts", "", "").await.expect(200)["data"][0]["id"].clone();
    let path = format!(
        "balance_transactions?limit=100&payout={}&expand[]=data.source.payment_intent",
        payout.as_str().expect("an id")
    );
    let lines = shop.stripe("GET", &path, "", "").await.expect(200)["data"].clone();
    // Newest first; a payout has no payment to expand.
    let seen: Vec<Value> = lines
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| {
            let source = &line["source"];
            json!([
                line["type"],
                source["object"],
                source["payment_intent"]["metadata"]["order_id"]
            ])
        })
        .collect();
    assert_eq!(
        json!(seen),
        json!([
            ["payout", "payout", null],
            ["charge", "charge", "O-2"],
            ["adjustment", "dispute", "O-1"],
            ["refund", "refund", "O-1"],
            ["charge", "charge", "O-1"]
        ])
    );
    assert!(lines[4]["source"]["payment_intent"]["latest_charge"].is_string(), "no further");

    let deep = "balance_transactions?expand[]=data.source.payment_intent.latest_charge.refunds";
    let deep = shop.stripe("GET", deep, "", "").await.expect(400);
    assert_eq!(deep["error"]["code"], "property_expansion_max_depth");
    let four = "balance_transactions?expand[]=data.source.payment_intent.latest_charge";
    let four = shop.stripe("GET", four, "", "").await.expect(200);
    assert_eq!(four["data"][4]["source"]["payment_intent"]["latest_charge"]["object"], "charge");
    shop.stripe("GET", "balance_transactions?expand[]=source", "", "").await.expect(400);
}
