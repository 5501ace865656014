//! Milestones out of states. InvenTree keeps no events and stamps shipments with days only, so the
//! cursor holds for each shipment in sight how much of it was told. In sight are the open ones and
//! those that left or arrived within the last days.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_sdk::canonical::shipments::{Milestone, MilestoneKind, MilestoneLine};
use crossdock_sdk::canonical::{quantity, reference};
use crossdock_sdk::{Call, Decimal, Fault, PollRequest, config, time};
use serde::{Deserialize, Serialize};

use crate::client::{get, list, list_while};
use crate::exports::crossdock::wms::milestone_feed::{
    Guest, MilestoneItem, PollShipmentMilestonesOutput,
};
use crate::objects::{CANCELLED, Location, Shipment};
use crate::order::{self, Whole};
use crate::shipment::{self, is_promise};
use crate::{Config, Connector};

const PATH: &str = "/api/order/so/shipment/";
/// A shipment that left or arrived earlier than this before the last poll is not looked at again.
const SIGHT_DAYS: i64 = 3;
const LIMIT_MAX: u32 = 200;

/// In their order; a state implies all before it. InvenTree knows no picking apart from packing.
const KINDS: [(&str, MilestoneKind); 5] = [
    ("allocated", MilestoneKind::Allocated),
    ("picked", MilestoneKind::Picked),
    ("packed", MilestoneKind::Packed),
    ("shipped", MilestoneKind::Shipped),
    ("delivered", MilestoneKind::Delivered),
];
/// After `delivered`: nothing more comes.
const CALLED_OFF: usize = 6;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// The day of the last poll.
    day: String,
    /// By shipment: how many of `KINDS` were told.
    told: BTreeMap<i64, usize>,
}

impl Guest for Connector {
    fn poll_shipment_milestones(
        _call: Call,
        input: PollRequest,
    ) -> Result<PollShipmentMilestonesOutput, Fault> {
        let config: Config = config::get()?;
        let sites = order::sites(&config)?;
        let before = read_cursor(input.cursor.as_deref())?;
        let today = time::now().get(..10).unwrap_or_default().to_owned();
        let (seen, missing) = in_sight(&before)?;
        let limit = input.limit.clamp(1, LIMIT_MAX) as usize;

        let mut now = Cursor { day: today, told: BTreeMap::new() };
        let mut items = Vec::new();
        let mut more = false;
        let mut orders: BTreeMap<i64, Option<Whole>> = BTreeMap::new();
        for (pk, found) in &seen {
            let told = before.told.get(pk).copied().unwrap_or(0);
            let Some(found) = found else { continue };
            if is_promise(found, &sites) {
                continue;
            }
            let reached = level(found);
            let gone = missing.contains(pk);
            if reached <= told && !gone {
                now.told.insert(*pk, told);
                continue;
            }
            if !orders.contains_key(&found.order) {
                let whole = order::by_pk(found.order)?.map(Whole::read).transpose()?;
                orders.insert(found.order, whole);
            }
            let Some(whole) = orders.get(&found.order).and_then(Option::as_ref) else { continue };
            if whole.order.customer_reference.is_empty() {
                // Not an order of ours.
                now.told.insert(*pk, reached);
                continue;
            }
            let mut told = told;
            while told < reached && items.len() < limit {
                let (name, kind) = &KINDS[told];
                items.push(item(found, whole, name, kind.clone(), told + 1, &sites, &config));
                told += 1;
            }
            if whole.order.status == CANCELLED && found.shipment_date.is_none() && told < CALLED_OFF {
                if items.len() < limit {
                    let kind = MilestoneKind::Cancelled;
                    items.push(item(found, whole, "cancelled", kind, 1, &sites, &config));
                    told = CALLED_OFF;
                } else {
                    more = true;
                }
            }
            more |= told < reached;
            now.told.insert(*pk, told);
        }
        let cursor = serde_json::to_string(&now).unwrap_or_default();
        Ok(PollShipmentMilestonesOutput { items, next_cursor: Some(cursor), more })
    }
}

fn read_cursor(cursor: Option<&str>) -> Result<Cursor, Fault> {
    let Some(cursor) = cursor else { return Ok(Cursor::default()) };
    serde_json::from_str(cursor)
        .map_err(|error| Fault::never("cursor", format!("not a cursor of this connector: {error}")))
}

