//! The connector as the routes configure it, and Tryton as its other users see it. The records are
//! those of `tests/products/tryton/set_up.py`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use product_suite::{Connector, Http, told};
use serde_json::{Value, json};

/// The connector with both doors of Tryton.
pub fn erp() -> Connector {
    Connector::new("erp", "tryton", &settings(&told("TRYTON_URL")))
}

/// What a configuration says of the connector under the alias `erp`, with Tryton at this address.
pub fn settings(url: &str) -> String {
    let user = told("TRYTON_USER");
    format!(
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
    )
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

    #[track_caller]
    pub fn write(&self, model: &str, id: i64, values: &Value) {
        let media = Some("application/json");
        self.0.send("PUT", &format!("/{model}/{id}"), &values.to_string(), media).json();
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

/// The same in another currency.
pub fn in_currency(mut order: Value, currency: &str) -> Value {
    order["currency"] = currency.into();
    for line in order["lines"].as_array_mut().expect("lines") {
        line["price"]["amount"]["currency"] = currency.into();
    }
    order
}

/// The same on credit hold.
pub fn held(mut order: Value) -> Value {
    order["holds"] = json!([{"kind": "credit", "placed_at": "2026-11-02T10:00:00Z"}]);
    order
}

pub fn money(amount: &str, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

/// As `get-order` and `cancel-order` want it.
pub fn identity(object: &Value) -> Value {
    json!({"id": object["id"], "references": []})
}

/// The input of `record-milestone`: what has left of the order so far, `[[line, sku, quantity], ..]`.
pub fn shipped(order: &Value, shipment: &str, lines: Value) -> Value {
    let lines = lines.as_array().expect("a list of lines").iter().map(|line| {
        let quantity = json!({"value": line[2].to_string(), "unit": "C62"});
        json!({"order_line": line[0], "item": line[1], "quantity": quantity, "lots": []})
    });
    json!({"milestone": {
        "id": format!("M-{shipment}"), "company": "crossdock", "references": [], "attributes": [],
        "version": 1, "occurred_at": "2026-11-03T10:00:00Z", "kind": "shipped",
        "order": order["id"], "shipment": shipment, "lines": lines.collect::<Vec<_>>(),
    }})
}

/// A method by Tryton's JSON-RPC, which a colleague's client speaks.
#[track_caller]
pub fn rpc(method: &str, parameters: Value) -> Value {
    let credentials =
        STANDARD.encode(format!("{}:{}", told("TRYTON_USER"), told("TRYTON_PASSWORD")));
    let base = format!("{}/{}/rpc", told("TRYTON_URL"), told("TRYTON_DATABASE"));
    let http = Http::new(base).with("authorization", format!("Basic {credentials}"));
    let mut params = parameters.as_array().expect("a list of parameters").clone();
    params.push(json!({"company": 1}));
    let answer = http.post("/", &json!({"id": 0, "method": method, "params": params})).json();
    assert!(answer["error"].is_null(), "{method}: {answer:#}");
    answer["result"].clone()
}
