//! An order in the ERP: credit, sale, shipment, invoice, cash, credit note; refusals as Tryton has them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use crate::client::{Shop, shop};

pub fn decimal(text: &str) -> Value {
    json!({"__class__": "Decimal", "decimal": text})
}

pub fn company() -> Value {
    json!({"company": 1})
}

async fn sale(shop: &Shop, reference: &str, party: i64, quantity: f64, more: Value) -> i64 {
    let mut body = json!({
        "party": party, "reference": reference, "invoice_address": party, "shipment_address": party,
        "lines": [["create", [{"product": 2, "quantity": quantity, "unit": 1, "unit_price": decimal("149.00")}]]],
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name.as_str()] = value.clone();
    }
    let made = shop.tryton("POST", "sale.sale?f=state", company(), body).await;
    made.expect(200)["id"].as_i64().expect("an id")
}

async fn act(shop: &Shop, model: &str, id: i64, action: &str) -> String {
    let path = format!("{model}/{id}/{action}?f=state");
    let done = shop.tryton("POST", &path, company(), json!({})).await.expect(200);
    done["state"].as_str().expect("a state").to_owned()
}

#[tokio::test]
async fn an_order_becomes_a_paid_invoice() {
    let shop = shop().await;
    let id = sale(&shop, "O-1", 1, 3.0, json!({"invoice_method": "fulfillment"})).await;
    assert_eq!(act(&shop, "sale.sale", id, "quote").await, "quotation");
    assert_eq!(act(&shop, "sale.sale", id, "confirm").await, "confirmed");
    let path = format!(
        "sale.sale/{id}/process?f=state&f=number&f=total_amount&f=shipments&f=lines.product.code"
    );
    let done = shop.tryton("POST", &path, company(), json!({})).await.expect(200);
    assert_eq!(done["state"], "processing");
    assert_eq!(done["total_amount"], decimal("447.00"));
    assert_eq!(done["lines"][0]["product"]["code"], "DRILL-18V");
    let shipment = done["shipments"][0].as_i64().expect("a shipment");
    for (action, state) in
        [("assign_try", "assigned"), ("pick", "picked"), ("pack", "packed"), ("do", "done")]
    {
        assert_eq!(act(&shop, "stock.shipment.out", shipment, action).await, state);
    }
    let path = format!("sale.sale/{id}?f=invoices&f=shipment_state");
    let sale = shop.tryton("GET", &path, company(), Value::Null);
    let sale = sale.await.expect(200);
    assert_eq!(sale["shipment_state"], "sent");
    let invoice = sale["invoices"][0].as_i64().expect("an invoice");
    let tax = json!({"taxes": [["create", [{"description": "NY", "base": decimal("447.00"), "amount": decimal("39.67")}]]]});
    shop.tryton("PUT", &format!("account.invoice/{invoice}"), company(), tax).await.expect(200);
    assert_eq!(act(&shop, "account.invoice", invoice, "post").await, "posted");
    pay(&shop, invoice, "486.67", "R-1", json!({})).await;
    let path = format!("account.invoice/{invoice}?f=state&f=amount_to_pay&f=move.lines.debit");
    let paid = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(paid["state"], "paid");
    assert_eq!(paid["move"]["lines"][0]["debit"], decimal("486.67"));
    let sale = shop.tryton("GET", &format!("sale.sale/{id}?f=state"), company(), Value::Null).await;
    assert_eq!(sale.expect(200)["state"], "done");
    for effect in ["sale.create", "sale.confirm", "sale.process", "invoice.post"] {
        assert_eq!(shop.counted(effect, "O-1"), 1, "{effect}");
    }
    assert_eq!(shop.counted("invoice.pay", "R-1"), 1);
}

pub async fn pay(shop: &Shop, invoice: i64, amount: &str, description: &str, ask: Value) {
    let context = json!({"company": 1, "active_model": "account.invoice", "active_id": invoice, "active_ids": [invoice]});
    let made = shop.rpc("wizard.account.invoice.pay.create", json!([context])).await;
    let session = made["result"][0].as_i64().expect("a session");
    let start = json!({"start": {"payee": 1, "amount": decimal(amount), "currency": 1, "description": description, "payment_method": 1}});
    let call = json!([session, start, "choice", context]);
    let chosen = shop.rpc("wizard.account.invoice.pay.execute", call).await;
    if ask == json!({}) {
        assert_eq!(chosen["result"], json!({}), "an exact amount is paid at once");
        return;
    }
    assert_eq!(chosen["result"]["view"]["state"], "ask");
    let call = json!([session, {"ask": ask}, "pay", context]);
    let paid = shop.rpc("wizard.account.invoice.pay.execute", call).await;
    assert_eq!(paid["result"], json!({}), "{paid}");
}

