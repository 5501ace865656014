//! The inside of string and bytes literals: escapes become characters.

use crate::problem::{Problem, Span, code};

/// `at` is where the body starts in the source, for ranges.
pub fn string(body: &str, raw: bool, at: usize) -> Result<String, Problem> {
    if raw || !body.contains('\\') {
        return Ok(body.to_owned());
    }
    let mut text = String::with_capacity(body.len());
    unescape(body, at, &mut |unit, span| {
        let character = match unit {
            Unit::Char(character) => Some(character),
            Unit::Byte(value) => Some(char::from(value)),
            Unit::Code(value) => char::from_u32(value),
        };
        match character {
            Some(character) => text.push(character),
            None => return Err(span.problem(code::LITERAL, "this escape is no Unicode character")),
        }
        Ok(())
    })?;
    Ok(text)
}

pub fn bytes(body: &str, raw: bool, at: usize) -> Result<Vec<u8>, Problem> {
    if raw || !body.contains('\\') {
        return Ok(body.as_bytes().to_vec());
    }
    let mut bytes = Vec::with_capacity(body.len());
    unescape(body, at, &mut |unit, span| {
        match unit {
            Unit::Char(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Unit::Byte(value) => bytes.push(value),
            Unit::Code(_) => {
                return Err(span
                    .problem(code::LITERAL, "bytes have no \\u escapes")
                    .help("write the bytes as \\xHH, or use bytes('...')"));
            }
        }
        Ok(())
    })?;
    Ok(bytes)
}

enum Unit {
    Char(char),
    /// `\xHH` or `\OOO`: a byte in bytes, a code point in a string.
    Byte(u8),
    Code(u32),
}

fn unescape(
    body: &str,
    at: usize,
    push: &mut dyn FnMut(Unit, Span) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let start = at + body.len() - rest.len();
        rest = &rest[first.len_utf8()..];
        if first != '\\' {
            push(Unit::Char(first), Span::new(start, start))?;
            continue;
        }
        let kind = rest.chars().next().unwrap_or('\0');
        rest = &rest[kind.len_utf8().min(rest.len())..];
        let bad = |length: usize| {
            Span::new(start, start + length)
                .problem(code::LITERAL, "no such escape")
                .help("write \\\\ for a backslash, or r'...' for text without escapes")
        };
        let simple = match kind {
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            '\\' | '\'' | '"' | '`' | '?' => Some(kind),
            _ => None,
        };
        if let Some(character) = simple {
            push(Unit::Char(character), Span::new(start, start + 2))?;
            continue;
        }
        let (digits, radix, octal_first) = match kind {
            'x' | 'X' => (2, 16, None),
            'u' => (4, 16, None),
            'U' => (8, 16, None),
            '0'..='3' => (2, 8, kind.to_digit(8)),
            _ => return Err(bad(1 + kind.len_utf8())),
        };
        let Some(text) = rest.get(..digits) else { return Err(bad(2)) };
        let mut value = octal_first.unwrap_or(0);
        for digit in text.chars() {
            let Some(digit) = digit.to_digit(radix) else { return Err(bad(2)) };
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        rest = &rest[digits..];
        let span = Span::new(start, start + 2 + digits);
        match (kind, u8::try_from(value)) {
            ('u' | 'U', _) => push(Unit::Code(value), span)?,
            (_, Ok(byte)) => push(Unit::Byte(byte), span)?,
            (_, Err(_)) => return Err(bad(2 + digits)),
        }
    }
    Ok(())
}
