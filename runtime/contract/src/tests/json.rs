//! JSON both ways: that everything survives, and what is said of what is wrong.

use proptest::prelude::*;

use super::{CORE, SHOP, contracts, declared, ty};
use crate::arbitrary::{any_type, typed_value, value_of};
use crate::json::{self, Unknown};
use crate::{MapKey, Type, Value, check, json_schema};

/// Reads and writes again.
fn round(ty: &Type, text: &str, expected: &str) {
    match json::read(ty, text.as_bytes()) {
        Ok(value) => {
            assert_eq!(json::write(&value), expected);
            assert_eq!(check(ty, &value), Ok(()));
        }
        Err(violations) => panic!("{text}: {violations:?}"),
    }
}

/// Reads what is wrong; the violations, one a line.
fn wrong(ty: &Type, text: &str, expected: &[&str]) {
    let violations = json::read(ty, text.as_bytes()).expect_err(text);
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected, "{text}");
}

const ITEM: &str = r#"{"sku":"A-1","unit_price":{"amount":"10.50","currency":"EUR"},"on_hand":"3","colour":"dark_blue","handling":["keep_cold"],"seen_at":"2026-03-31T14:05:00+02:00","picture":"AAEC","tags":[["new",-1]],"big":"18446744073709551615"}"#;

fn item() -> Type {
    ty(&contracts(&[CORE, SHOP]), "shop:goods/stock.item@1")
}

#[test]
fn a_record_survives() {
    let expected = ITEM.replace("14:05:00+02:00", "12:05:00Z");
    round(&item(), ITEM, &expected);
    // The order of fields does not matter; absent and null are the same.
    let mut shuffled: Vec<(String, serde_json::Value)> =
        serde_json::from_str::<serde_json::Map<_, _>>(ITEM).unwrap().into_iter().collect();
    shuffled.reverse();
    let shuffled: String =
        serde_json::to_string(&shuffled.into_iter().collect::<std::collections::BTreeMap<_, _>>())
            .unwrap();
    round(&item(), &shuffled, &expected);
    let null = ITEM.replace("\"2026-03-31T14:05:00+02:00\"", "null");
    round(&item(), &null, &null.replace("\"seen_at\":null,", ""));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = r#"{"sku":5,"unit_prise":1,"unit_price":{"amount":10.5,"currency":"eur","x/y~z":[{}]},
        "on_hand":"many","colour":"dark-blue","handling":["fragil",7],"seen_at":true,
        "picture":"AAE","tags":[["new",200],["a"],["a",1,2],{}],"sku":"twice","big":-1}"#;
    wrong(
        &item(),
        text,
        &[
            "/sku: expected a string, found a number",
            "/unit_prise: unknown field; did you mean `unit_price`?",
            "/unit_price/amount: expected a decimal in a string, such as \"10.50\", found a number \
             with a fraction or an exponent",
            "/unit_price/currency: not an ISO 4217 currency code such as `EUR`: write `EUR`",
            "/unit_price/x~1y~0z: unknown field",
            "/on_hand: not a decimal number: digits with at most one point, no exponent, at most \
             28 digits",
            "/colour: `dark-blue` is not one of `red`, `dark_blue`; did you mean `dark_blue`?",
            "/handling/0: unknown flag `fragil`; did you mean `fragile`?",
            "/handling/1: expected a string, found a number",
            "/seen_at: expected a string with a timestamp or null, found a boolean",
            "/picture: not base64: Invalid padding",
            "/tags/0/1: expected a whole number from -128 to 127, found 200",
            "/tags/1: expected an array of 2 elements, found a shorter one",
            "/tags/2: expected an array of 2 elements, found a longer one",
            "/tags/3: expected an array of 2 elements, found an object",
            "/sku: given twice",
            "/big: expected a whole number of 64 bits (a string beyond 2^53), found -1",
        ],
    );
    wrong(
        &item(),
        r#"{"colour":"red","seen_at":null}"#,
        &[
            "/sku: missing; expected a string",
            "/unit_price: missing; expected an object (money)",
            "/on_hand: missing; expected a decimal in a string, such as \"10.50\"",
            "/handling: missing; expected an array of `fragile`, `keep_cold`",
            "/picture: missing; expected a base64 string",
            "/tags: missing; expected an array",
            "/big: missing; expected a whole number of 64 bits (a string beyond 2^53)",
        ],
    );
}

