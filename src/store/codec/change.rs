//! A stored change: one entry of the events stream.

use std::time::Duration;

use prost::Message as _;

use super::case::StoredKind;
use super::{check_format, field, unreadable};
use crate::core::case::Punctuality;
use crate::core::time::millis;
use crate::core::{
    Band, CaseId, Change, ClockKind, Event, Mark, Nature, Page, PageCause, PageKey, RungRecord,
    Timestamp,
};
use crate::store::Unreadable;

const FORMAT: u32 = 1;
const WHAT: &str = "change";

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
}

/// One event: `kind` says which of the fields below it uses.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredEvent {
    #[prost(enumeration = "Kind", tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    nature: String,
    #[prost(uint32, tag = "3")]
    band: u32,
    #[prost(uint64, tag = "4")]
    target_ms: u64,
    #[prost(uint64, tag = "5")]
    limit_ms: u64,
    #[prost(string, tag = "6")]
    clock: String,
    #[prost(uint32, tag = "7")]
    cycle: u32,
    #[prost(uint64, tag = "8")]
    offset_ms: u64,
    #[prost(uint64, tag = "9")]
    due_ms: u64,
    #[prost(uint32, tag = "10")]
    count: u32,
    #[prost(uint64, tag = "11")]
    spacing_ms: u64,
    #[prost(uint64, tag = "12")]
    lateness_ms: u64,
    #[prost(string, tag = "13")]
    mark: String,
    #[prost(string, repeated, tag = "14")]
    contacts: Vec<String>,
    #[prost(string, tag = "15")]
    cause: String,
    #[prost(string, tag = "16")]
    by: String,
    #[prost(uint64, tag = "17")]
    epoch: u64,
    #[prost(uint64, tag = "18")]
    expires_ms: u64,
    #[prost(uint64, tag = "19")]
    waited_ms: u64,
    #[prost(bool, tag = "20")]
    is_unanswered: bool,
    #[prost(message, optional, tag = "21")]
    response: Option<StoredKind>,
    #[prost(bool, tag = "22")]
    is_claim_lost: bool,
    #[prost(string, tag = "23")]
    punctuality: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Unspecified = 0,
    Accepted = 1,
    RungFired = 2,
    RungQuieted = 3,
    Paged = 4,
    Claimed = 5,
    ClaimRenewed = 6,
    ClaimReleased = 7,
    ClaimLost = 8,
    Responded = 9,
}

/// The bytes of a change.
#[must_use]
pub fn encode_change(change: &Change) -> Vec<u8> {
    StoredChange {
        format: FORMAT,
        case: change.case.compact().to_owned(),
        authority: change.authority.to_string(),
        version: change.version,
        at_ms: change.at.as_millis(),
        events: change.events.iter().map(encode_event).collect(),
    }
    .encode_to_vec()
}

fn encode_event(event: &Event) -> StoredEvent {
    let empty = |kind: Kind| StoredEvent { kind: kind.into(), ..StoredEvent::default() };
    match event {
        Event::Accepted { nature, band, target_at, limit_at } => StoredEvent {
            nature: nature.word().to_owned(),
            band: band.number().into(),
            target_ms: target_at.as_millis(),
            limit_ms: limit_at.as_millis(),
            ..empty(Kind::Accepted)
        },
        Event::RungFired(rung) => encode_rung(rung, empty(Kind::RungFired)),
        Event::RungQuieted(rung) => encode_rung(rung, empty(Kind::RungQuieted)),
        Event::Paged(page) => StoredEvent {
            clock: page.key.clock.word().to_owned(),
            cycle: page.key.cycle,
            offset_ms: millis(page.key.offset),
            contacts: page.contacts.iter().map(ToString::to_string).collect(),
            band: page.band.number().into(),
            due_ms: page.due_at.as_millis(),
            limit_ms: page.limit_at.as_millis(),
            cause: page.cause.word().to_owned(),
            ..empty(Kind::Paged)
        },
        Event::Claimed { by, epoch, expires_at, waited, is_unanswered } => StoredEvent {
            by: by.to_string(),
            epoch: *epoch,
            expires_ms: expires_at.as_millis(),
            waited_ms: millis(*waited),
            is_unanswered: *is_unanswered,
            ..empty(Kind::Claimed)
        },
        Event::ClaimRenewed { epoch, expires_at } => StoredEvent {
            epoch: *epoch,
            expires_ms: expires_at.as_millis(),
            ..empty(Kind::ClaimRenewed)
        },
        Event::ClaimReleased { epoch } => {
            StoredEvent { epoch: *epoch, ..empty(Kind::ClaimReleased) }
        }
        Event::ClaimLost { epoch, expired_at } => StoredEvent {
            epoch: *epoch,
            expires_ms: expired_at.as_millis(),
            ..empty(Kind::ClaimLost)
        },
        Event::Responded { by, kind, waited, band, punctuality, is_claim_lost } => StoredEvent {
            by: by.to_string(),
            response: Some(StoredKind::encode(*kind)),
            waited_ms: millis(*waited),
            band: band.number().into(),
            punctuality: punctuality.word().to_owned(),
            is_claim_lost: *is_claim_lost,
            ..empty(Kind::Responded)
        },
    }
}

