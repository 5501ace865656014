//! The storefront: it sends signed `orders/create` webhooks and asks nothing back.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value, json};

use crate::catalogue::ITEMS;
use crate::money;
use crate::state::{State, now_ms, timestamp};

const FIRST_NUMBER: u64 = 1001;
const SHOP: &str = "crossdock.myshopify.com";

impl State {
    /// Makes the order document from what the caller wants and sends it; `Err` says what is wrong.
    pub fn place_order(&mut self, wanted: &Value) -> Result<Value, String> {
        let lines = wanted["lines"].as_array().filter(|lines| !lines.is_empty());
        let lines = lines.ok_or("an order needs `lines`: [{\"sku\", \"quantity\", \"price\"}]")?;
        let payment = wanted["payment"].as_str().unwrap_or("pending");
        if !matches!(payment, "pending" | "authorized" | "paid" | "terms") {
            return Err("`payment` is pending, authorized, paid or terms".into());
        }
        let number = FIRST_NUMBER + self.storefront_orders;
        let currency = wanted["currency"].as_str().unwrap_or("USD");
        let mut subtotal = Decimal::ZERO;
        let mut items = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            items.push(line_item(line, number, index, currency, &mut subtotal)?);
        }
        self.storefront_orders += 1;
        let name = match wanted["name"].as_str() {
            Some(name) => name.to_owned(),
            None => format!("#{number}"),
        };
        let shipping = money::read(&wanted["shipping"]).unwrap_or_default();
        let total = subtotal + shipping;
        let mut notes =
            vec![note("customer_code", wanted["customer_code"].as_str().unwrap_or("C-2001"))];
        if let Some(token) = wanted["payment_token"].as_str() {
            notes.push(note("payment_token", token));
        } else if payment == "pending" {
            notes.push(note("payment_token", "pm_card_visa"));
        }
        if matches!(payment, "authorized" | "paid") {
            let digits = money::CURRENCIES.iter().find(|c| c.0 == currency).map_or(2, |c| c.1);
            let minor = (total * Decimal::from(10_i64.pow(digits))).to_i64().unwrap_or(0);
            let intent = self.channel_intent(&name, minor, currency, payment == "paid");
            notes.push(note("stripe_payment_intent", &intent));
        }
        let mut order = document(wanted, number, &name, currency, &items, subtotal, shipping);
        order["note_attributes"] = Value::Array(notes);
        if let Some(over) = wanted["document"].as_object() {
            merge(&mut order, over);
        }
        let id = format!("{:08x}-0000-4000-8000-{:012x}", self.options.seed, number);
        let event_id = self.word(32);
        let headers = vec![
            ("x-shopify-topic".to_owned(), "orders/create".to_owned()),
            ("x-shopify-shop-domain".to_owned(), SHOP.to_owned()),
            ("x-shopify-api-version".to_owned(), "2026-01".to_owned()),
            ("x-shopify-webhook-id".to_owned(), id.clone()),
            ("x-shopify-event-id".to_owned(), event_id),
            ("x-shopify-triggered-at".to_owned(), timestamp(now_ms())),
            ("x-shopify-test".to_owned(), "true".to_owned()),
        ];
        self.post_webhook("shopify", "orders/create", &id, headers, &order);
        Ok(json!({"webhook_id": id, "order": order}))
    }
}

