//! Lists as Django REST framework gives them: search, ordering, limit and offset.

use serde_json::{Value, json};

use super::Answer;
use crate::wire::{Reply, Request};

/// Answers a list of shaped rows; `searched` are pointers, `ordered` the fields that it may be sorted
/// by. Without `limit` InvenTree answers a plain list. Filters and orderings that it does not know it
/// passes over in silence.
pub fn answer(
    request: &Request,
    mut rows: Vec<Value>,
    searched: &[&str],
    ordered: &[&str],
) -> Answer {
    if let Some(terms) = request.query("search").filter(|_| !searched.is_empty()) {
        // Each word must stand somewhere.
        for term in terms.to_lowercase().split(|c: char| c.is_whitespace() || c == ',') {
            rows.retain(|row| {
                searched.iter().any(|pointer| {
                    let text = row.pointer(pointer).and_then(Value::as_str);
                    text.is_some_and(|text| text.to_lowercase().contains(term))
                })
            });
        }
    }
    let ordering = request.query("ordering").map(|ordering| match ordering.strip_prefix('-') {
        Some(field) => (field, true),
        None => (ordering, false),
    });
    if let Some((field, descending)) = ordering.filter(|(field, _)| ordered.contains(field)) {
        rows.sort_by(|a, b| {
            let order = compare(&a[field], &b[field]);
            if descending { order.reverse() } else { order }
        });
    }
    let Some(limit) = request.query_number("limit").filter(|limit| *limit > 0) else {
        return Ok(Reply::json(200, &Value::Array(rows)));
    };
    let offset = request.query_number("offset").unwrap_or(0).max(0);
    let count = rows.len() as i64;
    let page: Vec<Value> = rows.into_iter().skip(offset as usize).take(limit as usize).collect();
    let link = |offset: i64| {
        let mut query: Vec<String> = request
            .query
            .iter()
            .filter(|(name, _)| name != "limit" && name != "offset")
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        query.push(format!("limit={limit}"));
        query.push(format!("offset={offset}"));
        format!("{}{}?{}", request.base, request.path, query.join("&"))
    };
    let next = (offset + limit < count).then(|| link(offset + limit));
    let previous = (offset > 0).then(|| link((offset - limit).max(0)));
    Ok(Reply::json(
        200,
        &json!({"count": count, "next": next, "previous": previous, "results": page}),
    ))
}

/// True when each given filter that names a field of the row has the row's value.
pub fn is_wanted(request: &Request, row: &Value, filters: &[&str]) -> bool {
    filters.iter().all(|name| {
        let Some(wanted) = request.query(name).filter(|text| !text.is_empty()) else {
            return true;
        };
        match &row[*name] {
            Value::String(text) => text == wanted,
            Value::Number(number) => number.to_string() == wanted,
            Value::Bool(flag) => request.query_flag(name) == Some(*flag),
            _ => wanted == "null",
        }
    })
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x.as_f64().unwrap_or(0.0).total_cmp(&y.as_f64().unwrap_or(0.0))
        }
        (Value::String(x), Value::String(y)) => x.cmp(y),
        // Nulls last, as PostgreSQL sorts them.
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Greater,
        (_, Value::Null) => std::cmp::Ordering::Less,
        _ => std::cmp::Ordering::Equal,
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
