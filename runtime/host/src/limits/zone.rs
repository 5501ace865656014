//! `"Europe/Berlin"`: how admins name a time zone.

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::Error as _;

#[derive(Clone, Debug, PartialEq)]
pub struct Zone(pub TimeZone);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        TimeZone::get(&name).map(Zone).map_err(|_| {
            D::Error::custom(format!(
                "`{name}` is not a time zone; write one of the IANA database, for example \"Europe/Berlin\" or \"UTC\""
            ))
        })
    }
}
