//! Tryton: the REST user application and JSON-RPC over one store of records.

mod domain;
mod fields;
mod ledger;
mod rpc;
mod sales;
mod schema;
mod seed;
mod store;
mod wizards;
mod write;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use self::store::Store;
use crate::catalogue::{ITEMS, SITES};
use crate::money;
use crate::state::State;
use crate::wire::{self, Reply, Request};

const DATABASE: &str = "crossdock";
const USER: &str = "crossdock";

#[derive(Debug)]
pub struct Tryton {
    store: Store,
    sessions: HashMap<String, i64>,
    wizards: HashMap<i64, wizards::Session>,
    last_wizard: i64,
    /// What has taken effect in the request at hand: (effect, reference).
    counted: Vec<(&'static str, String)>,
}

/// Why Tryton does not do it.
#[derive(Debug)]
pub enum Trouble {
    NotFound,
    Forbidden,
    User(String),
    Warning { name: String, message: String },
    Concurrency(String),
    Server(String),
}

/// The context of a request, and the stock of the warehouses that its function fields show.
pub struct Env {
    context: Value,
    /// (product, site) -> (there, allocated).
    stock: HashMap<(i64, i64), (f64, f64)>,
}

impl Env {
    fn number(&self, name: &str) -> Option<i64> {
        self.context[name].as_i64()
    }

    fn skips_warnings(&self) -> bool {
        self.context["_skip_warnings"] == true
    }

    /// Over the context's locations; without any, there is no stock to speak of.
    fn stock_of(&self, product: i64) -> (f64, f64) {
        let locations = self.context["locations"].as_array().into_iter().flatten();
        locations
            .filter_map(Value::as_i64)
            .filter_map(|location| self.stock.get(&(product, location)))
            .fold((0.0, 0.0), |sum, (there, allocated)| (sum.0 + there, sum.1 + allocated))
    }
}

impl Tryton {
    pub fn seeded() -> Tryton {
        let mut store = Store::new();
        seed::fill(&mut store);
        Tryton {
            store,
            sessions: HashMap::new(),
            wizards: HashMap::new(),
            last_wizard: 0,
            counted: Vec::new(),
        }
    }

    fn count(&mut self, effect: &'static str, reference: String) {
        self.counted.push((effect, reference));
    }

    fn model(&self, name: &str) -> Result<&'static str, Trouble> {
        let known = self.store.schema.model(name);
        known.ok_or_else(|| Trouble::Server(format!("KeyError: {name}")))
    }

    /// Sets limit or former debt of a party: `credit_limit` (null: none), `credit_amount`.
    pub fn set_credit(&mut self, code: &str, wanted: &Value) -> Option<Value> {
        let ids = self.store.ids("party.party");
        let id = ids.into_iter().find(|id| self.store.text("party.party", *id, "code") == code)?;
        if let Some(limit) = wanted.get("credit_limit") {
            let limit = money::read(limit).map(|limit| store::decimal(limit, 2));
            self.store.set("party.party", id, "credit_limit_amount", json!(limit));
        }
        if let Some(amount) = wanted.get("credit_amount").and_then(money::read) {
            let amount = store::decimal(amount, 2);
            self.store.set("party.party", id, "_exposure", amount);
        }
        Some(json!({
            "code": code,
            "credit_limit": self.store.get("party.party", id, "credit_limit_amount")["decimal"],
            "credit_amount": self.credit_amount(id).to_string(),
        }))
    }

    pub fn summary(&self) -> Value {
        let by_state = |model: &str| {
            let mut counts = std::collections::BTreeMap::<String, u64>::new();
            for id in self.store.ids(model) {
                *counts.entry(self.store.text(model, id, "state")).or_default() += 1;
            }
            json!(counts)
        };
        json!({
            "sales": by_state("sale.sale"),
            "invoices": by_state("account.invoice"),
            "payments": by_state("account.payment"),
            "moves": by_state("account.move"),
        })
    }
}

pub fn handle(state: &mut State, request: &Request) -> Reply {
    let segments = request.segments();
    if segments.first() != Some(&DATABASE) {
        return not_found();
    }
    let stock = if shows_stock(request) { stock(state) } else { HashMap::new() };
    let reply = match &segments[1..] {
        ["rpc"] => rpc::handle(state, request, stock),
        ["rest", "model", rest @ ..] => {
            let key = request.authorization("Bearer").map(str::to_owned);
            let key = key.or_else(|| request.basic().map(|(_, password)| password));
            if key.as_deref() != Some(state.options.tryton_key.as_str()) {
                return unauthorized();
            }
            match context(request) {
                Ok(context) => {
                    let env = Env { context, stock };
                    match rest_request(&mut state.tryton, request, rest, &env) {
                        Ok(reply) => reply,
                        Err(trouble) => trouble.rest(),
                    }
                }
                Err(why) => server_error(&why),
            }
        }
        _ => not_found(),
    };
    for (effect, reference) in std::mem::take(&mut state.tryton.counted) {
        state.effects.count("tryton", effect, &reference, "");
    }
    reply
}

