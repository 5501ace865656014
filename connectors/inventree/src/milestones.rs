//! Milestones out of states. InvenTree keeps no events and stamps shipments with days only, so the
//! cursor holds for each shipment in sight how much of it was told. In sight are the open ones and
//! those that left or arrived within the last days; of what arrived, each poll reads as much as is
//! new by InvenTree's count, and the first one of a day reads all of it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crossdock_sdk::canonical::shipments::{Milestone, MilestoneKind, MilestoneLine};
use crossdock_sdk::canonical::{quantity, reference};
use crossdock_sdk::{Call, Decimal, Fault, PollRequest, config, time};
use serde::{Deserialize, Serialize};

use crate::client::{get, list, list_pages, list_while};
use crate::exports::crossdock::wms::milestone_feed::{
    Guest, MilestoneItem, PollShipmentMilestonesOutput,
};
use crate::objects::{CANCELLED, IN_PROGRESS, ON_HOLD, PENDING, Shipment};
use crate::order::{self, Whole};
use crate::shipment::{self, SHIPPED, is_promise, stage};
use crate::sites::Sites;
use crate::{Config, Connector};

const PATH: &str = "/api/order/so/shipment/";
/// A shipment that left or arrived earlier than this before the last poll is not looked at again.
const SIGHT_DAYS: i64 = 3;
const LIMIT_MAX: u32 = 200;
/// Shipments that may fail in one poll; after so many, InvenTree is left alone until the next.
const FAILURES_MAX: usize = 3;

/// In their order; a state implies all before it. InvenTree knows no picking apart from packing.
const KINDS: [(&str, MilestoneKind); 5] = [
    ("allocated", MilestoneKind::Allocated),
    ("picked", MilestoneKind::Picked),
    ("packed", MilestoneKind::Packed),
    ("shipped", MilestoneKind::Shipped),
    ("delivered", MilestoneKind::Delivered),
];
/// Nothing more comes.
const DELIVERED: usize = KINDS.len();

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// The day of the last poll.
    day: String,
    /// By shipment: how many of `KINDS` were told.
    told: Told,
    #[serde(default)]
    arrived: Option<Arrived>,
}

/// By shipment, how much was told of it.
type Told = BTreeMap<i64, usize>;

/// What had arrived, as the last poll saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Arrived {
    /// Of all times.
    count: usize,
    /// Of these, not told to the end.
    untold: usize,
}

impl Guest for Connector {
    fn poll_shipment_milestones(
        _call: Call,
        input: PollRequest,
    ) -> Result<PollShipmentMilestonesOutput, Fault> {
        let config: Config = config::get()?;
        let today = time::now().get(..10).unwrap_or_default().to_owned();
        let before = read_cursor(input.cursor.as_deref(), &today)?;
        let limit = input.limit.clamp(1, LIMIT_MAX) as usize;
        let mut teller = Teller::new(&config, limit);
        let InSight { sights, unseen: told, mut arrived } = in_sight(&before, &today, limit)?;
        let mut now = Cursor { day: today, told, arrived: None };
        let mut failures = 0;
        for (pk, sight) in sights {
            let known = before.told.get(&pk).copied();
            if failures < FAILURES_MAX {
                match teller.tell(&sight, known.unwrap_or(0)) {
                    Ok(told) => {
                        if sight.shipment.delivery_date.is_some()
                            && known != told
                            && told == Some(DELIVERED)
                        {
                            arrived.untold = arrived.untold.saturating_sub(1);
                        }
                        now.told.extend(told.map(|told| (pk, told)));
                        continue;
                    }
                    // What was read is told; where InvenTree failed, the next poll goes on.
                    Err(_) if !teller.items.is_empty() => failures += 1,
                    Err(fault) => return Err(fault),
                }
            }
            now.told.extend(known.map(|told| (pk, told)));
        }
        teller.more |= failures > 0 || arrived.untold > 0;
        now.arrived = Some(arrived);
        let Teller { items, more, .. } = teller;
        let cursor = serde_json::to_string(&now).unwrap_or_default();
        let next_cursor = (input.cursor.as_deref() != Some(cursor.as_str())).then_some(cursor);
        Ok(PollShipmentMilestonesOutput { items, next_cursor, more })
    }
}

