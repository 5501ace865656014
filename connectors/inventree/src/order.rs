//! The sales order behind a canonical order: found by `customer_reference`, created with its lines
//! once. A cancelled one does not count: the order may be promised anew.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::{Address as CanonicalAddress, Consignee};
use crossdock_sdk::canonical::orders::Order;
use crossdock_sdk::form::segment;
use crossdock_sdk::{Decimal, Fault, Refusal, decimal};
use serde_json::json;

use crate::Config;
use crate::client::{Answer, expect, get, list, post};
use crate::objects::{
    Address, Allocation, CANCELLED, Company, Line, Location, Part, SalesOrder, Shipment,
};

/// The longest `customer_reference` that InvenTree takes.
const REFERENCE_MAX: usize = 64;

/// A sales order with all that belongs to it.
pub struct Whole {
    pub order: SalesOrder,
    pub lines: Vec<Line>,
    pub shipments: Vec<Shipment>,
    pub allocations: Vec<Allocation>,
}

impl Whole {
    pub fn read(order: SalesOrder) -> Result<Whole, Fault> {
        let pk = order.pk.to_string();
        let of_order = [("order", pk.as_str())];
        Ok(Whole {
            lines: list("/api/order/so-line/", &[("order", &pk), ("part_detail", "true")])?,
            shipments: list("/api/order/so/shipment/", &of_order)?,
            allocations: list("/api/order/so-allocation/", &[("order", &pk), ("item_detail", "true")])?,
            order,
        })
    }

    pub fn line(&self, pk: i64) -> Option<&Line> {
        self.lines.iter().find(|line| line.pk == pk)
    }

    pub fn line_of(&self, id: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.reference == id)
    }

    pub fn allocated(&self, line: i64) -> Decimal {
        let of_line = self.allocations.iter().filter(|allocation| allocation.line == line);
        of_line.map(|allocation| allocation.quantity).sum()
    }

    pub fn in_shipment(&self, shipment: i64) -> impl Iterator<Item = &Allocation> {
        self.allocations.iter().filter(move |allocation| allocation.shipment == Some(shipment))
    }
}

/// The live sales order of an order.
pub fn find(order: &str) -> Result<Option<SalesOrder>, Fault> {
    Ok(all_of(order)?.into_iter().rfind(|found| found.status != CANCELLED))
}

/// With the cancelled ones. The search is by substring and over several fields.
pub fn all_of(order: &str) -> Result<Vec<SalesOrder>, Fault> {
    let mut found: Vec<SalesOrder> = list("/api/order/so/", &[("search", order)])?;
    found.retain(|known| known.customer_reference == order);
    found.sort_by_key(|known| known.pk);
    Ok(found)
}

pub fn by_pk(pk: i64) -> Result<Option<SalesOrder>, Fault> {
    get(&format!("/api/order/so/{pk}/"))
}

/// Parts by item number; those that InvenTree does not know are missing.
pub fn parts(items: &[&str]) -> Result<BTreeMap<String, Part>, Fault> {
    let mut parts = BTreeMap::new();
    for item in items {
        if parts.contains_key(*item) {
            continue;
        }
        let found: Vec<Part> = list("/api/part/", &[("IPN", item)])?;
        if let Some(part) = found.into_iter().find(|part| part.ipn.as_deref() == Some(item)) {
            parts.insert((*item).to_owned(), part);
        }
    }
    Ok(parts)
}

/// The sites: top stock locations, or those that the config names, in its order of preference.
pub fn sites(config: &Config) -> Result<Vec<Location>, Fault> {
    let locations: Vec<Location> = list("/api/stock/location/", &[])?;
    if config.sites.is_empty() {
        return Ok(locations);
    }
    let named = |name: &String| locations.iter().find(|location| location.name == *name).cloned();
    Ok(config.sites.iter().filter_map(named).collect())
}

