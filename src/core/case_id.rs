//! Case ids: derived, so that a retry finds its case, and short enough to be read over the phone.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::names::{AuthorityId, RequestId};

/// Crockford's base32: no I, L, O or U, so that no symbol is mistaken for another.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PAYLOAD_SYMBOLS: usize = 15;
const ID_SYMBOLS: usize = PAYLOAD_SYMBOLS + 1;

/// The name of a case: 75 bits of SHA-256(authority, request id) as 15 symbols, and a check
/// symbol (Luhn mod 32) that finds every single wrong symbol and most swapped neighbours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId([u8; ID_SYMBOLS]);

/// The text is not a case id: wrong length, wrong symbol, or a check symbol that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a case id; it reads like K7QF-2MXD-9RTA-4WZE, hyphens and letter case do not matter")]
pub struct NotACaseId;

impl CaseId {
    /// The id of the case that `request_id` of `authority` makes, now and for ever.
    #[must_use]
    pub fn derive(authority: &AuthorityId, request_id: &RequestId) -> Self {
        let mut hasher = Sha256::new();
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update((authority.as_str().len() as u64).to_be_bytes());
        hasher.update(authority.as_str());
        hasher.update(request_id.as_str());
        let digest = hasher.finalize();
        let mut values = [0u8; PAYLOAD_SYMBOLS];
        for (index, value) in values.iter_mut().enumerate() {
            let bit = index * 5;
            let pair = u16::from_be_bytes([digest[bit / 8], digest[bit / 8 + 1]]);
            *value = u8::try_from((pair >> (11 - bit % 8)) & 31).expect("five bits fit a byte");
        }
        let mut symbols = [0u8; ID_SYMBOLS];
        for (symbol, value) in symbols.iter_mut().zip(values) {
            *symbol = SYMBOLS[usize::from(value)];
        }
        symbols[PAYLOAD_SYMBOLS] = SYMBOLS[usize::from(check_value(&values))];
        Self(symbols)
    }

    /// The 16 symbols without hyphens: what keys and indexes hold.
    #[must_use]
    pub fn compact(&self) -> &str {
        std::str::from_utf8(&self.0).expect("symbols are ASCII")
    }
}

/// Luhn mod 32 over base32 values, most significant first.
fn check_value(values: &[u8]) -> u8 {
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(index, value)| {
            let product = u32::from(*value) * if index % 2 == 0 { 2 } else { 1 };
            product / 32 + product % 32
        })
        .sum();
    u8::try_from((32 - sum % 32) % 32).expect("below 32")
}

impl FromStr for CaseId {
    type Err = NotACaseId;

    fn from_str(text: &str) -> Result<Self, NotACaseId> {
        let mut values = [0u8; ID_SYMBOLS];
        let mut count = 0;
        for byte in text.bytes().filter(|byte| *byte != b'-') {
            // Crockford: what a reader or a telephone confuses means the same symbol.
            let symbol = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = SYMBOLS.iter().position(|known| *known == symbol).ok_or(NotACaseId)?;
            *values.get_mut(count).ok_or(NotACaseId)? = u8::try_from(value).expect("below 32");
            count += 1;
        }
        let [payload @ .., check] = &values;
        if count != ID_SYMBOLS || check_value(payload) != *check {
            return Err(NotACaseId);
        }
        Ok(Self(values.map(|value| SYMBOLS[usize::from(value)])))
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.compact();
        write!(f, "{}-{}-{}-{}", &text[..4], &text[4..8], &text[8..12], &text[12..])
    }
}

impl fmt::Debug for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(authority: &str, request_id: &str) -> CaseId {
        CaseId::derive(&authority.parse().unwrap(), &request_id.parse().unwrap())
    }

    #[test]
    fn the_same_request_always_has_the_same_id() {
        // A golden value: changing the derivation would make every retry a second case.
        assert_eq!(id("fr-pnij", "2026-000417").to_string(), "D2F7-P14C-VS7E-HD6N");
        assert_ne!(id("fr-pnij", "2026-000417"), id("fr-pnij", "2026-000418"));
        assert_ne!(id("ab", "c"), id("a", "bc"));
    }

    #[test]
    fn an_id_is_read_as_people_say_it() {
        let id = id("fr-pnij", "2026-000417");
        for text in [id.to_string(), id.compact().to_owned(), id.to_string().to_lowercase()] {
            assert_eq!(text.parse::<CaseId>(), Ok(id));
        }
        let confused = id.compact().replace('1', "l").replace('0', "o");
        assert_eq!(confused.parse::<CaseId>(), Ok(id));
    }

    #[test]
    fn every_single_wrong_symbol_is_found() {
        let id = id("fr-pnij", "2026-000417");
        for position in 0..ID_SYMBOLS {
            for symbol in SYMBOLS {
                let mut wrong = id.0;
                wrong[position] = *symbol;
                let parsed = std::str::from_utf8(&wrong).unwrap().parse::<CaseId>();
                assert_eq!(parsed.is_ok(), wrong == id.0, "position {position}");
            }
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "K7QF", "K7QF-2MXD-9RTA-4WZU", "é234567890123456", "0".repeat(17).as_str()]
        {
            assert_eq!(text.parse::<CaseId>(), Err(NotACaseId), "{text}");
        }
    }
}
