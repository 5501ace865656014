//! InvenTree's API: tables, authentication and routing. Orders, shipments, returns and stock are
//! in the modules below.

mod lists;
mod orders;
mod returns;
mod shipments;
mod stock;
mod warehouse;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::catalogue::{COUNTRIES, ITEMS, PARTIES};
use crate::money::CURRENCIES;
use crate::state::{State, today};
use crate::wire::{Reply, Request};

pub const PENDING: i64 = 10;
pub const IN_PROGRESS: i64 = 15;
pub const SHIPPED: i64 = 20;
pub const ON_HOLD: i64 = 25;
pub const COMPLETE: i64 = 30;
pub const CANCELLED: i64 = 40;

/// One table of the database, by primary key, and by what its rows point to, so that the rows of one
/// order are found without a scan.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Rows {
    last: i64,
    pub rows: BTreeMap<i64, Value>,
    #[serde(skip)]
    pointing: HashMap<(&'static str, i64), BTreeSet<i64>>,
}

/// Fields that point to rows of other tables. `Rows::point` changes one.
const POINTERS: [&str; 5] = ["order", "shipment", "line", "item", "location"];

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Inventree {
    companies: Rows,
    addresses: Rows,
    parts: Rows,
    stock: Rows,
    orders: Rows,
    lines: Rows,
    extra_lines: Rows,
    allocations: Rows,
    shipments: Rows,
    returns: Rows,
    return_lines: Rows,
    /// Lines of which less was found than allocated: the world does not try them again.
    short_lines: BTreeSet<i64>,
}

