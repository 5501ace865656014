//! The persons: a credit analyst and a warehouse desk who answer tasks, and an admin who looks at each
//! exception, notes it, and tries it again once its fault has passed. What they had to do is counted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::{Value, json};

use super::orders::{Kind, Order};
use crate::http;
use crate::set_up::SetUp;

/// An exception that comes back as often as this is no passing fault.
const RETRIES_MAX: u32 = 6;

#[derive(Default)]
pub struct Persons {
    /// Tasks answered, by `route.step`.
    pub tasks: BTreeMap<String, usize>,
    /// Exceptions tried again, by `connector class`, in doubt or not.
    pub exceptions: BTreeMap<String, usize>,
    /// What stood in doubt, with what the exchange and the products know.
    pub in_doubt: Vec<String>,
    /// What an admin could not put right.
    pub wrong: BTreeSet<String>,
    retried: BTreeMap<String, u32>,
    /// One example a class, for the printed page.
    pub examples: BTreeMap<String, String>,
}

impl Persons {
    /// Looks at both lists once; answers how much was done.
    pub fn act(&mut self, set_up: &SetUp, kinds: &BTreeMap<String, Kind>) -> Result<usize> {
        Ok(self.answer(set_up, kinds)? + self.retry(set_up)?)
    }

    fn answer(&mut self, set_up: &SetUp, kinds: &BTreeMap<String, Kind>) -> Result<usize> {
        let mut done = 0;
        let open = set_up.runtime.admin("/v1/tasks?limit=1000")?;
        for task in open["tasks"].as_array().into_iter().flatten() {
            let text = |name: &str| task[name].as_str().unwrap_or_default();
            let step = format!("{}.{}", text("route"), text("step"));
            let answer = match step.as_str() {
                "order-processing.review" => {
                    let order = task["show"]["order"].as_str().unwrap_or_default();
                    match kinds.get(order) {
                        Some(Kind::Approved) => "approve",
                        Some(Kind::NotApproved) => "refuse",
                        _ => {
                            self.wrong.insert(format!("nobody should review {order}"));
                            continue;
                        }
                    }
                }
                "return.arrival" => "arrived",
                _ => {
                    self.wrong.insert(format!("a task nobody expects: {step} {}", task["show"]));
                    continue;
                }
            };
            if set_up.runtime.decide(text("exchange"), answer, "chaos").is_ok() {
                *self.tasks.entry(format!("{step} {answer}")).or_default() += 1;
                done += 1;
            }
        }
        Ok(done)
    }

    fn retry(&mut self, set_up: &SetUp) -> Result<usize> {
        let mut done = 0;
        let open = set_up.runtime.admin("/v1/exceptions?limit=1000")?;
        for exception in open["exceptions"].as_array().into_iter().flatten() {
            let text = |name: &str| exception[name].as_str().unwrap_or_default();
            let (id, class) = (text("exchange"), text("class"));
            let shown = format!(
                "{id} {}.{}, class {class}, code {}: {}",
                text("route"),
                text("step"),
                text("code"),
                text("message")
            );
            if text("owner").is_empty() {
                self.wrong.insert(format!("nobody owns {shown}"));
            }
            let times = self.retried.entry(id.to_owned()).or_default();
            if *times >= RETRIES_MAX {
                self.wrong.insert(format!("tried again {times} times in vain: {shown}"));
                continue;
            }
            if class == "in-doubt" && *times == 0 {
                self.in_doubt.push(doubt(set_up, id, &shown)?);
            }
            let body = json!({ "by": "chaos", "why": "the fault has passed" });
            let path = format!("/v1/exceptions/{id}/retry");
            if http::post(set_up.runtime.admin_at, &path, &body)
                .is_ok_and(|answer| answer.status == 200)
            {
                *times += 1;
                let name = format!("{class} ({}.{})", text("route"), text("step"));
                *self.exceptions.entry(name.clone()).or_default() += 1;
                self.examples.entry(name).or_insert(shown);
                done += 1;
            }
        }
        Ok(done)
    }
}

/// What the exchange went through and what has taken effect for its order: the reader sees that nobody
/// could tell.
fn doubt(set_up: &SetUp, id: &str, shown: &str) -> Result<String> {
    let exchange = set_up.runtime.admin(&format!("/v1/exchanges/{id}"))?;
    let outcomes: Vec<String> = exchange["outcomes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|outcome| {
            let kind = match &outcome["outcome"] {
                Value::Object(kind) => kind.keys().next().cloned().unwrap_or_default(),
                word => word.as_str().unwrap_or_default().to_owned(),
            };
            format!("{}:{kind}", outcome["step"].as_str().unwrap_or_default())
        })
        .collect();
    let order = exchange["keys"]["order"].as_str().and_then(Order::id_of).unwrap_or_default();
    let last = outcomes.len().saturating_sub(8);
    Ok(format!("{shown}\n    order {order}, last outcomes {}", outcomes[last..].join(" ")))
}