/// In the order of their numbers; none for one that is deleted.
type Seen = BTreeMap<i64, Option<Shipment>>;

/// The shipments to look at, and which of them are in no list any more.
fn in_sight(before: &Cursor) -> Result<(Seen, BTreeSet<i64>), Fault> {
    let floor = time::add_days(&before.day, -SIGHT_DAYS).unwrap_or_default();
    let recent = |date: &Option<String>| date.as_ref().is_some_and(|date| *date >= floor);
    let open: Vec<Shipment> = list(PATH, &[("order_outstanding", "true"), ("shipped", "false")])?;
    let left: Vec<Shipment> = list_while(
        PATH,
        &[("shipped", "true"), ("ordering", "-shipment_date")],
        |shipment: &Shipment| recent(&shipment.shipment_date),
    )?;
    let arrived: Vec<Shipment> = list_while(
        PATH,
        &[("delivered", "true"), ("ordering", "-delivery_date")],
        |shipment: &Shipment| recent(&shipment.delivery_date),
    )?;
    let found = open.into_iter().chain(left).chain(arrived);
    let mut seen: Seen =
        found.map(|shipment| (shipment.pk, Some(shipment))).collect();
    // Open at the last poll, and in none of the lists now: called off, or deleted.
    let missing: BTreeSet<i64> = before
        .told
        .iter()
        .filter(|(pk, told)| **told < 4 && !seen.contains_key(pk))
        .map(|(pk, _)| *pk)
        .collect();
    for pk in &missing {
        seen.insert(*pk, get(&format!("{PATH}{pk}/"))?);
    }
    Ok((seen, missing))
}

/// How many of `KINDS` the state implies.
fn level(shipment: &Shipment) -> usize {
    match shipment {
        Shipment { delivery_date: Some(_), .. } => 5,
        Shipment { shipment_date: Some(_), .. } => 4,
        Shipment { checked_by: Some(_), .. } => 3,
        Shipment { allocated_items, .. } if *allocated_items > 0 => 1,
        _ => 0,
    }
}

fn item(
    found: &Shipment,
    whole: &Whole,
    name: &str,
    kind: MilestoneKind,
    reached: usize,
    sites: &[Location],
    config: &Config,
) -> MilestoneItem {
    let order = whole.order.customer_reference.clone();
    let shipment_id = shipment::id(found, &order);
    let id = format!("inventree-{}-{name}", found.pk);
    let place = whole.in_shipment(found.pk).find_map(|allocation| allocation.location);
    let date = match name {
        "delivered" => found.delivery_date.as_ref(),
        "shipped" => found.shipment_date.as_ref(),
        _ => None,
    };
    let mut references = shipment::references(found, &order);
    references.push(reference("crossdock", "shipment", &shipment_id));
    MilestoneItem {
        id: id.clone(),
        value: Milestone {
            id,
            company: config.company.clone(),
            references,
            attributes: Vec::new(),
            version: 0,
            occurred_at: shipment::moment(date),
            kind,
            order,
            shipment: Some(shipment_id),
            tracking_number: found.tracking_number.clone().filter(|number| !number.is_empty()),
            place: sites.iter().find(|site| Some(site.pk) == place).map(|site| site.name.clone()),
            lines: lines(found, whole, reached),
            note: None,
        },
    }
}

/// For each order line in this shipment: its total over all shipments that have come as far.
fn lines(found: &Shipment, whole: &Whole, reached: usize) -> Vec<MilestoneLine> {
    let concerned: BTreeSet<i64> = whole.in_shipment(found.pk).map(|a| a.line).collect();
    let as_far: BTreeSet<i64> = whole
        .shipments
        .iter()
        .filter(|other| other.pk == found.pk || level(other) >= reached)
        .map(|other| other.pk)
        .collect();
    let lines = concerned.into_iter().filter_map(|pk| {
        let line = whole.line(pk)?;
        let total: Decimal = whole
            .allocations
            .iter()
            .filter(|a| a.line == pk && a.shipment.is_some_and(|shipment| as_far.contains(&shipment)))
            .map(|allocation| allocation.quantity)
            .sum();
        Some(MilestoneLine {
            order_line: line.reference.clone(),
            item: shipment::item(line),
            quantity: quantity(total, shipment::unit(line)),
            lots: Vec::new(),
        })
    });
    lines.collect()
}
