//! One text for every outcome, so that a test is two strings.

use contract::Value;
use expression::Problem;

/// Values nearly as expressions write them; decimals end in `d`.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => format!("{number}u"),
        Value::Double(number) => format!("{number:?}"),
        Value::String(text) => format!("'{text}'"),
        Value::Bytes(bytes) => format!("b{bytes:?}"),
        Value::Decimal(number) => format!("{number}d"),
        Value::Timestamp(at) => at.to_string(),
        Value::Duration(length) => format!("{length:?}"),
        Value::List(items) => {
            format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", "))
        }
        Value::Map(map) => {
            let entries = map.iter().map(|(key, item)| {
                let key = match key {
                    contract::MapKey::Bool(key) => key.to_string(),
                    contract::MapKey::Int(key) => key.to_string(),
                    contract::MapKey::Uint(key) => format!("{key}u"),
                    contract::MapKey::String(key) => key.to_string(),
                };
                format!("{key}: {}", self::value(item))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Record(record) => {
            let fields = record.ty.fields.iter().zip(&record.fields);
            let fields =
                fields.map(|(field, item)| format!("{}: {}", field.json, self::value(item)));
            format!("{}({})", record.ty.name.name, fields.collect::<Vec<_>>().join(", "))
        }
        Value::Variant(variant) => {
            let case = &variant.ty.cases[variant.case].json;
            match &variant.payload {
                Some(payload) => format!("{case}({})", self::value(payload)),
                None => case.clone(),
            }
        }
        Value::Result(Ok(item)) => format!("ok({})", self::value(item)),
        Value::Result(Err(item)) => format!("err({})", self::value(item)),
        Value::Flags(_, bits) => format!("flags({bits:b})"),
        Value::Optional(Some(item)) => format!("some({})", self::value(item)),
        Value::Optional(None) => "none".into(),
        Value::Type(name) => format!("type({name})"),
    }
}

/// `!code `range`: message; help`, one for each problem.
pub fn problems(source: &str, problems: &[Problem]) -> String {
    let one = |problem: &Problem| {
        let range = source.get(problem.span.clone()).unwrap_or("OUTSIDE");
        let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("!{} `{range}`: {}{help}", problem.code, problem.message)
    };
    problems.iter().map(one).collect::<Vec<_>>().join(" | ")
}
