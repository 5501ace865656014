//! Order webhooks as Shopify's reference shows them, with the fields of our checkout.

mod statuses;

use crossdock_sdk::canonical::attribute_of;
use crossdock_sdk::canonical::common::CancelReason;
use crossdock_sdk::canonical::orders::{DeliveryPolicy, Order, PaymentArrangement};
use crossdock_sdk::serde_json::{self, Value, json};
use crossdock_sdk::wit::crossdock::core::webhook::Header;
use crossdock_sdk::{Call, Retry, WebhookRequest, config};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::storefront::cancellation_webhook::Guest as _;
use crate::exports::crossdock::storefront::order_webhook::Guest as _;

fn call() -> Call {
    config::set(json!({"company": "ACME", "freight_tax_code": "FR020100"}));
    Call {
        exchange: "0X".into(),
        key: "0X/source/0".into(),
        attempt: 1,
        started_at: "2026-04-02T10:00:00Z".into(),
        deadline: "2026-04-02T10:01:00Z".into(),
        traceparent: String::new(),
    }
}

fn webhook(topic: &str, document: &Value) -> WebhookRequest {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    WebhookRequest {
        path: "/webhooks/shopify".into(),
        headers: vec![
            header("x-shopify-topic", topic),
            header("x-shopify-shop-domain", "crossdock.myshopify.com"),
            header("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
        ],
        body: document.to_string().into_bytes(),
        received_at: "2026-04-02T10:00:01Z".into(),
    }
}

/// The sample of the reference, cut to what is read, beside some that is not.
fn document() -> Value {
    let address = json!({
        "first_name": "Steve", "last_name": "Shipper", "name": "Steve Shipper", "company": "Shipping Company",
        "address1": "123 Shipping Street", "address2": "", "city": "Shippington", "zip": "40003",
        "province": "Kentucky", "province_code": "KY", "country": "United States", "country_code": "US",
        "phone": "555-555-SHIP", "latitude": null, "longitude": null});
    let mut document = json!({
        "id": 820982911946154508_u64, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",
        "name": "#9999", "order_number": 1234, "email": "jon@example.com", "phone": null,
        "created_at": "2021-12-31T19:00:00-05:00", "processed_at": "2021-12-31T19:00:01-05:00",
        "cancelled_at": null, "cancel_reason": null, "currency": "USD", "presentment_currency": "USD",
        "customer_locale": "en", "financial_status": "pending", "fulfillment_status": null,
        "total_price": "403.00", "subtotal_price": "388.00", "total_discounts": "20.00",
        "total_tip_received": "0.00", "taxes_included": false, "confirmed": true,
        "payment_gateway_names": ["shopify_payments", "bogus"], "payment_terms": null, "test": true,
        "customer": {"id": 115310627314723954_u64, "email": "john@example.com", "first_name": "John",
            "last_name": "Smith", "phone": null, "tags": "", "tax_exempt": false},
    });
    let more = json!({
        "billing_address": address, "shipping_address": address,
        "discount_applications": [{"target_type": "line_item", "type": "discount_code", "code": "SPRING",
            "value": "5.0", "value_type": "percentage", "allocation_method": "across", "target_selection": "all"}],
        "line_items": [
            {"id": 866550311766439020_u64, "sku": "IPOD2008-PINK", "name": "IPod Nano - 8GB", "quantity": 2,
             "current_quantity": 2, "price": "199.00", "total_discount": "0.00", "taxable": true,
             "requires_shipping": true, "variant_id": 808950810, "properties": [{"name": "Engraving", "value": "Zoe"}],
             "discount_allocations": [{"amount": "20.00", "discount_application_index": 0}],
             "tax_lines": [{"title": "State Tax", "price": "23.88", "rate": 0.06}]},
            {"id": 141249953214522974_u64, "sku": null, "name": "Gift card", "quantity": 1, "price": "10.00",
             "total_discount": "0.00", "taxable": false, "requires_shipping": false, "variant_id": 49148385,
             "discount_allocations": [], "tax_lines": []}],
        "shipping_lines": [{"id": 271878346596884015_u64, "code": "standard", "title": "Generic Shipping",
            "price": "15.00", "discounted_price": "15.00", "tax_lines": []}],
        "note": "Ring twice", "po_number": "PO-7",
        "note_attributes": [{"name": "customer_code", "value": "C-2001"},
            {"name": "payment_token", "value": "pm_card_visa"}, {"name": "Gift wrap", "value": "yes"}],
        "tags": ""
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn received(document: &Value) -> Order {
    let call = call();
    let output = Connector::receive_orders(call, webhook("orders/create", document)).unwrap();
    assert_eq!(output.items.len(), 1);
    output.items.into_iter().next().unwrap().value
}

#[test]
fn the_published_document_is_an_order() {
    let order = received(&document());
    assert_eq!((order.id.as_str(), order.company.as_str()), ("#9999", "ACME"));
    assert_eq!(order.references[0].id, "820982911946154508");
    assert_eq!(order.occurred_at, "2022-01-01T00:00:01Z");
    assert_eq!(order.customer_order_number.as_deref(), Some("PO-7"));
    assert_eq!(order.sold_to.customer.as_deref(), Some("C-2001"));
    assert_eq!(order.sold_to.name, "Shipping Company");
    assert_eq!(order.ship_to.address.lines, ["123 Shipping Street"]);
    assert_eq!(order.ship_to.address.region.as_deref(), Some("KY"));
    assert_eq!(order.ship_to.contact.unwrap().name.as_deref(), Some("Steve Shipper"));
    assert_eq!(order.delivery_service.as_deref(), Some("standard"));
    assert_eq!(order.total.unwrap().amount, "403");
    assert_eq!(order.charges[0].amount.amount, "15");
    assert_eq!(order.charges[0].tax_code.as_deref(), Some("FR020100"));

    let line = &order.lines[0];
    assert_eq!((line.id.as_str(), line.item.as_str()), ("866550311766439020", "IPOD2008-PINK"));
    assert_eq!(line.price.as_ref().unwrap().amount.amount, "199");
    assert_eq!(line.discounts[0].code.as_deref(), Some("SPRING"));
    assert_eq!(line.discounts[0].percent.as_deref(), Some("5"));
    assert_eq!(line.amount.as_ref().unwrap().amount, "378");
    assert_eq!(line.tax_code, None);
    assert_eq!(attribute_of(&line.attributes, "shopify-engraving"), Some("Zoe"));
    let untaxed = &order.lines[1];
    assert_eq!(untaxed.item, "shopify-variant-49148385");
    assert_eq!(untaxed.tax_code.as_deref(), Some("NT"));

    assert_eq!(attribute_of(&order.attributes, "shopify-gift-wrap"), Some("yes"));
    assert_eq!(attribute_of(&order.attributes, "shopify-note"), Some("Ring twice"));
    assert_eq!(attribute_of(&order.attributes, "shopify-test"), Some("true"));
    assert_eq!(attribute_of(&order.attributes, "shopify-payment-token"), None);
}

#[test]
fn how_it_is_paid_is_what_the_money_says() {
    let paid_as = |change: &dyn Fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        received(&document).payment
    };
    let token = paid_as(&|_| {});
    assert!(matches!(token, PaymentArrangement::Token(token) if token.value == "pm_card_visa"));
    let intent = json!([{"name": "stripe_payment_intent", "value": "pi_1"}]);
    for (status, captured) in [("paid", true), ("authorized", false)] {
        let payment = match paid_as(&|document| {
            document["financial_status"] = status.into();
            document["note_attributes"] = intent.clone();
        }) {
            PaymentArrangement::Captured(payment) if captured => payment,
            PaymentArrangement::Authorised(payment) if !captured => payment,
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!((payment.system.as_str(), payment.payment.as_str()), ("stripe", "pi_1"));
        assert_eq!(payment.amount.amount, "403");
    }
    let terms = paid_as(&|document| {
        document["payment_terms"] = json!({"payment_terms_name": "Net 30", "due_in_days": 30});
    });
    let PaymentArrangement::Terms(terms) = terms else { panic!("{terms:?}") };
    assert_eq!((terms.code.as_str(), terms.net_days), ("NET30", Some(30)));
    let refunded = paid_as(&|document| document["financial_status"] = "partially_refunded".into());
    assert_eq!(refunded, PaymentArrangement::Other("partially-refunded".into()));
}

#[test]
fn prices_with_tax_in_them_are_taken_apart_to_the_cent() {
    let mut document = document();
    document["taxes_included"] = true.into();
    let order = received(&document);
    // 2 x 199.00 - 20.00 discount - 23.88 tax.
    let line = &order.lines[0];
    assert_eq!(line.amount.as_ref().unwrap().amount, "354.12");
    let price = line.price.as_ref().unwrap();
    assert_eq!((price.amount.amount.as_str(), price.per.value.as_str()), ("374.12", "2"));
}

#[test]
fn amounts_keep_the_digits_of_their_currency_and_texts_their_letters() {
    let in_currency = |currency: &str, price: &str, total: &str| {
        let mut document = document();
        document["currency"] = currency.into();
        document["total_price"] = total.into();
        document["line_items"][0]["price"] = price.into();
        document["line_items"][0]["discount_allocations"] = json!([]);
        let order = received(&document);
        let amount = |money: Option<&crossdock_sdk::Money>| money.unwrap().amount.clone();
        let line = &order.lines[0];
        (amount(line.price.as_ref().map(|price| &price.amount)), amount(line.amount.as_ref()))
    };
    let told = |price: &str, amount: &str| (price.to_owned(), amount.to_owned());
    assert_eq!(in_currency("JPY", "1500", "3000"), told("1500", "3000"));
    assert_eq!(in_currency("KWD", "1.234", "2.468"), told("1.234", "2.468"));
    assert_eq!(in_currency("USD", "0.00", "0.00"), told("0", "0"));

    let long = "Zoë Đặng & Søn 株式会社 ".repeat(20);
    let mut document = document();
    document["shipping_address"]["company"] = long.as_str().into();
    document["line_items"][0]["name"] = "Bohrmaschine 18 V – “Größe” 🛠".into();
    let order = received(&document);
    assert_eq!(order.ship_to.name, long.trim());
    assert_eq!(order.lines[0].description.as_deref(), Some("Bohrmaschine 18 V – “Größe” 🛠"));
}

#[test]
fn the_checkout_may_say_the_policy() {
    let mut document = document();
    assert_eq!(received(&document).delivery_policy, DeliveryPolicy::Backorder);
    let note = json!([{"name": "delivery_policy", "value": "Ship-Complete"},
        {"name": "requested_on", "value": "2026-05-01"}]);
    document["note_attributes"] = note;
    let order = received(&document);
    assert_eq!(order.delivery_policy, DeliveryPolicy::ShipComplete);
    assert_eq!(order.requested_on.as_deref(), Some("2026-05-01"));
}

#[test]
fn the_id_is_the_orders_and_other_topics_place_none() {
    let document = document();
    let id = |call, topic| {
        let output = Connector::receive_orders(call, webhook(topic, &document)).unwrap();
        output.items.first().map(|item| item.id.clone())
    };
    let call = call();
    assert_eq!(id(call.clone(), "orders/create").as_deref(), Some("order/820982911946154508"));
    assert_eq!(id(call.clone(), "orders/updated"), None);
    let mut request = webhook("orders/create", &json!({"id": 1}));
    let fault = Connector::receive_orders(call.clone(), request.clone()).unwrap_err();
    assert_eq!(fault.retry, Retry::Never);
    request.body = b"<html>".to_vec();
    assert_eq!(Connector::receive_orders(call, request).unwrap_err().code, "webhook-not-read");
}

#[test]
fn without_an_address_nothing_can_be_sent() {
    let mut document = document();
    document["shipping_address"] = Value::Null;
    document["billing_address"] = Value::Null;
    let fault = Connector::receive_orders(call(), webhook("orders/create", &document)).unwrap_err();
    assert!(fault.message.contains("#9999"), "{fault:?}");
}

#[test]
fn a_cancelled_order_is_a_cancellation() {
    let mut document = document();
    document["cancelled_at"] = "2026-04-02T06:00:00-04:00".into();
    document["cancel_reason"] = "customer".into();
    let call = call();
    let request = webhook("orders/cancelled", &document);
    let output = Connector::receive_cancellations(call.clone(), request.clone()).unwrap();
    let cancellation = &output.items[0].value;
    assert_eq!((cancellation.order.as_str(), &cancellation.lines), ("#9999", &None));
    assert_eq!(cancellation.reason, Some(CancelReason::CustomerRequest));
    assert_eq!(cancellation.occurred_at, "2026-04-02T10:00:00Z");
    assert!(Connector::receive_orders(call, request).unwrap().items.is_empty());
}

#[test]
fn the_config_schema_is_json_and_a_misspelt_key_is_named() {
    let schema: Value = serde_json::from_str(&Connector::describe().config_schema).unwrap();
    assert_eq!(schema["required"], json!(["company"]));
    let call = call();
    config::set(json!({"company": "ACME", "gest": "C-1"}));
    let fault = Connector::receive_orders(call, webhook("orders/create", &document())).unwrap_err();
    assert!(fault.message.contains("gest"), "{fault:?}");
}
