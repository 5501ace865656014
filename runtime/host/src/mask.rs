//! What people may see of a document. Marked fields are hidden wherever a document is shown: by name
//! at any depth, or by JSON Pointer with `*`. A configured secret never shows, marked or not. The
//! journal keeps everything: masking is for eyes, and a mask sent back means "as it was".

use serde::Deserialize;
use serde_json::Value;

/// What stands in the place of a marked value.
pub const MASKED: &str = "[masked]";
/// Shorter values are not searched for in other texts: they would turn up everywhere by chance.
const SEARCHED_BYTES_MIN: usize = 5;
/// Values of one document that are searched for in its texts.
const SEARCHED_MAX: usize = 1_000;

/// `[mask]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Names, `"email"`, or pointers, `"/customer/contacts/*/name"`. Replaces the default list.
    pub fields: Vec<String>,
}

/// Persons, accounts and credentials.
const DEFAULT: [&str; 26] = [
    "email",
    "phone",
    "mobile",
    "fax",
    "iban",
    "bic",
    "account_number",
    "routing_number",
    "card_number",
    "pan",
    "cvc",
    "cvv",
    "date_of_birth",
    "birth_date",
    "tax_id",
    "vat_id",
    "ssn",
    "passport",
    "password",
    "secret",
    "client_secret",
    "api_key",
    "access_token",
    "refresh_token",
    "authorization",
    "signature",
];

impl Default for Config {
    fn default() -> Config {
        Config { fields: DEFAULT.map(str::to_owned).to_vec() }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// In the form of contracts: lower case, `_`.
    names: Vec<String>,
    /// By segment; `None` is `*`.
    pointers: Vec<Vec<Option<String>>>,
}

impl Mask {
    pub fn new(config: &Config) -> Mask {
        let (pointers, names): (Vec<&String>, Vec<&String>) =
            config.fields.iter().partition(|field| field.starts_with('/'));
        let segments = |pointer: &&String| {
            let parts = pointer[1..].split('/');
            parts.map(|part| (part != "*").then(|| unescaped(part))).collect()
        };
        Mask {
            names: names.into_iter().map(|name| plain(name)).collect(),
            pointers: pointers.iter().map(segments).collect(),
        }
    }

    /// Hides what is marked in a document, and answers what was hidden, to be taken out of other
    /// texts by `Hidden::clean`.
    pub fn apply(&self, document: &mut Value) -> Hidden {
        let mut hidden = Hidden::default();
        self.walk(document, &mut Vec::new(), &mut hidden);
        hidden
    }

    /// The same of what lies at a pointer in a document.
    pub fn apply_at(&self, pointer: &str, value: &mut Value) -> Hidden {
        let mut hidden = Hidden::default();
        let mut path: Vec<String> = Vec::new();
        for segment in pointer.split('/').skip(1) {
            path.push(unescaped(segment));
            if !value.is_null() && self.marks(&path) {
                hidden.note(value);
                *value = MASKED.into();
                return hidden;
            }
        }
        self.walk(value, &mut path, &mut hidden);
        hidden
    }

    /// Whether a business key of that name is marked.
    pub fn name(&self, name: &str) -> bool {
        self.names.contains(&plain(name))
    }

    fn marks(&self, path: &[String]) -> bool {
        let by_name = path.last().is_some_and(|name| self.names.contains(&plain(name)));
        let fits = |pointer: &Vec<Option<String>>| {
            pointer.len() == path.len()
                && pointer
                    .iter()
                    .zip(path)
                    .all(|(wanted, found)| wanted.as_ref().is_none_or(|wanted| wanted == found))
        };
        by_name || self.pointers.iter().any(fits)
    }

    /// Depth is that of the JSON, which its reader has bounded.
    fn walk(&self, value: &mut Value, path: &mut Vec<String>, hidden: &mut Hidden) {
        if !value.is_null() && !path.is_empty() && self.marks(path) {
            hidden.note(value);
            *value = MASKED.into();
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    path.push(name.clone());
                    self.walk(member, path, hidden);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    path.push(at.to_string());
                    self.walk(item, path, hidden);
                    path.pop();
                }
            }
            Value::String(text) => *text = connector::redact(text),
            _ => {}
        }
    }

    /// Puts back what was masked when the document was shown: where it still says `[masked]`, it is
    /// as in the original. Answers the pointers of masks that nothing stands behind.
    pub fn restore(&self, edited: &mut Value, original: &Value) -> Vec<String> {
        let mut lost = Vec::new();
        restore(edited, Some(original), String::new(), &mut lost);
        lost
    }
}

/// An element of a list that grew or shrank is no longer known by its place.
fn restore(edited: &mut Value, original: Option<&Value>, pointer: String, lost: &mut Vec<String>) {
    match edited {
        Value::String(text) if text == MASKED => match original {
            Some(original) if !original.is_null() => *edited = original.clone(),
            _ => lost.push(pointer),
        },
        Value::Object(members) => {
            for (name, member) in members {
                let original = original.and_then(|original| original.get(name));
                restore(member, original, format!("{pointer}/{name}"), lost);
            }
        }
        Value::Array(items) => {
            let before = original.and_then(Value::as_array);
            let before = before.filter(|before| before.len() == items.len());
            for (at, item) in items.iter_mut().enumerate() {
                let original = before.and_then(|before| before.get(at));
                restore(item, original, format!("{pointer}/{at}"), lost);
            }
        }
        _ => {}
    }
}

