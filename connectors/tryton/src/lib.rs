//! Tryton as ERP, by its REST user application and, for the payment wizard, by JSON-RPC. Tryton
//! honours no idempotency key: each mutation looks for its effect by our id (`reference` of sale and
//! invoice, `description` of a move) before it causes it, and goes on from where an earlier attempt
//! came to.

mod cash;
mod client;
mod credit;
mod credit_notes;
mod extra;
mod feed;
mod invoice;
mod invoices;
mod lookup;
mod masters;
mod orders;
mod payments;
mod pricing;
mod progress;
mod returns;
mod sale;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use crossdock_sdk::canonical::{PIECE, unit_of};
use crossdock_sdk::{Description, describe, mutation, query};
use exports::crossdock::core::connector;
use serde::Deserialize;

crossdock_sdk::connector! {
    exports: [
        "crossdock:erp/pricing@1.0.0",
        "crossdock:erp/credit@1.0.0",
        "crossdock:erp/order-entry@1.0.0",
        "crossdock:erp/order-entry-probe@1.0.0",
        "crossdock:erp/order-inquiry@1.0.0",
        "crossdock:erp/order-feed@1.0.0",
        "crossdock:erp/fulfilment-progress@1.0.0",
        "crossdock:erp/invoicing@1.0.0",
        "crossdock:erp/invoicing-probe@1.0.0",
        "crossdock:erp/invoice-inquiry@1.0.0",
        "crossdock:erp/invoice-feed@1.0.0",
        "crossdock:erp/credit-note-inquiry@1.0.0",
        "crossdock:erp/cash-application@1.0.0",
        "crossdock:erp/cash-application-probe@1.0.0",
        "crossdock:erp/returns@1.0.0",
        "crossdock:erp/returns-probe@1.0.0",
        "crossdock:erp/customer-inquiry@1.0.0",
        "crossdock:erp/customer-feed@1.0.0",
        "crossdock:erp/item-inquiry@1.0.0",
        "crossdock:erp/item-feed@1.0.0",
    ]
}

struct Connector;

pub const SYSTEM: &str = "tryton";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The selling company, by its canonical id.
    pub company: String,
    /// The same by its id in Tryton.
    #[serde(default = "one")]
    pub company_id: i64,
    /// Tryton's database, the first part of every path.
    #[serde(default = "crossdock")]
    pub database: String,
    /// The company's currency.
    #[serde(default = "usd")]
    pub currency: String,
    /// The company's country, for addresses without one.
    #[serde(default = "us")]
    pub country: String,
    /// How much of the company's currency one unit of another is; for credit and ledger.
    #[serde(default)]
    pub rates: BTreeMap<String, String>,
    /// The party code of orders without a customer number.
    #[serde(default)]
    pub guest: Option<String>,
    /// The warehouse of sales, by code; without it Tryton's own default.
    #[serde(default)]
    pub warehouse: Option<String>,
    /// Whether Tryton has its module `sale_price_list`.
    #[serde(default = "yes")]
    pub price_lists: bool,
    #[serde(default)]
    pub accounts: Accounts,
}

/// Accounts and journals by code or name, as the chart of accounts calls them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    pub receivable: String,
    pub revenue: String,
    pub tax: String,
    pub bank: String,
    pub clearing: String,
    pub fees: String,
    pub revenue_journal: String,
    pub cash_journal: String,
    /// Methods of payment in Tryton.
    pub bank_method: String,
    pub card_method: String,
    /// Methods of writing off.
    pub discount: String,
    pub deduction: String,
    pub write_off: String,
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            receivable: "Receivable".into(),
            revenue: "Revenue".into(),
            tax: "Tax".into(),
            bank: "Bank".into(),
            clearing: "Card clearing".into(),
            fees: "Fees".into(),
            revenue_journal: "Revenue".into(),
            cash_journal: "Cash".into(),
            bank_method: "Bank".into(),
            card_method: "Card".into(),
            discount: "Discount".into(),
            deduction: "Deduction".into(),
            write_off: "Small difference".into(),
        }
    }
}

fn yes() -> bool {
    true
}

fn one() -> i64 {
    1
}

fn crossdock() -> String {
    "crossdock".into()
}

fn usd() -> String {
    "USD".into()
}

fn us() -> String {
    "US".into()
}

/// Tryton's symbol of a unit as the contracts' code; a line without a unit counts pieces.
pub fn canonical_unit(symbol: &str) -> &str {
    if symbol.is_empty() { PIECE } else { unit_of(symbol) }
}

/// Tryton answers after its transaction is committed: reads see all writes. What was cut off may
/// still be running.
const SETTLING_MS: u64 = 2_000;

impl connector::Guest for Connector {
    fn describe() -> Description {
        let looked_up = |name| mutation(name).looked_up();
        describe(
            SYSTEM,
            env!("CARGO_PKG_VERSION"),
            "Orders, invoices, credit and cash in Tryton 8.",
        )
        .config(include_str!("../config.schema.json"))
        .upstream("tryton", "Tryton's REST user application", &["bearer"])
        .upstream(
            "tryton-rpc",
            "Tryton's JSON-RPC, for what REST lacks: wizards, and writes of what was read",
            &["basic"],
        )
        .operations([
            query("price-order"),
            query("check-credit"),
            looked_up("create-order").probed(SETTLING_MS).undone_by("cancel-order"),
            looked_up("cancel-order"),
            query("probe-create-order"),
            query("get-order"),
            query("list-changed-orders"),
            looked_up("record-milestone"),
            query("preview-invoice"),
            looked_up("post-invoice").probed(SETTLING_MS).undone_by("credit-invoice"),
            looked_up("credit-invoice").probed(SETTLING_MS),
            query("probe-post-invoice"),
            query("probe-credit-invoice"),
            query("get-invoice"),
            query("list-order-invoices"),
            query("list-changed-invoices"),
            query("get-credit-note"),
            looked_up("apply-receipt").probed(SETTLING_MS).undone_by("unapply-receipt"),
            looked_up("unapply-receipt"),
            query("probe-apply-receipt"),
            looked_up("authorise-return").probed(SETTLING_MS).undone_by("cancel-return"),
            looked_up("receive-return").probed(SETTLING_MS),
            looked_up("cancel-return"),
            query("probe-authorise-return"),
            query("probe-receive-return"),
            query("get-customer"),
            query("list-changed-customers"),
            query("get-item"),
            query("list-changed-items"),
        ])
    }
}
