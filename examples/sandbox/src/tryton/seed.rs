//! What the ERP holds at the start, defaults of new records, and which fields they must have.

use serde_json::{Value, json};

use super::store::{Row, Store, date, decimal};
use crate::catalogue::{COUNTRIES, ITEMS, PARTIES, SITES};
use crate::money;
use crate::state::today;

pub const RECEIVABLE: i64 = 1;
pub const REVENUE: i64 = 2;
pub const TAX: i64 = 3;
pub const JOURNAL_REVENUE: i64 = 1;
pub const JOURNAL_CASH: i64 = 2;
pub const JOURNAL_WRITE_OFF: i64 = 3;
/// Years whose periods are open.
const YEARS: std::ops::RangeInclusive<i16> = 2024..=2036;
/// 10% off from 100 pieces; the list of one party.
pub const PRICE_LIST: i64 = 1;
const CONTRACT_PARTY: &str = "C-1001";
/// The seller itself.
const OWN_PARTY: i64 = 6;

pub fn fill(store: &mut Store) {
    for (index, (code, digits, _)) in money::CURRENCIES.iter().enumerate() {
        let rounding = decimal(rust_decimal::Decimal::new(1, *digits), *digits);
        let row = json!({"name": code, "code": code, "symbol": code, "digits": digits, "rounding": rounding});
        debug_assert_eq!(add(store, "currency.currency", row), index as i64 + 1);
    }
    for (code, name) in COUNTRIES {
        add(store, "country.country", json!({"name": name, "code": code}));
    }
    for (name, days) in [("Net 30", 30), ("Net 60", 60), ("Immediate", 0)] {
        add(
            store,
            "account.invoice.payment_term",
            json!({"name": name, "days": days, "active": true}),
        );
    }
    debug_assert_eq!(add(store, "product.price_list", json!({"name": "Trade"})), PRICE_LIST);
    for party in &PARTIES {
        let country = COUNTRIES[(party.country - 1) as usize].0;
        let code = format!("{country}-{}", party.state);
        let known = store.ids("country.subdivision").into_iter();
        let subdivision = known
            .filter(|id| store.text("country.subdivision", *id, "code") == code)
            .min()
            .unwrap_or_else(|| {
                let row = json!({"name": party.state, "code": code, "country": party.country});
                add(store, "country.subdivision", row)
            });
        let limit = party.credit_limit.and_then(money::parse);
        let exposure = money::parse(party.exposure).unwrap_or_default();
        let id = add(
            store,
            "party.party",
            json!({
                "name": party.name, "code": party.code, "active": true, "lang": null,
                "customer_payment_term": party.term, "customer_currency": party.currency,
                "sale_price_list": (party.code == CONTRACT_PARTY).then_some(PRICE_LIST),
                "credit_limit_amount": limit.map(|limit| decimal(limit, 2)), "_exposure": decimal(exposure, 2),
            }),
        );
        add(
            store,
            "party.address",
            json!({
                "party": id, "party_name": null, "street": party.street, "postal_code": party.postal_code,
                "city": party.city, "country": party.country, "subdivision": subdivision,
                "delivery": true, "invoice": true, "active": true,
            }),
        );
    }
    let own = json!({"name": "Crossdock Distribution", "code": "SELF", "active": true, "credit_limit_amount": null});
    debug_assert_eq!(add(store, "party.party", own), OWN_PARTY);
    add(store, "company.company", json!({"party": OWN_PARTY, "currency": 1}));
    for (name, symbol, factor) in
        [("Unit", "u", 1.0), ("Dozen", "dz", 12.0), ("Kilogram", "kg", 1.0)]
    {
        let category = if symbol == "kg" { 2 } else { 1 };
        let row = json!({"name": name, "symbol": symbol, "factor": factor, "rate": 1.0 / factor, "category": category});
        add(store, "product.uom", row);
    }
    for item in &ITEMS {
        let price = money::parse(item.price).unwrap_or_default();
        add(
            store,
            "product.product",
            json!({
                "name": item.name, "code": item.sku, "template": null, "list_price": decimal(price, 4),
                "cost_price": decimal(price / rust_decimal::Decimal::TWO, 4), "default_uom": 1, "sale_uom": 1,
                "salable": true, "active": true, "description": null, "weight": item.weight_kg,
                "weight_uom": 3, "type": "goods",
            }),
        );
    }
    for name in SITES {
        let row =
            json!({"name": name, "code": name.to_uppercase(), "type": "warehouse", "active": true});
        add(store, "stock.location", row);
    }
    add(
        store,
        "stock.location",
        json!({"name": "Customer", "code": "CUS", "type": "customer", "active": true}),
    );
    let accounts =
        ["Receivable", "Revenue", "Tax", "Bank", "Card clearing", "Fees", "Discounts", "Write-off"];
    for (index, name) in accounts.iter().enumerate() {
        let row = json!({"name": name, "code": format!("{}", 1000 + index), "type": index + 1, "reconcile": index == 0, "company": 1});
        add(store, "account.account", row);
    }
    // A heading of the chart: without a type, nothing is booked on it.
    let heading = json!({"name": "Revenue", "code": "4", "type": null, "company": 1});
    add(store, "account.account", heading);
    for (year, month) in YEARS.flat_map(|year| (1..=12).map(move |month| (year, month))) {
        let start = jiff::civil::date(year, month, 1);
        let row = json!({
            "name": format!("{year}-{month:02}"), "start_date": date(&start.to_string()),
            "end_date": date(&start.last_of_month().to_string()), "type": "standard",
            "state": "open", "company": 1,
        });
        add(store, "account.period", row);
    }
    for (name, kind) in [("Revenue", "revenue"), ("Cash", "cash"), ("Write-off", "write-off")] {
        add(store, "account.journal", json!({"name": name, "code": kind, "type": kind}));
    }
    for (name, account) in [("Bank", 4), ("Card", 5)] {
        let row = json!({"name": name, "account": account, "company": 1, "active": true});
        add(store, "account.invoice.payment.method", row);
    }
    for (name, account) in [("Discount", 7), ("Deduction", 8), ("Small difference", 8)] {
        let row = json!({"name": name, "account": account, "company": 1, "active": true});
        add(store, "account.move.reconcile.write_off", row);
    }
    let row = json!({"name": "Card", "currency": 1, "process_method": "manual"});
    add(store, "account.payment.journal", row);
}

