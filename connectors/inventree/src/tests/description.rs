//! Every request of every operation against the API description that InvenTree publishes. It is not
//! part of this repository: where there is none, nothing is looked at, and the test says so.
//!
//! InvenTree passes over what it does not know: a parameter that is not described filters nothing, and
//! then a search finds everything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crossdock_sdk::http::replay::Seen;
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use super::statuses::{name, operations};

struct Description(Yaml);

impl Description {
    fn published() -> Option<Description> {
        let beside =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs/inventree.yaml");
        let file = std::env::var_os("CROSSDOCK_INVENTREE_SPEC").map_or(beside, PathBuf::from);
        let Ok(text) = std::fs::read_to_string(&file) else {
            eprintln!("skipped: no description of InvenTree at {}", file.display());
            return None;
        };
        let mut documents = YamlLoader::load_from_str(&text).expect("a description in YAML");
        Some(Description(documents.swap_remove(0)))
    }

    /// What is wrong with a request.
    fn violations(&self, seen: &Seen) -> Vec<String> {
        let request = name(seen);
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let operation = &self.0["paths"][path][method.to_lowercase().as_str()];
        if operation.is_badvalue() {
            return vec![format!("{request} is not described")];
        }
        let mut wrong = parameters(operation, &seen.request);
        let body = match seen.body.as_str() {
            "" => Value::Null,
            _ => seen.json(),
        };
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        match (schema.as_str().and_then(|name| name.rsplit('/').next()), &body) {
            (None, Value::Null) => {}
            (None, _) => wrong.push("takes no body".into()),
            (Some(schema), _) => self.fields(schema, &body, &mut wrong),
        }
        wrong.into_iter().map(|why| format!("{request}: {why}")).collect()
    }

    fn fields(&self, schema: &str, body: &Value, wrong: &mut Vec<String>) {
        let schema = &self.0["components"]["schemas"][schema];
        let Some(fields) = body.as_object() else {
            return wrong.push("wants a body".into());
        };
        let writable = |field: &str| {
            let described = &schema["properties"][field];
            !described.is_badvalue() && described["readOnly"].as_bool() != Some(true)
        };
        for (field, value) in fields {
            if !writable(field) {
                wrong.push(format!("has no field `{field}` to write"));
            }
            let described = &schema["properties"][field.as_str()];
            if value.is_null() && described["nullable"].as_bool() != Some(true) {
                wrong.push(format!("`{field}` cannot be null"));
            }
            let items =
                described["items"]["$ref"].as_str().and_then(|name| name.rsplit('/').next());
            for item in value.as_array().into_iter().flatten() {
                self.fields(items.expect("items that are described"), item, wrong);
            }
        }
        let required = schema["required"].as_vec().into_iter().flatten().filter_map(Yaml::as_str);
        for field in required.filter(|field| writable(field) && !fields.contains_key(*field)) {
            wrong.push(format!("wants `{field}`"));
        }
    }
}

fn parameters(operation: &Yaml, request: &str) -> Vec<String> {
    let described: Vec<&Yaml> = operation["parameters"].as_vec().into_iter().flatten().collect();
    let named = |name: &str| described.iter().find(|known| known["name"].as_str() == Some(name));
    let query = request.split_once('?').map_or("", |(_, query)| query);
    let given: Vec<(&str, &str)> =
        query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let mut wrong = Vec::new();
    for (name, value) in &given {
        let Some(known) = named(name) else {
            wrong.push(format!("has no parameter `{name}`"));
            continue;
        };
        let mut choices = known["schema"]["enum"].as_vec().into_iter().flatten();
        let any = known["schema"]["enum"].is_badvalue();
        if !any && !choices.any(|choice| choice.as_str() == Some(value)) {
            wrong.push(format!("`{name}` cannot be `{value}`"));
        }
    }
    let required = described.iter().filter(|known| known["required"].as_bool() == Some(true));
    for known in required.filter(|known| known["in"].as_str() == Some("query")) {
        let name = known["name"].as_str().unwrap_or_default();
        if given.iter().all(|(given, _)| *given != name) {
            wrong.push(format!("wants the parameter `{name}`"));
        }
    }
    wrong
}

#[test]
fn every_request_is_as_inventree_describes_it() {
    let Some(description) = Description::published() else { return };
    let requests: Vec<Seen> = operations().iter().flat_map(|made| made.requests()).collect();
    let wrong: BTreeSet<String> =
        requests.iter().flat_map(|seen| description.violations(seen)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    // What a search is to find must be searched.
    let searched = |path: &str, field: &str| {
        let parameters = description.0["paths"][path]["get"]["parameters"].as_vec();
        let mut parameters = parameters.into_iter().flatten();
        let search = parameters.find(|known| known["name"].as_str() == Some("search"));
        let said = search.and_then(|search| search["description"].as_str()).unwrap_or_default();
        let fields = said.split_once(':').map_or("", |(_, fields)| fields);
        let mut fields = fields.trim_end_matches('.').split(',').map(str::trim);
        assert!(fields.any(|known| known == field), "{path} does not search `{field}`: {said}");
    };
    searched("/api/company/", "tax_id");
    searched("/api/order/so/shipment/", "reference");
}

#[test]
fn what_is_not_described_is_told() {
    let Some(description) = Description::published() else { return };
    let check = |request: &str, body: &str, expect: &str| {
        let request = request.replace(' ', " http://inventree");
        let seen = Seen { request, headers: Vec::new(), body: body.into() };
        let wrong = description.violations(&seen);
        assert!(wrong.iter().any(|why| why.ends_with(expect)), "{wrong:?}");
    };
    check("GET /api/order/so/?limit=1&customer_reference=O-1", "", "`customer_reference`");
    check("GET /api/order/so/", "", "wants the parameter `limit`");
    check("GET /api/order/so/shipment/?limit=1&ordering=pk", "", "`ordering` cannot be `pk`");
    check("POST /api/order/so/4/issue/", "{}", "takes no body");
    check(
        "POST /api/order/so-line/",
        r#"{"order": 1, "quantity": 1, "shipped": 1}"#,
        "`shipped` to write",
    );
    check("POST /api/order/so-line/", r#"{"order": 1}"#, "wants `quantity`");
    check("POST /api/company/", r#"{"name": "X", "currency": null}"#, "`currency` cannot be null");
    let item = r#"{"items": [{"line_item": 1, "stock_item": 2}]}"#;
    check("POST /api/order/so/4/allocate/", item, "wants `quantity`");
}
