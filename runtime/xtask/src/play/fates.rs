//! Orders with their fates, as written in a fates.json: what is sent, what persons answer, what the
//! world does next, and how it all must end, in the routes and in the products.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// How the products misbehave, as the sandbox takes it.
    #[serde(default)]
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
    /// What the products themselves must say of it. Null where only effects are counted.
    #[serde(rename = "final")]
    pub ended: Option<Final>,
}

/// One order in the products at the end, by their own APIs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Final {
    /// The ERP's state of the sale; there is one sale, or none.
    pub sale: Option<String>,
    /// Pieces that left and that came back, by item.
    #[serde(default)]
    pub left: BTreeMap<String, u32>,
    #[serde(default)]
    pub came_back: BTreeMap<String, u32>,
    /// Totals, in the order's currency; every one is paid. A credit note's is negative.
    #[serde(default)]
    pub invoices: Vec<String>,
    /// Carrier's labels, each with a tracking number of its own.
    #[serde(default)]
    pub labels: usize,
    /// The order's payment intents. None for an order on account.
    #[serde(default)]
    pub payments: Vec<FinalPayment>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub struct FinalPayment {
    pub status: String,
    #[serde(default)]
    pub captured: String,
    #[serde(default)]
    pub refunded: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub to: Receiver,
    pub path: String,
    /// Relative to the folder of the fates.
    file: Option<String>,
    /// Words of the file that are other ones here: the same order under another number.
    #[serde(default)]
    with: BTreeMap<String, String>,
    /// Where it is short enough to stand in place of a file.
    #[serde(default)]
    body: Value,
    /// The bytes that are sent: a file's as they are.
    #[serde(skip)]
    pub text: String,
    pub status: u16,
    /// A caller who waits for a step's answer may be told 202 instead: that it takes longer.
    #[serde(default)]
    pub later: bool,
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
    pub fn read(path: &Path) -> Result<Example> {
        let shown = || path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(shown)?;
        let mut example: Example = serde_json::from_str(&text).with_context(shown)?;
        let folder = path.parent().unwrap_or(path);
        for fate in &mut example.fates {
            fate.send.load(folder)?;
            for next in &mut fate.then {
                next.send.load(folder)?;
            }
        }
        Ok(example)
    }
}

impl Message {
    fn load(&mut self, folder: &Path) -> Result<()> {
        self.text = match &self.file {
            Some(file) => {
                let path = folder.join(file);
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?
            }
            None => self.body.to_string(),
        };
        for (word, other) in &self.with {
            self.text = self.text.replace(word, other);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::workspace;

    fn check(path: &Path) -> Example {
        let example = Example::read(path).unwrap();
        let mut orders: Vec<&str> = example.fates.iter().map(|fate| fate.order.as_str()).collect();
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), example.fates.len(), "no order twice");
        for fate in &example.fates {
            let refused = fate.send.status != 202;
            assert!(refused != fate.ends.contains_key("order-processing"), "{}", fate.order);
            for sent in std::iter::once(&fate.send).chain(fate.then.iter().map(|next| &next.send)) {
                // What happens to stock or money names no order.
                let names = sent.to == Receiver::Sandbox || sent.text.contains(&fate.order);
                assert!(names, "{}: {} is of another order", fate.order, sent.path);
            }
        }
        example
    }

    #[test]
    fn the_example_is_whole() {
        let example = check(&workspace::example().join("fates.json"));
        assert!(example.fates.len() >= 12, "a dozen orders with different fates");
    }

    #[test]
    fn the_orders_for_the_products_are_whole() {
        let example = check(&workspace::root().join("tests/products/o2c/fates.json"));
        assert_eq!(example.fates.len(), 20);
        assert!(example.fates.iter().all(|fate| fate.ended.is_some()), "each has its final state");
    }
}
