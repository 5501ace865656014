//! Sales orders and their lines.

use serde_json::{Value, json};

use super::{
    Answer, CANCELLED, COMPLETE, Failure, IN_PROGRESS, Inventree, ON_HOLD, PENDING, SHIPPED, body,
    created, lists, quantity, required, write,
};
use crate::state::{State, today};
use crate::wire::{Reply, Request};
use crate::world::Step;

const ORDER_FIELDS: [&str; 11] = [
    "customer_reference",
    "description",
    "target_date",
    "start_date",
    "link",
    "order_currency",
    "address",
    "contact",
    "notes",
    "project_code",
    "responsible",
];
const LINE_FIELDS: [&str; 7] = [
    "reference",
    "sale_price",
    "sale_price_currency",
    "target_date",
    "notes",
    "link",
    "project_code",
];

/// What sales and return orders may be sorted by.
pub(super) const ORDERED: [&str; 9] = [
    "creation_date",
    "reference",
    "customer_reference",
    "status",
    "start_date",
    "target_date",
    "line_items",
    "shipment_date",
    "total_price",
];

impl State {
    pub(super) fn order_list(&mut self, request: &Request) -> Answer {
        match request.method.as_str() {
            "GET" => {}
            "POST" => return self.create_order(request),
            _ => return Err(Failure::Method),
        }
        let detail = request.query_flag("customer_detail").unwrap_or(false);
        let rows: Vec<Value> = self
            .inventree
            .orders
            .rows
            .values()
            // Before they are shaped: that looks at the lines and shipments of all.
            .filter(|row| {
                let open = matches!(row["status"].as_i64(), Some(PENDING | IN_PROGRESS | ON_HOLD));
                let created = row["creation_date"].as_str().unwrap_or_default();
                let filters = ["status", "customer", "reference"];
                lists::is_wanted(request, row, &filters)
                    && request.query_flag("outstanding").is_none_or(|wanted| wanted == open)
                    && request.query("created_after").is_none_or(|date| created > date)
                    && request.query("created_before").is_none_or(|date| created < date)
                    && request.query("min_date").is_none_or(|date| created >= date)
                    && request.query("max_date").is_none_or(|date| created <= date)
            })
            .filter_map(|row| self.inventree.order(row["pk"].as_i64()?, detail).ok())
            .collect();
        let searched =
            ["/reference", "/customer_reference", "/description", "/customer_detail/name"];
        lists::answer(request, rows, &searched, &ORDERED)
    }

    fn create_order(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let customer = required(&map, "customer")?;
        if !self.inventree.companies.rows.contains_key(&customer) {
            let message = format!("Invalid pk \"{customer}\" - object does not exist.");
            return Err(Failure::Field("customer", message));
        }
        let reference = check_reference(&map, "SO-", &self.inventree.orders)?;
        let mut row = created(json!({
            "reference": reference, "customer": customer, "customer_reference": "", "description": "",
            "status": PENDING, "status_custom_key": PENDING, "issue_date": null, "start_date": null,
            "target_date": null, "shipment_date": null, "link": "", "project_code": null,
            "responsible": null, "contact": null, "address": null, "notes": null, "barcode_hash": "",
            "order_currency": null, "overdue": false,
            "created_by": {"pk": 1, "username": "crossdock", "first_name": "", "last_name": "", "email": ""},
        }));
        write(&mut row, &map, &ORDER_FIELDS)?;
        let business = business_reference(&row);
        let pk = self.inventree.orders.insert(row);
        self.effects.count("inventree", "order.create", &business, "");
        Ok(Reply::json(201, &self.inventree.order(pk, false)?))
    }

    pub(super) fn order_detail(&mut self, request: &Request, pk: i64) -> Answer {
        match request.method.as_str() {
            "GET" => {}
            "PATCH" | "PUT" => {
                let map = body(request)?;
                write(self.inventree.orders.get_mut(pk, "SalesOrder")?, &map, &ORDER_FIELDS)?;
            }
            _ => return Err(Failure::Method),
        }
        Ok(Reply::json(200, &self.inventree.order(pk, true)?))
    }

