//! A stored entry of the events stream: a change of a case, or a notice.

use prost::Message as _;

use super::actor::{StoredActor, decode_actor, encode_actor};
use super::event::{StoredEvent, decode_event, encode_event};
use super::notice::{self, StoredNotice, decode_notice};
use super::{check_format, field, unreadable};
use crate::core::{Change, Notice, RequestDigest, State, Timestamp, Told};
use crate::seal::Salt;
use crate::store::Unreadable;
use crate::telemetry::traces::TraceParent;

/// Format 2 is a notice, which a reader of format 1 would take for a change without a case.
const FORMAT: u32 = 2;
const FORMAT_CHANGE: u32 = 1;
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
    #[prost(message, optional, tag = "8")]
    actor: Option<StoredActor>,
    #[prost(string, tag = "9")]
    from: String,
    #[prost(string, tag = "10")]
    to: String,
    #[prost(bytes = "vec", optional, tag = "11")]
    digest: Option<Vec<u8>>,
    #[prost(string, tag = "13")]
    from_shown: String,
    #[prost(string, tag = "14")]
    to_shown: String,
    /// In format 2, all there is.
    #[prost(message, optional, tag = "12")]
    notice: Option<StoredNotice>,
    /// Whoever has the digest of an entry, as a portal has with its proof, could else try out what the
    /// desk keeps to itself, such as risks.
    #[prost(bytes = "vec", optional, tag = "15")]
    salt: Option<Vec<u8>>,
}

impl StoredChange {
    fn salted(self, salt: Salt) -> Vec<u8> {
        Self { salt: Some(salt.0.to_vec()), ..self }.encode_to_vec()
    }
}

/// The bytes of a change, with nothing beside it.
#[must_use]
pub fn encode_change(change: &Change) -> Vec<u8> {
    stored_change(change).encode_to_vec()
}

/// The bytes of a change as they are kept, with the trace that its commit is part of.
pub(in crate::store) fn keep_change(
    change: &Change,
    trace: Option<&TraceParent>,
    salt: Salt,
) -> Vec<u8> {
    let trace = trace.map(ToString::to_string);
    StoredChange { trace, ..stored_change(change) }.salted(salt)
}

fn stored_change(change: &Change) -> StoredChange {
    let word = |state: Option<State>| state.map(State::word).unwrap_or_default().to_owned();
    StoredChange {
        format: FORMAT_CHANGE,
        case: change.case.compact().to_owned(),
        authority: change.authority.to_string(),
        version: change.version,
        at_ms: change.at.as_millis(),
        events: change.events.iter().map(encode_event).collect(),
        trace: None,
        actor: change.actor.as_ref().map(encode_actor),
        from: word(change.from),
        to: word(change.to),
        from_shown: word(change.shown.map(|(from, _)| from)),
        to_shown: word(change.shown.map(|(_, to)| to)),
        digest: change.digest.map(|digest| digest.0.to_vec()),
        notice: None,
        salt: None,
    }
}

/// The bytes of a notice, with nothing beside it.
#[must_use]
pub fn encode_notice(notice: &Notice) -> Vec<u8> {
    stored_notice(notice).encode_to_vec()
}

/// The bytes of a notice as they are kept.
pub(in crate::store) fn keep_notice(notice: &Notice, salt: Salt) -> Vec<u8> {
    stored_notice(notice).salted(salt)
}

fn stored_notice(notice: &Notice) -> StoredChange {
    let notice = Some(notice::encode_notice(notice));
    StoredChange { format: FORMAT, notice, ..StoredChange::default() }
}

/// Reads an entry of the stream.
///
/// # Errors
/// The bytes are none, or one with something in it that this version does not know.
pub fn decode_told(bytes: &[u8]) -> Result<Told, Unreadable> {
    decode_traced(bytes).map(|(told, _)| told)
}

/// Reads an entry and the trace that its commit was part of. What is no trace is none: it is there to
/// look at, and keeps no page from going out.
pub(in crate::store) fn decode_traced(
    bytes: &[u8],
) -> Result<(Told, Option<TraceParent>), Unreadable> {
    let stored = StoredChange::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    if stored.format != FORMAT_CHANGE {
        let notice = field(WHAT, "notice", stored.notice)?;
        return Ok((Told::Notice(decode_notice(notice)?), None));
    }
    let case = field(WHAT, "case", stored.case.parse().ok())?;
    let state = |name, word: &str| match word {
        "" => Ok(None),
        word => field(WHAT, name, State::from_word(word)).map(Some),
    };
    let events = stored.events.iter().map(|event| decode_event(case, event));
    let change = Change {
        case,
        authority: field(WHAT, "authority", stored.authority.parse().ok())?,
        version: stored.version,
        at: Timestamp::from_millis(stored.at_ms),
        actor: stored.actor.map(|actor| decode_actor(WHAT, actor)).transpose()?,
        from: state("from", &stored.from)?,
        to: state("to", &stored.to)?,
        shown: state("from_shown", &stored.from_shown)?.zip(state("to_shown", &stored.to_shown)?),
        digest: match stored.digest {
            Some(digest) => Some(field(WHAT, "digest", digest.try_into().ok())?),
            None => None,
        }
        .map(RequestDigest),
        events: events.collect::<Result<_, _>>()?,
    };
    Ok((Told::Change(change), stored.trace.as_deref().and_then(TraceParent::parse)))
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
                ..StoredChange::default()
            };
            let (told, found) = decode_traced(&stored.encode_to_vec()).unwrap();
            assert_eq!((told.change().unwrap().version, found.is_some()), (1, is_one));
        }
    }
}
