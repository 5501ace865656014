//! The arithmetic of a tax document: from the request's lines to taxed lines, sums and summary.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Failure, rates, value_error};
use crate::money;
use crate::state::{now_ms, timestamp};

/// A document before it has a status; `id` numbers it and its parts.
pub fn compute(model: &Value, id: i64) -> Result<Value, Failure> {
    let text = |name: &str| model[name].as_str().unwrap_or("").to_owned();
    if text("customerCode").is_empty() {
        return Err(value_error("Field 'customerCode' is required."));
    }
    let date = text("date");
    if date.len() < 10 {
        return Err(value_error("Field 'date' is required."));
    }
    let lines = model["lines"]
        .as_array()
        .filter(|lines| !lines.is_empty())
        .ok_or_else(|| value_error("Field 'lines' is required."))?;
    let tax_date = model["taxOverride"]["taxDate"].as_str().unwrap_or(&date)[..10].to_owned();
    let exempt = !text("exemptionNo").is_empty() || !text("entityUseCode").is_empty();
    let mut sums = Sums::default();
    let mut done = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let place = ship_to(model, line).ok_or_else(|| {
            value_error("Field 'addresses' is required: shipTo or singleLocation.")
        })?;
        let number = id * 1000 + index as i64;
        done.push(tax_line(line, &place, &tax_date, exempt, number, index, &mut sums)?);
    }
    let kind = model["type"].as_str().unwrap_or("SalesOrder");
    let code = match model["code"].as_str() {
        Some(code) if !code.is_empty() => code.to_owned(),
        _ => format!("sandbox-{id:08}"),
    };
    Ok(json!({
        "id": id, "code": code, "companyId": 1, "date": date[..10], "paymentDate": date[..10],
        "status": "Temporary", "type": kind, "batchCode": "", "currencyCode": or(&text("currencyCode"), "USD"),
        "exchangeRateCurrencyCode": or(&text("currencyCode"), "USD"), "customerUsageType": text("entityUseCode"),
        "entityUseCode": text("entityUseCode"), "customerVendorCode": text("customerCode"),
        "customerCode": text("customerCode"), "exemptNo": text("exemptionNo"), "reconciled": false,
        "referenceCode": text("referenceCode"), "purchaseOrderNo": text("purchaseOrderNo"),
        "salespersonCode": "", "taxOverrideType": "None", "taxOverrideAmount": 0.0,
        "totalAmount": money::float(sums.amount), "totalExempt": money::float(sums.exempt),
        "totalDiscount": 0.0, "totalTax": money::float(sums.tax), "totalTaxable": money::float(sums.taxable),
        "totalTaxCalculated": money::float(sums.tax), "adjustmentReason": "NotAdjusted", "locked": false,
        "version": 1, "exchangeRateEffectiveDate": date[..10], "exchangeRate": 1.0,
        "modifiedDate": timestamp(now_ms()), "taxDate": tax_date, "lines": done,
        "addresses": addresses(model), "locationTypes": [], "summary": sums.summary, "messages": [],
        "taxDetailsByTaxType": [],
    }))
}

/// What the lines add up to, in all and by jurisdiction.
#[derive(Default)]
struct Sums {
    summary: Vec<Value>,
    amount: Decimal,
    taxable: Decimal,
    exempt: Decimal,
    tax: Decimal,
}

