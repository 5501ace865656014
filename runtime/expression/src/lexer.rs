//! Source text into tokens, each with its range. Never recurses; a source past the size limit is
//! refused before it is read.

use std::sync::Arc;

use crate::limits::SOURCE_BYTES_MAX;
use crate::literal;
use crate::problem::{Problem, Span, code};

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// Magnitude; the parser joins it with a sign.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Name(Arc<str>),
    /// A field name in backticks.
    Quoted(Arc<str>),
    Symbol(&'static str),
    End,
}

/// Longest first, so that `&&` is not two `&`.
const SYMBOLS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}",
];

/// All tokens and a last `End`.
pub fn tokens(source: &str) -> Result<Vec<(Token, Span)>, Problem> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Span::new(0, 0).problem(
            code::TOO_LARGE,
            format!(
                "the expression has {} bytes; at most {SOURCE_BYTES_MAX} are read",
                source.len()
            ),
        ));
    }
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, Span::new(start, lexer.at)));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.source.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_blank(&mut self) {
        loop {
            match self.byte(0) {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
                b'/' if self.byte(1) == b'/' => {
                    self.at =
                        self.rest().find('\n').map_or(self.source.len(), |length| self.at + length);
                }
                _ => return,
            }
        }
    }

    fn token(&mut self) -> Result<Token, Problem> {
        let Some(first) = self.rest().chars().next() else { return Ok(Token::End) };
        if first.is_ascii_digit() || (first == '.' && self.byte(1).is_ascii_digit()) {
            return self.number();
        }
        if let Some(text) = self.text()? {
            return Ok(text);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = self
                .rest()
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(self.rest().len());
            let name: Arc<str> = self.rest()[..length].into();
            self.at += length;
            return Ok(Token::Name(name));
        }
        if first == '`' {
            return self.quoted();
        }
        for symbol in SYMBOLS {
            if self.rest().starts_with(symbol) {
                self.at += symbol.len();
                return Ok(Token::Symbol(symbol));
            }
        }
        let span = Span::new(self.at, self.at + first.len_utf8());
        let help = match first {
            '=' => Some("compare with `==`"),
            '&' => Some("write `&&` for and"),
            '|' => Some("write `||` for or"),
            '“' | '”' | '‘' | '’' => Some("write straight quotes: ' or \""),
            _ => None,
        };
        Err(span
            .problem(code::TOKEN, format!("`{}` means nothing here", first.escape_debug()))
            .maybe_help(help.map(str::to_owned)))
    }

    /// A string or bytes literal with its prefixes, if one starts here.
    fn text(&mut self) -> Result<Option<Token>, Problem> {
        let (mut raw, mut bytes, mut ahead) = (false, false, 0);
        loop {
            match self.byte(ahead) {
                b'r' | b'R' if !raw => raw = true,
                b'b' | b'B' if !bytes => bytes = true,
                b'\'' | b'"' => break,
                _ => return Ok(None),
            }
            ahead += 1;
        }
        let start = self.at;
        let quote = self.byte(ahead);
        let triple = self.byte(ahead + 1) == quote && self.byte(ahead + 2) == quote;
        let width = if triple { 3 } else { 1 };
        let mut at = self.at + ahead + width;
        let content = at;
        let source = self.source.as_bytes();
        loop {
            match source.get(at).copied() {
                None => return Err(self.unterminated(start, quote)),
                Some(b'\\') if !raw => at += 2,
                Some(b'\n' | b'\r') if !triple => return Err(self.unterminated(start, quote)),
                Some(byte) if byte == quote => {
                    if !triple {
                        break;
                    }
                    if source.get(at + 1) == Some(&quote) && source.get(at + 2) == Some(&quote) {
                        break;
                    }
                    at += 1;
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + width;
        // `at` stands on an ASCII quote and `content` behind one: both are character boundaries.
        let body = &self.source[content..at];
        let token = if bytes {
            Token::Bytes(literal::bytes(body, raw, content)?.into())
        } else {
            Token::String(literal::string(body, raw, content)?.into())
        };
        Ok(Some(token))
    }

    fn unterminated(&self, start: usize, quote: u8) -> Problem {
        Span::new(start, self.source.len().min(start + 1))
            .problem(code::TOKEN, "this string has no end")
            .help(format!("close it with {} on the same line", quote as char))
    }

    fn quoted(&mut self) -> Result<Token, Problem> {
        let rest = &self.rest()[1..];
        let span = Span::new(self.at, self.at + 1);
        let Some(length) = rest.find('`') else {
            return Err(span.problem(code::TOKEN, "this quoted name has no closing `"));
        };
        let name: Arc<str> = rest[..length].into();
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.-/ ".contains(c);
        if name.is_empty() || !name.chars().all(legal) {
            return Err(Span::new(self.at, self.at + length + 2)
                .problem(code::TOKEN, "a quoted name has letters, digits and _ . - / only"));
        }
        self.at += length + 2;
        Ok(Token::Quoted(name))
    }

    fn digits(&self, from: usize) -> usize {
        self.source.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn number(&mut self) -> Result<Token, Problem> {
        let start = self.at;
        if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X') {
            let length = self.rest()[2..].bytes().take_while(u8::is_ascii_hexdigit).count();
            let digits = &self.source[start + 2..start + 2 + length];
            self.at += 2 + length;
            return self.integer(start, u64::from_str_radix(digits, 16).ok());
        }
        let mut end = start + self.digits(start);
        let mut double = false;
        let byte = |at: usize| self.source.as_bytes().get(at).copied().unwrap_or(0);
        if byte(end) == b'.' && byte(end + 1).is_ascii_digit() {
            double = true;
            end += 1 + self.digits(end + 1);
        }
        if matches!(byte(end), b'e' | b'E') {
            let sign = usize::from(matches!(byte(end + 1), b'+' | b'-'));
            let digits = self.digits((end + 1 + sign).min(self.source.len()));
            if digits > 0 {
                double = true;
                end += 1 + sign + digits;
            }
        }
        self.at = end;
        let text = &self.source[start..end];
        if !double {
            return self.integer(start, text.parse().ok());
        }
        self.refuse_name_behind(start)?;
        // Digits, point and exponent always parse; too large is infinite.
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if number.is_infinite() {
            return Err(Span::new(start, end)
                .problem(code::LITERAL, "this number is too large for a double"));
        }
        Ok(Token::Double(number))
    }

    fn integer(&mut self, start: usize, magnitude: Option<u64>) -> Result<Token, Problem> {
        let unsigned = matches!(self.byte(0), b'u' | b'U');
        self.at += usize::from(unsigned);
        self.refuse_name_behind(start)?;
        let Some(magnitude) = magnitude else {
            return Err(Span::new(start, self.at)
                .problem(code::LITERAL, "this is no integer of 64 bits")
                .help("write large exact numbers as `decimal('...')`"));
        };
        Ok(if unsigned { Token::Uint(magnitude) } else { Token::Int(magnitude) })
    }

    /// `12px`: a name directly behind a number is a slip, not two tokens.
    fn refuse_name_behind(&mut self, start: usize) -> Result<(), Problem> {
        let length =
            self.rest().bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if length == 0 {
            return Ok(());
        }
        let span = Span::new(start, self.at + length);
        Err(span
            .problem(
                code::TOKEN,
                format!("`{}` is neither a number nor a name", &self.source[span.range()]),
            )
            .help("put text in quotes"))
    }
}
