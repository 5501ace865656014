//! Companies, addresses, parts, locations and stock items.

use serde_json::{Value, json};

use super::{Answer, Failure, Inventree, body, lists, required, write};
use crate::catalogue::SITES;
use crate::state::{State, now_ms, timestamp};
use crate::wire::{Reply, Request};

const COMPANY_FIELDS: [&str; 14] = [
    "name",
    "description",
    "website",
    "phone",
    "email",
    "currency",
    "contact",
    "link",
    "active",
    "is_customer",
    "is_manufacturer",
    "is_supplier",
    "notes",
    "tax_id",
];
const ADDRESS_FIELDS: [&str; 11] = [
    "title",
    "primary",
    "line1",
    "line2",
    "postal_code",
    "postal_city",
    "province",
    "country",
    "shipping_notes",
    "internal_shipping_notes",
    "link",
];

/// What InvenTree shows of a company without a picture.
const BLANK_IMAGE: &str = "/static/img/blank_image.thumbnail.png";

/// A stock item on a shelf.
pub fn new(part: i64, location: i64, quantity: f64) -> Value {
    json!({
        "part": part, "location": location, "quantity": quantity, "batch": null, "serial": null,
        "customer": null, "sales_order": null, "belongs_to": null, "build": null, "consumed_by": null,
        "delete_on_deplete": false, "expiry_date": null, "is_building": false, "link": "", "notes": null,
        "owner": null, "packaging": null, "parent": null, "purchase_order": null, "status": 10,
        "status_text": "OK", "status_custom_key": 10, "supplier_part": null, "barcode_hash": "",
        "updated": timestamp(now_ms()), "purchase_price": null, "purchase_price_currency": "USD",
    })
}

pub fn location_list(request: &Request) -> Answer {
    let rows = (1..=SITES.len() as i64).map(location).collect();
    lists::answer(
        request,
        rows,
        &["/name", "/pathstring", "/description"],
        &["name", "pathstring", "level"],
    )
}

pub fn location_detail(pk: i64) -> Answer {
    if (1..=SITES.len() as i64).contains(&pk) {
        return Ok(Reply::json(200, &location(pk)));
    }
    Err(Failure::NotFound("StockLocation"))
}

fn location(pk: i64) -> Value {
    let name = SITES[(pk - 1) as usize];
    json!({
        "pk": pk, "name": name, "description": format!("Warehouse {name}"), "parent": null,
        "pathstring": name, "level": 0, "items": 0, "sublocations": 0, "owner": null, "icon": "",
        "structural": false, "external": false, "location_type": null, "barcode_hash": "",
    })
}

impl State {
    pub(super) fn company_list(&mut self, request: &Request) -> Answer {
        if request.method == "POST" {
            let map = body(request)?;
            if !map.contains_key("name") {
                return Err(Failure::Field("name", "This field is required.".into()));
            }
            let mut row = json!({
                "description": "", "website": "", "phone": "", "email": "", "currency": "USD",
                "contact": "", "link": "", "image": null, "active": true, "is_customer": true,
                "is_manufacturer": false, "is_supplier": false, "notes": null, "tax_id": "",
            });
            write(&mut row, &map, &COMPANY_FIELDS)?;
            let pk = self.inventree.companies.insert(row);
            return Ok(Reply::json(201, &self.inventree.company(pk)?));
        }
        let rows: Vec<Value> = self
            .inventree
            .companies
            .rows
            .keys()
            .filter_map(|pk| self.inventree.company(*pk).ok())
            .filter(|row| {
                lists::is_wanted(
                    request,
                    row,
                    &["name", "is_customer", "is_supplier", "is_manufacturer", "active"],
                )
            })
            .collect();
        let searched = ["/description", "/name", "/tax_id", "/website"];
        lists::answer(request, rows, &searched, &["active", "name"])
    }

    pub(super) fn company_detail(&mut self, request: &Request, pk: i64) -> Answer {
        if matches!(request.method.as_str(), "PATCH" | "PUT") {
            let map = body(request)?;
            let row = self.inventree.companies.get_mut(pk, "Company")?;
            write(row, &map, &COMPANY_FIELDS)?;
        }
        Ok(Reply::json(200, &self.inventree.company(pk)?))
    }

    pub(super) fn address_list(&mut self, request: &Request) -> Answer {
        if request.method == "POST" {
            let map = body(request)?;
            let company = required(&map, "company")?;
            if !map.contains_key("title") {
                return Err(Failure::Field("title", "This field is required.".into()));
            }
            self.inventree.companies.get(company, "Company")?;
            let mut row = json!({
                "company": company, "primary": false, "line1": "", "line2": "", "postal_code": "",
                "postal_city": "", "province": "", "country": "", "shipping_notes": "",
                "internal_shipping_notes": "", "link": "",
            });
            write(&mut row, &map, &ADDRESS_FIELDS)?;
            let pk = self.inventree.addresses.insert(row);
            return Ok(Reply::json(201, &self.inventree.addresses.rows[&pk]));
        }
        let rows = self.inventree.addresses.rows.values();
        let rows =
            rows.filter(|row| lists::is_wanted(request, row, &["company"])).cloned().collect();
        lists::answer(request, rows, &[], &["title"])
    }

    pub(super) fn address_detail(&mut self, request: &Request, pk: i64) -> Answer {
        let row = self.inventree.addresses.get_mut(pk, "Address")?;
        if matches!(request.method.as_str(), "PATCH" | "PUT") {
            write(row, &body(request)?, &ADDRESS_FIELDS)?;
        }
        Ok(Reply::json(200, row))
    }

