//! Exact decimals for money and quantities: up to 28 significant digits; what would need more, or
//! would round silently, is an error.

use std::fmt;
use std::str::FromStr;

use rust_decimal::RoundingStrategy;

/// Places after the point.
pub const SCALE_MAX: u32 = 28;

/// The digits of a decimal, as a whole number.
const MANTISSA_MAX: u128 = (1 << 96) - 1;

#[derive(Clone, Copy, Debug)]
pub struct Decimal(rust_decimal::Decimal);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the result needs more than 28 digits")]
    Overflow,
    #[error("division by zero")]
    DivisionByZero,
    #[error("not a decimal number: digits with at most one point, no exponent, at most 28 digits")]
    Syntax,
}

/// How a division or rounding decides; the caller always names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties to the even neighbour (banker's).
    HalfEven,
    /// To the nearest, ties away from zero (commercial).
    HalfUp,
    /// Ties towards zero.
    HalfDown,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    Floor,
    Ceiling,
}

impl Decimal {
    pub const ZERO: Decimal = Decimal(rust_decimal::Decimal::ZERO);

    pub fn checked_add(self, other: Decimal) -> Result<Decimal, Error> {
        let sum = self.0.checked_add(other.0).ok_or(Error::Overflow)?;
        exact(sum, self.0.scale().max(other.0.scale()))
    }

    pub fn checked_sub(self, other: Decimal) -> Result<Decimal, Error> {
        self.checked_add(-other)
    }

    pub fn checked_mul(self, other: Decimal) -> Result<Decimal, Error> {
        let (a, b) = (self.0.normalize(), other.0.normalize());
        let product = a.checked_mul(b).ok_or(Error::Overflow)?;
        if a.is_zero() || b.is_zero() {
            return Ok(Decimal(product));
        }
        let mut product = exact(product, a.scale() + b.scale())?;
        // Keep the scale a reader expects ("2.50" * 2 is "5.00") where it fits.
        let scale = (self.0.scale() + other.0.scale()).min(28);
        let mut wide = product.0;
        wide.rescale(scale);
        if wide == product.0 {
            product.0 = wide;
        }
        Ok(product)
    }

    /// Divides and rounds to `scale` places after the point, as if all digits of the quotient were
    /// known.
    pub fn checked_div(
        self,
        other: Decimal,
        scale: u32,
        rounding: Rounding,
    ) -> Result<Decimal, Error> {
        let divisor = other.0.mantissa().unsigned_abs();
        if divisor == 0 {
            return Err(Error::DivisionByZero);
        }
        let scale = scale.min(SCALE_MAX);
        let dividend = self.0.mantissa().unsigned_abs();
        let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
        // Long division, digit by digit: what is left stays below 10 * 2^96, so nothing overflows.
        let mut at = i64::from(self.0.scale()) - i64::from(other.0.scale());
        while at < i64::from(scale) {
            rest *= 10;
            quotient = quotient * 10 + rest / divisor;
            rest %= divisor;
            at += 1;
            if quotient > MANTISSA_MAX {
                return Err(Error::Overflow);
            }
        }
        // How what is cut off compares with half a unit of the last place.
        let mut cut = (rest * 2).cmp(&divisor);
        let mut any_cut = rest != 0;
        if at > i64::from(scale) {
            // At most 28 places too many, of a number below 2^96.
            let unit = 10u128.pow((at - i64::from(scale)) as u32);
            let digits = quotient % unit;
            cut = (digits * 2).cmp(&unit).then(rest.cmp(&0));
            any_cut |= digits != 0;
            quotient /= unit;
        }
        let negative = self.0.is_sign_negative() != other.0.is_sign_negative();
        let away = match rounding {
            Rounding::HalfEven => cut.is_gt() || cut.is_eq() && quotient % 2 == 1,
            Rounding::HalfUp => cut.is_ge(),
            Rounding::HalfDown => cut.is_gt(),
            Rounding::Up => any_cut,
            Rounding::Down => false,
            Rounding::Floor => any_cut && negative,
            Rounding::Ceiling => any_cut && !negative,
        };
        let quotient = quotient + u128::from(away);
        if quotient > MANTISSA_MAX {
            return Err(Error::Overflow);
        }
        let signed = if negative { -(quotient as i128) } else { quotient as i128 };
        rust_decimal::Decimal::try_from_i128_with_scale(signed, scale)
            .map(Decimal)
            .map_err(|_| Error::Overflow)
    }

    pub fn round(self, scale: u32, rounding: Rounding) -> Decimal {
        let strategy = match rounding {
            Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
            Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            Rounding::HalfDown => RoundingStrategy::MidpointTowardZero,
            Rounding::Up => RoundingStrategy::AwayFromZero,
            Rounding::Down => RoundingStrategy::ToZero,
            Rounding::Floor => RoundingStrategy::ToNegativeInfinity,
            Rounding::Ceiling => RoundingStrategy::ToPositiveInfinity,
        };
        let mut rounded = self.0.round_dp_with_strategy(scale, strategy);
        let mut padded = rounded;
        padded.rescale(scale.min(28));
        if padded == rounded {
            rounded = padded;
        }
        Decimal(rounded)
    }

    /// The integer it is, if it has no fraction and fits.
    pub fn to_i64(self) -> Option<i64> {
        let whole = self.0.normalize();
        (whole.scale() == 0).then(|| i64::try_from(whole.mantissa()).ok())?
    }

    /// Nearest double; only where a person asks for one.
    pub fn to_f64(self) -> f64 {
        use rust_decimal::prelude::ToPrimitive;
        self.0.to_f64().unwrap_or(f64::NAN)
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    pub fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// Digits after the point, as written.
    pub fn scale(self) -> u32 {
        self.0.scale()
    }
}

fn exact(result: rust_decimal::Decimal, scale: u32) -> Result<Decimal, Error> {
    // The library rounds to fit 96 bits and shows it by a smaller scale.
    if result.scale() < scale { Err(Error::Overflow) } else { Ok(Decimal(result)) }
}

impl std::ops::Neg for Decimal {
    type Output = Decimal;
    fn neg(self) -> Decimal {
        Decimal(-self.0)
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Decimal(number.into())
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Decimal(number.into())
    }
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(Error::Syntax);
        }
        rust_decimal::Decimal::from_str_exact(text).map(Decimal).map_err(|_| Error::Syntax)
    }
}

/// As written, trailing zeros kept: `10.50`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// By number: `1.0` equals `1`.
impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl std::hash::Hash for Decimal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.normalize().hash(state);
    }
}
