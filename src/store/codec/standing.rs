//! How an authority stands, as it is stored. Its version is a field beside it.

use prost::Message as _;

use super::memory::{decode_memory, encode_memory};
use super::{check_format, field, unreadable};
use crate::core::standing::Suspension;
use crate::core::{AuthorityId, AuthorityStanding, SuspensionReason, Timestamp};
use crate::store::Unreadable;

const FORMAT: u32 = 1;
const WHAT: &str = "standing";

#[derive(Clone, PartialEq, prost::Message)]
struct StoredStanding {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(message, optional, tag = "2")]
    suspension: Option<StoredSuspension>,
    /// Entries of 32 bytes: key and digest.
    #[prost(bytes, tag = "3")]
    memory: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredSuspension {
    #[prost(string, tag = "1")]
    by: String,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(string, tag = "3")]
    reason: String,
}

/// The bytes of a standing.
pub(in crate::store) fn encode_standing(standing: &AuthorityStanding) -> Vec<u8> {
    StoredStanding {
        format: FORMAT,
        suspension: standing.suspension.as_ref().map(|suspension| StoredSuspension {
            by: suspension.by.to_string(),
            at_ms: suspension.at.as_millis(),
            reason: suspension.reason.word().to_owned(),
        }),
        memory: encode_memory(&standing.memory),
    }
    .encode_to_vec()
}

/// Reads a standing.
pub(in crate::store) fn decode_standing(
    authority: AuthorityId,
    version: u64,
    bytes: &[u8],
) -> Result<AuthorityStanding, Unreadable> {
    let stored = StoredStanding::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    let suspension = stored.suspension.map(|stored| {
        Ok(Suspension {
            by: field(WHAT, "by", stored.by.parse().ok())?,
            at: Timestamp::from_millis(stored.at_ms),
            reason: field(WHAT, "reason", SuspensionReason::from_word(&stored.reason))?,
        })
    });
    Ok(AuthorityStanding {
        authority,
        version,
        suspension: suspension.transpose()?,
        memory: decode_memory(WHAT, &stored.memory)?,
    })
}
