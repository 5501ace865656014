//! Return orders: announced by the client, received at a site.

use serde_json::{Value, json};

use super::orders::{ORDERED, business_reference, check_reference};
use super::{Answer, Failure, Inventree, body, created, lists, quantity, required, write};
use crate::state::{State, today};
use crate::wire::{Reply, Request};

const IN_PROGRESS: i64 = 20;
const FIELDS: [&str; 10] = [
    "customer_reference",
    "description",
    "target_date",
    "start_date",
    "link",
    "order_currency",
    "address",
    "contact",
    "notes",
    "responsible",
];

impl State {
    pub(super) fn return_list(&mut self, request: &Request) -> Answer {
        if request.method == "POST" {
            let map = body(request)?;
            let customer = required(&map, "customer")?;
            self.inventree.companies.get(customer, "Company")?;
            let reference = check_reference(&map, "RMA-", &self.inventree.returns)?;
            let mut row = created(json!({
                "reference": reference, "customer": customer, "customer_reference": "",
                "description": "", "status": 10, "status_custom_key": 10, "issue_date": null,
                "start_date": null, "target_date": null, "complete_date": null, "link": "",
                "project_code": null, "responsible": null, "contact": null, "address": null,
                "notes": null, "barcode_hash": "", "order_currency": null, "overdue": false,
                "total_price": null,
                "created_by": {"pk": 1, "username": "crossdock", "first_name": "", "last_name": "", "email": ""},
            }));
            write(&mut row, &map, &FIELDS)?;
            let business = business_reference(&row);
            let pk = self.inventree.returns.insert(row);
            self.effects.count("inventree", "return.create", &business, "");
            return Ok(Reply::json(201, &self.inventree.return_order(pk)?));
        }
        let rows: Vec<Value> = self
            .inventree
            .returns
            .rows
            .keys()
            .filter_map(|pk| self.inventree.return_order(*pk).ok())
            .filter(|row| lists::is_wanted(request, row, &["status", "customer", "reference"]))
            .collect();
        let searched = ["/reference", "/customer_reference", "/description"];
        lists::answer(request, rows, &searched, &ORDERED)
    }

    pub(super) fn return_detail(&mut self, request: &Request, pk: i64) -> Answer {
        if matches!(request.method.as_str(), "PATCH" | "PUT") {
            let map = body(request)?;
            write(self.inventree.returns.get_mut(pk, "ReturnOrder")?, &map, &FIELDS)?;
        }
        Ok(Reply::json(200, &self.inventree.return_order(pk)?))
    }

    pub(super) fn return_action(&mut self, request: &Request, pk: i64, action: &str) -> Answer {
        let status = self.inventree.returns.get(pk, "ReturnOrder")?["status"].as_i64().unwrap_or(0);
        if action == "receive" {
            return self.receive_return(request, pk, status);
        }
        let (allowed, to): (&[i64], i64) = match action {
            "issue" => (&[10, 25], IN_PROGRESS),
            "hold" => (&[10, IN_PROGRESS], 25),
            "cancel" => (&[10, IN_PROGRESS, 25], 40),
            "complete" => (&[IN_PROGRESS], 30),
            _ => return Err(Failure::Endpoint),
        };
        if !allowed.contains(&status) {
            // Nothing is done, and the answer is as if it were.
            return Ok(Reply::json(201, &json!({})));
        }
        let row = self.inventree.returns.get_mut(pk, "ReturnOrder")?;
        row["status"] = json!(to);
        row["status_custom_key"] = json!(to);
        match action {
            "issue" => row["issue_date"] = json!(today()),
            "complete" => row["complete_date"] = json!(today()),
            _ => {}
        }
        Ok(Reply::json(201, &json!({})))
    }

