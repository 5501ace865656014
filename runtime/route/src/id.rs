//! The id of an exchange: 64 bits, time-ordered (the journal makes them), shown as 13 characters of
//! Crockford's base32 so that it can be read out over the telephone and sorts as it was made.

use std::fmt;
use std::str::FromStr;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 13 digits of 5 bits hold 64 bits with one bit to spare.
const LENGTH: usize = 13;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an exchange: 13 digits and letters, as in 06DQ4X1M2ZK70")]
pub struct NotAnId(pub String);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = (0..LENGTH)
            .rev()
            .map(|place| char::from(DIGITS[(self.0 >> (place * 5)) as usize & 31]))
            .collect();
        f.pad(&digits)
    }
}

/// Either case; `I` and `L` are read as 1 and `O` as 0.
impl FromStr for ExchangeId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let refused = || NotAnId(text.chars().take(LENGTH * 2).collect());
        if text.len() != LENGTH {
            return Err(refused());
        }
        let number = text.bytes().try_fold(0u128, |number, byte| {
            let byte = match byte.to_ascii_uppercase() {
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            };
            let digit = DIGITS.iter().position(|known| *known == byte)?;
            Some(number << 5 | digit as u128)
        });
        number.and_then(|number| u64::try_from(number).ok()).map(ExchangeId).ok_or_else(refused)
    }
}

impl serde::Serialize for ExchangeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ExchangeId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown_and_sorts_as_its_number() {
        let ids = [0, 1, 31, 32, 0x0123_4567_89AB_CDEF, u64::MAX - 1, u64::MAX].map(ExchangeId);
        for pair in ids.windows(2) {
            assert!(pair[0].to_string() < pair[1].to_string());
        }
        for id in ids {
            assert_eq!(id.to_string().len(), 13);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        }
        assert_eq!("OOOOOOOOOOOIL".parse(), Ok(ExchangeId(33)));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "000", "00000000000000", "000000000000U", "ZZZZZZZZZZZZZ", "0000000000é0"]
        {
            assert_eq!(text.parse::<ExchangeId>(), Err(NotAnId(text.to_owned())), "{text}");
        }
    }
}
