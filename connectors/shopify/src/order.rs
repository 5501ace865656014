//! The order document as a canonical order. Its id is the order's name, which the payment service
//! has too.

use crossdock_sdk::canonical::common::{
    Address, Attribute, Charge, ChargeKind, Consignee, Contact, Discount, Party, UnitPrice,
};
use crossdock_sdk::canonical::orders::{InvoiceTrigger, Order, OrderLine, OrderStatus};
use crossdock_sdk::canonical::{PIECE, attribute, price_of_one, quantity, reference};
use crossdock_sdk::{Decimal, Fault, decimal, time};

use crate::document::{self, Document, LineItem, TaxLine};
use crate::{Config, Policy, SYSTEM, payment};

pub fn order(document: &Document, shop: Option<&str>, config: &Config) -> Result<Order, Fault> {
    let placed_at = document.processed_at.as_deref().unwrap_or(&document.created_at);
    let policy = document.noted(&config.notes.delivery_policy);
    let requested_on = document.noted(&config.notes.requested_on);
    let service = document.shipping_lines.first();
    let lines = document.line_items.iter().filter(|line| line.quantity > 0);
    Ok(Order {
        id: document.name.clone(),
        company: config.company.clone(),
        references: vec![reference(SYSTEM, "order", document.id.to_string())],
        attributes: attributes(document, shop, config),
        version: 0,
        occurred_at: time::normalise(placed_at)
            .ok_or_else(|| Fault::input(format!("processed_at `{placed_at}` is no timestamp")))?,
        channel: "storefront".into(),
        customer_order_number: some(document.po_number.as_deref()),
        documents: Vec::new(),
        status: OrderStatus::Received,
        sold_to: sold_to(document, config),
        ship_to: ship_to(document, config)?,
        bill_to: None,
        payer: None,
        currency: document.currency.clone(),
        rate: None,
        requested_on: requested_on.and_then(|day| time::date_of(&day).map(str::to_owned)),
        delivery_service: service
            .and_then(|line| some(line.code.as_deref().or(line.title.as_deref()))),
        delivery_policy: policy
            .and_then(|word| Policy::read(&word))
            .unwrap_or(config.delivery_policy)
            .canonical(),
        invoice_trigger: InvoiceTrigger::Shipment,
        payment: payment::arrangement(document, config),
        holds: Vec::new(),
        charges: charges(document, config),
        // Shopify spreads what it takes off an order over its lines.
        discounts: Vec::new(),
        lines: lines.map(|line| order_line(line, document, config)).collect(),
        total: Some(decimal::money(document.total_price, &document.currency)),
    })
}

fn order_line(line: &LineItem, document: &Document, config: &Config) -> OrderLine {
    let currency = &document.currency;
    let count = Decimal::from(line.quantity);
    let discounts = discounts(line, document);
    let off: Decimal = discounts.iter().map(|discount| discount.0).sum();
    let amount = line.price * count - off - included_tax(&line.tax_lines, document);
    // A price with tax in it: what the whole quantity costs without, so that nothing is rounded.
    let price = match document.taxes_included {
        true => UnitPrice {
            amount: decimal::money(amount + off, currency),
            per: quantity(count, PIECE),
        },
        false => price_of_one(line.price, currency, PIECE),
    };
    let mut attributes: Vec<Attribute> = line
        .properties
        .iter()
        .filter_map(|property| Some(attribute(&named(&property.name), property.text()?)))
        .collect();
    if !line.requires_shipping {
        attributes.push(attribute("shopify-requires-shipping", "false"));
    }
    let variant = || format!("shopify-variant-{}", line.variant_id.unwrap_or(line.id));
    OrderLine {
        id: line.id.to_string(),
        parent: None,
        item: some(line.sku.as_deref()).unwrap_or_else(variant),
        description: some(line.name.as_deref()),
        quantity: quantity(count, PIECE),
        price: Some(price),
        discounts: discounts.into_iter().map(|discount| discount.1).collect(),
        amount: Some(decimal::money(decimal::round_total(amount, currency), currency)),
        tax_code: (!line.taxable).then(|| config.untaxed_tax_code.clone()),
        requested_on: None,
        site: None,
        progress: None,
        attributes,
    }
}

/// What is taken off a line, each with its plain amount.
fn discounts(line: &LineItem, document: &Document) -> Vec<(Decimal, Discount)> {
    let money = |amount| decimal::money(amount, &document.currency);
    if line.discount_allocations.is_empty() {
        let amount = line.total_discount;
        let by_hand =
            Discount { code: None, description: None, percent: None, amount: money(amount) };
        return if amount.is_zero() { Vec::new() } else { vec![(amount, by_hand)] };
    }
    let allocations = line.discount_allocations.iter().filter(|part| !part.amount.is_zero());
    let discounts = allocations.map(|part| {
        let of = document.discount_applications.get(part.discount_application_index);
        let percent = of.filter(|of| of.value_type.as_deref() == Some("percentage"));
        let discount = Discount {
            code: of.and_then(|of| some(of.code.as_deref())),
            description: of.and_then(|of| some(of.title.as_deref().or(of.description.as_deref()))),
            percent: percent.map(|of| decimal::text(of.value)),
            amount: money(part.amount),
        };
        (part.amount, discount)
    });
    discounts.collect()
}

