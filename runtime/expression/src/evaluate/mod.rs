//! Runs a node tree over slots. Values are borrowed from slots and constants wherever they are only
//! looked at; recursion is bounded by the height of the source, work by the budget.

mod arithmetic;
mod budget;
mod compare;
mod comprehension;
mod select;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{MapKey, Value};

use crate::ast::Op;
use crate::convert::{convert, kind};
use crate::limits::ELEMENTS_MAX;
use crate::node::Node;
use crate::problem::{EvaluationError, Span};

pub use arithmetic::{add, timestamp_in_range};
pub use budget::{Budget, weigh};
pub use compare::{equal, order};
pub use select::key_value;

pub type Failure = Box<EvaluationError>;
pub type Outcome<'a> = Result<Cow<'a, Value>, Failure>;

/// Where names find their values.
pub struct Frame<'a> {
    pub slots: &'a [Value],
    /// The innermost variable of a macro.
    pub local: Option<&'a Local<'a>>,
    pub budget: &'a Budget,
}

pub struct Local<'a> {
    pub value: &'a Value,
    pub up: Option<&'a Local<'a>>,
}

impl<'a> Frame<'a> {
    pub fn with<'b>(&'b self, local: &'b Local<'b>) -> Frame<'b> {
        Frame { slots: self.slots, local: Some(local), budget: self.budget }
    }

    fn local(&self, depth: usize) -> Option<&'a Value> {
        let mut local = self.local?;
        for _ in 0..depth {
            local = local.up?;
        }
        Some(local.value)
    }
}

pub fn fail(span: Span, message: impl Into<String>) -> Failure {
    Box::new(EvaluationError { span: span.range(), message: message.into(), mark: None })
}

