//! `application/x-www-form-urlencoded` bodies and query strings. Nested names are written as the
//! product wants them: `metadata[order]`.

use std::fmt::Write;

/// Pairs in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn new() -> Self {
        Form::default()
    }

    pub fn add(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub fn add_some(self, name: impl Into<String>, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.add(name, value),
            None => self,
        }
    }

    pub fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            encode_pair(&mut text, name, value);
        }
        text
    }
}

pub(crate) fn encode_pair(text: &mut String, name: &str, value: &str) {
    encode(text, name);
    text.push('=');
    encode(text, value);
}

/// Percent-encodes one path segment, so that an id from outside cannot change the path.
pub fn segment(text: &str) -> String {
    let mut encoded = String::new();
    encode(&mut encoded, text);
    encoded
}

fn encode(text: &mut String, part: &str) {
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            other => write!(text, "%{other:02X}").expect("a string takes everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_unreserved_is_encoded() {
        let form = Form::new()
            .add("metadata[order]", "SO 1&2")
            .add_some("none", None::<String>)
            .add("name", "Zoë");
        assert_eq!(form.encode(), "metadata%5Border%5D=SO%201%262&name=Zo%C3%AB");
        assert_eq!(segment("../a"), "..%2Fa");
    }
}
