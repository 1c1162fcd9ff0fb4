//! One entry of the log, and the line that it is in a segment.
//!
//! Every replica must derive the same entry for ever, whatever its version: one that knows an event
//! must not derive another leaf than one that does not know it yet. So an entry holds what every version
//! reads alike and nothing else: its number, its place in the events stream, the SHA-256 of the bytes
//! that are stored there, and the few fields that [`Outline`] promises never to change. Bytes that nobody
//! understands make an entry just as well.
//!
//! The line in a segment carries the stored bytes behind the entry. They say who did what and why, to
//! whoever has a version that reads them; the entry alone, which a portal gets with its proof, says
//! nothing of other people's cases, of contacts, or of responders.
//!
//! The leaf of the tree is RFC 6962's hash over exactly the bytes of the entry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::tree::{Hash, leaf_hash};
use crate::core::DeskName;
use crate::store::{Cursor, Outline};

/// What the leaf of the tree is made of: one line of JSON, whose fields have this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number in the log, from 0 on.
    pub index: u64,
    /// Which desk's log.
    pub desk: String,
    /// Its place in the events stream.
    pub cursor: String,
    /// The SHA-256 of what is stored there, in hexadecimal digits.
    pub stored_sha256: String,
    /// What every version reads in that.
    #[serde(flatten)]
    pub outline: Outline,
}

/// An entry of a segment: the line of JSON, and what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The entry, as the bytes that are hashed.
    pub json: String,
    /// The stored bytes.
    pub stored: Vec<u8>,
}

impl Line {
    /// The entry of what is stored at `cursor`.
    #[must_use]
    pub fn new(index: u64, desk: &DeskName, cursor: Cursor, stored: &[u8]) -> Self {
        let entry = Entry {
            index,
            desk: desk.to_string(),
            cursor: cursor.to_string(),
            stored_sha256: hex(&digest(stored)),
            outline: Outline::read(stored),
        };
        let json = serde_json::to_string(&entry).expect("numbers and texts are always JSON");
        Self { json, stored: stored.to_vec() }
    }

    /// The hash of the entry.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf_hash(self.json.as_bytes())
    }

    /// The line as it stands in a segment.
    #[must_use]
    pub fn render(&self) -> String {
        format!("{} {} {}\n", hex(&self.leaf()), self.json, STANDARD.encode(&self.stored))
    }

    /// Reads a line of a segment, without its end, which must be the entry `index`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8], index: u64) -> Result<(Self, Entry), String> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not text")?;
        let (hash, rest) = line.split_once(' ').ok_or("it is not three words")?;
        let (json, stored) = rest.rsplit_once(' ').ok_or("it is not three words")?;
        if hash != hex(&leaf_hash(json.as_bytes())) {
            return Err("its hash is not that of the entry".to_owned());
        }
        let entry: Entry = serde_json::from_str(json).map_err(|_| "the entry cannot be read")?;
        if entry.index != index {
            return Err(format!("in its place stands the entry {}", entry.index));
        }
        let stored = STANDARD.decode(stored).map_err(|_| "what is stored is not base64")?;
        if entry.stored_sha256 != hex(&digest(&stored)) {
            return Err("what is stored is not what the entry was made of".to_owned());
        }
        Ok((Self { json: json.to_owned(), stored }, entry))
    }
}

/// The SHA-256 of stored bytes.
#[must_use]
pub fn digest(stored: &[u8]) -> Hash {
    Sha256::digest(stored).into()
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash from 64 lower-case hexadecimal digits.
#[must_use]
pub fn hash_of_hex(text: &str) -> Option<Hash> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 64 || !text.bytes().all(is_digit) {
        return None;
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}
