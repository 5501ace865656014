//! What holds of every source and every number, by generated cases.

use contract::{Decimal, Value};
use expression::{Scope, compile};
use proptest::prelude::*;

use crate::shop;

fn evaluate(source: &str) -> Result<Value, String> {
    let program =
        compile(source, &Scope::new()).map_err(|problems| format!("refused: {problems:?}"))?;
    program.evaluate(&[]).map_err(|error| error.message)
}

/// Pieces from which near-valid sources are made.
const PIECES: &[&str] = &[
    "message",
    "message.note",
    "message.lines",
    "credit.decision",
    "any",
    "any.n",
    "headers",
    "review",
    "x",
    "l",
    "1",
    "1u",
    "0",
    "1.5",
    "'a'",
    "b'a'",
    "true",
    "null",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "?",
    ".",
    ".?",
    "[?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    " in ",
    ".map(l, ",
    ".all(x, ",
    ".exists(x, ",
    "has(",
    ".orValue(",
    ".hasValue()",
    "optional.of(",
    "optional.none()",
    "size(",
    ".sum()",
    ".round(2, 'half_up')",
    "decimal('1.5')",
    "int(",
    "string(",
    "timestamp(",
    "duration('1s')",
    ".held",
    ".status",
    "dyn(",
    "type(",
    "cel.bind(x, ",
    ".optMap(x, ",
    "message.status",
    "message.holes",
    "message.outcome",
    "\\",
    "\"",
    "é",
    "`a`",
    "//",
];

/// Well-typed integer terms with their value, none where it leaves 64 bits or divides by zero.
fn term() -> impl Strategy<Value = (String, Option<i128>)> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(i128::from),
        (-10i64..10).prop_map(i128::from),
        Just(i128::from(i64::MAX)),
        Just(i128::from(i64::MIN)),
    ]
    .prop_map(|number| (format!("({number})"), Some(number)));
    leaf.prop_recursive(5, 40, 2, |inner| {
        (inner.clone(), 0..5usize, inner).prop_map(|((a_text, a), op, (b_text, b))| {
            let text = format!("({a_text} {} {b_text})", ["+", "-", "*", "/", "%"][op]);
            let value = a.zip(b).and_then(|(a, b)| match op {
                0 => Some(a + b),
                1 => Some(a - b),
                2 => a.checked_mul(b),
                // As CEL: also the remainder of the least integer by -1 overflows.
                3 => (b != 0).then(|| a / b),
                _ => (b != 0 && !(a == i128::from(i64::MIN) && b == -1)).then(|| a % b),
            });
            (text, value.filter(|value| i64::try_from(*value).is_ok()))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(source in "\\PC{0,60}") {
        let (scope, slots) = shop::scope();
        if let Ok(program) = compile(&source, &scope) {
            let _ = program.evaluate(&slots);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let source = String::from_utf8_lossy(&bytes).into_owned();
        let _ = compile(&source, &Scope::new());
    }

    #[test]
    fn near_sources_are_read_or_refused(pieces in proptest::collection::vec(0..PIECES.len(), 1..14)) {
        let source: String = pieces.into_iter().map(|at| PIECES[at]).collect();
        let (scope, slots) = shop::scope();
        match compile(&source, &scope) {
            Ok(program) => {
                let _ = program.evaluate(&slots);
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(source.get(problem.span.clone()).is_some(), "{problem:?}");
                    prop_assert!(expression::code::ALL.contains(&problem.code));
                }
            }
        }
    }

    #[test]
    fn integers_are_those_of_i128((source, expected) in term()) {
        match (evaluate(&source), expected) {
            (Ok(Value::Int(found)), Some(expected)) => prop_assert_eq!(i128::from(found), expected, "{}", source),
            (Err(_), None) => {}
            (found, expected) => prop_assert!(false, "{source}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn decimals_are_exact(a in any::<i32>(), b in any::<i32>(), a_scale in 0u32..6, b_scale in 0u32..6) {
        let text = |number: i32, scale: u32| {
            let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale as usize + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
            let sign = if number < 0 { "-" } else { "" };
            if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
        };
        let (left, right) = (text(a, a_scale), text(b, b_scale));
        let (a, b) = (i128::from(a), i128::from(b));
        let (wide_a, wide_b) = (a * 10i128.pow(b_scale), b * 10i128.pow(a_scale));
        let scale = a_scale + b_scale;
        for (op, expected) in [("+", wide_a + wide_b), ("-", wide_a - wide_b), ("*", a * b)] {
            let source = format!("decimal('{left}') {op} decimal('{right}')");
            let Ok(Value::Decimal(found)) = evaluate(&source) else { panic!("{source}") };
            let shifted = evaluate(&format!("decimal('{found}') * {}", 10i64.pow(scale)));
            let expected: Decimal = expected.to_string().parse().unwrap();
            prop_assert_eq!(shifted, Ok(Value::Decimal(expected)), "{}", source);
        }
        // Rounding half up of a quotient, against integers: 2 places.
        if b != 0 {
            let source = format!("decimal('{left}').div(decimal('{right}'), 2, 'half_up')");
            let Ok(Value::Decimal(found)) = evaluate(&source) else { panic!("{source}") };
            let (n, d) = (wide_a.abs() * 100, wide_b.abs());
            let rounded = (2 * n + d) / (2 * d) * if (wide_a < 0) == (wide_b < 0) { 1 } else { -1 };
            let shifted = evaluate(&format!("decimal('{found}') * 100"));
            let expected: Decimal = rounded.to_string().parse().unwrap();
            prop_assert_eq!(shifted, Ok(Value::Decimal(expected)), "{}", source);
        }
    }

    #[test]
    fn string_literals_come_back(text in "\\PC{0,30}") {
        let quoted: String = text
            .chars()
            .map(|c| if "\\'\n\r".contains(c) { format!("\\u{:04x}", c as u32) } else { c.to_string() })
            .collect();
        prop_assert_eq!(evaluate(&format!("'{quoted}'")), Ok(Value::string(text.clone())));
        prop_assert_eq!(evaluate(&format!("size('{quoted}')")), Ok(Value::Int(text.chars().count() as i64)));
    }
}
