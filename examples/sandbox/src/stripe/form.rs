//! Form fields with brackets: `a[b]=1&c[]=2&d[0]=3` is `{"a": {"b": "1"}, "c": ["2"], "d": {"0": "3"}}`.
//! Every leaf is a string; the readers here say what is wrong with one.

use serde_json::{Map, Value};

use super::{Failure, invalid};

const DEPTH_MAX: usize = 8;

pub fn nest(fields: &[(String, String)]) -> Map<String, Value> {
    let mut root = Map::new();
    for (name, value) in fields {
        let (head, rest) = name.split_once('[').unwrap_or((name, ""));
        let mut path = vec![head];
        path.extend(
            rest.split('[')
                .map(|part| part.trim_end_matches(']'))
                .skip(usize::from(rest.is_empty())),
        );
        path.truncate(DEPTH_MAX);
        put(&mut root, &path, value);
    }
    root
}

fn put(map: &mut Map<String, Value>, path: &[&str], value: &str) {
    let (head, rest) = (path[0].to_owned(), &path[1..]);
    if rest.is_empty() {
        map.insert(head, Value::String(value.to_owned()));
    } else if rest == [""] {
        let list = map.entry(head).or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(Value::String(value.to_owned()));
        }
    } else {
        let child = map.entry(head).or_insert_with(|| Value::Object(Map::new()));
        if let Some(child) = child.as_object_mut() {
            put(child, rest, value);
        }
    }
}

pub fn text<'a>(params: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    params.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub fn flag(params: &Map<String, Value>, name: &str) -> Option<bool> {
    text(params, name).map(|text| text == "true")
}

pub fn integer(params: &Map<String, Value>, name: &str) -> Result<Option<i64>, Failure> {
    match text(params, name) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            let message = format!("Invalid integer: {text}");
            invalid(400, Some("parameter_invalid_integer"), &message, Some(name))
        }),
    }
}

pub fn number(value: &Value) -> Option<i64> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// `name[]=..` or `name[0]=..` as a list.
pub fn strings(params: &Map<String, Value>, name: &str) -> Vec<String> {
    let of = |value: &Value| value.as_str().map(str::to_owned);
    match params.get(name) {
        Some(Value::Array(list)) => list.iter().filter_map(of).collect(),
        Some(Value::Object(map)) => map.values().filter_map(of).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::pairs;

    #[test]
    fn brackets_nest() {
        let nested = nest(&pairs(
            "amount=5&metadata[order_id]=O-1&expand[]=a&expand[]=b.c&x[y][z]=1&e[0]=q",
        ));
        let expected = serde_json::json!({
            "amount": "5", "metadata": {"order_id": "O-1"}, "expand": ["a", "b.c"],
            "x": {"y": {"z": "1"}}, "e": {"0": "q"},
        });
        assert_eq!(Value::Object(nested.clone()), expected);
        assert_eq!(strings(&nested, "e"), ["q"]);
    }
}