#[test]
fn unknown_fields_are_dropped_only_on_demand() {
    let money = ty(&contracts(&[CORE]), "crossdock:core/types.money@1");
    let text = r#"{"amount":"1","extra":{"a":[1,{}]},"currency":"EUR"}"#;
    wrong(&money, text, &["/extra: unknown field"]);
    let value = json::read_with(&money, text.as_bytes(), Unknown::Drop).unwrap();
    assert_eq!(json::write(&value), r#"{"amount":"1","currency":"EUR"}"#);
}

#[test]
fn cases_are_names_or_objects_of_one_key() {
    let ty = declared("variant v { none-at-all, some(u8), maybe(option<u8>), other(string) }", "v");
    round(&ty, r#""none_at_all""#, r#""none_at_all""#);
    round(&ty, r#"{"some":7}"#, r#"{"some":7}"#);
    round(&ty, r#"{"maybe":null}"#, r#"{"maybe":null}"#);
    round(&ty, r#""maybe""#, r#"{"maybe":null}"#);
    round(&ty, r#"{"other":"x"}"#, r#"{"other":"x"}"#);
    let all = "one of `none_at_all`, `some`, `maybe`, `other`";
    wrong(
        &ty,
        r#""some""#,
        &["case `some` carries a value: write {\"some\": ...} with a whole \
        number from 0 to 255"],
    );
    wrong(
        &ty,
        r#"{"none_at_all":null}"#,
        &["case `none_at_all` carries no value: write \
        \"none_at_all\""],
    );
    wrong(&ty, r#"{"some":300}"#, &["/some: expected a whole number from 0 to 255, found 300"]);
    wrong(&ty, r#"{"some":1,"maybe":2}"#, &["a case is an object with exactly one key"]);
    wrong(&ty, "{}", &[&format!("expected {all}, found an empty object")]);
    wrong(&ty, "null", &[&format!("expected {all}, found null")]);
    wrong(
        &ty,
        r#""new""#,
        &[&format!(
            "`new` is not {all}; what is not listed is written \
        {{\"other\": \"...\"}}"
        )],
    );
}

#[test]
fn results_have_one_side() {
    let ty = declared("type r = result<_, string>;", "r");
    round(&ty, r#"{"ok":null}"#, r#"{"ok":null}"#);
    round(&ty, r#"{"err":"x"}"#, r#"{"err":"x"}"#);
    let expected = "expected an object with the one key `ok` or `err`, found";
    wrong(&ty, r#"{"ok":{}}"#, &["/ok: expected null: it carries no value"]);
    wrong(&ty, r#"{"ok":null,"err":"x"}"#, &[&format!("{expected} an object with more keys")]);
    wrong(&ty, r#"{"no":[1],"ok":null}"#, &[&format!("{expected} another key")]);
    wrong(&ty, "{}", &[&format!("{expected} an empty object")]);
}

#[test]
fn numbers_keep_their_digits() {
    round(&Type::U64, "9007199254740991", "9007199254740991");
    round(&Type::U64, "9007199254740992", "\"9007199254740992\"");
    round(&Type::S64, "\"-9223372036854775808\"", "\"-9223372036854775808\"");
    round(&Type::S64, "-9007199254740992", "\"-9007199254740992\"");
    round(&Type::S32, "1.0", "1");
    round(&Type::F64, "3", "3.0");
    round(&Type::F64, "\"-Infinity\"", "\"-Infinity\"");
    round(&Type::F32, "0.5", "0.5");
    let nan = json::read(&Type::F64, b"\"NaN\"").unwrap();
    assert_eq!(json::write(&nan), "\"NaN\"");
    for (ty, text) in [
        (Type::U64, "\"+1\""),
        (Type::U64, "\"\""),
        (Type::U64, "\"18446744073709551616\""),
        (Type::U64, "\"99999999999999999999999999999999999999999999\""),
        (Type::U64, "1e18"),
        (Type::S64, "9223372036854775808"),
        (Type::S32, "1.5"),
        (Type::S32, "\"1\""),
        (Type::F32, "1e300"),
        (Type::F64, "\"1\""),
        (Type::Bool, "1"),
        (Type::Char, "\"ab\""),
        (Type::Char, "\"\""),
    ] {
        assert!(json::read(&ty, text.as_bytes()).is_err(), "{ty} {text}");
    }
}

#[test]
fn what_is_no_json_is_one_violation() {
    for text in ["", "{", "[1,]", "\"\\ud800\"", "{\"sku\":1}}", "nul", "\u{feff}{}", "'a'"] {
        let violations = json::read(&item(), text.as_bytes()).unwrap_err();
        assert_eq!(violations.len(), 1, "{text}");
        assert_eq!(violations[0].pointer, "");
        assert!(violations[0].reason.starts_with("not valid JSON: "), "{violations:?}");
        assert!(json::read_dyn(text.as_bytes()).is_err() || text == "\"a\"", "{text}");
    }
    assert!(json::read(&Type::String, b"\"\xff\"").is_err());
}

#[test]
fn without_contract_it_is_maps_and_lists() {
    let text = r#"{"a":[1,-2,1.5,18446744073709551615,null,true],"b":{"c":"d"}}"#;
    let value = json::read_dyn(text.as_bytes()).unwrap();
    let Value::Map(map) = &value else { panic!() };
    assert_eq!(
        map[&MapKey::from("a")],
        Value::list(vec![
            Value::Int(1),
            Value::Int(-2),
            Value::Double(1.5),
            Value::Uint(u64::MAX),
            Value::Null,
            Value::Bool(true),
        ])
    );
    let twice = json::read_dyn(br#"{"a":{"b":1,"b":2}}"#).unwrap_err();
    assert_eq!(twice[0].to_string(), "/a/b: given twice");
}

#[test]
fn a_value_of_another_type_is_told() {
    let item = item();
    let Value::Record(good) = json::read(&item, ITEM.as_bytes()).unwrap() else { panic!() };
    let mut fields = good.fields.clone();
    fields[0] = Value::Null;
    fields[2] = Value::string("3");
    fields[8] = Value::Int(1);
    let bad = Value::record(good.ty.clone(), fields);
    let told: Vec<String> =
        check(&item, &bad).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "/sku: expected a string, found nothing",
            "/on_hand: expected a decimal in a string, such as \"10.50\", found a string",
            "/big: expected a whole number of 64 bits (a string beyond 2^53), found a whole number \
             of another range",
        ]
    );
    let currency = Type::Scalar(crate::Scalar::Currency);
    assert!(check(&currency, &Value::string("EUR")).is_ok());
    assert!(check(&currency, &Value::string("Euro")).is_err());
    assert!(check(&Type::U8, &Value::Int(256)).is_err());
    let handling = ty(&contracts(&[CORE, SHOP]), "shop:goods/stock.handling@1");
    let Type::Flags(flags) = &handling else { panic!() };
    assert!(check(&handling, &Value::Flags(flags.clone(), 0b11)).is_ok());
    assert!(check(&handling, &Value::Flags(flags.clone(), 0b100)).is_err());
    let long_ago = Value::Timestamp(jiff::Timestamp::MIN);
    assert!(check(&Type::Scalar(crate::Scalar::Timestamp), &long_ago).is_err());
}

#[test]
fn a_schema_says_what_the_reader_says() {
    let schema = json_schema(&item());
    let definition = &schema["$defs"]["shop:goods/stock.item@1"];
    assert_eq!(schema["$ref"], "#/$defs/shop:goods~1stock.item@1");
    assert_eq!(definition["properties"]["sku"]["description"], "Stock keeping unit.");
    assert_eq!(definition["additionalProperties"], false);
    let required = definition["required"].as_array().unwrap();
    assert!(required.contains(&"on_hand".into()) && !required.contains(&"seen_at".into()));
    let colour = &schema["$defs"]["shop:goods/stock.colour@1"]["oneOf"];
    assert_eq!(colour[1]["const"], "dark_blue");
    let answer = json_schema(&ty(&contracts(&[CORE, SHOP]), "shop:goods/stock.answer@1"));
    let cases = &answer["$defs"]["shop:goods/stock.answer@1"]["oneOf"];
    assert_eq!(cases[0]["properties"]["found"]["$ref"], "#/$defs/shop:goods~1stock.item@1");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_of_any_type_survives((ty, value) in typed_value()) {
        prop_assert_eq!(check(&ty, &value), Ok(()));
        let text = json::write(&value);
        prop_assert_eq!(json::read(&ty, text.as_bytes()), Ok(value), "{}", text);
    }

    /// What was read is of its type, whatever was read.
    #[test]
    fn what_is_read_is_of_its_type(
        (ty, text) in (any_type(), any_type()).prop_flat_map(|(ty, other)| {
            (Just(ty), value_of(&other).prop_map(|value| json::write(&value)))
        })
    ) {
        if let Ok(value) = json::read(&ty, text.as_bytes()) {
            prop_assert_eq!(check(&ty, &value), Ok(()), "{}", text);
        }
    }

    #[test]
    fn any_value_is_readable_without_its_type((_, value) in typed_value()) {
        prop_assert!(json::read_dyn(json::write(&value).as_bytes()).is_ok());
    }

    #[test]
    fn every_type_has_a_schema(ty in any_type()) {
        prop_assert!(json_schema(&ty).is_object());
    }
}
