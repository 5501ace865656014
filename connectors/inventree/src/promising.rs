//! Promising: InvenTree keeps stock for an order by allocation. The sales order is made, pending,
//! with one shipment for each site that holds what was promised from there.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::inventory::{Promise, PromiseShortage, PromiseSplit};
use crossdock_sdk::canonical::orders::{DeliveryPolicy, Order};
use crossdock_sdk::canonical::{price_each, quantity, reference};
use crossdock_sdk::{Call, Decimal, Fault, config, decimal, time};
use serde_json::{Value, json};

use crate::client::{act, expect, post};
use crate::exports::crossdock::wms::promising::{
    Guest, PromiseOrderInput, PromiseOrderOutcome, PromiseOrderOutput, ReleasePromiseInput,
    ReleasePromiseOutcome, ReleasePromiseOutput,
};
use crate::exports::crossdock::wms::promising_probe::{self as probe, PromiseOrderState};
use crate::objects::{CANCELLED, Line, PENDING, Part, STOCK_OK, SalesOrder, Shipment, StockItem};
use crate::order::{self, Known, Whole};
use crate::shipment::{is_promise, promise_name};
use crate::sites::Sites;
use crate::{Config, Connector, SYSTEM, inventory};

impl Guest for Connector {
    fn promise_order(call: Call, input: PromiseOrderInput) -> Result<PromiseOrderOutput, Fault> {
        let config: Config = config::get()?;
        let order = &input.order;
        let sites = Sites::read(&config)?;
        let known = Known::read(&order.id, &config)?;
        if let Some(before) = &known.whole
            && before.order.status != PENDING
        {
            // The warehouse has it: nothing is promised anew.
            return Ok(output(order, before, &sites, &call));
        }
        let parts = order::parts(&order.lines)?;
        if let Some(line) = order.lines.iter().find(|line| !order::same_unit(line, &parts)) {
            let (id, unit) = (&line.id, &line.quantity.unit);
            return Err(Fault::input(format!("line {id}: InvenTree does not count it in {unit}")));
        }
        if let Some(line) = order.lines.iter().find(|line| !order::is_countable(line)) {
            return Err(Fault::input(format!("line {}: {}", line.id, order::COUNTS)));
        }
        let plan = plan(order, known.whole.as_ref(), &parts, &sites)?;
        let any = plan.iter().any(|take| take.kept > Decimal::ZERO || !take.from.is_empty());
        let short = plan.iter().any(|take| take.missing > Decimal::ZERO);
        let complete = matches!(order.delivery_policy, DeliveryPolicy::ShipComplete);
        if !any || (short && complete) {
            // An attempt that somebody else's order overtook may have kept some of it.
            if let Some(before) = known.whole
                && before.shipments.iter().all(is_promise)
            {
                give_up(&before.order)?;
            }
            return Ok(nothing(order, &plan, &call));
        }
        let mut whole = match order::ensure(known, order, order.lines.iter(), &config, &parts)? {
            Ok(whole) => whole,
            Err(refusal) => return Err(Fault::never(&refusal.code, refusal.message)),
        };
        keep(&mut whole, &plan, &sites)?;
        let whole = Whole::read(whole.order)?;
        Ok(output(order, &whole, &sites, &call))
    }

    fn release_promise(
        _call: Call,
        input: ReleasePromiseInput,
    ) -> Result<ReleasePromiseOutput, Fault> {
        let config: Config = config::get()?;
        let outcome = match order::find(&input.promise.id, &config)? {
            None => ReleasePromiseOutcome::Released,
            Some(found) if found.status == PENDING && give_up(&found)? => {
                ReleasePromiseOutcome::Released
            }
            Some(_) => ReleasePromiseOutcome::TooLate,
        };
        Ok(ReleasePromiseOutput { outcome })
    }
}

impl probe::Guest for Connector {
    /// Applied when all is kept. Asked for again, `promise-order` keeps the rest, if there is any.
    fn probe_promise_order(
        call: Call,
        input: PromiseOrderInput,
    ) -> Result<PromiseOrderState, Fault> {
        let config: Config = config::get()?;
        let Some(found) = order::find(&input.order.id, &config)? else {
            return Ok(PromiseOrderState::Absent);
        };
        let whole = Whole::read(found)?;
        let mut kept = whole.order.status != PENDING;
        if !kept {
            let there = input.order.lines.iter().all(|line| whole.line_of(&line.id).is_some());
            let full = |line: &Line| whole.allocated(line.pk) >= line.quantity;
            kept = there && whole.lines.iter().all(full);
        }
        if !kept {
            return Ok(PromiseOrderState::Absent);
        }
        let sites = Sites::read(&config)?;
        Ok(PromiseOrderState::Applied(output(&input.order, &whole, &sites, &call)))
    }
}

