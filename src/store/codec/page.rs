//! A stored page, and the record of what has become of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{field, unreadable};
use crate::core::page::Acknowledged;
use crate::core::time::millis;
use crate::core::{
    Band, CaseId, ClockKind, Page, PageCause, PageKey, PageRecord, SinkAnswer, SinkName, Timestamp,
};
use crate::store::Unreadable;

const WHAT: &str = "page";

/// A page; the case is known from where it stands.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredPage {
    #[prost(string, tag = "1")]
    clock: String,
    #[prost(uint32, tag = "2")]
    cycle: u32,
    #[prost(uint64, tag = "3")]
    offset_ms: u64,
    #[prost(string, repeated, tag = "4")]
    contacts: Vec<String>,
    #[prost(uint32, tag = "5")]
    band: u32,
    #[prost(uint64, tag = "6")]
    due_ms: u64,
    #[prost(uint64, tag = "7")]
    limit_ms: u64,
    #[prost(string, tag = "8")]
    cause: String,
    #[prost(bool, tag = "9")]
    is_quieted_by_claim: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredPageRecord {
    #[prost(message, optional, tag = "1")]
    page: Option<StoredPage>,
    #[prost(uint64, tag = "2")]
    queued_ms: u64,
    #[prost(message, repeated, tag = "3")]
    answers: Vec<StoredAnswer>,
    #[prost(uint64, optional, tag = "4")]
    taken_ms: Option<u64>,
    #[prost(string, tag = "5")]
    acknowledged_by: String,
    #[prost(uint64, tag = "6")]
    acknowledged_ms: u64,
    #[prost(uint64, optional, tag = "7")]
    claimed_ms: Option<u64>,
    #[prost(uint64, optional, tag = "8")]
    closed_ms: Option<u64>,
    #[prost(uint32, tag = "9")]
    widened: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredAnswer {
    #[prost(string, tag = "1")]
    sink: String,
    #[prost(string, tag = "2")]
    answer: String,
    #[prost(uint64, tag = "3")]
    at_ms: u64,
}

pub(super) fn encode_page(page: &Page) -> StoredPage {
    StoredPage {
        clock: page.key.clock.word().to_owned(),
        cycle: page.key.cycle,
        offset_ms: millis(page.key.offset),
        contacts: page.contacts.iter().map(ToString::to_string).collect(),
        band: page.band.number().into(),
        due_ms: page.due_at.as_millis(),
        limit_ms: page.limit_at.as_millis(),
        cause: page.cause.word().to_owned(),
        is_quieted_by_claim: page.is_quieted_by_claim,
    }
}

pub(super) fn decode_page(case: CaseId, stored: &StoredPage) -> Result<Page, Unreadable> {
    let contacts = stored.contacts.iter().map(|name| name.parse());
    Ok(Page {
        key: PageKey {
            case,
            clock: field(WHAT, "clock", ClockKind::from_word(&stored.clock))?,
            cycle: stored.cycle,
            offset: Duration::from_millis(stored.offset_ms),
        },
        contacts: field(WHAT, "contacts", contacts.collect::<Result<_, _>>().ok())?,
        band: field(WHAT, "band", u8::try_from(stored.band).ok().and_then(Band::new))?,
        due_at: Timestamp::from_millis(stored.due_ms),
        limit_at: Timestamp::from_millis(stored.limit_ms),
        cause: field(WHAT, "cause", PageCause::from_word(&stored.cause))?,
        is_quieted_by_claim: stored.is_quieted_by_claim,
    })
}

pub(super) fn encode_record(record: &PageRecord) -> StoredPageRecord {
    let acknowledged = record.acknowledged.as_ref();
    let answer = |(sink, (answer, at)): (&SinkName, &(SinkAnswer, Timestamp))| StoredAnswer {
        sink: sink.to_string(),
        answer: answer.word().to_owned(),
        at_ms: at.as_millis(),
    };
    StoredPageRecord {
        page: Some(encode_page(&record.page)),
        queued_ms: record.queued_at.as_millis(),
        answers: record.answers.iter().map(answer).collect(),
        taken_ms: record.taken_at.map(Timestamp::as_millis),
        acknowledged_by: acknowledged.map(|seen| seen.by.to_string()).unwrap_or_default(),
        acknowledged_ms: acknowledged.map(|seen| seen.at.as_millis()).unwrap_or_default(),
        claimed_ms: record.claimed_at.map(Timestamp::as_millis),
        closed_ms: record.closed_at.map(Timestamp::as_millis),
        widened: record.widened,
    }
}

pub(super) fn decode_record(
    case: CaseId,
    stored: &StoredPageRecord,
) -> Result<PageRecord, Unreadable> {
    let missing = || unreadable(WHAT, "the field page is missing");
    let acknowledged = match stored.acknowledged_by.as_str() {
        "" => None,
        by => Some(Acknowledged {
            by: field(WHAT, "acknowledged_by", by.parse().ok())?,
            at: Timestamp::from_millis(stored.acknowledged_ms),
        }),
    };
    let answer = |stored: &StoredAnswer| {
        let sink = field(WHAT, "sink", stored.sink.parse::<SinkName>().ok())?;
        let answer = field(WHAT, "answer", SinkAnswer::from_word(&stored.answer))?;
        Ok((sink, (answer, Timestamp::from_millis(stored.at_ms))))
    };
    Ok(PageRecord {
        page: decode_page(case, stored.page.as_ref().ok_or_else(missing)?)?,
        queued_at: Timestamp::from_millis(stored.queued_ms),
        answers: stored.answers.iter().map(answer).collect::<Result<BTreeMap<_, _>, _>>()?,
        taken_at: stored.taken_ms.map(Timestamp::from_millis),
        acknowledged,
        claimed_at: stored.claimed_ms.map(Timestamp::from_millis),
        closed_at: stored.closed_ms.map(Timestamp::from_millis),
        widened: stored.widened,
    })
}