    pub(super) fn order_action(&mut self, request: &Request, pk: i64, action: &str) -> Answer {
        let map = body(request)?;
        let status = self.inventree.orders.get(pk, "SalesOrder")?["status"].as_i64().unwrap_or(0);
        if action == "allocate" {
            return self.allocate_by_client(&map, pk);
        }
        let open = [PENDING, IN_PROGRESS, ON_HOLD];
        let (from, to, effect): (&[i64], i64, &str) = match action {
            "issue" => (&[PENDING, ON_HOLD], IN_PROGRESS, "order.issue"),
            "hold" => (&[PENDING, IN_PROGRESS], ON_HOLD, "order.hold"),
            "cancel" => (&open, CANCELLED, "order.cancel"),
            "complete" => (&[IN_PROGRESS, SHIPPED], COMPLETE, "order.complete"),
            _ => return Err(Failure::Endpoint),
        };
        if !from.contains(&status) {
            return match action {
                "complete" => {
                    let message = "Only an open order can be marked as complete";
                    Err(Failure::General(message.into()))
                }
                // The others do nothing, and answer as if they had.
                _ => Ok(Reply::json(201, &json!({}))),
            };
        }
        let incomplete = map.get("accept_incomplete") == Some(&json!(true));
        if action == "complete" && !incomplete && !self.inventree.all_shipped(pk) {
            let message = "Order has incomplete line items";
            return Err(Failure::Field("accept_incomplete", message.into()));
        }
        let row = self.inventree.orders.get_mut(pk, "SalesOrder")?;
        row["status"] = json!(to);
        row["status_custom_key"] = json!(to);
        if action == "issue" && row["issue_date"].is_null() {
            row["issue_date"] = json!(today());
        }
        let business = business_reference(row);
        self.effects.count("inventree", effect, &business, "");
        match action {
            "issue" => self.schedule(Step::Pick { order: pk }),
            "cancel" => self.inventree.release_allocations(pk),
            _ => {}
        }
        Ok(Reply::json(201, &json!({})))
    }

    pub(super) fn line_list(&mut self, request: &Request) -> Answer {
        if request.method == "POST" {
            let map = body(request)?;
            let order = required(&map, "order")?;
            let part = required(&map, "part")?;
            let quantity = not_negative(&map)?;
            if !self.inventree.orders.rows.contains_key(&order) {
                let message = format!("Invalid pk \"{order}\" - object does not exist.");
                return Err(Failure::Field("order", message));
            }
            if !self.inventree.parts.rows.contains_key(&part) {
                let message = format!("Invalid pk \"{part}\" - object does not exist.");
                return Err(Failure::Field("part", message));
            }
            let mut row = json!({
                "order": order, "part": part, "quantity": quantity, "reference": "", "notes": "",
                "link": "", "sale_price": null, "sale_price_currency": "USD", "target_date": null,
                "shipped": 0.0, "overdue": false, "project_code": null,
            });
            write(&mut row, &map, &LINE_FIELDS)?;
            let pk = self.inventree.lines.insert(row);
            return Ok(Reply::json(201, &self.inventree.line(pk, false)?));
        }
        self.inventree.check_order_filter(request)?;
        let detail = request.query_flag("part_detail").unwrap_or(false);
        let rows: Vec<Value> = self
            .inventree
            .lines
            .asked(request)
            .filter(|row| lists::is_wanted(request, row, &["order", "part"]))
            .filter_map(|row| self.inventree.line(row["pk"].as_i64()?, detail).ok())
            .collect();
        let ordered =
            ["quantity", "allocated", "shipped", "reference", "sale_price", "target_date"];
        lists::answer(request, rows, &["/reference", "/part_detail/name"], &ordered)
    }

    pub(super) fn line_detail(&mut self, request: &Request, pk: i64) -> Answer {
        match request.method.as_str() {
            "GET" => {}
            "PATCH" | "PUT" => {
                let map = body(request)?;
                let row = self.inventree.lines.get_mut(pk, "SalesOrderLineItem")?;
                if map.contains_key("quantity") {
                    row["quantity"] = json!(not_negative(&map)?);
                }
                write(row, &map, &LINE_FIELDS)?;
            }
            "DELETE" => {
                self.inventree.lines.get(pk, "SalesOrderLineItem")?;
                self.inventree.lines.rows.remove(&pk);
                self.inventree.allocations.rows.retain(|_, a| a["line"] != pk);
                return Ok(Reply::empty(204));
            }
            _ => return Err(Failure::Method),
        }
        Ok(Reply::json(200, &self.inventree.line(pk, true)?))
    }

    pub(super) fn extra_line_list(&mut self, request: &Request) -> Answer {
        if request.method == "POST" {
            let map = body(request)?;
            let order = required(&map, "order")?;
            self.inventree.orders.get(order, "SalesOrder")?;
            let mut row = json!({
                "order": order, "quantity": quantity(map.get("quantity"), "quantity")?, "reference": "",
                "price": null, "price_currency": "USD", "notes": "", "link": "", "description": "",
                "target_date": null, "project_code": null,
            });
            let fields = ["reference", "price", "price_currency", "notes", "link", "description"];
            write(&mut row, &map, &fields)?;
            let pk = self.inventree.extra_lines.insert(row);
            return Ok(Reply::json(201, &self.inventree.extra_lines.rows[&pk]));
        }
        let rows = self.inventree.extra_lines.rows.values();
        let rows = rows.filter(|row| lists::is_wanted(request, row, &["order"])).cloned().collect();
        lists::answer(request, rows, &["/reference"], &["quantity", "reference"])
    }
}

