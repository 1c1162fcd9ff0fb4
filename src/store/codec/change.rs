//! A stored change: one entry of the events stream.

use prost::Message as _;

use super::event::{StoredEvent, decode_event, encode_event};
use super::{check_format, field, unreadable};
use crate::core::{Change, Timestamp};
use crate::store::Unreadable;
use crate::telemetry::traces::TraceParent;

const FORMAT: u32 = 1;
pub(super) const WHAT: &str = "change";

#[derive(Clone, PartialEq, prost::Message)]
struct StoredChange {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    case: String,
    #[prost(string, tag = "3")]
    authority: String,
    #[prost(uint64, tag = "4")]
    version: u64,
    #[prost(uint64, tag = "5")]
    at_ms: u64,
    #[prost(message, repeated, tag = "6")]
    events: Vec<StoredEvent>,
    /// Where its trace goes on, for whoever deals with the change.
    #[prost(string, optional, tag = "7")]
    trace: Option<String>,
}

/// The bytes of a change.
#[must_use]
pub fn encode_change(change: &Change) -> Vec<u8> {
    encode_traced(change, None)
}

/// The bytes of a change and of the trace that its commit is part of.
pub(in crate::store) fn encode_traced(change: &Change, trace: Option<&TraceParent>) -> Vec<u8> {
    StoredChange {
        format: FORMAT,
        case: change.case.compact().to_owned(),
        authority: change.authority.to_string(),
        version: change.version,
        at_ms: change.at.as_millis(),
        events: change.events.iter().map(encode_event).collect(),
        trace: trace.map(ToString::to_string),
    }
    .encode_to_vec()
}

/// Reads a change.
///
/// # Errors
/// The bytes are no change, or one with something in it that this version does not know.
pub fn decode_change(bytes: &[u8]) -> Result<Change, Unreadable> {
    decode_traced(bytes).map(|(change, _)| change)
}

/// Reads a change and the trace that its commit was part of. What is no trace is none: it is there to
/// look at, and keeps no page from going out.
pub(in crate::store) fn decode_traced(
    bytes: &[u8],
) -> Result<(Change, Option<TraceParent>), Unreadable> {
    let stored = StoredChange::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    let case = field(WHAT, "case", stored.case.parse().ok())?;
    let events = stored.events.iter().map(|event| decode_event(case, event));
    let change = Change {
        case,
        authority: field(WHAT, "authority", stored.authority.parse().ok())?,
        version: stored.version,
        at: Timestamp::from_millis(stored.at_ms),
        events: events.collect::<Result<_, _>>()?,
    };
    Ok((change, stored.trace.as_deref().and_then(TraceParent::parse)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use prost::Message as _;

    use super::{StoredChange, decode_traced};

    #[test]
    fn a_trace_that_is_none_keeps_nobody_from_reading_the_change() {
        const RIGHT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (trace, is_one) in [(RIGHT, true), ("", false), ("02-of-a-later-kind", false)] {
            let stored = StoredChange {
                format: 1,
                case: "D2F7P14CVS7EHD6N".to_owned(),
                authority: "fr-pnij".to_owned(),
                version: 1,
                at_ms: 1,
                events: Vec::new(),
                trace: Some(trace.to_owned()),
            };
            let (change, found) = decode_traced(&stored.encode_to_vec()).unwrap();
            assert_eq!((change.version, found.is_some()), (1, is_one));
        }
    }
}