pub fn eval<'a>(node: &'a Node, frame: &Frame<'a>) -> Outcome<'a> {
    frame.budget.spend(1).map_err(|message| fail(Span::default(), message))?;
    match node {
        Node::Const(value) => Ok(Cow::Borrowed(value)),
        Node::Slot(at) => Ok(frame.slots.get(*at).map_or(Cow::Owned(Value::Null), Cow::Borrowed)),
        Node::Local(depth) => {
            Ok(frame.local(*depth).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
        }
        Node::Select { of, by, span } => select::strict(of, by, *span, frame),
        Node::Lift(_)
        | Node::TrySelect { .. }
        | Node::ChainSelect { .. }
        | Node::OrOptional { .. }
        | Node::OptionalOf(_)
        | Node::OptionalNone
        | Node::OptionalOfNonZero(_)
        | Node::OptMap { .. } => {
            let inner = eval_optional(node, frame)?;
            Ok(Cow::Owned(Value::Optional(inner.map(|value| Arc::new(value.into_owned())))))
        }
        Node::Unwrap { of, span } => {
            eval_optional(of, frame)?.ok_or_else(|| fail(*span, "the optional value is absent"))
        }
        Node::HasValue(of) => boolean(eval_optional(of, frame)?.is_some()),
        Node::OrValue { of, default } => match eval_optional(of, frame)? {
            Some(value) => Ok(value),
            None => eval(default, frame),
        },
        Node::Bind { init, body } => {
            let value = eval(init, frame)?;
            let local = Local { value: &value, up: frame.local };
            Ok(Cow::Owned(eval(body, &frame.with(&local))?.into_owned()))
        }
        Node::Not { of, span } => match *eval(of, frame)? {
            Value::Bool(value) => boolean(!value),
            ref other => Err(fail(*span, format!("`!` takes a bool, not {}", kind(other)))),
        },
        Node::Negate { of, span } => {
            let value = eval(of, frame)?;
            arithmetic::negate(&value).map(Cow::Owned).map_err(|message| fail(*span, message))
        }
        Node::And { items, span } => logic(items, *span, frame, false),
        Node::Or { items, span } => logic(items, *span, frame, true),
        Node::Conditional { parts, span } => match *eval(&parts[0], frame)? {
            Value::Bool(true) => eval(&parts[1], frame),
            Value::Bool(false) => eval(&parts[2], frame),
            ref other => Err(fail(*span, format!("the condition is {}, not a bool", kind(other)))),
        },
        Node::Binary { op, sides, span } => {
            let left = eval(&sides[0], frame)?;
            let right = eval(&sides[1], frame)?;
            binary(*op, &left, &right, frame.budget)
                .map(Cow::Owned)
                .map_err(|message| fail(*span, message))
        }
        Node::IsCase { of, case } => {
            let value = eval(of, frame)?;
            boolean(matches!(&*value, Value::Variant(variant) if variant.case == *case))
        }
        Node::List { items, span } => list(items, *span, frame),
        Node::Map { entries, span } => map(entries, *span, frame),
        Node::Record { ty, fields } => {
            let fields = fields.iter().map(|field| eval(field, frame).map(Cow::into_owned));
            Ok(Cow::Owned(Value::record(ty.clone(), fields.collect::<Result<_, _>>()?)))
        }
        Node::Variant { ty, case, payload } => {
            let payload = match payload {
                Some(payload) => Some(eval(payload, frame)?.into_owned()),
                None => None,
            };
            Ok(Cow::Owned(Value::variant(ty.clone(), *case, payload)))
        }
        Node::Comprehension(comprehension) => comprehension::run(comprehension, frame),
        Node::Call { overloads, args, span } => call(overloads, args, *span, frame),
        Node::Matches { of, pattern, span } => match &*eval(of, frame)? {
            Value::String(text) => {
                let fits = frame.budget.text(text.len()).map(|()| pattern.is_match(text));
                fits.map(|fits| Cow::Owned(Value::Bool(fits)))
                    .map_err(|message| fail(*span, message))
            }
            other => Err(fail(*span, format!("`matches` takes a string, not {}", kind(other)))),
        },
        Node::Convert { of, to, span } => {
            let value = eval(of, frame)?;
            // Converting walks the value as it will be written, shared parts each time.
            weigh(&value)
                .and_then(|()| convert(value.into_owned(), to))
                .map(Cow::Owned)
                .map_err(|message| fail(*span, message))
        }
    }
}

/// The value of an optional without making a CEL optional of it.
pub fn eval_optional<'a>(
    node: &'a Node,
    frame: &Frame<'a>,
) -> Result<Option<Cow<'a, Value>>, Failure> {
    match node {
        Node::Lift(of) => {
            Ok(flat(eval(of, frame)?).filter(|value| !matches!(**value, Value::Null)))
        }
        Node::TrySelect { of, by, span } => {
            let value = eval(of, frame)?;
            Ok(select::part(value, by, *span, frame)?.and_then(flat))
        }
        Node::ChainSelect { of, by, span } => match eval_optional(of, frame)? {
            Some(value) => Ok(select::part(value, by, *span, frame)?.and_then(flat)),
            None => Ok(None),
        },
        Node::OrOptional { of, other } => match eval_optional(of, frame)? {
            Some(value) => Ok(Some(value)),
            None => eval_optional(other, frame),
        },
        Node::OptionalOf(of) => eval(of, frame).map(Some),
        Node::OptionalNone => Ok(None),
        Node::OptionalOfNonZero(of) => {
            Ok(Some(eval(of, frame)?).filter(|value| !select::is_zero(value)))
        }
        Node::OptMap { of, body, flat } => {
            let Some(value) = eval_optional(of, frame)? else { return Ok(None) };
            let local = Local { value: &value, up: frame.local };
            let inner = frame.with(&local);
            let mapped =
                if *flat { eval_optional(body, &inner)? } else { Some(eval(body, &inner)?) };
            Ok(mapped.map(|value| Cow::Owned(value.into_owned())))
        }
        Node::Conditional { parts, span } => match *eval(&parts[0], frame)? {
            Value::Bool(true) => eval_optional(&parts[1], frame),
            Value::Bool(false) => eval_optional(&parts[2], frame),
            ref other => Err(fail(*span, format!("the condition is {}, not a bool", kind(other)))),
        },
        other => match eval(other, frame)? {
            Cow::Borrowed(Value::Optional(inner)) => Ok(inner.as_deref().map(Cow::Borrowed)),
            Cow::Owned(Value::Optional(inner)) => {
                Ok(inner.map(|value| Cow::Owned(Arc::unwrap_or_clone(value))))
            }
            plain => Ok(Some(plain)),
        },
    }
}

