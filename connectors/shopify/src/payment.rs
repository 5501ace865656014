//! How an order of the shop is paid: what the checkout took already, what is still to be taken, or
//! terms.

use crossdock_sdk::canonical::common::{PaymentMethod, PaymentTerms};
use crossdock_sdk::canonical::orders::{ChannelPayment, PaymentArrangement, PaymentToken};
use crossdock_sdk::decimal;

use crate::Config;
use crate::document::Document;

/// The money's own status comes first: an order on terms that is paid already is paid.
pub fn arrangement(document: &Document, config: &Config) -> PaymentArrangement {
    match document.financial_status.as_deref() {
        Some("paid") => return PaymentArrangement::Captured(channel(document, config)),
        Some("authorized") => return PaymentArrangement::Authorised(channel(document, config)),
        Some("pending" | "unpaid") | None => {}
        Some(other) => return PaymentArrangement::Other(other.replace('_', "-")),
    }
    if let Some(terms) = &document.payment_terms {
        let name = &terms.payment_terms_name;
        let code = config.terms.get(name).cloned();
        return PaymentArrangement::Terms(PaymentTerms {
            code: code.unwrap_or_else(|| plain_code(name)),
            net_days: terms.due_in_days,
            early_discount: None,
        });
    }
    match document.noted(&config.notes.payment_token) {
        Some(value) => {
            PaymentArrangement::Token(PaymentToken { method: method(document), value, payer: None })
        }
        None => PaymentArrangement::Other(match document.payment_gateway_names.first() {
            Some(gateway) => format!("pending by {gateway}"),
            None => "pending".into(),
        }),
    }
}

/// The document names no transaction: the payment's number is what the checkout noted, or else the
/// order's own number at the gateway.
fn channel(document: &Document, config: &Config) -> ChannelPayment {
    let gateway = document.payment_gateway_names.first().map_or("shopify", String::as_str);
    let (system, payment) = match document.noted(&config.notes.payment) {
        Some(payment) => (config.payment_system.clone(), payment),
        None => (gateway.to_lowercase(), document.id.to_string()),
    };
    ChannelPayment {
        method: method(document),
        system,
        payment,
        amount: decimal::money(document.total_price, &document.currency),
        // Only the transaction knows it, and the document has none.
        expires_at: None,
    }
}

fn method(document: &Document) -> PaymentMethod {
    let gateway = document.payment_gateway_names.first().map(|name| name.to_lowercase());
    match gateway.as_deref().unwrap_or("stripe") {
        "shopify_payments" | "stripe" | "authorize_net" | "bogus" => PaymentMethod::Card,
        "paypal" | "shop_pay" | "amazon_payments" | "apple_pay" | "google_pay" => {
            PaymentMethod::Wallet
        }
        "bank deposit" | "bank_deposit" | "bank transfer" => PaymentMethod::BankTransfer,
        "money order" | "cheque" => PaymentMethod::Cheque,
        "cash on delivery (cod)" | "cash" => PaymentMethod::Cash,
        other => PaymentMethod::Other(other.to_owned()),
    }
}

/// `Net 30` is NET30.
fn plain_code(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}
