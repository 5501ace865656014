//! Canonical documents as AvaTax's create model, and transactions back.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::{Address, TaxLine};
use crossdock_sdk::canonical::tax::{TaxDocument, TaxDocumentKind, TaxStatus, TaxableDocument};
use crossdock_sdk::canonical::{id_in, reference};
use crossdock_sdk::{Decimal, Fault, Reference, decimal, time};
use serde_json::{Value, json};

use crate::objects::{Detail, Transaction};
use crate::{Config, SYSTEM};

/// What the transaction is for; decides its type, its sign, and whether it is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    Quote,
    Invoice,
    Return,
}

/// The longest document code that AvaTax takes.
const CODE_MAX: usize = 50;

/// AvaTax's code of a company; the canonical id where the config has no other.
pub fn company_code<'a>(company: &'a str, config: &'a Config) -> &'a str {
    config.companies.get(company).map_or(company, String::as_str)
}

pub fn create_model(
    document: &TaxableDocument,
    purpose: Purpose,
    config: &Config,
) -> Result<Value, Fault> {
    let Some(first) = document.lines.first() else {
        return Err(Fault::input("a document without lines has no tax"));
    };
    if document.id.chars().count() > CODE_MAX {
        let message = format!(
            "`{}` is longer than the {CODE_MAX} characters of a document code",
            document.id
        );
        return Err(Fault::input(message));
    }
    let company = config.ship_from.as_ref().map(crate::WrittenAddress::address);
    let from = |line: &Option<Address>| line.clone().or(company.clone());
    let addresses = |from: Option<Address>, to: &Address| match from {
        Some(from) => json!({"shipFrom": address(&from), "shipTo": address(to)}),
        None => json!({"singleLocation": address(to)}),
    };
    let sign = if purpose == Purpose::Return { -Decimal::ONE } else { Decimal::ONE };
    let mut lines = Vec::new();
    for line in &document.lines {
        let quantity = match &line.quantity {
            Some(quantity) => decimal::parse(&quantity.value)?,
            None => Decimal::ONE,
        };
        let mut model = json!({
            "number": line.id, "quantity": number(quantity)?, "itemCode": line.item,
            "amount": number(decimal::parse(&line.amount.amount)? * sign)?,
            "taxCode": line.tax_code, "description": line.description,
        });
        if line.ship_to != first.ship_to || line.ship_from != first.ship_from {
            model["addresses"] = addresses(from(&line.ship_from), &line.ship_to);
        }
        lines.push(model);
    }
    let order = id_in(&document.references, "crossdock", "order");
    let (use_code, certificate) = exemption(document.exemption.as_deref(), config);
    let mut model = json!({
        "type": match purpose {
            Purpose::Quote => "SalesOrder",
            Purpose::Invoice => "SalesInvoice",
            Purpose::Return => "ReturnInvoice",
        },
        "companyCode": company_code(&document.company, config),
        "code": document.id,
        "date": document.issued_on,
        "customerCode": document.customer,
        "entityUseCode": use_code,
        "exemptionNo": certificate,
        "businessIdentificationNo": document.customer_tax_id,
        "currencyCode": document.currency,
        "referenceCode": document.original.as_deref().or(order),
        "purchaseOrderNo": order,
        // A return is reported at once; an invoice is committed by an operation of its own.
        "commit": purpose == Purpose::Return,
        "addresses": addresses(from(&first.ship_from), &first.ship_to),
        "lines": lines,
    });
    if let Some(day) = document.tax_on.as_ref().filter(|day| **day != document.issued_on) {
        let reason = if purpose == Purpose::Return { "Return" } else { "Tax date" };
        model["taxOverride"] = json!({"type": "taxDate", "taxDate": day, "reason": reason});
    }
    // AvaTax takes a missing field better than a null one.
    if let Value::Object(fields) = &mut model {
        fields.retain(|_, value| !value.is_null());
    }
    for line in model["lines"].as_array_mut().into_iter().flatten() {
        if let Value::Object(fields) = line {
            fields.retain(|_, value| !value.is_null());
        }
    }
    Ok(model)
}

