//! The macros that go over a list or a map. Elements are lent to the body, not copied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Value;

use super::{Failure, Frame, Local, Outcome, eval, fail, insert, select};
use crate::convert::kind;
use crate::limits::ELEMENTS_MAX;
use crate::node::{Comprehension, ComprehensionKind as Kind};

pub fn run<'a>(comprehension: &'a Comprehension, frame: &Frame<'a>) -> Outcome<'a> {
    let range = eval(&comprehension.range, frame)?;
    let mut fold = Fold::new(comprehension);
    match &*range {
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                if fold.step(&|| Value::Int(at as i64), item, false, frame)? {
                    break;
                }
            }
        }
        Value::Map(map) => {
            for (key, value) in map.iter() {
                if fold.step(&|| select::key_value(key), value, true, frame)? {
                    break;
                }
            }
        }
        other => {
            return Err(fail(
                comprehension.span,
                format!("this goes over a list or a map, not over {}", kind(other)),
            ));
        }
    }
    fold.end()
}

struct Fold<'c> {
    of: &'c Comprehension,
    /// Of `all` and `exists`: counts only if no element decides.
    failure: Option<Failure>,
    decided: bool,
    count: usize,
    items: Vec<Value>,
    map: BTreeMap<contract::MapKey, Value>,
}

impl<'c> Fold<'c> {
    fn new(of: &'c Comprehension) -> Fold<'c> {
        Fold {
            of,
            failure: None,
            decided: false,
            count: 0,
            items: Vec::new(),
            map: BTreeMap::new(),
        }
    }

    /// True when the rest need not be seen.
    fn step(
        &mut self,
        key: &dyn Fn() -> Value,
        value: &Value,
        over_map: bool,
        frame: &Frame<'_>,
    ) -> Result<bool, Failure> {
        let of = self.of;
        let key_value;
        if of.two {
            key_value = key();
            let outer = Local { value: &key_value, up: frame.local };
            let local = Local { value, up: Some(&outer) };
            return self.element(&key_value, value, &frame.with(&local));
        }
        // One variable over a map is its key.
        if over_map {
            key_value = key();
            let local = Local { value: &key_value, up: frame.local };
            return self.element(&key_value, &key_value, &frame.with(&local));
        }
        let local = Local { value, up: frame.local };
        self.element(value, value, &frame.with(&local))
    }

    fn element(&mut self, key: &Value, value: &Value, frame: &Frame<'_>) -> Result<bool, Failure> {
        let of = self.of;
        if let Some(filter) = &of.filter {
            let kept = eval(filter, frame)?;
            if !self.holds(&kept)? {
                return Ok(false);
            }
        }
        let result = eval(&of.body, frame);
        match of.kind {
            Kind::All | Kind::Exists => {
                let until = of.kind == Kind::Exists;
                match result.and_then(|value| self.holds(&value)) {
                    Ok(value) if value == until => {
                        self.decided = true;
                        return Ok(true);
                    }
                    Ok(_) => {}
                    Err(error) if frame.budget.is_spent() => return Err(error),
                    Err(error) => {
                        self.failure.get_or_insert(error);
                    }
                }
            }
            Kind::ExistsOne => self.count += usize::from(self.holds(&*result?)?),
            Kind::Map => self.items.push(result?.into_owned()),
            Kind::Filter => {
                if self.holds(&*result?)? {
                    self.items.push(value.clone());
                }
            }
            Kind::TransformMap => self.put(key, result?.into_owned())?,
            Kind::TransformMapEntry => match &*result? {
                Value::Map(entries) => {
                    for (key, value) in entries.iter() {
                        insert(&mut self.map, key.clone(), value.clone())
                            .map_err(|message| fail(of.span, message))?;
                    }
                }
                other => {
                    return Err(fail(of.span, format!("the entry is {}, not a map", kind(other))));
                }
            },
        }
        if self.items.len() > ELEMENTS_MAX {
            return Err(fail(of.span, format!("the list has more than {ELEMENTS_MAX} elements")));
        }
        Ok(false)
    }

    fn put(&mut self, key: &Value, value: Value) -> Result<(), Failure> {
        let at = |message| fail(self.of.span, message);
        let key = select::key(key).map_err(at)?;
        insert(&mut self.map, key, value).map_err(at)
    }

    fn holds(&self, value: &Value) -> Result<bool, Failure> {
        match value {
            Value::Bool(value) => Ok(*value),
            other => {
                Err(fail(self.of.span, format!("the condition is {}, not a bool", kind(other))))
            }
        }
    }

    fn end<'a>(self) -> Outcome<'a> {
        let result = match self.of.kind {
            Kind::All | Kind::Exists => {
                let exists = self.of.kind == Kind::Exists;
                match (self.decided, self.failure) {
                    (true, _) => Value::Bool(exists),
                    (false, Some(failure)) => return Err(failure),
                    (false, None) => Value::Bool(!exists),
                }
            }
            Kind::ExistsOne => Value::Bool(self.count == 1),
            Kind::Map | Kind::Filter => Value::list(self.items),
            Kind::TransformMap | Kind::TransformMapEntry => Value::Map(Arc::new(self.map)),
        };
        Ok(Cow::Owned(result))
    }
}
