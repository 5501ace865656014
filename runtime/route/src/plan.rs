//! A checked route: names are positions, expressions are programs, spans are milliseconds. Whoever
//! holds a Plan can run it; a bad one cannot be made, since only `check` builds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{MapKey, Type, TypeName, Value};
use expression::{EvaluationError, Program};
use jiff::Timestamp;

use crate::order::OrderedBy;
use crate::retry::{INLINE, Policy};
use crate::source::Source;
use crate::step::{Kind, Step};
use crate::{Envelope, ExchangeId, Priority, scope};

#[derive(Debug)]
pub struct Plan {
    pub name: String,
    /// The role that gets its exceptions.
    pub owner: String,
    /// What becomes of an exception that nobody acts on.
    pub escalate: Option<Escalation>,
    pub summary: Option<String>,
    /// Where it cannot go on, it takes back what it did.
    pub saga: bool,
    /// Beside other routes on one budget.
    pub priority: Priority,
    pub file: String,
    /// As written; what a route version is the digest of.
    pub text: Arc<str>,
    pub source: Source,
    pub message: MessageType,
    /// What its exchanges are ordered by; see [`crate::Exchange::lane`].
    pub ordered_by: Option<OrderedBy>,
    /// How many of its exchanges may be at work at the same time.
    pub concurrency: Option<usize>,
    /// Business keys by name; see [`crate::Exchange::keys`].
    pub keys: Vec<(String, Program)>,
    pub steps: Vec<Step>,
    /// How the translation of a webhook request is repeated.
    pub(crate) standard: Policy,
    /// How many slots the programs of this route read: message, headers, meta, the element of an
    /// `each`, then one for each step that has a result.
    pub(crate) slots: usize,
}

/// `escalate = { after, to }`: who gets what has stood for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    pub after_ms: u64,
    /// A role.
    pub to: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MessageType {
    Typed(Type),
    /// JSON without a contract.
    Any,
}

impl Plan {
    pub fn step(&self, name: &str) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.name == name)
    }

    /// Connectors that this route calls, the source's included, each once in order of appearance.
    pub fn connectors(&self) -> Vec<&str> {
        let mut aliases: Vec<&str> = self.source.connector().into_iter().collect();
        for step in &self.steps {
            if let Some(alias) = step.connector()
                && !aliases.contains(&alias)
            {
                aliases.push(alias);
            }
        }
        aliases
    }

    /// Topics that this route publishes.
    pub fn topics(&self) -> impl Iterator<Item = &TypeName> {
        self.steps.iter().filter_map(Step::topic)
    }

    /// The retry policies that it knows by name, as they are: whoever checks its text again with
    /// these gets the same plan, whatever the configuration says by then.
    pub fn policies(&self) -> BTreeMap<String, Policy> {
        let of_step = |step: &'_ Step| match &step.kind {
            Kind::Call(call) if call.retry.name != INLINE => Some(call.retry.clone()),
            _ => None,
        };
        let webhook = matches!(self.source, Source::Webhook(_)).then(|| self.standard.clone());
        let used = self.steps.iter().filter_map(of_step).chain(webhook);
        used.map(|policy| (policy.name.clone(), policy)).collect()
    }

    /// The key under which the source knows the message (`from.http.key`), evaluated before an
    /// exchange exists: only `message` and `headers` are in scope. None when the route names no key
    /// or the key is an absent optional.
    pub fn source_key(&self, envelope: &Envelope) -> Result<Option<String>, EvaluationError> {
        let Source::Http(http) = &self.source else { return Ok(None) };
        let Some(program) = &http.key else { return Ok(None) };
        let slots = [envelope.message.clone(), scope::headers(&envelope.headers)];
        Ok(key_text(&program.evaluate(&slots)?))
    }

    /// The slots as an exchange begins: no step has run.
    pub(crate) fn first_slots(&self, id: ExchangeId, envelope: &Envelope) -> Vec<Value> {
        let mut slots = vec![Value::Null; self.slots];
        slots[scope::MESSAGE] = envelope.message.clone();
        slots[scope::HEADERS] = scope::headers(&envelope.headers);
        let replay = envelope.replay.as_deref();
        let exchange = match replay.and_then(|replay| replay.keys.as_ref()) {
            Some(keys) => keys.exchange.clone(),
            None => id.to_string(),
        };
        slots[scope::META] = scope::meta(&exchange, &self.name, envelope);
        slots
    }
}

/// What a webhook or poll operation took in, as its output record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The source's id of each item and the item itself.
    pub items: Vec<(String, Value)>,
    /// Polls only: where to go on.
    pub next_cursor: Option<String>,
    /// Polls only: ask again at once.
    pub more: bool,
}

impl Received {
    /// None if the value is not of the agreed shape (which the check of the route has excluded).
    pub fn of(output: &Value) -> Option<Received> {
        let Some(Value::List(listed)) = output.get("items") else { return None };
        let mut items = Vec::with_capacity(listed.len());
        for item in listed.iter() {
            items.push((item.get("id")?.as_str()?.to_owned(), item.get("value")?.clone()));
        }
        let next_cursor = output.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        let more = matches!(output.get("more"), Some(Value::Bool(true)));
        Some(Received { items, next_cursor, more })
    }
}

/// A key as text; none for an absent optional and for the empty text, which identifies nothing.
pub(crate) fn key_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Timestamp(at) => at.to_string(),
        Value::Variant(variant) if variant.payload.is_none() => {
            variant.ty.cases[variant.case].json.clone()
        }
        Value::Optional(Some(inner)) => return key_text(inner),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

pub(crate) fn string_map<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let map: BTreeMap<MapKey, Value> =
        entries.map(|(key, text)| (MapKey::from(key), Value::string(text))).collect();
    Value::Map(Arc::new(map))
}

/// The instant from which a message counts as there, for routes without a better one.
pub(crate) fn tick(at: Timestamp) -> Value {
    Value::record(scope::tick_record(), vec![Value::Timestamp(at)])
}