/// Entity use code and exemption number. AvaTax's use codes are a letter, or `MED1`, `MED2` and
/// `TAXABLE`; others are of the company's own making, and told by the config.
fn exemption<'a>(code: Option<&'a str>, config: &'a Config) -> (Option<&'a str>, Option<&'a str>) {
    let Some(code) = code else { return (None, None) };
    if let Some(use_code) = config.exemptions.get(code) {
        return (Some(use_code), None);
    }
    let is_use_code = matches!(code, "MED1" | "MED2" | "TAXABLE")
        || (code.len() == 1 && code.chars().all(|c| c.is_ascii_uppercase()));
    if is_use_code { (Some(code), None) } else { (None, Some(code)) }
}

/// Whether a document at AvaTax is what this model would make. In doubt it is not: recording it again
/// replaces it.
pub fn is_made_by(known: &Transaction, model: &Value) -> bool {
    let same = |known: Option<&str>, wanted: &Value| {
        known.unwrap_or_default() == wanted.as_str().unwrap_or_default()
    };
    let customer = known.customer_code.as_deref().or(known.customer_vendor_code.as_deref());
    let tax_date = model["taxOverride"].get("taxDate").unwrap_or(&model["date"]);
    let wanted = model["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = known.lines.as_deref().unwrap_or_default();
    same(known.date.get(..10), &model["date"])
        && same(known.tax_date.as_deref().and_then(|day| day.get(..10)), tax_date)
        && same(customer, &model["customerCode"])
        && same(known.currency_code.as_deref(), &model["currencyCode"])
        && same(Some(&known.kind), &model["type"])
        && lines.len() == wanted.len()
        && lines.iter().zip(wanted).all(|(line, wanted)| {
            wanted.get("addresses").is_none()
                && same(line.line_number.as_deref(), &wanted["number"])
                && same(line.item_code.as_deref(), &wanted["itemCode"])
                && (wanted.get("taxCode").is_none()
                    || same(line.tax_code.as_deref(), &wanted["taxCode"]))
                && decimal::from_json(&line.line_amount) == decimal::from_json(&wanted["amount"])
                && decimal::from_json(&line.quantity) == decimal::from_json(&wanted["quantity"])
        })
        && has_addresses(known, &model["addresses"])
}

/// AvaTax writes an address in its own way; line, postal code and country stay.
fn has_addresses(known: &Transaction, wanted: &Value) -> bool {
    let known = known.addresses.as_deref().unwrap_or_default();
    let same = |known: &Option<String>, wanted: &Value, length: usize| {
        let cut = |text: &str| text.chars().take(length).collect::<String>().to_lowercase();
        cut(known.as_deref().unwrap_or_default()) == cut(wanted.as_str().unwrap_or_default())
    };
    wanted.as_object().into_iter().flat_map(|wanted| wanted.values()).all(|wanted| {
        known.iter().any(|known| {
            same(&known.line1, &wanted["line1"], usize::MAX)
                && same(&known.postal_code, &wanted["postalCode"], 5)
                && same(&known.region, &wanted["region"], usize::MAX)
                && same(&known.country, &wanted["country"], usize::MAX)
        })
    })
}

pub fn address(address: &Address) -> Value {
    let line = |at: usize| address.lines.get(at).cloned();
    let rest = address.lines.get(2..).unwrap_or_default().join(", ");
    let fields = [
        ("line1", line(0)),
        ("line2", line(1)),
        ("line3", Some(rest).filter(|rest| !rest.is_empty())),
        ("city", Some(address.city.clone()).filter(|city| !city.is_empty())),
        ("region", address.region.clone()),
        ("postalCode", address.postal_code.clone()),
        ("country", Some(address.country.clone())),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    json!(fields.collect::<BTreeMap<_, _>>())
}

/// Amounts are JSON numbers, written by their digits; one that would lose a digit is refused.
fn number(amount: Decimal) -> Result<Value, Fault> {
    let value = serde_json::from_str(&decimal::text(amount)).unwrap_or(Value::Null);
    match decimal::from_json(&value) == Some(amount) {
        true => Ok(value),
        false => Err(Fault::input(format!("{amount} has more digits than a JSON number keeps"))),
    }
}

/// `known`: references of the document that was asked for, which AvaTax does not keep.
pub fn tax_document(
    transaction: &Transaction,
    company: &str,
    known: &[Reference],
    now: &str,
) -> TaxDocument {
    let currency = transaction.currency_code.clone().unwrap_or_else(|| "USD".into());
    let money =
        |value: &Value| decimal::money(decimal::from_json(value).unwrap_or_default(), &currency);
    let code = transaction.code.clone().unwrap_or_default();
    let kind = match transaction.kind.as_str() {
        "SalesOrder" | "ReturnOrder" => TaxDocumentKind::Quote,
        "SalesInvoice" => TaxDocumentKind::Invoice,
        "ReturnInvoice" => TaxDocumentKind::Return,
        other => TaxDocumentKind::Other(other.to_owned()),
    };
    let object = match kind {
        TaxDocumentKind::Quote => "order",
        TaxDocumentKind::Return => "credit-note",
        _ => "invoice",
    };
    let mut references = vec![reference("crossdock", object, &code)];
    if kind != TaxDocumentKind::Quote {
        let id = transaction.id.as_str().map_or_else(|| transaction.id.to_string(), str::to_owned);
        references.insert(0, reference(SYSTEM, "tax-document", id));
    }
    // What we gave as `referenceCode`.
    if let Some(other) = transaction.reference_code.as_deref().filter(|other| !other.is_empty()) {
        match kind {
            TaxDocumentKind::Invoice => references.push(reference("crossdock", "order", other)),
            TaxDocumentKind::Return => references.push(reference("crossdock", "invoice", other)),
            _ => {}
        }
    }
    let new: Vec<Reference> =
        known.iter().filter(|known| !references.contains(known)).cloned().collect();
    references.extend(new);
    let amount = decimal::from_json(&transaction.total_amount).unwrap_or_default();
    let tax = decimal::from_json(&transaction.total_tax).unwrap_or_default();
    let mut lines = Vec::new();
    for line in transaction.lines.iter().flatten() {
        for detail in line.details.iter().flatten() {
            lines.extend(tax_line(line.line_number.as_ref(), detail, &currency));
        }
    }
    TaxDocument {
        id: code,
        company: company.to_owned(),
        references,
        attributes: Vec::new(),
        version: transaction.version.unwrap_or_default(),
        occurred_at: transaction
            .modified_date
            .as_deref()
            .and_then(time::normalise)
            .unwrap_or_else(|| now.to_owned()),
        status: match transaction.status.as_str() {
            "Temporary" => TaxStatus::Quoted,
            "Saved" | "Posted" => TaxStatus::Recorded,
            "Committed" => TaxStatus::Committed,
            "Cancelled" => TaxStatus::Voided,
            other => TaxStatus::Other(other.to_owned()),
        },
        kind,
        issued_on: transaction.date.get(..10).unwrap_or_default().to_owned(),
        net: money(&transaction.total_amount),
        tax: money(&transaction.total_tax),
        total: decimal::money(amount + tax, &currency),
        lines,
    }
}

/// Jurisdictions that neither tax nor exempt anything are left out.
fn tax_line(line: Option<&String>, detail: &Detail, currency: &str) -> Option<TaxLine> {
    let read = |value: &Value| decimal::from_json(value).unwrap_or_default();
    let untaxed = read(&detail.exempt_amount) + read(&detail.non_taxable_amount);
    let (taxable, exempt, tax) = (read(&detail.taxable_amount), untaxed, read(&detail.tax));
    if taxable.is_zero() && exempt.is_zero() && tax.is_zero() {
        return None;
    }
    let money = |amount| decimal::money(amount, currency);
    let named = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(TaxLine {
        line: line.cloned(),
        jurisdiction: named(&detail.juris_code),
        level: match detail.juris_type.as_deref().unwrap_or_default() {
            "CNT" | "COU" | "Country" => "country".into(),
            "STA" | "State" => "state".into(),
            "CTY" | "County" => "county".into(),
            "CIT" | "City" => "city".into(),
            _ => "special".into(),
        },
        name: detail.tax_name.clone().unwrap_or_else(|| named(&detail.juris_name)),
        rate: decimal::text(read(&detail.rate) * Decimal::from(100)),
        taxable: money(taxable),
        exempt: money(exempt),
        amount: money(tax),
    })
}
