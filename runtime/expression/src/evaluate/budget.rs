//! What one evaluation may cost: steps, bytes of text made, values of the result.

use std::cell::Cell;

use contract::Value;

use crate::limits::{COST_MAX, RESULT_VALUES_MAX, TEXT_BYTES_MAX};

pub struct Budget {
    left: Cell<u64>,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { left: Cell::new(COST_MAX) }
    }

    #[inline]
    pub fn spend(&self, cost: usize) -> Result<(), String> {
        match self.left.get().checked_sub(cost as u64) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(format!("the expression costs more than {COST_MAX} steps"))
            }
        }
    }

    /// For text of this length, made or searched.
    pub fn text(&self, length: usize) -> Result<(), String> {
        if length > TEXT_BYTES_MAX {
            return Err(format!("the text has more than {TEXT_BYTES_MAX} bytes"));
        }
        self.spend(length / 16)
    }

    /// Nothing is left: such a failure is not absorbed by `||`.
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

/// Refuses a value that would be written larger than the limit. Parts may be shared in memory, so
/// that a small program could otherwise make a result that nothing can hold.
pub fn weigh(value: &Value) -> Result<(), String> {
    let mut values = RESULT_VALUES_MAX;
    let mut bytes = 4 * TEXT_BYTES_MAX;
    if light(value, &mut values, &mut bytes) {
        Ok(())
    } else {
        Err(format!("the result has more than {RESULT_VALUES_MAX} values or too much text"))
    }
}

fn light(value: &Value, values: &mut usize, bytes: &mut usize) -> bool {
    let text = match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    let (Some(values_left), Some(bytes_left)) = (values.checked_sub(1), bytes.checked_sub(text))
    else {
        return false;
    };
    (*values, *bytes) = (values_left, bytes_left);
    match value {
        Value::List(items) => items.iter().all(|item| light(item, values, bytes)),
        Value::Map(map) => map.values().all(|item| light(item, values, bytes)),
        Value::Record(record) => record.fields.iter().all(|item| light(item, values, bytes)),
        Value::Variant(variant) => variant.payload.iter().all(|item| light(item, values, bytes)),
        Value::Result(Ok(payload) | Err(payload)) => light(payload, values, bytes),
        Value::Optional(Some(inner)) => light(inner, values, bytes),
        _ => true,
    }
}
