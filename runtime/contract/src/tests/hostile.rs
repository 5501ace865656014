//! JSON that means harm: deep, long, repetitive or random. It is refused in time, and nothing panics.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{CORE, declared};
use crate::arbitrary::typed_value;
use crate::json::{self, DEPTH_MAX, VALUES_MAX, VIOLATIONS_MAX};
use crate::{Contracts, Source, Type};

/// Far more than any of these takes when time grows with length, far less than when it grows with
/// its square.
const PATIENCE: Duration = Duration::from_secs(20);

fn in_time<T>(run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    result
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(json::read_dyn(nested(DEPTH_MAX).as_bytes()).is_ok());
    let told = json::read_dyn(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert!(told[0].reason.contains("recursion limit"), "{told:?}");
    assert!(json::read_dyn("[".repeat(1_000_000).as_bytes()).is_err());
    assert!(json::read_dyn("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
    assert!(json::read(&Type::Bool, "[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn a_deep_type_is_read_up_to_the_limit() {
    let mut ty = Type::Bool;
    for _ in 0..DEPTH_MAX {
        ty = Type::List(ty.into());
    }
    let text = format!("{}true{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert!(json::read(&ty, text.as_bytes()).is_ok());
    let ty = Type::List(ty.into());
    assert!(json::read(&ty, format!("[{text}]").as_bytes()).is_err());
}

#[test]
fn values_are_bounded() {
    let fields: String = (0..100).map(|at| format!("f-{at}: option<string>,")).collect();
    let ty = declared(&format!("record r {{ {fields} }} type rs = list<r>;"), "rs");
    let text = format!("[{}{{}}]", "{},".repeat(VALUES_MAX / 100));
    let told = in_time(|| json::read(&ty, text.as_bytes())).unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(told[0].reason.contains("more than"), "{told:?}");
    let text = format!("[{}0]", "0,".repeat(VALUES_MAX));
    assert!(in_time(|| json::read_dyn(text.as_bytes())).is_err());
}

#[test]
fn violations_are_bounded() {
    let ty = Type::List(Type::Bool.into());
    let text = format!("[{}1]", "1,".repeat(1_000_000));
    assert_eq!(in_time(|| json::read(&ty, text.as_bytes())).unwrap_err().len(), VIOLATIONS_MAX);
}

#[test]
fn many_and_long_names_take_no_square() {
    let ty = declared("record r { a: option<string>, b: option<string> }", "r");
    let many: String = (0..200_000).map(|at| format!("\"x{at}\":0,")).collect();
    let text = format!("{{{many}\"a\":null}}");
    assert_eq!(in_time(|| json::read(&ty, text.as_bytes())).unwrap_err().len(), VIOLATIONS_MAX);
    assert!(in_time(|| json::read_with(&ty, text.as_bytes(), json::Unknown::Drop)).is_ok());
    assert!(in_time(|| json::read_dyn(text.as_bytes())).is_ok());
    let long = format!("{{\"{}\":0}}", "/".repeat(1_000_000));
    let told = in_time(|| json::read(&ty, long.as_bytes())).unwrap_err();
    assert!(told[0].pointer.len() < 1_000, "{}", told[0].pointer.len());
    let flags = declared("flags f { a, b }", "f");
    let long = format!("[\"{}\"]", "x".repeat(1_000_000));
    let told = in_time(|| json::read(&flags, long.as_bytes())).unwrap_err();
    assert!(told[0].reason.len() < 1_000);
}

#[test]
fn long_scalars_take_no_square() {
    for scalar in crate::Scalar::ALL {
        for text in ["1".repeat(2_000_000), format!("P{}", "1W".repeat(1_000_000))] {
            let text = format!("\"{text}\"");
            assert!(in_time(|| json::read(&Type::Scalar(scalar), text.as_bytes())).is_err());
        }
    }
}

/// Types that double with each level: 2^40 fields if they were walked as a tree.
#[test]
fn shared_types_are_resolved_once() {
    let bomb = |version: &str| {
        let mut text = format!("package a:b@{version}; interface i {{ record r0 {{ a: string }} ");
        for level in 1..=40 {
            let below = level - 1;
            text += &format!("record r{level} {{ a: option<r{below}>, b: list<r{below}> }} ");
        }
        Source { path: format!("{version}/a.wit"), text: text + "}" }
    };
    let contracts = in_time(|| Contracts::parse(&[bomb("1.0.0"), bomb("2.0.0")])).unwrap();
    let old = contracts.type_named(&"a:b/i.r40@1".parse().unwrap()).unwrap();
    let new = contracts.type_named(&"a:b/i.r40@2".parse().unwrap()).unwrap();
    assert!(in_time(|| crate::resolve(old, new)).is_ok());
    assert!(in_time(|| crate::json_schema(old)).is_object());
    let value = json::read(old, b"{\"b\":[]}").unwrap();
    assert!(crate::check(old, &value).is_ok());
}

#[test]
fn deep_wit_is_refused() {
    let parse = |text: String| Contracts::parse(&[Source { path: "a.wit".into(), text }]);
    let nested = |depth: usize| {
        let (open, close) = ("list<".repeat(depth), ">".repeat(depth));
        format!("package a:b@1.0.0; interface i {{ type t = {open}string{close}; }}")
    };
    assert!(parse(nested(90)).is_ok());
    assert!(parse(nested(1_000_000)).unwrap_err()[0].message.contains("nested"));
    let mut text = "package a:b@1.0.0; interface i { type t0 = string;".to_owned();
    for level in 1..2_000 {
        text += &format!("record t{level} {{ a: option<t{}> }}", level - 1);
    }
    let told = parse(text + "x: func(a: t1999); }").unwrap_err();
    assert!(told[0].message.contains("nested"), "{told:?}");
}

#[test]
fn odd_wit_is_refused_and_not_panicked_on() {
    for text in ["", "package", "package ;", "package a", "/*", "//", "/* /* */", "package a:b@x;"]
    {
        let source = Source { path: "a.wit".into(), text: text.into() };
        assert!(Contracts::parse(&[source]).is_err(), "{text}");
    }
    assert!(Contracts::parse(&[]).is_ok());
    let mut text = CORE.to_owned();
    while text.pop().is_some() {
        let source = Source { path: "a.wit".into(), text: text.clone() };
        let _ = Contracts::parse(&[source]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// One byte changed, removed or added at a time.
    #[test]
    fn damaged_json_never_panics(
        (ty, value) in typed_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        kind in 0..3,
    ) {
        let mut text = json::write(&value).into_bytes();
        let at = at.index(text.len());
        match kind {
            0 => text[at] = byte,
            1 => text.insert(at, byte),
            _ => drop(text.remove(at)),
        }
        if let Ok(value) = json::read(&ty, &text) {
            prop_assert!(crate::check(&ty, &value).is_ok());
        }
        let _ = json::read_dyn(&text);
    }

    #[test]
    fn random_text_is_never_a_panic(text in prop::collection::vec(any::<char>(), 0..30)) {
        let text = String::from_iter(text);
        for scalar in crate::Scalar::ALL {
            let _ = crate::check_scalar(scalar, &text);
        }
        let _ = text.parse::<crate::TypeName>();
        let _ = json::read_dyn(text.as_bytes());
    }

    #[test]
    fn random_durations_and_times(text in "[-P0-9WDTHMS.:Z+]{0,24}") {
        for scalar in crate::Scalar::ALL {
            let _ = crate::check_scalar(scalar, &text);
        }
    }
}