fn encode_rung(rung: &RungRecord, empty: StoredEvent) -> StoredEvent {
    StoredEvent {
        clock: rung.clock.word().to_owned(),
        cycle: rung.cycle,
        offset_ms: millis(rung.offset),
        due_ms: rung.due_at.as_millis(),
        count: rung.count,
        spacing_ms: millis(rung.spacing),
        lateness_ms: millis(rung.lateness),
        mark: rung.mark.map_or("", Mark::word).to_owned(),
        band: rung.band.number().into(),
        ..empty
    }
}

/// Reads a change.
///
/// # Errors
/// The bytes are no change, or one with something in it that this version does not know.
pub fn decode_change(bytes: &[u8]) -> Result<Change, Unreadable> {
    let stored = StoredChange::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    let case = field(WHAT, "case", stored.case.parse().ok())?;
    let events = stored.events.iter().map(|event| decode_event(case, event));
    Ok(Change {
        case,
        authority: field(WHAT, "authority", stored.authority.parse().ok())?,
        version: stored.version,
        at: Timestamp::from_millis(stored.at_ms),
        events: events.collect::<Result<_, _>>()?,
    })
}

fn decode_event(case: CaseId, stored: &StoredEvent) -> Result<Event, Unreadable> {
    Ok(match stored.kind() {
        Kind::Unspecified => return Err(unreadable(WHAT, "it holds an unknown event")),
        Kind::Accepted => Event::Accepted {
            nature: field(WHAT, "nature", Nature::from_word(&stored.nature))?,
            band: band(stored)?,
            target_at: Timestamp::from_millis(stored.target_ms),
            limit_at: Timestamp::from_millis(stored.limit_ms),
        },
        Kind::RungFired => Event::RungFired(decode_rung(stored)?),
        Kind::RungQuieted => Event::RungQuieted(decode_rung(stored)?),
        Kind::Paged => Event::Paged(decode_page(case, stored)?),
        Kind::Claimed => Event::Claimed {
            by: field(WHAT, "by", stored.by.parse().ok())?,
            epoch: stored.epoch,
            expires_at: Timestamp::from_millis(stored.expires_ms),
            waited: Duration::from_millis(stored.waited_ms),
            is_unanswered: stored.is_unanswered,
        },
        Kind::ClaimRenewed => Event::ClaimRenewed {
            epoch: stored.epoch,
            expires_at: Timestamp::from_millis(stored.expires_ms),
        },
        Kind::ClaimReleased => Event::ClaimReleased { epoch: stored.epoch },
        Kind::ClaimLost => Event::ClaimLost {
            epoch: stored.epoch,
            expired_at: Timestamp::from_millis(stored.expires_ms),
        },
        Kind::Responded => Event::Responded {
            by: field(WHAT, "by", stored.by.parse().ok())?,
            kind: field(WHAT, "response", stored.response.as_ref().and_then(StoredKind::decode))?,
            waited: Duration::from_millis(stored.waited_ms),
            band: band(stored)?,
            punctuality: field(WHAT, "punctuality", Punctuality::from_word(&stored.punctuality))?,
            is_claim_lost: stored.is_claim_lost,
        },
    })
}

fn decode_rung(stored: &StoredEvent) -> Result<RungRecord, Unreadable> {
    let mark = match stored.mark.as_str() {
        "" => None,
        word => Some(field(WHAT, "mark", Mark::from_word(word))?),
    };
    Ok(RungRecord {
        clock: field(WHAT, "clock", ClockKind::from_word(&stored.clock))?,
        cycle: stored.cycle,
        offset: Duration::from_millis(stored.offset_ms),
        due_at: Timestamp::from_millis(stored.due_ms),
        count: field(WHAT, "count", (stored.count > 0).then_some(stored.count))?,
        spacing: Duration::from_millis(stored.spacing_ms),
        lateness: Duration::from_millis(stored.lateness_ms),
        mark,
        band: band(stored)?,
    })
}

fn decode_page(case: CaseId, stored: &StoredEvent) -> Result<Page, Unreadable> {
    let contacts = stored.contacts.iter().map(|name| name.parse());
    Ok(Page {
        key: PageKey {
            case,
            clock: field(WHAT, "clock", ClockKind::from_word(&stored.clock))?,
            cycle: stored.cycle,
            offset: Duration::from_millis(stored.offset_ms),
        },
        contacts: field(WHAT, "contacts", contacts.collect::<Result<_, _>>().ok())?,
        band: band(stored)?,
        due_at: Timestamp::from_millis(stored.due_ms),
        limit_at: Timestamp::from_millis(stored.limit_ms),
        cause: field(WHAT, "cause", PageCause::from_word(&stored.cause))?,
    })
}

fn band(stored: &StoredEvent) -> Result<Band, Unreadable> {
    field(WHAT, "band", u8::try_from(stored.band).ok().and_then(Band::new))
}