fn document(
    wanted: &Value,
    number: u64,
    name: &str,
    currency: &str,
    items: &[Value],
    subtotal: Decimal,
    shipping: Decimal,
) -> Value {
    let id = 5_500_000_000_000 + number;
    let now = timestamp(now_ms());
    let payment = wanted["payment"].as_str().unwrap_or("pending");
    let email = wanted["email"].as_str().unwrap_or("pat@example.com");
    let mut address = json!({
        "first_name": "Pat", "last_name": "Rivers", "name": "Pat Rivers", "company": null,
        "address1": "1 Main Street", "address2": null, "city": "New York", "province": "New York",
        "province_code": "NY", "zip": "10001", "country": "United States", "country_code": "US",
        "phone": "+12125550100", "latitude": null, "longitude": null,
    });
    if let Some(given) = wanted["shipping_address"].as_object() {
        merge(&mut address, given);
    }
    let set = |amount: Decimal| {
        let money = json!({"amount": format!("{amount:.2}"), "currency_code": currency});
        json!({"shop_money": money, "presentment_money": money})
    };
    let shipping_lines = if shipping.is_zero() {
        json!([])
    } else {
        json!([{"id": id * 10, "title": "Standard", "code": "standard", "source": "shopify",
            "price": format!("{shipping:.2}"), "discounted_price": format!("{shipping:.2}"),
            "price_set": set(shipping), "carrier_identifier": null, "tax_lines": []}])
    };
    let terms = if payment == "terms" {
        json!({"id": 1, "payment_terms_name": "Net 30", "payment_terms_type": "net", "due_in_days": 30,
            "created_at": now, "payment_schedules": []})
    } else {
        Value::Null
    };
    let gateways: &[&str] = match payment {
        "terms" => &[],
        "pending" => &["stripe"],
        _ => &["shopify_payments"],
    };
    let mut order = json!({
        "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "app_id": 580_111,
        "name": name, "number": number - 1000, "order_number": number, "email": email,
        "contact_email": email, "phone": null, "created_at": now, "processed_at": now,
        "updated_at": now, "cancelled_at": null, "cancel_reason": null, "closed_at": null,
        "currency": currency, "presentment_currency": currency, "confirmed": true,
        "financial_status": if payment == "terms" { "pending" } else { payment },
        "fulfillment_status": null, "total_price": format!("{:.2}", subtotal + shipping),
        "current_total_price": format!("{:.2}", subtotal + shipping),
    });
    let rest = json!({
        "total_price_set": set(subtotal + shipping), "subtotal_price": format!("{subtotal:.2}"),
        "subtotal_price_set": set(subtotal), "total_line_items_price": format!("{subtotal:.2}"),
        "total_tax": "0.00", "total_discounts": "0.00", "total_shipping_price_set": set(shipping),
        "total_weight": 0, "taxes_included": false, "tax_exempt": false, "tax_lines": [],
        "payment_gateway_names": gateways, "payment_terms": terms, "source_name": "web",
        "customer": {"id": 7_000_000_001_i64, "email": email, "first_name": address["first_name"],
            "last_name": address["last_name"], "tags": wanted["customer_code"].as_str().unwrap_or("C-2001"),
            "state": "enabled", "currency": currency, "tax_exempt": false},
        "billing_address": address, "shipping_address": address, "line_items": items,
        "shipping_lines": shipping_lines, "discount_codes": [], "discount_applications": [],
        "fulfillments": [], "refunds": [], "note": wanted["note"], "po_number": wanted["po_number"],
        "tags": "", "test": true, "token": format!("{id:032x}"), "cart_token": null,
    });
    if let Some(rest) = rest.as_object() {
        merge(&mut order, rest);
    }
    order
}

fn line_item(
    line: &Value,
    order: u64,
    index: usize,
    currency: &str,
    subtotal: &mut Decimal,
) -> Result<Value, String> {
    let sku = line["sku"].as_str().ok_or("each line needs a `sku`")?;
    let quantity = line["quantity"].as_i64().unwrap_or(1);
    let item = ITEMS.iter().position(|item| item.sku == sku);
    let price = money::read(&line["price"])
        .or_else(|| item.and_then(|place| money::parse(ITEMS[place].price)))
        .ok_or_else(|| format!("{sku} is not in the catalogue: give its `price`"))?;
    *subtotal += price * Decimal::from(quantity);
    let title = item.map_or(sku, |place| ITEMS[place].name);
    let grams = item.map_or(0.0, |place| ITEMS[place].weight_kg * 1000.0) as i64;
    let product = item.map_or(0, |place| place as i64 + 1);
    let money = json!({"amount": format!("{price:.2}"), "currency_code": currency});
    Ok(json!({
        "id": 14_000_000_000_000 + order * 100 + index as u64,
        "admin_graphql_api_id": format!("gid://shopify/LineItem/{}", order * 100 + index as u64),
        "sku": sku, "title": title, "name": title, "variant_title": null, "vendor": "Crossdock",
        "quantity": quantity, "current_quantity": quantity, "fulfillable_quantity": quantity,
        "fulfillment_service": "manual", "fulfillment_status": null, "gift_card": false,
        "grams": grams, "price": format!("{price:.2}"),
        "price_set": {"shop_money": money, "presentment_money": money},
        "product_id": 8_000_000_000_000 + product, "variant_id": 9_000_000_000_000 + product,
        "product_exists": true, "properties": [], "requires_shipping": true, "taxable": true,
        "total_discount": "0.00", "tax_lines": [], "duties": [], "discount_allocations": [],
    }))
}

fn note(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

/// Merges objects by name, replaces everything else.
fn merge(value: &mut Value, over: &Map<String, Value>) {
    for (name, given) in over {
        match (given, &mut value[name.as_str()]) {
            (Value::Object(given), own @ Value::Object(_)) => merge(own, given),
            (given, own) => *own = given.clone(),
        }
    }
}
