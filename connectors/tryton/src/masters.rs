//! Customers, items and orders as they stand in Tryton, and as they change.

use crossdock_sdk::canonical::common::{Address, Contact, PaymentTerms, TaxId};
use crossdock_sdk::canonical::customers::{
    Customer, CustomerAddress, CustomerRole, CustomerStatus,
};
use crossdock_sdk::canonical::items::{Item, ItemStatus, ItemTracking};
use crossdock_sdk::canonical::{quantity, reference};
use crossdock_sdk::{Call, Fault, Identity, PollRequest, config};
use serde_json::json;

use crate::client::Tryton;
use crate::exports::crossdock::erp::{
    customer_feed, customer_inquiry, item_feed, item_inquiry, order_feed,
};
use crate::feed::{self, change_id};
use crate::sale;
use crate::value::Record;
use crate::{Config, Connector, SYSTEM, canonical_unit};

const PARTY_FIELDS: [&str; 18] = [
    "code",
    "name",
    "active",
    "email",
    "phone",
    "create_date",
    "write_date",
    "customer_payment_term.name",
    "customer_currency.code",
    "identifiers.type",
    "identifiers.code",
    "addresses.street",
    "addresses.city",
    "addresses.postal_code",
    "addresses.country.code",
    "addresses.subdivision.code",
    "addresses.delivery",
    "addresses.invoice",
];

const PRODUCT_FIELDS: [&str; 10] = [
    "code",
    "name",
    "description",
    "active",
    "salable",
    "default_uom.symbol",
    "weight",
    "weight_uom.symbol",
    "create_date",
    "write_date",
];

impl customer_inquiry::Guest for Connector {
    fn get_customer(
        _call: Call,
        input: customer_inquiry::GetCustomerInput,
    ) -> Result<customer_inquiry::GetCustomerOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let found =
            by_identity(&tryton, "party.party", "customer", &input.customer, &PARTY_FIELDS)?;
        Ok(match found {
            Some(party) => {
                customer_inquiry::GetCustomerOutput::Found(customer(&party, &tryton.config))
            }
            None => customer_inquiry::GetCustomerOutput::Unknown,
        })
    }
}

impl item_inquiry::Guest for Connector {
    fn get_item(
        _call: Call,
        input: item_inquiry::GetItemInput,
    ) -> Result<item_inquiry::GetItemOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let found = by_identity(&tryton, "product.product", "item", &input.item, &PRODUCT_FIELDS)?;
        Ok(match found {
            Some(product) => item_inquiry::GetItemOutput::Found(item(&product, &tryton.config)),
            None => item_inquiry::GetItemOutput::Unknown,
        })
    }
}

impl customer_feed::Guest for Connector {
    fn list_changed_customers(
        _call: Call,
        input: PollRequest,
    ) -> Result<customer_feed::ListChangedCustomersOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let coded = json!([["code", "!=", null]]);
        let page = feed::changed(&tryton, "party.party", &coded, &input, &PARTY_FIELDS)?;
        let items = page.records.iter().map(|party| customer_feed::ChangedCustomer {
            id: change_id(party),
            value: customer(party, &tryton.config),
        });
        Ok(customer_feed::ListChangedCustomersOutput {
            items: items.collect(),
            next_cursor: page.cursor,
            more: page.more,
        })
    }
}

impl item_feed::Guest for Connector {
    fn list_changed_items(
        _call: Call,
        input: PollRequest,
    ) -> Result<item_feed::ListChangedItemsOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let coded = json!([["code", "!=", null]]);
        let page = feed::changed(&tryton, "product.product", &coded, &input, &PRODUCT_FIELDS)?;
        let items = page.records.iter().map(|product| item_feed::ChangedItem {
            id: change_id(product),
            value: item(product, &tryton.config),
        });
        Ok(item_feed::ListChangedItemsOutput {
            items: items.collect(),
            next_cursor: page.cursor,
            more: page.more,
        })
    }
}

impl order_feed::Guest for Connector {
    fn list_changed_orders(
        _call: Call,
        input: PollRequest,
    ) -> Result<order_feed::ListChangedOrdersOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let ours = json!([["company", "=", tryton.config.company_id]]);
        let page = feed::changed(&tryton, "sale.sale", &ours, &input, &sale::FIELDS)?;
        // A return is a sale with an origin; it is no order.
        let orders = page.records.iter().filter(|sale| sale.text("origin").is_none());
        let items = orders.map(|record| order_feed::ChangedOrder {
            id: change_id(record),
            value: sale::order(record, &tryton.config.company),
        });
        Ok(order_feed::ListChangedOrdersOutput {
            items: items.collect(),
            next_cursor: page.cursor,
            more: page.more,
        })
    }
}