/// Cancels a sales order on which nobody works yet; whether it is given up.
fn give_up(found: &SalesOrder) -> Result<bool, Fault> {
    let _ = act(&format!("/api/order/so/{}/cancel/", found.pk))?;
    Ok(order::by_pk(found.pk)?.is_none_or(|now| now.status == CANCELLED))
}

/// What is to be taken for one line.
#[derive(Debug)]
struct Take {
    line: String,
    item: String,
    unit: String,
    /// Allocated by an earlier attempt.
    kept: Decimal,
    /// Stock item, its site, and how much of it.
    from: Vec<(i64, i64, Decimal)>,
    missing: Decimal,
}

/// Site by site in order of preference; a line that names a site takes from there only.
fn plan(
    order: &Order,
    before: Option<&Whole>,
    parts: &BTreeMap<String, Part>,
    sites: &Sites,
) -> Result<Vec<Take>, Fault> {
    let mut stock: BTreeMap<i64, Vec<StockItem>> = BTreeMap::new();
    for part in parts.values() {
        stock.insert(part.pk, inventory::on_shelves(part)?);
    }
    let mut taken: BTreeMap<i64, Decimal> = BTreeMap::new();
    let mut plan = Vec::new();
    for line in &order.lines {
        let wanted = decimal::parse(&line.quantity.value)?;
        let kept = before.and_then(|whole| Some(whole.allocated(whole.line_of(&line.id)?.pk)));
        let kept = kept.unwrap_or_default();
        let mut missing = (wanted - kept).max(Decimal::ZERO);
        let mut from = Vec::new();
        let items = parts.get(&line.item).and_then(|part| stock.get(&part.pk));
        for site in &sites.all {
            if line.site.as_ref().is_some_and(|wanted| *wanted != site.name) {
                continue;
            }
            let here = |item: &&StockItem| {
                item.status == STOCK_OK
                    && sites.at(item.location).is_some_and(|at| at.pk == site.pk)
            };
            for item in items.into_iter().flatten().filter(here) {
                let used = taken.entry(item.pk).or_default();
                let here = missing.min(item.quantity - item.allocated - *used);
                if here > Decimal::ZERO {
                    *used += here;
                    missing -= here;
                    from.push((item.pk, site.pk, here));
                }
            }
        }
        let (line_id, item, unit) =
            (line.id.clone(), line.item.clone(), line.quantity.unit.clone());
        plan.push(Take { line: line_id, item, unit, kept, from, missing });
    }
    Ok(plan)
}

/// Allocates what the plan takes, into one shipment for each site.
fn keep(whole: &mut Whole, plan: &[Take], sites: &Sites) -> Result<(), Fault> {
    for site in &sites.all {
        let mut items = Vec::new();
        for take in plan {
            let Some(line) = whole.line_of(&take.line) else { continue };
            for (item, _, count) in take.from.iter().filter(|(_, at, _)| *at == site.pk) {
                let count = decimal::text(*count);
                items.push(json!({"line_item": line.pk, "stock_item": item, "quantity": count}));
            }
        }
        if items.is_empty() {
            continue;
        }
        let shipment = site_shipment(whole, &site.name)?;
        let path = format!("/api/order/so/{}/allocate/", whole.order.pk);
        // Somebody else was faster: what the plan saw is gone, so plan anew.
        if let Err(refusal) = post::<Value>(&path, &json!({"items": items, "shipment": shipment}))?
        {
            return Err(Fault::later("stock-taken", refusal.message).with_status(400));
        }
    }
    Ok(())
}

fn site_shipment(whole: &mut Whole, site: &str) -> Result<i64, Fault> {
    let name = promise_name(site);
    if let Some(known) = whole.shipments.iter().find(|shipment| shipment.reference == name) {
        return Ok(known.pk);
    }
    let values = json!({"order": whole.order.pk, "reference": name});
    let created: Shipment = expect(post("/api/order/so/shipment/", &values)?)?;
    let pk = created.pk;
    whole.shipments.push(created);
    Ok(pk)
}