/// The values that a new record has when the client says nothing.
pub fn defaults(model: &str) -> Row {
    let value = match model {
        "party.party" | "party.address" => json!({"active": true}),
        "sale.sale" => json!({
            "company": 1, "state": "draft", "invoice_method": "order", "shipment_method": "order",
            "warehouse": 1, "currency": 1, "number": null, "reference": null, "sale_date": null,
        }),
        "sale.line" => json!({"type": "line", "unit": 1}),
        "stock.shipment.out" | "stock.shipment.out.return" => {
            json!({"company": 1, "state": "draft", "warehouse": 1})
        }
        "stock.move" => json!({"company": 1, "state": "draft", "unit": 1, "currency": 1}),
        "account.invoice" => json!({
            "company": 1, "type": "out", "state": "draft", "currency": 1, "journal": JOURNAL_REVENUE,
            "account": RECEIVABLE, "number": null, "reference": null, "move": null, "payment_lines": [],
        }),
        "account.invoice.line" => json!({"type": "line", "unit": 1, "account": REVENUE}),
        "account.invoice.tax" => json!({"manual": true, "account": TAX}),
        "account.move" => {
            json!({"company": 1, "state": "draft", "number": null, "date": date(&today())})
        }
        "account.move.line" => json!({
            "debit": decimal(0.into(), 2), "credit": decimal(0.into(), 2), "reconciliation": null,
        }),
        "account.payment" => json!({
            "company": 1, "state": "draft", "kind": "receivable", "currency": 1, "journal": 1,
            "date": date(&today()), "number": null,
        }),
        _ => json!({}),
    };
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

/// Fields without which a record is refused, with the name that Tryton's message shows.
pub fn required(model: &str) -> &'static [(&'static str, &'static str)] {
    match model {
        "party.address" => &[("party", "Party")],
        "sale.sale" => &[("party", "Party"), ("currency", "Currency")],
        "sale.line" => &[("sale", "Sale"), ("quantity", "Quantity"), ("unit_price", "Unit Price")],
        "account.invoice" => &[("party", "Party"), ("currency", "Currency")],
        "account.invoice.line" => &[("quantity", "Quantity"), ("unit_price", "Unit Price")],
        "account.invoice.tax" => &[("base", "Base"), ("amount", "Amount")],
        "account.move.line" => &[("account", "Account")],
        "account.payment" => &[("party", "Party"), ("amount", "Amount")],
        _ => &[],
    }
}

fn add(store: &mut Store, model: &'static str, row: Value) -> i64 {
    match row {
        Value::Object(row) => store.insert(model, row),
        _ => 0,
    }
}
