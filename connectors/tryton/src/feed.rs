//! What changed since a cursor. Tryton sets `write_date` with the first change after creation, so
//! the created and the changed are asked for apart and merged. The cursor is `microseconds:id` of
//! the last record given.

use crossdock_sdk::{Fault, PollRequest, time};
use serde_json::{Value, json};

use crate::client::Tryton;
use crate::value::{self, Record};

/// The most that one poll gives.
const LIMIT_MAX: u32 = 200;

pub struct Page {
    /// Oldest change first.
    pub records: Vec<Record>,
    pub cursor: Option<String>,
    pub more: bool,
}

/// `domain`: which records of the model at all. `fields` must include `write_date` and
/// `create_date`.
pub fn changed(
    tryton: &Tryton,
    model: &str,
    domain: &Value,
    request: &PollRequest,
    fields: &[&str],
) -> Result<Page, Fault> {
    let limit = request.limit.clamp(1, LIMIT_MAX);
    // What is not active any more has changed, too.
    let tryton = tryton.with_inactive();
    let (since, after) = read_cursor(request.cursor.as_deref())?;
    // One more than wanted tells whether there is more. One transaction of Tryton gives all that it
    // writes the same time: records of that time are told apart by id.
    let search = |condition: Value, field: &str| {
        let after = match after {
            Some((_, id)) => {
                json!(["OR", [field, ">", since], [[field, "=", since], ["id", ">", id]]])
            }
            None => json!([field, ">=", since]),
        };
        let order = json!([[field, "ASC"], ["id", "ASC"]]);
        tryton.search(model, json!([domain, condition, after]), order, limit + 1, fields)
    };
    let mut records = search(json!(["write_date", "!=", null]), "write_date")?;
    records.extend(search(json!(["write_date", "=", null]), "create_date")?);
    records.sort_by_key(place);
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let cursor = records.last().map(|last| format!("{}:{}", last.version(), last.id()));
    Ok(Page { records, cursor, more })
}

fn place(record: &Record) -> (u64, i64) {
    (record.version(), record.id())
}

/// The moment to ask from, as Tryton writes it, and the last record that was given.
fn read_cursor(cursor: Option<&str>) -> Result<(Value, Option<(u64, i64)>), Fault> {
    let Some(cursor) = cursor else { return Ok((value::datetime(&time::timestamp(0)), None)) };
    let parts =
        cursor.split_once(':').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    let Some((at, id)) = parts else {
        return Err(Fault::never("cursor", format!("`{cursor}` is no cursor of this connector")));
    };
    let at: u64 = at;
    let seconds = i64::try_from(at / 1_000_000).unwrap_or_default();
    let mut since = value::datetime(&time::timestamp(seconds));
    since["microsecond"] = (at % 1_000_000).into();
    Ok((since, Some((at, id))))
}

/// The id of a change: object and version.
pub fn change_id(record: &Record) -> String {
    format!("{}:{}", record.id(), record.version())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let (since, after) = read_cursor(Some("1775124000123456:7")).unwrap();
        assert_eq!(after, Some((1_775_124_000_123_456, 7)));
        assert_eq!(
            (since["hour"].clone(), since["microsecond"].clone()),
            (json!(10), json!(123_456))
        );
        assert!(read_cursor(Some("x")).is_err());
    }
}