fn rest_request(
    tryton: &mut Tryton,
    request: &Request,
    rest: &[&str],
    env: &Env,
) -> Result<Reply, Trouble> {
    let fields = fields(request);
    let number = |text: &str| text.parse::<i64>().map_err(|_| Trouble::NotFound);
    match (request.method.as_str(), rest) {
        ("GET", [model]) => search(tryton, request, tryton.model(model)?, &fields, env),
        ("GET", [model, id]) => {
            let model = tryton.model(model)?;
            let record = tryton.read(model, number(id)?, &fields, env)?;
            Ok(Reply::json(200, &record))
        }
        ("POST", [model]) => {
            let model = tryton.model(model)?;
            let values = values(request)?;
            let id = tryton.create(model, values, env)?;
            Ok(Reply::json(200, &tryton.read(model, id, &fields, env)?))
        }
        ("PUT", [model, id]) => {
            let (model, id) = (tryton.model(model)?, number(id)?);
            let values = values(request)?;
            tryton.write(model, id, values, env)?;
            Ok(Reply::json(200, &tryton.read(model, id, &fields, env)?))
        }
        ("DELETE", [model, id]) => {
            let (model, id) = (tryton.model(model)?, number(id)?);
            tryton.delete(model, id)?;
            Ok(Reply::empty(204))
        }
        ("POST", [model, id, action]) => {
            let (model, id) = (tryton.model(model)?, number(id)?);
            values(request)?;
            if !tryton.has_action(model, action) {
                return Err(Trouble::Forbidden);
            }
            tryton.store.row(model, id)?;
            tryton.act(model, id, action, env)?;
            let record = tryton.read(model, id, &fields, env)?;
            tryton.after(model, id, action);
            Ok(Reply::json(200, &record))
        }
        _ => Err(Trouble::NotFound),
    }
}

fn search(
    tryton: &Tryton,
    request: &Request,
    model: &'static str,
    fields: &[String],
    env: &Env,
) -> Result<Reply, Trouble> {
    let coded = |name: &str| -> Result<Value, Trouble> {
        let Some(text) = request.query(name) else {
            return Ok(json!([]));
        };
        let bytes = wire::decode_base64(text);
        let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        value.ok_or_else(|| Trouble::Server(format!("{name} is not base64 of JSON")))
    };
    let ids = tryton.search(model, &coded("d")?, &coded("o")?, env)?;
    let range = request
        .header("range")
        .and_then(|range| range.split_once('='))
        .and_then(|(_, range)| range.split_once('-'))
        .filter(|(start, end)| !start.is_empty() && !end.contains(','));
    let (offset, limit) = match range {
        Some((start, end)) => {
            let start: usize = start.parse().unwrap_or(0);
            let limit = end.parse::<usize>().ok().map(|end| end.saturating_sub(start));
            (start, limit)
        }
        None => {
            let at = |name: &str| request.query(name).and_then(|text| text.parse().ok());
            (at("p").unwrap_or(0), at("s"))
        }
    };
    let total = ids.len();
    let page = ids.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX));
    let records: Result<Vec<Value>, Trouble> =
        page.map(|id| tryton.read(model, id, fields, env)).collect();
    let records = records?;
    if range.is_none() {
        return Ok(Reply::json(200, &Value::Array(records)));
    }
    if records.is_empty() && offset > 0 {
        let text = "The server cannot provide the requested range.";
        return Ok(Reply::html(416, "Requested Range Not Satisfiable", text));
    }
    let end = offset + records.len();
    Ok(Reply::json(200, &Value::Array(records))
        .with("accept-ranges", "records")
        .with("content-range", format!("records {offset}-{end}/{total}")))
}

/// The fields asked for; without any, a record shows its name.
fn fields(request: &Request) -> Vec<String> {
    let asked: Vec<String> = request
        .query
        .iter()
        .filter(|(name, _)| name == "f")
        .map(|(_, value)| value.clone())
        .collect();
    if asked.is_empty() { vec!["rec_name".to_owned()] } else { asked }
}

fn values(request: &Request) -> Result<Map<String, Value>, Trouble> {
    let is_json = request.header("content-type").is_some_and(|kind| kind.contains("json"));
    if !is_json && !request.body.is_empty() {
        return Err(Trouble::User("Not a JSON request".into()));
    }
    match request.json() {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Trouble::User("Unable to read JSON request".into())),
    }
}

fn context(request: &Request) -> Result<Value, String> {
    let Some(text) = request.header("x-tryton-context") else {
        return Ok(json!({}));
    };
    wire::decode_base64(text)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| "X-Tryton-Context is not base64 of JSON".to_owned())
}

/// Whether the request can ask for a product's stock: it costs a look at every shelf.
fn shows_stock(request: &Request) -> bool {
    let of_product = |field: &str| field.split('.').any(|part| part == "product");
    request.path.contains("/product.product")
        || request.path.ends_with("/rpc/")
        || request.query.iter().any(|(_, value)| of_product(value))
}

/// What the warehouses hold: ERP and WMS are reconciled at every moment, for once.
fn stock(state: &State) -> HashMap<(i64, i64), (f64, f64)> {
    let mut stock = HashMap::new();
    for product in 1..=ITEMS.len() as i64 {
        for site in 1..=SITES.len() as i64 {
            stock.insert((product, site), state.inventree.quantity_at(product, site));
        }
    }
    stock
}

impl Trouble {
    fn rest(self) -> Reply {
        match self {
            Trouble::NotFound => not_found(),
            Trouble::Forbidden => Reply::html(
                403,
                "Forbidden",
                "You don't have the permission to access the requested resource.",
            ),
            Trouble::User(message) | Trouble::Warning { message, .. } => {
                Reply::json(400, &json!({"status": 400, "message": message, "description": ""}))
            }
            Trouble::Concurrency(message) => Reply::html(423, "Locked", &message),
            Trouble::Server(why) => server_error(&why),
        }
    }
}

fn not_found() -> Reply {
    Reply::html(404, "Not Found", "The requested URL was not found on the server.")
}

fn unauthorized() -> Reply {
    Reply::html(
        401,
        "Unauthorized",
        "The server could not verify that you are authorized to access the URL requested.",
    )
}

fn server_error(why: &str) -> Reply {
    Reply::html(500, "Internal Server Error", why)
}
