//! The contract types and the message that the language tests speak about.

use std::sync::Arc;

use contract::{Case, Field, Flags, Record, Scalar, Type, TypeName, Value, Variant};
use expression::Scope;

pub fn name(name: &str) -> TypeName {
    TypeName { package: "test:shop".into(), interface: "types".into(), name: name.into(), major: 1 }
}

pub fn record(type_name: &str, fields: &[(&str, Type)]) -> Arc<Record> {
    let field = |(field, ty): &(&str, Type)| Field {
        name: (*field).into(),
        json: field.replace('-', "_"),
        docs: String::new(),
        ty: ty.clone(),
    };
    let fields = fields.iter().map(field).collect();
    Arc::new(Record { name: name(type_name), docs: String::new(), fields })
}

pub fn variant(type_name: &str, cases: &[(&str, Option<Type>)]) -> Arc<Variant> {
    let case = |(case, payload): &(&str, Option<Type>)| Case {
        name: (*case).into(),
        json: case.replace('-', "_"),
        docs: String::new(),
        payload: payload.clone(),
    };
    Arc::new(Variant {
        name: name(type_name),
        docs: String::new(),
        is_enum: cases.iter().all(|(_, payload)| payload.is_none()),
        cases: cases.iter().map(case).collect(),
    })
}

pub fn option(ty: Type) -> Type {
    Type::Option(Arc::new(ty))
}

pub fn list(ty: Type) -> Type {
    Type::List(Arc::new(ty))
}

pub const DECIMAL: Type = Type::Scalar(Scalar::Decimal);

pub fn address() -> Arc<Record> {
    record("address", &[("city", Type::String), ("zone", option(Type::Scalar(Scalar::TimeZone)))])
}

pub fn line() -> Arc<Record> {
    record(
        "line",
        &[
            ("sku", Type::String),
            ("quantity", DECIMAL),
            ("unit-price", DECIMAL),
            ("weight", option(DECIMAL)),
        ],
    )
}

pub fn decision() -> Arc<Variant> {
    variant("decision", &[("approved", None), ("on-hold", None), ("refused", None)])
}

pub fn status() -> Arc<Variant> {
    variant(
        "status",
        &[("open", None), ("held", Some(Type::String)), ("other", Some(Type::String))],
    )
}

pub fn marks() -> Arc<Flags> {
    Arc::new(Flags {
        name: name("marks"),
        docs: String::new(),
        flags: vec!["urgent".into(), "gift-wrap".into()],
    })
}

pub fn money() -> Arc<Record> {
    record("money", &[("amount", DECIMAL), ("currency", Type::Scalar(Scalar::Currency))])
}

pub fn order() -> Arc<Record> {
    record(
        "order",
        &[
            ("id", Type::String),
            ("total", Type::Record(money())),
            ("note", option(Type::String)),
            ("ship-to", option(Type::Record(address()))),
            ("bill-to", option(Type::Record(address()))),
            ("lines", list(Type::Record(line()))),
            ("status", Type::Variant(status())),
            ("count", Type::U64),
            ("small", Type::U8),
            ("placed-at", Type::Scalar(Scalar::Timestamp)),
            ("fee", option(DECIMAL)),
            ("marks", Type::Flags(marks())),
            ("pair", Type::Tuple(vec![Type::String, Type::S32].into())),
            (
                "outcome",
                Type::Result { ok: Some(Arc::new(Type::S32)), err: Some(Arc::new(Type::String)) },
            ),
            ("holes", list(option(Type::S32))),
        ],
    )
}

pub fn credit() -> Arc<Record> {
    record(
        "credit",
        &[
            ("decision", Type::Variant(decision())),
            ("exposure", DECIMAL),
            ("limit", option(DECIMAL)),
        ],
    )
}

pub fn review() -> Arc<Record> {
    record("review", &[("answer", option(Type::String)), ("by", Type::String)])
}

pub fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

/// An order that ships to Bonn, without note, with two lines, held for "credit".
pub fn scope() -> (Scope, Vec<Value>) {
    let ty = |ty: &Type| expression::Type::of(ty);
    let mut scope = Scope::new();
    scope.declare("message", ty(&Type::Record(order())));
    scope.declare(
        "headers",
        expression::Type::map(expression::Type::String, expression::Type::String),
    );
    scope.declare("credit", ty(&Type::Record(credit())));
    scope.declare("review", ty(&option(Type::Record(review()))));
    scope.declare("any", expression::Type::Dyn);
    scope.hint("tax", "the step `tax` comes later");
    let text = |text: &str| Value::string(text);
    let line_value = |sku: &str, quantity: &str, price: &str, weight: Value| {
        Value::record(line(), vec![text(sku), decimal(quantity), decimal(price), weight])
    };
    let message = Value::record(
        order(),
        vec![
            text("A-1"),
            Value::record(money(), vec![decimal("35.50"), text("EUR")]),
            Value::Null,
            Value::record(address(), vec![text("Bonn"), Value::Null]),
            Value::Null,
            Value::list(vec![
                line_value("x", "2", "10.25", decimal("1.5")),
                line_value("y", "3", "5.00", Value::Null),
            ]),
            Value::variant(status(), 1, Some(text("credit"))),
            Value::Uint(7),
            Value::Int(200),
            Value::Timestamp("2026-03-01T22:30:00Z".parse().unwrap()),
            Value::Null,
            Value::Flags(marks(), 0b10),
            Value::list(vec![text("left"), Value::Int(4)]),
            Value::Result(Ok(Arc::new(Value::Int(3)))),
            Value::list(vec![Value::Int(1), Value::Null]),
        ],
    );
    let slots = vec![
        message.clone(),
        Value::Map(Arc::new([("host".into(), text("shop"))].into())),
        Value::record(
            credit(),
            vec![Value::variant(decision(), 1, None), decimal("900"), Value::Null],
        ),
        Value::record(review(), vec![Value::Null, text("ann")]),
        Value::Map(Arc::new(
            [("n".into(), Value::Int(5)), ("t".into(), text("five")), ("r".into(), message)].into(),
        )),
    ];
    (scope, slots)
}
