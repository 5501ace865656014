//! A connector's configuration against the JSON Schema in its description. Knows the keywords that a
//! settings table needs (`type`, `properties`, `required`, `additionalProperties`, `items`, `enum`,
//! `minimum`, `maximum`); others are left to the connector itself.

use serde_json::Value;

/// Everything that does not fit, as `place: reason`. An empty schema takes no configuration.
pub(crate) fn check(schema: &str, config: &Value) -> Vec<String> {
    let empty = serde_json::json!({"type": "object", "additionalProperties": false});
    let schema = match schema.trim() {
        "" => empty,
        text => match serde_json::from_str(text) {
            Ok(schema) => schema,
            Err(error) => return vec![format!("its own schema is not JSON: {error}")],
        },
    };
    let none = Value::Object(serde_json::Map::new());
    let mut problems = Vec::new();
    visit(&schema, if config.is_null() { &none } else { config }, "config", 0, &mut problems);
    problems
}

const DEPTH_MAX: usize = 32;

fn visit(schema: &Value, value: &Value, place: &str, depth: usize, problems: &mut Vec<String>) {
    if depth > DEPTH_MAX {
        problems.push(format!("{place}: nested too deeply"));
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|ty| is(ty, value)) {
        problems.push(format!("`{place}` is not of type {}", types.join(" or ")));
        return;
    }
    if let Value::Array(allowed) = &schema["enum"]
        && !allowed.contains(value)
    {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        problems.push(format!("`{place}` is none of {}", allowed.join(", ")));
    }
    if let Some(number) = value.as_f64() {
        let bound = |name: &str| schema[name].as_f64();
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            problems.push(format!("`{place}` is out of its range"));
        }
    }
    match value {
        Value::Object(fields) => object(schema, fields, place, depth, problems),
        Value::Array(items) if schema["items"].is_object() => {
            for (at, item) in items.iter().enumerate() {
                visit(&schema["items"], item, &format!("{place}[{at}]"), depth + 1, problems);
            }
        }
        _ => {}
    }
}

fn object(
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    place: &str,
    depth: usize,
    problems: &mut Vec<String>,
) {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        problems.push(format!("`{place}.{name}` is missing"));
    }
    for (name, value) in fields {
        let known = schema["properties"].get(name);
        let place = format!("{place}.{name}");
        match (known, &schema["additionalProperties"]) {
            (Some(known), _) => visit(known, value, &place, depth + 1, problems),
            (None, Value::Bool(false)) => problems.push(format!("`{place}` is not known")),
            (None, other @ Value::Object(_)) => visit(other, value, &place, depth + 1, problems),
            (None, _) => {}
        }
    }
}

fn is(ty: &str, value: &Value) -> bool {
    match ty {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let schema = json!({
            "type": "object",
            "required": ["company"],
            "additionalProperties": false,
            "properties": {
                "company": {"type": "integer", "minimum": 1},
                "mode": {"enum": ["fast", "slow"]},
                "sites": {"type": "array", "items": {"type": "string"}},
                "names": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        })
        .to_string();
        let check = |config: Value, expected: &[&str]| {
            assert_eq!(check(&schema, &config), expected, "{config}");
        };
        check(json!({"company": 1, "mode": "fast", "sites": ["a"], "names": {"x": "y"}}), &[]);
        check(json!(null), &["`config.company` is missing"]);
        check(
            json!({"company": 0, "mode": "so", "sites": [1], "names": {"x": 1}, "y": 2}),
            &[
                "`config.company` is out of its range",
                "`config.mode` is none of \"fast\", \"slow\"",
                "`config.names.x` is not of type string",
                "`config.sites[0]` is not of type string",
                "`config.y` is not known",
            ],
        );
        check(json!([]), &["`config` is not of type object"]);
    }

    #[test]
    fn a_connector_without_a_schema_takes_nothing() {
        assert_eq!(check("", &json!({"a": 1})), ["`config.a` is not known"]);
        assert!(check("", &Value::Null).is_empty());
    }
}
