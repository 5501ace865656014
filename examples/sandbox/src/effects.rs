//! What has taken effect, counted by business reference and key: the proof that each effect
//! happened once. A replayed answer is not an effect, so it is not counted.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// One kind of effect on one business object under one idempotency key ("" where there is none).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub product: String,
    pub effect: String,
    pub reference: String,
    pub key: String,
    pub count: u64,
}

#[derive(Debug, Default)]
pub struct Effects {
    places: HashMap<(String, String, String, String), usize>,
    list: Vec<Effect>,
}

impl Effects {
    pub fn count(&mut self, product: &str, effect: &str, reference: &str, key: &str) {
        let name = (product.to_owned(), effect.to_owned(), reference.to_owned(), key.to_owned());
        let place = *self.places.entry(name).or_insert(self.list.len());
        if place == self.list.len() {
            self.list.push(Effect {
                product: product.to_owned(),
                effect: effect.to_owned(),
                reference: reference.to_owned(),
                key: key.to_owned(),
                count: 0,
            });
        }
        self.list[place].count += 1;
    }

    /// What was counted before goes on being counted.
    pub fn take_up(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.count(&effect.product, &effect.effect, &effect.reference, &effect.key);
            if let Some(last) = self.list.last_mut() {
                last.count = effect.count;
            }
        }
    }

    pub fn list(&self) -> Vec<Effect> {
        self.list.clone()
    }
}