    fn receive_return(&mut self, request: &Request, pk: i64, status: i64) -> Answer {
        let map = body(request)?;
        if status != IN_PROGRESS {
            let message = "Items can only be received against orders which are in progress";
            return Err(Failure::General(message.into()));
        }
        let location = required(&map, "location")?;
        let Some(items) = map.get("items").and_then(Value::as_array).filter(|i| !i.is_empty())
        else {
            return Err(Failure::Field("items", "Line items must be provided".into()));
        };
        let mut lines = Vec::new();
        for item in items {
            let item = item.as_object().ok_or_else(|| Failure::General("Invalid data.".into()))?;
            let line = required(item, "item")?;
            let row = self.inventree.return_lines.get(line, "ReturnOrderLineItem")?;
            if row["order"] != pk {
                return Err(Failure::General("Line item does not match return order".into()));
            }
            if !row["received_date"].is_null() {
                return Err(Failure::General("Line item has already been received".into()));
            }
            let status = item.get("status").and_then(Value::as_i64).unwrap_or(75);
            lines.push((line, status));
        }
        for (line, status) in lines {
            self.inventree.receive(line, location, status);
        }
        let business = business_reference(self.inventree.returns.get(pk, "ReturnOrder")?);
        self.effects.count("inventree", "return.receive", &business, "");
        Ok(Reply::json(201, &Value::Object(map)))
    }

    pub(super) fn return_line_list(&mut self, request: &Request) -> Answer {
        if request.method == "POST" {
            let map = body(request)?;
            let order = required(&map, "order")?;
            let item = required(&map, "item")?;
            self.inventree.returns.get(order, "ReturnOrder")?;
            let stock = self.inventree.stock.get(item, "StockItem")?;
            if stock["customer"].is_null() {
                let message = "Stock item is not assigned to a customer";
                return Err(Failure::Field("item", message.into()));
            }
            let quantity = match map.get("quantity") {
                None => stock["quantity"].as_f64().unwrap_or(1.0),
                some => quantity(some, "quantity")?,
            };
            if Some(quantity) > stock["quantity"].as_f64() {
                let message = "Return quantity exceeds stock quantity";
                return Err(Failure::Field("quantity", message.into()));
            }
            let mut row = json!({
                "order": order, "item": item, "quantity": quantity, "received_date": null,
                "outcome": 10, "price": null, "price_currency": "USD", "reference": "", "notes": "",
                "link": "", "target_date": null, "project_code": null,
            });
            let fields = ["outcome", "price", "price_currency", "reference", "notes", "link"];
            write(&mut row, &map, &fields)?;
            let pk = self.inventree.return_lines.insert(row);
            return Ok(Reply::json(201, &self.inventree.return_lines.rows[&pk]));
        }
        let rows = self.inventree.return_lines.rows.values();
        let rows = rows
            .filter(|row| lists::is_wanted(request, row, &["order", "item"]))
            .cloned()
            .collect();
        lists::answer(request, rows, &["/reference"], &["reference"])
    }
}

impl Inventree {
    fn return_order(&self, pk: i64) -> Result<Value, Failure> {
        let mut row = self.returns.get(pk, "ReturnOrder")?.clone();
        let lines: Vec<&Value> =
            self.return_lines.rows.values().filter(|l| l["order"] == pk).collect();
        let received = lines.iter().filter(|l| !l["received_date"].is_null());
        row["line_items"] = json!(lines.len());
        row["completed_lines"] = json!(received.count());
        row["status_text"] = json!(match row["status"].as_i64() {
            Some(10) => "Pending",
            Some(IN_PROGRESS) => "In Progress",
            Some(25) => "On Hold",
            Some(30) => "Complete",
            _ => "Cancelled",
        });
        Ok(row)
    }

    /// What came back lies at the site again, in the condition that was found.
    fn receive(&mut self, line: i64, location: i64, status: i64) {
        let Some(row) = self.return_lines.rows.get_mut(&line) else {
            return;
        };
        row["received_date"] = json!(today());
        let returned = row["quantity"].as_f64().unwrap_or(0.0);
        let Some(item) = row["item"].as_i64().and_then(|i| self.stock.rows.get_mut(&i)) else {
            return;
        };
        let mut back = item.clone();
        let left = item["quantity"].as_f64().unwrap_or(0.0) - returned;
        item["quantity"] = json!(left);
        back["quantity"] = json!(returned);
        back["customer"] = Value::Null;
        back["sales_order"] = Value::Null;
        back["location"] = json!(location);
        back["status"] = json!(status);
        back["status_custom_key"] = json!(status);
        self.stock.insert(back);
    }
}
