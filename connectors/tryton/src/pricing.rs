//! Prices as Tryton's price lists give them, for orders that it need not know.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::UnitPrice;
use crossdock_sdk::canonical::items::Price;
use crossdock_sdk::canonical::orders::{Order, OrderLine};
use crossdock_sdk::canonical::{price_each, price_of_one};
use crossdock_sdk::{Call, Decimal, Fault, config, decimal, time};

use crate::Connector;
use crate::client::Tryton;
use crate::exports::crossdock::erp::pricing::{
    Guest, PriceOrderInput, PriceOrderOutput, PricingOutcome,
};
use crate::orders::refusal;
use crate::sale::number;
use crate::value::{self, Record};

impl Guest for Connector {
    fn price_order(call: Call, input: PriceOrderInput) -> Result<PriceOrderOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let PriceOrderInput { mut order, on, keep_prices } = input;
        let today = time::date_of(&call.started_at).unwrap_or_default().to_owned();
        let day = on.unwrap_or(today);

        let refused = |order: Order, code: &str, message: &str, lines: Vec<String>| {
            let net = decimal::money(Decimal::ZERO, &order.currency);
            Ok(PriceOrderOutput {
                outcome: PricingOutcome::Refused(refusal(code, message, lines)),
                order,
                lines: Vec::new(),
                discounts: Vec::new(),
                net,
            })
        };
        let codes: Vec<&str> = order.lines.iter().map(|line| line.item.as_str()).collect();
        let products = tryton.products(&codes, &["code", "salable", "active"])?;
        let sells = |line: &OrderLine| {
            products.get(&line.item).is_some_and(|p| p.flag("salable") && p.flag("active"))
        };
        let unknown: Vec<String> =
            order.lines.iter().filter(|line| !sells(line)).map(|line| line.id.clone()).collect();
        if !unknown.is_empty() {
            return refused(order, "item-unknown", "not an item that is sold", unknown);
        }
        let kept = |line: &OrderLine| keep_prices && line.price.is_some();
        let mut prices = BTreeMap::new();
        if !order.lines.iter().all(kept) {
            let units = tryton.units()?;
            let Some(party) = tryton.party_of(&order.sold_to)? else {
                return refused(order, "customer-unknown", "Tryton knows no such customer", vec![]);
            };
            let currency = tryton.currency(&order.currency)?;
            let price_list = tryton.price_list(&party)?;
            for line in order.lines.iter().filter(|line| !kept(line)) {
                let Some(unit) = units.get(&line.quantity.unit) else {
                    let lines = vec![line.id.clone()];
                    return refused(order, "unit-unknown", "Tryton knows no such unit", lines);
                };
                // The price depends on price list, quantity and unit: Tryton takes them as context.
                let asked = tryton
                    .with_context("customer", party.id().into())
                    .with_context("price_list", price_list.into())
                    .with_context("currency", currency.into())
                    .with_context("quantity", number(&line.quantity.value)?)
                    .with_context("uom", (*unit).into())
                    .with_context("sale_date", value::date(&day));
                let id = products.get(&line.item).map_or(0, Record::id);
                let found = asked.read("product.product", id, &["sale_price_uom"])?;
                let Some(each) = found.and_then(|product| product.decimal("sale_price_uom")) else {
                    let lines = vec![line.id.clone()];
                    return refused(order, "price-unknown", "Tryton has no price for it", lines);
                };
                prices.insert(line.id.clone(), each);
            }
        }

        let mut lines = Vec::new();
        let mut net = Decimal::ZERO;
        let currency = order.currency.clone();
        for line in &mut order.lines {
            if let Some(each) = prices.get(&line.id) {
                line.price = Some(price_of_one(*each, &currency, &line.quantity.unit));
                line.discounts.clear();
            }
            let Some(price) = &line.price else { continue };
            let amount = line_amount(line, price, &currency)?;
            net += amount;
            line.amount = Some(decimal::money(amount, &currency));
            lines.push(Price {
                line: line.id.clone(),
                item: line.item.clone(),
                quantity: line.quantity.clone(),
                price: price.clone(),
                discounts: line.discounts.clone(),
                amount: decimal::money(amount, &currency),
                contract: None,
                tax_code: line.tax_code.clone(),
            });
        }
        for charge in &order.charges {
            net += decimal::parse(&charge.amount.amount)?;
        }
        for discount in &order.discounts {
            net -= decimal::parse(&discount.amount.amount)?;
        }
        Ok(PriceOrderOutput {
            outcome: PricingOutcome::Priced,
            discounts: order.discounts.clone(),
            lines,
            net: decimal::money(net, &currency),
            order,
        })
    }
}

/// The total of a line: the price for its quantity, rounded, less its discounts.
fn line_amount(line: &OrderLine, price: &UnitPrice, currency: &str) -> Result<Decimal, Fault> {
    let quantity = decimal::parse(&line.quantity.value)?;
    let gross = value::round_total(price_each(price)? * quantity, currency);
    line.discounts
        .iter()
        .try_fold(gross, |rest, discount| Ok(rest - decimal::parse(&discount.amount.amount)?))
}
