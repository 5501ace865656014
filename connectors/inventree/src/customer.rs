//! Customers and their addresses: companies of InvenTree, found by our customer number in `tax_id`,
//! the only field of a company that takes one.

use crossdock_sdk::canonical::common::{Address as CanonicalAddress, Consignee};
use crossdock_sdk::canonical::orders::Order;
use crossdock_sdk::{Fault, Refusal};
use serde_json::json;

use crate::Config;
use crate::client::{Answer, expect, get, list, post};
use crate::objects::{Address, Company, SalesOrder};
use crate::order::refusal;

/// The longest customer number and line of an address; the longest postal code.
const NUMBER_MAX: usize = 50;
const LINE_MAX: usize = 50;
const POSTAL_CODE_MAX: usize = 10;
/// The longest name of a company, title and shipping notes of an address; what is longer is cut.
const TEXT_MAX: usize = 100;

/// The company of an order's customer, created where there is none. Refused for a customer without
/// a number where no guest is configured.
pub fn company(order: &Order, config: &Config) -> Answer<i64> {
    let Some(number) = order.sold_to.customer.as_ref().or(config.guest.as_ref()) else {
        return Ok(Err(refusal("customer-unknown", "InvenTree knows no such customer")));
    };
    if number.chars().count() > NUMBER_MAX {
        let message = format!("a customer number of more than {NUMBER_MAX} characters");
        return Ok(Err(refusal("customer", &message)));
    }
    let query = [("search", number.as_str()), ("is_customer", "true")];
    let found: Vec<Company> = list("/api/company/", &query)?;
    if let Some(company) = found.iter().find(|c| c.tax_id.as_deref() == Some(number.as_str())) {
        return Ok(Ok(company.pk));
    }
    let values = json!({
        "name": cut(&order.sold_to.name, TEXT_MAX), "tax_id": number, "is_customer": true, "active": true,
        "currency": order.currency,
    });
    let created: Company = expect(post("/api/company/", &values)?)?;
    Ok(Ok(created.pk))
}

/// The company's address as it is written here, created where there is none such.
pub fn address(company: i64, consignee: &Consignee) -> Answer<i64> {
    let address = &consignee.address;
    let first = address.lines.first().cloned().unwrap_or_default();
    let rest = address.lines.get(1..).unwrap_or_default().join(", ");
    let notes = cut(consignee.instructions.as_deref().unwrap_or_default(), TEXT_MAX);
    let region = address.region.clone().unwrap_or_default();
    let postal_code = address.postal_code.clone().unwrap_or_default();
    let texts = [
        ("first line", &first, LINE_MAX),
        ("further lines", &rest, LINE_MAX),
        ("city", &address.city, LINE_MAX),
        ("region", &region, LINE_MAX),
        ("postal code", &postal_code, POSTAL_CODE_MAX),
    ];
    // Goods go there: what does not fit is not cut.
    if let Some((name, _, max)) = texts.iter().find(|(_, text, max)| text.chars().count() > *max) {
        let message = format!("InvenTree has room for {max} characters of the {name}");
        return Ok(Err(refusal("address", &message)));
    }
    let title = cut(&consignee.name, TEXT_MAX);
    let known: Vec<Address> = list("/api/company/address/", &[("company", &company.to_string())])?;
    let same = |known: &&Address| {
        let fields = [
            (&known.line1, &first),
            (&known.line2, &rest),
            (&known.postal_city, &address.city),
            (&known.postal_code, &postal_code),
            (&known.province, &region),
            (&known.country, &address.country),
            (&known.shipping_notes, &notes),
        ];
        let equal = |(known, here): &(&Option<String>, &String)| {
            known.as_deref().unwrap_or_default() == here.as_str()
        };
        known.title == title && fields.iter().all(equal)
    };
    if let Some(known) = known.iter().find(same) {
        return Ok(Ok(known.pk));
    }
    let values = json!({
        "company": company, "title": title, "line1": first, "line2": rest,
        "postal_code": postal_code, "postal_city": address.city, "province": region,
        "country": address.country, "shipping_notes": notes,
    });
    let created = post::<Address>("/api/company/address/", &values)?;
    Ok(created
        .map(|created| created.pk)
        .map_err(|refusal| Refusal { code: "address".into(), ..refusal }))
}

/// Who receives a sales order, as far as InvenTree knows.
pub fn consignee(order: &SalesOrder, config: &Config) -> Result<Consignee, Fault> {
    let address: Option<Address> = match order.address {
        Some(pk) => get(&format!("/api/company/address/{pk}/"))?,
        None => None,
    };
    let company: Option<Company> = match order.customer {
        Some(pk) => get(&format!("/api/company/{pk}/"))?,
        None => None,
    };
    let address = address.as_ref();
    let text = |field: Option<&Option<String>>| {
        field.and_then(Clone::clone).filter(|text| !text.is_empty())
    };
    let lines = [text(address.map(|a| &a.line1)), text(address.map(|a| &a.line2))];
    Ok(Consignee {
        customer: company.and_then(|company| company.tax_id).filter(|number| !number.is_empty()),
        name: address.map(|a| a.title.clone()).unwrap_or_default(),
        contact: None,
        address: CanonicalAddress {
            lines: lines.into_iter().flatten().collect(),
            city: text(address.map(|a| &a.postal_city)).unwrap_or_default(),
            region: text(address.map(|a| &a.province)),
            postal_code: text(address.map(|a| &a.postal_code)),
            country: text(address.map(|a| &a.country))
                .filter(|country| is_code(country))
                .unwrap_or_else(|| config.country.clone()),
            time_zone: None,
            residential: None,
            validation: None,
        },
        instructions: text(address.map(|a| &a.shipping_notes)),
    })
}

/// InvenTree takes any text for a country.
fn is_code(country: &str) -> bool {
    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())
}

pub fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}
