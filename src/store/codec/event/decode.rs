//! From what is stored of an event back to it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Kind, StoredEvent};
use crate::core::{
    Band, CaseId, ClockKind, DataCategory, Event, Mark, Nature, Outcome, Page, PageCause, PageKey,
    PauseReason, Protection, Punctuality, Risk, RungRecord, Settlement, SinkAnswer, Stance,
    Subject, Timestamp, Verification,
};
use crate::store::Unreadable;
use crate::store::codec::answer::StoredKind;
use crate::store::codec::change::WHAT;
use crate::store::codec::{field, unreadable};

pub(in crate::store::codec) fn decode_event(
    case: CaseId,
    stored: &StoredEvent,
) -> Result<Event, Unreadable> {
    let by = || field(WHAT, "by", stored.by.parse().ok());
    let expires_at = Timestamp::from_millis(stored.expires_ms);
    Ok(match stored.kind() {
        Kind::Unspecified => return Err(unreadable(WHAT, "it holds an unknown event")),
        Kind::Accepted => Event::Accepted {
            nature: nature(stored)?,
            band: band(stored)?,
            target_at: Timestamp::from_millis(stored.target_ms),
            limit_at: Timestamp::from_millis(stored.limit_ms),
        },
        Kind::RungFired => Event::RungFired(decode_rung(stored)?),
        Kind::RungQuieted => Event::RungQuieted(decode_rung(stored)?),
        Kind::Paged => Event::Paged(decode_page(case, stored)?),
        Kind::PagedFromMemory => Event::PagedFromMemory {
            page: decode_page(case, stored)?,
            at: Timestamp::from_millis(stored.sent_ms),
        },
        Kind::Claimed => Event::Claimed {
            by: by()?,
            epoch: stored.epoch,
            expires_at,
            waited: Duration::from_millis(stored.waited_ms),
            is_unanswered: stored.is_unanswered,
        },
        Kind::ClaimRenewed => Event::ClaimRenewed { epoch: stored.epoch, expires_at },
        Kind::ClaimReleased => Event::ClaimReleased { epoch: stored.epoch },
        Kind::ClaimLost => Event::ClaimLost { epoch: stored.epoch, expired_at: expires_at },
        Kind::HandedOver => {
            Event::HandedOver { by: by()?, to: other(stored)?, epoch: stored.epoch, expires_at }
        }
        Kind::Responded => Event::Responded {
            by: by()?,
            kind: field(WHAT, "response", stored.response.as_ref().and_then(StoredKind::decode))?,
            waited: Duration::from_millis(stored.waited_ms),
            band: band(stored)?,
            punctuality: punctuality(stored)?,
            is_claim_lost: stored.is_claim_lost,
        },
        Kind::ClockStarted
        | Kind::ClockStopped
        | Kind::ClockPaused
        | Kind::ClockResumed
        | Kind::ClockExtended
        | Kind::ClockRaised
        | Kind::ClockSettled => decode_clock_event(stored)?,
        kind @ (Kind::PreservationRequested
        | Kind::PageAcknowledged
        | Kind::PageAnswered
        | Kind::PagesClosed
        | Kind::LikelyDuplicatesFound
        | Kind::RisksSeen
        | Kind::AuthoritySuspended
        | Kind::DuplicateLinked
        | Kind::IncidentJoined
        | Kind::IncidentLeft
        | Kind::LegalHoldSet
        | Kind::Disclosed
        | Kind::Purged) => decode_kept(kind, stored)?,
        kind => decode_worked(kind, stored)?,
    })
}

fn decode_clock_event(stored: &StoredEvent) -> Result<Event, Unreadable> {
    let by = || field(WHAT, "by", stored.by.parse().ok());
    let clock = field(WHAT, "clock", ClockKind::from_word(&stored.clock))?;
    let target_at = Timestamp::from_millis(stored.target_ms);
    let limit_at = Timestamp::from_millis(stored.limit_ms);
    let duration = stored.duration_ms.map(Duration::from_millis);
    Ok(match stored.kind() {
        Kind::ClockStarted => Event::ClockStarted { clock, target_at, limit_at },
        Kind::ClockRaised => Event::ClockRaised { clock, target_at, limit_at },
        Kind::ClockStopped => Event::ClockStopped { clock, punctuality: punctuality(stored)? },
        Kind::ClockPaused => {
            let reason = field(WHAT, "reason", PauseReason::from_word(&stored.word))?;
            Event::ClockPaused { by: by()?, clock, reason }
        }
        Kind::ClockResumed => {
            let paused_for = field(WHAT, "duration", duration)?;
            Event::ClockResumed { by: by()?, clock, paused_for }
        }
        Kind::ClockExtended => Event::ClockExtended { clock, limit_at },
        Kind::ClockSettled => {
            let settlement = field(WHAT, "settlement", Settlement::from_word(&stored.word))?;
            Event::ClockSettled { by: by()?, clock, settlement }
        }
        _ => return Err(unreadable(WHAT, "it holds an unknown event")),
    })
}

