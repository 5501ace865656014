//! Decimals: exact, or an error; divisions rounded as named.

use proptest::prelude::*;

use crate::Decimal;
use crate::arbitrary::any_decimal;
use crate::decimal::{Error, Rounding};

const ROUNDINGS: [Rounding; 7] = [
    Rounding::HalfEven,
    Rounding::HalfUp,
    Rounding::HalfDown,
    Rounding::Up,
    Rounding::Down,
    Rounding::Floor,
    Rounding::Ceiling,
];

fn decimal(text: &str) -> Decimal {
    text.parse().expect(text)
}

/// The quotient under each rounding, in the order above.
fn check(dividend: &str, divisor: &str, scale: u32, expected: [&str; 7]) {
    let quotients = ROUNDINGS.map(|rounding| {
        decimal(dividend).checked_div(decimal(divisor), scale, rounding).unwrap().to_string()
    });
    assert_eq!(quotients, expected, "{dividend} / {divisor}");
}

#[test]
fn divisions_round_as_named() {
    check("1", "3", 2, ["0.33", "0.33", "0.33", "0.34", "0.33", "0.33", "0.34"]);
    check("-1", "3", 2, ["-0.33", "-0.33", "-0.33", "-0.34", "-0.33", "-0.34", "-0.33"]);
    check("2.5", "1", 0, ["2", "3", "2", "3", "2", "2", "3"]);
    check("3.5", "1.0", 0, ["4", "4", "3", "4", "3", "3", "4"]);
    check("-0.25", "10", 2, ["-0.02", "-0.03", "-0.02", "-0.03", "-0.02", "-0.03", "-0.02"]);
    check("10", "4", 3, ["2.500"; 7]);
    // Cut to 28 digits first, this would be a tie.
    let near = "0.2499999999999999999999999999";
    check(near, "2", 2, ["0.12", "0.12", "0.12", "0.13", "0.12", "0.12", "0.13"]);
    let just_above = "1.0000000000000000000000000001";
    check(just_above, "8", 2, ["0.13", "0.13", "0.13", "0.13", "0.12", "0.12", "0.13"]);
    check("123.45", "0.01", 0, ["12345"; 7]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let huge = decimal("9999999999999999999999999999");
    assert_eq!(huge.checked_mul(decimal("10.5")), Err(Error::Overflow));
    assert_eq!(huge.checked_add(decimal("0.01")), Err(Error::Overflow));
    assert_eq!(huge.checked_div(decimal("3"), 2, Rounding::HalfUp), Err(Error::Overflow));
    assert_eq!(huge.checked_div(decimal("0.00"), 2, Rounding::Up), Err(Error::DivisionByZero));
    assert_eq!(decimal("2.50").checked_mul(decimal("2")).unwrap().to_string(), "5.00");
    assert_eq!(decimal("0.10").checked_add(decimal("0.2")).unwrap().to_string(), "0.30");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decimal_survives_its_text(decimal in any_decimal()) {
        let text = decimal.to_string();
        let again: Decimal = text.parse().unwrap();
        prop_assert_eq!(again, decimal);
        prop_assert_eq!(again.to_string(), text);
    }

    /// Against integers, where the answer is known exactly.
    #[test]
    fn division_agrees_with_integers(a in any::<i32>(), b in any::<i16>(), scale in 0..6u32) {
        prop_assume!(b != 0);
        let (unit, b) = (10i128.pow(scale), i128::from(b));
        let exact = i128::from(a) * unit;
        let divide = |rounding| {
            let quotient = Decimal::from(i64::from(a)).checked_div((b as i64).into(), scale, rounding);
            let shifted = quotient.unwrap().checked_mul(Decimal::from(unit as i64)).unwrap();
            i128::from(shifted.to_i64().unwrap())
        };
        let floor = exact.div_euclid(b) - i128::from(b < 0 && exact.rem_euclid(b) != 0);
        prop_assert_eq!(divide(Rounding::Floor), floor);
        let ceiling = floor + i128::from(floor * b != exact);
        prop_assert_eq!(divide(Rounding::Ceiling), ceiling);
        prop_assert_eq!(divide(Rounding::Down), exact / b);
        let nearest = divide(Rounding::HalfEven);
        prop_assert!((exact - nearest * b).abs() * 2 <= b.abs());
    }

    #[test]
    fn arithmetic_is_exact_or_an_error(a in any_decimal(), b in any_decimal()) {
        if let Ok(sum) = a.checked_add(b) {
            prop_assert_eq!(sum.checked_sub(b), Ok(a));
        }
        for rounding in ROUNDINGS {
            let _ = a.checked_div(b, 28, rounding);
        }
        let _ = a.checked_mul(b);
    }
}
