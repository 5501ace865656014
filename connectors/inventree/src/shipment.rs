//! A shipment of InvenTree as a canonical shipment. Its id is the shipment's reference; those that
//! the warehouse makes by itself are numbered, and get the order's id before the number.

use crossdock_sdk::canonical::common::{Consignee, Lot};
use crossdock_sdk::canonical::shipments::{Shipment, ShipmentLine, ShipmentStatus};
use crossdock_sdk::canonical::{PIECE, quantity, reference, unit_of};
use crossdock_sdk::{Decimal, Fault, Identity, Reference, time};

use crate::client::{get, list};
use crate::objects::{self, Allocation, CANCELLED, Location, ON_HOLD, PENDING};
use crate::order::{self, Whole};
use crate::promising::promise_name;
use crate::{Config, SYSTEM};

pub fn id(shipment: &objects::Shipment, order: &str) -> String {
    let numbered = shipment.reference.bytes().all(|byte| byte.is_ascii_digit());
    match numbered {
        true => format!("{order}-{}", shipment.reference),
        false => shipment.reference.clone(),
    }
}

pub fn references(shipment: &objects::Shipment, order: &str) -> Vec<Reference> {
    vec![
        reference(SYSTEM, "shipment", shipment.pk.to_string()),
        reference("crossdock", "order", order),
    ]
}

/// A shipment with its order: by InvenTree's number where it is known, else by reference.
pub fn find(identity: &Identity) -> Result<Option<(objects::Shipment, Whole)>, Fault> {
    let found = match identity.id_in(SYSTEM, "shipment").and_then(|id| id.parse::<i64>().ok()) {
        Some(pk) => get(&format!("/api/order/so/shipment/{pk}/"))?,
        None => by_reference(&identity.id)?,
    };
    let Some(found) = found else { return Ok(None) };
    let found: objects::Shipment = found;
    let Some(sales_order) = order::by_pk(found.order)? else { return Ok(None) };
    Ok(Some((found, Whole::read(sales_order)?)))
}

fn by_reference(wanted: &str) -> Result<Option<objects::Shipment>, Fault> {
    let found: Vec<objects::Shipment> = list("/api/order/so/shipment/", &[("search", wanted)])?;
    if let Some(exact) = found.into_iter().rfind(|shipment| shipment.reference == wanted) {
        return Ok(Some(exact));
    }
    // One that the warehouse made: the order's id and a number.
    let Some((order, number)) = wanted.rsplit_once('-') else { return Ok(None) };
    for sales_order in order::all_of(order)?.into_iter().rev() {
        let pk = sales_order.pk.to_string();
        let of_order: Vec<objects::Shipment> = list("/api/order/so/shipment/", &[("order", &pk)])?;
        if let Some(found) = of_order.into_iter().find(|shipment| shipment.reference == number) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether it only holds what was promised: nobody has asked for it yet.
pub fn is_promise(shipment: &objects::Shipment, sites: &[Location]) -> bool {
    sites.iter().any(|site| shipment.reference == promise_name(&site.name))
}

pub fn shipment(
    found: &objects::Shipment,
    whole: &Whole,
    sites: &[Location],
    ship_to: &Consignee,
    config: &Config,
) -> Shipment {
    let order = whole.order.customer_reference.clone();
    let place = whole.in_shipment(found.pk).find_map(|allocation| allocation.location);
    let site = sites.iter().find(|site| Some(site.pk) == place);
    let changed = [&found.delivery_date, &found.shipment_date, &whole.order.creation_date];
    let changed = changed.into_iter().flatten().next();
    Shipment {
        id: id(found, &order),
        company: config.company.clone(),
        references: references(found, &order),
        attributes: Vec::new(),
        version: 0,
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
    let mut lines: Vec<(i64, Decimal, Vec<Lot>)> = Vec::new();
    for allocation in whole.in_shipment(found.pk) {
        match lines.iter_mut().find(|(line, ..)| *line == allocation.line) {
            Some((_, count, lots)) => {
                *count += allocation.quantity;
                lots.extend(lot(allocation));
            }
            None => lines.push((allocation.line, allocation.quantity, lot(allocation).into_iter().collect())),
        }
    }
    let lines = lines.into_iter().filter_map(|(pk, count, lots)| {
        let line = whole.line(pk)?;
        Some(ShipmentLine {
            id: line.reference.clone(),
            order_line: line.reference.clone(),
            item: item(line),
            quantity: quantity(count, unit(line)),
            substitute_for: None,
            lots,
        })
    });
    lines.collect()
}

pub fn item(line: &objects::Line) -> String {
    let number = line.part_detail.as_ref().and_then(|part| part.ipn.clone());
    number.unwrap_or_else(|| format!("inventree-{}", line.part))
}

pub fn unit(line: &objects::Line) -> &str {
    let units = line.part_detail.as_ref().and_then(|part| part.units.as_deref());
    units.map_or(PIECE, unit_of)
}

fn lot(allocation: &Allocation) -> Option<Lot> {
    let item = allocation.item_detail.as_ref()?;
    let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (number, serial) = (named(&item.batch), named(&item.serial));
    if number.is_none() && serial.is_none() {
        return None;
    }
    let quantity = quantity(allocation.quantity, PIECE);
    Some(Lot { number, serial, quantity, expires_on: None })
}

fn status(found: &objects::Shipment, whole: &Whole) -> ShipmentStatus {
    if found.delivery_date.is_some() {
        return ShipmentStatus::Delivered;
    }
    if found.shipment_date.is_some() {
        return ShipmentStatus::Shipped;
    }
    match whole.order.status {
        CANCELLED => ShipmentStatus::Cancelled,
        PENDING | ON_HOLD => ShipmentStatus::OnHold,
        _ if found.checked_by.is_some() => ShipmentStatus::Packed,
        _ if found.allocated_items > 0 => ShipmentStatus::Picking,
        _ => ShipmentStatus::Released,
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
