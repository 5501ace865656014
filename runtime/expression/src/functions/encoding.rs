//! Bytes as base64 text and back.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use contract::Value;

use super::P::{Bytes, String as Str};
use super::Style::Function;
use super::{Overload, row, string, wrong};

/// Padding may be left out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub const ROWS: &[Overload] = &[
    row("base64.encode", Function, &[Bytes], Str, |args, budget| match &*args[0] {
        Value::Bytes(bytes) => {
            budget.text(bytes.len().saturating_mul(2))?;
            Ok(Value::string(STANDARD.encode(bytes)))
        }
        other => Err(wrong("bytes", Some(other))),
    }),
    row("base64.decode", Function, &[Str], Bytes, |args, budget| {
        let text = string(args, 0)?;
        budget.text(text.len())?;
        let bytes = LENIENT.decode(&*text).map_err(|_| "the text is no base64".to_owned())?;
        Ok(Value::Bytes(bytes.into()))
    }),
];
