//! One version read as another: what resolves, what it turns into, what is refused and why.

use proptest::prelude::*;

use super::declared;
use crate::arbitrary::{any_record, typed_value, value_of};
use crate::{Field, Type, Value, Variant, check, json, resolve, snake};

/// Declares both under the same name, reads JSON as the writer, resolves, writes it.
fn resolved(writer: &str, reader: &str, text: &str, expected: &str) {
    let (writer, reader) = (declared(writer, "t"), declared(reader, "t"));
    let value = json::read(&writer, text.as_bytes()).unwrap();
    let value = resolve(&writer, &reader).unwrap().apply(&value).unwrap();
    assert_eq!(check(&reader, &value), Ok(()));
    assert_eq!(json::write(&value), expected);
}

fn refused(writer: &str, reader: &str, expected: &[&str]) {
    let mismatches = resolve(&declared(writer, "t"), &declared(reader, "t")).unwrap_err();
    let told: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[test]
fn fields_may_come_go_and_move() {
    let writer = "record t { a: string, gone: u8, b: u8 }";
    let reader = "record t { b: u16, new: option<string>, a: option<string> }";
    resolved(writer, reader, r#"{"a":"x","gone":1,"b":2}"#, r#"{"b":2,"a":"x"}"#);
    let (writer, reader) = ("record t { a: u8, b: u8 }", "record t { b: u8, a: u8 }");
    resolved(writer, reader, r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#);
    refused(
        "record line { sku: option<string> } record t { lines: list<line> }",
        "record line { sku: string, unit: string } record t { lines: list<line>, id: string }",
        &[
            "/lines/*/sku: may be absent, but string is required",
            "/lines/*/unit: required, but not written",
            "/id: required, but not written",
        ],
    );
}

#[test]
fn numbers_only_widen() {
    let declare = |ty: &str| format!("type t = {ty};");
    for (from, to) in [
        ("u8", "u64"),
        ("u8", "s16"),
        ("u32", "s64"),
        ("s8", "s64"),
        ("u16", "f32"),
        ("s32", "f64"),
        ("f32", "f64"),
        ("u64", "u64"),
        ("char", "string"),
    ] {
        let (writer, reader) = (declared(&declare(from), "t"), declared(&declare(to), "t"));
        let text = if from == "char" { "\"7\"" } else { "7" };
        let value = json::read(&writer, text.as_bytes()).unwrap();
        let value = resolve(&writer, &reader).unwrap().apply(&value).unwrap();
        assert_eq!(check(&reader, &value), Ok(()), "{from} to {to}");
    }
    for (from, to) in [
        ("u64", "s64"),
        ("s8", "u64"),
        ("s64", "f64"),
        ("u64", "f64"),
        ("u32", "f32"),
        ("f64", "f32"),
        ("f32", "s64"),
        ("string", "decimal"),
        ("decimal", "currency"),
        ("string", "char"),
        ("list<u8>", "list<u16>"),
        ("option<u8>", "u8"),
        ("bool", "u8"),
    ] {
        let (writer, reader) = (declared(&declare(from), "t"), declared(&declare(to), "t"));
        assert!(resolve(&writer, &reader).is_err(), "{from} to {to}");
    }
    refused("type t = u64;", "type t = s64;", &["u64 is written, s64 is read"]);
}

#[test]
fn unknown_cases_become_other() {
    let writer = "variant t { old(u8), new-one(string), bare }";
    let reader = "variant t { bare, old(u32), other(string) }";
    resolved(writer, reader, r#"{"old":3}"#, r#"{"old":3}"#);
    resolved(writer, reader, r#"{"new_one":"x"}"#, r#"{"other":"new_one"}"#);
    resolved(writer, reader, r#""bare""#, r#""bare""#);
    resolved("enum t { a, b }", "enum t { other, a }", r#""b""#, r#""other""#);
    resolved("enum t { a, b }", "variant t { b(option<u8>), a }", r#""b""#, r#"{"b":null}"#);
    refused(
        "variant t { a, b(u8), c(u8) }",
        "variant t { b, c(bool), d }",
        &[
            "/a: the reader knows neither this case nor `other`",
            "/b: u8 is written, but read without a value",
            "/c: u8 is written, bool is read",
        ],
    );
}

#[test]
fn flags_tuples_and_results() {
    resolved("flags t { a, b }", "flags t { c, b, a }", r#"["a"]"#, r#"["a"]"#);
    refused("flags t { a, b }", "flags t { a }", &["/b: the reader does not know this flag"]);
    resolved("type t = tuple<u8, s8>;", "type t = tuple<u64, option<s16>>;", "[1,2]", "[1,2]");
    refused(
        "type t = tuple<u8>;",
        "type t = tuple<u8, u8>;",
        &["tuple<u8> is written, tuple<u8, u8> is read"],
    );
    resolved(
        "type t = result<u8>;",
        "type t = result<u64, option<string>>;",
        r#"{"ok":1}"#,
        r#"{"ok":1}"#,
    );
    refused("type t = result<u8>;", "type t = result;", &["/ok: u8 is written, nothing is read"]);
    resolved("type t = list<option<u8>>;", "type t = list<option<u64>>;", "[null,1]", "[null,1]");
}

/// The type as a later version may make it: more fields that may be absent, more cases.
fn grown(ty: &Type) -> Type {
    let arc = |ty: &std::sync::Arc<Type>| std::sync::Arc::new(grown(ty));
    match ty {
        Type::List(element) => Type::List(arc(element)),
        Type::Option(inner) => Type::Option(arc(inner)),
        Type::Tuple(elements) => Type::Tuple(elements.iter().map(grown).collect()),
        Type::Result { ok, err } => {
            Type::Result { ok: ok.as_ref().map(arc), err: err.as_ref().map(arc) }
        }
        Type::Record(record) => {
            let mut record = (**record).clone();
            for field in &mut record.fields {
                field.ty = grown(&field.ty);
            }
            let extra = Field {
                name: "extra-field".into(),
                json: snake("extra-field"),
                docs: String::new(),
                ty: Type::Option(Type::U64.into()),
            };
            record.fields.insert(0, extra);
            Type::Record(record.into())
        }
        Type::Variant(variant) => {
            let mut variant: Variant = (**variant).clone();
            for case in &mut variant.cases {
                case.payload = case.payload.as_ref().map(grown);
            }
            variant.cases.reverse();
            Type::Variant(variant.into())
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Also when the two come from different files and share nothing in memory.
    #[test]
    fn a_type_reads_itself_as_it_is((ty, value) in typed_value()) {
        let copy = copied(&ty);
        let resolution = resolve(&ty, &copy).unwrap();
        prop_assert!(resolution.is_identity());
        prop_assert_eq!(resolution.apply(&value).unwrap(), value);
    }

    #[test]
    fn an_old_value_is_read_by_a_grown_type_and_back((ty, value) in typed_value()) {
        let grown = grown(&ty);
        let forward = resolve(&ty, &grown).unwrap().apply(&value).unwrap();
        prop_assert_eq!(check(&grown, &forward), Ok(()));
        let back = resolve(&grown, &ty).unwrap().apply(&forward).unwrap();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn extra_fields_are_dropped(
        (ty, value) in any_record().prop_flat_map(|ty| {
            let value = value_of(&grown(&ty));
            (Just(ty), value)
        })
    ) {
        let read = resolve(&grown(&ty), &ty).unwrap().apply(&value).unwrap();
        prop_assert_eq!(check(&ty, &read), Ok(()));
    }

    /// A value of some other type is refused or passes, and nothing panics.
    #[test]
    fn foreign_values_never_panic((ty, _) in typed_value(), (_, value) in typed_value()) {
        if let Ok(resolution) = resolve(&ty, &grown(&ty)) {
            let _: Result<Value, _> = resolution.apply(&value);
        }
    }
}

/// The same type built anew.
fn copied(ty: &Type) -> Type {
    match ty {
        Type::List(element) => Type::List(copied(element).into()),
        Type::Option(inner) => Type::Option(copied(inner).into()),
        Type::Record(record) => {
            let mut record = (**record).clone();
            record.docs = "from elsewhere".into();
            for field in &mut record.fields {
                field.ty = copied(&field.ty);
            }
            Type::Record(record.into())
        }
        Type::Variant(variant) => Type::Variant((**variant).clone().into()),
        other => other.clone(),
    }
}