/// An optional inside an optional is one optional.
fn flat(value: Cow<'_, Value>) -> Option<Cow<'_, Value>> {
    match value {
        Cow::Borrowed(Value::Optional(inner)) => inner.as_deref().map(Cow::Borrowed),
        Cow::Owned(Value::Optional(inner)) => {
            inner.map(|value| Cow::Owned(Arc::unwrap_or_clone(value)))
        }
        plain => Some(plain),
    }
}

fn boolean<'a>(value: bool) -> Outcome<'a> {
    Ok(Cow::Owned(Value::Bool(value)))
}

/// `&&` (until false) and `||` (until true): an error counts only if no operand decides.
fn logic<'a>(items: &'a [Node], span: Span, frame: &Frame<'a>, until: bool) -> Outcome<'a> {
    let mut failure = None;
    for item in items {
        match eval(item, frame) {
            Ok(value) => match *value {
                Value::Bool(value) if value == until => return boolean(until),
                Value::Bool(_) => {}
                ref other => {
                    let message = format!("logic takes bools, not {}", kind(other));
                    failure.get_or_insert_with(|| fail(span, message));
                }
            },
            Err(error) if frame.budget.is_spent() => return Err(error),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or_else(|| boolean(!until), Err)
}

fn binary(op: Op, left: &Value, right: &Value, budget: &Budget) -> Result<Value, String> {
    use std::cmp::Ordering::{Greater, Less};
    let ordered = |holds: fn(std::cmp::Ordering) -> bool| -> Result<Value, String> {
        budget.text(text_len(left).min(text_len(right)))?;
        // NaN has no order: every comparison with it is false.
        Ok(Value::Bool(order(left, right)?.is_some_and(holds)))
    };
    match op {
        Op::Equal => Ok(Value::Bool(equal(left, right, budget)?)),
        Op::NotEqual => Ok(Value::Bool(!equal(left, right, budget)?)),
        Op::Less => ordered(|order| order == Less),
        Op::LessOrEqual => ordered(|order| order != Greater),
        Op::Greater => ordered(|order| order == Greater),
        Op::GreaterOrEqual => ordered(|order| order != Less),
        Op::In => compare::contains(right, left, budget).map(Value::Bool),
        Op::Add => arithmetic::add(left, right, budget),
        Op::Subtract => arithmetic::subtract(left, right),
        Op::Multiply => arithmetic::multiply(left, right),
        Op::Divide => arithmetic::divide(left, right),
        Op::Remainder => arithmetic::remainder(left, right),
    }
}

fn text_len(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

fn list<'a>(items: &'a [(Node, bool)], span: Span, frame: &Frame<'a>) -> Outcome<'a> {
    let mut values = Vec::with_capacity(items.len());
    for (item, optional) in items {
        if *optional {
            values.extend(eval_optional(item, frame)?.map(Cow::into_owned));
        } else {
            values.push(eval(item, frame)?.into_owned());
        }
    }
    frame.budget.spend(values.len()).map_err(|message| fail(span, message))?;
    Ok(Cow::Owned(Value::list(values)))
}

fn map<'a>(entries: &'a [(Node, Node, bool)], span: Span, frame: &Frame<'a>) -> Outcome<'a> {
    let mut values = BTreeMap::new();
    for (key, value, optional) in entries {
        let key = select::key(&*eval(key, frame)?).map_err(|message| fail(span, message))?;
        let value = if *optional {
            match eval_optional(value, frame)? {
                Some(value) => value.into_owned(),
                None => continue,
            }
        } else {
            eval(value, frame)?.into_owned()
        };
        insert(&mut values, key, value).map_err(|message| fail(span, message))?;
    }
    frame.budget.spend(values.len()).map_err(|message| fail(span, message))?;
    Ok(Cow::Owned(Value::Map(Arc::new(values))))
}

/// Refuses a key that is there already; `1` and `1u` are one key.
pub fn insert(map: &mut BTreeMap<MapKey, Value>, key: MapKey, value: Value) -> Result<(), String> {
    if select::find_key(map, &key).is_some() {
        return Err("the map has a key twice".to_owned());
    }
    if map.len() >= ELEMENTS_MAX {
        return Err(format!("the map has more than {ELEMENTS_MAX} entries"));
    }
    map.insert(key, value);
    Ok(())
}

/// More arguments than any function has.
pub const ARGUMENTS_MAX: usize = 4;

fn call<'a>(
    overloads: &'a [&'static crate::functions::Overload],
    args: &'a [Node],
    span: Span,
    frame: &Frame<'a>,
) -> Outcome<'a> {
    const NULL: Cow<'static, Value> = Cow::Owned(Value::Null);
    let mut values: [Cow<'a, Value>; ARGUMENTS_MAX] = [NULL; ARGUMENTS_MAX];
    let count = args.len().min(ARGUMENTS_MAX);
    for (value, arg) in values.iter_mut().zip(args) {
        *value = eval(arg, frame)?;
    }
    let values = &values[..count];
    let overload = match overloads {
        [only] => Some(only),
        several => several.iter().find(|overload| overload.takes(values)),
    };
    let Some(overload) = overload else {
        let name = overloads.first().map_or("function", |overload| overload.name);
        let kinds: Vec<_> = values.iter().map(|value| kind(value)).collect();
        return Err(fail(span, format!("`{name}` does not take ({})", kinds.join(", "))));
    };
    (overload.run)(values, frame.budget).map(Cow::Owned).map_err(|message| fail(span, message))
}
