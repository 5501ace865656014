//! Shipments and allocations, as a client makes and reads them.

use serde_json::{Map, Value, json};

use super::{
    Answer, Failure, IN_PROGRESS, Inventree, PENDING, body, lists, quantity, required, stock, write,
};
use crate::state::{State, today};
use crate::wire::{Reply, Request};
use crate::world::Step;

const SHIPMENT_FIELDS: [&str; 9] = [
    "reference",
    "tracking_number",
    "invoice_number",
    "checked_by",
    "shipment_date",
    "delivery_date",
    "shipment_address",
    "link",
    "notes",
];

/// A shipment that has not left.
pub(super) fn new(order: i64, reference: &str) -> Value {
    json!({
        "order": order, "reference": reference, "tracking_number": "", "invoice_number": "",
        "checked_by": null, "shipment_date": null, "delivery_date": null, "shipment_address": null,
        "link": "", "notes": "", "barcode_hash": "",
    })
}

impl State {
    pub(super) fn shipment_list(&mut self, request: &Request) -> Answer {
        match request.method.as_str() {
            "GET" => {}
            "POST" => return self.create_shipment(request),
            _ => return Err(Failure::Method),
        }
        self.inventree.check_order_filter(request)?;
        let rows: Vec<Value> = self
            .inventree
            .shipments
            .asked(request)
            .filter(|row| {
                let set = |field: &str| !row[field].is_null();
                let order =
                    row["order"].as_i64().and_then(|pk| self.inventree.orders.rows.get(&pk));
                let status = order.and_then(|o| o["status"].as_i64()).unwrap_or(0);
                let open = matches!(status, PENDING | IN_PROGRESS | super::ON_HOLD);
                let flag = |name: &str, is: bool| request.query_flag(name).is_none_or(|w| w == is);
                lists::is_wanted(request, row, &["order"])
                    && flag("shipped", set("shipment_date"))
                    && flag("delivered", set("delivery_date"))
                    && flag("checked", set("checked_by"))
                    && flag("order_outstanding", open)
                    && request.query_number("order_status").is_none_or(|wanted| wanted == status)
            })
            .filter_map(|row| self.inventree.shipment(row["pk"].as_i64()?, request).ok())
            .collect();
        let searched =
            ["/order_detail/reference", "/reference", "/tracking_number", "/invoice_number"];
        let ordered = ["reference", "delivery_date", "shipment_date", "allocated_items"];
        lists::answer(request, rows, &searched, &ordered)
    }

    fn create_shipment(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let order = required(&map, "order")?;
        self.inventree.orders.get(order, "SalesOrder")?;
        let count = self.inventree.shipments_of(order).count();
        let own = (count + 1).to_string();
        let reference = map.get("reference").and_then(Value::as_str).unwrap_or(&own);
        self.inventree.check_shipment_reference(order, reference, None)?;
        let mut row = new(order, reference);
        write(&mut row, &map, &SHIPMENT_FIELDS)?;
        let business = format!("{}/{reference}", self.inventree.reference_of(&json!(order)));
        let pk = self.inventree.shipments.insert(row);
        self.effects.count("inventree", "shipment.create", &business, "");
        Ok(Reply::json(201, &self.inventree.shipment(pk, request)?))
    }

    pub(super) fn shipment_detail(&mut self, request: &Request, pk: i64) -> Answer {
        let row = self.inventree.shipments.get(pk, "SalesOrderShipment")?;
        match request.method.as_str() {
            "GET" => {}
            "PATCH" | "PUT" => {
                let map = body(request)?;
                let order = row["order"].as_i64().unwrap_or(0);
                if let Some(reference) = map.get("reference").and_then(Value::as_str) {
                    self.inventree.check_shipment_reference(order, reference, Some(pk))?;
                }
                let row = self.inventree.shipments.get_mut(pk, "SalesOrderShipment")?;
                write(row, &map, &SHIPMENT_FIELDS)?;
            }
            // Also one that has left: whoever deletes it must have looked.
            "DELETE" => {
                self.inventree.shipments.rows.remove(&pk);
                self.inventree.allocations.rows.retain(|_, a| a["shipment"] != pk);
                return Ok(Reply::empty(204));
            }
            _ => return Err(Failure::Method),
        }
        Ok(Reply::json(200, &self.inventree.shipment(pk, request)?))
    }

