//! What a case or an incident remembers of the acts done to it: entries of 32 bytes, key and digest.

use super::unreadable;
use crate::core::Memory;
use crate::core::memory::Remembered;
use crate::store::Unreadable;

pub(super) fn encode_memory(memory: &Memory) -> Vec<u8> {
    memory.iter().flat_map(|act| act.key.iter().chain(&act.digest)).copied().collect()
}

pub(super) fn decode_memory(what: &'static str, bytes: &[u8]) -> Result<Memory, Unreadable> {
    let (entries, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || entries.len() > Memory::ACTS_MAX {
        return Err(unreadable(what, "the field memory has a length that cannot be"));
    }
    let entry = |bytes: &[u8; 32]| {
        let mut remembered = Remembered { key: [0; 16], digest: [0; 16] };
        remembered.key.copy_from_slice(&bytes[..16]);
        remembered.digest.copy_from_slice(&bytes[16..]);
        remembered
    };
    Ok(entries.iter().map(entry).collect())
}