impl Inventree {
    pub(super) fn order(&self, pk: i64, customer_detail: bool) -> Result<Value, Failure> {
        let mut row = self.orders.get(pk, "SalesOrder")?.clone();
        let lines: Vec<&Value> = self.lines_of(pk).collect();
        let shipments: Vec<&Value> = self.shipments_of(pk).collect();
        let completed = lines.iter().filter(|l| l["shipped"].as_f64() >= l["quantity"].as_f64());
        let gone = shipments.iter().filter(|s| !s["shipment_date"].is_null());
        let total: f64 = lines
            .iter()
            .filter_map(|l| {
                let price: f64 = l["sale_price"].as_str()?.parse().ok()?;
                Some(price * l["quantity"].as_f64()?)
            })
            .sum();
        row["line_items"] = json!(lines.len());
        row["completed_lines"] = json!(completed.count());
        row["shipments_count"] = json!(shipments.len());
        row["completed_shipments_count"] = json!(gone.count());
        row["total_price"] = json!(format!("{total:.6}"));
        row["status_text"] = json!(status_text(row["status"].as_i64().unwrap_or(0)));
        if customer_detail {
            row["customer_detail"] = self.company_brief(&row["customer"]);
        }
        Ok(row)
    }

    pub(super) fn line(&self, pk: i64, part_detail: bool) -> Result<Value, Failure> {
        let mut row = self.lines.get(pk, "SalesOrderLineItem")?.clone();
        let allocated: f64 =
            self.allocations.of("line", pk).filter_map(|a| a["quantity"].as_f64()).sum();
        let part = row["part"].as_i64().unwrap_or(0);
        let available: f64 = (1..=2)
            .map(|site| {
                let (there, taken) = self.quantity_at(part, site);
                (there - taken).max(0.0)
            })
            .sum();
        row["allocated"] = json!(allocated);
        row["available_stock"] = json!(available);
        row["available_variant_stock"] = json!(0.0);
        row["building"] = json!(0.0);
        row["on_order"] = json!(0.0);
        if part_detail {
            row["part_detail"] = self.part_brief(&row["part"]);
        }
        Ok(row)
    }

    /// A filter by an order that is not there is refused, and finds not nothing.
    pub(super) fn check_order_filter(&self, request: &Request) -> Result<(), Failure> {
        match request.query_number("order") {
            Some(pk) if !self.orders.rows.contains_key(&pk) => {
                let message =
                    "Select a valid choice. That choice is not one of the available choices.";
                Err(Failure::Field("order", message.into()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn lines_of(&self, order: i64) -> impl Iterator<Item = &Value> {
        self.lines.of("order", order)
    }

    pub(super) fn all_shipped(&self, order: i64) -> bool {
        self.lines_of(order).all(|l| l["shipped"].as_f64() >= l["quantity"].as_f64())
    }

    /// The canonical order id, or the order's own number.
    pub(super) fn reference_of(&self, order: &Value) -> String {
        let row = order.as_i64().and_then(|pk| self.orders.rows.get(&pk));
        row.map(business_reference).unwrap_or_default()
    }

    pub fn summary(&self) -> Value {
        let mut by_status = std::collections::BTreeMap::<&str, u64>::new();
        for row in self.orders.rows.values() {
            let text = status_text(row["status"].as_i64().unwrap_or(0));
            *by_status.entry(text).or_default() += 1;
        }
        let shipments = self.shipments.rows.values();
        json!({
            "orders": by_status,
            "shipments": self.shipments.rows.len(),
            "shipped": shipments.clone().filter(|s| !s["shipment_date"].is_null()).count(),
            "delivered": shipments.filter(|s| !s["delivery_date"].is_null()).count(),
            "returns": self.returns.rows.len(),
        })
    }
}

/// A line may be of nothing.
fn not_negative(map: &serde_json::Map<String, Value>) -> Result<f64, Failure> {
    let quantity = quantity(map.get("quantity"), "quantity")?;
    if quantity < 0.0 {
        let message = "Ensure this value is greater than or equal to 0.";
        return Err(Failure::Field("quantity", message.into()));
    }
    Ok(quantity)
}

/// `SO-` and digits, and not taken.
pub(super) fn check_reference(
    map: &serde_json::Map<String, Value>,
    prefix: &str,
    taken: &super::Rows,
) -> Result<String, Failure> {
    let given = map.get("reference").and_then(Value::as_str).unwrap_or("");
    if given.is_empty() {
        return Err(Failure::Field("reference", "This field is required.".into()));
    }
    let digits = given.strip_prefix(prefix).unwrap_or("");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let message = format!("Reference must match required pattern: {prefix}{{ref:04d}}");
        return Err(Failure::Field("reference", message));
    }
    if taken.rows.values().any(|row| row["reference"] == given) {
        return Err(Failure::Field("reference", "This field must be unique.".into()));
    }
    Ok(given.to_owned())
}

pub(super) fn business_reference(row: &Value) -> String {
    ["customer_reference", "reference"]
        .into_iter()
        .filter_map(|field| row[field].as_str())
        .find(|text| !text.is_empty())
        .unwrap_or_default()
        .to_owned()
}

fn status_text(status: i64) -> &'static str {
    match status {
        PENDING => "Pending",
        IN_PROGRESS => "In Progress",
        SHIPPED => "Shipped",
        ON_HOLD => "On Hold",
        COMPLETE => "Complete",
        CANCELLED => "Cancelled",
        _ => "Returned",
    }
}