fn tax_line(
    line: &Value,
    place: &(String, String),
    tax_date: &str,
    exempt: bool,
    id: i64,
    index: usize,
    sums: &mut Sums,
) -> Result<Value, Failure> {
    let text = |name: &str| line[name].as_str().unwrap_or("").to_owned();
    let (country, region) = place;
    let given = money::read(&line["amount"])
        .ok_or_else(|| value_error("Field 'lines[].amount' is required."))?;
    let rates = rates::of(country, region);
    let taxable = !exempt && rates::is_taxable(&text("taxCode"), country) && !rates.is_empty();
    let total: Decimal = rates.iter().map(rates::Rate::factor).sum();
    let included = line["taxIncluded"] == true && taxable;
    let amount = if included { money::round(given / (Decimal::ONE + total), 2) } else { given };
    let base = if taxable { amount } else { Decimal::ZERO };
    let mut details = Vec::new();
    let mut tax = Decimal::ZERO;
    for (n, rate) in rates.iter().enumerate() {
        let due = money::round(base * rate.factor(), 2);
        tax += due;
        details.push(json!({
            "id": id * 10 + n as i64, "transactionLineId": id, "country": country, "region": region,
            "exemptAmount": money::float(amount - base), "jurisCode": rate.code, "jurisName": rate.name,
            "jurisType": rate.level, "jurisdictionType": rate.level, "rate": money::float(rate.factor()),
            "rateType": "General", "tax": money::float(due), "taxableAmount": money::float(base),
            "taxType": "Sales", "taxSubTypeId": "S", "taxName": rate.tax, "taxCalculated": money::float(due),
            "nonTaxableAmount": 0.0, "taxOverride": 0.0, "unitOfBasis": "PerCurrencyUnit",
        }));
        add_to_summary(&mut sums.summary, country, region, rate, base, due, amount - base);
    }
    sums.amount += amount;
    sums.taxable += base;
    sums.exempt += amount - base;
    sums.tax += tax;
    Ok(json!({
        "id": id, "lineNumber": or(&text("number"), &(index + 1).to_string()), "description": text("description"),
        "discountAmount": 0.0, "exemptAmount": money::float(amount - base), "exemptCertId": 0,
        "isItemTaxable": taxable, "itemCode": text("itemCode"), "lineAmount": money::float(amount),
        "quantity": line["quantity"].as_f64().unwrap_or(1.0), "ref1": text("ref1"), "ref2": text("ref2"),
        "reportingDate": tax_date, "tax": money::float(tax), "taxableAmount": money::float(base),
        "taxCalculated": money::float(tax), "taxCode": or(&text("taxCode"), "P0000000"), "taxDate": tax_date,
        "taxIncluded": line["taxIncluded"] == true, "sourcing": "Destination", "details": details,
    }))
}

fn add_to_summary(
    summary: &mut Vec<Value>,
    country: &str,
    region: &str,
    rate: &rates::Rate,
    base: Decimal,
    due: Decimal,
    exempt: Decimal,
) {
    let known = summary.iter_mut().find(|row| {
        row["country"] == country && row["region"] == region && row["jurisCode"] == rate.code
    });
    let fresh = known.is_none();
    let mut own = json!({
        "country": country, "region": region, "jurisType": rate.level, "jurisCode": rate.code,
        "jurisName": rate.name, "taxAuthorityType": 45, "taxType": "Sales", "taxSubType": "S",
        "taxName": rate.tax, "rateType": "General", "rate": money::float(rate.factor()), "nonTaxable": 0.0,
    });
    let row = known.unwrap_or(&mut own);
    for (name, more) in
        [("taxable", base), ("tax", due), ("taxCalculated", due), ("exemption", exempt)]
    {
        let sum = money::read(&row[name]).unwrap_or_default() + more;
        row[name] = money::float(sum);
    }
    if fresh {
        summary.push(own);
    }
}

/// Country and region that tax a line.
fn ship_to(model: &Value, line: &Value) -> Option<(String, String)> {
    [&line["addresses"], &model["addresses"]]
        .into_iter()
        .flat_map(|addresses| [&addresses["shipTo"], &addresses["singleLocation"]])
        .find(|address| address.is_object())
        .map(|address| {
            let text = |name: &str| address[name].as_str().unwrap_or("").to_uppercase();
            (text("country"), text("region"))
        })
}

fn addresses(model: &Value) -> Value {
    let given = model["addresses"].as_object().into_iter().flatten();
    let list = given.filter_map(|(kind, address)| {
        let mut address = address.as_object()?.clone();
        address.insert("addressTypeId".into(), json!(kind));
        Some(Value::Object(address))
    });
    Value::Array(list.collect())
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}
