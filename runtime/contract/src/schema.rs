//! JSON Schema (draft 2020-12) of a type, for editors, clients and API descriptions. It says the same
//! as the reader, as far as a schema can.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::check::integer_range;
use crate::json::SAFE_INTEGER_MAX;
use crate::{Scalar, Type, TypeName, snake};

pub fn json_schema(ty: &Type) -> Json {
    let mut definitions = Definitions::default();
    let root = definitions.schema(ty);
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    if let Json::Object(root) = root {
        schema.extend(root);
    }
    if !definitions.0.is_empty() {
        let named = definitions.0.into_iter().map(|(name, schema)| (name.to_string(), schema));
        schema.insert("$defs".into(), Json::Object(named.collect()));
    }
    Json::Object(schema)
}

/// Each named type once, whatever refers to it.
#[derive(Default)]
struct Definitions(BTreeMap<TypeName, Json>);

impl Definitions {
    fn schema(&mut self, ty: &Type) -> Json {
        match ty {
            Type::Bool => json!({"type": "boolean"}),
            Type::F32 | Type::F64 => json!({"anyOf": [
                {"type": "number"},
                {"enum": ["NaN", "Infinity", "-Infinity"]},
            ]}),
            Type::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
            Type::String => json!({"type": "string"}),
            Type::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Type::Scalar(scalar) => of_scalar(*scalar),
            Type::S64 => wide(-(SAFE_INTEGER_MAX as i64), "^-?[0-9]{1,19}$"),
            Type::U64 => wide(0, "^[0-9]{1,20}$"),
            Type::List(element) => json!({"type": "array", "items": self.schema(element)}),
            Type::Option(inner) => json!({"anyOf": [self.schema(inner), {"type": "null"}]}),
            Type::Tuple(elements) => {
                let items: Vec<Json> = elements.iter().map(|ty| self.schema(ty)).collect();
                let length = items.len();
                json!({
                    "type": "array", "prefixItems": items, "minItems": length, "maxItems": length,
                })
            }
            Type::Result { ok, err } => {
                let mut side = |name: &str, ty: Option<&Type>| {
                    let schema = ty.map_or(json!({"type": "null"}), |ty| self.schema(ty));
                    one_key(name, schema)
                };
                json!({"oneOf": [side("ok", ok.as_deref()), side("err", err.as_deref())]})
            }
            Type::Record(_) | Type::Variant(_) | Type::Flags(_) => self.named(ty),
            integer => match integer_range(integer) {
                Some(range) => json!({
                    "type": "integer",
                    "minimum": *range.start() as i64,
                    "maximum": *range.end() as i64,
                }),
                None => json!({}),
            },
        }
    }

    fn named(&mut self, ty: &Type) -> Json {
        let Some(name) = ty.name() else { return json!({}) };
        if !self.0.contains_key(name) {
            // Types are trees, so nothing within can ask for this one before it is there.
            let definition = self.definition(ty);
            self.0.insert(name.clone(), definition);
        }
        let pointer = name.to_string().replace('~', "~0").replace('/', "~1");
        json!({"$ref": format!("#/$defs/{pointer}")})
    }

    fn definition(&mut self, ty: &Type) -> Json {
        match ty {
            Type::Record(record) => {
                let mut properties = Map::new();
                let mut required = Vec::new();
                for field in &record.fields {
                    let schema = described(self.schema(&field.ty), &field.docs);
                    properties.insert(field.json.clone(), schema);
                    if !matches!(field.ty, Type::Option(_)) {
                        required.push(field.json.clone());
                    }
                }
                let schema = json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                });
                described(schema, &record.docs)
            }
            Type::Variant(variant) => {
                let mut cases = Vec::new();
                for case in &variant.cases {
                    let schema = match &case.payload {
                        None => json!({"const": case.json}),
                        Some(payload) => one_key(&case.json, self.schema(payload)),
                    };
                    cases.push(described(schema, &case.docs));
                    if matches!(case.payload, Some(Type::Option(_))) {
                        cases.push(json!({"const": case.json}));
                    }
                }
                described(json!({"oneOf": cases}), &variant.docs)
            }
            Type::Flags(flags) => {
                let names: Vec<String> = flags.flags.iter().map(|flag| snake(flag)).collect();
                described(json!({"type": "array", "items": {"enum": names}}), &flags.docs)
            }
            _ => json!({}),
        }
    }
}

fn of_scalar(scalar: Scalar) -> Json {
    match scalar {
        Scalar::Decimal => json!({
            "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$",
            "description": "exact decimal number of at most 28 digits",
        }),
        Scalar::Currency => json!({
            "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 currency code",
        }),
        Scalar::Country => json!({
            "type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166-1 alpha-2 code",
        }),
        Scalar::Unit => json!({
            "type": "string", "pattern": "^[A-Za-z0-9]{1,12}$", "description": "unit of measure",
        }),
        Scalar::Date => json!({"type": "string", "format": "date"}),
        Scalar::Timestamp => json!({"type": "string", "format": "date-time"}),
        Scalar::Duration => json!({
            "type": "string", "format": "duration",
            "description": "ISO 8601 duration of weeks, days, hours, minutes and seconds",
        }),
        Scalar::TimeZone => json!({"type": "string", "description": "IANA time zone name"}),
    }
}

/// An integer that may be beyond what JSON numbers carry everywhere.
fn wide(minimum: i64, pattern: &str) -> Json {
    json!({"oneOf": [
        {"type": "integer", "minimum": minimum, "maximum": SAFE_INTEGER_MAX},
        {"type": "string", "pattern": pattern},
    ]})
}

fn one_key(name: &str, schema: Json) -> Json {
    json!({
        "type": "object",
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": false,
    })
}

fn described(mut schema: Json, docs: &str) -> Json {
    if let (Json::Object(schema), false) = (&mut schema, docs.is_empty()) {
        schema.insert("description".into(), docs.into());
    }
    schema
}