pub async fn posted_invoice(shop: &Shop, reference: &str, price: &str) -> i64 {
    let body = json!({"party": 1, "reference": reference,
        "lines": [["create", [{"quantity": 1.0, "unit_price": decimal(price)}]]]});
    let made = shop.tryton("POST", "account.invoice", company(), body).await.expect(200);
    let id = made["id"].as_i64().expect("an id");
    assert_eq!(act(shop, "account.invoice", id, "post").await, "posted");
    // Posting twice posts once: the action is passed over.
    assert_eq!(act(shop, "account.invoice", id, "post").await, "posted");
    assert_eq!(shop.counted("invoice.post", reference), 1);
    id
}

#[tokio::test]
async fn discounts_partial_payments_and_reconciliations_taken_back() {
    let shop = shop().await;
    let id = posted_invoice(&shop, "I-1", "100.00").await;
    pay(&shop, id, "40.00", "R-1", json!({"type": "partial"})).await;
    let path = format!(
        "account.invoice/{id}?f=state&f=amount_to_pay&f=reconciliation_lines.reconciliation"
    );
    let open = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(open["amount_to_pay"], decimal("60.00"));
    pay(&shop, id, "58.00", "R-2", json!({"type": "writeoff", "writeoff": 1})).await;
    let paid = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(paid["state"], "paid");
    // The payment is found again by its description.
    let domain =
        URL_SAFE.encode(json!([["description", "=", "R-2"], ["journal", "=", 2]]).to_string());
    let found = shop
        .tryton("GET", &format!("account.move?d={domain}&f=origin"), company(), Value::Null)
        .await;
    assert_eq!(found.expect(200)[0]["origin"], format!("account.invoice,{id}"));
    let reconciliation = &paid["reconciliation_lines"][0]["reconciliation"];
    let gone = format!("account.move.reconciliation/{reconciliation}");
    assert_eq!(shop.tryton("DELETE", &gone, company(), Value::Null).await.status, 204);
    let open = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(open["state"], "posted");
}

#[tokio::test]
async fn a_posted_invoice_is_credited_with_refund() {
    let shop = shop().await;
    let id = posted_invoice(&shop, "I-1", "100.00").await;
    let context = json!({"company": 1, "active_model": "account.invoice", "active_id": id, "active_ids": [id]});
    let made = shop.rpc("wizard.account.invoice.credit.create", json!([context])).await;
    let call = json!([made["result"][0], {"start": {"with_refund": true}}, "credit", context]);
    let done = shop.rpc("wizard.account.invoice.credit.execute", call).await;
    let credit = &done["result"]["actions"][0][1]["res_id"][0];
    let path = format!("account.invoice/{credit}?f=state&f=total_amount");
    let credit = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(credit["total_amount"], decimal("-100.00"));
    assert_eq!(credit["state"], "paid");
    let path = format!("account.invoice/{id}?f=state");
    let original = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(original["state"], "cancelled");
}

#[tokio::test]
async fn the_credit_limit_holds_until_warnings_are_skipped() {
    let shop = shop().await;
    let path = "party.party/2?f=credit_amount&f=credit_limit_amount";
    let party = shop.tryton("GET", path, company(), Value::Null).await.expect(200);
    assert_eq!(party["credit_amount"], decimal("9800.00"));
    let id = sale(&shop, "O-2", 2, 3.0, json!({})).await;
    act(&shop, "sale.sale", id, "quote").await;
    let confirm = format!("sale.sale/{id}/confirm?f=state");
    let refused = shop.tryton("POST", &confirm, company(), json!({})).await.expect(400);
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("credit limit")), "{refused}");
    let context = json!({"company": 1, "_skip_warnings": true});
    let confirmed = shop.tryton("POST", &confirm, context, json!({})).await.expect(200);
    assert_eq!(confirmed["state"], "confirmed");
    let party = shop.tryton("GET", path, company(), Value::Null).await.expect(200);
    assert_eq!(party["credit_amount"], decimal("10247.00"));
    // By the time of the answer Tryton goes on by itself; then the sale cannot be cancelled.
    let path = format!("sale.sale/{id}?f=state&f=shipments&f=number");
    let sale = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    assert_eq!(
        (&sale["state"], sale["shipments"].as_array().map(Vec::len)),
        (&json!("processing"), Some(1))
    );
    let cancel = format!("sale.sale/{id}/cancel");
    let refused = shop.tryton("POST", &cancel, company(), json!({})).await.expect(400);
    let number = sale["number"].as_str().expect("a number");
    let message = format!("You can not call \"cancel\" on \"{number} [O-2]\" of \"Sale\".");
    assert_eq!(refused, json!({"status": 400, "message": message, "description": ""}));
}

