//! Tax: an estimate is not kept, a document is recorded, committed and voided once, refunds are negative.

use serde_json::{Value, json};

use crate::client::{Shop, shop};

fn model(kind: &str, code: &str, region: &str) -> Value {
    json!({
        "type": kind, "code": code, "companyCode": "CROSSDOCK", "date": "2026-04-02", "customerCode": "C-1001",
        "addresses": {"shipTo": {"line1": "1 Main Street", "city": "X", "region": region, "country": "US", "postalCode": "10001"}},
        "lines": [
            {"number": "1", "quantity": 3, "amount": 447.00, "itemCode": "DRILL-18V"},
            {"number": "2", "quantity": 1, "amount": 12.00, "itemCode": "FREIGHT", "taxCode": "FR020100"},
        ],
    })
}

async fn create(shop: &Shop, model: Value, status: u16) -> Value {
    shop.avatax("POST", "transactions/create", model).await.expect(status)
}

#[tokio::test]
async fn a_document_is_estimated_recorded_committed_and_voided() {
    let shop = shop().await;
    let estimate = create(&shop, model("SalesOrder", "I-1", "NY"), 201).await;
    assert_eq!(estimate["status"], "Temporary");
    // 447.00 at 4%, 4.5% and 0.375%, each rounded: 17.88 + 20.12 + 1.68.
    assert_eq!(estimate["totalTax"], 39.68);
    assert_eq!(
        (&estimate["lines"][1]["tax"], &estimate["summary"][0]["tax"]),
        (&json!(0.0), &json!(17.88))
    );
    let path = "companies/CROSSDOCK/transactions/I-1";
    let absent = shop.avatax("GET", path, Value::Null).await.expect(404);
    assert_eq!(absent["error"]["code"], "EntityNotFoundError");
    let saved = create(&shop, model("SalesInvoice", "I-1", "NY"), 201).await;
    assert_eq!(saved["status"], "Saved");
    let commit = format!("{path}/commit");
    let done = shop.avatax("POST", &commit, json!({"commit": true})).await.expect(200);
    assert_eq!(done["status"], "Committed");
    let again = shop.avatax("POST", &commit, json!({"commit": true})).await.expect(400);
    assert_eq!(again["error"]["code"], "InvalidDocumentStatusForCommit");
    let conflict = create(&shop, model("SalesInvoice", "I-1", "NY"), 400).await;
    assert_eq!(conflict["error"]["code"], "DocumentCodeConflict");
    let voided = shop.avatax("POST", &format!("{path}/void"), json!({"code": "DocVoided"})).await;
    assert_eq!(voided.expect(200)["status"], "Cancelled");
    for effect in ["transaction.create", "transaction.commit", "transaction.void"] {
        assert_eq!(shop.counted(effect, "I-1"), 1, "{effect}");
    }
}

#[tokio::test]
async fn create_or_adjust_replaces_and_a_refund_is_negative() {
    let shop = shop().await;
    let wrapped = |region: &str| {
        let mut inner = model("SalesInvoice", "I-1", region);
        inner["commit"] = json!(true);
        json!({"createTransactionModel": inner, "adjustmentReason": "Other"})
    };
    let path = "transactions/createoradjust";
    assert_eq!(shop.avatax("POST", path, wrapped("NY")).await.expect(201)["version"], 1);
    let adjusted = shop.avatax("POST", path, wrapped("TX")).await.expect(201);
    assert_eq!((&adjusted["version"], &adjusted["totalTax"]), (&json!(2), &json!(27.94)));
    assert_eq!(
        (shop.counted("transaction.create", "I-1"), shop.counted("transaction.adjust", "I-1")),
        (1, 1)
    );
    let refund = json!({"refundTransactionCode": "CN-1", "refundType": "Partial", "refundLines": ["1"], "refundDate": "2026-05-01"});
    let path = "companies/CROSSDOCK/transactions/I-1/refund";
    let refund = shop.avatax("POST", path, refund).await.expect(201);
    assert_eq!(refund["type"], "ReturnInvoice");
    assert_eq!((&refund["totalAmount"], &refund["totalTax"]), (&json!(-447.0), &json!(-27.94)));
    assert_eq!(refund["taxDate"], "2026-04-02", "taxed at the original's date");
    let list = "companies/CROSSDOCK/transactions?$filter=code%20eq%20'CN-1'";
    assert_eq!(shop.avatax("GET", list, Value::Null).await.expect(200)["@recordsetCount"], 1);
}

#[tokio::test]
async fn addresses_exemptions_and_ping() {
    let shop = shop().await;
    let mut exempt = model("SalesOrder", "", "NY");
    exempt["exemptionNo"] = json!("E-1");
    let exempt = create(&shop, exempt, 201).await;
    assert_eq!((&exempt["totalTax"], &exempt["totalExempt"]), (&json!(0.0), &json!(459.0)));
    let mut empty = model("SalesOrder", "", "NY");
    empty["lines"] = json!([]);
    create(&shop, empty, 400).await;
    let address = json!({"line1": "1 Main Street", "city": "New York", "region": "NY", "country": "US", "postalCode": "00000"});
    let resolved = shop.avatax("POST", "addresses/resolve", address).await.expect(200);
    assert_eq!(resolved["validatedAddresses"], json!([]));
    assert_eq!(resolved["messages"][0]["severity"], "Error");
    let ping = shop.avatax("GET", "utilities/ping", Value::Null).await.expect(200);
    assert_eq!(ping["authenticated"], true);
    let path = "/avatax/api/v2/transactions/create";
    let unknown = shop.try_send("POST", path, &[], "{}").await.expect("an answer");
    assert_eq!(unknown.expect(401)["error"]["code"], "AuthenticationException");
}
