//! Customers and items, and what changes of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::{erp, rpc, tryton};

fn named(id: &str) -> Value {
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

/// Tryton gives all that one transaction writes the same time.
#[test]
fn many_customers_of_one_moment_come_each_once() {
    let run = std::process::id();
    let code = |at: usize| format!("F-{run}-{at:03}");
    let name = |at: usize| format!("Møller & Søn 商社 {} {at}", "lång ".repeat(50));
    let parties: Vec<Value> =
        (0..120).map(|at| json!({"name": name(at), "code": code(at)})).collect();
    rpc("model.party.party.create", json!([parties]));
    let feed = |cursor: Value| {
        let input = json!({"cursor": cursor, "limit": 25});
        erp().call("list-changed-customers", &input).expect("an answer")
    };
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = feed(cursor);
        cursor = page["next_cursor"].clone();
        seen.extend(page["items"].as_array().expect("items").iter().cloned());
        if page["more"] != true {
            break;
        }
    }
    let ids: BTreeSet<&str> = seen.iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(ids.len(), seen.len(), "none twice");
    let found = |id: String| seen.iter().find(|item| item["value"]["id"] == id);
    for at in 0..120 {
        let item = found(code(at)).unwrap_or_else(|| panic!("{} is missing", code(at)));
        assert_eq!(item["value"]["name"], name(at));
    }

    // Who is not active any more has changed, too.
    let tryton = tryton();
    let id = tryton.find("party.party", json!([["code", "=", code(7)]]), &["id"])["id"].as_i64();
    tryton.write("party.party", id.expect("an id"), &json!({"active": false}));
    let changed = feed(cursor);
    let value = &changed["items"][0]["value"];
    assert_eq!(
        (&value["id"], &value["status"]),
        (&json!(code(7)), &json!("closed")),
        "{changed:#}"
    );
    let input = json!({"customer": named(&code(7)), "company": "crossdock"});
    let closed = erp().call("get-customer", &input).expect("an answer");
    assert_eq!(closed["found"]["status"], "closed");
}
