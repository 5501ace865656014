//! The people in the warehouse: they pick, pack and ship what was released, site by site.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{COMPLETE, IN_PROGRESS, Inventree, SHIPPED, shipments, stock};
use crate::catalogue::{SHORT_PICKED, SITES};
use crate::state::{State, today};
use crate::world::Step;

impl State {
    /// Finds stock for the open lines of an issued order: a shipment for each site that has some.
    pub fn world_picks(&mut self, order: i64) {
        if !self.inventree.is_in_progress(order) {
            return;
        }
        let lines: Vec<Value> = self.inventree.lines_of(order).cloned().collect();
        let mut new_shipments: BTreeMap<i64, i64> = BTreeMap::new();
        for line in lines {
            let pk = line["pk"].as_i64().unwrap_or(0);
            if self.inventree.short_lines.contains(&pk) {
                continue;
            }
            let part = line["part"].as_i64().unwrap_or(0);
            let mut open = self.inventree.open_quantity(&line);
            if part == SHORT_PICKED && open >= 2.0 {
                open -= 1.0;
                self.inventree.short_lines.insert(pk);
            }
            for site in 1..=SITES.len() as i64 {
                for (item, free) in self.inventree.free_items(part, site) {
                    let taken = open.min(free);
                    if taken <= 0.0 {
                        continue;
                    }
                    let shipment = match new_shipments.get(&site) {
                        Some(shipment) => *shipment,
                        None => {
                            let shipment = self.inventree.empty_shipment(order);
                            new_shipments.insert(site, shipment);
                            shipment
                        }
                    };
                    self.inventree.allocate(pk, item, taken, Some(shipment));
                    open -= taken;
                }
            }
        }
        let waiting: Vec<i64> = self
            .inventree
            .shipments_of(order)
            .filter(|s| s["shipment_date"].is_null())
            .filter_map(|s| s["pk"].as_i64())
            .filter(|pk| self.inventree.has_allocations(*pk))
            .collect();
        for shipment in waiting {
            self.schedule(Step::Pack { shipment });
        }
    }

    pub fn world_packs(&mut self, shipment: i64) {
        let Some(row) = self.inventree.moving_shipment(shipment) else {
            return;
        };
        if row["checked_by"].is_null() {
            row["checked_by"] = json!(1);
        }
        self.schedule(Step::Ship { shipment });
    }

    pub fn world_ships(&mut self, shipment: i64) {
        let Some(row) = self.inventree.moving_shipment(shipment) else {
            return;
        };
        let order = row["order"].as_i64().unwrap_or(0);
        self.inventree.ship(shipment, &today());
        self.inventree.settle_order(order);
        self.schedule(Step::Deliver { shipment });
    }

    /// Delivered, unless a carrier's tracker is to say so.
    pub fn world_delivers(&mut self, shipment: i64) {
        let Some(row) = self.inventree.shipments.rows.get(&shipment) else {
            return;
        };
        let number = row["tracking_number"].as_str().unwrap_or("").to_owned();
        if self.karrio.is_under_way(&number) {
            return;
        }
        self.inventree.deliver(shipment);
    }

    /// The carrier has delivered: whoever has the number is delivered.
    pub fn delivered_by_carrier(&mut self, tracking_number: &str) {
        let shipments: Vec<i64> = self
            .inventree
            .shipments
            .rows
            .values()
            .filter(|s| s["tracking_number"] == tracking_number && !s["shipment_date"].is_null())
            .filter_map(|s| s["pk"].as_i64())
            .collect();
        for shipment in shipments {
            self.inventree.deliver(shipment);
        }
    }

    /// Stock arrives (or goes); orders that waited for it are picked.
    pub fn add_stock(&mut self, sku: &str, location: i64, quantity: f64) -> Option<f64> {
        let parts = self.inventree.parts.rows.values();
        let part = parts.clone().find(|p| p["IPN"] == sku)?["pk"].as_i64()?;
        let items = self.inventree.stock.rows.values_mut();
        let mut here = items.filter(|i| i["part"] == part && i["location"] == location);
        if let Some(item) = here.next() {
            let now = item["quantity"].as_f64().unwrap_or(0.0) + quantity;
            item["quantity"] = json!(now.max(0.0));
        } else {
            self.inventree.stock.insert(stock::new(part, location, quantity.max(0.0)));
        }
        let waiting: Vec<i64> = self
            .inventree
            .orders
            .rows
            .iter()
            .filter(|(_, o)| o["status"] == IN_PROGRESS)
            .map(|(pk, _)| *pk)
            .collect();
        for order in waiting {
            self.schedule(Step::Pick { order });
        }
        Some(self.inventree.quantity_at(part, location).0)
    }
}