/// By Tryton's own number where it is known, else by code.
fn by_identity(
    tryton: &Tryton,
    model: &str,
    object: &str,
    identity: &Identity,
    fields: &[&str],
) -> Result<Option<Record>, Fault> {
    match identity.id_in(SYSTEM, object).and_then(|id| id.parse().ok()) {
        Some(id) => tryton.read(model, id, fields),
        None => tryton.with_inactive().find(model, json!([["code", "=", identity.id]]), fields),
    }
}

fn customer(party: &Record, config: &Config) -> Customer {
    let terms = party.text("customer_payment_term.name");
    let code = party.text("code").unwrap_or_default();
    let addresses = party.records("addresses").into_iter().map(|address| {
        let mut roles = Vec::new();
        if address.flag("delivery") {
            roles.push(CustomerRole::ShipTo);
        }
        if address.flag("invoice") {
            roles.push(CustomerRole::BillTo);
        }
        let street = address.text("street").unwrap_or_default();
        let region = address.text("subdivision.code");
        CustomerAddress {
            id: address.id().to_string(),
            roles,
            address: Address {
                lines: street.lines().map(str::to_owned).collect(),
                city: address.text("city").unwrap_or_default(),
                region: region
                    .map(|code| code.split('-').next_back().unwrap_or_default().to_owned()),
                postal_code: address.text("postal_code"),
                country: address.text("country.code").unwrap_or_else(|| config.country.clone()),
                time_zone: None,
                residential: None,
                validation: None,
            },
        }
    });
    let contact = Contact {
        name: None,
        email: party.text("email"),
        phone: party.text("phone"),
        language: None,
    };
    Customer {
        id: code.clone(),
        company: config.company.clone(),
        references: vec![reference(SYSTEM, "customer", party.id().to_string())],
        attributes: Vec::new(),
        version: party.version(),
        occurred_at: party.changed_at().unwrap_or_default(),
        name: party.text("name").unwrap_or_default(),
        parent: None,
        roles: vec![
            CustomerRole::SoldTo,
            CustomerRole::ShipTo,
            CustomerRole::BillTo,
            CustomerRole::Payer,
        ],
        status: if party.flag("active") { CustomerStatus::Active } else { CustomerStatus::Closed },
        addresses: addresses.collect(),
        contacts: if contact.email.is_some() || contact.phone.is_some() {
            vec![contact]
        } else {
            vec![]
        },
        credit_account: terms.is_some().then_some(code),
        terms: terms.map(|code| PaymentTerms { code, net_days: None, early_discount: None }),
        currency: party.text("customer_currency.code").unwrap_or_else(|| config.currency.clone()),
        tax_ids: party
            .records("identifiers")
            .iter()
            .filter_map(|identifier| {
                let kind = identifier.text("type")?.replace('_', "-");
                Some(TaxId { kind, value: identifier.text("code")?, country: None })
            })
            .collect(),
        exemptions: Vec::new(),
        price_list: None,
    }
}

fn item(product: &Record, config: &Config) -> Item {
    let unit = canonical_unit(product.state("weight_uom.symbol")).to_owned();
    let sold = product.flag("active") && product.flag("salable");
    Item {
        id: product.text("code").unwrap_or_default(),
        company: config.company.clone(),
        references: vec![reference(SYSTEM, "item", product.id().to_string())],
        attributes: Vec::new(),
        version: product.version(),
        occurred_at: product.changed_at().unwrap_or_default(),
        name: product.text("name").unwrap_or_default(),
        description: product.text("description"),
        status: if sold { ItemStatus::Active } else { ItemStatus::Blocked },
        base_unit: canonical_unit(product.state("default_uom.symbol")).to_owned(),
        conversions: Vec::new(),
        tax_code: None,
        weight: product.decimal("weight").map(|weight| quantity(weight, &unit)),
        dimensions: None,
        tracking: ItemTracking::Untracked,
        substitutes: Vec::new(),
        customs_code: None,
        origin: None,
    }
}