/// What a poll looks at.
struct InSight {
    /// In the order of their numbers.
    sights: BTreeMap<i64, Sight>,
    /// What InvenTree did not show now is as it was.
    unseen: Told,
    /// Before anything of it is told.
    arrived: Arrived,
}

/// A shipment to look at.
struct Sight {
    shipment: Shipment,
    /// It was open at the last poll, and is in none of the lists now.
    missing: bool,
}

struct Teller<'a> {
    config: &'a Config,
    limit: usize,
    /// Read when there is something to tell.
    sites: Option<Sites>,
    orders: BTreeMap<i64, Option<Whole>>,
    items: Vec<MilestoneItem>,
    more: bool,
}

impl<'a> Teller<'a> {
    fn new(config: &'a Config, limit: usize) -> Self {
        let orders = BTreeMap::new();
        Teller { config, limit, sites: None, orders, items: Vec::new(), more: false }
    }

    /// Tells what is new of a shipment; how much of it is told then, none to forget it.
    fn tell(&mut self, sight: &Sight, mut told: usize) -> Result<Option<usize>, Fault> {
        let found = &sight.shipment;
        let reached = stage(found);
        if is_promise(found) {
            return Ok(None);
        }
        if reached <= told && !sight.missing {
            return Ok(Some(told));
        }
        if self.items.len() >= self.limit {
            self.more = true;
            return Ok(Some(told));
        }
        if self.sites.is_none() {
            self.sites = Some(Sites::read(self.config)?);
        }
        let whole = match self.orders.entry(found.order) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(order::by_pk(found.order)?.map(Whole::read).transpose()?)
            }
        };
        let (Some(whole), Some(sites)) = (whole.as_ref(), &self.sites) else { return Ok(None) };
        if !order::is_ours(&whole.order, self.config) {
            return Ok(Some(DELIVERED));
        }
        let items = &mut self.items;
        while told < reached && items.len() < self.limit {
            let (name, kind) = &KINDS[told];
            told += 1;
            items.push(item(found, whole, (name, kind.clone(), told), sites, self.config));
        }
        self.more |= told < reached;
        let open = matches!(whole.order.status, PENDING | IN_PROGRESS | ON_HOLD);
        if open || reached >= SHIPPED {
            return Ok(Some(told));
        }
        // Its order is at an end, and it has not left.
        if whole.order.status == CANCELLED {
            if told < reached || items.len() >= self.limit {
                self.more = true;
                return Ok(Some(told));
            }
            let cancelled = ("cancelled", MilestoneKind::Cancelled, 1);
            items.push(item(found, whole, cancelled, sites, self.config));
        }
        Ok(None)
    }
}

fn read_cursor(cursor: Option<&str>, today: &str) -> Result<Cursor, Fault> {
    // The first poll begins with what is going on, not with all that ever was.
    let Some(cursor) = cursor else {
        return Ok(Cursor { day: today.to_owned(), ..Cursor::default() });
    };
    serde_json::from_str(cursor)
        .map_err(|error| Fault::never("cursor", format!("not a cursor of this connector: {error}")))
}

/// The shipments to look at, and those that are in no list or could not be read.
fn in_sight(before: &Cursor, today: &str, limit: usize) -> Result<InSight, Fault> {
    let floor = time::add_days(&before.day, -SIGHT_DAYS).unwrap_or_default();
    let recent = |date: &Option<String>| date.as_ref().is_some_and(|date| *date >= floor);
    let open: Vec<Shipment> = list(PATH, &[("order_outstanding", "true"), ("shipped", "false")])?;
    let left: Vec<Shipment> = list_while(
        PATH,
        &[("shipped", "true"), ("delivered", "false"), ("ordering", "-shipment_date")],
        |shipment: &Shipment| recent(&shipment.shipment_date),
    )?;
    let arrivals = arrivals(before, today, limit, &recent)?;
    // A shipment may move from one list to the next between the requests: the later one counts.
    let found = open.into_iter().chain(left).chain(arrivals.shipments);
    let sight = |shipment: Shipment| (shipment.pk, Sight { shipment, missing: false });
    let mut seen: BTreeMap<i64, Sight> = found.map(sight).collect();
    let mut unseen = Told::new();
    let mut missing = 0;
    for (pk, told) in &before.told {
        if seen.contains_key(pk) {
            continue;
        }
        if *told >= SHIPPED {
            // Of those that were not read; once a day those out of sight are forgotten.
            if !arrivals.all {
                unseen.insert(*pk, *told);
            }
            continue;
        }
        if missing == limit {
            unseen.insert(*pk, *told);
            continue;
        }
        missing += 1;
        // Called off, or its order ended without it; a deleted one is forgotten.
        match get::<Shipment>(&format!("{PATH}{pk}/")) {
            Ok(Some(shipment)) => {
                seen.insert(*pk, Sight { shipment, missing: true });
            }
            Ok(None) => {}
            // One that cannot be read must not keep the others from being told.
            Err(_) => drop(unseen.insert(*pk, *told)),
        }
    }
    Ok(InSight { sights: seen, unseen, arrived: arrivals.arrived })
}

