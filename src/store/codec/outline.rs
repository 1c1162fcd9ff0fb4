//! What every version reads alike in a stored change, whatever else is in it.
//!
//! The audit log of every replica must be the same to the byte, also while replicas of two versions run.
//! So these fields are read by their tags alone, without asking for the format or for what else there
//! is, and neither the tags nor this reading may ever change.

use prost::Message as _;
use serde::{Deserialize, Serialize};

/// The few fields of a stored change that no version will ever read otherwise. All are absent where
/// the bytes are no message at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The case, as its 16 symbols.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub case: Option<String>,
    /// Whose case it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authority: Option<String>,
    /// The version of the case that the change made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
    /// When it was decided, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_ms: Option<u64>,
    /// The digest of the request that was made of the desk, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_sha256: Option<String>,
    /// Of an acceptance, when the first response should be given, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_ms: Option<u64>,
    /// Of an acceptance, when the promise is broken, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit_ms: Option<u64>,
    /// Of a first response, how long the authority had waited, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waited_ms: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OutlinedChange {
    #[prost(string, optional, tag = "2")]
    case: Option<String>,
    #[prost(string, optional, tag = "3")]
    authority: Option<String>,
    #[prost(uint64, optional, tag = "4")]
    version: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    at_ms: Option<u64>,
    #[prost(message, repeated, tag = "6")]
    events: Vec<OutlinedEvent>,
    #[prost(bytes = "vec", optional, tag = "11")]
    digest: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OutlinedEvent {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint64, tag = "4")]
    target_ms: u64,
    #[prost(uint64, tag = "5")]
    limit_ms: u64,
    #[prost(uint64, tag = "19")]
    waited_ms: u64,
}

const ACCEPTED: i32 = super::event::Kind::Accepted as i32;
const RESPONDED: i32 = super::event::Kind::Responded as i32;

impl Outline {
    /// Reads what every version reads in stored bytes.
    #[must_use]
    pub fn read(stored: &[u8]) -> Self {
        let Ok(change) = OutlinedChange::decode(stored) else { return Self::default() };
        let of_kind = |kind: i32| change.events.iter().find(|event| event.kind == kind);
        let accepted = of_kind(ACCEPTED);
        Self {
            target_ms: accepted.map(|event| event.target_ms),
            limit_ms: accepted.map(|event| event.limit_ms),
            waited_ms: of_kind(RESPONDED).map(|event| event.waited_ms),
            request_sha256: change.digest.map(|digest| hex(&digest)),
            case: change.case,
            authority: change.authority,
            version: change.version,
            at_ms: change.at_ms,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