/// An error as Django REST framework words it.
#[derive(Debug)]
pub enum Failure {
    NotFound(&'static str),
    Field(&'static str, String),
    General(String),
    /// What is wrong with one of the items of a body.
    Part(usize, Box<Failure>),
    Method,
    /// No such path, where another 404 tells of an object.
    Endpoint,
}

type Answer = Result<Reply, Failure>;

impl Rows {
    fn insert(&mut self, mut row: Value) -> i64 {
        self.last += 1;
        row["pk"] = json!(self.last);
        self.rows.insert(self.last, row);
        self.note_pointers(self.last);
        self.last
    }

    fn note_pointers(&mut self, pk: i64) {
        for field in POINTERS {
            if let Some(to) = self.rows[&pk].get(field).and_then(Value::as_i64) {
                self.pointing.entry((field, to)).or_default().insert(pk);
            }
        }
    }

    /// The rows that point to that one, by rising key.
    fn of(&self, field: &'static str, to: i64) -> impl Iterator<Item = &Value> {
        let pks = self.pointing.get(&(field, to)).into_iter().flatten();
        pks.filter_map(|pk| self.rows.get(pk)).filter(move |row| row[field] == to)
    }

    /// The rows that a list is asked for may be among: by the first pointer that it names.
    fn asked(&self, request: &Request) -> Box<dyn Iterator<Item = &Value> + '_> {
        let named = POINTERS.iter().find_map(|field| Some((*field, request.query_number(field)?)));
        match named {
            Some((field, to)) => Box::new(self.of(field, to)),
            None => Box::new(self.rows.values()),
        }
    }

    fn point(&mut self, pk: i64, field: &'static str, to: i64) {
        let Some(row) = self.rows.get_mut(&pk) else { return };
        if let Some(before) = row[field].as_i64()
            && let Some(pks) = self.pointing.get_mut(&(field, before))
        {
            pks.remove(&pk);
        }
        row[field] = json!(to);
        self.pointing.entry((field, to)).or_default().insert(pk);
    }

    fn get(&self, pk: i64, what: &'static str) -> Result<&Value, Failure> {
        self.rows.get(&pk).ok_or(Failure::NotFound(what))
    }

    fn get_mut(&mut self, pk: i64, what: &'static str) -> Result<&mut Value, Failure> {
        self.rows.get_mut(&pk).ok_or(Failure::NotFound(what))
    }
}

impl Inventree {
    pub fn seeded() -> Inventree {
        let mut tree = Inventree::default();
        for (index, party) in PARTIES.iter().enumerate() {
            let country = COUNTRIES[(party.country - 1) as usize].0;
            tree.companies.insert(json!({
                "name": party.name, "description": "", "website": "", "phone": "", "email": "",
                "currency": crate::money::CURRENCIES[(party.currency - 1) as usize].0,
                "contact": "", "link": "", "image": null, "active": true, "is_customer": true,
                "is_manufacturer": false, "is_supplier": false, "notes": null, "tax_id": party.code,
            }));
            tree.addresses.insert(json!({
                "company": index as i64 + 1, "title": "Main", "primary": true, "line1": party.street,
                "line2": "", "postal_code": party.postal_code, "postal_city": party.city,
                "province": party.state, "country": country, "shipping_notes": "",
                "internal_shipping_notes": "", "link": "",
            }));
        }
        for (index, item) in ITEMS.iter().enumerate() {
            let part = index as i64 + 1;
            tree.parts.insert(json!({
                "IPN": item.sku, "name": item.name, "full_name": format!("{} | {}", item.sku, item.name),
                "description": item.name, "active": true, "assembly": false, "component": true,
                "is_template": false, "purchaseable": true, "salable": true, "testable": false,
                "trackable": false, "virtual": false, "locked": false, "units": "", "revision": "",
                "keywords": "", "link": "", "barcode_hash": "", "category": null, "category_name": "",
                "starred": false, "default_location": null,
                "image": null, "thumbnail": "", "minimum_stock": 0.0, "variant_of": null,
            }));
            for (location, quantity) in [(1, item.east), (2, item.west)] {
                tree.stock.insert(stock::new(part, location, quantity as f64));
            }
        }
        tree
    }
}

impl Inventree {
    /// Who points to whom is not kept in a file.
    pub fn point_again(&mut self) {
        let tables = [
            &mut self.companies,
            &mut self.addresses,
            &mut self.parts,
            &mut self.stock,
            &mut self.orders,
            &mut self.lines,
            &mut self.extra_lines,
            &mut self.allocations,
            &mut self.shipments,
            &mut self.returns,
            &mut self.return_lines,
        ];
        for table in tables {
            let pks: Vec<i64> = table.rows.keys().copied().collect();
            pks.into_iter().for_each(|pk| table.note_pointers(pk));
        }
    }
}

pub fn handle(state: &mut State, request: &Request) -> Reply {
    let segments = request.segments();
    if segments == ["api", "user", "token"] {
        let right = request
            .basic()
            .is_some_and(|(_, password)| password == state.options.inventree_password);
        if right {
            return Reply::json(
                200,
                &json!({"token": state.options.inventree_token, "name": "sandbox", "expiry": null}),
            );
        }
    }
    let given = request.authorization("Token");
    if given != Some(state.options.inventree_token.as_str()) {
        let detail = match given {
            Some(_) => "Invalid token.",
            None => "Authentication credentials were not provided.",
        };
        return Reply::json(401, &json!({"detail": detail})).with("www-authenticate", "Token");
    }
    match route(state, request, &segments) {
        Ok(reply) => reply,
        Err(failure) => failure.reply(request),
    }
}

fn route(state: &mut State, request: &Request, segments: &[&str]) -> Answer {
    let method = request.method.as_str();
    match segments {
        ["api"] => Ok(Reply::json(
            200,
            &json!({"server": "InvenTree", "version": "1.1.0", "apiVersion": 425, "instance": "Crossdock sandbox", "worker_running": true}),
        )),
        ["api", "user", "me"] => Ok(Reply::json(
            200,
            &json!({"pk": 1, "username": "crossdock", "first_name": "", "last_name": "", "email": ""}),
        )),
        ["api", "company", "address"] => state.address_list(request),
        ["api", "company", "address", id] => state.address_detail(request, key(id)?),
        ["api", "company"] => state.company_list(request),
        ["api", "company", id] => state.company_detail(request, key(id)?),
        ["api", "part"] if method == "GET" => state.part_list(request),
        ["api", "part", id] if method == "GET" => state.part_detail(key(id)?),
        ["api", "stock"] if method == "GET" => state.stock_list(request),
        ["api", "stock", "location"] if method == "GET" => stock::location_list(request),
        ["api", "stock", "location", id] if method == "GET" => stock::location_detail(key(id)?),
        ["api", "stock", id] if method == "GET" => state.stock_detail(request, key(id)?),
        ["api", "order", "so"] => state.order_list(request),
        ["api", "order", "so", "shipment"] => state.shipment_list(request),
        ["api", "order", "so", "shipment", id] => state.shipment_detail(request, key(id)?),
        ["api", "order", "so", "shipment", id, "ship"] if method == "POST" => {
            state.ship_by_client(request, key(id)?)
        }
        ["api", "order", "so", id] => state.order_detail(request, key(id)?),
        ["api", "order", "so", id, action] if method == "POST" => {
            state.order_action(request, key(id)?, action)
        }
        ["api", "order", "so-line"] => state.line_list(request),
        ["api", "order", "so-line", id] => state.line_detail(request, key(id)?),
        ["api", "order", "so-extra-line"] => state.extra_line_list(request),
        ["api", "order", "so-allocation"] if method == "GET" => state.allocation_list(request),
        ["api", "order", "so-allocation", id] => state.allocation_detail(request, key(id)?),
        ["api", "order", "ro"] => state.return_list(request),
        ["api", "order", "ro", id] => state.return_detail(request, key(id)?),
        ["api", "order", "ro", id, action] if method == "POST" => {
            state.return_action(request, key(id)?, action)
        }
        ["api", "order", "ro-line"] => state.return_line_list(request),
        ["api", "part" | "stock", ..] => Err(Failure::Method),
        _ => Err(Failure::Endpoint),
    }
}

impl Failure {
    fn reply(self, request: &Request) -> Reply {
        let status = match self {
            Failure::NotFound(_) | Failure::Endpoint => 404,
            Failure::Method => 405,
            _ => 400,
        };
        Reply::json(status, &self.body(request))
    }