fn decode_kept(kind: Kind, stored: &StoredEvent) -> Result<Event, Unreadable> {
    let by = || field(WHAT, "by", stored.by.parse().ok());
    let cases = stored.cases.iter().map(|id| id.parse().ok());
    let cases = || field(WHAT, "cases", cases.collect::<Option<BTreeSet<CaseId>>>());
    let incident = || field(WHAT, "incident", stored.name.parse().ok());
    let page_key = || field(WHAT, "page_key", stored.page_key.parse().ok());
    Ok(match kind {
        Kind::PreservationRequested => Event::PreservationRequested { by: by()? },
        Kind::PageAcknowledged => Event::PageAcknowledged { by: by()?, key: page_key()? },
        Kind::PageAnswered => Event::PageAnswered {
            key: page_key()?,
            sink: field(WHAT, "sink", stored.name.parse().ok())?,
            answer: field(WHAT, "answer", SinkAnswer::from_word(&stored.word))?,
        },
        Kind::PagesClosed => {
            Event::PagesClosed { clock: field(WHAT, "clock", ClockKind::from_word(&stored.clock))? }
        }
        Kind::LikelyDuplicatesFound => Event::LikelyDuplicatesFound { cases: cases()? },
        Kind::RisksSeen => {
            let risks = stored.categories.iter().map(|word| Risk::from_word(word));
            Event::RisksSeen { risks: field(WHAT, "risks", risks.collect::<Option<_>>())? }
        }
        Kind::AuthoritySuspended => Event::AuthoritySuspended,
        Kind::DuplicateLinked => {
            let case = field(WHAT, "cases", cases()?.pop_first())?;
            Event::DuplicateLinked { by: by()?, case }
        }
        Kind::IncidentJoined => Event::IncidentJoined { incident: incident()? },
        Kind::IncidentLeft => Event::IncidentLeft { incident: incident()? },
        Kind::LegalHoldSet => Event::LegalHoldSet { by: by()?, is_held: stored.is_so },
        Kind::Disclosed => Event::Disclosed {
            number: stored.number,
            categories: categories(stored)?,
            items: stored.items,
            bytes: stored.bytes,
            recipient_key: field(WHAT, "recipient_key", stored.name.parse().ok())?,
        },
        Kind::Purged => Event::Purged,
        _ => return Err(unreadable(WHAT, "it holds an unknown event")),
    })
}

fn decode_worked(kind: Kind, stored: &StoredEvent) -> Result<Event, Unreadable> {
    let by = field(WHAT, "by", stored.by.parse().ok())?;
    let number = stored.number;
    let duration = stored.duration_ms.map(Duration::from_millis);
    Ok(match kind {
        Kind::Updated => Event::Updated { by, expected_within: duration },
        Kind::Asked => Event::Asked { by },
        Kind::InformationProvided => Event::InformationProvided { by, was_asked: stored.is_so },
        Kind::Reclassified => Event::Reclassified {
            by,
            proposed_by: if stored.other.is_empty() { None } else { Some(other(stored)?) },
            nature: nature(stored)?,
            band: band(stored)?,
            protection: match stored.protection.as_str() {
                "" => None,
                word => Some(field(WHAT, "protection", Protection::from_word(word))?),
            },
        },
        Kind::LoweringProposed => Event::LoweringProposed { by, nature: nature(stored)? },
        Kind::Verified => Event::Verified {
            by,
            verification: field(WHAT, "word", Verification::from_word(&stored.word))?,
            phone: match stored.name.as_str() {
                "" => None,
                name => Some(field(WHAT, "phone", name.parse().ok())?),
            },
        },
        Kind::ConflictRecorded => Event::ConflictRecorded {
            by,
            category: field(WHAT, "categories", categories(stored)?.pop_first())?,
            stance: field(WHAT, "stance", Stance::from_word(&stored.word))?,
        },
        Kind::OutcomeProposed => {
            Event::OutcomeProposed { by, number, disclosed: categories(stored)? }
        }
        Kind::OutcomeApproved => Event::OutcomeApproved { by, proposed_by: other(stored)?, number },
        Kind::DeliveryConfirmed => Event::DeliveryConfirmed { by, number },
        Kind::WithdrawalRequested => Event::WithdrawalRequested { by },
        Kind::WithdrawalDeclined => Event::WithdrawalDeclined { by },
        Kind::Ended => Event::Ended {
            by,
            outcome: field(WHAT, "outcome", Outcome::from_word(&stored.word))?,
            took: field(WHAT, "duration", duration)?,
        },
        _ => return Err(unreadable(WHAT, "it holds an unknown event")),
    })
}

fn nature(stored: &StoredEvent) -> Result<Nature, Unreadable> {
    field(WHAT, "nature", Nature::from_word(&stored.nature))
}

fn other(stored: &StoredEvent) -> Result<Subject, Unreadable> {
    field(WHAT, "other", stored.other.parse().ok())
}

fn punctuality(stored: &StoredEvent) -> Result<Punctuality, Unreadable> {
    field(WHAT, "punctuality", Punctuality::from_word(&stored.punctuality))
}

fn categories(stored: &StoredEvent) -> Result<BTreeSet<DataCategory>, Unreadable> {
    let categories = stored.categories.iter().map(|word| DataCategory::from_word(word));
    field(WHAT, "categories", categories.collect::<Option<_>>())
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
        is_quieted_by_claim: stored.is_so,
    })
}

fn band(stored: &StoredEvent) -> Result<Band, Unreadable> {
    field(WHAT, "band", u8::try_from(stored.band).ok().and_then(Band::new))
}