    pub(super) fn ship_by_client(&mut self, request: &Request, pk: i64) -> Answer {
        let map = body(request)?;
        let row = self.inventree.shipments.get(pk, "SalesOrderShipment")?;
        if !row["shipment_date"].is_null() {
            return Err(Failure::General("Shipment has already been sent".into()));
        }
        if !self.inventree.has_allocations(pk) {
            return Err(Failure::General("Shipment has no allocated stock items".into()));
        }
        let business = format!(
            "{}/{}",
            self.inventree.reference_of(&row["order"]),
            row["reference"].as_str().unwrap_or("")
        );
        let row = self.inventree.shipments.get_mut(pk, "SalesOrderShipment")?;
        write(row, &map, &SHIPMENT_FIELDS)?;
        row["shipment_date"] = Value::Null;
        let date = map.get("shipment_date").and_then(Value::as_str);
        let date = date.map_or_else(today, str::to_owned);
        self.inventree.ship(pk, &date);
        self.effects.count("inventree", "shipment.ship", &business, "");
        self.schedule(Step::Deliver { shipment: pk });
        let mut said = map;
        said.insert("shipment_date".into(), json!(date));
        Ok(Reply::json(201, &Value::Object(said)))
    }

    pub(super) fn allocate_by_client(&mut self, map: &Map<String, Value>, order: i64) -> Answer {
        let Some(items) = map.get("items").and_then(Value::as_array).filter(|i| !i.is_empty())
        else {
            return Err(Failure::Field("items", "Allocation items must be provided".into()));
        };
        let shipment = map.get("shipment").and_then(Value::as_i64);
        if let Some(pk) = shipment {
            let row = self.inventree.shipments.get(pk, "SalesOrderShipment")?;
            if row["order"] != order {
                let message = "Shipment is not associated with this order";
                return Err(Failure::Field("shipment", message.into()));
            }
            if !row["shipment_date"].is_null() {
                let message = "Shipment has already been shipped";
                return Err(Failure::Field("shipment", message.into()));
            }
        }
        let mut wanted = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let checked = self.inventree.check_item(item, order);
            wanted.push(checked.map_err(|why| Failure::Part(at, Box::new(why)))?);
        }
        for (line, stock_item, quantity) in wanted {
            self.inventree.allocate(line, stock_item, quantity, shipment);
        }
        let business = self.inventree.reference_of(&json!(order));
        self.effects.count("inventree", "allocation.create", &business, "");
        Ok(Reply::json(201, &Value::Object(map.clone())))
    }

    pub(super) fn allocation_list(&mut self, request: &Request) -> Answer {
        self.inventree.check_order_filter(request)?;
        let rows: Vec<Value> = self
            .inventree
            .allocations
            .asked(request)
            .filter(|row| {
                let filters = ["order", "shipment", "line", "part", "item", "location"];
                lists::is_wanted(request, row, &filters)
                    && request
                        .query_flag("assigned_to_shipment")
                        .is_none_or(|wanted| wanted != row["shipment"].is_null())
            })
            .map(|row| {
                let mut row = row.clone();
                let on = |name: &str| request.query_flag(name).unwrap_or(false);
                if on("part_detail") {
                    row["part_detail"] = self.inventree.part_brief(&row["part"]);
                }
                if on("item_detail")
                    && let Some(item) = row["item"].as_i64()
                {
                    row["item_detail"] = json!(self.inventree.stock_item(item, false).ok());
                }
                row
            })
            .collect();
        lists::answer(request, rows, &["/serial"], &["quantity", "location", "serial"])
    }

    pub(super) fn allocation_detail(&mut self, request: &Request, pk: i64) -> Answer {
        let row = self.inventree.allocations.get(pk, "SalesOrderAllocation")?.clone();
        if request.method == "DELETE" {
            if self.inventree.has_left(&row["shipment"]) {
                return Err(Failure::General("Shipment has already been sent".into()));
            }
            self.inventree.allocations.rows.remove(&pk);
            return Ok(Reply::empty(204));
        }
        Ok(Reply::json(200, &row))
    }
}

impl Inventree {
    /// What is to be allocated of one stock item: the line, the item, how much.
    fn check_item(&self, item: &Value, order: i64) -> Result<(i64, i64, f64), Failure> {
        let item = item.as_object().ok_or_else(|| Failure::General("Invalid data.".into()))?;
        let wrong = |field, message: String| Err(Failure::Field(field, message));
        let line = required(item, "line_item")?;
        let stock_item = required(item, "stock_item")?;
        let given = item.get("quantity");
        let quantity = quantity(given, "quantity")?;
        let decimals = given.and_then(Value::as_str).and_then(|text| text.split_once('.'));
        if decimals.is_some_and(|(_, decimals)| decimals.len() > 5) {
            let message = "Ensure that there are no more than 5 decimal places.";
            return wrong("quantity", message.into());
        }
        if quantity <= 0.0 {
            return wrong("quantity", "Quantity must be positive".into());
        }
        let known = self.lines.rows.get(&line);
        if known.is_none_or(|row| row["order"] != order) {
            return wrong("line_item", "Line item is not associated with this order".into());
        }
        let Some(found) = self.stock.rows.get(&stock_item) else {
            let message = format!("Invalid pk \"{stock_item}\" - object does not exist.");
            return wrong("stock_item", message);
        };
        let free = found["quantity"].as_f64().unwrap_or(0.0) - self.allocated(stock_item);
        if quantity > free {
            return wrong("quantity", format!("Available quantity ({free}) exceeded"));
        }
        Ok((line, stock_item, quantity))
    }

