//! Tryton's two doors: the REST user application for records and their actions, and JSON-RPC for
//! wizards, which REST does not have. They take different credentials, so they are two upstreams.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use crossdock_sdk::http::Problem;
use crossdock_sdk::{Fault, Response, Upstream, form};
use serde_json::{Value, json};

use crate::Config;
use crate::value::Record;

pub const REST: Upstream = Upstream::new("tryton").with_problem(problem);
pub const RPC: Upstream = Upstream::new("tryton-rpc").with_problem(problem);

/// A refusal of Tryton's own rules (a UserError or UserWarning), in its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub message: String,
}

/// A call either answers, or Tryton's rules forbid it.
pub type Answer<T> = Result<Result<T, Refused>, Fault>;

pub struct Tryton {
    pub config: Config,
    context: Value,
}

impl Tryton {
    pub fn new(config: Config) -> Self {
        let context = json!({"company": config.company_id});
        Tryton { config, context }
    }

    /// The same with one more key in the context.
    pub fn with_context(&self, key: &str, value: Value) -> Self {
        let mut context = self.context.clone();
        context[key] = value;
        Tryton { config: self.config.clone(), context }
    }

    /// At most `limit` records, in this order: `[["write_date", "ASC"]]`.
    pub fn search(
        &self,
        model: &str,
        domain: Value,
        order: Value,
        limit: u32,
        fields: &[&str],
    ) -> Result<Vec<Record>, Fault> {
        let mut request = REST
            .get(&self.path(model))
            .header("x-tryton-context", &encode(&self.context))
            .query("d", &encode(&domain))
            .query("o", &encode(&order))
            .query("s", &limit.to_string());
        for field in fields {
            request = request.query("f", field);
        }
        let records: Vec<Value> = request.send()?.json()?;
        Ok(records.into_iter().map(Record).collect())
    }

    /// The one record that fits; more than one is a fault, for nobody could say which is meant.
    pub fn find(
        &self,
        model: &str,
        domain: Value,
        fields: &[&str],
    ) -> Result<Option<Record>, Fault> {
        let mut found = self.search(model, domain.clone(), json!([["id", "ASC"]]), 2, fields)?;
        if found.len() > 1 {
            let message = format!("Tryton has more than one {model} for {domain}");
            return Err(Fault::never("ambiguous", message));
        }
        Ok(found.pop())
    }

    /// By Tryton's own id, inactive ones too. It is searched for: the page of a record that is not
    /// there looks like that of a wrong address.
    pub fn read(&self, model: &str, id: i64, fields: &[&str]) -> Result<Option<Record>, Fault> {
        let all = self.with_inactive();
        let found =
            all.search(model, json!([["id", "=", id]]), json!([["id", "ASC"]]), 1, fields)?;
        Ok(found.into_iter().next())
    }

    /// Tryton's searches pass over records that are not active, unless they are told.
    pub fn with_inactive(&self) -> Self {
        self.with_context("active_test", false.into())
    }

    pub fn create(&self, model: &str, values: &Value, fields: &[&str]) -> Answer<Record> {
        let mut request = REST.post(&self.path(model)).json(values);
        for field in fields {
            request = request.query("f", field);
        }
        self.send(request)
    }

    pub fn update(&self, model: &str, id: i64, values: &Value, fields: &[&str]) -> Answer<Record> {
        let mut request = REST.put(&format!("{}/{id}", self.path(model))).json(values);
        for field in fields {
            request = request.query("f", field);
        }
        self.send(request)
    }

    /// Gone is gone: a record that is not there any more is as good as deleted.
    pub fn delete(&self, model: &str, id: i64) -> Answer<()> {
        let request = REST
            .delete(&format!("{}/{id}", self.path(model)))
            .header("x-tryton-context", &encode(&self.context));
        let response = request.allow(&[400, 404]).send()?;
        match response.status {
            400 => refused(&response).map(Err),
            204 | 404 => Ok(Ok(())),
            _ => Err(response.unreadable("something came where nothing was expected")),
        }
    }

    /// A write that takes effect only if nobody has changed the record, with its lines, since it was
    /// read: by JSON-RPC, for REST has no such check. The fields read must include `_timestamp`.
    pub fn write_as_read(&self, model: &str, record: &Record, values: Value) -> Answer<()> {
        self.call_as_read(model, record, "write", vec![values])
    }

    /// The same of a button. The record comes back as it is then.
    pub fn act_as_read(
        &self,
        model: &str,
        record: &Record,
        action: &str,
        fields: &[&str],
    ) -> Answer<Record> {
        if let Err(refused) = self.call_as_read(model, record, action, Vec::new())? {
            return Ok(Err(refused));
        }
        self.read(model, record.id(), fields)?.map(Ok).ok_or_else(|| gone(model, record.id()))
    }

    fn call_as_read(
        &self,
        model: &str,
        record: &Record,
        method: &str,
        more: Vec<Value>,
    ) -> Answer<()> {
        let stamp = |model: &str, record: &Record| {
            Some((format!("{model},{}", record.id()), record.text("_timestamp")?.into()))
        };
        let lines = record.records("lines");
        let lines = lines.iter().filter_map(|line| stamp("sale.line", line));
        let stamps: serde_json::Map<_, _> = stamp(model, record).into_iter().chain(lines).collect();
        let mut params = vec![json!([record.id()])];
        params.extend(more);
        let unchanged = self.with_context("_timestamp", stamps.into());
        let answer = unchanged.call(&format!("model.{model}.{method}"), params, true)?;
        Ok(answer.map(drop))
    }