fn day(order: &Order, call: &Call) -> String {
    let today = time::date_of(&call.started_at).unwrap_or_default().to_owned();
    order.requested_on.clone().filter(|wished| *wished > today).unwrap_or(today)
}

fn promise(order: &Order, call: &Call) -> Promise {
    Promise {
        id: order.id.clone(),
        company: order.company.clone(),
        references: vec![reference("crossdock", "order", &order.id)],
        attributes: Vec::new(),
        version: 0,
        occurred_at: call.started_at.clone(),
        order: order.id.clone(),
        expires_at: None,
        firm: true,
        splits: Vec::new(),
        shortages: Vec::new(),
    }
}

/// From what is allocated.
fn output(order: &Order, whole: &Whole, sites: &Sites, call: &Call) -> PromiseOrderOutput {
    let mut promise = promise(order, call);
    promise.references.push(reference(SYSTEM, "promise", whole.order.pk.to_string()));
    let ship_on = day(order, call);
    for line in &order.lines {
        let wanted = decimal::parse(&line.quantity.value).unwrap_or_default();
        let pk = whole.line_of(&line.id).map(|known| known.pk);
        let mut by_site: BTreeMap<String, Decimal> = BTreeMap::new();
        for allocation in whole.allocations.iter().filter(|a| Some(a.line) == pk) {
            let site = sites.at(allocation.location).map(|site| site.name.clone());
            *by_site.entry(site.unwrap_or_default()).or_default() += allocation.quantity;
        }
        let kept: Decimal = by_site.values().sum();
        for (site, count) in by_site {
            promise.splits.push(PromiseSplit {
                line: line.id.clone(),
                item: line.item.clone(),
                quantity: quantity(count, &line.quantity.unit),
                site,
                ship_on: ship_on.clone(),
                deliver_on: None,
            });
        }
        if kept < wanted {
            promise.shortages.push(PromiseShortage {
                line: line.id.clone(),
                item: line.item.clone(),
                quantity: quantity(wanted - kept, &line.quantity.unit),
                expected_on: None,
            });
        }
    }
    let outcome = match (promise.splits.is_empty(), promise.shortages.is_empty()) {
        (_, true) => PromiseOrderOutcome::Promised,
        (false, false) => PromiseOrderOutcome::Partly,
        (true, false) => PromiseOrderOutcome::OutOfStock,
    };
    let order = match (&order.delivery_policy, &outcome) {
        (DeliveryPolicy::CancelRest, PromiseOrderOutcome::Partly) => cut(order, &promise),
        _ => order.clone(),
    };
    PromiseOrderOutput { outcome, promise, order }
}

/// The order as far as it was promised: lines shrink with their discounts, or fall away.
fn cut(order: &Order, promise: &Promise) -> Order {
    let number = |text: &str| decimal::parse(text).unwrap_or_default();
    let currency = &order.currency;
    let mut cut = order.clone();
    cut.total = None;
    cut.lines.retain_mut(|line| {
        let splits = promise.splits.iter().filter(|split| split.line == line.id);
        let kept: Decimal = splits.map(|split| number(&split.quantity.value)).sum();
        let asked = number(&line.quantity.value);
        let share = kept.checked_div(asked).unwrap_or_default();
        line.quantity.value = decimal::text(kept);
        let mut off = Decimal::ZERO;
        for discount in &mut line.discounts {
            let part = decimal::round_total(number(&discount.amount.amount) * share, currency);
            discount.amount = decimal::money(part, currency);
            off += part;
        }
        if let Some(each) = line.price.as_ref().and_then(|price| price_each(price).ok()) {
            let amount = decimal::round_total(each * kept, currency) - off;
            line.amount = Some(decimal::money(amount, currency));
        }
        kept > Decimal::ZERO
    });
    cut
}

fn nothing(order: &Order, plan: &[Take], call: &Call) -> PromiseOrderOutput {
    let mut promise = promise(order, call);
    promise.firm = false;
    promise.shortages = plan
        .iter()
        .filter(|take| take.missing > Decimal::ZERO)
        .map(|take| PromiseShortage {
            line: take.line.clone(),
            item: take.item.clone(),
            quantity: quantity(take.missing, &take.unit),
            expected_on: None,
        })
        .collect();
    let order = order.clone();
    PromiseOrderOutput { outcome: PromiseOrderOutcome::OutOfStock, promise, order }
}