struct Arrivals {
    shipments: Vec<Shipment>,
    /// All that arrived within sight was read.
    all: bool,
    arrived: Arrived,
}

/// What arrived, newest first, until as many are found as are new; a day has no order within it, so
/// these may stand anywhere. InvenTree's count says how many to look for; when shipments were deleted
/// it says too few, and the next day's first poll finds the rest.
fn arrivals(
    before: &Cursor,
    today: &str,
    limit: usize,
    recent: &impl Fn(&Option<String>) -> bool,
) -> Result<Arrivals, Fault> {
    let known = before.arrived.as_ref().filter(|_| before.day == today);
    let is_new = |shipment: &Shipment| before.told.get(&shipment.pk) != Some(&DELIVERED);
    let (mut found, mut new, mut expected) = (Vec::new(), 0, None);
    let lacking = |expected: Option<usize>, new| expected.is_none_or(|all| new < all.min(limit));
    let mut count = 0;
    let mut within = true;
    list_pages(
        PATH,
        &[("delivered", "true"), ("ordering", "-delivery_date")],
        |of_all: usize, page: Vec<Shipment>| {
            count = of_all;
            expected = known.map(|known| known.untold + of_all.saturating_sub(known.count));
            for shipment in page {
                within &= recent(&shipment.delivery_date);
                if within {
                    new += usize::from(is_new(&shipment));
                    found.push(shipment);
                }
            }
            within && lacking(expected, new)
        },
    )?;
    // Read to the end, what was not found is not there.
    let all = lacking(expected, new);
    let untold = if all { new } else { expected.unwrap_or(new).max(new) };
    Ok(Arrivals { shipments: found, all, arrived: Arrived { count, untold } })
}

/// One milestone: its name, its kind, and the stage that it stands for.
fn item(
    found: &Shipment,
    whole: &Whole,
    (name, kind, reached): (&str, MilestoneKind, usize),
    sites: &Sites,
    config: &Config,
) -> MilestoneItem {
    let order = whole.order.customer_reference.clone();
    let shipment_id = shipment::id(found, whole);
    let id = format!("inventree-{}-{name}", found.pk);
    let place = whole.in_shipment(found.pk).find_map(|allocation| allocation.location);
    let date = match reached {
        DELIVERED => found.delivery_date.as_ref(),
        SHIPPED => found.shipment_date.as_ref(),
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
            version: reached as u64,
            occurred_at: shipment::moment(date),
            kind,
            order,
            shipment: Some(shipment_id),
            tracking_number: found.tracking_number.clone().filter(|number| !number.is_empty()),
            place: sites.at(place).map(|site| site.name.clone()),
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
        .filter(|other| other.pk == found.pk || stage(other) >= reached)
        .map(|other| other.pk)
        .collect();
    let lines = concerned.into_iter().filter_map(|pk| {
        let line = whole.line(pk)?;
        let total: Decimal = whole
            .allocations
            .iter()
            .filter(|a| {
                a.line == pk && a.shipment.is_some_and(|shipment| as_far.contains(&shipment))
            })
            .map(|allocation| allocation.quantity)
            .sum();
        let unit = shipment::unit(line);
        let lots = whole.in_shipment(found.pk).filter(|allocation| allocation.line == pk);
        Some(MilestoneLine {
            order_line: line.reference.clone(),
            item: shipment::item(line),
            quantity: quantity(total, unit),
            lots: lots.filter_map(|allocation| shipment::lot(allocation, unit)).collect(),
        })
    });
    lines.collect()
}