    /// A button that is there in the record's state. Where Tryton refuses it because the record has
    /// gone on since, that is no refusal.
    pub fn act_from(
        &self,
        model: &str,
        record: &Record,
        action: &str,
        fields: &[&str],
    ) -> Answer<Record> {
        let refused = match self.act(model, record.id(), action, fields)? {
            Ok(record) => return Ok(Ok(record)),
            Err(refused) => refused,
        };
        let now = self.read(model, record.id(), &["state"])?;
        match now.is_some_and(|now| now.state("state") == record.state("state")) {
            true => Ok(Err(refused)),
            false => Err(changed_meanwhile(&format!("{model} {}", record.id()))),
        }
    }

    /// A button of the record: `quote`, `confirm`, `process`.
    pub fn act(&self, model: &str, id: i64, action: &str, fields: &[&str]) -> Answer<Record> {
        let path = format!("{}/{id}/{}", self.path(model), form::segment(action));
        let mut request = REST.post(&path).json(&json!({}));
        for field in fields {
            request = request.query("f", field);
        }
        self.send(request)
    }

    fn send(&self, request: crossdock_sdk::http::Request) -> Answer<Record> {
        let request = request.header("x-tryton-context", &encode(&self.context));
        let response = request.allow(&[400]).send()?;
        match response.status {
            400 => refused(&response).map(Err),
            _ => Ok(Ok(Record(response.json()?))),
        }
    }

    fn path(&self, model: &str) -> String {
        format!("/{}/rest/model/{model}", form::segment(&self.config.database))
    }

    /// A method by JSON-RPC; the context is added. `mutates` as for any request.
    pub fn call(&self, method: &str, mut params: Vec<Value>, mutates: bool) -> Answer<Value> {
        params.push(self.context.clone());
        let path = format!("/{}/rpc/", form::segment(&self.config.database));
        let mut request =
            RPC.post(&path).json(&json!({"id": 0, "method": method, "params": params}));
        if !mutates {
            request = request.read_only();
        }
        let response = request.send()?;
        let answer: Value = response.json()?;
        let Some(error) = answer.get("error").filter(|error| !error.is_null()) else {
            return Ok(Ok(answer["result"].clone()));
        };
        // ["UserError", ["message", "description", null]],
        // ["UserWarning", ["name", "message", "description"]], ["ConcurrencyException", "message"]
        let said = match error[0].as_str() {
            Some("UserWarning") => &error[1][1],
            _ if error[1].is_array() => &error[1][0],
            _ => &error[1],
        };
        let said = said.as_str().unwrap_or("no message");
        match error[0].as_str().unwrap_or_default() {
            "UserError" | "UserWarning" => Ok(Err(Refused { message: said.to_owned() })),
            "ConcurrencyException" => Err(changed_meanwhile(method)),
            kind => Err(response.unreadable(&format!("{method}: {kind}: {said}"))),
        }
    }

    /// Runs a wizard on records through the given states, and closes it. The last answer counts.
    pub fn wizard(
        &self,
        name: &str,
        model: &str,
        ids: &[i64],
        run: impl FnOnce(&Wizard) -> Answer<Value>,
    ) -> Answer<Value> {
        let on = self
            .with_context("active_model", model.into())
            .with_context("active_id", ids.first().copied().into())
            .with_context("active_ids", json!(ids));
        let created = match on.call(&format!("wizard.{name}.create"), vec![], false)? {
            Ok(created) => created,
            Err(refused) => return Ok(Err(refused)),
        };
        let wizard = Wizard { tryton: on, name, session: created[0].clone() };
        let answer = run(&wizard)?;
        // Tryton throws old sessions away itself: what matters has happened.
        let delete = format!("wizard.{name}.delete");
        let _ = wizard.tryton.call(&delete, vec![wizard.session.clone()], false);
        Ok(answer)
    }
}

/// A wizard between `create` and `delete`.
pub struct Wizard<'a> {
    tryton: Tryton,
    name: &'a str,
    session: Value,
}

impl Wizard<'_> {
    pub fn execute(&self, state: &str, data: Value, mutates: bool) -> Answer<Value> {
        let method = format!("wizard.{}.execute", self.name);
        self.tryton.call(&method, vec![self.session.clone(), data, state.into()], mutates)
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE.encode(value.to_string())
}

/// Nothing was done, and what was read is old: asked again, the operation reads anew.
fn changed_meanwhile(what: &str) -> Fault {
    let message = format!("{what}: somebody else changed it since it was read");
    Fault::later("changed-meanwhile", message)
}

pub fn gone(model: &str, id: i64) -> Fault {
    Fault::never("gone", format!("Tryton's {model} {id} is not there any more"))
}

/// A refusal is a document; a page with the same status is a request that Tryton cannot read.
fn refused(response: &Response) -> Result<Refused, Fault> {
    match problem(response) {
        Some(problem) => Ok(Refused { message: problem.message }),
        None => Err(response.fault()),
    }
}

/// `{"status": 400, "message": "...", "description": "..."}`; other errors are HTML pages.
fn problem(response: &Response) -> Option<Problem> {
    let body: Value = response.json().ok()?;
    let message = body.get("message")?.as_str()?;
    let description = body.get("description").and_then(Value::as_str).unwrap_or_default();
    let message = format!("{message} {description}").trim().to_owned();
    Some(Problem { code: None, message })
}