    fn body(self, request: &Request) -> Value {
        match self {
            Failure::NotFound(what) => {
                json!({"detail": format!("No {what} matches the given query.")})
            }
            Failure::Field(field, message) => json!({field: [message]}),
            Failure::General(message) => json!({"non_field_errors": [message]}),
            Failure::Part(at, why) => {
                let mut items = vec![json!({}); at];
                items.push(why.body(request));
                json!({"items": items})
            }
            Failure::Method => {
                json!({"detail": format!("Method \"{}\" not allowed.", request.method)})
            }
            Failure::Endpoint => {
                let url = format!("{}{}", request.base, request.path);
                json!({"detail": "API endpoint not found", "url": url})
            }
        }
    }
}

fn key(text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| Failure::NotFound("object"))
}

/// The body as an object.
fn body(request: &Request) -> Result<Map<String, Value>, Failure> {
    match request.json() {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Failure::General("Invalid data. Expected a dictionary.".into())),
        Err(error) => Err(Failure::Field("detail", format!("JSON parse error - {error}"))),
    }
}

/// A required whole number of the body.
fn required(map: &Map<String, Value>, field: &'static str) -> Result<i64, Failure> {
    let value = map
        .get(field)
        .filter(|value| !value.is_null())
        .ok_or_else(|| Failure::Field(field, "This field is required.".into()))?;
    value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        .ok_or_else(|| Failure::Field(field, "A valid integer is required.".into()))
}

/// A quantity: a number, or a decimal as a string.
fn quantity(value: Option<&Value>, field: &'static str) -> Result<f64, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Err(Failure::Field(field, "This field is required.".into()));
    };
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        .filter(|number| number.is_finite())
        .ok_or_else(|| Failure::Field(field, "A valid number is required.".into()))
}

/// Copies those fields of the body that a client may write; a text is held to its length.
fn write(
    row: &mut Value,
    map: &Map<String, Value>,
    fields: &[&'static str],
) -> Result<(), Failure> {
    // A line has short notes, an address short lines.
    let (of_line, of_company) = (row.get("part").is_some(), row.get("is_customer").is_some());
    for field in fields {
        let Some(value) = map.get(*field) else {
            continue;
        };
        let max = match *field {
            "customer_reference" => 64,
            "tax_id" | "line1" | "line2" | "postal_city" | "province" | "country" | "phone" => 50,
            "postal_code" => 10,
            "description" if of_company => 500,
            "description" => 250,
            "notes" if of_line => 500,
            "notes" => 50_000,
            "link" | "website" => 2000,
            _ => 100,
        };
        if value.as_str().is_some_and(|text| text.chars().count() > max) {
            let message = format!("Ensure this field has no more than {max} characters.");
            return Err(Failure::Field(field, message));
        }
        let known = |code: &str| CURRENCIES.iter().any(|(known, ..)| *known == code);
        if field.ends_with("currency")
            && let Some(code) = value.as_str().filter(|code| !code.is_empty() && !known(code))
        {
            return Err(Failure::Field(field, format!("\"{code}\" is not a valid choice.")));
        }
        // Prices are answered with all their decimals.
        let price = crate::money::read(value).filter(|_| field.ends_with("price"));
        row[*field] = match price {
            Some(price) => json!(format!("{price:.6}")),
            None => value.clone(),
        };
    }
    Ok(())
}

/// A new row with all its fields, so that each readable field is always present.
fn created(mut row: Value) -> Value {
    row["creation_date"] = json!(today());
    row
}