/// The sales order with all its lines, created as far as it is missing.
pub fn ensure(order: &Order, config: &Config, parts: &BTreeMap<String, Part>) -> Answer<Whole> {
    let known = all_of(&order.id)?;
    let live = known.iter().rfind(|found| found.status != CANCELLED).cloned();
    let sales_order = match live {
        Some(found) => found,
        None => match create(order, config, known.len())? {
            Ok(created) => created,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let mut whole = Whole::read(sales_order)?;
    for line in &order.lines {
        if whole.line_of(&line.id).is_some() {
            continue;
        }
        let Some(part) = parts.get(&line.item) else { continue };
        let price = match &line.price {
            Some(price) => Some(crossdock_sdk::canonical::price_each(price)?),
            None => None,
        };
        let values = json!({
            "order": whole.order.pk, "part": part.pk, "reference": line.id,
            "quantity": number(&line.quantity.value)?,
            "sale_price": price.map(|price| decimal::text(price.round_dp(6))),
            "sale_price_currency": order.currency,
        });
        match post::<Line>("/api/order/so-line/", &values)? {
            Ok(created) => whole.lines.push(Line { part_detail: Some(part.clone()), ..created }),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(whole))
}

fn create(order: &Order, config: &Config, cancelled: usize) -> Answer<SalesOrder> {
    if order.id.chars().count() > REFERENCE_MAX {
        let message = format!("an order id of more than {REFERENCE_MAX} characters");
        return Ok(Err(refusal("order-id", &message)));
    }
    let Some(customer) = customer(order, config)? else {
        return Ok(Err(refusal("customer-unknown", "InvenTree knows no such customer")));
    };
    let address = address(customer, &order.ship_to)?;
    let values = json!({
        // Unique in InvenTree: two attempts at once cannot make two orders.
        "reference": format!("SO-{}", number_of(&order.id, cancelled)),
        "customer": customer, "customer_reference": order.id, "address": address,
        "description": order.customer_order_number.clone().unwrap_or_default(),
        "order_currency": order.currency, "target_date": order.requested_on,
    });
    post("/api/order/so/", &values)
}

/// A number from the order's id, for InvenTree's pattern `SO-` and digits.
fn number_of(id: &str, cancelled: usize) -> u64 {
    const DIGITS: u64 = 1_000_000_000_000_000;
    let text = format!("{id}#{cancelled}");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash % DIGITS
}

/// The company of a customer, by its number in `tax_id`.
fn customer(order: &Order, config: &Config) -> Result<Option<i64>, Fault> {
    let Some(number) = order.sold_to.customer.as_ref().or(config.guest.as_ref()) else {
        return Ok(None);
    };
    let query = [("search", number.as_str()), ("is_customer", "true")];
    let found: Vec<Company> = list("/api/company/", &query)?;
    if let Some(company) = found.iter().find(|c| c.tax_id.as_deref() == Some(number.as_str())) {
        return Ok(Some(company.pk));
    }
    let values = json!({
        "name": order.sold_to.name, "tax_id": number, "is_customer": true, "active": true,
        "currency": order.currency,
    });
    let created: Company = expect(post("/api/company/", &values)?)?;
    Ok(Some(created.pk))
}

/// The company's address as it is written here, created where there is none such.
fn address(company: i64, consignee: &Consignee) -> Result<i64, Fault> {
    let address = &consignee.address;
    let line = |at: usize| address.lines.get(at).cloned().unwrap_or_default();
    let rest = address.lines.get(1..).unwrap_or_default().join(", ");
    let known: Vec<Address> = list("/api/company/address/", &[("company", &company.to_string())])?;
    let same = |known: &&Address| {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        known.title == title(consignee)
            && text(&known.line1) == line(0)
            && text(&known.line2) == rest
            && text(&known.postal_city) == address.city
            && text(&known.postal_code) == address.postal_code.clone().unwrap_or_default()
    };
    if let Some(known) = known.iter().find(same) {
        return Ok(known.pk);
    }
    let values = json!({
        "company": company, "title": title(consignee), "line1": line(0), "line2": rest,
        "postal_code": address.postal_code.clone().unwrap_or_default(),
        "postal_city": address.city, "province": address.region.clone().unwrap_or_default(),
        "country": address.country,
        "shipping_notes": consignee.instructions.clone().unwrap_or_default(),
    });
    let created: Address = expect(post("/api/company/address/", &values)?)?;
    Ok(created.pk)
}

fn title(consignee: &Consignee) -> String {
    consignee.name.chars().take(100).collect()
}

/// Who receives a sales order, as far as InvenTree knows.
pub fn consignee(order: &SalesOrder, config: &Config) -> Result<Consignee, Fault> {
    let address: Option<Address> = match order.address {
        Some(pk) => get(&format!("/api/company/address/{}/", segment(&pk.to_string())))?,
        None => None,
    };
    let address = address.as_ref();
    let text = |field: Option<&Option<String>>| {
        field.and_then(Clone::clone).filter(|text| !text.is_empty())
    };
    let customer: Option<Company> = match order.customer {
        Some(pk) => get(&format!("/api/company/{pk}/"))?,
        None => None,
    };
    let lines = [text(address.map(|a| &a.line1)), text(address.map(|a| &a.line2))];
    Ok(Consignee {
        customer: customer.and_then(|company| company.tax_id).filter(|number| !number.is_empty()),
        name: address.map(|a| a.title.clone()).unwrap_or_default(),
        contact: None,
        address: CanonicalAddress {
            lines: lines.into_iter().flatten().collect(),
            city: text(address.map(|a| &a.postal_city)).unwrap_or_default(),
            region: text(address.map(|a| &a.province)),
            postal_code: text(address.map(|a| &a.postal_code)),
            country: text(address.map(|a| &a.country)).unwrap_or_else(|| config.country.clone()),
            time_zone: None,
            residential: None,
            validation: None,
        },
        instructions: None,
    })
}

/// Quantities are JSON numbers, written by their digits.
pub fn number(text: &str) -> Result<serde_json::Value, Fault> {
    let plain = decimal::text(decimal::parse(text)?);
    serde_json::from_str(&plain).map_err(|_| Fault::input(format!("`{text}` is not a quantity")))
}

pub fn refusal(code: &str, message: &str) -> Refusal {
    Refusal { code: code.into(), message: message.into(), lines: Vec::new() }
}