/// Values that were hidden, so that no message quotes them.
#[derive(Default)]
pub struct Hidden(Vec<String>);

impl Hidden {
    fn note(&mut self, value: &Value) {
        match value {
            Value::String(text)
                if text.len() >= SEARCHED_BYTES_MIN
                    && self.0.len() < SEARCHED_MAX
                    && text != MASKED =>
            {
                self.0.push(text.clone());
            }
            Value::Object(members) => members.values().for_each(|member| self.note(member)),
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            _ => {}
        }
    }

    /// A text without what was hidden, and without any secret.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = connector::redact(text);
        for hidden in &self.0 {
            if clean.contains(hidden.as_str()) {
                clean = clean.replace(hidden.as_str(), MASKED);
            }
        }
        clean
    }

    /// The same in every text of a document.
    pub fn clean_all(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.clean(text),
            Value::Object(members) => {
                members.values_mut().for_each(|member| self.clean_all(member))
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_all(item)),
            _ => {}
        }
    }

    pub fn join(&mut self, other: Hidden) {
        self.0.extend(other.0);
        self.0.truncate(SEARCHED_MAX);
    }
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mask(fields: &[&str]) -> Mask {
        Mask::new(&Config { fields: fields.iter().map(|field| (*field).to_owned()).collect() })
    }

    #[test]
    fn names_hide_at_any_depth_and_pointers_at_one_place() {
        let mut document = json!({
            "id": "SO-1", "E-Mail": "kept", "contact": { "email": "ada@example.com", "name": "Ada" },
            "lines": [{ "sku": "A", "note": "for Ada" }, { "sku": "B", "note": null }],
            "note": "call ada@example.com",
        });
        let hidden = mask(&["email", "/lines/*/note"]).apply(&mut document);
        assert_eq!(
            document,
            json!({
                "id": "SO-1", "E-Mail": "kept", "contact": { "email": "[masked]", "name": "Ada" },
                "lines": [{ "sku": "A", "note": "[masked]" }, { "sku": "B", "note": null }],
                "note": "call ada@example.com",
            })
        );
        hidden.clean_all(&mut document);
        assert_eq!(document["note"], "call [masked]", "nor is it quoted elsewhere");
        assert_eq!(hidden.clean("no ada@example.com here"), "no [masked] here");
    }

    #[test]
    fn what_lies_at_a_pointer_is_hidden_as_in_its_document() {
        let mask = mask(&["contact", "/lines/*/note"]);
        for (pointer, value, shown) in [
            ("/contact/phone/0", json!("0123"), json!("[masked]")),
            ("/lines/3/note", json!("for Ada"), json!("[masked]")),
            (
                "/lines/3",
                json!({ "sku": "A", "note": "x" }),
                json!({ "sku": "A", "note": "[masked]" }),
            ),
            ("/note", json!("seen"), json!("seen")),
            ("", json!({ "contact": 1 }), json!({ "contact": "[masked]" })),
        ] {
            let mut value = value;
            mask.apply_at(pointer, &mut value);
            assert_eq!(value, shown, "{pointer}");
        }
    }

    #[test]
    fn a_mask_sent_back_means_as_it_was() {
        let original =
            json!({ "email": "ada@example.com", "lines": [{ "phone": "1" }, { "phone": "2" }] });
        let mask = mask(&["email", "phone"]);
        let mut shown = original.clone();
        mask.apply(&mut shown);
        shown["lines"][1]["sku"] = "B".into();
        assert_eq!(mask.restore(&mut shown, &original), [""; 0]);
        assert_eq!(
            shown,
            json!({ "email": "ada@example.com", "lines": [{ "phone": "1" }, { "phone": "2", "sku": "B" }] })
        );
        let mut shorter = json!({ "email": MASKED, "lines": [{ "phone": MASKED }] });
        assert_eq!(mask.restore(&mut shorter, &original), ["/lines/0/phone"]);
    }

    #[test]
    fn the_default_hides_what_it_should_and_not_the_business() {
        let mut document = json!({
            "email": "a@b.c", "iban": "DE1", "card_number": "4", "tax_id": "x",
            "id": "SO-1", "customer_id": "C-1", "tax": "1.00", "sku": "A", "name": "Ada",
        });
        Mask::new(&Config::default()).apply(&mut document);
        let shown = document.as_object().unwrap();
        let masked: Vec<&str> = shown
            .iter()
            .filter(|(_, value)| *value == MASKED)
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(masked.len(), 4, "{masked:?}");
        assert!(
            ["id", "customer_id", "tax", "sku", "name"].iter().all(|name| !masked.contains(name))
        );
    }
}
