//! `breaker` of a connector: a switch or a table.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::limits::BreakerConfig;

/// None where it is switched off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker(pub Option<BreakerConfig>);

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker(Some(BreakerConfig::default()))
    }
}

impl<'de> Deserialize<'de> for Breaker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchOrTable)
    }
}

struct SwitchOrTable;

impl<'de> Visitor<'de> for SwitchOrTable {
    type Value = Breaker;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("`false`, or a table such as { failures = 5, open = \"15s\" }")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Breaker, E> {
        Ok(Breaker(on.then(BreakerConfig::default)))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Breaker, A::Error> {
        let config = BreakerConfig::deserialize(MapAccessDeserializer::new(table))?;
        match config.wrong() {
            Some(reason) => Err(A::Error::custom(reason)),
            None => Ok(Breaker(Some(config))),
        }
    }
}