impl Inventree {
    /// Whether a shipment with this number has left; None when no shipment has the number.
    pub fn has_number_left(&self, tracking_number: &str) -> Option<bool> {
        let mut with = self
            .shipments
            .rows
            .values()
            .filter(|s| s["tracking_number"] == tracking_number)
            .peekable();
        with.peek()?;
        Some(with.any(|s| !s["shipment_date"].is_null()))
    }

    fn is_in_progress(&self, order: i64) -> bool {
        self.orders.rows.get(&order).is_some_and(|o| o["status"] == IN_PROGRESS)
    }

    /// A shipment that has not left, of an order that is neither on hold nor cancelled.
    fn moving_shipment(&mut self, shipment: i64) -> Option<&mut Value> {
        let row = self.shipments.rows.get(&shipment)?;
        let order = row["order"].as_i64()?;
        if !row["shipment_date"].is_null()
            || !self.is_in_progress(order)
            || !self.has_allocations(shipment)
        {
            return None;
        }
        self.shipments.rows.get_mut(&shipment)
    }

    pub(super) fn has_allocations(&self, shipment: i64) -> bool {
        self.allocations.of("shipment", shipment).next().is_some()
    }

    fn open_quantity(&self, line: &Value) -> f64 {
        let allocations = self.allocations.of("line", line["pk"].as_i64().unwrap_or(0));
        let allocated: f64 = allocations.filter_map(|a| a["quantity"].as_f64()).sum();
        line["quantity"].as_f64().unwrap_or(0.0) - allocated
    }

    fn free_items(&self, part: i64, site: i64) -> Vec<(i64, f64)> {
        self.stock
            .of("location", site)
            .filter(|i| i["part"] == part && i["status"] == 10)
            .filter_map(|i| {
                let pk = i["pk"].as_i64()?;
                let free = i["quantity"].as_f64()? - self.allocated(pk);
                (free > 0.0).then_some((pk, free))
            })
            .collect()
    }

    /// An open shipment of the order that has nothing in it yet, or a new one.
    fn empty_shipment(&mut self, order: i64) -> i64 {
        let found = self
            .shipments_of(order)
            .filter(|s| s["shipment_date"].is_null())
            .filter_map(|s| s["pk"].as_i64())
            .find(|pk| !self.has_allocations(*pk));
        if let Some(pk) = found {
            return pk;
        }
        let taken = |name: &str| self.shipments_of(order).any(|s| s["reference"] == name);
        let number = self.shipments_of(order).count() + 1;
        let name = (number..).map(|n| n.to_string()).find(|name| !taken(name));
        self.shipments.insert(shipments::new(order, &name.unwrap_or_default()))
    }

    fn deliver(&mut self, shipment: i64) {
        let Some(row) = self.shipments.rows.get_mut(&shipment) else {
            return;
        };
        if row["shipment_date"].is_null() || !row["delivery_date"].is_null() {
            return;
        }
        row["delivery_date"] = json!(today());
        let order = row["order"].as_i64().unwrap_or(0);
        self.settle_order(order);
    }

    /// SHIPPED when nothing is open, COMPLETE when everything has arrived.
    fn settle_order(&mut self, order: i64) {
        if !self.all_shipped(order) {
            return;
        }
        let arrived = self
            .shipments_of(order)
            .filter(|s| self.has_allocations(s["pk"].as_i64().unwrap_or(0)))
            .all(|s| !s["delivery_date"].is_null());
        if let Some(row) = self.orders.rows.get_mut(&order)
            && matches!(row["status"].as_i64(), Some(IN_PROGRESS | SHIPPED))
        {
            let status = if arrived { COMPLETE } else { SHIPPED };
            row["status"] = json!(status);
            row["status_custom_key"] = json!(status);
            if row["shipment_date"].is_null() {
                row["shipment_date"] = json!(today());
            }
        }
    }
}
