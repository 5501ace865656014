//! A shipment of InvenTree as a canonical shipment. Its id is the shipment's reference; one that
//! the warehouse makes by itself is numbered, and gets the id of the one asked for before the number.

use crossdock_sdk::canonical::common::{Consignee, Lot};
use crossdock_sdk::canonical::shipments::{Shipment, ShipmentLine, ShipmentStatus};
use crossdock_sdk::canonical::{id_in, quantity, reference};
use crossdock_sdk::{Decimal, Fault, Identity, Reference, time};

use crate::client::{get, list};
use crate::customer;
use crate::objects::{self, Allocation, CANCELLED, ON_HOLD, PENDING};
use crate::order::{self, Generations, Whole, part_unit};
use crate::sites::Sites;
use crate::{Config, SYSTEM};

const PATH: &str = "/api/order/so/shipment/";
const PROMISE: &str = "promise-";

/// The name of the shipment that holds what is promised from a site, until it is asked for.
pub fn promise_name(site: &str) -> String {
    format!("{PROMISE}{site}")
}

/// Whether it only holds what was promised. What is packed is more than a promise, whoever did it.
pub fn is_promise(shipment: &objects::Shipment) -> bool {
    shipment.reference.starts_with(PROMISE) && stage(shipment) < PACKED
}

/// How far a shipment has come: its version, and how many milestones its state implies.
pub fn stage(shipment: &objects::Shipment) -> usize {
    match shipment {
        objects::Shipment { delivery_date: Some(_), .. } => 5,
        objects::Shipment { shipment_date: Some(_), .. } => SHIPPED,
        objects::Shipment { checked_by: Some(_), .. } => PACKED,
        objects::Shipment { allocated_items: Some(1..), .. } => 1,
        _ => 0,
    }
}

/// Picking is not told apart from packing: 2 is passed over.
pub const PACKED: usize = 3;
pub const SHIPPED: usize = 4;

pub fn id(shipment: &objects::Shipment, whole: &Whole) -> String {
    if !is_number(&shipment.reference) {
        return shipment.reference.clone();
    }
    // The shortest is the one asked for; the others have a suffix.
    let references = whole.shipments.iter().map(|other| other.reference.as_str());
    let asked = references.filter(|name| !is_number(name) && !name.starts_with(PROMISE));
    let base = asked.min_by_key(|name| name.len()).unwrap_or(&whole.order.customer_reference);
    format!("{base}-{}", shipment.reference)
}

fn is_number(reference: &str) -> bool {
    !reference.is_empty() && reference.bytes().all(|byte| byte.is_ascii_digit())
}

pub fn references(shipment: &objects::Shipment, order: &str) -> Vec<Reference> {
    vec![
        reference(SYSTEM, "shipment", shipment.pk.to_string()),
        reference("crossdock", "order", order),
    ]
}

/// A shipment with its order: by InvenTree's number or by its order where these are known, else by
/// a search for its id.
pub fn find(
    identity: &Identity,
    config: &Config,
) -> Result<Option<(objects::Shipment, Whole)>, Fault> {
    if let Some(pk) = identity.id_in(SYSTEM, "shipment").and_then(|id| id.parse::<i64>().ok()) {
        let found: Option<objects::Shipment> = get(&format!("{PATH}{pk}/"))?;
        return match found {
            Some(found) => in_order(found.order, |shipment, _| shipment.pk == pk),
            None => Ok(None),
        };
    }
    let same = |shipment: &objects::Shipment, whole: &Whole| id(shipment, whole) == identity.id;
    if let Some(order) = identity.id_in("crossdock", "order") {
        for generation in Generations::read(order, config)?.all.iter().rev() {
            if let Some(found) = in_order(generation.pk, same)? {
                return Ok(Some(found));
            }
        }
        return Ok(None);
    }
    // One that the warehouse made is found by the one asked for.
    let asked = identity.id.rsplit_once('-').filter(|(_, number)| is_number(number));
    for wanted in std::iter::once(identity.id.as_str()).chain(asked.map(|(asked, _)| asked)) {
        let mut found: Vec<objects::Shipment> = list(PATH, &[("search", wanted)])?;
        found.retain(|shipment| shipment.reference == wanted);
        // The latest: those before it belong to sales orders that were cancelled.
        if let Some(latest) = found.iter().max_by_key(|shipment| shipment.pk) {
            return in_order(latest.order, same);
        }
    }
    Ok(None)
}

fn in_order(
    order: i64,
    wanted: impl Fn(&objects::Shipment, &Whole) -> bool,
) -> Result<Option<(objects::Shipment, Whole)>, Fault> {
    let Some(sales_order) = order::by_pk(order)? else { return Ok(None) };
    let whole = Whole::read(sales_order)?;
    let found = whole.shipments.iter().find(|shipment| wanted(shipment, &whole)).cloned();
    Ok(found.map(|found| (found, whole)))
}

