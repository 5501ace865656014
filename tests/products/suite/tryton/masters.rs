//! Customers and items.

use serde_json::json;

use super::world::erp;

fn named(id: &str) -> serde_json::Value {
    json!({"id": id, "references": []})
}

#[test]
fn a_customer_is_found_by_its_number() {
    let erp = erp();
    let input = json!({"customer": named("C-1004"), "company": "crossdock"});
    let found = erp.call("get-customer", &input).expect("an answer");
    let customer = &found["found"];
    assert_eq!(customer["name"], "Gebr. Falke GmbH", "{found:#}");
    assert_eq!((&customer["currency"], &customer["status"]), (&json!("EUR"), &json!("active")));
    assert_eq!(customer["terms"]["code"], "Net 60");
    assert_eq!(customer["addresses"][0]["address"]["lines"], json!(["Hafenstraße 3"]));
    assert_eq!(customer["addresses"][0]["address"]["region"], "HH");
    let nobody = json!({"customer": named("C-404"), "company": "crossdock"});
    assert_eq!(erp.call("get-customer", &nobody), Ok(json!("unknown")));
}

#[test]
fn an_item_is_found_by_its_code() {
    let erp = erp();
    let input = json!({"item": named("GENERATOR-5K"), "company": "crossdock"});
    let found = erp.call("get-item", &input).expect("an answer");
    let item = &found["found"];
    assert_eq!(item["name"], "Generator 5 kW", "{found:#}");
    assert_eq!((&item["status"], &item["base_unit"]), (&json!("active"), &json!("C62")));
    assert_eq!(item["weight"], json!({"value": "82", "unit": "KGM"}));
    let nothing = json!({"item": named("NO-SUCH"), "company": "crossdock"});
    assert_eq!(erp.call("get-item", &nothing), Ok(json!("unknown")));
}
