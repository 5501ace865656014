//! The connector as the routes configure it, and Tryton as its other users see it. The records are
//! those of `tests/products/tryton/set_up.py`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use product_suite::{Connector, Http, told};
use serde_json::{Value, json};

/// The connector with both doors of Tryton.
pub fn erp() -> Connector {
    let (url, user) = (told("TRYTON_URL"), told("TRYTON_USER"));
    let settings = format!(
        r#"
        [connectors.erp.config]
        company = "crossdock"
        database = {:?}
        guest = "C-2001"
        warehouse = "EAST"
        rates = {{ EUR = "1.08", JPY = "0.0067", KWD = "3.2" }}
        [upstreams.tryton]
        base_url = {url:?}
        auth = {{ kind = "bearer", token = {{ env = "TRYTON_KEY" }} }}
        [upstreams.tryton-rpc]
        base_url = {url:?}
        auth = {{ kind = "basic", user = {user:?}, password = {{ env = "TRYTON_PASSWORD" }} }}
        "#,
        told("TRYTON_DATABASE"),
    );
    Connector::new("erp", "tryton", &settings)
}

/// Tryton's REST application, with the key of a colleague.
pub struct Tryton(Http);

pub fn tryton() -> Tryton {
    let base = format!("{}/{}/rest/model", told("TRYTON_URL"), told("TRYTON_DATABASE"));
    let context = json!({"company": 1, "_skip_warnings": true});
    Tryton(
        Http::new(base)
            .with("authorization", format!("Bearer {}", told("TRYTON_CLERK_KEY")))
            .with("x-tryton-context", encode(&context)),
    )
}

impl Tryton {
    /// All records that fit, oldest first.
    #[track_caller]
    pub fn search(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        let fields: String = fields.iter().map(|field| format!("&f={field}")).collect();
        let (domain, order) = (encode(&domain), encode(&json!([["id", "ASC"]])));
        let answer = self.0.get(&format!("/{model}?d={domain}&o={order}{fields}")).json();
        serde_json::from_value(answer).expect("a list of records")
    }

    /// The one record that fits.
    #[track_caller]
    pub fn find(&self, model: &str, domain: Value, fields: &[&str]) -> Value {
        let mut found = self.search(model, domain, fields);
        assert_eq!(found.len(), 1, "{model}: {found:#?}");
        found.remove(0)
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE.encode(value.to_string())
}

/// An order in US dollars of `[[sku, quantity, price], ..]`, under an id of its own in each run.
pub fn order(id: &str, customer: &str, lines: Value) -> Value {
    let run = std::process::id();
    let lines = lines.as_array().expect("a list of lines").iter().enumerate().map(|(at, line)| {
        let price = json!({"amount": {"amount": line[2], "currency": "USD"}, "per": {"value": "1", "unit": "C62"}});
        json!({
            "id": (at + 1).to_string(), "item": line[0],
            "quantity": {"value": line[1].to_string(), "unit": "C62"},
            "price": price, "discounts": [], "attributes": [],
        })
    });
    let address = json!({"lines": ["1 Dock Street"], "city": "Newark", "region": "NJ", "postal_code": "07114", "country": "US"});
    json!({
        "id": format!("{id}-{run}"), "company": "crossdock", "references": [], "attributes": [],
        "version": 1, "occurred_at": "2026-11-02T10:00:00Z", "channel": "api", "documents": [],
        "status": "received",
        "sold_to": {"customer": customer, "name": customer, "tax_ids": [], "references": []},
        "ship_to": {"name": "Dock 2", "address": address},
        "currency": "USD", "delivery_policy": "backorder", "invoice_trigger": "shipment",
        "payment": {"terms": {"code": "NET30", "net_days": 30}},
        "holds": [], "charges": [], "discounts": [], "lines": lines.collect::<Vec<_>>(),
    })
}