fn charges(document: &Document, config: &Config) -> Vec<Charge> {
    let money = |amount| decimal::money(amount, &document.currency);
    let mut charges = Vec::new();
    for (index, line) in document.shipping_lines.iter().enumerate() {
        let price = line.discounted_price.unwrap_or(line.price);
        let amount = price - included_tax(&line.tax_lines, document);
        if amount.is_zero() {
            continue;
        }
        charges.push(Charge {
            id: line.id.map_or_else(|| format!("shipping-{}", index + 1), |id| id.to_string()),
            kind: ChargeKind::Freight,
            description: some(line.title.as_deref()),
            amount: money(amount),
            tax_code: config.freight_tax_code.clone(),
        });
    }
    if !document.total_tip_received.is_zero() {
        charges.push(Charge {
            id: "tip".into(),
            kind: ChargeKind::Other("tip".into()),
            description: None,
            amount: money(document.total_tip_received),
            tax_code: Some(config.untaxed_tax_code.clone()),
        });
    }
    charges
}

/// The tax inside of a shop's prices; nothing where they are without.
fn included_tax(lines: &[TaxLine], document: &Document) -> Decimal {
    match document.taxes_included {
        true => lines.iter().map(|line| line.price).sum(),
        false => Decimal::ZERO,
    }
}

fn sold_to(document: &Document, config: &Config) -> Party {
    let address = document.billing_address.as_ref().or(document.shipping_address.as_ref());
    let customer = document.customer.as_ref();
    let person = customer.and_then(|customer| {
        let names = [customer.first_name.as_deref(), customer.last_name.as_deref()];
        some(Some(&names.into_iter().flatten().collect::<Vec<_>>().join(" ")))
    });
    let person = person.or_else(|| address.and_then(|address| some(address.name.as_deref())));
    let firm = address.and_then(|address| some(address.company.as_deref()));
    let email = customer.and_then(|customer| customer.email.as_deref());
    let phone = customer.and_then(|customer| customer.phone.as_deref());
    let name = firm.or_else(|| person.clone()).or_else(|| document.email.clone());
    Party {
        customer: document.noted(&config.notes.customer).or_else(|| config.guest.clone()),
        name: name.unwrap_or_else(|| "Guest".into()),
        contact: Some(Contact {
            name: person,
            email: some(document.email.as_deref().or(email)),
            phone: some(document.phone.as_deref().or(phone)),
            language: some(document.customer_locale.as_deref()),
        }),
        address: address.and_then(postal),
        tax_ids: Vec::new(),
        references: customer
            .map(|customer| reference(SYSTEM, "customer", customer.id.to_string()))
            .into_iter()
            .collect(),
    }
}

fn ship_to(document: &Document, config: &Config) -> Result<Consignee, Fault> {
    let given = document.shipping_address.as_ref().or(document.billing_address.as_ref());
    let missing = || Fault::input(format!("order {} has no address with a country", document.name));
    let given = given.ok_or_else(missing)?;
    let person = some(given.name.as_deref());
    let firm = some(given.company.as_deref());
    let phone = some(given.phone.as_deref().or(document.phone.as_deref()));
    Ok(Consignee {
        customer: document.noted(&config.notes.customer).or_else(|| config.guest.clone()),
        name: firm.or_else(|| person.clone()).unwrap_or_else(|| document.name.clone()),
        contact: Some(Contact {
            name: person,
            email: some(document.email.as_deref()),
            phone,
            language: some(document.customer_locale.as_deref()),
        }),
        address: postal(given).ok_or_else(missing)?,
        instructions: None,
    })
}

fn postal(address: &document::Address) -> Option<Address> {
    let lines = [address.address1.as_deref(), address.address2.as_deref()];
    Some(Address {
        lines: lines.into_iter().filter_map(some).collect(),
        city: address.city.clone().unwrap_or_default(),
        region: some(address.province_code.as_deref()),
        postal_code: some(address.zip.as_deref()),
        country: some(address.country_code.as_deref())?,
        time_zone: None,
        residential: None,
        validation: None,
    })
}

fn attributes(document: &Document, shop: Option<&str>, config: &Config) -> Vec<Attribute> {
    let notes = &config.notes;
    let read = [
        &notes.customer,
        &notes.payment_token,
        &notes.payment,
        &notes.delivery_policy,
        &notes.requested_on,
    ];
    let others = document.note_attributes.iter().filter(|note| !read.contains(&&note.name));
    let mut attributes: Vec<Attribute> =
        others.filter_map(|note| Some(attribute(&named(&note.name), note.text()?))).collect();
    let mut push = |name, value: Option<&str>| {
        attributes.extend(some(value).map(|value| attribute(name, value)));
    };
    push("shopify-shop", shop);
    push("shopify-note", document.note.as_deref());
    push("shopify-tags", document.tags.as_deref());
    push("shopify-test", document.test.then_some("true"));
    attributes
}

/// `Gift wrap` is `shopify-gift-wrap`.
fn named(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    format!("shopify-{}", words.collect::<Vec<_>>().join("-").to_lowercase())
}

/// Shopify writes empty strings where it means nothing.
fn some(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}
