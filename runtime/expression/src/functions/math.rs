//! The `math` extension: signs, rounding of doubles, bits.

use contract::Value;

use super::P::{Bool, Decimal, Double, Int, Uint};
use super::Style::Function;
use super::{Args, Overload, Result, int, row, wrong};

pub const ROWS: &[Overload] = &[
    row("math.ceil", Function, &[Double], Double, |args, _| double(args, f64::ceil)),
    row("math.floor", Function, &[Double], Double, |args, _| double(args, f64::floor)),
    row("math.round", Function, &[Double], Double, |args, _| double(args, f64::round)),
    row("math.trunc", Function, &[Double], Double, |args, _| double(args, f64::trunc)),
    row("math.sqrt", Function, &[Double], Double, |args, _| double(args, f64::sqrt)),
    row("math.sqrt", Function, &[Int], Double, |args, _| {
        Ok(Value::Double((int(args, 0)? as f64).sqrt()))
    }),
    row("math.isNaN", Function, &[Double], Bool, |args, _| test(args, f64::is_nan)),
    row("math.isInf", Function, &[Double], Bool, |args, _| test(args, f64::is_infinite)),
    row("math.isFinite", Function, &[Double], Bool, |args, _| test(args, f64::is_finite)),
    row("math.abs", Function, &[Double], Double, |args, _| double(args, f64::abs)),
    row("math.abs", Function, &[Int], Int, |args, _| {
        int(args, 0)?.checked_abs().map(Value::Int).ok_or_else(overflow)
    }),
    row("math.abs", Function, &[Uint], Uint, |args, _| uint(args, 0).map(Value::Uint)),
    row("math.abs", Function, &[Decimal], Decimal, |args, _| match &*args[0] {
        Value::Decimal(number) => {
            Ok(Value::Decimal(if number.is_negative() { -*number } else { *number }))
        }
        other => Err(wrong("a decimal", Some(other))),
    }),
    row("math.sign", Function, &[Double], Double, |args, _| {
        double(
            args,
            |number| if number == 0.0 || number.is_nan() { number } else { number.signum() },
        )
    }),
    row("math.sign", Function, &[Int], Int, |args, _| Ok(Value::Int(int(args, 0)?.signum()))),
    row("math.sign", Function, &[Uint], Uint, |args, _| Ok(Value::Uint(uint(args, 0)?.min(1)))),
    row("math.bitAnd", Function, &[Int, Int], Int, |args, _| {
        Ok(Value::Int(int(args, 0)? & int(args, 1)?))
    }),
    row("math.bitAnd", Function, &[Uint, Uint], Uint, |args, _| {
        Ok(Value::Uint(uint(args, 0)? & uint(args, 1)?))
    }),
    row("math.bitOr", Function, &[Int, Int], Int, |args, _| {
        Ok(Value::Int(int(args, 0)? | int(args, 1)?))
    }),
    row("math.bitOr", Function, &[Uint, Uint], Uint, |args, _| {
        Ok(Value::Uint(uint(args, 0)? | uint(args, 1)?))
    }),
    row("math.bitXor", Function, &[Int, Int], Int, |args, _| {
        Ok(Value::Int(int(args, 0)? ^ int(args, 1)?))
    }),
    row("math.bitXor", Function, &[Uint, Uint], Uint, |args, _| {
        Ok(Value::Uint(uint(args, 0)? ^ uint(args, 1)?))
    }),
    row("math.bitNot", Function, &[Int], Int, |args, _| Ok(Value::Int(!int(args, 0)?))),
    row("math.bitNot", Function, &[Uint], Uint, |args, _| Ok(Value::Uint(!uint(args, 0)?))),
    row("math.bitShiftLeft", Function, &[Int, Int], Int, |args, _| {
        let by = shift(int(args, 1)?)?;
        Ok(Value::Int(int(args, 0)?.checked_shl(by).unwrap_or(0)))
    }),
    row("math.bitShiftLeft", Function, &[Uint, Int], Uint, |args, _| {
        let by = shift(int(args, 1)?)?;
        Ok(Value::Uint(uint(args, 0)?.checked_shl(by).unwrap_or(0)))
    }),
    // Logical, also of negative numbers.
    row("math.bitShiftRight", Function, &[Int, Int], Int, |args, _| {
        let by = shift(int(args, 1)?)?;
        Ok(Value::Int((int(args, 0)? as u64).checked_shr(by).unwrap_or(0) as i64))
    }),
    row("math.bitShiftRight", Function, &[Uint, Int], Uint, |args, _| {
        let by = shift(int(args, 1)?)?;
        Ok(Value::Uint(uint(args, 0)?.checked_shr(by).unwrap_or(0)))
    }),
];

fn overflow() -> String {
    "the number overflows 64 bits".to_owned()
}

fn shift(by: i64) -> Result<u32> {
    u32::try_from(by.min(64)).map_err(|_| "a shift is not negative".to_owned())
}

fn uint(args: Args, at: usize) -> Result<u64> {
    match args.get(at).map(|arg| &**arg) {
        Some(Value::Uint(number)) => Ok(*number),
        other => Err(wrong("a uint", other)),
    }
}

fn number(args: Args) -> Result<f64> {
    match &*args[0] {
        Value::Double(number) => Ok(*number),
        other => Err(wrong("a double", Some(other))),
    }
}

fn double(args: Args, f: fn(f64) -> f64) -> Result {
    Ok(Value::Double(f(number(args)?)))
}

fn test(args: Args, f: fn(f64) -> bool) -> Result {
    Ok(Value::Bool(f(number(args)?)))
}
