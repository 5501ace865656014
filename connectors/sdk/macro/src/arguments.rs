//! `key: value` arguments of a macro: lists of strings and identifiers.

use std::collections::BTreeMap;

use proc_macro::{Delimiter, TokenStream, TokenTree};

pub struct Arguments(BTreeMap<String, TokenTree>);

impl Arguments {
    pub fn parse(input: TokenStream) -> Result<Self, String> {
        let mut found = BTreeMap::new();
        let mut tokens = input.into_iter();
        while let Some(token) = tokens.next() {
            let TokenTree::Ident(key) = token else {
                return Err(format!("expected `key: value`, found `{token}`"));
            };
            match (tokens.next(), tokens.next()) {
                (Some(TokenTree::Punct(colon)), Some(value)) if colon.as_char() == ':' => {
                    if found.insert(key.to_string(), value).is_some() {
                        return Err(format!("`{key}` is given twice"));
                    }
                }
                _ => return Err(format!("`{key}` needs a value: `{key}: ...`")),
            }
            match tokens.next() {
                None => break,
                Some(TokenTree::Punct(comma)) if comma.as_char() == ',' => {}
                Some(other) => return Err(format!("expected `,`, found `{other}`")),
            }
        }
        Ok(Arguments(found))
    }

    /// A list of strings; empty when the key is absent.
    pub fn list(&mut self, key: &str) -> Result<Vec<String>, String> {
        let Some(value) = self.0.remove(key) else { return Ok(Vec::new()) };
        let TokenTree::Group(group) = &value else {
            return Err(format!("`{key}` is a list of strings: `{key}: [\"...\"]`"));
        };
        if group.delimiter() != Delimiter::Bracket {
            return Err(format!("`{key}` is a list of strings: `{key}: [\"...\"]`"));
        }
        let mut list = Vec::new();
        for token in group.stream() {
            match token {
                TokenTree::Punct(comma) if comma.as_char() == ',' => {}
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                    list.push(inner.ok_or(format!("{text} is not a string"))?.to_owned());
                }
                other => return Err(format!("expected a string in `{key}`, found `{other}`")),
            }
        }
        Ok(list)
    }

    pub fn ident(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(TokenTree::Ident(ident)) => Ok(Some(ident.to_string())),
            Some(other) => Err(format!("`{key}` is the name of a type, not `{other}`")),
        }
    }

    /// Whatever was not taken is a key that nobody knows.
    pub fn finish(&self) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("unknown key `{key}`; known: exports, wit, component")),
        }
    }
}
