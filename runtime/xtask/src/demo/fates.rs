//! The orders of the example as written in examples/order-to-cash/fates.json: what is sent, what
//! persons answer, what the world does next, and how it all must end.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::workspace;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// How the products misbehave, as the sandbox takes it.
    pub faults: Value,
    pub fates: Vec<Fate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fate {
    pub order: String,
    pub title: String,
    pub send: Message,
    /// Answers of persons, by `route.step`.
    #[serde(default)]
    pub answers: BTreeMap<String, Decision>,
    #[serde(default)]
    pub then: Vec<Next>,
    /// How many exchanges of a route end how. Routes that are not named are not counted.
    #[serde(default)]
    pub ends: BTreeMap<String, BTreeMap<String, usize>>,
    /// What is applied to its invoices, each amount with what is open then.
    #[serde(default)]
    pub cash: Vec<Cash>,
    /// Every effect in the products, by `product effect`; no other may have happened.
    #[serde(default)]
    pub effects: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub to: Receiver,
    pub path: String,
    /// Relative to the example's folder.
    file: Option<String>,
    /// Where it is short enough to stand in place of a file.
    #[serde(default)]
    body: Value,
    /// The bytes that are sent: a file's as they are.
    #[serde(skip)]
    pub text: String,
    pub status: u16,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Receiver {
    Runtime,
    Sandbox,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub answer: String,
    pub by: String,
}

/// Something that happens in the world once the order has come so far.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Next {
    pub after: After,
    pub tell: String,
    pub send: Message,
}

/// So many exchanges of a route that ended.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    pub route: String,
    pub times: usize,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub struct Cash {
    pub amount: String,
    pub open: String,
}

impl Example {
    pub fn read() -> Result<Example> {
        let path = workspace::example().join("fates.json");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut example: Example =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        for fate in &mut example.fates {
            fate.send.load()?;
            for next in &mut fate.then {
                next.send.load()?;
            }
        }
        Ok(example)
    }
}

impl Message {
    fn load(&mut self) -> Result<()> {
        self.text = match &self.file {
            Some(file) => {
                let path = workspace::example().join(file);
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?
            }
            None => self.body.to_string(),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_whole() {
        let example = Example::read().unwrap();
        assert!(example.fates.len() >= 12, "a dozen orders with different fates");
        let mut orders: Vec<&str> = example.fates.iter().map(|fate| fate.order.as_str()).collect();
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), example.fates.len(), "no order twice");
        for fate in &example.fates {
            let refused = fate.send.status != 202;
            assert!(refused != fate.ends.contains_key("order-processing"), "{}", fate.order);
        }
    }
}
