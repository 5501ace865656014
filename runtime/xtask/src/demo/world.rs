//! The demo's world: the sandbox plays every product, and counts the effects.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use crate::http::{self, Answer};
use crate::play::{Fate, Message, Receiver, World, belongs};
use crate::runtime::Runtime;
use crate::set_up::SetUp;

impl World for SetUp {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn alive(&mut self) -> Result<()> {
        SetUp::alive(self)
    }

    fn send(&mut self, message: &Message) -> Result<Answer> {
        let address = match message.to {
            Receiver::Runtime => self.at.messages,
            Receiver::Sandbox => self.at.sandbox,
        };
        Ok(http::post_text(address, &message.path, &message.text)?)
    }

    fn pay_out(&mut self) -> Result<String> {
        self.control("/sandbox/payout", &json!({}))?;
        Ok("the payment service pays out what was captured".to_owned())
    }

    /// Effects that are missing, and those that nobody expects.
    fn differences(&self, fates: &[Fate]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        let effects = self.effects()?;
        for fate in fates {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for effect in effects.iter().filter(|effect| belongs(&effect.reference, &fate.order)) {
                *found.entry(format!("{} {}", effect.product, effect.effect)).or_default() +=
                    effect.count;
            }
            if found != fate.effects {
                missing.push(format!(
                    "{}: effects {}, expected {}",
                    fate.order,
                    json!(found),
                    json!(fate.effects)
                ));
            }
        }
        // What belongs to no order alone, such as the payments out of one payout: once for each name.
        let mut shared: BTreeMap<String, u64> = BTreeMap::new();
        let of_none = |reference: &str| !fates.iter().any(|fate| belongs(reference, &fate.order));
        for effect in effects.iter().filter(|effect| of_none(&effect.reference)) {
            *shared
                .entry(format!("{} {} {}", effect.product, effect.effect, effect.reference))
                .or_default() += effect.count;
        }
        let repeated = shared.iter().filter(|(_, count)| **count > 1);
        missing.extend(repeated.map(|(name, count)| format!("{name} happened {count} times")));
        Ok(missing)
    }
}