    pub(super) fn part_list(&mut self, request: &Request) -> Answer {
        let rows: Vec<Value> = self
            .inventree
            .parts
            .rows
            .keys()
            .filter_map(|pk| self.inventree.part(*pk).ok())
            .filter(|row| lists::is_wanted(request, row, &["IPN", "active", "salable", "virtual"]))
            .collect();
        let searched = ["/IPN", "/name", "/description", "/keywords", "/revision"];
        lists::answer(request, rows, &searched, &["name", "IPN", "in_stock", "unallocated_stock"])
    }

    pub(super) fn part_detail(&mut self, pk: i64) -> Answer {
        Ok(Reply::json(200, &self.inventree.part(pk)?))
    }

    pub(super) fn stock_list(&mut self, request: &Request) -> Answer {
        let detail = request.query_flag("part_detail").unwrap_or(false);
        let rows: Vec<Value> = self
            .inventree
            .stock
            .rows
            .values()
            // Before they are shaped: that looks at every allocation.
            .filter(|row| {
                let stored = ["part", "location", "customer", "sales_order", "batch"];
                lists::is_wanted(request, row, &stored)
                    && (row["customer"].is_null() || request.query_flag("in_stock") != Some(true))
            })
            .filter_map(|row| self.inventree.stock_item(row["pk"].as_i64()?, detail).ok())
            .filter(|row| {
                let wanted = ["in_stock"];
                let available = request.query_flag("available").is_none_or(|wanted| {
                    let free = row["quantity"].as_f64() > row["allocated"].as_f64();
                    wanted == (free && row["in_stock"] == true)
                });
                let ipn = request.query("IPN").is_none_or(|ipn| {
                    let part = row["part"].as_i64().unwrap_or(0);
                    self.inventree.parts.rows.get(&part).is_some_and(|p| p["IPN"] == ipn)
                });
                lists::is_wanted(request, row, &wanted) && available && ipn
            })
            .collect();
        let ordered = ["batch", "location", "quantity", "status", "updated", "expiry_date"];
        lists::answer(request, rows, &["/batch", "/serial"], &ordered)
    }

    pub(super) fn stock_detail(&mut self, request: &Request, pk: i64) -> Answer {
        let detail = request.query_flag("part_detail").unwrap_or(true);
        Ok(Reply::json(200, &self.inventree.stock_item(pk, detail)?))
    }
}

impl Inventree {
    fn company(&self, pk: i64) -> Result<Value, Failure> {
        let mut row = self.companies.get(pk, "Company")?.clone();
        let addresses: Vec<&Value> =
            self.addresses.rows.values().filter(|a| a["company"] == pk).collect();
        let primary = addresses.iter().find(|a| a["primary"] == true);
        row["address_count"] = json!(addresses.len());
        row["primary_address"] = json!(primary);
        row["address"] = json!(primary.map(|a| format!(
            "{}, {} {}",
            a["line1"].as_str().unwrap_or(""),
            a["postal_code"].as_str().unwrap_or(""),
            a["postal_city"].as_str().unwrap_or("")
        )));
        row["parts_supplied"] = json!(0);
        row["parts_manufactured"] = json!(0);
        Ok(row)
    }

    pub(super) fn company_brief(&self, pk: &Value) -> Value {
        let row = pk.as_i64().and_then(|pk| self.companies.rows.get(&pk));
        row.map_or(Value::Null, |row| {
            json!({"pk": row["pk"], "active": row["active"], "name": row["name"],
                "description": row["description"], "image": BLANK_IMAGE, "thumbnail": BLANK_IMAGE,
                "currency": row["currency"], "tax_id": row["tax_id"]})
        })
    }

    pub(super) fn part_brief(&self, pk: &Value) -> Value {
        let row = pk.as_i64().and_then(|pk| self.parts.rows.get(&pk));
        row.map_or(Value::Null, |row| {
            json!({"pk": row["pk"], "IPN": row["IPN"], "name": row["name"],
                "full_name": row["full_name"], "description": row["description"], "active": true,
                "barcode_hash": "", "thumbnail": "", "image": null, "salable": true, "units": ""})
        })
    }

    fn part(&self, pk: i64) -> Result<Value, Failure> {
        let mut row = self.parts.get(pk, "Part")?.clone();
        let (mut total, mut allocated) = (0.0, 0.0);
        for location in 1..=SITES.len() as i64 {
            let (there, taken) = self.quantity_at(pk, location);
            total += there;
            allocated += taken;
        }
        row["in_stock"] = json!(total);
        row["total_in_stock"] = json!(total);
        row["allocated_to_sales_orders"] = json!(allocated);
        row["unallocated_stock"] = json!((total - allocated).max(0.0));
        Ok(row)
    }

    /// What a site has of a part, and how much of it is allocated to orders.
    pub fn quantity_at(&self, part: i64, location: i64) -> (f64, f64) {
        let here = self.stock.of("location", location).filter(|i| i["part"] == part);
        here.fold((0.0, 0.0), |(total, allocated), item| {
            let pk = item["pk"].as_i64().unwrap_or(0);
            (total + item["quantity"].as_f64().unwrap_or(0.0), allocated + self.allocated(pk))
        })
    }

    /// What of a stock item is promised to shipments that have not left.
    pub(super) fn allocated(&self, item: i64) -> f64 {
        self.allocations
            .of("item", item)
            .filter(|a| !self.has_left(&a["shipment"]))
            .filter_map(|a| a["quantity"].as_f64())
            .sum()
    }

    pub(super) fn stock_item(&self, pk: i64, part_detail: bool) -> Result<Value, Failure> {
        let mut row = self.stock.get(pk, "StockItem")?.clone();
        row["allocated"] = json!(self.allocated(pk));
        row["in_stock"] = json!(row["quantity"].as_f64() > Some(0.0) && row["customer"].is_null());
        if part_detail {
            row["part_detail"] = self.part_brief(&row["part"]);
        }
        Ok(row)
    }
}
