//! That prism holds connector and sandbox to the description, and what it does not look at: the
//! parameters of queries. InvenTree passes over those that it does not know, and then finds all.

use std::collections::BTreeSet;

use product_suite::told;
use serde_json::{Value, json};

use super::{ONE_AT_A_TIME, inventree, order, request, shipment, wms, world};

/// What was asked for by prism's log, `GET path?name`, where the description has no such parameter.
pub fn unknown_parameters(log: &str) -> Vec<String> {
    let text = std::fs::read_to_string(told("INVENTREE_DESCRIPTION")).expect("the description");
    let description: Value = serde_json::from_str(&text).expect("a description in JSON");
    let asked: BTreeSet<(String, String)> = log.lines().filter_map(forwarded).collect();
    let mut unknown = BTreeSet::new();
    for (method, url) in asked {
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let names = query.split('&').filter_map(|pair| pair.split('=').next());
        let known = parameters(&description, &method, path);
        let unknown_here = names.filter(|name| !name.is_empty() && !known.contains(*name));
        unknown.extend(unknown_here.map(|name| format!("{method} {path}?{name}")));
    }
    unknown.into_iter().collect()
}

/// `> Forwarding "get" request to http://127.0.0.1:1/inventree/api/part/?limit=1...`
fn forwarded(line: &str) -> Option<(String, String)> {
    let (method, rest) = line.split_once("Forwarding \"")?.1.split_once("\" request to ")?;
    let url = rest.trim_end().trim_end_matches("...");
    Some((method.to_owned(), url.split_once("/inventree")?.1.to_owned()))
}

fn parameters<'a>(description: &'a Value, method: &str, path: &str) -> BTreeSet<&'a str> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let asked: Vec<&str> = template.split('/').collect();
        let mut pairs = asked.iter().zip(&parts);
        asked.len() == parts.len()
            && pairs.all(|(asked, part)| asked == part || asked.starts_with('{') && is_key(part))
    };
    let paths = description["paths"].as_object().expect("paths");
    let found = paths.iter().find(|(template, _)| fits(template));
    let operation = &found.unwrap_or_else(|| panic!("{path} is not described")).1[method];
    let named = operation["parameters"].as_array().into_iter().flatten();
    named.filter_map(|parameter| parameter["name"].as_str()).collect()
}

fn is_key(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn what_the_description_does_not_allow_gets_nowhere() {
    let _alone = ONE_AT_A_TIME.lock();
    let line = |body: Value| inventree().post("/api/order/so-line/", &body);
    let unnamed = line(json!({"order": 1, "part": 2, "quantity": 3, "referenz": "1"}));
    assert_eq!(unnamed.status, 422, "{}", unnamed.body);
    let wrong = line(json!({"order": 1, "part": 2, "quantity": "three"}));
    assert_eq!(wrong.status, 422, "{}", wrong.body);
    assert_eq!(line(json!({"part": 2, "quantity": 3})).status, 422);
    assert_eq!(inventree().get("/api/part/").status, 422, "without a limit");
    assert_eq!(inventree().get("/api/parts/?limit=1").status, 404);
    let log = "> Forwarding \"get\" request to http://h/inventree/api/order/so/?limit=1&kunde=2...";
    assert_eq!(unknown_parameters(log), ["get /api/order/so/?kunde"]);
}

#[test]
fn an_answer_that_the_description_does_not_allow_does_not_pass() {
    let _alone = ONE_AT_A_TIME.lock();
    let rule = json!({"kind": "garbage", "product": "inventree", "count": 1});
    let made = world().post("/sandbox/faults", &rule);
    assert_eq!(made.status, 201, "{}", made.body);
    let broken = inventree().get("/api/part/?limit=1");
    world().send("DELETE", "/sandbox/faults", "", None);
    assert_eq!(broken.status, 500, "{}", broken.body);
}

/// Prism alone answers by the examples of the description: one request of each kind is understood.
#[test]
fn the_examples_of_the_description_are_understood() {
    let wms = wms("INVENTREE_MOCK_URL");
    let check = |operation: &str, input: &Value| {
        if let Err(fault) = wms.call(operation, input) {
            assert_ne!(fault.code, "unreadable-answer", "{operation}: {fault:?}");
            assert_ne!(fault.status, Some(422), "{operation}: {fault:?}");
        }
    };
    let order = order("P-1", &[("DRILL-18V", "3")]);
    let by_number = json!({
        "id": "P-1-S", "references": [{"system": "inventree", "object": "shipment", "id": "7"}],
    });
    check("get-inventory", &json!({"company": "crossdock", "item": "string"}));
    check("get-shipment", &json!({"company": "crossdock", "shipment": by_number}));
    check("hold-shipment", &json!({"shipment": by_number}));
    check("cancel-shipment", &json!({"shipment": by_number}));
    check("release-shipment", &json!({"shipment": shipment("P-1")}));
    check("promise-order", &json!({"order": order}));
    check("request-shipment", &request(&order));
    check("poll-shipment-milestones", &json!({"limit": 5}));
}
