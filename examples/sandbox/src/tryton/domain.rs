//! Tryton's search: domains, order, and which fields of a record are answered.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::schema::Kind;
use super::store::moment;
use super::{Env, Trouble, Tryton};
use crate::money;

const DEPTH_MAX: usize = 12;

impl Tryton {
    /// Ids of the records that the domain wants, in the order asked for.
    pub fn search(
        &self,
        model: &'static str,
        domain: &Value,
        order: &Value,
        env: &Env,
    ) -> Result<Vec<i64>, Trouble> {
        let mut found = Vec::new();
        let plain = plain_equalities(domain);
        for id in self.store.ids(model) {
            if self.store.differs(model, id, &plain) {
                continue;
            }
            if self.matches(model, id, domain, env, 0)? {
                found.push(id);
            }
        }
        let order = order.as_array().filter(|order| !order.is_empty());
        let Some(order) = order else {
            return Ok(found);
        };
        let mut keyed = Vec::new();
        for id in found {
            let mut keys = Vec::new();
            for clause in order {
                let field = clause[0].as_str().unwrap_or("id");
                let descending = clause[1].as_str().is_some_and(|d| d.starts_with("DESC"));
                keys.push((self.value(model, id, field, env)?, descending));
            }
            keyed.push((keys, id));
        }
        keyed.sort_by(|(a, _), (b, _)| {
            let pairs = a.iter().zip(b);
            pairs
                .map(|((a, descending), (b, _))| {
                    let order = compare(a, b).unwrap_or(Ordering::Equal);
                    if *descending { order.reverse() } else { order }
                })
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        Ok(keyed.into_iter().map(|(_, id)| id).collect())
    }

    fn matches(
        &self,
        model: &'static str,
        id: i64,
        domain: &Value,
        env: &Env,
        depth: usize,
    ) -> Result<bool, Trouble> {
        let Some(clauses) = domain.as_array() else {
            return Err(Trouble::Server("a domain is a list".into()));
        };
        if depth > DEPTH_MAX {
            return Err(Trouble::Server("the domain is nested too deeply".into()));
        }
        match clauses.first() {
            None => Ok(true),
            Some(Value::String(word)) if word == "OR" || word == "AND" => {
                let any = word == "OR";
                for clause in &clauses[1..] {
                    if self.matches(model, id, clause, env, depth + 1)? == any {
                        return Ok(any);
                    }
                }
                Ok(!any)
            }
            Some(Value::String(field)) => self.clause(model, id, field, clauses, env),
            Some(_) => {
                for clause in clauses {
                    if !self.matches(model, id, clause, env, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    fn clause(
        &self,
        model: &'static str,
        id: i64,
        path: &str,
        clause: &[Value],
        env: &Env,
    ) -> Result<bool, Trouble> {
        let (Some(operator), Some(wanted)) = (clause.get(1).and_then(Value::as_str), clause.get(2))
        else {
            return Err(Trouble::Server(format!("not a clause: {}", json!(clause))));
        };
        let (field, rest) = path.split_once('.').unwrap_or((path, ""));
        let own = self.value(model, id, field, env)?;
        if !rest.is_empty() {
            let Some(target) = self.target(model, field, &own) else {
                return Ok(false);
            };
            let ids = match &own {
                Value::Array(ids) => ids.iter().filter_map(Value::as_i64).collect(),
                Value::String(text) => {
                    text.split_once(',').and_then(|(_, id)| id.parse().ok()).into_iter().collect()
                }
                other => other.as_i64().into_iter().collect::<Vec<i64>>(),
            };
            for other in ids {
                if self.clause(target, other, rest, clause, env)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let own = match own {
            // A many2one compared with a text is compared by its name.
            Value::Number(other) if wanted.is_string() => {
                match self.store.schema.kind(model, field) {
                    Some(Kind::One(target)) => {
                        self.value(target, other.as_i64().unwrap_or(0), "rec_name", env)?
                    }
                    _ => Value::Number(other),
                }
            }
            own => own,
        };
        operate(&own, operator, wanted)
            .ok_or_else(|| Trouble::Server(format!("the operator {operator} is not known")))
    }

    /// The model behind a relation field; a reference names its own.
    fn target(&self, model: &str, field: &str, own: &Value) -> Option<&'static str> {
        match self.store.schema.kind(model, field)? {
            Kind::One(target) | Kind::Many(target, _) | Kind::Function(Some(target)) => {
                Some(target)
            }
            Kind::Reference => {
                let name = own.as_str()?.split_once(',')?.0;
                self.store.schema.model(name)
            }
            Kind::Plain if field == "payment_lines" => Some("account.move.line"),
            Kind::Plain | Kind::Function(None) => None,
        }
    }

    /// A record with the fields asked for; `a.b` opens the relation `a`.
    pub fn read(
        &self,
        model: &'static str,
        id: i64,
        fields: &[String],
        env: &Env,
    ) -> Result<Value, Trouble> {
        self.store.row(model, id)?;
        let mut answer = Map::new();
        answer.insert("id".into(), json!(id));
        answer.insert("__name__".into(), json!(model));
        for path in fields {
            let field = path.split('.').next().unwrap_or(path);
            if answer.contains_key(field) {
                continue;
            }
            let own = self.value(model, id, field, env)?;
            let nested: Vec<String> = fields
                .iter()
                .filter_map(|path| path.strip_prefix(field)?.strip_prefix('.'))
                .map(str::to_owned)
                .collect();
            let value =
                if nested.is_empty() { own } else { self.open(model, field, &own, &nested, env)? };
            answer.insert(field.to_owned(), value);
        }
        Ok(Value::Object(answer))
    }

    fn open(
        &self,
        model: &str,
        field: &str,
        own: &Value,
        nested: &[String],
        env: &Env,
    ) -> Result<Value, Trouble> {
        let Some(target) = self.target(model, field, own) else {
            return Ok(Value::Null);
        };
        match own {
            Value::Array(ids) => {
                let ids = ids.iter().filter_map(Value::as_i64);
                let rows: Result<Vec<Value>, Trouble> =
                    ids.map(|id| self.read(target, id, nested, env)).collect();
                Ok(Value::Array(rows?))
            }
            Value::Number(id) => self.read(target, id.as_i64().unwrap_or(0), nested, env),
            Value::String(text) => match text.split_once(',').and_then(|(_, id)| id.parse().ok()) {
                Some(id) => self.read(target, id, nested, env),
                None => Ok(Value::Null),
            },
            _ => Ok(Value::Null),
        }
    }
}

/// None when the operator is not known.
fn operate(own: &Value, operator: &str, wanted: &Value) -> Option<bool> {
    let equal = |wanted: &Value| {
        if own.is_null() || wanted.is_null() {
            return own.is_null() == wanted.is_null();
        }
        match own {
            Value::Array(ids) => ids.contains(wanted),
            _ => compare(own, wanted) == Some(Ordering::Equal),
        }
    };
    let contained = || wanted.as_array().is_some_and(|list| list.iter().any(&equal));
    // As in SQL: nothing is less or greater than null.
    let ordering = || {
        let either_null = own.is_null() || wanted.is_null();
        if either_null { None } else { compare(own, wanted) }
    };
    Some(match operator {
        "=" => equal(wanted),
        "!=" => !equal(wanted),
        "in" => contained(),
        "not in" => !contained(),
        "<" => ordering().is_some_and(Ordering::is_lt),
        ">" => ordering().is_some_and(Ordering::is_gt),
        "<=" => ordering().is_some_and(Ordering::is_le),
        ">=" => ordering().is_some_and(Ordering::is_ge),
        "like" | "ilike" | "not like" | "not ilike" => {
            let fold = |value: &Value| {
                let text = value.as_str().unwrap_or_default().to_owned();
                if operator.ends_with("ilike") { text.to_lowercase() } else { text }
            };
            let hit = like(&fold(own), &fold(wanted));
            hit != operator.starts_with("not")
        }
        _ => return None,
    })
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (moment(a), moment(b)) {
        return Some(a.cmp(&b));
    }
    match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Null, _) => Some(Ordering::Greater),
        (_, Value::Null) => Some(Ordering::Less),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => Some(money::read(a)?.cmp(&money::read(b)?)),
    }
}

/// SQL's LIKE: `%` is any text, `_` any character, a backslash takes the next one as it is.
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // reached[j]: the pattern so far matches the first j characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut pattern = pattern.chars();
    while let Some(wanted) = pattern.next() {
        let escaped = if wanted == '\\' { pattern.next() } else { None };
        let mut next = vec![false; text.len() + 1];
        for j in 0..=text.len() {
            let before = j > 0 && reached[j - 1];
            next[j] = match (escaped, wanted) {
                (Some(c), _) => before && text[j - 1] == c,
                (None, '%') => reached[j] || (j > 0 && next[j - 1]),
                (None, '_') => before,
                (None, c) => before && text[j - 1] == c,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

/// Clauses that every record found must satisfy, as field and text: a search by reference is one. A
/// list that begins with a word is OR, AND or a clause itself.
fn plain_equalities(domain: &Value) -> Vec<(&str, &str)> {
    let parts = domain.as_array().filter(|parts| parts.first().is_some_and(Value::is_array));
    let plain = parts.into_iter().flatten().filter(|part| part.is_array() && part[1] == "=");
    plain.filter_map(|part| Some((part[0].as_str()?, part[2].as_str()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_sql_like() {
        assert!(like("Harbour Hardware", "Harb%ware"));
        assert!(like("abc", "a_c") && !like("abc", "a_") && like("", "%"));
        assert!(like("R_1/a", "R\\_1/%") && !like("RX1/a", "R\\_1/%"));
    }

    #[test]
    fn nothing_compares_with_null_but_equality() {
        assert_eq!(operate(&Value::Null, ">=", &json!(1)), Some(false));
        assert_eq!(operate(&Value::Null, "=", &Value::Null), Some(true));
        assert_eq!(operate(&json!(1), "!=", &Value::Null), Some(true));
        assert_eq!(operate(&json!(1), "~", &Value::Null), None);
    }
}