#[tokio::test]
async fn cancelled_moves_are_an_exception_until_they_are_ignored() {
    let shop = shop().await;
    let id = sale(&shop, "O-1", 1, 3.0, json!({})).await;
    for action in ["quote", "confirm"] {
        act(&shop, "sale.sale", id, action).await;
    }
    let path = format!("sale.sale/{id}?f=state&f=shipment_state&f=shipments&f=lines.moves");
    let read = || shop.tryton("GET", &path, company(), Value::Null);
    let before = read().await.expect(200);
    let shipment = before["shipments"][0].as_i64().expect("a shipment");
    assert_eq!(act(&shop, "stock.shipment.out", shipment, "cancel").await, "cancelled");
    let waiting = read().await.expect(200);
    assert_eq!(waiting["shipment_state"], "exception");
    assert_eq!(waiting["shipments"], before["shipments"], "nothing is made again unasked");

    let line = &before["lines"][0];
    let ignored = json!({"moves_ignored": [["add", line["moves"]]]});
    let lines = json!({"lines": [["write", [line["id"]], ignored]]});
    shop.tryton("PUT", &format!("sale.sale/{id}"), company(), lines).await.expect(200);
    act(&shop, "sale.sale", id, "process").await;
    let after = read().await.expect(200);
    assert_eq!((&after["state"], &after["shipment_state"]), (&json!("processing"), &json!("none")));
}

#[tokio::test]
async fn prices_stock_searches_and_ranges() {
    let shop = shop().await;
    let path = "product.product/1?f=sale_price_uom&f=quantity";
    let context = json!({"company": 1, "price_list": 1, "quantity": 100, "locations": [1, 2]});
    let item = shop.tryton("GET", path, context, Value::Null).await.expect(200);
    assert_eq!(item["sale_price_uom"], decimal("0.2250"));
    // The customer alone makes no price: it is the list that does.
    let context = json!({"company": 1, "customer": 1, "quantity": 100});
    let plain = shop.tryton("GET", path, context, Value::Null).await.expect(200);
    assert_eq!(plain["sale_price_uom"], decimal("0.2500"));
    let lists = shop.tryton("GET", "party.party?f=sale_price_list", company(), Value::Null).await;
    let lists = lists.expect(200);
    assert_eq!(
        (&lists[0]["sale_price_list"], &lists[1]["sale_price_list"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(item["quantity"], 100_000.0);
    for n in 1..=3 {
        sale(&shop, &format!("O-{n}"), 1, 1.0, json!({})).await;
    }
    let find =
        |domain: Value| format!("sale.sale?f=reference&d={}", URL_SAFE.encode(domain.to_string()));
    let domain = json!([
        ["OR", [["reference", "=", "O-2"]], [["reference", "ilike", "%-3"]]],
        ["party.code", "=", "C-1001"]
    ]);
    let found = shop.tryton("GET", &find(domain), company(), Value::Null).await.expect(200);
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    let at = json!({"__class__": "datetime", "year": 2020, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0});
    let domain = json!(["OR", [["write_date", ">=", at]], [["create_date", ">=", at]]]);
    let found = shop.tryton("GET", &find(domain), company(), Value::Null).await.expect(200);
    assert_eq!(found.as_array().map(Vec::len), Some(3));
    let headers = [("authorization", "Bearer tryton_sandbox_key"), ("range", "records=1-3")];
    let path = "/tryton/crossdock/rest/model/sale.sale";
    let page = shop.try_send("GET", path, &headers, "").await.expect("an answer");
    assert_eq!(page.headers["content-range"], "records 1-3/3");
    assert_eq!(page.json().as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn refusals_look_as_tryton_has_them() {
    let shop = shop().await;
    let missing = shop.tryton("GET", "sale.sale/99", company(), Value::Null).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("<!doctype html>"));
    let path = "/tryton/crossdock/rest/model/sale.sale";
    let unknown = shop.try_send("GET", path, &[], "").await.expect("an answer");
    assert_eq!(unknown.status, 401);
    let field = shop.tryton("GET", "sale.sale?f=nothing", company(), Value::Null).await;
    assert_eq!(field.status, 200, "no record, no field read");
    let id = sale(&shop, "O-1", 1, 1.0, json!({})).await;
    let field = shop.tryton("GET", "sale.sale?f=nothing", company(), Value::Null).await;
    assert_eq!(field.status, 500);
    let action =
        shop.tryton("POST", &format!("sale.sale/{id}/explode"), company(), json!({})).await;
    assert_eq!(action.status, 403);
    let stamp = shop.rpc("model.sale.sale.read", json!([[id], ["_timestamp"], company()])).await;
    let stamp = stamp["result"][0]["_timestamp"].clone();
    shop.tryton("PUT", &format!("sale.sale/{id}"), company(), json!({"comment": "mine"}))
        .await
        .expect(200);
    let context = json!({"company": 1, "_timestamp": {format!("sale.sale,{id}"): stamp}});
    let stale =
        shop.rpc("model.sale.sale.write", json!([[id], {"comment": "yours"}, context])).await;
    assert_eq!(stale["error"][0], "ConcurrencyException");
}
