//! The ERP's ledger where it is stricter than one would think, as Tryton itself was seen to be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use crate::client::{Shop, shop};
use crate::tryton::{company, decimal, pay, posted_invoice};

async fn found(shop: &Shop, model: &str, domain: Value) -> Vec<i64> {
    let domain = URL_SAFE.encode(domain.to_string());
    let path = format!("{model}?d={domain}&f=id");
    let found = shop.tryton("GET", &path, company(), Value::Null).await.expect(200);
    found.as_array().into_iter().flatten().filter_map(|record| record["id"].as_i64()).collect()
}

fn day(month: u32) -> Value {
    json!({"__class__": "date", "year": 2025, "month": month, "day": 15})
}

#[tokio::test]
async fn a_heading_of_the_chart_is_an_account_too() {
    let shop = shop().await;
    let revenue = json!([["name", "=", "Revenue"]]);
    assert_eq!(found(&shop, "account.account", revenue).await.len(), 2);
    let bookable = json!([["name", "=", "Revenue"], ["type", "!=", null], ["company", "=", 1]]);
    assert_eq!(found(&shop, "account.account", bookable).await, [2]);
}

#[tokio::test]
async fn a_move_is_of_the_period_of_its_day() {
    let shop = shop().await;
    let domain = json!([
        ["start_date", "<=", day(3)],
        ["end_date", ">=", day(3)],
        ["type", "=", "standard"],
        ["state", "=", "open"],
        ["company", "=", 1],
    ]);
    let period = found(&shop, "account.period", domain).await;
    assert_eq!(period.len(), 1);
    let of = |more: Value| {
        let mut body = json!({
            "journal": 2, "date": day(3),
            "lines": [["create", [
                {"account": 4, "debit": decimal("5.00")}, {"account": 5, "credit": decimal("5.00")},
            ]]],
        });
        for (field, value) in more.as_object().expect("an object") {
            body[field.as_str()] = value.clone();
        }
        body
    };
    // Without one it is of the period of today, which that day is not in.
    let refused = shop.tryton("POST", "account.move", company(), of(json!({}))).await;
    assert!(refused.expect(400)["message"].as_str().is_some_and(|m| m.contains("Period")));
    let made = of(json!({"period": period[0]}));
    shop.tryton("POST", "account.move", company(), made).await.expect(200);
    let half = json!({"lines": [["create", [
        {"account": 4, "debit": decimal("5.00"), "amount_second_currency": decimal("4.60")},
    ]]]});
    let refused = shop.tryton("POST", "account.move", company(), half).await;
    assert!(refused.expect(400)["message"].as_str().is_some_and(|m| m.contains("Second Currency")));
}

#[tokio::test]
async fn defaults_of_a_wizard_are_no_values() {
    let shop = shop().await;
    let id = posted_invoice(&shop, "I-1", "100.00").await;
    let context = json!({"company": 1, "active_model": "account.invoice", "active_id": id, "active_ids": [id]});
    let made = shop.rpc("wizard.account.invoice.pay.create", json!([context])).await;
    let session = &made["result"][0];
    let start = json!({"start": {"payee": 1, "amount": decimal("40.00"), "currency": 1, "description": "R-1", "payment_method": 1}});
    let chosen =
        shop.rpc("wizard.account.invoice.pay.execute", json!([session, start, "choice", context]));
    let chosen = chosen.await;
    let ask = json!({"ask": chosen["result"]["view"]["defaults"]});
    let call = json!([session, ask, "pay", context]);
    let broken = shop.rpc("wizard.account.invoice.pay.execute", call).await;
    // No UserError: Tryton's program stumbles, and says so with status 200.
    let said = broken["error"][0].as_str().unwrap_or_default();
    assert!(said.contains("has no attribute 'company.'"), "{broken}");
    assert_eq!(shop.counted("invoice.pay", "R-1"), 0);
}

#[tokio::test]
async fn a_payment_stays_with_its_invoice_until_it_is_taken_off() {
    let shop = shop().await;
    let id = posted_invoice(&shop, "I-1", "100.00").await;
    pay(&shop, id, "100.00", "R-1", json!({})).await;
    let invoice = format!(
        "account.invoice/{id}?f=state&f=amount_to_pay&f=payment_lines&f=lines_to_pay.reconciliation"
    );
    let ask = || shop.tryton("GET", &invoice, company(), Value::Null);
    let paid = ask().await.expect(200);
    let payment = paid["payment_lines"].clone();
    let off = json!({"payment_lines": [["remove", payment]]});
    let change = |body: Value| shop.tryton("PUT", &invoice, company(), body);
    assert_eq!(change(off.clone()).await.status, 400, "a paid invoice keeps its payments");
    let gone = format!("account.move.reconciliation/{}", paid["lines_to_pay"][0]["reconciliation"]);
    assert_eq!(shop.tryton("DELETE", &gone, company(), Value::Null).await.status, 204);
    let open = ask().await.expect(200);
    assert_eq!((&open["state"], &open["amount_to_pay"]), (&json!("posted"), &decimal("0.00")));
    let open = change(off).await.expect(200);
    assert_eq!(open["amount_to_pay"], decimal("100.00"));

    // Set against it once more, it closes it when the lines are reconciled.
    let again = change(json!({"payment_lines": [["add", payment]]})).await.expect(200);
    assert_eq!((&again["state"], &again["amount_to_pay"]), (&json!("posted"), &decimal("0.00")));
    let lines = json!([again["lines_to_pay"][0]["id"], payment[0]]);
    let context = json!({"company": 1, "active_model": "account.move.line", "active_id": lines[0], "active_ids": lines});
    let made = shop.rpc("wizard.account.move.reconcile_lines.create", json!([context])).await;
    let call = json!([made["result"][0], {}, "start", context]);
    shop.rpc("wizard.account.move.reconcile_lines.execute", call).await;
    assert_eq!(ask().await.expect(200)["state"], "paid");
}