/// Whether a shipment that is not found was called off: taken out of its order.
pub fn is_taken_out(identity: &Identity, config: &Config) -> Result<bool, Fault> {
    let Some(order) = id_in(&identity.references, "crossdock", "order") else { return Ok(false) };
    Ok(!Generations::read(order, config)?.all.is_empty())
}

/// With what it takes of InvenTree to tell all of it.
pub fn described(
    found: &objects::Shipment,
    whole: &Whole,
    config: &Config,
) -> Result<Shipment, Fault> {
    let ship_to = customer::consignee(&whole.order, config)?;
    Ok(shipment(found, whole, &Sites::read(config)?, &ship_to, config))
}

pub fn shipment(
    found: &objects::Shipment,
    whole: &Whole,
    sites: &Sites,
    ship_to: &Consignee,
    config: &Config,
) -> Shipment {
    let order = whole.order.customer_reference.clone();
    let place = whole.in_shipment(found.pk).find_map(|allocation| allocation.location);
    let site = sites.at(place);
    let changed = [&found.delivery_date, &found.shipment_date, &whole.order.creation_date];
    let changed = changed.into_iter().flatten().next();
    Shipment {
        id: id(found, whole),
        company: config.company.clone(),
        references: references(found, &order),
        attributes: Vec::new(),
        version: stage(found) as u64,
        occurred_at: moment(changed),
        order,
        status: status(found, whole),
        site: site.map_or_else(String::new, |site| site.name.clone()),
        ship_from: site.and_then(|site| config.site_addresses.get(&site.name)).cloned(),
        ship_to: ship_to.clone(),
        lines: lines(found, whole),
        packages: Vec::new(),
        carrier: None,
        tracking_number: found.tracking_number.clone().filter(|number| !number.is_empty()),
        tracking_url: found.link.clone().filter(|link| !link.is_empty()),
        freight: None,
        ship_on: whole.order.target_date.clone(),
        shipped_at: found.shipment_date.as_ref().map(|date| moment(Some(date))),
        delivered_at: found.delivery_date.as_ref().map(|date| moment(Some(date))),
        documents: Vec::new(),
    }
}

/// One line for each order line, whatever number of stock items it was taken from.
fn lines(found: &objects::Shipment, whole: &Whole) -> Vec<ShipmentLine> {
    let carried = |line: &objects::Line| {
        let pk = line.pk;
        whole.in_shipment(found.pk).filter(move |allocation| allocation.line == pk)
    };
    let lines = whole.lines.iter().filter(|line| carried(line).next().is_some());
    let lines = lines.map(|line| {
        let count: Decimal = carried(line).map(|allocation| allocation.quantity).sum();
        ShipmentLine {
            id: line.reference.clone(),
            order_line: line.reference.clone(),
            item: item(line),
            quantity: quantity(count, unit(line)),
            substitute_for: None,
            lots: carried(line).filter_map(|allocation| lot(allocation, unit(line))).collect(),
        }
    });
    lines.collect()
}

pub fn item(line: &objects::Line) -> String {
    let number = line.part_detail.as_ref().and_then(|part| part.ipn.clone());
    number.unwrap_or_else(|| match line.part {
        Some(part) => format!("inventree-{part}"),
        None => "inventree-deleted".into(),
    })
}

pub fn unit(line: &objects::Line) -> &str {
    line.part_detail.as_ref().map_or(crossdock_sdk::canonical::PIECE, part_unit)
}

pub fn lot(allocation: &Allocation, unit: &str) -> Option<Lot> {
    let item = allocation.item_detail.as_ref()?;
    let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (number, serial) = (named(&item.batch), named(&item.serial));
    if number.is_none() && serial.is_none() {
        return None;
    }
    let quantity = quantity(allocation.quantity, unit);
    Some(Lot { number, serial, quantity, expires_on: item.expiry_date.clone() })
}

fn status(found: &objects::Shipment, whole: &Whole) -> ShipmentStatus {
    match (stage(found), whole.order.status) {
        (5.., _) => ShipmentStatus::Delivered,
        (SHIPPED, _) => ShipmentStatus::Shipped,
        (_, CANCELLED) => ShipmentStatus::Cancelled,
        (_, PENDING | ON_HOLD) => ShipmentStatus::OnHold,
        (PACKED, _) => ShipmentStatus::Packed,
        (0, _) => ShipmentStatus::Released,
        _ => ShipmentStatus::Picking,
    }
}

/// InvenTree knows days only: today is now, an earlier day is its end.
pub fn moment(date: Option<&String>) -> String {
    let now = time::now();
    match date {
        Some(date) if *date < now => match now.starts_with(date.as_str()) {
            true => now,
            false => format!("{}T23:59:59Z", date.get(..10).unwrap_or(date)),
        },
        _ => now,
    }
}
