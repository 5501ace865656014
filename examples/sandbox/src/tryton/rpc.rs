//! JSON-RPC: sessions, the methods of models, and the way to the wizards.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Env, Trouble, Tryton, USER, unauthorized};
use crate::state::State;
use crate::wire::{self, Reply, Request};

pub fn handle(
    state: &mut State,
    request: &Request,
    stock: HashMap<(i64, i64), (f64, f64)>,
) -> Reply {
    let call = match request.json() {
        Ok(call) if call["method"].is_string() => call,
        _ => return Reply::html(400, "Bad Request", "Unable to read JSON request"),
    };
    let method = call["method"].as_str().unwrap_or("").to_owned();
    let params = call["params"].as_array().cloned().unwrap_or_default();
    if method == "common.db.login" {
        return login(state, &call, &params);
    }
    if !is_known(state, request) {
        return unauthorized();
    }
    let context = params.last().filter(|last| last.is_object()).cloned();
    let env = Env { context: context.unwrap_or_else(|| json!({})), stock };
    let result = match dispatch(&mut state.tryton, &method, &params, &env) {
        Ok(result) => result,
        Err(trouble) => return trouble.rpc(&call),
    };
    Reply::json(200, &json!({"id": call["id"], "result": result}))
}

fn login(state: &mut State, call: &Value, params: &[Value]) -> Reply {
    let password = params.get(1).map(|p| p["password"].clone());
    let right = params.first() == Some(&json!(USER))
        && password == Some(json!(state.options.tryton_password));
    if !right {
        let error = json!(["LoginException", ["password", "Password for crossdock", "password"]]);
        return Reply::json(200, &json!({"id": call["id"], "error": error}));
    }
    let token = state.word(32);
    state.tryton.sessions.insert(token.clone(), 1);
    Reply::json(200, &json!({"id": call["id"], "result": [1, token, 300]}))
}

/// Basic, or a session: `Session base64(user:id:token)`.
fn is_known(state: &State, request: &Request) -> bool {
    if let Some((user, password)) = request.basic() {
        return user == USER && password == state.options.tryton_password;
    }
    let session = request
        .authorization("Session")
        .and_then(wire::decode_base64)
        .and_then(|bytes| String::from_utf8(bytes).ok());
    session.is_some_and(|text| {
        let token = text.rsplit(':').next().unwrap_or("");
        state.tryton.sessions.contains_key(token)
    })
}

fn dispatch(
    tryton: &mut Tryton,
    method: &str,
    params: &[Value],
    env: &Env,
) -> Result<Value, Trouble> {
    let (path, method) = method.rsplit_once('.').ok_or(Trouble::Forbidden)?;
    if let Some(name) = path.strip_prefix("wizard.") {
        return tryton.wizard(name, method, params, env);
    }
    let name = path.strip_prefix("model.").ok_or(Trouble::Forbidden)?;
    let model = tryton.model(name)?;
    let param = |at: usize| params.get(at).cloned().unwrap_or_default();
    let ids: Vec<i64> = match param(0) {
        Value::Array(ids) => ids.iter().filter_map(Value::as_i64).collect(),
        other => other.as_i64().into_iter().collect(),
    };
    let fields = |value: Value| -> Vec<String> {
        let names = value.as_array().cloned().unwrap_or_default();
        let names = names.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    match method {
        "read" => {
            let fields = fields(param(1));
            let rows: Result<Vec<Value>, Trouble> =
                ids.iter().map(|id| tryton.read(model, *id, &fields, env)).collect();
            Ok(Value::Array(rows?))
        }
        "search" | "search_read" | "search_count" => {
            let found = tryton.search(model, &param(0), &param(3), env)?;
            if method == "search_count" {
                return Ok(json!(found.len()));
            }
            let offset = param(1).as_u64().unwrap_or(0) as usize;
            let limit = param(2).as_u64().map_or(usize::MAX, |limit| limit as usize);
            let page: Vec<i64> = found.into_iter().skip(offset).take(limit).collect();
            if method == "search" {
                return Ok(json!(page));
            }
            let fields = fields(param(4));
            let rows: Result<Vec<Value>, Trouble> =
                page.iter().map(|id| tryton.read(model, *id, &fields, env)).collect();
            Ok(Value::Array(rows?))
        }
        "create" => {
            let mut made = Vec::new();
            for values in param(0).as_array().cloned().unwrap_or_default() {
                if let Value::Object(values) = values {
                    made.push(tryton.create(model, values, env)?);
                }
            }
            Ok(json!(made))
        }
        "write" => {
            tryton.check_timestamps(model, &ids, env)?;
            if let Value::Object(values) = param(1) {
                for id in ids {
                    tryton.write(model, id, values.clone(), env)?;
                }
            }
            Ok(Value::Null)
        }
        "delete" => {
            tryton.check_timestamps(model, &ids, env)?;
            for id in ids {
                tryton.delete(model, id)?;
            }
            Ok(Value::Null)
        }
        action if tryton.has_action(model, action) => {
            tryton.check_timestamps(model, &ids, env)?;
            for id in ids {
                tryton.store.row(model, id)?;
                tryton.act(model, id, action, env)?;
                tryton.after(model, id, action);
            }
            Ok(Value::Null)
        }
        _ => Err(Trouble::Forbidden),
    }
}

impl Tryton {
    /// `_timestamp` in the context: `{"sale.sale,4": "1712345678.123456"}`.
    fn check_timestamps(&self, model: &'static str, ids: &[i64], env: &Env) -> Result<(), Trouble> {
        for id in ids {
            let name = format!("{model},{id}");
            let Some(seen) = env.context["_timestamp"][name.as_str()].as_str() else {
                continue;
            };
            let own = self.value(model, *id, "_timestamp", env)?;
            if own.as_str().is_some_and(|own| own > seen) {
                let message = "Records were modified in the meanwhile";
                return Err(Trouble::Concurrency(message.into()));
            }
        }
        Ok(())
    }
}

impl Trouble {
    fn rpc(self, call: &Value) -> Reply {
        let error = match self {
            Trouble::User(message) => json!(["UserError", [message, "", null]]),
            Trouble::Warning { name, message } => json!(["UserWarning", [name, message, ""]]),
            Trouble::Concurrency(message) => json!(["ConcurrencyException", message]),
            Trouble::NotFound => json!([
                "UserError",
                ["You try to read records that don't exist anymore.", "", null]
            ]),
            Trouble::Forbidden => {
                return Reply::html(403, "Forbidden", "The method is not allowed.");
            }
            // Its text and a traceback, with status 200.
            Trouble::Server(why) => json!([why, ""]),
        };
        Reply::json(200, &json!({"id": call["id"], "error": error}))
    }
}