    pub(super) fn shipment(&self, pk: i64, request: &Request) -> Result<Value, Failure> {
        let mut row = self.shipments.get(pk, "SalesOrderShipment")?.clone();
        row["allocated_items"] = json!(self.allocations.of("shipment", pk).count());
        let order = row["order"].as_i64().unwrap_or(0);
        if request.query_flag("order_detail").unwrap_or(true) {
            row["order_detail"] = json!(self.order(order, false).ok());
        }
        if request.query_flag("customer_detail").unwrap_or(false) {
            let customer = self.orders.rows.get(&order).map(|o| o["customer"].clone());
            row["customer_detail"] = self.company_brief(&customer.unwrap_or_default());
        }
        Ok(row)
    }

    pub(super) fn shipments_of(&self, order: i64) -> impl Iterator<Item = &Value> {
        self.shipments.of("order", order)
    }

    fn check_shipment_reference(
        &self,
        order: i64,
        reference: &str,
        own: Option<i64>,
    ) -> Result<(), Failure> {
        let taken = self
            .shipments_of(order)
            .any(|s| s["reference"] == reference && s["pk"].as_i64() != own);
        if taken {
            let message = "The fields order, reference must make a unique set.";
            return Err(Failure::General(message.into()));
        }
        Ok(())
    }

    pub(super) fn has_left(&self, shipment: &Value) -> bool {
        let row = shipment.as_i64().and_then(|pk| self.shipments.rows.get(&pk));
        row.is_some_and(|row| !row["shipment_date"].is_null())
    }

    pub(super) fn allocate(&mut self, line: i64, item: i64, quantity: f64, shipment: Option<i64>) {
        let (Some(line_row), Some(stock_row)) =
            (self.lines.rows.get(&line), self.stock.rows.get(&item))
        else {
            return;
        };
        let row = json!({
            "item": item, "quantity": quantity, "shipment": shipment, "line": line,
            "part": line_row["part"], "order": line_row["order"], "serial": stock_row["serial"],
            "location": stock_row["location"],
        });
        self.allocations.insert(row);
    }

    /// The stock leaves: it becomes the customer's, and the lines count it as shipped.
    pub(super) fn ship(&mut self, shipment: i64, date: &str) {
        let going = self.allocations.of("shipment", shipment);
        let going: Vec<i64> = going.filter_map(|a| a["pk"].as_i64()).collect();
        for pk in going {
            let allocation = self.allocations.rows[&pk].clone();
            let quantity = allocation["quantity"].as_f64().unwrap_or(0.0);
            let order = allocation["order"].clone();
            if let Some(row) = allocation["item"].as_i64().and_then(|i| self.stock.rows.get_mut(&i))
            {
                row["quantity"] = json!(row["quantity"].as_f64().unwrap_or(0.0) - quantity);
            }
            let mut sold = stock::new(allocation["part"].as_i64().unwrap_or(0), 0, quantity);
            let customer = order.as_i64().and_then(|o| self.orders.rows.get(&o));
            sold["customer"] = customer.map_or(Value::Null, |o| o["customer"].clone());
            sold["sales_order"] = order;
            sold["location"] = Value::Null;
            sold["parent"] = allocation["item"].clone();
            let item = self.stock.insert(sold);
            self.allocations.point(pk, "item", item);
            if let Some(line) =
                allocation["line"].as_i64().and_then(|l| self.lines.rows.get_mut(&l))
            {
                line["shipped"] = json!(line["shipped"].as_f64().unwrap_or(0.0) + quantity);
            }
        }
        if let Some(row) = self.shipments.rows.get_mut(&shipment) {
            row["shipment_date"] = json!(date);
        }
    }

    /// A cancelled order gives back what it held; InvenTree forgets also what of it has left.
    pub(super) fn release_allocations(&mut self, order: i64) {
        self.allocations.rows.retain(|_, a| a["order"] != order);
    }
}
